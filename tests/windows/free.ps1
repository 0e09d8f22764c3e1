# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Waits until no program has a file open.
param($Task)
$ErrorActionPreference = 'Stop'
$end = [DateTime]::UtcNow.AddSeconds($Task.seconds)
while ($true) {
    try { [IO.File]::Open($Task.path, 'Open', 'ReadWrite', 'None').Dispose(); return }
    catch [IO.IOException] {
        if ([DateTime]::UtcNow -ge $end) { throw }
        Start-Sleep -Milliseconds 200
    }
}
