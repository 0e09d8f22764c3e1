# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What version 2 of Access Manager needs beside itself, as its vendor's documents say, and as far as the server shows it.

#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._Registry

Set-StrictMode -Version 2.0

$WindowsKey = 'SOFTWARE\Microsoft\Windows NT\CurrentVersion'
$SqlInstancesKey = 'SOFTWARE\Microsoft\Microsoft SQL Server\Instance Names\SQL'
$RuntimeNames = 'Microsoft.AspNetCore.App', 'Microsoft.WindowsDesktop.App'

Function Get-RuntimeVersion {
    # The versions of a shared runtime of .NET: the names of its folders, where .NET itself looks for them.
    param([String] $Name)
    $programs = [Environment]::GetFolderPath([Environment+SpecialFolder]::ProgramFiles)
    $folder = [IO.Path]::Combine($programs, 'dotnet', 'shared', $Name)
    if (-not [IO.Directory]::Exists((Get-LongPath -Path $folder))) { return }
    foreach ($found in [IO.Directory]::GetDirectories((Get-LongPath -Path $folder))) { [IO.Path]::GetFileName($found) }
}

Function Get-Version2Platform {
    $runtimes = New-NameTable
    foreach ($name in $RuntimeNames) { $runtimes[$name] = @(Get-RuntimeVersion -Name $name) }
    @{
        build = [Int32](Get-RegistryData -SubKey $WindowsKey -Name 'CurrentBuildNumber')
        runtimes = $runtimes
        sql_instances = @(Get-RegistryValue -SubKey $SqlInstancesKey | ForEach-Object -Process { $_.name })
    }
}

Export-ModuleMember -Function Get-Version2Platform
