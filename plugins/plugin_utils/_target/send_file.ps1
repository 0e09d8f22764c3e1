# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Writes a part of a file to the output as lines of Base64. The request comes as JSON on the input: path, offset, and length in
# bytes.

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$request = ConvertFrom-Json -InputObject (@($input) -join "`n")
$path = [String]$request.path
$left = [Int64]$request.length
$file = New-Object -TypeName IO.FileStream -ArgumentList $path, ([IO.FileMode]::Open), ([IO.FileAccess]::Read),
    ([IO.FileShare]::Read)
try {
    [void]$file.Seek([Int64]$request.offset, [IO.SeekOrigin]::Begin)
    $buffer = New-Object -TypeName Byte[] -ArgumentList 61440
    while ($left -gt 0 -and ($count = $file.Read($buffer, 0, [Math]::Min($left, $buffer.Length))) -gt 0) {
        [Convert]::ToBase64String($buffer, 0, $count)
        $left -= $count
    }
}
finally { $file.Dispose() }
