# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# What a backup must not change and a restore must bring back: files, registry, HTTP.sys, certificates and their keys, the service.

function Get-Outline {
    param($Folder)
    foreach ($item in (New-Object -TypeName IO.DirectoryInfo -ArgumentList $Folder).GetFileSystemInfos('*', 'AllDirectories')) {
        if ($item.FullName -like '*\config\db\*') { continue }
        $type, $hash = 'DirectorySecurity', 'folder'
        if ($item -is [IO.FileInfo]) { $type, $hash = 'FileSecurity', (Get-FileHash -LiteralPath $item.FullName).Hash }
        $time = if ($item -is [IO.FileInfo]) { $item.LastWriteTimeUtc.ToString('o') }
        $security = New-Object -TypeName "Security.AccessControl.$type" -ArgumentList $item.FullName, 'Access, Owner, Group'
        $sddl = $security.GetSecurityDescriptorSddlForm('Access, Owner, Group')
        $sddl = $sddl.Replace('D:AI(', 'D:(').Replace('D:PAI(', 'D:P(') # a program that sets permissions sets this flag
        "$($item.FullName)|$hash|$time|$([Int32]($item.Attributes -band 7))|$sddl"
    }
}

function Get-KeyOutline {
    param($Path)
    $key = Get-Item -LiteralPath $Path
    foreach ($name in $key.GetValueNames()) {
        "$($key.Name)|$name|$($key.GetValueKind($name))|$(@($key.GetValue($name)) -join ',')"
    }
    foreach ($child in $key.GetSubKeyNames()) { Get-KeyOutline -Path "$Path\$child" }
}

function Get-Certificate {
    foreach ($certificate in (Open-Store -Name "$($Task.service)\MY").Certificates) {
        $key = if ($certificate.HasPrivateKey) { (Get-PrivateKey -Certificate $certificate).GetType().Name } else { 'no key' }
        "$($certificate.Thumbprint)|$key"
    }
}

function Get-HttpValue {
    foreach ($endpoint in $Task.endpoints) {
        $key = Get-Item -LiteralPath "$HttpKey\SslBindingInfo\$endpoint" -ErrorAction SilentlyContinue
        if ($key) { foreach ($name in $key.GetValueNames()) { "$endpoint|$name|$(@($key.GetValue($name)) -join ',')" } }
    }
    $reservations = Get-Item -LiteralPath "$HttpKey\UrlAclInfo" -ErrorAction SilentlyContinue
    foreach ($url in $Task.urls) { if ($reservations) { "$url|$(@($reservations.GetValue($url)) -join ',')" } }
}

$existing = @($Task.own_folders | Where-Object -FilterScript { Test-Path -LiteralPath $_ })
$log = "$($Task.logs)\access-manager-service.log"
$answer = @{
    files = @($existing | ForEach-Object -Process { Get-Outline -Folder $_ } | Sort-Object)
    registry = @(Get-KeyOutline -Path 'HKLM:\SOFTWARE\Lithnet\Access Manager Service' | Sort-Object)
    http_sys = @(Get-HttpValue | Sort-Object)
    certificates = @(Get-Certificate | Sort-Object)
    service = [String](Get-Service -Name $Task.service).Status
    turns = @([IO.File]::ReadAllLines($log) -match ' (started|stopped)$' -replace '^\S+ ')
    left = @($Task.staging | Where-Object -FilterScript { Test-Path -LiteralPath $_ })
}
ConvertTo-Json -InputObject $answer -Depth 3 -Compress
