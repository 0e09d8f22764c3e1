# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Publishes the certificate in publish-certificate.json, beside this script, if the published one is still the one that was seen.
# Run it as an account that may write the entry, on a computer of the forest: powershell -File publish-certificate.ps1

[CmdletBinding(SupportsShouldProcess = $true)]
param()

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
Add-Type -AssemblyName System.DirectoryServices.Protocols

$plan = ConvertFrom-Json -InputObject ([IO.File]::ReadAllText([IO.Path]::Combine($PSScriptRoot, 'publish-certificate.json')))
$certificate = [Convert]::FromBase64String($plan.certificate)
$connection = New-Object -TypeName System.DirectoryServices.Protocols.LdapConnection -ArgumentList $plan.server
$connection.SessionOptions.ProtocolVersion = 3
$connection.SessionOptions.Signing = $true
$connection.SessionOptions.Sealing = $true

$search = New-Object -TypeName System.DirectoryServices.Protocols.SearchRequest -ArgumentList $plan.entry, '(objectClass=*)',
    'Base', 'cACertificate'
$found = $connection.SendRequest($search).Entries[0].Attributes['cACertificate']
$seen = $null
if ($found) { $seen = [Byte[]]$found.GetValues([Byte[]])[0] }
$sha256 = New-Object -TypeName Security.Cryptography.SHA256CryptoServiceProvider
$digest = if ($null -ne $seen) {
    [BitConverter]::ToString($sha256.ComputeHash($seen)).Replace('-', '').ToLowerInvariant()
}
else {
    ''
}
if ($null -ne $seen -and [Convert]::ToBase64String($seen) -ceq $plan.certificate) {
    'The certificate is published already.'
    return
}
if ($digest -cne $plan.seen_sha256) { throw 'Another certificate has been published since this plan was made: make a new plan.' }

$request = New-Object -TypeName System.DirectoryServices.Protocols.ModifyRequest
$request.DistinguishedName = $plan.entry
if ($null -ne $seen) {
    $delete = New-Object -TypeName System.DirectoryServices.Protocols.DirectoryAttributeModification
    $delete.Name = 'cACertificate'
    $delete.Operation = 'Delete'
    [void]$delete.Add($seen)
    [void]$request.Modifications.Add($delete)
}
$add = New-Object -TypeName System.DirectoryServices.Protocols.DirectoryAttributeModification
$add.Name = 'cACertificate'
$add.Operation = 'Add'
[void]$add.Add($certificate)
[void]$request.Modifications.Add($add)
if ($PSCmdlet.ShouldProcess($plan.entry, 'Publish the certificate')) {
    [void]$connection.SendRequest($request)
    'The certificate is published.'
}
