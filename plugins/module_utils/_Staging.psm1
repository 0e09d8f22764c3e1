# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Folders in which a run stages what it took, open to SYSTEM and Administrators only, and the results of runs that are detached from their shell.

#AnsibleRequires -PowerShell ..module_utils._AccessManager

Set-StrictMode -Version 2.0

$MutexName = 'Global\lithnet.access_manager'
$StaleAfter = [TimeSpan]::FromHours(24)
$RunIdPattern = '^[0-9A-Za-z-]{8,64}$'
$DiskFullCodes = 0x27, 0x70
$ResultReserve = 256KB

Function Get-StagingRoot {
    # The collection's own folder within the one that the user names: permissions are set on what is ours only.
    param([String] $Path)
    if (-not $Path) { $Path = [Environment]::GetFolderPath([Environment+SpecialFolder]::CommonApplicationData) }
    if ($Path -notmatch '^[A-Za-z]:\\' -or -not [IO.Directory]::Exists($Path)) { throw "The staging_root '$Path' is not a folder on a drive of this server, such as D:\Temp. Make it, or name another." }
    [IO.Path]::Combine($Path, 'lithnet.access_manager')
}

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

Function Assert-OwnFolder {
    # A folder that somebody else made, or a link, is not used.
    param([String] $Path)
    $folder = New-Object -TypeName IO.DirectoryInfo -ArgumentList $Path
    if ($folder.Attributes -band [IO.FileAttributes]::ReparsePoint) { throw "The folder '$Path' is a link. Remove it, or name another folder with staging_root." }
    $trusted = 'S-1-5-18', 'S-1-5-32-544', [Security.Principal.WindowsIdentity]::GetCurrent().User.Value
    $now = New-Object -TypeName Security.AccessControl.DirectorySecurity -ArgumentList $Path, ([Security.AccessControl.AccessControlSections]::Owner)
    $owner = $now.GetOwner([Security.Principal.SecurityIdentifier])
    if ($owner.Value -notin $trusted) { throw "The folder '$Path' belongs to $owner, who is not an administrator's group. Remove it, or name another folder with staging_root." }
}

Function Assert-UsableRoot {
    # Why a run could not make its folder: a run that ends before it has one leaves no result.
    param([String] $Path)
    if ([IO.Directory]::Exists($Path)) { Assert-OwnFolder -Path $Path }
    elseif ([IO.File]::Exists($Path)) { throw "'$Path' is a file, where this collection keeps its folder. Remove it, or name another folder with staging_root." }
}

Function New-RestrictedFolder {
    # Makes a folder that SYSTEM and Administrators alone may enter, and makes sure that nobody else made it first.
    param([String] $Path)
    [void][IO.Directory]::CreateDirectory($Path)
    Assert-OwnFolder -Path $Path
    $system = New-Object -TypeName Security.Principal.SecurityIdentifier -ArgumentList 'S-1-5-18'
    $administrators = New-Object -TypeName Security.Principal.SecurityIdentifier -ArgumentList 'S-1-5-32-544'
    $security = New-Object -TypeName Security.AccessControl.DirectorySecurity
    $security.SetOwner($administrators)
    $security.SetAccessRuleProtection($true, $false)
    foreach ($who in $system, $administrators) {
        $rule = New-Object -TypeName Security.AccessControl.FileSystemAccessRule -ArgumentList $who, 'FullControl', 'ContainerInherit, ObjectInherit', 'None', 'Allow'
        $security.AddAccessRule($rule)
    }
    Set-Acl -LiteralPath $Path -AclObject $security
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

Function Invoke-Alive {
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

Function Remove-EmptyFolder {
    # Another run may be at work in it, or may remove it too.
    param([String] $Path)
    try { [IO.Directory]::Delete($Path) }
    catch [IO.IOException] { Write-Debug -Message 'It is in use, or gone.' }
}

Function Assert-FreeSpace {
    param(
        [String] $Path,
        [Int64] $Bytes
    )
    $drive = New-Object -TypeName IO.DriveInfo -ArgumentList ([IO.Path]::GetPathRoot($Path))
    if ($drive.AvailableFreeSpace -lt $Bytes) {
        $megabytes = { param($count) [Math]::Ceiling($count / 1MB).ToString([Globalization.CultureInfo]::InvariantCulture) }
        throw "There is not enough space on $($drive.Name) to stage the backup: $(& $megabytes $Bytes) MiB are needed, $(& $megabytes $drive.AvailableFreeSpace) MiB are free. Free some, or name a folder on another drive with staging_root."
    }
}

Function Invoke-StagingWrite {
    # Runs a body that writes below a path; a drive that becomes full is told in a sentence.
    param(
        [String] $Path,
        [ScriptBlock] $Body
    )
    try { & $Body }
    catch {
        $cause = $_.Exception.GetBaseException()
        if ($cause -isnot [IO.IOException] -or ($cause.HResult -band 0xFFFF) -notin $DiskFullCodes) { throw }
        throw "The drive $([IO.Path]::GetPathRoot($Path)) became full while the backup was staged. Free some space, or name a folder on another drive with staging_root, and run again."
    }
}

Function Write-WholeFile {
    # Writes a text as UTF-8 so that readers see all of it or nothing, also when the server goes down meanwhile: it is on the disk before
    # it has its name, and what had the name before has it until then.
    param(
        [String] $Path,
        [String] $Text
    )
    $new = "$Path.new"
    $bytes = (New-Object -TypeName Text.UTF8Encoding -ArgumentList $false).GetBytes($Text)
    $writer = New-Object -TypeName IO.FileStream -ArgumentList $new, ([IO.FileMode]::Create), ([IO.FileAccess]::Write)
    try {
        $writer.Write($bytes, 0, $bytes.Length)
        $writer.Flush($true)
    }
    finally { $writer.Dispose() }
    if ([IO.File]::Exists($Path)) { [IO.File]::Replace($new, $Path, [NullString]::Value) }
    else { [IO.File]::Move($new, $Path) }
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
    Invoke-Alive -RunId $Params.run_id -Body {
        New-RunFolder -Root $root -Folder $folder
        Save-RunResult -Folder $folder -Body {
            $owner = @{ controller = $Params.controller; run_id = $Params.run_id }
            Invoke-Locked -Root $root -Owner $owner -Timeout $Params.lock_timeout -Body { & $Take $folder }
        }
    }
}

Export-ModuleMember -Function Get-RunOption, Invoke-RunStep, Invoke-Alive, Invoke-Locked, Invoke-StagingWrite, Get-StagingRoot, Get-RunFolder, Get-RunIdPattern, Get-StopMark, Test-RunAlive, New-RunFolder, New-RestrictedFolder, Assert-OwnFolder, Remove-RunFolder, Remove-EndedRun, Clear-EndedRun, Remove-StaleRun, Wait-OtherRun, Assert-FreeSpace, Write-WholeFile
