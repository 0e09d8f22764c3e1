# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Times beside a program that watches a folder, replaced files, links, and bundles with names that are the same to Windows.
# Answers as JSON.

Set-StrictMode -Version 2.0
$modules = 'C:\windows\temp\test-modules'
foreach ($name in '_ItemSecurity', '_FileSystem', '_HttpSys', '_Json') { Add-Type -Path "$modules\$name.cs" }
$names = '_Retry', '_Registry', '_FileRecord', '_HttpSys', '_Configuration', '_Installation', '_RestoreChange', '_Secret',
    '_RestoreBundle'
foreach ($name in $names) {
    Import-Module -Name "$modules\$name.psm1" -DisableNameChecking
}

Function Get-Failure {
    param([ScriptBlock] $Body)
    try { [void](& $Body); '' }
    catch { $_.Exception.GetBaseException().Message }
}

$answer = @{}
$root = 'C:\windows\temp\test-files'
$time = '2020-02-03T04:05:06.0000000Z'
[void][IO.Directory]::CreateDirectory("$root\watched")
[IO.File]::WriteAllText("$root\watched\file.txt", 'old')

# A folder that another program watches.
$watcher = New-Object -TypeName IO.FileSystemWatcher -ArgumentList "$root\watched"
$watcher.EnableRaisingEvents = $true
$folder = New-Object -TypeName IO.DirectoryInfo -ArgumentList "$root\watched"
$answer.framework = Get-Failure { $folder.LastWriteTimeUtc = [DateTime]::UtcNow.AddDays(-1) }
$answer.warnings = @(Set-FolderTime -Records @{ path = "$root\watched"; created = $time; modified = $time })
$folder.Refresh()
$answer.folder = ConvertTo-Timestamp -Time $folder.LastWriteTimeUtc

# A folder that is gone is no failure; one that cannot get its time is a sentence.
$answer.gone = @(Set-FolderTime -Records @{ path = "$root\gone"; created = $time; modified = $time })

# A file takes the place of a read-only one in one step, with times and attributes of its record.
[IO.File]::WriteAllText("$root\new.txt", 'new')
$sddl = 'O:BAG:BAD:P(A;;FA;;;SY)(A;;FA;;;BA)'
$record = @{ path = "$root\watched\file.txt"; created = $time; modified = $time; attributes = 3; sddl = $sddl }
$beside = "$($record.path).new"
(New-Object -TypeName IO.FileInfo -ArgumentList $record.path).IsReadOnly = $true
$digest = Get-FileDigest -Path "$root\new.txt"
$answer.other_content = Get-Failure { Copy-PlannedFile -Source "$root\new.txt" -Sha256 ('0' * 64) -Beside $beside -Record $record }
Copy-PlannedFile -Source "$root\new.txt" -Sha256 $digest -Beside $beside -Record $record
Move-PlannedFile -Beside $beside -Record $record
$file = New-Object -TypeName IO.FileInfo -ArgumentList $record.path
$modified = ConvertTo-Timestamp -Time $file.LastWriteTimeUtc
$answer.replaced = @([IO.File]::ReadAllText($record.path), $modified, [String]$file.Attributes, (Get-SecurityText -Item $file))
$answer.beside = [IO.File]::Exists($beside)
$watcher.Dispose()

# Which reparse points are links: symbolic link, mount point, Data Deduplication, a cloud's file, one that Windows does not know.
$answer.links = @(foreach ($tag in 0xA000000CL, 0xA0000003L, 0x80000013L, 0x9000001AL, 0L) {
    [ansible_collections.lithnet.access_manager.plugins.module_utils._FileSystem.FileSystem]::StandsForName([UInt32]$tag)
})

# A bundle with names that are the same to a table: each file keeps its own content.
[void][IO.Directory]::CreateDirectory("$root\bundle")
$contents = 'one', 'other', 'third'
$names = 'config/a', 'config/A', 'config/b'
$files = for ($index = 0; $index -lt 3; $index++) {
    [IO.File]::WriteAllText("$root\content", $contents[$index])
    @{ name = $names[$index]; has_content = $true; size = $contents[$index].Length; sha256 = Get-FileDigest -Path "$root\content" }
}
$memory = New-Object -TypeName IO.MemoryStream
$gzip = New-Object -TypeName IO.Compression.GZipStream -ArgumentList $memory, ([IO.Compression.CompressionMode]::Compress), $true
$plan = [Text.Encoding]::UTF8.GetBytes((ConvertTo-Json -InputObject @{ files = $files } -Depth 4 -Compress))
$bytes = [BitConverter]::GetBytes($plan.Length) + $plan + [Text.Encoding]::UTF8.GetBytes($contents -join '')
$gzip.Write($bytes, 0, $bytes.Length)
$gzip.Dispose()
$memory.Position = 0
$bundle = Expand-Bundle -Stream $memory -Folder "$root\bundle"
$answer.staged = @([IO.File]::ReadAllText($bundle.staged['config/A'].path), [IO.File]::ReadAllText($bundle.staged['config/b'].path))
$answer.staged_files = @([IO.Directory]::GetFiles("$root\bundle")).Count

# Names that are equal by the rules of a culture, and not to Windows.
$table = New-NameTable
foreach ($name in "stra$([Char]0xDF)e", 'strasse', "e$([Char]0x301)", [String][Char]0xE9, 'NAME', 'name') { $table[$name] = $true }
$answer.names = $table.Count
$file.IsReadOnly = $false
[IO.Directory]::Delete($root, $true)
ConvertTo-Json -InputObject $answer -Depth 5
