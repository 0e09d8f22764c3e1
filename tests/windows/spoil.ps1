# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# One change of each kind that a restore takes back.
$config = $Task.config
$text = [IO.File]::ReadAllText("$config\appsettings.json")
[IO.File]::WriteAllText("$config\appsettings.json", $text.Replace('"RequestsPerMinute": 5', '"RequestsPerMinute": 6'))
[IO.File]::Delete("$config\audit-templates\ops mail.html")
[void][IO.Directory]::CreateDirectory("$config\stray\inner")
[IO.File]::WriteAllText("$config\stray\inner\stray.ps1", '# stray')
foreach ($file in $Task.external, $Task.late) { [IO.File]::WriteAllText($file, '# spoiled') }
(New-Object -TypeName IO.FileInfo -ArgumentList "$config\logo.png").LastWriteTimeUtc = [DateTime]::UtcNow
$item = New-Object -TypeName IO.FileInfo -ArgumentList "$config\scripts\latin1.ps1"
$acl = Get-Acl -LiteralPath $item.FullName
$everyone = New-Object -TypeName Security.Principal.SecurityIdentifier -ArgumentList 'S-1-1-0'
$rule = New-Object -TypeName Security.AccessControl.FileSystemAccessRule -ArgumentList $everyone, 'FullControl', 'Allow'
$acl.AddAccessRule($rule)
Set-Acl -LiteralPath $item.FullName -AclObject $acl

$parameters = 'HKLM:\SOFTWARE\Lithnet\Access Manager Service\Parameters'
Set-ItemProperty -LiteralPath $parameters -Name 'LogRetentionDays' -Value 30
Set-ItemProperty -LiteralPath $parameters -Name 'Stray' -Value 'x'
foreach ($endpoint in $Task.endpoints) { & netsh.exe http delete sslcert "ipport=$endpoint" | Out-Null }
Remove-Certificate -Store (Open-Store -Name "$($Task.service)\MY") -Thumbprints $Task.thumbprint
