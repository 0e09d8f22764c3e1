# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Secrets that the data protection of the domain keeps (DPAPI-NG): Access Manager's mode 3.

#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._DomainSecret

Set-StrictMode -Version 2.0

Function Test-DomainSecret {
    # Whether this account opens a secret on this server. Its value is not kept.
    param([String] $Data)
    try {
        $bytes = [Convert]::FromBase64String($Data)
        [ansible_collections.lithnet.access_manager.plugins.module_utils._DomainSecret.DomainSecret]::Opens($bytes)
    }
    catch { $false }
}

Export-ModuleMember -Function Test-DomainSecret
