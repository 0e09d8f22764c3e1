# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Security identifiers that are the same on every server.

Set-StrictMode -Version 2.0

$Sids = @{
    Everyone = 'S-1-1-0'
    AuthenticatedUsers = 'S-1-5-11'
    LocalSystem = 'S-1-5-18'
    LocalService = 'S-1-5-19'
    NetworkService = 'S-1-5-20'
    Administrators = 'S-1-5-32-544'
    AllServices = 'S-1-5-80-0'
}

Function Get-WellKnownSid {
    # The SID of each of these accounts and groups, as text.
    param([String[]] $Name)
    foreach ($one in $Name) { $Sids[$one] }
}

Export-ModuleMember -Function Get-WellKnownSid
