# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# What the tests must know of a server before they change anything: its Windows, what it has of Access Manager, and the mark
# of an earlier run.

$windows = Get-ItemProperty -LiteralPath 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
$found = @()
$service = "HKLM:\SYSTEM\CurrentControlSet\Services\$($Task.service)"
$image = if (Test-Path -LiteralPath $service) { [String](Get-ItemProperty -LiteralPath $service).ImagePath } else { '' }
if (Test-Path -LiteralPath $service) { $found += "service $($Task.service) ($image)" }
foreach ($key in $Task.keys) { if (Test-Path -LiteralPath "HKLM:\$key") { $found += "registry key HKLM\$key" } }
foreach ($folder in $Task.folders) { if (Test-Path -LiteralPath $folder) { $found += "folder $folder" } }
foreach ($software in 'HKLM:\SOFTWARE', 'HKLM:\SOFTWARE\WOW6432Node') {
    $products = "$software\Microsoft\Windows\CurrentVersion\Uninstall"
    if (-not (Test-Path -LiteralPath $products)) { continue }
    foreach ($product in Get-ChildItem -LiteralPath $products) {
        $name = [String]$product.GetValue('DisplayName')
        if ($name -like 'Lithnet Access Manager*') { $found += "installed product $name" }
    }
}
foreach ($endpoint in $Task.endpoints) {
    if (Test-Path -LiteralPath "$HttpKey\SslBindingInfo\$endpoint") { $found += "TLS binding $endpoint" }
}
$reserved = if (Test-Path -LiteralPath "$HttpKey\UrlAclInfo") { (Get-Item -LiteralPath "$HttpKey\UrlAclInfo").GetValueNames() }
foreach ($url in $Task.urls) { if ($reserved -contains $url) { $found += "URL reservation $url" } }

$markKey = "HKLM:\$($Task.mark)"
$mark = if (Test-Path -LiteralPath $markKey) { [String](Get-ItemProperty -LiteralPath $markKey).StandIn } else { '' }
$hash = if (Test-Path -LiteralPath $Task.executable) { (Get-FileHash -LiteralPath $Task.executable).Hash } else { '' }
$keys = "$env:ProgramData\Microsoft\Crypto\Keys"
$answer = @{
    product = [String]$windows.ProductName
    build = "$($windows.CurrentBuildNumber).$(if ($windows.PSObject.Properties['UBR']) { $windows.UBR } else { 0 })"
    wine = (Test-Path -LiteralPath 'HKCU:\Software\Wine') -or (Test-Path -LiteralPath 'HKLM:\Software\Wine')
    powershell = [String]$PSVersionTable.PSVersion
    found = $found
    image = $image
    mark = $mark
    executable = $hash
    keys = @(if (Test-Path -LiteralPath $keys) { [IO.Directory]::GetFiles($keys) })
}
ConvertTo-Json -InputObject $answer -Depth 3 -Compress
