# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Stops and starts the Access Manager service, and waits until what it held is free.

#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -PowerShell ..module_utils._ServiceStart

Set-StrictMode -Version 2.0

$StartAttempts = 3
$SecondsBetweenStarts = 2
$PollMilliseconds = 30
$LogonFailure = 1069    # ERROR_SERVICE_LOGON_FAILED

Function Get-ElapsedMillisecond {
    param([Diagnostics.Stopwatch] $Watch)
    [Int64]$Watch.ElapsedMilliseconds
}

Function Assert-NotClustered {
    # Refuses to stop a service that a failover cluster runs, with the sentence of the controller.
    param([String] $ClusteredStop)
    $role = Get-ClusterRole
    if (-not $role) { return }
    $node = if ($role.owner) { $role.owner } else { 'the node that runs it' }
    throw [String]::Format([Globalization.CultureInfo]::InvariantCulture, $ClusteredStop, $env:COMPUTERNAME, $role.resource, $node)
}

Function Assert-Startable {
    # Refuses to stop a service that could not start again, unless that is allowed. JsonFiles, Replaced: see Get-StartObstacle.
    param(
        [String[]] $JsonFiles,
        [String[]] $Replaced,
        [Boolean] $Force
    )
    if ($Force) { return }
    $obstacles = @(Get-StartObstacle -JsonFiles $JsonFiles -Replaced $Replaced | ForEach-Object -Process { $_.text })
    if ($obstacles) {
        throw ("The service is not stopped, because it could not start again. $($obstacles -join ' ') Then run again; " +
            'force_stop stops it nevertheless.')
    }
}

Function Test-ServiceToStop {
    # Whether the service runs and has to be stopped, and started again afterwards. One that is stopping is waited for, and stays
    # stopped. Throws when it could not be brought back as it is, when it could not start again, or when a cluster runs it.
    # Replaced, Force: see Assert-Startable.
    param(
        [Int32] $Timeout,
        [Collections.IDictionary] $Knowledge,
        [String[]] $Replaced = @(),
        [Boolean] $Force
    )
    $service = Get-ServiceController
    if ($service.Status -eq 'StopPending') { Wait-ServiceStop -Service $service -Timeout $Timeout }
    $service.Refresh()
    if ($service.Status -eq 'Stopped') { return $false }
    Assert-NotClustered -ClusteredStop $Knowledge.clustered_stop
    $name = $service.ServiceName
    if ($service.Status -notin 'Running', 'StartPending') {
        throw ("The service $name is $($service.Status), which cannot be brought back after a stop. " +
            "Let it run or stop it, and run again.")
    }
    Assert-Startable -JsonFiles $Knowledge.json_files -Replaced $Replaced -Force $Force
    $dependents = @($service.DependentServices | Where-Object -FilterScript { $_.Status -ne 'Stopped' } |
        ForEach-Object -Process { $_.ServiceName })
    if ($dependents) {
        throw ("Other services depend on $name and run: $($dependents -join ', '). " +
            "Windows would stop them too and not start them again. Stop them, and run again.")
    }
    return $true
}

Function Wait-ServiceStatus {
    # Waits until the service has one of the states, or the time is over. Returns the state that it has then.
    param(
        [Object] $Service,
        [String[]] $Statuses,
        [Int32] $Timeout
    )
    $end = [DateTime]::UtcNow.AddSeconds($Timeout)
    while ($true) {
        $Service.Refresh()
        if ($Service.Status -in $Statuses -or [DateTime]::UtcNow -ge $end) { return $Service.Status }
        Start-Sleep -Milliseconds $PollMilliseconds
    }
}

Function Wait-ServiceStop {
    param(
        [Object] $Service,
        [Int32] $Timeout
    )
    $status = Wait-ServiceStatus -Service $Service -Statuses 'Stopped' -Timeout $Timeout
    if ($status -ne 'Stopped') {
        throw ("The service $($Service.ServiceName) did not stop within $Timeout s: it is $status. " +
            "Look at its log and the event log, or raise service_timeout.")
    }
}

Function Wait-ServiceStart {
    # Waits until a service that was asked to start runs; one that ends instead is not waited for.
    param(
        [Object] $Service,
        [Int32] $Timeout
    )
    $status = Wait-ServiceStatus -Service $Service -Statuses 'Running', 'Stopped' -Timeout $Timeout
    if ($status -eq 'Stopped') { throw 'it ended while it was starting. Look at its log and the event log.' }
    if ($status -ne 'Running') {
        throw "it is $status after $Timeout s. Look at its log and the event log, or raise service_timeout."
    }
}

Function Wait-ProcessEnd {
    # Whether a process ends within Timeout seconds. It looks at the list of processes: to wait for the process itself, Windows asks
    # for a right to it, or for the privilege "Debug programs", and Administrators may lack both.
    param(
        [Int32] $ProcessId,
        [Int32] $Timeout
    )
    $find = { Get-Process -Id $ProcessId -ErrorAction SilentlyContinue | ForEach-Object -Process { $_.ProcessName } }
    $name = & $find
    $end = [DateTime]::UtcNow.AddSeconds($Timeout)
    while ($name -and (& $find) -eq $name) {
        if ([DateTime]::UtcNow -ge $end) { return $false }
        Start-Sleep -Milliseconds $PollMilliseconds
    }
    return $true
}

Function Stop-AccessManager {
    # Stops the service and waits for its process, as Get-ServiceProcessId named it before, to end. Returns milliseconds.
    param(
        [Int32] $ProcessId,
        [Int32] $Timeout
    )
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $service = Get-ServiceController
    if ($service.Status -eq 'StartPending') {
        [void](Wait-ServiceStatus -Service $service -Statuses 'Running', 'Stopped' -Timeout $Timeout)
    }
    if ($service.Status -notin 'StopPending', 'Stopped') {
        try { $service.Stop() }
        catch { throw "The service $($service.ServiceName) refuses to stop: $($_.Exception.GetBaseException().Message)" }
    }
    Wait-ServiceStop -Service $service -Timeout $Timeout
    if ($ProcessId -and -not (Wait-ProcessEnd -ProcessId $ProcessId -Timeout $Timeout)) {
        throw "The service $($service.ServiceName) is stopped, but its process $ProcessId did not end within $Timeout s."
    }
    Get-ElapsedMillisecond -Watch $watch
}

Function Get-StartFailure {
    # Why the service did not start, and what to do where Windows' own text does not say.
    param([Exception] $Cause)
    if ($Cause -isnot [ComponentModel.Win32Exception] -or $Cause.NativeErrorCode -ne $LogonFailure) { return $Cause.Message }
    "$($Cause.Message) Windows refuses its account, $((Get-ServiceInformation).account), the logon (error $LogonFailure): " +
    "add it to 'Log on as a service' " +
    'under User Rights Assignment in secpol.msc, or in the group policy that sets that right, and see that its password is right.'
}

Function Start-AccessManager {
    # Starts the service, with a second and third try, and waits until it runs. Returns milliseconds.
    param([Int32] $Timeout)
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $service = Get-ServiceController
    for ($attempt = 1; $true; $attempt++) {
        try {
            $service.Refresh()
            if ($service.Status -eq 'StopPending') { Wait-ServiceStop -Service $service -Timeout $Timeout }
            $service.Refresh()
            if ($service.Status -notin 'Running', 'StartPending') { $service.Start() }
            Wait-ServiceStart -Service $service -Timeout $Timeout
            return Get-ElapsedMillisecond -Watch $watch
        }
        catch {
            if ($attempt -ge $StartAttempts) {
                throw ("The service $($service.ServiceName) does not start, after $attempt attempts: " +
                    "$(Get-StartFailure -Cause $_.Exception.GetBaseException())")
            }
            Start-Sleep -Seconds $SecondsBetweenStarts
        }
    }
}

Function Wait-DatabaseUnlock {
    # SQL LocalDB keeps the database files open for a while after the service has stopped. Returns milliseconds.
    param(
        [String] $Folder,
        [Int32] $Timeout
    )
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $database = New-Object -TypeName IO.DirectoryInfo -ArgumentList (Get-LongPath -Path $Folder)
    if (-not $database.Exists) { return [Int64]0 }
    foreach ($file in $database.GetFiles('*.?df')) {
        while ($true) {
            try {
                [IO.File]::Open($file.FullName, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]::None).Dispose()
                break
            }
            catch [IO.FileNotFoundException] { break }
            catch [IO.IOException] {
                if ($watch.Elapsed.TotalSeconds -ge $Timeout) {
                    throw ("The database file '$($file.Name)' is still locked $Timeout s after the service stopped. " +
                        "Raise service_timeout, or back up without the database.")
                }
                Start-Sleep -Milliseconds 100
            }
        }
    }
    Get-ElapsedMillisecond -Watch $watch
}

Export-ModuleMember -Function Assert-NotClustered, Assert-Startable, Test-ServiceToStop, Wait-ProcessEnd, Stop-AccessManager,
    Start-AccessManager, Wait-DatabaseUnlock
