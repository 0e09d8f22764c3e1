# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Prepares a test host as Access Manager's installer and configuration editor do. Its task is one JSON object on
# stdin, so that nothing of it is left on the disk; its answer is one JSON object on stdout.
$ErrorActionPreference = 'Stop'
$task = [Console]::In.ReadToEnd() | ConvertFrom-Json
$service = New-Object Security.Principal.SecurityIdentifier $task.service_sid

Add-Type -Namespace TestSupport -Name Crypt32 -MemberDefinition @'
[DllImport("crypt32.dll", CharSet = CharSet.Unicode, SetLastError = true)]
public static extern IntPtr CertOpenStore(IntPtr provider, int encoding, IntPtr prov, uint flags, string name);
'@

function Add-Certificate($item) {
    $env:WINDOWS_LAB_KEY_PROVIDER = if ($item.cng) { 'Microsoft Software Key Storage Provider' } else { '' }
    $flags = [Security.Cryptography.X509Certificates.X509KeyStorageFlags] 'MachineKeySet, PersistKeySet'
    if ($item.exportable) { $flags = $flags -bor [Security.Cryptography.X509Certificates.X509KeyStorageFlags]::Exportable }
    $pfx = [Convert]::FromBase64String($item.pfx)
    $certificate = New-Object Security.Cryptography.X509Certificates.X509Certificate2 $pfx, $item.password, $flags
    $location = if ($item.store.Contains('\')) { 0x50000 } else { 0x20000 } # a service's, or the local machine's
    $handle = [TestSupport.Crypt32]::CertOpenStore([IntPtr] 10, 0, [IntPtr]::Zero, $location, $item.store)
    if ($handle -eq [IntPtr]::Zero) { throw "cannot open the store $($item.store)" }
    (New-Object Security.Cryptography.X509Certificates.X509Store $handle).Add($certificate)
    Grant-KeyRead $certificate
    $certificate.Thumbprint
}

function Grant-KeyRead($certificate) {
    $key = [Security.Cryptography.X509Certificates.RSACertificateExtensions]::GetRSAPrivateKey($certificate)
    $file = if ($key -is [Security.Cryptography.RSACng]) { "Keys\$($key.Key.UniqueName)" }
    else { "RSA\MachineKeys\$($key.CspKeyContainerInfo.UniqueKeyContainerName)" }
    Grant-Access (New-Object IO.FileInfo "$env:ProgramData\Microsoft\Crypto\$file") 'Read' 'None'
}

function Grant-Access($item, $rights, $inheritance) {
    $acl = $item.GetAccessControl()
    $acl.AddAccessRule((New-Object Security.AccessControl.FileSystemAccessRule $service, $rights, $inheritance, 'None', 'Allow'))
    $item.SetAccessControl($acl)
}

function Protect-Secret($text) {
    $salt = New-Object byte[] 128
    $random = [Security.Cryptography.RandomNumberGenerator]::Create()
    $random.GetBytes($salt)
    $data = [Security.Cryptography.ProtectedData]::Protect([Text.Encoding]::UTF8.GetBytes($text), $salt, 'LocalMachine')
    @{ data = [Convert]::ToBase64String($data); salt = [Convert]::ToBase64String($salt) }
}

function Invoke-Netsh {
    $said = & netsh.exe http @args
    if ($LASTEXITCODE) { throw "netsh http $args failed: $said" }
}

Add-Type -AssemblyName System.Security
$thumbprints = @($task.certificates | ForEach-Object { Add-Certificate $_ })
$protected = @{}
foreach ($secret in $task.secrets.PSObject.Properties) { $protected[$secret.Name] = Protect-Secret $secret.Value }
foreach ($folder in $task.folders.PSObject.Properties) {
    [void] [IO.Directory]::CreateDirectory($folder.Name)
    Grant-Access (New-Object IO.DirectoryInfo $folder.Name) $folder.Value 'ContainerInherit, ObjectInherit'
}
foreach ($url in $task.urls) { Invoke-Netsh add urlacl "url=$url" "sddl=D:(A;;GX;;;$($task.service_sid))" }
foreach ($binding in $task.bindings) {
    $parameters = "ipport=$($binding.endpoint)", "certhash=$($binding.thumbprint)", "appid=$($binding.application)",
        'certstorename=My', 'clientcertnegotiation=enable', 'verifyclientcertrevocation=disable'
    Invoke-Netsh add sslcert @parameters
}
foreach ($value in $task.registry.PSObject.Properties) {
    Set-ItemProperty 'HKLM:\SOFTWARE\Lithnet\Access Manager Service' $value.Name $value.Value
}
[void] (New-Item 'HKLM:\SOFTWARE\Microsoft\Microsoft SQL Server Local DB\Installed Versions\14.0' -Force)
[Console]::Out.Write((@{ thumbprints = $thumbprints; secrets = $protected } | ConvertTo-Json -Depth 4))
