# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Expires the passwords of the computers in a plan, and deletes the earlier passwords that it names, where they are still those that
# were seen.
# Run it as an account that may write these attributes: powershell -File expire-passwords.ps1 -Plan expire-passwords-DOMAIN.jsonl

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
        $search = New-Object -TypeName System.DirectoryServices.Protocols.SearchRequest -ArgumentList $Entry, '(objectClass=*)',
            'Base', $asked
        $answer = $Connection.SendRequest($search).Entries[0]
        foreach ($name in $answer.Attributes.AttributeNames) {
            foreach ($value in $answer.Attributes[$name].GetValues([Byte[]])) { , $value }
            $last = -not $name.Contains(';') -or $name.EndsWith('-*')
        }
        $first += 1500
    } until ($last)
}

Function Add-Change {
    # A change is a collection of its values: it must not pass through a pipeline, which would take it apart.
    param(
        [Object] $Request,
        [String] $Operation,
        [String] $Name,
        [Object[]] $Values
    )
    $change = New-Object -TypeName System.DirectoryServices.Protocols.DirectoryAttributeModification
    $change.Name = $Name
    $change.Operation = $Operation
    foreach ($value in $Values) { [void]$change.Add($value) }
    [void]$Request.Modifications.Add($change)
}

Function New-Request {
    param([String] $Entry)
    $request = New-Object -TypeName System.DirectoryServices.Protocols.ModifyRequest
    $request.DistinguishedName = $Entry
    $request
}

Function Send-Request {
    # Makes the changes. False when a value is not there any more.
    param(
        [Object] $Connection,
        [Object] $Request
    )
    try { [void]$Connection.SendRequest($Request) }
    catch {
        $cause = $_.Exception.GetBaseException()
        if ($cause.GetType().Name -eq 'DirectoryOperationException' -and "$($cause.Response.ResultCode)" -eq 'NoSuchAttribute') {
            return $false
        }
        throw
    }
    $true
}

# The first line is about all computers, and each other one about a computer.
$lines = [IO.File]::ReadAllLines($PSCmdlet.GetUnresolvedProviderPathFromPSPath($Plan))
$content = ConvertFrom-Json -InputObject $lines[0]
$connection = New-Object -TypeName System.DirectoryServices.Protocols.LdapConnection -ArgumentList $content.server
$connection.SessionOptions.ProtocolVersion = 3
$connection.SessionOptions.Signing = $true
$connection.SessionOptions.Sealing = $true

for ($number = 1; $number -lt $lines.Count; $number++) {
    $computer = ConvertFrom-Json -InputObject $lines[$number]
    if (-not $PSCmdlet.ShouldProcess($computer.computer, 'Expire the password')) { continue }
    try {
        if ($computer.password_sha256) {
            $seen = @(Get-Value -Connection $connection -Entry $computer.computer -Attribute $content.password |
                Where-Object -FilterScript { (Get-Digest -Value $_) -ceq $computer.password_sha256 })
            $request = New-Request -Entry $computer.computer
            Add-Change -Request $request -Operation 'Delete' -Name $content.password -Values $seen
            Add-Change -Request $request -Operation 'Add' -Name $content.password -Values $seen
            Add-Change -Request $request -Operation 'Replace' -Name $content.expiry -Values '0'
            $state = if ($seen.Count -eq 1 -and (Send-Request -Connection $connection -Request $request)) {
                'expired'
            }
            else {
                'changed meanwhile'
            }
            '{0}: {1}' -f $computer.computer, $state
        }
        if ($computer.history_sha256) {
            $lost = @(Get-Value -Connection $connection -Entry $computer.computer -Attribute $content.history -InParts |
                Where-Object -FilterScript { $computer.history_sha256 -ccontains (Get-Digest -Value $_) })
            $deleted = 0
            for ($first = 0; $first -lt $lost.Count; $first += 500) {
                $request = New-Request -Entry $computer.computer
                $some = $lost[$first..([Math]::Min($first + 500, $lost.Count) - 1)]
                Add-Change -Request $request -Operation 'Delete' -Name $content.history -Values $some
                if (Send-Request -Connection $connection -Request $request) { $deleted += $some.Count }
            }
            '{0}: {1} earlier passwords deleted' -f $computer.computer, $deleted
        }
    }
    catch { Write-Warning -Message ('{0}: {1}' -f $computer.computer, $_.Exception.Message) }
}
