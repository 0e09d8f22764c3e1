# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Gives the service certificates with their private keys, verifies that they work, and takes them back.

#AnsibleRequires -PowerShell ..module_utils._Certificate
#AnsibleRequires -PowerShell ..module_utils._Envelope
#AnsibleRequires -PowerShell ..module_utils._RestoreChange
#AnsibleRequires -PowerShell ..module_utils._WellKnownSid
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._CertificateStore
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._ItemSecurity

Set-StrictMode -Version 2.0

$ServiceStore = [ansible_collections.lithnet.access_manager.plugins.module_utils._CertificateStore.ServiceStore]
$NonceBytes = 32
# OAEP with SHA-512 takes the nonce, two digests and two bytes. A web site's key may be shorter.
$LeastBitsForSha512 = 8 * ($NonceBytes + 2 * 64 + 2)
$Flags = [Security.Cryptography.X509Certificates.X509KeyStorageFlags]'MachineKeySet, PersistKeySet, Exportable'

Function Get-CertificateOption {
    # The option that says what each certificate lacks: import (all of it), give_key, or give_access (the service may not read its
    # key).
    @{
        type = 'list'; elements = 'dict'; default = @()
        options = @{
            thumbprint = @{ type = 'str'; required = $true }
            action = @{ type = 'str'; required = $true; choices = 'import', 'give_key', 'give_access' }
            pfx = @{ type = 'str'; default = ''; no_log = $true }
            password = @{ type = 'str'; default = ''; no_log = $true }
        }
    }
}

Function Restore-Certificate {
    # Gives the service what it lacks of these certificates. How to take each back is in Undo from before it is touched, whatever
    # fails.
    param(
        [Object[]] $Wanted,
        [Collections.IDictionary] $Knowledge,
        [Collections.ArrayList] $Undo
    )
    foreach ($one in $Wanted) { Complete-Certificate -Wanted $one -Knowledge $Knowledge -Undo $Undo }
}

Function Undo-RestoredCertificate {
    # Takes back what is in Undo; goes on after what fails. Returns a sentence for each certificate that could not be taken back.
    param(
        [Collections.ArrayList] $Undo,
        [Collections.IDictionary] $Knowledge
    )
    foreach ($one in $Undo) {
        try { [void](Undo-Certificate -Undo $one -Knowledge $Knowledge) }
        catch { "certificate $($one.thumbprint): $($_.Exception.GetBaseException().Message)" }
    }
}

Function Undo-Certificate {
    # Takes back what was done for a certificate: all of it, the key alone, or a permission.
    param(
        [Collections.IDictionary] $Undo,
        [Collections.IDictionary] $Knowledge
    )
    $place = @{ Knowledge = $Knowledge; Anywhere = $Undo.action -eq 'give_access' }
    $stored = Get-StoredCertificate -Thumbprint $Undo.thumbprint @place
    if (-not $stored) { return }
    if ($Undo.action -eq 'give_access') {
        if ($Undo.sddl) {
            $file = New-Object -TypeName IO.FileInfo -ArgumentList (Get-KeyInformation -Certificate $stored).file
            Set-SecurityText -Item $file -Sddl $Undo.sddl
        }
        return
    }
    $given = (Get-KeyInformation -Certificate $stored).present
    Remove-Key -Certificate $stored
    if ($Undo.action -eq 'import') { $ServiceStore::Remove($Knowledge.service_store, $stored) }
    elseif ($given) { Add-BareCertificate -Certificate $stored -StoreName $Knowledge.service_store }
}

Function Complete-Certificate {
    param(
        [Collections.IDictionary] $Wanted,
        [Collections.IDictionary] $Knowledge,
        [Collections.ArrayList] $Undo
    )
    try {
        $action = Get-MissingPart -Wanted $Wanted -Knowledge $Knowledge
        $change = @{ thumbprint = $Wanted.thumbprint; action = $action; sddl = ''; file = '' }
        [void]$Undo.Add($change)
        if ($change.action -ne 'give_access') { Add-KeyedCertificate -Wanted $Wanted -StoreName $Knowledge.service_store }
        $place = @{ Knowledge = $Knowledge; Anywhere = $change.action -eq 'give_access' }
        $stored = Get-StoredCertificate -Thumbprint $Wanted.thumbprint @place
        if (-not $stored) { throw 'it is not on this server any more' }
        $key = Get-KeyInformation -Certificate $stored
        if (-not $key.present) { throw $key.reason }
        $change.sddl, $change.file = $key.sddl, $key.file
        Grant-KeyRead -Key $key -ServiceSid $Knowledge.service_sid
        Assert-Key -Certificate $stored
    }
    catch { throw "Certificate $($Wanted.thumbprint) could not be restored: $($_.Exception.GetBaseException().Message)" }
}

Function Get-StoredCertificate {
    # The certificate of that thumbprint in the service's store, or in any store where the service looks; $null when there is none.
    # Of several, one whose key is there.
    param(
        [String] $Thumbprint,
        [Collections.IDictionary] $Knowledge,
        [Switch] $Anywhere
    )
    $first = $null
    foreach ($found in Get-AccessManagerCertificate -Knowledge $Knowledge) {
        if ($found.certificate.Thumbprint -ne $Thumbprint) { continue }
        if (-not $Anywhere -and $found.store -ne $Knowledge.service_store) { continue }
        if ((Get-KeyInformation -Certificate $found.certificate).present) { return $found.certificate }
        if (-not $first) { $first = $found.certificate }
    }
    return $first
}

Function Get-MissingPart {
    # What the service lacks of a certificate now: import (all of it), give_key, or give_access, also when the key has come in the
    # meantime.
    param(
        [Collections.IDictionary] $Wanted,
        [Collections.IDictionary] $Knowledge
    )
    if ($Wanted.action -eq 'give_access') { return 'give_access' }
    $stored = Get-StoredCertificate -Thumbprint $Wanted.thumbprint -Knowledge $Knowledge
    if (-not $stored) { return 'import' }
    if ((Get-KeyInformation -Certificate $stored).present) { 'give_access' } else { 'give_key' }
}

Function Add-KeyedCertificate {
    # Puts the certificate with its key into the service's store. One without that is there is replaced in the same step: whenever
    # this is interrupted, the store has the one or the other.
    param(
        [Collections.IDictionary] $Wanted,
        [String] $StoreName
    )
    # Not New-Object: Windows logs the arguments of cmdlets where module logging is on, and these are a key and its password.
    $pfx = [Convert]::FromBase64String($Wanted.pfx)
    $certificate = [Security.Cryptography.X509Certificates.X509Certificate2]::new($pfx, $Wanted.password, $Flags)
    try {
        if ($certificate.Thumbprint -ne $Wanted.thumbprint) {
            throw "the PFX holds another certificate: $($certificate.Thumbprint)"
        }
        $ServiceStore::Add($StoreName, $certificate)
    }
    catch {
        $reason = $_.Exception.GetBaseException().Message
        try { Remove-Key -Certificate $certificate }
        catch { throw "$reason Its key could not be taken back: $($_.Exception.GetBaseException().Message)" }
        throw $reason
    }
}

Function Add-BareCertificate {
    # Puts the certificate without its key in the place of the one with it, in one step.
    param(
        [Security.Cryptography.X509Certificates.X509Certificate2] $Certificate,
        [String] $StoreName
    )
    $bare = New-Object -TypeName Security.Cryptography.X509Certificates.X509Certificate2 -ArgumentList @(, $Certificate.RawData)
    $ServiceStore::Add($StoreName, $bare)
}

Function Grant-KeyRead {
    # Lets the service and the administrators read the file of a key, if they may not yet.
    param(
        [Hashtable] $Key,
        [String] $ServiceSid
    )
    foreach ($sid in $ServiceSid, (Get-WellKnownSid -Name Administrators)) {
        if (Test-KeyReader -Key $Key -Sid $sid) { continue }
        $security = New-Object -TypeName Security.AccessControl.FileSecurity -ArgumentList $Key.file,
            ([Security.AccessControl.AccessControlSections]::Access)
        $trustee = New-Object -TypeName Security.Principal.SecurityIdentifier -ArgumentList $sid
        $rule = New-Object -TypeName Security.AccessControl.FileSystemAccessRule -ArgumentList $trustee, 'Read', 'Allow'
        $security.AddAccessRule($rule)
        [ansible_collections.lithnet.access_manager.plugins.module_utils._ItemSecurity.ItemSecurity]::Set($Key.file, $security)
    }
}

Function Assert-Key {
    # Decrypts with the key that the store leads to what the certificate encrypts.
    param([Security.Cryptography.X509Certificates.X509Certificate2] $Certificate)
    $key = [Security.Cryptography.X509Certificates.RSACertificateExtensions]::GetRSAPrivateKey($Certificate)
    $public = [Security.Cryptography.X509Certificates.RSACertificateExtensions]::GetRSAPublicKey($Certificate)
    $padding = if ($key -isnot [Security.Cryptography.RSACng]) { [Security.Cryptography.RSAEncryptionPadding]::OaepSHA1 }
    elseif ($key.KeySize -ge $LeastBitsForSha512) { [Security.Cryptography.RSAEncryptionPadding]::OaepSHA512 }
    else { [Security.Cryptography.RSAEncryptionPadding]::OaepSHA256 }
    $nonce = New-RandomByte -Count $NonceBytes
    $opened = $key.Decrypt($public.Encrypt($nonce, $padding), $padding)
    if ([Convert]::ToBase64String($opened) -cne [Convert]::ToBase64String($nonce)) {
        throw 'its private key does not answer for it'
    }
}

Function Remove-Key {
    # Deletes the private key of a certificate, if it has one.
    param([Security.Cryptography.X509Certificates.X509Certificate2] $Certificate)
    if (-not (Get-KeyInformation -Certificate $Certificate).present) { return }
    $key = [Security.Cryptography.X509Certificates.RSACertificateExtensions]::GetRSAPrivateKey($Certificate)
    if ($key -is [Security.Cryptography.RSACng]) { $key.Key.Delete() }
    else {
        $key.PersistKeyInCsp = $false
        $key.Clear()
    }
}

Export-ModuleMember -Function Restore-Certificate, Undo-RestoredCertificate, Get-CertificateOption, Grant-KeyRead, Assert-Key,
    Remove-Key
