# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Removes the stand-in of Access Manager with all that its mark names, and what restores left. The mark is removed last.
param($Task)
$ErrorActionPreference = 'Stop'
$mark = ConvertFrom-Json -InputObject ([String](Get-ItemProperty -LiteralPath "HKLM:\$($Task.mark)").StandIn)
Add-Type -Namespace StandIn -Name Crypt32 -MemberDefinition '[DllImport("crypt32.dll", CharSet = CharSet.Unicode, SetLastError = true)] public static extern IntPtr CertOpenStore(IntPtr provider, int encoding, IntPtr prov, uint flags, string name);'

function Remove-Certificate {
    param($Store, $Thumbprints)
    $location = if ($Store.Contains('\')) { 0x50000 } else { 0x20000 }
    $opened = New-Object -TypeName Security.Cryptography.X509Certificates.X509Store -ArgumentList ([StandIn.Crypt32]::CertOpenStore([IntPtr]10, 0, [IntPtr]::Zero, $location, $Store))
    foreach ($certificate in @($opened.Certificates)) {
        if ($Thumbprints -notcontains $certificate.Thumbprint) { continue }
        if ($certificate.HasPrivateKey) {
            $key = [Security.Cryptography.X509Certificates.RSACertificateExtensions]::GetRSAPrivateKey($certificate)
            if ($key -is [Security.Cryptography.RSACng]) { $key.Key.Delete() } else { $key.PersistKeyInCsp = $false; $key.Clear() }
        }
        $opened.Remove($certificate)
    }
}

function Remove-EmptyFolder {
    param($Folder)
    if ((Test-Path -LiteralPath $Folder) -and -not [IO.Directory]::GetFileSystemEntries($Folder)) { [IO.Directory]::Delete($Folder) }
}

if (Get-Service -Name $Task.service -ErrorAction SilentlyContinue) {
    if ((Get-Service -Name $Task.service).Status -ne 'Stopped') { Stop-Service -Name $Task.service -Force }
    & sc.exe delete $Task.service | Out-Null
}
foreach ($endpoint in $mark.endpoints) { & netsh.exe http delete sslcert "ipport=$endpoint" | Out-Null }
foreach ($url in $mark.urls) { & netsh.exe http delete urlacl "url=$url" | Out-Null }
foreach ($store in $mark.certificates.PSObject.Properties) { Remove-Certificate -Store $store.Name -Thumbprints @($store.Value) }
foreach ($key in $Task.keys) { if (Test-Path -LiteralPath "HKLM:\$key") { Remove-Item -LiteralPath "HKLM:\$key" -Recurse -Force } }

$end = [DateTime]::UtcNow.AddSeconds(30)
foreach ($folder in $Task.folders) {
    while (Test-Path -LiteralPath $folder) { # its program may still be ending
        try { [IO.Directory]::Delete($folder, $true) }
        catch {
            if ([DateTime]::UtcNow -ge $end) { throw }
            foreach ($file in [IO.Directory]::GetFiles($folder, '*', 'AllDirectories')) { [IO.File]::SetAttributes($file, 'Normal') }
            Start-Sleep -Milliseconds 500
        }
    }
}
foreach ($folder in $Task.parents) { Remove-EmptyFolder -Folder $folder }
$parent = 'HKLM:\SOFTWARE\Lithnet'
if ((Test-Path -LiteralPath $parent) -and -not (Get-ChildItem -LiteralPath $parent) -and -not (Get-Item -LiteralPath $parent).ValueCount) { Remove-Item -LiteralPath $parent }
Remove-Item -LiteralPath "HKLM:\$($Task.mark)"
