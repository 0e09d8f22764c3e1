# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Secrets that the data protection of the domain keeps (DPAPI-NG): Access Manager's mode 3.

#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._DomainSecret

Set-StrictMode -Version 2.0

$DomainSecret = [ansible_collections.lithnet.access_manager.plugins.module_utils._DomainSecret.DomainSecret]

Function Unprotect-DomainSecret {
    # The clear text of a secret, if this account may open it on this server.
    param([String] $Data)
    $bytes = $DomainSecret::Open([Convert]::FromBase64String($Data))
    try { [Text.Encoding]::Unicode.GetString($bytes) }
    finally { [Array]::Clear($bytes, 0, $bytes.Length) }
}

Function Test-DomainSecret {
    # Whether this account decrypts a secret on this server. Its value is not kept.
    param([String] $Data)
    try { [void](Unprotect-DomainSecret -Data $Data); $true }
    catch { $false }
}

Export-ModuleMember -Function Unprotect-DomainSecret, Test-DomainSecret
