# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The certificates that Access Manager uses, and what can be said of their keys.

#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._CertificateStore

Set-StrictMode -Version 2.0

$ServiceStore = [ansible_collections.lithnet.access_manager.plugins.module_utils._CertificateStore.ServiceStore]
$MachineStoreName = 'LocalMachine\My'
$EnhancedKeyUsageOid = '2.5.29.37'
$KeyFolders = 'Microsoft\Crypto\Keys', 'Microsoft\Crypto\SystemKeys', 'Microsoft\Crypto\RSA\MachineKeys'

Function Get-EnhancedKeyUsage {
    param([Security.Cryptography.X509Certificates.X509Certificate2] $Certificate)
    foreach ($extension in $Certificate.Extensions) {
        if ($extension.Oid.Value -eq $EnhancedKeyUsageOid) { foreach ($usage in $extension.EnhancedKeyUsages) { $usage.Value } }
    }
}

Function Select-Certificate {
    # Those of a store's certificates that carry one of Access Manager's usages, or are asked for: store, certificate.
    param(
        [String] $Store,
        [Security.Cryptography.X509Certificates.X509Certificate2Collection] $Certificates,
        [Collections.IDictionary] $Knowledge,
        [String[]] $Named
    )
    foreach ($certificate in $Certificates) {
        $usages = @(Get-EnhancedKeyUsage -Certificate $certificate)
        $isOwn = @($usages | Where-Object -FilterScript { $_ -in $Knowledge.usages }).Count -gt 0
        if ($isOwn -or $certificate.Thumbprint -in $Knowledge.thumbprints -or $certificate.Thumbprint -in $Named) {
            @{ store = $Store; certificate = $certificate; usages = $usages }
        }
    }
}

Function Get-AccountCertificate {
    # The certificates in an account's own store; none when its profile is not loaded, or Windows does not show it.
    param([String] $Sid)
    try { return , $ServiceStore::ReadOfUser($Sid) }
    catch { Write-Debug -Message "The store of $Sid cannot be read: $($_.Exception.GetBaseException().Message)" }
    return , (New-Object -TypeName Security.Cryptography.X509Certificates.X509Certificate2Collection)
}

Function Get-AccessManagerCertificate {
    # The certificates in the stores where Access Manager looks, in its order: all of the service's own, and of its account's and
    # the machine's those that are Access Manager's, by their usages or because they are named: by the directory (Knowledge) or the
    # configuration (Named).
    param(
        [Collections.IDictionary] $Knowledge,
        [String[]] $Named
    )
    foreach ($certificate in $ServiceStore::Read($Knowledge.service_store)) {
        $usages = @(Get-EnhancedKeyUsage -Certificate $certificate)
        @{ store = $Knowledge.service_store; certificate = $certificate; usages = $usages }
    }
    $which = @{ Knowledge = $Knowledge; Named = $Named }
    $account = Get-AccountSid -Name ([String](Get-ServiceInformation).account)
    if ($account) {
        $owned = Get-AccountCertificate -Sid $account
        Select-Certificate -Store "$account\My" -Certificates $owned @which
    }
    $machine = New-Object -TypeName Security.Cryptography.X509Certificates.X509Store -ArgumentList 'My', 'LocalMachine'
    $machine.Open('ReadOnly')
    try { Select-Certificate -Store $MachineStoreName -Certificates $machine.Certificates @which }
    finally { $machine.Close() }
}

Function Get-KeyInformation {
    # Provider, exportability and file of a certificate's private key. A key that cannot be opened is present = $false with the
    # reason.
    param([Security.Cryptography.X509Certificates.X509Certificate2] $Certificate)
    if (-not $Certificate.HasPrivateKey) {
        return @{ present = $false; reason = 'the certificate has no private key on this server' }
    }
    try {
        $key = [Security.Cryptography.X509Certificates.RSACertificateExtensions]::GetRSAPrivateKey($Certificate)
        if ($null -eq $key) { return @{ present = $false; reason = 'its private key is not an RSA key' } }
        Get-KeyDescription -Key $key
    }
    catch { @{ present = $false; reason = "its private key cannot be opened: $($_.Exception.GetBaseException().Message)" } }
}

Function Get-KeyDescription {
    param([Security.Cryptography.RSA] $Key)
    if ($Key -is [Security.Cryptography.RSACng]) {
        $provider = if ($Key.Key.Provider) { $Key.Key.Provider.Provider } else { '' }
        $exports = [Security.Cryptography.CngExportPolicies]'AllowExport, AllowPlaintextExport'
        $exportable = [Boolean]($Key.Key.ExportPolicy -band $exports)
        $file = $Key.Key.UniqueName
    }
    else {
        $provider = $Key.CspKeyContainerInfo.ProviderName
        $exportable = $Key.CspKeyContainerInfo.Exportable
        $file = $Key.CspKeyContainerInfo.UniqueKeyContainerName
    }
    $path = Find-KeyFile -Name $file
    @{
        present = $true
        provider = $provider
        exportable = $exportable
        bits = $Key.KeySize
        file = if ($path) { $path } else { '' }
        sddl = if ($path) { Get-SecurityText -Item (New-Object -TypeName IO.FileInfo -ArgumentList $path) } else { '' }
    }
}

Function Find-KeyFile {
    # The file of a machine's key of that unique name; $null for keys that are not files (smart cards, HSMs).
    param([String] $Name)
    if (-not $Name -or $Name.IndexOfAny([IO.Path]::GetInvalidFileNameChars()) -ge 0) { return $null }
    foreach ($folder in Get-KeyFolder) {
        $path = [IO.Path]::Combine($folder, $Name)
        if ([IO.File]::Exists($path)) { return $path }
    }
    return $null
}

Function Get-KeyFolder {
    # Where Windows keeps the keys of the machine as files.
    $data = [Environment]::GetFolderPath([Environment+SpecialFolder]::CommonApplicationData)
    foreach ($folder in $KeyFolders) { [IO.Path]::Combine($data, $folder) }
}

Function Get-KeyFile {
    # The files of all keys of the machine.
    foreach ($folder in Get-KeyFolder) { if ([IO.Directory]::Exists($folder)) { [IO.Directory]::GetFiles($folder) } }
}

Function Get-MachineCertificateEnd {
    # Until when the certificates of LocalMachine\My are valid whose private keys are here, by their thumbprints: what TLS can be
    # bound to.
    $ends = New-NameTable
    $machine = New-Object -TypeName Security.Cryptography.X509Certificates.X509Store -ArgumentList 'My', 'LocalMachine'
    $machine.Open('ReadOnly')
    try {
        foreach ($certificate in $machine.Certificates) {
            if (-not $certificate.HasPrivateKey) { continue }
            $ends[$certificate.Thumbprint.ToUpperInvariant()] = ConvertTo-Timestamp -Time $certificate.NotAfter.ToUniversalTime()
        }
    }
    finally { $machine.Close() }
    $ends
}

Function Test-KeyReader {
    # Whether a rule of a key's file lets the trustee of that SID read; a key that is no file is not judged.
    param(
        [Hashtable] $Key,
        [String] $Sid
    )
    if (-not $Key.file) { return $true }
    $security = New-Object -TypeName Security.AccessControl.FileSecurity -ArgumentList $Key.file,
        ([Security.AccessControl.AccessControlSections]::Access)
    $read = [Security.AccessControl.FileSystemRights]::ReadData
    foreach ($rule in $security.GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier])) {
        if ($rule.IdentityReference.Value -eq $Sid -and $rule.AccessControlType -eq 'Allow' -and
            ($rule.FileSystemRights -band $read)) {
            return $true
        }
    }
    return $false
}

Function Test-UsableCertificate {
    # Why the service cannot use the certificate of that thumbprint; empty when it can.
    param(
        [Object[]] $Found,
        [String] $Thumbprint,
        [String] $ServiceSid
    )
    $reason = 'it is not on this server'
    foreach ($one in $Found) {
        if ($one.certificate.Thumbprint -ne $Thumbprint) { continue }
        $key = Get-KeyInformation -Certificate $one.certificate
        if (-not $key.present) { $reason = $key.reason }
        elseif (Test-KeyReader -Key $key -Sid $ServiceSid) { return '' }
        else { $reason = 'the service may not read its private key' }
    }
    return $reason
}

Function Get-CertificateRecord {
    # What may be reported of a certificate.
    param([Hashtable] $Found)
    $certificate = $Found.certificate
    @{
        store = $Found.store
        thumbprint = $certificate.Thumbprint.ToUpperInvariant()
        subject = $certificate.Subject
        not_before = ConvertTo-Timestamp -Time $certificate.NotBefore.ToUniversalTime()
        not_after = ConvertTo-Timestamp -Time $certificate.NotAfter.ToUniversalTime()
        usages = $Found.usages
        key = Get-KeyInformation -Certificate $certificate
    }
}

Export-ModuleMember -Function Get-AccessManagerCertificate, Get-EnhancedKeyUsage, Get-KeyInformation, Get-CertificateRecord,
    Get-KeyFile, Get-MachineCertificateEnd, Test-UsableCertificate, Test-KeyReader
