# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# What goes before each script of the tests.
param($Task)
$ErrorActionPreference = 'Stop'
$HttpKey = 'HKLM:\SYSTEM\CurrentControlSet\Services\HTTP\Parameters'

function Open-Store {
    # A certificate store for writing: SERVICE\MY of a service, or My of the local machine.
    param($Name)
    Add-Type -Namespace StandIn -Name Crypt32 -MemberDefinition @'
[DllImport("crypt32.dll", CharSet = CharSet.Unicode, SetLastError = true)]
public static extern IntPtr CertOpenStore(IntPtr provider, int encoding, IntPtr window, uint flags, string name);
'@
    $location = if ($Name.Contains('\')) { 0x50000 } else { 0x20000 }
    $handle = [StandIn.Crypt32]::CertOpenStore([IntPtr]10, 0, [IntPtr]::Zero, $location, $Name)
    if ($handle -eq [IntPtr]::Zero) { throw "The store $Name does not open." }
    New-Object -TypeName Security.Cryptography.X509Certificates.X509Store -ArgumentList $handle
}

function Get-PrivateKey {
    param($Certificate)
    [Security.Cryptography.X509Certificates.RSACertificateExtensions]::GetRSAPrivateKey($Certificate)
}

function Remove-Certificate {
    # Takes certificates with their private keys out of a store.
    param($Store, $Thumbprints)
    foreach ($certificate in @($Store.Certificates | Where-Object -FilterScript { $Thumbprints -contains $_.Thumbprint })) {
        if ($certificate.HasPrivateKey) {
            $key = Get-PrivateKey -Certificate $certificate
            if ($key -is [Security.Cryptography.RSACng]) { $key.Key.Delete() } else { $key.PersistKeyInCsp = $false; $key.Clear() }
        }
        $Store.Remove($certificate)
    }
}
