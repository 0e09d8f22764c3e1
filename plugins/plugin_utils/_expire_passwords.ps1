# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Expires the passwords of the computers in a plan, and deletes the earlier passwords that it names, where they are still those that were seen.
# Run it as an account that may write these attributes: powershell -File expire-passwords.ps1 -Plan expire-passwords-DOMAIN.json

[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [Parameter(Mandatory = $true)]
    [String] $Plan
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
Add-Type -AssemblyName System.DirectoryServices.Protocols

Function Get-Digest {
    param([Byte[]] $Value)
    $sha256 = New-Object -TypeName Security.Cryptography.SHA256CryptoServiceProvider
    [BitConverter]::ToString($sha256.ComputeHash($Value)).Replace('-', '').ToLowerInvariant()
}

Function Get-Value {
    # The values of an attribute of an entry; in parts, if there may be more than 1,500.
    param(
        [Object] $Connection,
        [String] $Entry,
        [String] $Attribute,
        [Switch] $InParts
    )
    $first = 0
    do {
        $last = $true
        $asked = if ($InParts) { '{0};range={1}-{2}' -f $Attribute, $first, ($first + 1499) } else { $Attribute }
        $search = New-Object -TypeName System.DirectoryServices.Protocols.SearchRequest -ArgumentList $Entry, '(objectClass=*)', 'Base', $asked
        $answer = $Connection.SendRequest($search).Entries[0]
        foreach ($name in $answer.Attributes.AttributeNames) {
            foreach ($value in $answer.Attributes[$name].GetValues([Byte[]])) { , $value }
            $last = -not $name.Contains(';') -or $name.EndsWith('-*')
        }
        $first += 1500
    } until ($last)
}

Function New-Change {
    param(
        [String] $Name,
        [String] $Operation,
        [Object[]] $Values
    )
    $change = New-Object -TypeName System.DirectoryServices.Protocols.DirectoryAttributeModification
    $change.Name = $Name
    $change.Operation = $Operation
    foreach ($value in $Values) { [void]$change.Add($value) }
    $change
}

Function Send-Change {
    # Makes changes of an entry. False when a value is not there any more.
    param(
        [Object] $Connection,
        [String] $Entry,
        [Object[]] $Changes
    )
    $request = New-Object -TypeName System.DirectoryServices.Protocols.ModifyRequest
    $request.DistinguishedName = $Entry
    foreach ($change in $Changes) { [void]$request.Modifications.Add($change) }
    try { [void]$Connection.SendRequest($request) }
    catch {
        $cause = $_.Exception.GetBaseException()
        if ($cause.GetType().Name -eq 'DirectoryOperationException' -and "$($cause.Response.ResultCode)" -eq 'NoSuchAttribute') { return $false }
        throw
    }
    $true
}

$content = ConvertFrom-Json -InputObject ([IO.File]::ReadAllText([IO.Path]::GetFullPath($Plan)))
$connection = New-Object -TypeName System.DirectoryServices.Protocols.LdapConnection -ArgumentList $content.server
$connection.SessionOptions.ProtocolVersion = 3
$connection.SessionOptions.Signing = $true
$connection.SessionOptions.Sealing = $true

foreach ($computer in $content.computers) {
    if (-not $PSCmdlet.ShouldProcess($computer.computer, 'Expire the password')) { continue }
    try {
        if ($computer.password_sha256) {
            $seen = @(Get-Value -Connection $connection -Entry $computer.computer -Attribute $content.password | Where-Object -FilterScript { (Get-Digest -Value $_) -ceq $computer.password_sha256 })
            $changes = if ($seen) {
                New-Change -Name $content.password -Operation 'Delete' -Values $seen
                New-Change -Name $content.password -Operation 'Add' -Values $seen
                New-Change -Name $content.expiry -Operation 'Replace' -Values '0'
            }
            $state = if ($seen -and (Send-Change -Connection $connection -Entry $computer.computer -Changes $changes)) { 'expired' } else { 'changed meanwhile' }
            '{0}: {1}' -f $computer.computer, $state
        }
        if ($computer.history_sha256) {
            $lost = @(Get-Value -Connection $connection -Entry $computer.computer -Attribute $content.history -InParts | Where-Object -FilterScript { $computer.history_sha256 -ccontains (Get-Digest -Value $_) })
            for ($first = 0; $first -lt $lost.Count; $first += 500) {
                $some = @($lost | Select-Object -Skip $first -First 500)
                [void](Send-Change -Connection $connection -Entry $computer.computer -Changes (New-Change -Name $content.history -Operation 'Delete' -Values $some))
            }
            '{0}: {1} earlier passwords deleted' -f $computer.computer, $lost.Count
        }
    }
    catch { Write-Warning -Message ('{0}: {1}' -f $computer.computer, $_.Exception.Message) }
}
