#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Imports certificates with their private keys for the service, or takes back what an import did.

#AnsibleRequires -PowerShell ..module_utils._AccessManager
#AnsibleRequires -PowerShell ..module_utils._CertificateManager
#AnsibleRequires -PowerShell ..module_utils._Envelope
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._CertificateStore

Set-StrictMode -Version 2.0

$StoreName = 'lithnetams\MY'
$Flags = [Security.Cryptography.X509Certificates.X509KeyStorageFlags]'MachineKeySet, PersistKeySet, Exportable'

Function Get-StoredCertificate {
    # The certificate of that thumbprint in the service's store, or in any store where the service looks; $null when there is none.
    param(
        [String] $Thumbprint,
        [Switch] $Anywhere
    )
    foreach ($found in Get-AccessManagerCertificate -Usages $module.Params.knowledge.usages) {
        if ($found.certificate.Thumbprint -eq $Thumbprint -and ($Anywhere -or $found.store -eq $StoreName)) { return $found.certificate }
    }
    return $null
}

Function Assert-Key {
    # Decrypts with the key that the store leads to what the certificate encrypts.
    param([Security.Cryptography.X509Certificates.X509Certificate2] $Certificate)
    $key = [Security.Cryptography.X509Certificates.RSACertificateExtensions]::GetRSAPrivateKey($Certificate)
    $public = [Security.Cryptography.X509Certificates.RSACertificateExtensions]::GetRSAPublicKey($Certificate)
    $padding = if ($key -is [Security.Cryptography.RSACng]) { [Security.Cryptography.RSAEncryptionPadding]::OaepSHA512 } else { [Security.Cryptography.RSAEncryptionPadding]::OaepSHA1 }
    $nonce = New-RandomByte -Count 32
    $opened = $key.Decrypt($public.Encrypt($nonce, $padding), $padding)
    if ([Convert]::ToBase64String($opened) -cne [Convert]::ToBase64String($nonce)) { throw 'its private key does not answer for it' }
}

Function Add-KeyedCertificate {
    # Puts the certificate with its key into the service's store, in place of one without.
    param([Collections.IDictionary] $Wanted)
    $stored = Get-StoredCertificate -Thumbprint $Wanted.thumbprint
    if ($stored -and (Get-KeyInformation -Certificate $stored).present) { return }
    $bytes = [Convert]::FromBase64String($Wanted.pfx)
    $certificate = New-Object -TypeName Security.Cryptography.X509Certificates.X509Certificate2 -ArgumentList $bytes, $Wanted.password, $Flags
    if ($certificate.Thumbprint -ne $Wanted.thumbprint) { throw "the PFX holds another certificate: $($certificate.Thumbprint)" }
    if ($stored) { [ansible_collections.lithnet.access_manager.plugins.module_utils._CertificateStore.ServiceStore]::Remove($StoreName, $stored) }
    [ansible_collections.lithnet.access_manager.plugins.module_utils._CertificateStore.ServiceStore]::Add($StoreName, $certificate)
}

Function Complete-Certificate {
    # Gives the service what it lacks of one certificate, and proves that it has it. Returns how to take that back.
    param([Collections.IDictionary] $Wanted)
    $undo = @{ thumbprint = $Wanted.thumbprint; action = $Wanted.action; sddl = '' }
    try {
        if ($Wanted.action -ne 'give_access') { Add-KeyedCertificate -Wanted $Wanted }
        $stored = Get-StoredCertificate -Thumbprint $Wanted.thumbprint -Anywhere:($Wanted.action -eq 'give_access')
        $key = Get-KeyInformation -Certificate $stored
        if (-not $key.present) { throw $key.reason }
        $undo.sddl = $key.sddl
        Grant-KeyRead -Key $key
        Assert-Key -Certificate $stored
    }
    catch {
        Undo-Certificate -Undo $undo
        throw "Certificate $($Wanted.thumbprint) could not be restored: $($_.Exception.GetBaseException().Message)"
    }
    $undo
}

Function Remove-Key {
    param([Security.Cryptography.X509Certificates.X509Certificate2] $Certificate)
    $key = [Security.Cryptography.X509Certificates.RSACertificateExtensions]::GetRSAPrivateKey($Certificate)
    if ($key -is [Security.Cryptography.RSACng]) { $key.Key.Delete() }
    else {
        $key.PersistKeyInCsp = $false
        $key.Clear()
    }
}

Function Undo-Certificate {
    # Takes back what was done for a certificate: the key and the certificate, the key alone, or a permission.
    param([Collections.IDictionary] $Undo)
    $stored = Get-StoredCertificate -Thumbprint $Undo.thumbprint -Anywhere:($Undo.action -eq 'give_access')
    if (-not $stored) { return }
    $key = Get-KeyInformation -Certificate $stored
    if ($Undo.action -eq 'give_access') {
        if ($Undo.sddl -and $key.present) { Set-SecurityText -Item (New-Object -TypeName IO.FileInfo -ArgumentList $key.file) -Sddl $Undo.sddl }
        return
    }
    if ($key.present) { Remove-Key -Certificate $stored }
    [ansible_collections.lithnet.access_manager.plugins.module_utils._CertificateStore.ServiceStore]::Remove($StoreName, $stored)
    if ($Undo.action -eq 'give_key') {
        $bare = New-Object -TypeName Security.Cryptography.X509Certificates.X509Certificate2 -ArgumentList @(, $stored.RawData)
        [ansible_collections.lithnet.access_manager.plugins.module_utils._CertificateStore.ServiceStore]::Add($StoreName, $bare)
    }
}

Function Complete-All {
    # All certificates, or none of them.
    $done = @()
    try { foreach ($wanted in $module.Params.certificates) { $done += Complete-Certificate -Wanted $wanted } }
    catch {
        foreach ($undo in $done) { Undo-Certificate -Undo $undo }
        throw
    }
    @{ changed = $done.Count -gt 0; undo = $done }
}

$module = New-TargetModule -Arguments $args -Options @{
    knowledge = Get-KnowledgeOption
    certificates = @{
        type = 'list'; elements = 'dict'; default = @()
        options = @{
            thumbprint = @{ type = 'str'; required = $true }
            action = @{ type = 'str'; required = $true; choices = 'import', 'give_key', 'give_access' }
            pfx = @{ type = 'str'; default = ''; no_log = $true }
            password = @{ type = 'str'; default = ''; no_log = $true }
        }
    }
    undo = @{
        type = 'list'; elements = 'dict'; default = @()
        options = @{ thumbprint = @{ type = 'str'; required = $true }; action = @{ type = 'str'; required = $true }; sddl = @{ type = 'str'; default = '' } }
    }
}

Complete-TargetModule -Module $module -Body {
    foreach ($undo in $module.Params.undo) { Undo-Certificate -Undo $undo }
    $answer = Complete-All
    if ($module.Params.undo.Count) { $answer.changed = $true }
    $answer
}
