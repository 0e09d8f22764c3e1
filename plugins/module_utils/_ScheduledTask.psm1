# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# A process of SYSTEM outside the shell's job, started by a scheduled task: where neither leaving the job nor WMI may start one.

#AnsibleRequires -PowerShell ..module_utils._WellKnownSid
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._KernelObject

Set-StrictMode -Version 2.0

$TaskPrefix = 'lithnet.access_manager.'
$TaskDescription = 'One run of the Ansible collection lithnet.access_manager. It is removed as soon as the run has begun.'
$AdministratorsAlone = 'O:BAG:SYD:P(A;;FA;;;SY)(A;;FA;;;BA)'
$CreateOnly, $ServiceAccount, $HighestRunLevel, $Hidden, $NormalPriority = 2, 5, 1, 1, 5
# SCHED_S_TASK_RUNNING, SCHED_S_TASK_HAS_NOT_RUN, SCHED_S_TASK_QUEUED
$NotEnded = 0x41301, 0x41303, 0x41325

# What the task's process does: it takes from the pipe a script and the input of that script, and runs it when both have the SHA-256
# that the task was made with. Neither is on a disk, or in the task.
$Program = @'
$ErrorActionPreference = 'Stop'
$pipe = New-Object -TypeName IO.Pipes.NamedPipeClientStream -ArgumentList '.', '{0}', ([IO.Pipes.PipeDirection]::In)
$taken = New-Object -TypeName IO.MemoryStream
$pipe.Connect(60000)
$pipe.CopyTo($taken)
$pipe.Dispose()
$sha = New-Object -TypeName Security.Cryptography.SHA256CryptoServiceProvider
if ([BitConverter]::ToString($sha.ComputeHash($taken.ToArray())) -cne '{1}') {{ exit 1 }}
$script, $lines = [Text.Encoding]::UTF8.GetString($taken.ToArray()).Split([Char[]]@(0), 2)
$lines.Split([Char[]]@(10)) | & ([ScriptBlock]::Create($script))
'@

Function Connect-TaskScheduler {
    # The root folder of the Task Scheduler, and the scheduler itself.
    $scheduler = New-Object -ComObject 'Schedule.Service'
    [void]$scheduler.Connect()
    @{ scheduler = $scheduler; root = $scheduler.GetFolder('\') }
}

Function Get-TaskRun {
    # The ids of the runs whose tasks are there; none where the scheduler does not answer.
    try { $tasks = @((Connect-TaskScheduler).root.GetTasks($Hidden)) }
    catch { return }
    foreach ($task in $tasks) {
        if ($task.Name.StartsWith($TaskPrefix, [StringComparison]::Ordinal)) { $task.Name.Substring($TaskPrefix.Length) }
    }
}

Function Remove-RunTask {
    param([String] $RunId)
    [void](Connect-TaskScheduler).root.DeleteTask("$TaskPrefix$RunId", 0)
}

Function Get-TaskArgument {
    # The arguments of PowerShell for a task that takes what has that SHA-256 from that pipe. Both are of this process, letters and
    # digits.
    param(
        [String] $Pipe,
        [Byte[]] $Payload
    )
    $sha = New-Object -TypeName Security.Cryptography.SHA256CryptoServiceProvider
    try { $digest = [BitConverter]::ToString($sha.ComputeHash($Payload)) }
    finally { $sha.Dispose() }
    $command = [String]::Format([Globalization.CultureInfo]::InvariantCulture, $Program, $Pipe, $digest)
    $encoded = [Convert]::ToBase64String([Text.Encoding]::Unicode.GetBytes($command))
    "-NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand $encoded"
}

Function New-RunTask {
    # Registers a task of SYSTEM that no trigger starts.
    param(
        [String] $RunId,
        [String] $Arguments
    )
    $connected = Connect-TaskScheduler
    $definition = $connected.scheduler.NewTask(0)
    $definition.RegistrationInfo.Description = $TaskDescription
    $definition.Principal.UserId = Get-WellKnownSid -Name LocalSystem
    $definition.Principal.LogonType = $ServiceAccount
    $definition.Principal.RunLevel = $HighestRunLevel
    $definition.Settings.DisallowStartIfOnBatteries = $false
    $definition.Settings.StopIfGoingOnBatteries = $false
    $definition.Settings.ExecutionTimeLimit = 'P1D'
    $definition.Settings.Priority = $NormalPriority
    $action = $definition.Actions.Create(0)
    $action.Path = [IO.Path]::Combine([Environment]::SystemDirectory, 'WindowsPowerShell\v1.0\powershell.exe')
    $action.Arguments = $Arguments
    $connected.root.RegisterTaskDefinition("$TaskPrefix$RunId", $definition, $CreateOnly, $null, $null, $ServiceAccount,
        $AdministratorsAlone)
}

Function Send-Payload {
    # Waits until the task's process reads from the pipe, and gives it the payload.
    param(
        [IO.Pipes.NamedPipeServerStream] $Pipe,
        [Object] $Task,
        [Byte[]] $Payload,
        [Int32] $Timeout
    )
    $end = [DateTime]::UtcNow.AddSeconds($Timeout)
    $waiting = $Pipe.BeginWaitForConnection($null, $null)
    while (-not $waiting.AsyncWaitHandle.WaitOne(500)) {
        $result = $Task.LastTaskResult
        if ($result -notin $NotEnded) {
            throw ("the task's process ended at once, with " +
                "0x$($result.ToString('x8', [Globalization.CultureInfo]::InvariantCulture))")
        }
        if ([DateTime]::UtcNow -ge $end) { throw "the task's process did not begin within $Timeout s" }
    }
    $Pipe.EndWaitForConnection($waiting)
    $Pipe.Write($Payload, 0, $Payload.Length)
    $Pipe.WaitForPipeDrain()
}

Function Start-RunTask {
    # Starts a process of SYSTEM that runs the payload: a script of PowerShell and its input in UTF-8, with a zero byte between
    # them. The task is gone when this ends; one that could not be removed is removed by a later run.
    param(
        [String] $RunId,
        [Byte[]] $Payload,
        [Int32] $Timeout
    )
    $name = [Guid]::NewGuid().ToString('N')
    $pipe = [ansible_collections.lithnet.access_manager.plugins.module_utils._KernelObject.KernelObject]::CreatePipe($name)
    try {
        $task = New-RunTask -RunId $RunId -Arguments (Get-TaskArgument -Pipe $name -Payload $Payload)
        try {
            [void]$task.Run($null)
            Send-Payload -Pipe $pipe -Task $task -Payload $Payload -Timeout $Timeout
        }
        finally {
            try { Remove-RunTask -RunId $RunId }
            catch { Write-Debug -Message "It stays for now: $($_.Exception.GetBaseException().Message)" }
        }
    }
    catch { throw "No scheduled task of SYSTEM could start it either: $($_.Exception.GetBaseException().Message)" }
    finally { $pipe.Dispose() }
}

Export-ModuleMember -Function Get-TaskRun, Remove-RunTask, Start-RunTask
