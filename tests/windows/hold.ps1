# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Starts a program that outlives this connection: it has a file open until a moment after the service has stopped, or the time
# is over. A file that is new is gone afterwards.
$path = $Task.path.Replace("'", "''")
$option = if (Test-Path -LiteralPath $Task.path) { 'None' } else { 'DeleteOnClose' }
$condition = if ($Task.until_stopped) { "(Get-Service -Name lithnetams).Status -eq 'Running'" } else { '$true' }
$script = @"
`$file = New-Object -TypeName IO.FileStream -ArgumentList '$path', 'OpenOrCreate', 'Read', '$($Task.share)', 4096, '$option'
`$end = [DateTime]::UtcNow.AddSeconds($([Int32]$Task.seconds))
while ([DateTime]::UtcNow -lt `$end -and $condition) { Start-Sleep -Milliseconds 100 }
Start-Sleep -Seconds $([Int32]$Task.then_seconds)
`$file.Dispose()
"@
$encoded = [Convert]::ToBase64String([Text.Encoding]::Unicode.GetBytes($script))
$command = "powershell.exe -NoProfile -NonInteractive -EncodedCommand $encoded"
$made = Invoke-CimMethod -ClassName Win32_Process -MethodName Create -Arguments @{ CommandLine = $command }
if ($made.ReturnValue) { throw "Win32_Process.Create returned $($made.ReturnValue)" }
$end = [DateTime]::UtcNow.AddSeconds(60)
while ([DateTime]::UtcNow -lt $end) {
    try { [IO.File]::Open($Task.path, 'Open', 'ReadWrite', 'ReadWrite').Dispose() }
    catch [IO.FileNotFoundException] { Write-Debug -Message 'not made yet' }
    catch [IO.IOException] { return [String]$made.ProcessId }
    Start-Sleep -Milliseconds 100
}
throw "The program does not hold $($Task.path)."
