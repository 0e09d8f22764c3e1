# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Paths without limit of length, hashes, and what a backup says of files and folders. It only reads.

#AnsibleRequires -PowerShell ..module_utils._Retry
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._FileSystem

Set-StrictMode -Version 2.0

$FileSystem = [ansible_collections.lithnet.access_manager.plugins.module_utils._FileSystem.FileSystem]
$LongestPlainPath = 248
$NamesReadOtherwise = '[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)'

Function Enable-LongPath {
    # Windows PowerShell 5.1 refuses \\?\ on hosts where .NET Framework's old path handling is in force: turn that off for this
    # process. Returns whether it was so.
    try { [void][IO.Path]::GetFullPath('\\?\C:\'); $false }
    catch {
        $true
        $switches = [Object].Assembly.GetType('System.AppContextSwitches')
        foreach ($name in '_useLegacyPathHandling', '_blockLongPaths') {
            $field = if ($switches) { $switches.GetField($name, [Reflection.BindingFlags]'NonPublic, Static') }
            if ($field) { $field.SetValue($null, -1) }
        }
    }
}
$OldPathHandling = Enable-LongPath

Function Test-OldPathHandling {
    # Whether .NET Framework's old path handling was in force, before this process turned it off.
    $OldPathHandling
}

Function Get-LongPath {
    # The form of an absolute path that has no limit of 260 characters.
    param([String] $Path)
    if ($Path.StartsWith('\\?\')) { return $Path }
    if ($Path.StartsWith('\\')) { return '\\?\UNC\' + $Path.Substring(2) }
    return '\\?\' + $Path
}

Function Get-PlainPath {
    # The usual form of a path on a drive, unless it is too long for that or has a name that Windows would read otherwise there.
    param([String] $Path)
    if (-not $Path.StartsWith('\\?\') -or $Path.StartsWith('\\?\UNC\') -or $Path.Length -ge $LongestPlainPath) { return $Path }
    foreach ($name in $Path.Substring(4).Split('\')) { if ($name -match $NamesReadOtherwise) { return $Path } }
    return $Path.Substring(4)
}

Function Resolve-ReferencePath {
    # The absolute path of a value: bare names lie in the folder of their kind. A value that is no path comes back as it is.
    param(
        [String] $Value,
        [String] $Folder
    )
    try {
        $path = [IO.Path]::Combine($Folder, $Value)
        if ($path.Length -lt $LongestPlainPath) { return [IO.Path]::GetFullPath($path) }
        return $path
    }
    catch { return $Value }
}

Function Open-SharedFile {
    # Opens a file for reading while other programs have it open.
    param([String] $Path)
    [IO.File]::Open((Get-LongPath -Path $Path), [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]'ReadWrite, Delete')
}

Function Open-WrittenFile {
    # The same for a file that was just written, or may have been: a virus scanner may have it to itself for a while.
    param([String] $Path)
    Invoke-WithRetry -Body { Open-SharedFile -Path $Path }
}

Function Read-TextFile {
    param([String] $Path)
    $stream = Open-WrittenFile -Path $Path
    $reader = New-Object -TypeName IO.StreamReader -ArgumentList $stream, ([Text.Encoding]::UTF8), $true
    try { $reader.ReadToEnd() }
    finally { $reader.Dispose() }
}

Function New-Sha256 {
    # The implementation that works under the FIPS policy on every .NET Framework.
    New-Object -TypeName Security.Cryptography.SHA256CryptoServiceProvider
}

Function Get-StreamDigest {
    # SHA-256 of the rest of a stream, in lower-case hex.
    param([IO.Stream] $Stream)
    $sha = New-Sha256
    try { ConvertTo-Hex -Bytes $sha.ComputeHash($Stream) }
    finally { $sha.Dispose() }
}

Function Get-FileDigest {
    param([String] $Path)
    $stream = Open-WrittenFile -Path $Path
    try { Get-StreamDigest -Stream $stream }
    finally { $stream.Dispose() }
}

Function Get-TextDigest {
    # Of a text in UTF-8.
    param([String] $Text)
    $stream = New-Object -TypeName IO.MemoryStream -ArgumentList @(, [Text.Encoding]::UTF8.GetBytes($Text))
    try { Get-StreamDigest -Stream $stream }
    finally { $stream.Dispose() }
}

Function New-NameTable {
    # A table by names that Windows takes for the same: without regard to case. Windows PowerShell's own @{} compares by the
    # culture's rules, by which other names are equal too.
    New-Object -TypeName Collections.Hashtable -ArgumentList ([StringComparer]::OrdinalIgnoreCase)
}

Function ConvertTo-Hex {
    param([Byte[]] $Bytes)
    [BitConverter]::ToString($Bytes).Replace('-', '').ToLowerInvariant()
}

Function ConvertTo-Timestamp {
    param([DateTime] $Time)
    $Time.ToString('yyyy-MM-ddTHH:mm:ss.fffffffZ', [Globalization.CultureInfo]::InvariantCulture)
}

Function Get-SecurityText {
    # Owner, group and access rules of a file or folder as SDDL.
    param([IO.FileSystemInfo] $Item)
    $sections = [Security.AccessControl.AccessControlSections]'Access, Owner, Group'
    $type = if ($Item -is [IO.DirectoryInfo]) {
        'Security.AccessControl.DirectorySecurity'
    }
    else {
        'Security.AccessControl.FileSecurity'
    }
    $security = New-Object -TypeName $type -ArgumentList (Get-PlainPath -Path $Item.FullName), $sections
    $security.GetSecurityDescriptorSddlForm($sections)
}

Function Get-ItemRecord {
    # What a backup says of a file or folder, but for the hash.
    param(
        [IO.FileSystemInfo] $Item,
        [String] $Name,
        [String] $Path
    )
    $folder = $Item -is [IO.DirectoryInfo]
    @{
        name = $Name
        path = $Path
        kind = if ($folder) { 'folder' } else { 'file' }
        size = if ($folder) { [Int64]0 } else { [Int64]$Item.Length }
        created = ConvertTo-Timestamp -Time $Item.CreationTimeUtc
        modified = ConvertTo-Timestamp -Time $Item.LastWriteTimeUtc
        attributes = [Int32]$Item.Attributes
        sddl = Get-SecurityText -Item $Item
    }
}

Function Test-Link {
    # Whether it stands for another place. Other reparse points, such as those of Data Deduplication, are files like others.
    param([IO.FileSystemInfo] $Item)
    if (-not ($Item.Attributes -band [IO.FileAttributes]::ReparsePoint)) { return $false }
    $FileSystem::IsLink($Item.FullName)
}

Function Get-FolderRecord {
    # The records of a folder and of all below it. Links are not followed: they come back with kind 'link'. What vanishes meanwhile
    # is left out.
    param(
        [String] $Path,
        [String] $Name,
        [String] $Skip
    )
    $folder = New-Object -TypeName IO.DirectoryInfo -ArgumentList (Get-LongPath -Path $Path)
    Get-ItemRecord -Item $folder -Name $Name -Path $Path
    if ($Skip -and $Name -eq $Skip) { return }
    foreach ($item in $folder.GetFileSystemInfos()) {
        $itemName = "$Name/$($item.Name)"
        $itemPath = [IO.Path]::Combine($Path, $item.Name)
        try {
            if (Test-Link -Item $item) { @{ name = $itemName; path = $itemPath; kind = 'link' } }
            elseif ($item -is [IO.DirectoryInfo]) { Get-FolderRecord -Path $itemPath -Name $itemName -Skip $Skip }
            else { Get-ItemRecord -Item $item -Name $itemName -Path $itemPath }
        }
        catch {
            $item.Refresh()
            if ($item.Exists) { throw }
        }
    }
}

Export-ModuleMember -Function Test-OldPathHandling, Get-LongPath, Get-PlainPath, Resolve-ReferencePath, Open-SharedFile,
    Open-WrittenFile, Read-TextFile, New-Sha256, Get-StreamDigest, Get-FileDigest, Get-TextDigest, New-NameTable,
    ConvertTo-Hex, ConvertTo-Timestamp, Get-SecurityText, Get-ItemRecord, Get-FolderRecord
