# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Takes every TLS binding of this server away, makes each again from what a backup says of it, and shows both. Answers as JSON.

Set-StrictMode -Version 2.0
$modules = 'C:\windows\temp\test-modules'
Add-Type -Path "$modules\_HttpSys.cs"
foreach ($name in '_Registry', '_HttpSys') { Import-Module -Name "$modules\$name.psm1" -DisableNameChecking }

$answer = @{ before = (& netsh.exe http show sslcert) -join "`n"; bindings = @((Get-HttpConfiguration).bindings) }
$saved = ConvertFrom-Json -InputObject (ConvertTo-Json -InputObject @{ bindings = $answer.bindings } -Depth 5)
foreach ($binding in $saved.bindings) { Remove-HttpRecord -Kind 'bindings' -Record $binding }
$answer.left = @((Get-HttpConfiguration).bindings).Count
foreach ($binding in $saved.bindings) { Add-HttpRecord -Kind 'bindings' -Record $binding }
$answer.after = (& netsh.exe http show sslcert) -join "`n"

# What Windows does not know is refused, with the binding's name.
$saved.bindings[0].endpoint, $saved.bindings[0].flags = '127.0.0.9:444', 2147483648
$answer.refused = try { Add-HttpRecord -Kind 'bindings' -Record $saved.bindings[0]; '' }
catch { $_.Exception.GetBaseException().Message }

$url = 'http://+:59999/test/'
Add-HttpRecord -Kind 'reservations' -Record @{ url = $url; sddl = 'D:(A;;GX;;;NS)' }
$reserved = @((Get-HttpConfiguration).reservations | Where-Object -FilterScript { $_.url -eq $url })
$answer.reserved = @($reserved | ForEach-Object -Process { $_.sddl })
Remove-HttpRecord -Kind 'reservations' -Record @{ url = $url; sddl = 'D:(A;;GX;;;NS)' }
$answer.reservations = @((Get-HttpConfiguration).reservations | ForEach-Object -Process { $_.url })
ConvertTo-Json -InputObject $answer -Depth 5
