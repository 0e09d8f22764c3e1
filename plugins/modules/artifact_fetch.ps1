#!powershell

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
#AnsibleRequires -PowerShell ..module_utils._RunStep
#AnsibleRequires -PowerShell ..module_utils._Snapshot
#AnsibleRequires -PowerShell ..module_utils._StagingFolder
#AnsibleRequires -PowerShell ..module_utils._TargetModule

Set-StrictMode -Version 2.0

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
        [Collections.IDictionary] $Subject
    )
    $taken = @{ attempts = 1; consistent = $true; stopped = $false; downtime_ms = [Int64]0; start_error = '' }
    $about = @{
        Installation = $Installation
        Subject = $Subject
        Taken = $taken
        Knowledge = $module.Params.knowledge
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
        [String] $Folder
    )
    if ($Bytes -le $module.Params.inline_limit) { return New-Object -TypeName IO.MemoryStream }
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
    # The envelope of the snapshot that is staged in the folder.
    param(
        [String] $Root,
        [String] $Folder
    )
    $manifest = [IO.Path]::Combine($Folder, 'manifest.json')
    if (-not [IO.File]::Exists($manifest)) {
        throw "There is no snapshot '$($module.Params.run_id)' on this server. Take one with config_snapshot first."
    }
    $staged = New-Object -TypeName IO.DirectoryInfo -ArgumentList ([IO.Path]::Combine($Folder, 'files'))
    $bytes = [Int64]($staged.GetFiles() | ForEach-Object -Process { $_.Length } | Measure-Object -Sum).Sum
    $output = New-Output -Bytes $bytes -Root $Root -Folder $Folder
    try {
        $envelope = Write-Envelope -Output $output -PublicKey $module.Params.public_key -Context 'artifact_fetch' -Writer {
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
        [String] $Root,
        [String] $Folder
    )
    $describe = { Get-BackupSubject -Installation $Installation -Knowledge $module.Params.knowledge -IncludeDatabase $false }
    $sent = @{ output = $null; envelope = $null; same = $false; kept = $false }
    try {
        $copy = Invoke-ConsistentRead -Describe $describe -Take {
            param($subject)
            if ($sent.output) { $sent.output.Dispose() }
            $sent.output = New-Output -Bytes (Get-CapturedSize -Subject $subject).bytes -Root $Root -Folder $Folder
            $encryption = @{ Output = $sent.output; PublicKey = $module.Params.public_key; Context = 'artifact_fetch' }
            $sent.envelope = Write-Envelope @encryption -Writer {
                param($stream)
                $sent.same = Write-Live -Stream $stream -Installation $Installation -Subject $subject
            }
            $sent.same
        }
        if ($null -eq $copy) { return @{ steady = $false; attempts = Get-LiveAttempt } }
        $sent.kept = $true
        (Complete-Envelope -Envelope $sent.envelope -Output $sent.output) + @{ attempts = $copy.attempts }
    }
    finally {
        if ($sent.output) { $sent.output.Dispose() }
        if (-not $sent.kept) { Invoke-CleanUp -Body { Remove-RunFolder -Root $Root -RunId $module.Params.run_id } }
    }
}

$options = Get-RunOption
$options.live = @{ type = 'bool'; required = $true }
$options.knowledge = Get-KnowledgeOption
$options.public_key = Get-PublicKeyOption
$options.inline_limit = @{ type = 'int'; default = 0 }
$module = New-TargetModule -Arguments $args -Options $options
$root = Get-StagingRoot -Path $module.Params.staging_root
$folder = Get-RunFolder -Root $root -RunId $module.Params.run_id

Complete-TargetModule -Module $module -Body {
    if ($module.Params.step -eq 'remove') { return Remove-EndedRun -Root $root -RunId $module.Params.run_id }
    if (-not $module.Params.live) { return Invoke-StagingWrite -Path $root -Body { Send-Snapshot -Root $root -Folder $folder } }
    $installation = Assert-Installation
    $owner = @{ controller = $module.Params.controller; run_id = $module.Params.run_id }
    Invoke-WithRunMutex -RunId $module.Params.run_id -Body {
        Invoke-Locked -Root $root -Owner $owner -Timeout $module.Params.lock_timeout -Body {
            Invoke-StagingWrite -Path $root -Body { Send-Live -Installation $installation -Root $root -Folder $folder }
        }
    }
}
