# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Packs a configuration into one envelope for the controller: the manifest on the first line, then each file's bytes in its order.
# It takes a staged snapshot, or the live configuration itself.

#AnsibleRequires -PowerShell ..module_utils._Configuration
#AnsibleRequires -PowerShell ..module_utils._Envelope
#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -PowerShell ..module_utils._Retry
#AnsibleRequires -PowerShell ..module_utils._Run
#AnsibleRequires -PowerShell ..module_utils._Snapshot
#AnsibleRequires -PowerShell ..module_utils._StagingFolder

Set-StrictMode -Version 2.0

$Context = 'artifact_fetch'

Function Write-Text {
    param(
        [IO.Stream] $Stream,
        [String] $Text
    )
    $bytes = [Text.Encoding]::UTF8.GetBytes($Text)
    $Stream.Write($bytes, 0, $bytes.Length)
}

Function Write-Snapshot {
    # The bundle of a staged snapshot.
    param(
        [IO.Stream] $Stream,
        [String] $Folder
    )
    Write-Text -Stream $Stream -Text ((Read-TextFile -Path ([IO.Path]::Combine($Folder, 'manifest.json'))) + "`n")
    $files = New-Object -TypeName IO.DirectoryInfo -ArgumentList ([IO.Path]::Combine($Folder, 'files'))
    foreach ($number in @($files.GetFiles() | ForEach-Object -Process { [Int32]$_.Name } | Sort-Object)) {
        $name = $number.ToString([Globalization.CultureInfo]::InvariantCulture)
        $file = Open-WrittenFile -Path ([IO.Path]::Combine($files.FullName, $name))
        try { $file.CopyTo($Stream) }
        finally { $file.Dispose() }
    }
}

Function Write-Live {
    # The bundle of the configuration as it lies there; returns whether each file was what its SHA-256 says.
    param(
        [IO.Stream] $Stream,
        [Collections.IDictionary] $Installation,
        [Collections.IDictionary] $Subject,
        [Collections.IDictionary] $Knowledge
    )
    $taken = @{ attempts = 1; consistent = $true; stopped = $false; downtime_ms = [Int64]0; start_error = '' }
    $about = @{
        Installation = $Installation
        Subject = $Subject
        Taken = $taken
        Knowledge = $Knowledge
    }
    Write-Text -Stream $Stream -Text ((Get-Manifest @about) + "`n")
    $same = $true
    foreach ($record in $Subject.records) {
        if ($record.kind -eq 'file' -and (Copy-Record -Record $record -Destination $Stream) -cne $record.sha256) { $same = $false }
    }
    $same
}

Function New-Output {
    # Where a bundle of that many clear bytes goes: into memory, or into a file of the run's folder when it is too large to come
    # with the answer.
    param(
        [Int64] $Bytes,
        [String] $Root,
        [String] $Folder,
        [Int64] $InlineLimit
    )
    if ($Bytes -le $InlineLimit) { return New-Object -TypeName IO.MemoryStream }
    if (-not [IO.Directory]::Exists($Folder)) {
        Assert-FreeSpace -Path $Root -Bytes $Bytes
        New-RunFolder -Root $Root -Folder $Folder
    }
    $path = [IO.Path]::Combine($Folder, "bundle.$([Guid]::NewGuid())")
    New-Object -TypeName IO.FileStream -ArgumentList $path, ([IO.FileMode]::Create), ([IO.FileAccess]::ReadWrite)
}

Function Complete-Envelope {
    # The answer for an envelope: its data when it is in memory, else the path of its file.
    param(
        [Collections.IDictionary] $Envelope,
        [IO.Stream] $Output
    )
    if ($Output -is [IO.MemoryStream]) { $Envelope.data = [Convert]::ToBase64String($Output.ToArray()) }
    @{ steady = $true; envelope = $Envelope; path = if ($Output -is [IO.FileStream]) { $Output.Name } else { '' } }
}

Function Send-Snapshot {
    # The envelope of the snapshot that is staged in the folder of a run.
    param(
        [String] $Folder,
        [Collections.IDictionary] $PublicKey,
        [Int64] $InlineLimit
    )
    if (-not [IO.File]::Exists([IO.Path]::Combine($Folder, 'manifest.json'))) {
        $runId = [IO.Path]::GetFileName($Folder)
        throw "There is no snapshot '$runId' on this server. Take one with config_snapshot first."
    }
    $staged = New-Object -TypeName IO.DirectoryInfo -ArgumentList ([IO.Path]::Combine($Folder, 'files'))
    $bytes = [Int64]($staged.GetFiles() | ForEach-Object -Process { $_.Length } | Measure-Object -Sum).Sum
    $output = New-Output -Bytes $bytes -Root ([IO.Path]::GetDirectoryName($Folder)) -Folder $Folder -InlineLimit $InlineLimit
    try {
        $envelope = Write-Envelope -Output $output -PublicKey $PublicKey -Context $Context -Writer {
            param($stream)
            Write-Snapshot -Stream $stream -Folder $Folder
        }
        Complete-Envelope -Envelope $envelope -Output $output
    }
    finally { $output.Dispose() }
}

Function Send-Live {
    # The envelope of the configuration as it is now; steady is false when something changed each time.
    param(
        [Collections.IDictionary] $Installation,
        [Collections.IDictionary] $Knowledge,
        [String] $Folder,
        [Collections.IDictionary] $PublicKey,
        [Int64] $InlineLimit
    )
    $root = [IO.Path]::GetDirectoryName($Folder)
    $describe = { Get-BackupSubject -Installation $Installation -Knowledge $Knowledge -IncludeDatabase $false }
    $sent = @{ output = $null; envelope = $null; same = $false; kept = $false }
    try {
        $copy = Invoke-ConsistentRead -Describe $describe -Take {
            param($subject)
            if ($sent.output) { $sent.output.Dispose() }
            $bytes = (Get-CapturedSize -Subject $subject).bytes
            $sent.output = New-Output -Bytes $bytes -Root $root -Folder $Folder -InlineLimit $InlineLimit
            $sent.envelope = Write-Envelope -Output $sent.output -PublicKey $PublicKey -Context $Context -Writer {
                param($stream)
                $sent.same = Write-Live -Stream $stream -Installation $Installation -Subject $subject -Knowledge $Knowledge
            }
            $sent.same
        }
        if ($null -eq $copy) { return @{ steady = $false; attempts = Get-LiveAttempt } }
        $sent.kept = $true
        (Complete-Envelope -Envelope $sent.envelope -Output $sent.output) + @{ attempts = $copy.attempts }
    }
    finally {
        if ($sent.output) { $sent.output.Dispose() }
        if (-not $sent.kept) {
            Invoke-CleanUp -Body { Remove-RunFolder -Root $root -RunId ([IO.Path]::GetFileName($Folder)) }
        }
    }
}

Function Invoke-LiveRun {
    # Sends the configuration as it is now, alone on this server.
    param(
        [Collections.IDictionary] $Params,
        [Collections.IDictionary] $PublicKey
    )
    $root = Get-StagingRoot -Path $Params.staging_root
    $live = @{
        Installation = Assert-Installation
        Knowledge = $Params.knowledge
        Folder = Get-RunFolder -Root $root -RunId $Params.run_id
        PublicKey = $PublicKey
        InlineLimit = $Params.inline_limit
    }
    $owner = @{ controller = $Params.controller; run_id = $Params.run_id }
    Invoke-WithRunMutex -RunId $Params.run_id -Body {
        Invoke-Locked -Root $root -Owner $owner -Timeout $Params.lock_timeout -Body {
            Invoke-StagingWrite -Path $root -Body { Send-Live @live }
        }
    }
}

Export-ModuleMember -Function Send-Snapshot, Invoke-LiveRun
