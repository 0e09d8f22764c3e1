# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Exports Access Manager's certificates with their private keys, for one envelope.

#AnsibleRequires -PowerShell ..module_utils._Certificate
#AnsibleRequires -PowerShell ..module_utils._Configuration
#AnsibleRequires -PowerShell ..module_utils._Envelope
#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._Installation

Set-StrictMode -Version 2.0

Function Export-Key {
    # The PFX of a certificate and its password, or the reason why there is none.
    param(
        [Security.Cryptography.X509Certificates.X509Certificate2] $Certificate,
        [Hashtable] $Key
    )
    if (-not $Key.present) { return @{ error = $Key.reason } }
    if (-not $Key.exportable) { return @{ error = "its private key is not exportable (provider '$($Key.provider)')" } }
    $password = [Convert]::ToBase64String((New-RandomByte -Count 30))
    try {
        $pfx = $Certificate.Export([Security.Cryptography.X509Certificates.X509ContentType]::Pfx, $password)
        @{ pfx = [Convert]::ToBase64String($pfx); password = $password }
    }
    catch { @{ error = "its private key cannot be exported: $($_.Exception.GetBaseException().Message)" } }
}

Function Get-CertificateExport {
    # The certificates, and an envelope of their keys for the holder of a public key; without one, the certificates alone.
    param(
        [Collections.IDictionary] $Knowledge,
        [Collections.IDictionary] $PublicKey
    )
    $records = @()
    $exports = New-NameTable
    $documents = @(Read-Configuration -ConfigPath (Assert-Installation).config_path -Names $Knowledge.json_files)
    $named = @(Get-SynchronisedCertificate -Documents $documents)
    foreach ($found in Get-AccessManagerCertificate -Knowledge $Knowledge -Named $named) {
        $record = Get-CertificateRecord -Found $found
        $records += $record
        if (-not $PublicKey -or ($exports.ContainsKey($record.thumbprint) -and $exports[$record.thumbprint].ContainsKey('pfx'))) {
            continue
        }
        $export = Export-Key -Certificate $found.certificate -Key $record.key
        $export.cer = [Convert]::ToBase64String($found.certificate.RawData)
        $exports[$record.thumbprint] = $export
    }
    $answer = @{ certificates = $records }
    if ($PublicKey) {
        $text = ConvertTo-Json -InputObject $exports -Depth 4 -Compress
        $answer.envelope = Protect-Text -Text $text -PublicKey $PublicKey -Context 'certificate_export'
    }
    $answer
}

Export-ModuleMember -Function Get-CertificateExport
