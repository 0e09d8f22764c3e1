# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# What a backup must not change and a restore must bring back: files, registry, HTTP.sys, certificates and their keys; and the service.
param($Task)
$ErrorActionPreference = 'Stop'
Add-Type -Namespace StandIn -Name Crypt32 -MemberDefinition '[DllImport("crypt32.dll", CharSet = CharSet.Unicode, SetLastError = true)] public static extern IntPtr CertOpenStore(IntPtr provider, int encoding, IntPtr prov, uint flags, string name);'

function Get-Outline {
    param($Folder)
    foreach ($item in (New-Object -TypeName IO.DirectoryInfo -ArgumentList $Folder).GetFileSystemInfos('*', 'AllDirectories')) {
        if ($item.FullName -like '*\config\db\*') { continue }
        $type, $hash = 'DirectorySecurity', 'folder'
        if ($item -is [IO.FileInfo]) { $type, $hash = 'FileSecurity', (Get-FileHash -LiteralPath $item.FullName -Algorithm SHA256).Hash }
        $time = if ($item -is [IO.FileInfo]) { $item.LastWriteTimeUtc.ToString('o') }
        $sddl = (New-Object -TypeName "Security.AccessControl.$type" -ArgumentList $item.FullName, 'Access, Owner, Group').GetSecurityDescriptorSddlForm('Access, Owner, Group')
        $sddl = $sddl.Replace('D:AI(', 'D:(').Replace('D:PAI(', 'D:P(') # whoever sets permissions sets this flag
        "$($item.FullName)|$hash|$time|$([Int32]($item.Attributes -band 7))|$sddl"
    }
}

function Get-Certificate {
    $handle = [StandIn.Crypt32]::CertOpenStore([IntPtr]10, 0, [IntPtr]::Zero, 0x50000, "$($Task.service)\MY")
    foreach ($certificate in (New-Object -TypeName Security.Cryptography.X509Certificates.X509Store -ArgumentList $handle).Certificates) {
        $key = if ($certificate.HasPrivateKey) { [Security.Cryptography.X509Certificates.RSACertificateExtensions]::GetRSAPrivateKey($certificate).GetType().Name } else { 'no key' }
        "$($certificate.Thumbprint)|$key"
    }
}

function Get-HttpValue {
    $http = 'HKLM:\SYSTEM\CurrentControlSet\Services\HTTP\Parameters'
    foreach ($endpoint in $Task.endpoints) {
        $key = Get-Item -LiteralPath "$http\SslBindingInfo\$endpoint" -ErrorAction SilentlyContinue
        if ($key) { foreach ($name in $key.GetValueNames()) { "$endpoint|$name|$(@($key.GetValue($name)) -join ',')" } }
    }
    $reservations = Get-Item -LiteralPath "$http\UrlAclInfo" -ErrorAction SilentlyContinue
    foreach ($url in $Task.urls) { if ($reservations -and $null -ne $reservations.GetValue($url)) { "$url|$(@($reservations.GetValue($url)) -join ',')" } }
}

$existing = @($Task.own_folders | Where-Object -FilterScript { Test-Path -LiteralPath $_ })
$log = "$($Task.logs)\access-manager-service.log"
$answer = @{
    files = @($existing | ForEach-Object -Process { Get-Outline -Folder $_ } | Sort-Object)
    registry = @(& reg.exe query 'HKLM\SOFTWARE\Lithnet\Access Manager Service' /s)
    http_sys = @(Get-HttpValue | Sort-Object)
    certificates = @(Get-Certificate | Sort-Object)
    service = [String](Get-Service -Name $Task.service).Status
    turns = @([IO.File]::ReadAllLines($log) | ForEach-Object -Process { $_.Split(' ', 2)[1] } | Where-Object -FilterScript { $_ -in 'started', 'stopped' })
    left = @($Task.staging | Where-Object -FilterScript { Test-Path -LiteralPath $_ })
}
ConvertTo-Json -InputObject $answer -Depth 3 -Compress
