# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Which events Access Manager has logged. It only reads, and takes no text of them.

#AnsibleRequires -PowerShell ..module_utils._FileRecord

Set-StrictMode -Version 2.0

$EventLog = 'Lithnet Access Manager'
$MostEvents = 200
$MostSeconds = 15

Function Get-LoggedEvent {
    # Read-EventLog, for the events of these numbers since a time.
    param(
        [Int32[]] $Ids,
        [DateTime] $Since = [DateTime]::FromFileTimeUtc(0)
    )
    $numbers = @($Ids | ForEach-Object -Process { "EventID=$_" }) -join ' or '
    Read-EventLog -Condition "($numbers) and TimeCreated[@SystemTime>='$(ConvertTo-Timestamp -Time $Since)']"
}

Function Get-TimeLeft {
    # Until an end: a moment at least.
    param([DateTime] $End)
    $left = $End - [DateTime]::UtcNow
    if ($left -gt [TimeSpan]::Zero) { $left } else { [TimeSpan]::FromMilliseconds(1) }
}

Function Read-EventLog {
    # Numbers, levels and times of the newest events of which a condition on System is true; an error where the log cannot be read,
    # or not to its end in time: Windows looks at every event of a large log.
    param([String] $Condition)
    $found = @()
    $end = [DateTime]::UtcNow.AddSeconds($MostSeconds)
    try {
        $query = "*[System[$Condition]]"
        $kind = [Diagnostics.Eventing.Reader.PathType]::LogName
        $wanted = New-Object -TypeName Diagnostics.Eventing.Reader.EventLogQuery -ArgumentList $EventLog, $kind, $query
        $wanted.ReverseDirection = $true
        $reader = New-Object -TypeName Diagnostics.Eventing.Reader.EventLogReader -ArgumentList $wanted
        try {
            while ($found.Count -lt $MostEvents -and ($record = $reader.ReadEvent((Get-TimeLeft -End $end)))) {
                try {
                    $time = ConvertTo-Timestamp -Time $record.TimeCreated.ToUniversalTime()
                    $found += @{ id = [Int32]$record.Id; level = [Int32]$record.Level; time = $time }
                }
                finally { $record.Dispose() }
            }
        }
        finally { $reader.Dispose() }
        @{ events = $found; error = '' }
    }
    catch { @{ events = $found; error = $_.Exception.GetBaseException().Message } }
}

Export-ModuleMember -Function Get-LoggedEvent, Read-EventLog
