# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The doctor's probes of texts: JSON that is read and written, and what Windows' event logs keep of a run.

#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._Json

Set-StrictMode -Version 2.0

$Json = [ansible_collections.lithnet.access_manager.plugins.module_utils._Json.Json]
$LargeLetters = 3MB
$Depth = 100
$RefusedJson = '{"a":1,"A":2}', '{"a":1', '[1]]', '[1] 2', ''
# The events that have what PowerShell or Windows was given; of the last log, all that there are: Ansible writes into it too.
$PowerShellLog = 'Microsoft-Windows-PowerShell/Operational'
$Logs = [Ordered]@{ $PowerShellLog = 4103, 4104; 'Windows PowerShell' = @(800); Security = @(4688); Application = @() }
$MinutesOfRun = 5
$SecondsToLog = 3

Function Test-JsonText {
    # A value of the controller is read as configurations are, beside a text of three megabytes, and written as results are. Returns
    # what was written. What is no JSON, or has a key twice, must be refused.
    param([String] $Text)
    $large = 'x' * $LargeLetters
    $read = $Json::Parse('{"large":"' + $large + '","sent":' + $Text + '}')
    if ($read.large -cne $large) { throw 'a text of three megabytes is changed when it is read' }
    foreach ($refused in $RefusedJson) {
        $value = $null
        try { $value = @{ read = $Json::Parse($refused) } }
        catch { Write-Debug -Message "As it should be: $($_.Exception.Message)" }
        if ($value) { throw "this is read as JSON: $refused" }
    }
    ConvertTo-Json -InputObject $read.sent -Depth $Depth -Compress
}

Function Measure-LoggedText {
    # How many events of one log, of the last minutes, have one of the texts. It is read from the newest back until those are over:
    # a query for certain events alone would look through all that the log has.
    param(
        [String] $Log,
        [String[]] $Texts
    )
    $since = [DateTime]::UtcNow.AddMinutes(-$MinutesOfRun)
    $kind = [Diagnostics.Eventing.Reader.PathType]::LogName
    $wanted = New-Object -TypeName Diagnostics.Eventing.Reader.EventLogQuery -ArgumentList $Log, $kind
    $wanted.ReverseDirection = $true
    $reader = New-Object -TypeName Diagnostics.Eventing.Reader.EventLogReader -ArgumentList $wanted
    $count = 0
    try {
        while ($record = $reader.ReadEvent()) {
            try {
                if ($record.TimeCreated.ToUniversalTime() -lt $since) { break }
                if ($Logs[$Log] -and $record.Id -notin $Logs[$Log]) { continue }
                $xml = $record.ToXml()
                if (@($Texts | Where-Object -FilterScript { $xml.Contains($_) })) { $count++ }
            }
            finally { $record.Dispose() }
        }
    }
    finally { $reader.Dispose() }
    $count
}

Function Test-Log {
    # Whether Windows logged the secrets that this run was given. Returns in how many events they are, and in how many a text is
    # that a cmdlet was given as its argument: where there is none of that, module logging is off.
    param([String[]] $Secrets)
    $control = [Guid]::NewGuid().ToString()
    Write-Debug -Message $control
    $end = [DateTime]::UtcNow.AddSeconds($SecondsToLog)
    while (-not ($controls = Measure-LoggedText -Log $PowerShellLog -Texts @($control)) -and [DateTime]::UtcNow -lt $end) {
        Start-Sleep -Milliseconds 500
    }
    $count = 0
    foreach ($log in $Logs.Keys) { $count += Measure-LoggedText -Log $log -Texts $Secrets }
    "$count"
    "$controls"
}

Export-ModuleMember -Function Test-JsonText, Test-Log
