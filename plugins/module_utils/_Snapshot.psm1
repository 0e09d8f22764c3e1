# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Captures the files of a server, and verifies that what was read is one state of them.

#AnsibleRequires -PowerShell ..module_utils._Configuration
#AnsibleRequires -PowerShell ..module_utils._EarlierRestore
#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._Installation

Set-StrictMode -Version 2.0

$LiveAttempts = 3

Function Get-CapturedSize {
    param([Collections.IDictionary] $Subject)
    $sizes = $Subject.records |
        Where-Object -FilterScript { $_.kind -eq 'file' } |
        ForEach-Object -Process { $_.size } |
        Measure-Object -Sum
    @{ files = [Int64]$sizes.Count; bytes = [Int64]$sizes.Sum }
}

Function Add-Digest {
    # Gives each file of the subject its SHA-256.
    param([Collections.IDictionary] $Subject)
    foreach ($record in $Subject.records) {
        if ($record.kind -ne 'file') { continue }
        $reader = Open-ReadableFile -Path $record.path
        try { $record.sha256 = Get-StreamDigest -Stream $reader; $record.size = $reader.Length }
        finally { $reader.Dispose() }
    }
}

Function Open-ReadableFile {
    # Opens a file that was listed. Throws a FileNotFoundException when it has vanished since.
    param([String] $Path)
    try { Open-WrittenFile -Path $Path }
    catch {
        if (-not [IO.File]::Exists((Get-LongPath -Path $Path))) {
            $reason = "'$Path' was removed while the configuration was read. Run again."
            throw (New-Object -TypeName IO.FileNotFoundException -ArgumentList $reason)
        }
        throw ("'$Path' cannot be read: $($_.Exception.GetBaseException().Message) Close the program that has it open, or give " +
            "this account the right to read it, and run again.")
    }
}

Function Copy-Record {
    # Writes a file's bytes to a stream and returns their SHA-256.
    param(
        [Collections.IDictionary] $Record,
        [IO.Stream] $Destination
    )
    $reader = Open-ReadableFile -Path $Record.path
    $sha = New-Sha256
    try {
        $hashed = New-Object -TypeName Security.Cryptography.CryptoStream -ArgumentList $reader, $sha,
            ([Security.Cryptography.CryptoStreamMode]::Read)
        $hashed.CopyTo($Destination)
        ConvertTo-Hex -Bytes $sha.Hash
    }
    finally { $sha.Dispose(); $reader.Dispose() }
}

Function Get-StateFingerprint {
    # One text that changes when Access Manager saves, or when a file, its times or its security change.
    param([Collections.IDictionary] $Subject)
    $lines = foreach ($record in $Subject.records) {
        if ($record.kind -eq 'link') { "$($record.name)|link" }
        else { "$($record.name)|$($record.kind)|$($record.size)|$($record.modified)|$($record.sddl)" }
    }
    "$(Get-ConfigurationUsn -Documents $Subject.documents)`n$($lines -join "`n")"
}

Function Invoke-ConsistentRead {
    # Has Take read all files that Describe names, until each had one content and the whole one outline before and after: then all
    # of them were so at one moment in between. Take returns whether each file was what it had been. A file that vanishes meanwhile
    # is a change like others. $null after the last attempt.
    param(
        [ScriptBlock] $Describe,
        [ScriptBlock] $Take
    )
    for ($attempt = 1; $attempt -le $LiveAttempts; $attempt++) {
        $subject = & $Describe
        try {
            Add-Digest -Subject $subject
            $taken = & $Take $subject
        }
        catch {
            if ($_.Exception.GetBaseException() -isnot [IO.FileNotFoundException]) { throw }
            $taken = $false
        }
        if ($taken -and (Get-StateFingerprint -Subject $subject) -ceq (Get-StateFingerprint -Subject (& $Describe))) {
            return @{ subject = $subject; attempts = $attempt }
        }
    }
    return $null
}

Function Get-LiveAttempt {
    $LiveAttempts
}

Function Get-Manifest {
    # All that a snapshot says of the server and of its files. The values of environment variables may be secret: they are in no
    # other result.
    param(
        [Collections.IDictionary] $Installation,
        [Collections.IDictionary] $Subject,
        [Collections.IDictionary] $Taken,
        [Collections.IDictionary] $Knowledge
    )
    $manifest = @{
        installation = $Installation
        installer = Get-InstallerRecord -UpgradeCode $Knowledge.upgrade_code
        state = Get-ServerState -FirewallRuleName $Knowledge.firewall_rule
        environment = @(Get-ConfigurationVariable)
        documents = @(Get-DocumentRecord -Documents $Subject.documents)
        references = $Subject.references
        cluster = Get-ClusterRole
        records = $Subject.records
        taken = $Taken + @{ unended_restores = @(Get-UnendedRestore) }
    }
    ConvertTo-Json -InputObject $manifest -Depth 10 -Compress
}

Export-ModuleMember -Function *
