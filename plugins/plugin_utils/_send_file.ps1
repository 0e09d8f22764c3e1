# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Writes a file to standard output as lines of Base64, from an offset on. The path and the offset come on standard input, as JSON.

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$request = ConvertFrom-Json -InputObject ([Console]::In.ReadToEnd())
$path = [String]$request.path
$file = New-Object -TypeName IO.FileStream -ArgumentList $path, ([IO.FileMode]::Open), ([IO.FileAccess]::Read), ([IO.FileShare]::Read)
try {
    [void]$file.Seek([Int64]$request.offset, [IO.SeekOrigin]::Begin)
    $buffer = New-Object -TypeName Byte[] -ArgumentList 61440
    $output = [Console]::Out
    while (($count = $file.Read($buffer, 0, $buffer.Length)) -gt 0) {
        $output.Write([Convert]::ToBase64String($buffer, 0, $count) + "`n")
    }
    $output.Flush()
}
finally { $file.Dispose() }
