# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Ends what hold.ps1 started.
Stop-Process -Id $Task.process -Force
$end = [DateTime]::UtcNow.AddSeconds(60)
while (Get-Process -Id $Task.process -ErrorAction SilentlyContinue) {
    if ([DateTime]::UtcNow -ge $end) { throw "The process $($Task.process) does not end." }
    Start-Sleep -Milliseconds 200
}
