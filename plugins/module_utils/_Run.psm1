# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Runs: one at a time on a server, each with a folder of its own.

#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._Retry
#AnsibleRequires -PowerShell ..module_utils._ScheduledTask
#AnsibleRequires -PowerShell ..module_utils._StagingFolder
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._Json
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._KernelObject

Set-StrictMode -Version 2.0

$MutexName = 'Global\lithnet.access_manager'
$StaleAfter = [TimeSpan]::FromHours(24)
$RunIdPattern = '^[0-9A-Za-z-]{8,64}$'

Function Get-RunFolder {
    param(
        [String] $Root,
        [String] $RunId
    )
    if ($RunId -notmatch $RunIdPattern) { throw "'$RunId' is not the id of a run: it has 8 to 64 letters, digits and hyphens." }
    [IO.Path]::Combine($Root, $RunId)
}

Function Get-RunIdPattern {
    $RunIdPattern
}

Function Get-StopMark {
    # The file in a run's folder that says that the service ran and is down by that run.
    param([String] $Folder)
    [IO.Path]::Combine($Folder, 'stopped')
}

Function New-RunFolder {
    param(
        [String] $Root,
        [String] $Folder
    )
    New-RestrictedFolder -Path $Root
    if ([IO.Directory]::Exists($Folder)) { throw "The run in '$Folder' has been started on this server before." }
    New-RestrictedFolder -Path $Folder
}

Function Open-RunMutex {
    # The mutex of that name. First becomes whether it was made now.
    param(
        [String] $Name,
        [Ref] $First = ([Ref]$false)
    )
    try { [ansible_collections.lithnet.access_manager.plugins.module_utils._KernelObject.KernelObject]::OpenMutex($Name, $First) }
    catch {
        if ($_.Exception.GetBaseException() -isnot [UnauthorizedAccessException]) { throw }
        throw ("Another program on this server has made the mutex '$Name', and keeps administrators from it: no run can begin. " +
            "Find its process, with Sysinternals' handle.exe for example, and end it, or restart the server.")
    }
}

Function Invoke-WithRunMutex {
    # Runs the body of a run under a name that one process alone has, and that Windows forgets when it ends, however that happens.
    param(
        [String] $RunId,
        [ScriptBlock] $Body
    )
    $first = $false
    $alive = Open-RunMutex -Name "$MutexName.$RunId" -First ([ref]$first)
    try {
        if (-not $first) { throw "The run $RunId is at work on this server already." }
        & $Body
    }
    finally { $alive.Dispose() }
}

Function Test-RunAlive {
    param([String] $RunId)
    $other = $null
    try { $alive = [Threading.Mutex]::TryOpenExisting("$MutexName.$RunId", [ref]$other) }
    catch [UnauthorizedAccessException] { return $true }
    if ($alive) { $other.Dispose() }
    $alive
}

Function Get-StaleTask {
    # The ids of dead runs for which a task was made that was not removed.
    Get-TaskRun | Where-Object -FilterScript { -not (Test-RunAlive -RunId $_) -and -not (Test-RunAlive -RunId "$_.start") }
}

Function Get-StaleRun {
    # The ids of dead runs whose folder was not written to for a day; not of one that left the service stopped: the next run starts
    # it.
    param([String] $Root)
    $folder = New-Object -TypeName IO.DirectoryInfo -ArgumentList $Root
    if (-not $folder.Exists) { return }
    foreach ($run in $folder.GetDirectories()) {
        $old = $run.Name -match $RunIdPattern -and [DateTime]::UtcNow - $run.LastWriteTimeUtc -gt $StaleAfter
        if ($old -and -not [IO.File]::Exists((Get-StopMark -Folder $run.FullName)) -and -not (Test-RunAlive -RunId $run.Name)) {
            $run.Name
        }
    }
}

Function Remove-StaleRun {
    # Removes what dead runs left. What cannot be removed now, the next run tries again.
    param([String] $Root)
    foreach ($runId in @(Get-StaleTask)) { Invoke-CleanUp -Body { Remove-RunTask -RunId $runId } }
    foreach ($runId in @(Get-StaleRun -Root $Root)) { Invoke-CleanUp -Body { [void](Remove-RunFolder -Root $Root -RunId $runId) } }
}

Function Remove-RunFolder {
    # Removes the folder of a run, and the root when it was the last. Returns whether there was one.
    param(
        [String] $Root,
        [String] $RunId
    )
    $path = Get-RunFolder -Root $Root -RunId $RunId
    if (-not [IO.Directory]::Exists($path)) { return $false }
    Remove-Tree -Path (Get-LongPath -Path $path)
    Remove-EmptyFolder -Path $Root
    return $true
}

Function Remove-EndedRun {
    # Removes the folder of a run that is not at work; of one that left the service stopped all but the mark of that.
    param(
        [String] $Root,
        [String] $RunId
    )
    if (Test-RunAlive -RunId $RunId) { throw "The run $RunId is at work on this server: it is not removed." }
    $mark = Get-StopMark -Folder (Get-RunFolder -Root $Root -RunId $RunId)
    if (-not [IO.File]::Exists($mark)) { return @{ changed = Remove-RunFolder -Root $Root -RunId $RunId } }
    $folder = New-Object -TypeName IO.DirectoryInfo -ArgumentList ([IO.Path]::GetDirectoryName($mark))
    foreach ($item in $folder.GetDirectories()) { Remove-Tree -Path (Get-LongPath -Path $item.FullName) }
    foreach ($item in $folder.GetFiles()) { if ($item.FullName -ne $mark) { $item.Delete() } }
    @{ changed = $true }
}

Function Clear-EndedRun {
    # Leaves of the folder of a run that is not at work its result, for which its own controller may still come, and the mark of a
    # service that it left stopped.
    param(
        [String] $Root,
        [String] $RunId
    )
    $folder = New-Object -TypeName IO.DirectoryInfo -ArgumentList (Get-RunFolder -Root $Root -RunId $RunId)
    if (-not $folder.Exists -or (Test-RunAlive -RunId $RunId)) { return }
    foreach ($file in $folder.GetFiles()) {
        if ($file.Name -notin 'result.json', 'stopped') { Invoke-CleanUp -Body { $file.Delete() } }
    }
}

Function Enter-Mutex {
    # Whether the mutex is ours within Timeout seconds. One whose owner died is free.
    param(
        [Threading.Mutex] $Mutex,
        [Int32] $Timeout
    )
    try { $Mutex.WaitOne([TimeSpan]::FromSeconds($Timeout)) }
    catch [Threading.AbandonedMutexException] { $true }
}

Function Wait-OtherRun {
    # Waits until no run is at work on this server, for at most Timeout seconds. Returns who is then, in words; empty when nobody
    # is.
    param([Int32] $Timeout)
    $mutex = Open-RunMutex -Name $MutexName
    try {
        if (-not (Enter-Mutex -Mutex $mutex -Timeout $Timeout)) { return Get-OtherRun }
        $mutex.ReleaseMutex()
        return ''
    }
    finally { $mutex.Dispose() }
}

Function Get-OtherRun {
    # Who holds the lock, in words.
    $other = Get-LockOwner
    "$($other.run_id) of $($other.controller), since $($other.since)"
}

Function Get-LockOwner {
    # Who holds the lock, as that run wrote it down.
    try {
        $text = Read-TextFile -Path ([IO.Path]::Combine((Get-StagingRoot), 'lock.json'))
        $owner = [ansible_collections.lithnet.access_manager.plugins.module_utils._Json.Json]::Parse($text)
        @{
            controller = $owner.controller
            run_id = $owner.run_id
            since = ConvertTo-Timestamp -Time ([DateTime]$owner.since).ToUniversalTime()
        }
    }
    catch { @{ controller = 'an unknown controller'; run_id = 'an unknown run'; since = 'an unknown time' } }
}

Function Invoke-Locked {
    # Runs the body while no other run is at work on this server; waits at most Timeout seconds for that.
    param(
        [String] $Root,
        [Hashtable] $Owner,
        [Int32] $Timeout,
        [ScriptBlock] $Body
    )
    $mutex = Open-RunMutex -Name $MutexName
    $lockRoot = Get-StagingRoot
    $file = [IO.Path]::Combine($lockRoot, 'lock.json')
    try {
        if (-not (Enter-Mutex -Mutex $mutex -Timeout $Timeout)) {
            throw ("Another run is at work on this server: $(Get-OtherRun). Gave up after $Timeout s. " +
                "Try again when it has ended, or raise lock_timeout.")
        }
        try {
            foreach ($place in @($lockRoot, $Root | Select-Object -Unique)) { New-RestrictedFolder -Path $place }
            $about = $Owner + @{ since = ConvertTo-Timestamp -Time ([DateTime]::UtcNow) }
            Write-WholeFile -Path $file -Text (ConvertTo-Json -InputObject $about -Compress)
            Remove-StaleRun -Root $Root
            & $Body
        }
        finally {
            Invoke-CleanUp -Body { [IO.File]::Delete($file) }
            foreach ($place in $Root, $lockRoot) { Remove-EmptyFolder -Path $place }
            $mutex.ReleaseMutex()
        }
    }
    finally { $mutex.Dispose() }
}

Export-ModuleMember -Function Get-RunFolder, Get-RunIdPattern, Get-StopMark, New-RunFolder, Invoke-WithRunMutex, Test-RunAlive,
    Get-StaleTask, Get-StaleRun, Remove-StaleRun, Remove-RunFolder, Remove-EndedRun, Clear-EndedRun, Wait-OtherRun, Invoke-Locked
