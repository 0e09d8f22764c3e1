#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What a server with version 2 shows of its import of a configuration of version 1. It changes nothing.

#AnsibleRequires -PowerShell ..module_utils._EventLog
#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._HealthCheck
#AnsibleRequires -PowerShell ..module_utils._HttpSys
#AnsibleRequires -PowerShell ..module_utils._ServerDescription
#AnsibleRequires -PowerShell ..module_utils._TargetModule

Set-StrictMode -Version 2.0

$LogName = 'access-manager-v1-migration.log'
$MostLogBytes = 1MB

Function Read-MigrationLog {
    # The end of the log that version 2 writes of the import; $null where there is none.
    param([String] $Folder)
    if (-not $Folder) { return $null }
    $path = [IO.Path]::Combine($Folder, $LogName)
    if (-not [IO.File]::Exists((Get-LongPath -Path $path))) { return @{ path = $path; text = $null } }
    $stream = Open-SharedFile -Path $path
    try {
        if ($stream.Length -gt $MostLogBytes) { [void]$stream.Seek(-$MostLogBytes, [IO.SeekOrigin]::End) }
        $reader = New-Object -TypeName IO.StreamReader -ArgumentList $stream
        @{ path = $path; text = $reader.ReadToEnd() }
    }
    finally { $stream.Dispose() }
}

Function Get-OwnUrl {
    # Where version 2 answers whether it is in health: at each port for which HTTP.sys has a certificate of Access Manager.
    param([String] $Application)
    $own = @((Get-HttpConfiguration).bindings | Where-Object -FilterScript { $_.application_id -eq $Application })
    foreach ($port in @($own | ForEach-Object -Process { $_.endpoint.Split(':')[-1] } | Sort-Object -Unique)) {
        "https://localhost:$port/health-check"
    }
}

Function Get-Health {
    param([String[]] $Urls)
    foreach ($url in $Urls) {
        try { @{ url = $url; status = Get-Status -Url ([Uri]$url) -Address ([Net.IPAddress]::Loopback); error = '' } }
        catch { @{ url = $url; status = 0; error = $_.Exception.GetBaseException().Message } }
    }
}

$module = New-TargetModule -Arguments $args -Options @{
    knowledge = Get-KnowledgeOption
    staging_root = @{ type = 'str'; default = '' }
    application = @{ type = 'str'; required = $true }
    events = @{ type = 'list'; elements = 'int'; default = @() }
    trouble = @{ type = 'str'; required = $true }
    urls = @{ type = 'list'; elements = 'str'; default = @() }
}

Complete-TargetModule -Module $module -Body {
    $params = $module.Params
    $answer = Get-Description -Knowledge $params.knowledge -IncludeDatabase $false -StagingRoot $params.staging_root
    if (-not $answer.installation.exists) { return $answer }
    $urls = if ($params.urls) { $params.urls } else { @(Get-OwnUrl -Application $params.application) }
    $answer.migration_log = Read-MigrationLog -Folder $answer.installation.log_path
    $answer.logged = Get-LoggedEvent -Ids $params.events
    $answer.trouble = Read-EventLog -Condition $params.trouble
    $answer.health = @(Get-Health -Urls $urls)
    $answer
}
