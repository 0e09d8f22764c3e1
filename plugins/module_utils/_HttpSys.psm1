# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# HTTP.sys: TLS bindings of every kind with all their parameters, and URL reservations.

#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._HttpSys

Set-StrictMode -Version 2.0

$HttpSys = [ansible_collections.lithnet.access_manager.plugins.module_utils._HttpSys.HttpSys]
$HttpKey = 'SYSTEM\CurrentControlSet\Services\HTTP\Parameters'
$BindingKeys = @{ address = 'SslBindingInfo'; host_name = 'SslSniBindingInfo'; central_store = 'SslCcsBindingInfo' }
$KnownValues = 'AppId', 'SslCertHash', 'SslCertStoreName', 'DefaultFlags', 'DefaultSslCertCheckMode',
    'DefaultSslRevocationFreshnessTime', 'DefaultSslRevocationUrlRetrievalTimeout', 'DefaultSslCtlIdentifier',
    'DefaultSslCtlStoreName', 'HostnamePort'
$Parameters = 'thumbprint', 'application_id', 'store', 'flags', 'check_mode', 'revocation_freshness', 'revocation_timeout',
    'ctl_identifier', 'ctl_store'

Function Get-HttpConfiguration {
    # The TLS bindings and URL reservations of the whole server.
    $bindings = foreach ($binding in $HttpSys::ReadBindings()) {
        ConvertFrom-TlsBinding -Binding $binding
    }
    $reservations = foreach ($value in Get-RegistryValue -SubKey "$HttpKey\UrlAclInfo") {
        $sddl = if ($value.kind -eq 'Binary') { ConvertTo-Sddl -Bytes ([Convert]::FromBase64String($value.data)) } else { '' }
        @{ url = $value.name; sddl = $sddl }
    }
    @{ bindings = @($bindings); reservations = @($reservations) }
}

Function ConvertFrom-TlsBinding {
    # A binding as a backup has it. Times: of the revocation list in seconds, to fetch it in milliseconds. other_values: the names
    # of those that Windows keeps for it beside the parameters.
    param([ansible_collections.lithnet.access_manager.plugins.module_utils._HttpSys.TlsBinding] $Binding)
    @{
        kind = $Binding.Kind
        endpoint = $Binding.Endpoint
        thumbprint = $Binding.Thumbprint
        application_id = $Binding.ApplicationId
        store = $Binding.Store
        flags = [Int64]$Binding.Flags
        check_mode = [Int64]$Binding.CheckMode
        revocation_freshness = [Int64]$Binding.RevocationFreshness
        revocation_timeout = [Int64]$Binding.RevocationTimeout
        ctl_identifier = $Binding.CtlIdentifier
        ctl_store = $Binding.CtlStore
        other_values = @(Get-OtherValue -Kind $Binding.Kind -Endpoint $Binding.Endpoint)
    }
}

Function Get-OtherValue {
    # The names of the registry values of a binding that none of its parameters stands for.
    param(
        [String] $Kind,
        [String] $Endpoint
    )
    $parent = "$HttpKey\$($BindingKeys[$Kind])"
    foreach ($name in Get-SubKeyName -SubKey $parent) {
        $values = @(Get-RegistryValue -SubKey "$parent\$name")
        $called = @($values | Where-Object -FilterScript { $_.name -eq 'HostnamePort' } | ForEach-Object -Process { $_.data })
        if ($Endpoint -notin $called + $name) { continue }
        $values | ForEach-Object -Process { $_.name } | Where-Object -FilterScript { $_ -notin $KnownValues }
    }
}

Function Get-BoundCertificate {
    # The certificates of the bindings, as the stores of the local machine have them: their DER in Base64, and whether their keys
    # are there.
    param([Object[]] $Bindings)
    $wanted = @($Bindings | ForEach-Object -Process { $_.thumbprint })
    $names = @($Bindings | ForEach-Object -Process { if ($_.store) { $_.store } else { 'My' } } | Sort-Object -Unique)
    foreach ($name in $names) {
        foreach ($one in Get-StoreCertificate -Name $name) {
            if ($one.Thumbprint -notin $wanted) { continue }
            @{
                thumbprint = $one.Thumbprint.ToUpperInvariant()
                certificate = [Convert]::ToBase64String($one.RawData)
                has_key = $one.HasPrivateKey
            }
        }
    }
}

Function Get-StoreCertificate {
    # The certificates of a store of the local machine; none when there is no such store.
    param([String] $Name)
    $location = [Security.Cryptography.X509Certificates.StoreLocation]::LocalMachine
    $store = New-Object -TypeName Security.Cryptography.X509Certificates.X509Store -ArgumentList $Name, $location
    try { $store.Open([Security.Cryptography.X509Certificates.OpenFlags]'ReadOnly, OpenExistingOnly') }
    catch { return }
    try { $store.Certificates }
    finally { $store.Close() }
}

Function ConvertTo-Sddl {
    # A binary security descriptor as SDDL; empty when it is malformed, as another program's may be.
    param([Byte[]] $Bytes)
    try {
        $descriptor = New-Object -TypeName Security.AccessControl.RawSecurityDescriptor -ArgumentList $Bytes, 0
        $descriptor.GetSddlForm([Security.AccessControl.AccessControlSections]::All)
    }
    catch { '' }
}

Function Add-HttpRecord {
    # Adds a TLS binding (kind bindings) or a URL reservation (kind reservations). A binding is read again: Windows may not have
    # taken all of it.
    param(
        [String] $Kind,
        [Object] $Record
    )
    if ($Kind -eq 'reservations') {
        $HttpSys::AddReservation($Record.url, $Record.sddl)
        return
    }
    $HttpSys::AddBinding((ConvertTo-TlsBinding -Record $Record))
    $now = (Get-HttpConfiguration).bindings
    $made = @($now | Where-Object -FilterScript { $_.kind -eq $Record.kind -and $_.endpoint -eq $Record.endpoint })
    $lost = @($Parameters | Where-Object -FilterScript { -not $made -or [String]$made[0].$_ -ne [String]$Record.$_ })
    if ($lost) { throw "The TLS binding $($Record.endpoint) was added, and Windows did not take its $($lost -join ', ')." }
}

Function Remove-HttpRecord {
    # Deletes a TLS binding (kind bindings) or a URL reservation (kind reservations).
    param(
        [String] $Kind,
        [Object] $Record
    )
    if ($Kind -eq 'reservations') { $HttpSys::DeleteReservation($Record.url) }
    else { $HttpSys::DeleteBinding((ConvertTo-TlsBinding -Record $Record)) }
}

Function ConvertTo-TlsBinding {
    param([Object] $Record)
    $binding = New-Object -TypeName ansible_collections.lithnet.access_manager.plugins.module_utils._HttpSys.TlsBinding
    $binding.Kind, $binding.Endpoint, $binding.Thumbprint = $Record.kind, $Record.endpoint, $Record.thumbprint
    $binding.ApplicationId, $binding.Store = $Record.application_id, $Record.store
    $binding.Flags, $binding.CheckMode = $Record.flags, $Record.check_mode
    $binding.RevocationFreshness, $binding.RevocationTimeout = $Record.revocation_freshness, $Record.revocation_timeout
    $binding.CtlIdentifier, $binding.CtlStore = $Record.ctl_identifier, $Record.ctl_store
    $binding
}

Export-ModuleMember -Function Get-HttpConfiguration, Get-BoundCertificate, Add-HttpRecord, Remove-HttpRecord
