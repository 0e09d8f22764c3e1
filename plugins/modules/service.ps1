#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Brings the service into a state, and waits until it is there.

#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -PowerShell ..module_utils._InterruptedStop
#AnsibleRequires -PowerShell ..module_utils._Run
#AnsibleRequires -PowerShell ..module_utils._RunStep
#AnsibleRequires -PowerShell ..module_utils._Service
#AnsibleRequires -PowerShell ..module_utils._StagingFolder
#AnsibleRequires -PowerShell ..module_utils._TargetModule

Set-StrictMode -Version 2.0

Function Stop-ServiceAndDatabase {
    # Stops the service and waits for its database files too.
    param(
        [Hashtable] $Answer,
        [String] $ConfigPath,
        [Int32] $Timeout
    )
    $Answer.stop_ms = Stop-AccessManager -ProcessId (Get-ServiceProcessId) -Timeout $Timeout
    $Answer.unlock_ms = Wait-DatabaseUnlock -Folder ([IO.Path]::Combine($ConfigPath, 'db')) -Timeout $Timeout
}

Function Set-State {
    # Within the folder of a run, or without one in check mode.
    param([String] $Folder)
    $installation = Assert-Installation
    $timeout = $module.Params.service_timeout
    $service = Get-ServiceController
    $before = $service.Status.ToString()
    if ($Folder) { Start-InterruptedService -Root ([IO.Path]::GetDirectoryName($Folder)) -Timeout $timeout }
    $service.Refresh()
    $now = $service.Status.ToString()
    $stop = $module.Params.state -ne 'started' -and $now -ne 'Stopped'
    $known, $force = $module.Params.knowledge, $module.Params.force_stop
    if ($stop) {
        Assert-NotClustered -ClusteredStop $known.clustered_stop
        Assert-Startable -JsonFiles $known.json_files -Force $force
    }
    if ($stop -and $module.Params.state -eq 'restarted' -and -not $module.CheckMode) {
        $stop = Test-ServiceToStop -Timeout $timeout -Knowledge $known -Force $force
    }
    $start = $module.Params.state -ne 'stopped' -and ($stop -or $now -ne 'Running')
    $answer = @{
        changed = $stop -or $start -or $now -ne $before
        status_before = $before
        status = $before
        stop_ms = [Int64]0
        unlock_ms = [Int64]0
        start_ms = [Int64]0
    }
    if ($module.CheckMode) { return $answer }
    if ($stop -and $start) { Set-StopMark -Folder $Folder -Controller $module.Params.controller }
    try { if ($stop) { Stop-ServiceAndDatabase -Answer $answer -ConfigPath $installation.config_path -Timeout $timeout } }
    finally { if ($start) { $answer.start_ms = Start-AccessManager -Timeout $timeout } }
    Remove-StopMark -Folder $Folder
    $service.Refresh()
    $answer.status = $service.Status.ToString()
    $answer.interrupted_stops = @(Get-InterruptedStop -Root ([IO.Path]::GetDirectoryName($Folder)))
    $answer
}

Function Restore-InterruptedState {
    # Removes what dead runs left, and starts the service that one of them stopped. Not within a run.
    [void](Assert-Installation)
    $root = Get-StagingRoot -Path $module.Params.staging_root
    $service = Get-ServiceController
    $before = $service.Status.ToString()
    $stopped = @(Get-InterruptedStop -Root $root | Where-Object -FilterScript { -not $_.started_at })
    $stale = @(Get-StaleTask) + @(Get-StaleRun -Root $root)
    if (-not $module.CheckMode) {
        Remove-StaleRun -Root $root
        $owner = @{ controller = $module.Params.controller; run_id = $module.Params.run_id }
        Start-InterruptedServiceUnderLock -Root $root -Owner $owner -Timeout $module.Params.service_timeout
        $service.Refresh()
    }
    $status = $service.Status.ToString()
    @{
        changed = [bool]$stale -or $(if ($module.CheckMode) { $stopped -and $before -eq 'Stopped' } else { $status -ne $before })
        status_before = $before
        status = $status
        stop_ms = [Int64]0
        unlock_ms = [Int64]0
        start_ms = [Int64]0
        interrupted_stops = @(Get-InterruptedStop -Root $root)
    }
}

$options = Get-RunOption
$options.knowledge = Get-KnowledgeOption
$options.state = @{ type = 'str'; choices = 'started', 'stopped', 'restarted', 'recovered' }
$options.service_timeout = @{ type = 'int'; default = 120 }
$options.force_stop = @{ type = 'bool'; default = $false }
$module = New-TargetModule -Arguments $args -Options $options

Complete-TargetModule -Module $module -Body {
    if ($module.Params.state -eq 'recovered') { return Restore-InterruptedState }
    if ($module.CheckMode) { return Set-State }
    Invoke-RunStep -Params $module.Params -Take { param($folder) Set-State -Folder $folder }
}
