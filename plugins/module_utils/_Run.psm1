# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Runs: one at a time on a server, each with a folder of its own, in which it leaves its result when it is detached from its shell.

#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._StagingFolder

Set-StrictMode -Version 2.0

$MutexName = 'Global\lithnet.access_manager'
$StaleAfter = [TimeSpan]::FromHours(24)
$RunIdPattern = '^[0-9A-Za-z-]{8,64}$'
$ResultReserve = 256KB

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

Function Invoke-WithRunMutex {
    # Runs the body of a run under a name that one process alone has, and that Windows forgets when it ends, however that happens.
    param(
        [String] $RunId,
        [ScriptBlock] $Body
    )
    $first = $false
    $alive = New-Object -TypeName Threading.Mutex -ArgumentList $false, "$MutexName.$RunId", ([ref]$first)
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

Function Remove-StaleRun {
    # Removes the folders of dead runs that nobody has written to for a day, but not of one that left the service stopped: the next run starts it.
    param([String] $Root)
    $folder = New-Object -TypeName IO.DirectoryInfo -ArgumentList $Root
    if (-not $folder.Exists) { return }
    foreach ($run in $folder.GetDirectories()) {
        $stale = $run.Name -match $RunIdPattern -and [DateTime]::UtcNow - $run.LastWriteTimeUtc -gt $StaleAfter -and -not [IO.File]::Exists((Get-StopMark -Folder $run.FullName))
        if (-not $stale -or (Test-RunAlive -RunId $run.Name)) { continue }
        try { [void](Remove-RunFolder -Root $Root -RunId $run.Name) }
        catch { Write-Debug -Message "The next run tries it again: $($_.Exception.Message)" }
    }
}

Function Remove-RunFolder {
    # Removes the folder of a run, and the root when it was the last. Returns whether there was one.
    param(
        [String] $Root,
        [String] $RunId
    )
    $path = Get-RunFolder -Root $Root -RunId $RunId
    if (-not [IO.Directory]::Exists($path)) { return $false }
    [IO.Directory]::Delete($path, $true)
    Remove-EmptyFolder -Path $Root
    return $true
}

Function Remove-EndedRun {
    # Removes the folder of a run that is not at work.
    param(
        [String] $Root,
        [String] $RunId
    )
    if (Test-RunAlive -RunId $RunId) { throw "The run $RunId is at work on this server: it is not removed." }
    @{ changed = Remove-RunFolder -Root $Root -RunId $RunId }
}

Function Clear-EndedRun {
    # Leaves of the folder of a run that is not at work its result alone: its own controller may still come for that.
    param(
        [String] $Root,
        [String] $RunId
    )
    $folder = New-Object -TypeName IO.DirectoryInfo -ArgumentList (Get-RunFolder -Root $Root -RunId $RunId)
    if (-not $folder.Exists -or (Test-RunAlive -RunId $RunId)) { return }
    foreach ($file in $folder.GetFiles()) { if ($file.Name -ne 'result.json') { $file.Delete() } }
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
    # Waits until no run is at work on this server, for at most Timeout seconds. Returns who is then, in words; empty when nobody is.
    param([Int32] $Timeout)
    $mutex = New-Object -TypeName Threading.Mutex -ArgumentList $false, $MutexName
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
        $owner = ConvertFrom-Json -InputObject (Read-TextFile -Path ([IO.Path]::Combine((Get-StagingRoot), 'lock.json')))
        @{ controller = $owner.controller; run_id = $owner.run_id; since = ConvertTo-Timestamp -Time ([DateTime]$owner.since).ToUniversalTime() }
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
    $mutex = New-Object -TypeName Threading.Mutex -ArgumentList $false, $MutexName
    $lockRoot = Get-StagingRoot
    $file = [IO.Path]::Combine($lockRoot, 'lock.json')
    try {
        if (-not (Enter-Mutex -Mutex $mutex -Timeout $Timeout)) {
            throw "Another run is at work on this server: $(Get-OtherRun). It was waited for $Timeout s. Try again when it has ended, or raise lock_timeout."
        }
        try {
            foreach ($place in @($lockRoot, $Root | Select-Object -Unique)) { New-RestrictedFolder -Path $place }
            Write-WholeFile -Path $file -Text (ConvertTo-Json -InputObject ($Owner + @{ since = ConvertTo-Timestamp -Time ([DateTime]::UtcNow) }) -Compress)
            Remove-StaleRun -Root $Root
            & $Body
        }
        finally {
            try {
                [IO.File]::Delete($file)
                foreach ($place in $Root, $lockRoot) { Remove-EmptyFolder -Path $place }
            }
            finally { $mutex.ReleaseMutex() }
        }
    }
    finally { $mutex.Dispose() }
}

Function Save-RunResult {
    # Runs the body and keeps what it returns, or how it failed, in the run's folder for whoever asks. The reserve keeps room for that
    # on a drive that becomes full.
    param(
        [String] $Folder,
        [ScriptBlock] $Body
    )
    $result = [IO.Path]::Combine($Folder, 'result.json')
    $reserve = [IO.Path]::Combine($Folder, 'reserve')
    [IO.File]::WriteAllBytes($reserve, (New-Object -TypeName Byte[] -ArgumentList $ResultReserve))
    try { $answer = & $Body }
    catch {
        [IO.File]::Delete($reserve)
        Write-WholeFile -Path $result -Text (ConvertTo-Json -InputObject @{ failed = $true; msg = $_.Exception.Message } -Compress)
        throw
    }
    [IO.File]::Delete($reserve)
    Write-WholeFile -Path $result -Text (ConvertTo-Json -InputObject $answer -Depth 20 -Compress)
    $answer
}

Function Wait-RunResult {
    # What a detached run left, waiting at most Timeout seconds: its JSON text, or the state 'running', 'ended' when it died without a
    # result, or 'unknown' when it has not begun after StartTimeout seconds.
    param(
        [String] $Folder,
        [Int32] $Timeout,
        [Int32] $StartTimeout
    )
    $path = [IO.Path]::Combine($Folder, 'result.json')
    $watch = [Diagnostics.Stopwatch]::StartNew()
    while ($true) {
        $begun = [IO.Directory]::Exists($Folder)
        $alive = Test-RunAlive -RunId ([IO.Path]::GetFileName($Folder))
        if ([IO.File]::Exists($path)) { return @{ state = 'finished'; answer = Read-TextFile -Path $path } }
        if ($begun -and -not $alive) { return @{ state = 'ended' } }
        if (-not $begun -and $watch.Elapsed.TotalSeconds -ge $StartTimeout) {
            Assert-UsableRoot -Path ([IO.Path]::GetDirectoryName($Folder))
            return @{ state = 'unknown' }
        }
        if ($watch.Elapsed.TotalSeconds -ge $Timeout) { return @{ state = 'running' } }
        Start-Sleep -Milliseconds 200
    }
}

Function Remove-JobFile {
    # Removes the file in which Ansible keeps the result of a detached run, which names the run, once the job has ended and written it.
    param(
        [String] $Folder,
        [String] $RunId
    )
    $jobs = New-Object -TypeName IO.DirectoryInfo -ArgumentList ([Environment]::ExpandEnvironmentVariables($Folder))
    if (-not $jobs.Exists) { return }
    $end = [DateTime]::UtcNow.AddSeconds(10)
    while ([DateTime]::UtcNow -lt $end) {
        foreach ($job in $jobs.GetFiles('j*.*')) {
            try {
                if ((Read-TextFile -Path $job.FullName).Contains($RunId)) { $job.Delete(); return }
            }
            catch { Write-Debug -Message "The job is writing it now, or it is somebody else's: $($_.Exception.Message)" }
        }
        Start-Sleep -Milliseconds 100
    }
}

Function Get-RunOption {
    # The options of every module that may run detached from its shell: 'take' does the work, 'collect' waits for its result, 'remove' clears up.
    @{
        run_id = @{ type = 'str'; required = $true }
        step = @{ type = 'str'; required = $true; choices = 'take', 'collect', 'remove' }
        staging_root = @{ type = 'str'; default = '' }
        controller = @{ type = 'str'; default = '' }
        job_folder = @{ type = 'str'; default = '' }
        lock_timeout = @{ type = 'int'; default = 0 }
        wait_seconds = @{ type = 'int'; default = 0 }
        start_seconds = @{ type = 'int'; default = 0 }
    }
}

Function Invoke-RunStep {
    # Does one step of a run; Take is what the run does, alone on this server, with the path of its folder.
    param(
        [Collections.IDictionary] $Params,
        [ScriptBlock] $Take
    )
    $root = Get-StagingRoot -Path $Params.staging_root
    $folder = Get-RunFolder -Root $root -RunId $Params.run_id
    if ($Params.step -eq 'remove') { return Remove-EndedRun -Root $root -RunId $Params.run_id }
    if ($Params.step -eq 'collect') {
        $found = Wait-RunResult -Folder $folder -Timeout $Params.wait_seconds -StartTimeout $Params.start_seconds
        if ($found.state -eq 'finished') { Remove-JobFile -Folder $Params.job_folder -RunId $Params.run_id }
        return $found
    }
    Invoke-WithRunMutex -RunId $Params.run_id -Body {
        New-RunFolder -Root $root -Folder $folder
        Save-RunResult -Folder $folder -Body {
            $owner = @{ controller = $Params.controller; run_id = $Params.run_id }
            Invoke-Locked -Root $root -Owner $owner -Timeout $Params.lock_timeout -Body { & $Take $folder }
        }
    }
}

Export-ModuleMember -Function Get-RunFolder, Get-RunIdPattern, Get-StopMark, New-RunFolder, Invoke-WithRunMutex, Test-RunAlive,
    Remove-StaleRun, Remove-RunFolder, Remove-EndedRun, Clear-EndedRun, Wait-OtherRun, Invoke-Locked, Get-RunOption, Invoke-RunStep
