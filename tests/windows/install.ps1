# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs the stand-in of Access Manager as the installer and the configuration editor do. First comes its mark.
Add-Type -AssemblyName System.Security, System.IO.Compression.FileSystem
$service = New-Object -TypeName Security.Principal.SecurityIdentifier -ArgumentList $Task.service_sid

function Invoke-Program {
    $program, $rest = $args
    $said = & $program @rest
    if ($LASTEXITCODE) { throw "$program $rest failed with $($LASTEXITCODE): $said" }
}

function Grant-Access {
    param($Path, $Rights, $Inheritance)
    $acl = Get-Acl -LiteralPath $Path
    $rule = $service, $Rights, $Inheritance, 'None', 'Allow'
    $acl.AddAccessRule((New-Object -TypeName Security.AccessControl.FileSystemAccessRule -ArgumentList $rule))
    Set-Acl -LiteralPath $Path -AclObject $acl
}

function Add-Certificate {
    param($Item)
    $flags = [Security.Cryptography.X509Certificates.X509KeyStorageFlags]'MachineKeySet, PersistKeySet, Exportable'
    $pfx = [Convert]::FromBase64String($Item.pfx)
    $opened = $pfx, $Item.password, $flags
    $certificate = New-Object -TypeName Security.Cryptography.X509Certificates.X509Certificate2 -ArgumentList $opened
    (Open-Store -Name $Item.store).Add($certificate)
    $key = Get-PrivateKey -Certificate $certificate
    $file = if ($key -is [Security.Cryptography.RSACng]) { "Keys\$($key.Key.UniqueName)" }
    else { "RSA\MachineKeys\$($key.CspKeyContainerInfo.UniqueKeyContainerName)" }
    Grant-Access -Path "$env:ProgramData\Microsoft\Crypto\$file" -Rights 'Read' -Inheritance 'None'
}

function Protect-Secret {
    param($Text)
    $salt = New-Object -TypeName byte[] -ArgumentList 128
    [Security.Cryptography.RandomNumberGenerator]::Create().GetBytes($salt)
    $data = [Security.Cryptography.ProtectedData]::Protect([Text.Encoding]::UTF8.GetBytes($Text), $salt, 'LocalMachine')
    @{ data = [Convert]::ToBase64String($data); salt = [Convert]::ToBase64String($salt) }
}

function Expand-Files {
    param($Zip, $Folder)
    $file = [IO.Path]::GetTempFileName()
    try {
        [IO.File]::WriteAllBytes($file, [Convert]::FromBase64String($Zip))
        [IO.Compression.ZipFile]::ExtractToDirectory($file, $Folder)
    }
    finally { [IO.File]::Delete($file) }
}

function Set-Values {
    param($Key, $Values)
    foreach ($value in $Values.PSObject.Properties) {
        $data = if ($value.Value -is [String]) { $value.Value } else { [Int32]$value.Value } # a DWORD: JSON may give more bits
        Set-ItemProperty -LiteralPath $Key -Name $value.Name -Value $data
    }
}

# The program, beside its place: nothing is changed while it may yet fail.
$program = [IO.Path]::Combine([IO.Path]::GetTempPath(), 'lithnet.access_manager.tests.exe')
if ($Task.program) { [IO.File]::WriteAllBytes($program, [Convert]::FromBase64String($Task.program)) }
else {
    $assemblies = 'System.ServiceProcess', 'System.Web.Extensions'
    Add-Type -TypeDefinition $Task.source -OutputAssembly $program -OutputType ConsoleApplication -ReferencedAssemblies $assemblies
}
$Task.mark_content.executable = (Get-FileHash -LiteralPath $program -Algorithm SHA256).Hash

[void](New-Item -Path "HKLM:\$($Task.mark)" -Force)
$mark = ConvertTo-Json -InputObject $Task.mark_content -Depth 4 -Compress
Set-ItemProperty -LiteralPath "HKLM:\$($Task.mark)" -Name 'StandIn' -Value $mark

[void][IO.Directory]::CreateDirectory([IO.Path]::GetDirectoryName($Task.executable))
[IO.File]::Copy($program, $Task.executable)
[IO.File]::Delete($program)
Expand-Files -Zip $Task.files -Folder 'C:\'
foreach ($folder in $Task.empty_folders) { [void][IO.Directory]::CreateDirectory($folder) }

$base = 'HKLM:\SOFTWARE\Lithnet\Access Manager Service'
[void](New-Item -Path "$base\Parameters" -Force)
Set-Values -Key $base -Values $Task.registry
Set-Values -Key "$base\Parameters" -Values $Task.parameters

$name = 'Lithnet Access Manager Service (stand-in of tests)'
Invoke-Program sc.exe create $Task.service binPath= "`"$($Task.executable)`"" start= auto DisplayName= $name obj= LocalSystem
foreach ($certificate in $Task.certificates) { Add-Certificate -Item $certificate }
foreach ($folder in $Task.folders.PSObject.Properties) {
    [void][IO.Directory]::CreateDirectory($folder.Name)
    Grant-Access -Path $folder.Name -Rights $folder.Value -Inheritance 'ContainerInherit, ObjectInherit'
}
foreach ($url in $Task.urls) { Invoke-Program netsh.exe http add urlacl "url=$url" "sddl=$($Task.descriptor)" }
foreach ($endpoint in $Task.endpoints) {
    $parameters = 'certstorename=My', 'clientcertnegotiation=enable', 'verifyclientcertrevocation=disable'
    $certificate = "certhash=$($Task.tls_thumbprint)", "appid=$($Task.application_id)"
    Invoke-Program netsh.exe http add sslcert "ipport=$endpoint" @certificate @parameters
}

$settings = [IO.File]::ReadAllText($Task.settings)
foreach ($secret in $Task.secrets.PSObject.Properties) {
    $made = Protect-Secret -Text $secret.Value
    $settings = $settings.Replace("$($secret.Name).data", $made.data).Replace("$($secret.Name).salt", $made.salt)
}
[IO.File]::WriteAllText($Task.settings, $settings)
Start-Service -Name $Task.service
