# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Folders open to SYSTEM and Administrators only, and files that are written in them as a whole.

#AnsibleRequires -PowerShell ..module_utils._Retry
#AnsibleRequires -PowerShell ..module_utils._WellKnownSid
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._FileSystem
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._ItemSecurity

Set-StrictMode -Version 2.0

$DiskFullCodes = 0x27, 0x70

Function Get-StagingRoot {
    # The collection's own folder within the one that the user names: permissions are set on what is ours only.
    param([String] $Path)
    if (-not $Path) { $Path = [Environment]::GetFolderPath([Environment+SpecialFolder]::CommonApplicationData) }
    if ($Path -notmatch '^[A-Za-z]:\\' -or -not [IO.Directory]::Exists($Path)) {
        throw "The staging_root '$Path' is not a folder on a drive of this server, such as D:\Temp. Create it, or name another."
    }
    [IO.Path]::Combine($Path, 'lithnet.access_manager')
}

Function Assert-OwnFolder {
    # A folder that another user made, or a link, is not used.
    param([String] $Path)
    $folder = New-Object -TypeName IO.DirectoryInfo -ArgumentList $Path
    if ($folder.Attributes -band [IO.FileAttributes]::ReparsePoint) {
        throw "The folder '$Path' is a link. Remove it, or name another folder with staging_root."
    }
    $trusted = @(Get-WellKnownSid -Name LocalSystem, Administrators) + [Security.Principal.WindowsIdentity]::GetCurrent().User.Value
    $now = New-Object -TypeName Security.AccessControl.DirectorySecurity -ArgumentList $Path,
        ([Security.AccessControl.AccessControlSections]::Owner)
    $owner = $now.GetOwner([Security.Principal.SecurityIdentifier])
    if ($owner.Value -notin $trusted) {
        throw ("The folder '$Path' belongs to $owner, who is not an administrator's group. " +
            "Remove it, or name another folder with staging_root.")
    }
}

Function Assert-UsableRoot {
    # Why a run could not make its folder: a run that ends before it has one leaves no result.
    param([String] $Path)
    if ([IO.Directory]::Exists($Path)) { Assert-OwnFolder -Path $Path }
    elseif ([IO.File]::Exists($Path)) {
        throw "'$Path' is a file, where this collection keeps its folder. Remove it, or name another folder with staging_root."
    }
}

Function New-RestrictedFolder {
    # Makes a folder that SYSTEM and Administrators alone may enter, and makes sure that nobody else made it first.
    param([String] $Path)
    [void][IO.Directory]::CreateDirectory($Path)
    Assert-OwnFolder -Path $Path
    $system, $administrators = Get-WellKnownSid -Name LocalSystem, Administrators | ForEach-Object -Process {
        New-Object -TypeName Security.Principal.SecurityIdentifier -ArgumentList $_
    }
    $security = New-Object -TypeName Security.AccessControl.DirectorySecurity
    $security.SetOwner($administrators)
    $security.SetAccessRuleProtection($true, $false)
    foreach ($who in $system, $administrators) {
        $rule = New-Object -TypeName Security.AccessControl.FileSystemAccessRule -ArgumentList $who, 'FullControl',
            'ContainerInherit, ObjectInherit', 'None', 'Allow'
        $security.AddAccessRule($rule)
    }
    [ansible_collections.lithnet.access_manager.plugins.module_utils._ItemSecurity.ItemSecurity]::Set($Path, $security)
}

Function Remove-EmptyFolder {
    # Another run may be at work in it, or may remove it too.
    param([String] $Path)
    try { [IO.Directory]::Delete($Path) }
    catch { Write-Debug -Message "It is in use, or gone: $($_.Exception.GetBaseException().Message)" }
}

Function Assert-FreeSpace {
    param(
        [String] $Path,
        [Int64] $Bytes
    )
    $drive = New-Object -TypeName IO.DriveInfo -ArgumentList ([IO.Path]::GetPathRoot($Path))
    if ($drive.AvailableFreeSpace -lt $Bytes) {
        $megabytes = { param($count) [Math]::Ceiling($count / 1MB).ToString([Globalization.CultureInfo]::InvariantCulture) }
        throw ("There is not enough space on $($drive.Name) to stage the backup: " +
            "$(& $megabytes $Bytes) MiB are needed, $(& $megabytes $drive.AvailableFreeSpace) MiB are free. " +
            "Free some, or name a folder on another drive with staging_root.")
    }
}

Function Invoke-StagingWrite {
    # Runs a body that writes below a path; a drive that becomes full is reported in a sentence.
    param(
        [String] $Path,
        [ScriptBlock] $Body
    )
    try { & $Body }
    catch {
        $cause = $_.Exception.GetBaseException()
        if ($cause -isnot [IO.IOException] -or ($cause.HResult -band 0xFFFF) -notin $DiskFullCodes) { throw }
        throw ("The drive $([IO.Path]::GetPathRoot($Path)) became full while the backup was staged. " +
            "Free some space, or name a folder on another drive with staging_root, and run again.")
    }
}

Function Write-FlushedFile {
    # Writes a text as UTF-8; it is on the disk afterwards, not in Windows' memory alone.
    param(
        [String] $Path,
        [String] $Text
    )
    $bytes = (New-Object -TypeName Text.UTF8Encoding -ArgumentList $false).GetBytes($Text)
    $writer = Invoke-WithRetry -Body {
        New-Object -TypeName IO.FileStream -ArgumentList $Path, ([IO.FileMode]::Create), ([IO.FileAccess]::Write),
            ([IO.FileShare]::None)
    }
    try {
        $writer.Write($bytes, 0, $bytes.Length)
        $writer.Flush($true)
    }
    finally { $writer.Dispose() }
}

Function Write-WholeFile {
    # Writes a text so that readers see all of it or nothing, also when the server goes down meanwhile: it is on the disk before it
    # has its name, and what had the name before has it until then.
    param(
        [String] $Path,
        [String] $Text
    )
    $new = "$Path.new"
    Write-FlushedFile -Path $new -Text $Text
    Invoke-WithRetry -Body {
        [ansible_collections.lithnet.access_manager.plugins.module_utils._FileSystem.FileSystem]::Move($new, $Path)
    }
}

Function Write-ResultFile {
    # Writes how something ended. What is done must not be lost because a scanner keeps the new file: then it is written in its
    # place.
    param(
        [String] $Path,
        [String] $Text
    )
    try { Write-WholeFile -Path $Path -Text $Text }
    catch { Write-FlushedFile -Path $Path -Text $Text }
}

Export-ModuleMember -Function Get-StagingRoot, Assert-OwnFolder, Assert-UsableRoot, New-RestrictedFolder, Remove-EmptyFolder,
    Assert-FreeSpace, Invoke-StagingWrite, Write-WholeFile, Write-ResultFile
