# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Decrypts the secrets that this server alone can decrypt, for one envelope.

#AnsibleRequires -PowerShell ..module_utils._Configuration
#AnsibleRequires -PowerShell ..module_utils._DomainSecret
#AnsibleRequires -PowerShell ..module_utils._Envelope
#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -PowerShell ..module_utils._Secret

Set-StrictMode -Version 2.0

$DomainMode = 3

Function Get-DecryptedSecret {
    # A secret's mode, and its clear value or why it cannot be decrypted. One of the domain comes as it is too: it says who may.
    param([Collections.IDictionary] $Secret)
    $answer = @{ mode = $Secret.mode }
    if ($Secret.mode -eq $DomainMode) { $answer.protected = $Secret.data }
    try {
        $isOfDomain = $Secret.mode -eq $DomainMode
        $answer.value = if ($isOfDomain) { Unprotect-DomainSecret -Data $Secret.data } else { Unprotect-Secret -Secret $Secret }
    }
    catch { $answer.error = $_.Exception.GetBaseException().Message }
    $answer
}

Function Get-SecretExport {
    # The secrets and the settings that say which are in use, with an envelope of their values for the holder of a public key;
    # without one, the secrets alone.
    param(
        [Collections.IDictionary] $Knowledge,
        [String[]] $Settings,
        [Collections.IDictionary] $PublicKey
    )
    $documents = @(Read-Configuration -ConfigPath (Assert-Installation).config_path -Names $Knowledge.json_files)
    $secrets = @(Get-ProtectedSecret -Documents $documents -Paths $Knowledge.secrets)
    $answer = @{ secrets = @($secrets | ForEach-Object -Process { @{ path = $_.path; mode = $_.mode } }) }
    if (-not $PublicKey) { return $answer }
    $answer.settings = Get-Setting -Documents $documents -Paths $Settings
    $opened = New-NameTable
    foreach ($secret in $secrets) { $opened[$secret.path] = Get-DecryptedSecret -Secret $secret }
    $text = ConvertTo-Json -InputObject $opened -Depth 4 -Compress
    $answer.envelope = Protect-Text -Text $text -PublicKey $PublicKey -Context 'secret_export'
    $answer
}

Export-ModuleMember -Function Get-SecretExport
