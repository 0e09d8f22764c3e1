# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Removes the stand-in of Access Manager with all that its mark names, and what restores left. The mark is removed last.
$mark = ConvertFrom-Json -InputObject ([String](Get-ItemProperty -LiteralPath "HKLM:\$($Task.mark)").StandIn)

function Remove-EmptyFolder {
    param($Folder)
    if (-not (Test-Path -LiteralPath $Folder)) { return }
    if (-not [IO.Directory]::GetFileSystemEntries($Folder)) { [IO.Directory]::Delete($Folder) }
}

if (Get-Service -Name $Task.service -ErrorAction SilentlyContinue) {
    if ((Get-Service -Name $Task.service).Status -ne 'Stopped') { Stop-Service -Name $Task.service -Force }
    & sc.exe delete $Task.service | Out-Null
}
foreach ($endpoint in $mark.endpoints) { & netsh.exe http delete sslcert "ipport=$endpoint" | Out-Null }
foreach ($url in $mark.urls) { & netsh.exe http delete urlacl "url=$url" | Out-Null }
foreach ($store in $mark.certificates.PSObject.Properties) {
    Remove-Certificate -Store (Open-Store -Name $store.Name) -Thumbprints @($store.Value)
}
foreach ($key in $Task.keys) { if (Test-Path -LiteralPath "HKLM:\$key") { Remove-Item -LiteralPath "HKLM:\$key" -Recurse -Force } }

$end = [DateTime]::UtcNow.AddSeconds(30)
foreach ($folder in $Task.folders) {
    while (Test-Path -LiteralPath $folder) { # its program may still be ending
        try { [IO.Directory]::Delete($folder, $true) }
        catch {
            if ([DateTime]::UtcNow -ge $end) { throw }
            $files = [IO.Directory]::GetFiles($folder, '*', 'AllDirectories')
            foreach ($file in $files) { [IO.File]::SetAttributes($file, 'Normal') }
            Start-Sleep -Milliseconds 500
        }
    }
}
foreach ($folder in $Task.parents) { Remove-EmptyFolder -Folder $folder }
$parent = Get-Item -LiteralPath 'HKLM:\SOFTWARE\Lithnet' -ErrorAction SilentlyContinue
if ($parent -and -not $parent.SubKeyCount -and -not $parent.ValueCount) { Remove-Item -LiteralPath 'HKLM:\SOFTWARE\Lithnet' }
Remove-Item -LiteralPath "HKLM:\$($Task.mark)"
