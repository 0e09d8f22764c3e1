# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# A service that a run stopped, and did not start again because it was ended: seen by what it left in its folder, and started by the
# next run.

#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -PowerShell ..module_utils._Retry
#AnsibleRequires -PowerShell ..module_utils._Run
#AnsibleRequires -PowerShell ..module_utils._Service
#AnsibleRequires -PowerShell ..module_utils._StagingFolder
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._Json

Set-StrictMode -Version 2.0

$Revived = 'revived'

Function Set-StopMark {
    # Says in a run's folder that the service ran and is down by this run. Remove-StopMark takes that back when it runs again.
    param(
        [String] $Folder,
        [String] $Controller
    )
    $mark = Get-StopMark -Folder $Folder
    $about = @{ controller = $Controller; stopped_at = ConvertTo-Timestamp -Time ([DateTime]::UtcNow) }
    Invoke-StagingWrite -Path $mark -Body { Write-WholeFile -Path $mark -Text (ConvertTo-Json -InputObject $about -Compress) }
}

Function Remove-StopMark {
    param([String] $Folder)
    Invoke-WithRetry -Body { [IO.File]::Delete((Get-StopMark -Folder $Folder)) }
}

Function Read-Mark {
    # What a mark says, by name; names that it lacks are empty.
    param([String] $Path)
    $about = try {
        [ansible_collections.lithnet.access_manager.plugins.module_utils._Json.Json]::Parse((Read-TextFile -Path $Path))
    }
    catch {
        $null
    }
    $read = @{}
    foreach ($name in 'controller', 'stopped_at', 'found', 'started_at', 'error') {
        $value = if ($about) { $about[$name] }
        $read[$name] = if ($value -is [DateTime]) { ConvertTo-Timestamp -Time $value.ToUniversalTime() } else { [String]$value }
    }
    $read
}

Function Get-InterruptedStop {
    # The runs that are not at work and left the service stopped, and for a day those after which it was started again: run_id,
    # controller, stopped_at, the state in which the service was found, when it was started, and why it could not be.
    param([String] $Root)
    $folder = New-Object -TypeName IO.DirectoryInfo -ArgumentList $Root
    if (-not $folder.Exists) { return }
    try { Assert-OwnFolder -Path $Root }
    catch { return }
    foreach ($run in $folder.GetDirectories()) {
        if ($run.Name -notmatch (Get-RunIdPattern) -or (Test-RunAlive -RunId $run.Name)) { continue }
        $mark = @((Get-StopMark -Folder $run.FullName), [IO.Path]::Combine($run.FullName, $Revived)) |
            Where-Object -FilterScript { [IO.File]::Exists($_) } |
            Select-Object -First 1
        if ($mark) { (Read-Mark -Path $mark) + @{ run_id = $run.Name } }
    }
}

Function Start-InterruptedService {
    # Starts the service when a run left it stopped. Only for a run that is alone at work on this server. What became of it stays
    # beside the run, for Get-InterruptedStop.
    param(
        [String] $Root,
        [Int32] $Timeout
    )
    foreach ($left in @(Get-InterruptedStop -Root $Root | Where-Object -FilterScript { -not $_.started_at })) {
        $folder = Get-RunFolder -Root $Root -RunId $left.run_id
        $left.found = (Get-ServiceController).Status.ToString()
        $place = [IO.Path]::Combine($folder, $Revived)
        try {
            [void](Start-AccessManager -Timeout $Timeout)
            $left.started_at, $left.error = (ConvertTo-Timestamp -Time ([DateTime]::UtcNow)), ''
        }
        catch {
            $left.error = $_.Exception.Message
            $place = Get-StopMark -Folder $folder
        }
        Write-WholeFile -Path $place -Text (ConvertTo-Json -InputObject $left -Compress)
        if ($left.started_at) { Remove-StopMark -Folder $folder }
    }
}

Function Start-InterruptedServiceUnderLock {
    # The same from outside a run, unless one is at work: that has seen to it, or the service is down by it.
    param(
        [String] $Root,
        [Hashtable] $Owner,
        [Int32] $Timeout
    )
    $stopped = @(Get-InterruptedStop -Root $Root | Where-Object -FilterScript { -not $_.started_at })
    if (-not $stopped -or (Wait-OtherRun -Timeout 0)) {
        return
    }
    Invoke-Locked -Root $Root -Owner $Owner -Timeout $Timeout -Body { Start-InterruptedService -Root $Root -Timeout $Timeout }
}

Export-ModuleMember -Function Set-StopMark, Remove-StopMark, Get-InterruptedStop,
    Start-InterruptedService, Start-InterruptedServiceUnderLock
