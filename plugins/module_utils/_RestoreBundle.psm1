# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The bundle of a restore, in gzip: the plan as JSON behind its length, and then the bytes of each file that it adds or replaces, in
# its order.

#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._Retry
#AnsibleRequires -PowerShell ..module_utils._Secret
#AnsibleRequires -PowerShell ..module_utils._WellKnownSid
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._Account
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._Json

Set-StrictMode -Version 2.0


Function Read-Plan {
    # The text of the plan. Its length in bytes comes before it.
    param([IO.Stream] $Stream)
    $reader = New-Object -TypeName IO.BinaryReader -ArgumentList $Stream
    $length = $reader.ReadInt32()
    $bytes = $reader.ReadBytes($length)
    if ($bytes.Length -ne $length) { throw 'The bundle ends too early: it did not arrive whole.' }
    [Text.Encoding]::UTF8.GetString($bytes)
}

Function Copy-Part {
    # Writes the next bytes of a stream into a file; returns their SHA-256.
    param(
        [IO.Stream] $Stream,
        [Int64] $Size,
        [String] $Path
    )
    $sha = New-Sha256
    $writer = New-Object -TypeName IO.FileStream -ArgumentList $Path, ([IO.FileMode]::Create), ([IO.FileAccess]::Write)
    try {
        $hashed = New-Object -TypeName Security.Cryptography.CryptoStream -ArgumentList $writer, $sha,
            ([Security.Cryptography.CryptoStreamMode]::Write)
        $buffer = New-Object -TypeName Byte[] -ArgumentList 65536
        $left = $Size
        while ($left -gt 0) {
            $count = $Stream.Read($buffer, 0, [Math]::Min($left, $buffer.Length))
            if ($count -le 0) { throw 'The bundle ends too early: it did not arrive whole.' }
            $hashed.Write($buffer, 0, $count)
            $left -= $count
        }
        $hashed.FlushFinalBlock()
        ConvertTo-Hex -Bytes $sha.Hash
    }
    finally { $writer.Dispose(); $sha.Dispose() }
}

Function Expand-Bundle {
    # Unpacks the bundle into the run's folder and checks each file. Returns its plan, and of each file, by name, where
    # it is staged and its SHA-256.
    param(
        [IO.Stream] $Stream,
        [String] $Folder
    )
    $staged = New-NameTable
    $count = 0
    $decompress = [IO.Compression.CompressionMode]::Decompress
    $decompressed = New-Object -TypeName IO.Compression.GZipStream -ArgumentList $Stream, $decompress
    $clear = New-Object -TypeName IO.BufferedStream -ArgumentList $decompressed
    try {
        $plan = [ansible_collections.lithnet.access_manager.plugins.module_utils._Json.Json]::Parse((Read-Plan -Stream $clear))
        foreach ($record in $plan.files) {
            if (-not $record.has_content) { continue }
            $place = [IO.Path]::Combine($Folder, "file$count")
            $count++
            if ((Copy-Part -Stream $clear -Size $record.size -Path $place) -cne $record.sha256) {
                throw "'$($record.name)' arrived with another SHA-256 than it has in the backup."
            }
            $staged[$record.name] = @{ path = $place; sha256 = $record.sha256 }
        }
        @{ plan = $plan; staged = $staged }
    }
    finally { $clear.Dispose() }
}

Function Set-StagedText {
    # Replaces places of a staged file, each given by start, end and text, and nothing else in it.
    param(
        [String] $Path,
        [Object[]] $Edits
    )
    $bytes = Invoke-WithRetry -Body { , [IO.File]::ReadAllBytes($Path) }
    $output = New-Object -TypeName IO.MemoryStream
    $at = 0
    foreach ($edit in @($Edits | Sort-Object -Property { $_.start })) {
        $output.Write($bytes, $at, $edit.start - $at)
        $text = [Text.Encoding]::UTF8.GetBytes("`"$($edit.text)`"")
        $output.Write($text, 0, $text.Length)
        $at = $edit.end
    }
    $output.Write($bytes, $at, $bytes.Length - $at)
    Invoke-WithRetry -Body { [IO.File]::WriteAllBytes($Path, $output.ToArray()) }
}

Function Protect-StagedSecret {
    # Protects again, in the staged files, the secrets that this server cannot decrypt. Returns the secrets that must decrypt,
    # as they are now.
    param(
        [Hashtable] $Bundle,
        [Object[]] $Values
    )
    $edits = New-NameTable
    foreach ($secret in $Bundle.plan.secrets) {
        if ($secret.action -eq 'keep') { New-MachineSecret -Path $secret.path -Data $secret.data -Salt $secret.salt }
        if ($secret.action -ne 'protect') { continue }
        $new = Protect-Secret -Value @($Values | Where-Object -FilterScript { $_.path -ceq $secret.path })[0].value
        $name = "config/$($secret.file)"
        if (-not $edits.ContainsKey($name)) { $edits[$name] = @() }
        $edits[$name] += @{ start = $secret.data_place[0]; end = $secret.data_place[1]; text = $new.data }
        $edits[$name] += @{ start = $secret.salt_place[0]; end = $secret.salt_place[1]; text = $new.salt }
        @{ path = $secret.path } + $new
    }
    foreach ($name in $edits.Keys) {
        $staged = $Bundle.staged[$name]
        Set-StagedText -Path $staged.path -Edits $edits[$name]
        $staged.sha256 = Get-FileDigest -Path $staged.path
    }
}

Function Get-UnreadableSecret {
    # The paths of those secrets that this server cannot decrypt.
    param([Object[]] $Secrets)
    foreach ($secret in $Secrets) { if (-not (Test-Secret -Secret $secret)) { $secret.path } }
}

Function Test-SettableOwner {
    # Whether this account, without SeRestorePrivilege, can give a file the owner and the group of a descriptor.
    param([Security.AccessControl.RawSecurityDescriptor] $Descriptor)
    $identity = [Security.Principal.WindowsIdentity]::GetCurrent()
    $owners = @($identity.User.Value, (Get-WellKnownSid -Name Administrators))
    $groups = $owners + @($identity.Groups | ForEach-Object -Process { $_.Value })
    "$($Descriptor.Owner)" -in $owners -and "$($Descriptor.Group)" -in $groups
}

Function Get-OwnerToGive {
    # The descriptors whose owner and group a restore of this record gives to a file or folder, or its rollback does. A file that is
    # changed in place keeps those that it has.
    param([Object] $Record)
    $type = if ($Record.kind -eq 'folder') { 'IO.DirectoryInfo' } else { 'IO.FileInfo' }
    $item = New-Object -TypeName $type -ArgumentList (Get-LongPath -Path $Record.path)
    $texts = @(if ($Record.action -ne 'remove') { $Record.sddl }) + @(if ($item.Exists) { Get-SecurityText -Item $item })
    $descriptors = @(foreach ($text in $texts) {
            New-Object -TypeName Security.AccessControl.RawSecurityDescriptor -ArgumentList $text
        })
    $different = @($descriptors | ForEach-Object -Process { "$($_.Owner) $($_.Group)" } | Select-Object -Unique).Count -gt 1
    if ($Record.action -ne 'set' -or $different) { $descriptors }
}

Function Assert-OwnerRight {
    # Refuses a plan when a file that it changes has an owner or a group, now or then, that an account with these privileges cannot
    # give it.
    param(
        [Object] $Plan,
        [String[]] $Privileges = [ansible_collections.lithnet.access_manager.plugins.module_utils._Account.Account]::Privileges()
    )
    if ('SeRestorePrivilege' -in $Privileges) { return }
    foreach ($record in $Plan.files) {
        foreach ($descriptor in Get-OwnerToGive -Record $record) {
            if (Test-SettableOwner -Descriptor $descriptor) { continue }
            throw ("'$($record.path)' has the owner $($descriptor.Owner) and the group $($descriptor.Group), which this account " +
                'cannot give to a file without the privilege SeRestorePrivilege. Add the account, or Administrators, to ' +
                "'Restore files and directories' under User Rights Assignment in the group policy, and run again.")
        }
    }
}

Export-ModuleMember -Function Expand-Bundle, Protect-StagedSecret, Get-UnreadableSecret, Assert-OwnerRight
