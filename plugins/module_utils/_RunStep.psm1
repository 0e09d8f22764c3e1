# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The steps of a run: it may be detached from its shell, and leaves its result in its folder then.

#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._Retry
#AnsibleRequires -PowerShell ..module_utils._Run
#AnsibleRequires -PowerShell ..module_utils._ScheduledTask
#AnsibleRequires -PowerShell ..module_utils._StagingFolder

Set-StrictMode -Version 2.0

$ResultReserve = 4MB
$SecondsToBegin = 60

Function Save-RunResult {
    # Runs the body and keeps what it returns, or how it failed, in the run's folder, to be asked for. The reserve keeps room for
    # that on a drive that becomes full.
    param(
        [String] $Folder,
        [ScriptBlock] $Body
    )
    $result = [IO.Path]::Combine($Folder, 'result.json')
    $reserve = [IO.Path]::Combine($Folder, 'reserve')
    [IO.File]::WriteAllBytes($reserve, (New-Object -TypeName Byte[] -ArgumentList $ResultReserve))
    try { $answer = & $Body }
    catch {
        $failure = $_
        Invoke-CleanUp -Body { [IO.File]::Delete($reserve) }
        Invoke-CleanUp -Body {
            $failed = @{ failed = $true; msg = $failure.Exception.Message }
            Write-ResultFile -Path $result -Text (ConvertTo-Json -InputObject $failed -Compress)
        }
        throw $failure
    }
    Invoke-CleanUp -Body { [IO.File]::Delete($reserve) }
    Write-ResultFile -Path $result -Text (ConvertTo-Json -InputObject $answer -Depth 20 -Compress)
    $answer
}

Function Wait-RunResult {
    # What a detached run left, waiting at most Timeout seconds: its JSON text, or the state 'running', 'ended' when it died without
    # a result, or 'unknown' when it did not begin after StartTimeout seconds.
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
    # Removes the file in which Ansible keeps the result of a detached run, which names the run, once the job has ended and written
    # it.
    param(
        [String] $Folder,
        [String] $RunId
    )
    if (-not $Folder) { return }
    $jobs = New-Object -TypeName IO.DirectoryInfo -ArgumentList ([Environment]::ExpandEnvironmentVariables($Folder))
    if (-not $jobs.Exists) { return }
    $end = [DateTime]::UtcNow.AddSeconds(10)
    while ([DateTime]::UtcNow -lt $end) {
        foreach ($job in $jobs.GetFiles('j*.*')) {
            try {
                if ((Read-TextFile -Path $job.FullName).Contains($RunId)) { $job.Delete(); return }
            }
            catch { Write-Debug -Message "The job is writing it now, or it belongs to another user: $($_.Exception.Message)" }
        }
        Start-Sleep -Milliseconds 100
    }
}

Function Expand-Payload {
    # The bytes of a payload: gzip, as Base64.
    param([String] $Payload)
    $clear = New-Object -TypeName IO.MemoryStream
    $packed = [IO.MemoryStream]::new([Convert]::FromBase64String($Payload))
    $gzip = New-Object -TypeName IO.Compression.GZipStream -ArgumentList $packed, ([IO.Compression.CompressionMode]::Decompress)
    try { $gzip.CopyTo($clear) }
    finally { $gzip.Dispose() }
    return , $clear.ToArray()
}

Function Start-Run {
    # Starts a run by a scheduled task, unless it has begun: a launch that seemed to have failed may have been slow.
    param(
        [String] $Folder,
        [String] $RunId,
        [String] $Payload
    )
    if ([IO.Directory]::Exists($Folder) -or (Test-RunAlive -RunId $RunId)) { return @{ changed = $false } }
    Invoke-WithRunMutex -RunId "$RunId.start" -Body {
        Start-RunTask -RunId $RunId -Payload (Expand-Payload -Payload $Payload) -Timeout $SecondsToBegin
    }
    @{ changed = $true }
}

Function Get-RunOption {
    # The options of every module that may run detached from its shell: 'take' does the work, 'start' has a scheduled task run the
    # payload, which takes, 'collect' waits for its result, 'remove' clears up.
    @{
        run_id = @{ type = 'str'; required = $true }
        step = @{ type = 'str'; required = $true; choices = 'take', 'start', 'collect', 'remove' }
        payload = @{ type = 'str'; default = ''; no_log = $true }
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
    if ($Params.step -eq 'start') { return Start-Run -Folder $folder -RunId $Params.run_id -Payload $Params.payload }
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

Export-ModuleMember -Function Get-RunOption, Invoke-RunStep
