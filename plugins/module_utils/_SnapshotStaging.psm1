# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Stages the configuration in the folder of a run: live, or with the service stopped in between. Params are the options of the run.

#AnsibleRequires -PowerShell ..module_utils._Configuration
#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -PowerShell ..module_utils._InterruptedStop
#AnsibleRequires -PowerShell ..module_utils._Retry
#AnsibleRequires -PowerShell ..module_utils._Run
#AnsibleRequires -PowerShell ..module_utils._RunStep
#AnsibleRequires -PowerShell ..module_utils._Service
#AnsibleRequires -PowerShell ..module_utils._Snapshot
#AnsibleRequires -PowerShell ..module_utils._StagingFolder
#AnsibleRequires -PowerShell ..module_utils._TargetModule

Set-StrictMode -Version 2.0

$SpaceForLists = 8MB

Function Get-SnapshotOption {
    # The options of a run that stages the configuration.
    $options = Get-RunOption
    $options.knowledge = Get-KnowledgeOption
    $options.include_database = @{ type = 'bool'; default = $false }
    $options.stop = @{ type = 'bool'; default = $false }
    $options.force_stop = @{ type = 'bool'; default = $false }
    $options.step.choices += 'revive'
    $options.service_timeout = @{ type = 'int'; default = 120 }
    $options
}

Function Copy-Subject {
    # Stages every file of the subject under a number, and gives it the size and the SHA-256 of what was read.
    # Returns whether each was what its SHA-256 said before, where it had one.
    param(
        [Collections.IDictionary] $Subject,
        [String] $Folder
    )
    $same = $true
    $number = 0
    foreach ($record in $Subject.records) {
        if ($record.kind -ne 'file') { continue }
        $number++
        $path = [IO.Path]::Combine($Folder, $number.ToString([Globalization.CultureInfo]::InvariantCulture))
        $digest = Invoke-StagingWrite -Path $path -Body {
            $writer = [IO.File]::Create($path)
            try {
                Copy-Record -Record $record -Destination $writer
                $record.size = $writer.Length
            }
            finally { $writer.Dispose() }
        }
        if ($record.ContainsKey('sha256') -and $record.sha256 -cne $digest) { $same = $false }
        $record.sha256 = $digest
    }
    $same
}

Function Get-Subject {
    param(
        [Collections.IDictionary] $Installation,
        [Collections.IDictionary] $Params
    )
    $wanted = @{ Knowledge = $Params.knowledge; IncludeDatabase = $Params.include_database }
    Get-BackupSubject -Installation $Installation @wanted
}

Function New-CopyResult {
    # How a copy was made, before anything of it is known.
    @{
        attempts = 1
        consistent = $true
        stopped = $false
        downtime_ms = [Int64]0
        stop_ms = [Int64]0
        unlock_ms = [Int64]0
        start_ms = [Int64]0
        start_error = ''
    }
}

Function Copy-Live {
    # Copies while the service runs. $null when something changed each time.
    param(
        [Collections.IDictionary] $Installation,
        [String] $Files,
        [Collections.IDictionary] $Params
    )
    $copy = Invoke-ConsistentRead -Describe { Get-Subject -Installation $Installation -Params $Params } -Take {
        param($subject)
        Copy-Subject -Subject $subject -Folder $Files
    }
    if ($null -eq $copy) { return $null }
    $taken = New-CopyResult
    $taken.attempts = $copy.attempts
    @{ taken = $taken; subject = $copy.subject }
}

Function Copy-ListedFile {
    # Copy-Subject, and whether all files were still there; one that was removed is an error when they must be.
    param(
        [Collections.IDictionary] $Subject,
        [String] $Folder,
        [Boolean] $Must
    )
    try { [void](Copy-Subject -Subject $Subject -Folder $Folder); $true }
    catch {
        if ($Must -or $_.Exception.GetBaseException() -isnot [IO.FileNotFoundException]) { throw }
        $false
    }
}

Function Copy-Stopped {
    # Stops the service, copies, and puts the service back as it was whatever happens. A mark in the folder is there while the
    # service is down by this run. Subject was described before, which is not waited for once more in the stop; of the database
    # alone it cannot hold.
    param(
        [Collections.IDictionary] $Installation,
        [Collections.IDictionary] $Subject,
        [String] $Files,
        [String] $Folder,
        [Collections.IDictionary] $Params
    )
    $taken = New-CopyResult
    $stop = @{ Timeout = $Params.service_timeout; Knowledge = $Params.knowledge; Force = $Params.force_stop }
    $taken.stopped = Test-ServiceToStop @stop
    $failure = $null
    $processId = Get-ServiceProcessId
    $watch = [Diagnostics.Stopwatch]::StartNew()
    try {
        if ($taken.stopped) {
            Set-StopMark -Folder $Folder -Controller $Params.controller
            $taken.stop_ms = Stop-AccessManager -ProcessId $processId -Timeout $Params.service_timeout
        }
        if ($Params.include_database) {
            $database = [IO.Path]::Combine($Installation.config_path, 'db')
            $taken.unlock_ms = Wait-DatabaseUnlock -Folder $database -Timeout $Params.service_timeout
            $Subject = Get-Subject -Installation $Installation -Params $Params
        }
        # The copy of what was described before the stop is none of the attempts: the service itself may have saved as it ended.
        $first = if ($Params.include_database) { 1 } else { 0 }
        for ($attempt = $first; $true; $attempt++) {
            $taken.attempts = [Math]::Max(1, $attempt)
            $isLast = $attempt -ge (Get-LiveAttempt)
            $isWhole = Copy-ListedFile -Subject $Subject -Folder $Files -Must $isLast
            $now = Get-Subject -Installation $Installation -Params $Params
            $taken.consistent = $isWhole -and (Get-StateFingerprint -Subject $Subject) -ceq (Get-StateFingerprint -Subject $now)
            if ($taken.consistent -or $isLast) { break }
            $Subject = $now
        }
    }
    catch { $failure = $_ }
    if ($taken.stopped) {
        try {
            $taken.start_ms = Start-AccessManager -Timeout $Params.service_timeout
            $taken.downtime_ms = [Int64]$watch.ElapsedMilliseconds
            Remove-StopMark -Folder $Folder
        }
        catch {
            $taken.start_error = $_.Exception.Message
            $taken.downtime_ms = $null
        }
    }
    if ($failure) { throw "$($failure.Exception.Message) $($taken.start_error)".Trim() }
    @{ taken = $taken; subject = $Subject }
}

Function Restore-Service {
    # Starts the service when the run, which died, had stopped it. Another run may have done so before.
    param([Collections.IDictionary] $Params)
    $root = Get-StagingRoot -Path $Params.staging_root
    $owner = @{ controller = $Params.controller; run_id = $Params.run_id }
    Invoke-Locked -Root $root -Owner $owner -Timeout $Params.lock_timeout -Body {
        Start-InterruptedService -Root $root -Timeout $Params.service_timeout
        $own = @(Get-InterruptedStop -Root $root | Where-Object -FilterScript { $_.run_id -eq $Params.run_id })
        if ($own -and -not $own[0].started_at) { throw $own[0].error }
        @{ changed = $own.Count -gt 0 }
    }
}

Function New-Snapshot {
    # Fills the folder of the run: the files under numbers, and manifest.json with all that is known of them and of the server.
    param(
        [String] $Folder,
        [Collections.IDictionary] $Params
    )
    $installation = Assert-Installation
    $files = [IO.Path]::Combine($Folder, 'files')
    Start-InterruptedService -Root ([IO.Path]::GetDirectoryName($Folder)) -Timeout $Params.service_timeout
    [void][IO.Directory]::CreateDirectory($files)
    $copy = $null
    try {
        $subject = Get-Subject -Installation $installation -Params $Params
        $size = Get-CapturedSize -Subject $subject
        Assert-FreeSpace -Path $Folder -Bytes (2 * $size.bytes + $SpaceForLists)
        $where = @{ Installation = $installation; Files = $files; Params = $Params }
        $copy = if ($Params.stop) { Copy-Stopped @where -Subject $subject -Folder $Folder } else { Copy-Live @where }
        if ($null -eq $copy) { return @{ changed = $false; steady = $false; attempts = Get-LiveAttempt } }
        $about = @{
            Installation = $installation
            Subject = $copy.subject
            Taken = $copy.taken
            Knowledge = $Params.knowledge
        }
        $manifest = Get-Manifest @about
        Invoke-StagingWrite -Path $Folder -Body {
            Write-WholeFile -Path ([IO.Path]::Combine($Folder, 'manifest.json')) -Text $manifest
        }
    }
    catch {
        $failure = $_
        Invoke-CleanUp -Body { Remove-Tree -Path $files }
        if ($copy) { throw "$($failure.Exception.Message) $($copy.taken.start_error)".Trim() }
        throw $failure
    }
    $copy.taken + (Get-CapturedSize -Subject $copy.subject) + @{
        changed = $true
        steady = $true
        interrupted_stops = @(Get-InterruptedStop -Root ([IO.Path]::GetDirectoryName($Folder)))
    }
}

Function Remove-Staged {
    # Removes what was staged in the folder of a run, and leaves what else is there.
    param([String] $Folder)
    Remove-Tree -Path (Get-LongPath -Path ([IO.Path]::Combine($Folder, 'files')))
    [IO.File]::Delete([IO.Path]::Combine($Folder, 'manifest.json'))
}

Export-ModuleMember -Function Get-SnapshotOption, New-Snapshot, Remove-Staged, Restore-Service
