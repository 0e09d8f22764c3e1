# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Waits until the service is in a state.
$end = [DateTime]::UtcNow.AddSeconds($Task.seconds)
while ([String](Get-Service -Name $Task.service).Status -ne $Task.status) {
    if ([DateTime]::UtcNow -ge $end) { throw "The service is not $($Task.status) after $($Task.seconds) s." }
    Start-Sleep -Milliseconds 50
}
