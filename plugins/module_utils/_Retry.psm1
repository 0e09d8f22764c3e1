# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Tries again what fails while another program has a file: a virus scanner, an indexer, a backup program.

Set-StrictMode -Version 2.0

$RetryTime = [TimeSpan]::FromSeconds(5)
$PollMilliseconds = 100
# ERROR_ACCESS_DENIED (a file that was deleted and is still open), ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION,
# ERROR_DIR_NOT_EMPTY (such a file is in it), ERROR_DELETE_PENDING, ERROR_USER_MAPPED_FILE
$TakenCodes = 5, 32, 33, 145, 303, 1224

Function Test-InUse {
    # Whether an error is of Windows (FACILITY_WIN32), and says that another program has the file.
    param([Exception] $Cause)
    ($Cause.HResult -band 0x7FFF0000) -eq 0x70000 -and ($Cause.HResult -band 0xFFFF) -in $TakenCodes
}

Function Invoke-WithRetry {
    # Runs the body again for some seconds while another program has the file. Where such a program lets a file be deleted that it
    # has open, its name stays until it has closed it.
    param([ScriptBlock] $Body)
    $watch = [Diagnostics.Stopwatch]::StartNew()
    while ($true) {
        try { return & $Body }
        catch { if ($watch.Elapsed -ge $RetryTime -or -not (Test-InUse -Cause $_.Exception.GetBaseException())) { throw } }
        Start-Sleep -Milliseconds $PollMilliseconds
    }
}

Function Invoke-CleanUp {
    # Runs a body that removes what is not needed any more. What fails of it hides no result: a later run removes it.
    param([ScriptBlock] $Body)
    try { [void](Invoke-WithRetry -Body $Body) }
    catch { Write-Debug -Message "It stays for now: $($_.Exception.GetBaseException().Message)" }
}

Function Remove-Tree {
    # Removes a folder with all that is in it.
    param([String] $Path)
    Invoke-WithRetry -Body { if ([IO.Directory]::Exists($Path)) { [IO.Directory]::Delete($Path, $true) } }
}

Export-ModuleMember -Function Invoke-WithRetry, Invoke-CleanUp, Remove-Tree
