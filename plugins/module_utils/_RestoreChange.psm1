# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What a restore changes on a server: files and folders, registry values, HTTP.sys.

#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._HttpSys
#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._Retry
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._FileSystem
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._ItemSecurity

Set-StrictMode -Version 2.0

$FileSystem = [ansible_collections.lithnet.access_manager.plugins.module_utils._FileSystem.FileSystem]
$MeaningfulAttributes = [IO.FileAttributes]'ReadOnly, Hidden, System'
$AdministratorsAlone = 'D:P(A;;FA;;;SY)(A;;FA;;;BA)'

# ---- a plan's files, registry values and HTTP.sys ----

Function Write-PlannedFile {
    # Makes the new folders, and writes the new files beside their places: all that needs no stop. Folders made on the way go into
    # made.
    param([Hashtable] $Bundle)
    foreach ($record in $Bundle.plan.files) {
        if ($record.action -notin 'add', 'replace') { continue }
        foreach ($path in @(Get-MissingParent -Path $record.path)) {
            $Bundle.made += $path
            (Get-PathItem -Path $path -Kind 'folder').Create()
        }
        if ($record.kind -eq 'folder') {
            $folder = Get-PathItem -Path $record.path -Kind 'folder'
            $folder.Create()
            Set-SecurityText -Item $folder -Sddl $record.sddl
        }
        else {
            $staged = $Bundle.staged[$record.name]
            Copy-PlannedFile -Source $staged.path -Sha256 $staged.sha256 -Beside ($record.path + $Bundle.suffix) -Record $record
        }
    }
}

Function Set-PlannedFile {
    # Puts the new files into their places, removes what the plan removes, and sets times, attributes and permissions. Returns a
    # sentence for each folder that could not get its time.
    param([Hashtable] $Bundle)
    foreach ($record in $Bundle.plan.files) {
        if ($record.has_content) { Move-PlannedFile -Beside ($record.path + $Bundle.suffix) -Record $record }
        elseif ($record.action -eq 'set' -and $record.kind -eq 'file') {
            Set-ItemState -Item (Get-PathItem -Path $record.path -Kind 'file') -Record $record
        }
        elseif ($record.action -eq 'remove') { Remove-AnyItem -Path $record.path -Kind $record.kind }
    }
    $folders = @($Bundle.plan.files | Where-Object -FilterScript { $_.kind -eq 'folder' -and $_.action -in 'add', 'set' })
    foreach ($record in $folders) { Set-ItemState -Item (Get-PathItem -Path $record.path -Kind 'folder') -Record $record }
    Set-FolderTime -Records $folders
}

Function Set-PlannedHttp {
    param([Object] $Plan)
    foreach ($kind in 'bindings', 'reservations') {
        foreach ($record in $Plan.http_sys.remove.$kind) { Remove-HttpRecord -Kind $kind -Record $record }
        foreach ($record in $Plan.http_sys.add.$kind) { Add-HttpRecord -Kind $kind -Record $record }
    }
}

Function Set-PlannedRegistry {
    # The values come in the plan's order, in which Configured is the last.
    param([Object] $Plan)
    foreach ($value in $Plan.registry.remove) { Remove-RegistryRecord -Record $value }
    foreach ($value in $Plan.registry.set) { Set-RegistryRecord -Record $value }
}

# ---- files and folders ----

Function Get-BesideSuffix {
    # What the names of the new files of a run end with while they lie beside their places.
    param([String] $RunId)
    ".$RunId.new"
}

Function Get-ImportedSetting {
    # What version 2 renamed the settings to that it imported. Nothing unless the plan has it import some.
    param([Object] $Plan)
    if (-not $Plan.imported) { return }
    $folder = Get-PathItem -Path (Get-Installation).config_path -Kind 'folder'
    $folder.GetFiles('appsettings.json.*.backup') | ForEach-Object -Process { Get-PlainPath -Path $_.FullName }
}

Function Get-PathItem {
    # A file or folder by its path, whether it exists or not.
    param(
        [String] $Path,
        [String] $Kind
    )
    $type = if ($Kind -eq 'folder') { 'IO.DirectoryInfo' } else { 'IO.FileInfo' }
    New-Object -TypeName $type -ArgumentList (Get-LongPath -Path $Path)
}

Function ConvertFrom-Timestamp {
    # Some versions of ConvertFrom-Json have made a DateTime of it already.
    param([Object] $Text)
    if ($Text -is [DateTime]) { return $Text.ToUniversalTime() }
    [DateTime]::ParseExact($Text, 'yyyy-MM-ddTHH:mm:ss.fffffffZ', [Globalization.CultureInfo]::InvariantCulture,
        [Globalization.DateTimeStyles]'AssumeUniversal, AdjustToUniversal')
}

Function Set-BasicState {
    # Gives a file or folder times, where they are not $null, and attributes. A file whose permissions forbid that is opened to
    # Administrators first.
    param(
        [IO.FileSystemInfo] $Item,
        [Object] $Created,
        [Object] $Modified,
        [IO.FileAttributes] $Meaningful
    )
    $attributes = ($Item.Attributes -band (-bnot $MeaningfulAttributes)) -bor $Meaningful
    $set = { $FileSystem::SetBasic($Item.FullName, $Created, $Modified, $attributes) }
    try { & $set }
    catch [UnauthorizedAccessException] {
        if ($Item -isnot [IO.FileInfo]) { throw }
        Limit-Access -Item $Item
        & $set
    }
    $Item.Refresh()
}

Function Clear-Attribute {
    # Makes a file or folder writable by its attributes.
    param([IO.FileSystemInfo] $Item)
    if ($Item.Attributes -band $MeaningfulAttributes) { Set-BasicState -Item $Item -Meaningful 0 }
}

Function Set-SecurityText {
    # Gives a file or folder the owner, group and access rules of an SDDL. Owner and group are left when they are so already.
    param(
        [IO.FileSystemInfo] $Item,
        [String] $Sddl
    )
    $text = Get-SecurityText -Item $Item
    if ($text -ceq $Sddl) { return }
    $type = if ($Item -is [IO.DirectoryInfo]) {
        'Security.AccessControl.DirectorySecurity'
    }
    else {
        'Security.AccessControl.FileSecurity'
    }
    $wanted = New-Object -TypeName $type
    $wanted.SetSecurityDescriptorSddlForm($Sddl)
    $now = New-Object -TypeName $type
    $now.SetSecurityDescriptorSddlForm($text)
    $sections = [Security.AccessControl.AccessControlSections]::Access
    if ($wanted.GetOwner([Security.Principal.SecurityIdentifier]) -ne $now.GetOwner([Security.Principal.SecurityIdentifier])) {
        $sections = $sections -bor [Security.AccessControl.AccessControlSections]::Owner
    }
    if ($wanted.GetGroup([Security.Principal.SecurityIdentifier]) -ne $now.GetGroup([Security.Principal.SecurityIdentifier])) {
        $sections = $sections -bor [Security.AccessControl.AccessControlSections]::Group
    }
    $new = New-Object -TypeName $type
    $new.SetSecurityDescriptorSddlForm($Sddl, $sections)
    $path = Get-PlainPath -Path $Item.FullName
    [ansible_collections.lithnet.access_manager.plugins.module_utils._ItemSecurity.ItemSecurity]::Set($path, $new)
}

Function Limit-Access {
    # Takes a file from everybody but SYSTEM and Administrators, who may do everything with it.
    param([IO.FileInfo] $Item)
    $security = New-Object -TypeName Security.AccessControl.FileSecurity
    $security.SetSecurityDescriptorSddlForm($AdministratorsAlone, [Security.AccessControl.AccessControlSections]::Access)
    $path = Get-PlainPath -Path $Item.FullName
    [ansible_collections.lithnet.access_manager.plugins.module_utils._ItemSecurity.ItemSecurity]::Set($path, $security)
}

Function Set-ItemState {
    # Gives a file or folder the attributes and permissions of a record, and a file its times: a folder's change with what is done
    # in it. The permissions come last, because they may let nobody set the rest.
    param(
        [IO.FileSystemInfo] $Item,
        [Object] $Record
    )
    $created = $modified = $null
    if ($Item -is [IO.FileInfo]) { $created, $modified = Get-RecordTime -Record $Record }
    $meaningful = [IO.FileAttributes]$Record.attributes -band $MeaningfulAttributes
    $timely = $Item -isnot [IO.FileInfo] -or ($Item.CreationTimeUtc -eq $created -and $Item.LastWriteTimeUtc -eq $modified)
    if (-not $timely -or ($Item.Attributes -band $MeaningfulAttributes) -ne $meaningful) {
        Set-BasicState -Item $Item -Created $created -Modified $modified -Meaningful $meaningful
    }
    Set-SecurityText -Item $Item -Sddl $Record.sddl
}

Function Get-RecordTime {
    # When the thing of a record was made, and last changed.
    param([Object] $Record)
    ConvertFrom-Timestamp -Text $Record.created
    ConvertFrom-Timestamp -Text $Record.modified
}

Function Set-FolderTime {
    # Gives folders the times of their records, unless they have them. Returns a sentence for each that cannot get them: all else is
    # whole then.
    param([Object[]] $Records)
    foreach ($record in $Records) {
        $folder = Get-PathItem -Path $record.path -Kind 'folder'
        if (-not $folder.Exists) { continue }
        $created, $modified = Get-RecordTime -Record $record
        if ($folder.CreationTimeUtc -eq $created -and $folder.LastWriteTimeUtc -eq $modified) { continue }
        try { $FileSystem::SetBasic($folder.FullName, $created, $modified, $null) }
        catch {
            $reason = $_.Exception.GetBaseException().Message
            "The folder '$($record.path)' could not get its time again, all else in it is as it should be: $reason"
        }
    }
}

Function Get-MissingParent {
    # The folders above a path that are not there, the outermost first.
    param([String] $Path)
    $parent = [IO.Path]::GetDirectoryName($Path)
    if (-not $parent) { return }
    if ((Get-PathItem -Path $parent -Kind 'folder').Exists) { return }
    Get-MissingParent -Path $parent
    $parent
}

Function Copy-PlannedFile {
    # Writes a file's new content and state under another name beside it. SYSTEM and Administrators alone can read it until it has
    # its own permissions: nobody else can open it before, because it is empty and open to this process alone until then.
    param(
        [String] $Source,
        [String] $Sha256,
        [String] $Beside,
        [Object] $Record
    )
    $item = Get-PathItem -Path $Beside -Kind 'file'
    $reader = Open-WrittenFile -Path $Source
    try {
        $writer = New-Object -TypeName IO.FileStream -ArgumentList $item.FullName, ([IO.FileMode]::Create),
            ([IO.FileAccess]::Write), ([IO.FileShare]::None)
        try {
            Limit-Access -Item $item
            $reader.CopyTo($writer)
            $writer.Flush($true)
        }
        finally { $writer.Dispose() }
    }
    finally { $reader.Dispose() }
    $landed = Invoke-WithRetry -Body { Get-FileDigest -Path $Beside }
    if ($landed -cne $Sha256) { throw "'$Beside' has another SHA-256 than what was to be written into it." }
    $item.Refresh()
    Set-ItemState -Item $item -Record $Record
}

Function Move-PlannedFile {
    # Puts what lies beside a file into its place. NTFS gives a file for some seconds the creation time of one that had its name
    # before: its state is set once more.
    param(
        [String] $Beside,
        [Object] $Record
    )
    $item = Get-PathItem -Path $Record.path -Kind 'file'
    Invoke-WithRetry -Body {
        $item.Refresh()
        if ($item.Exists) { Clear-Attribute -Item $item }
        $FileSystem::Move((Get-LongPath -Path $Beside), $item.FullName)
    }
    $item.Refresh()
    Set-ItemState -Item $item -Record $Record
}

Function Remove-AnyItem {
    # Removes a file, or a folder that is empty, if it is there.
    param(
        [String] $Path,
        [String] $Kind
    )
    Invoke-WithRetry -Body {
        $item = Get-PathItem -Path $Path -Kind $Kind
        if (-not $item.Exists) { return }
        Clear-Attribute -Item $item
        $item.Delete()
    }
}

# ---- registry ----

Function Set-RegistryRecord {
    # Writes a value of Access Manager's keys as Get-RegistryState describes it; Data is what JSON made of it.
    param([Object] $Record)
    $kind = [Microsoft.Win32.RegistryValueKind]$Record.kind
    $data = $Record.data
    switch ($kind.ToString()) {
        'Binary' { $data = [Convert]::FromBase64String([String]$data) }
        'None' { $data = [Convert]::FromBase64String([String]$data) }
        'DWord' { $data = [Int32]$data }
        'QWord' { $data = [Int64]$data }
        'MultiString' { $data = [String[]]@($data) }
        default { $data = [String]$data }
    }
    $key = Open-WritableKey -Key $Record.key
    try { $key.SetValue($Record.name, $data, $kind) }
    finally { $key.Dispose() }
}

Function Remove-RegistryRecord {
    param([Object] $Record)
    if (-not (Test-RegistryKey -Key $Record.key)) { return }
    $key = Open-WritableKey -Key $Record.key
    try { $key.DeleteValue($Record.name, $false) }
    finally { $key.Dispose() }
}

Function Test-RegistryKey {
    # Whether Access Manager's own key is there, or the one of that name below it.
    param([String] $Key)
    $found = Open-MachineKey -SubKey (Get-RegistryPath -Key $Key)
    if ($null -eq $found) { return $false }
    $found.Dispose()
    return $true
}

Function Remove-EmptyKey {
    # Removes such a key when it has neither values nor keys.
    param([String] $Key)
    $path = Get-RegistryPath -Key $Key
    $found = Open-MachineKey -SubKey $path
    if ($null -eq $found) { return }
    try { $empty = $found.ValueCount -eq 0 -and $found.SubKeyCount -eq 0 }
    finally { $found.Dispose() }
    if (-not $empty) { return }
    $machine = [Microsoft.Win32.RegistryKey]::OpenBaseKey([Microsoft.Win32.RegistryHive]::LocalMachine,
        [Microsoft.Win32.RegistryView]::Registry64)
    try { $machine.DeleteSubKey($path, $false) }
    finally { $machine.Dispose() }
}

Function Open-WritableKey {
    # Access Manager's own key, or the one of that name below it; made when it is not there.
    param([String] $Key)
    $path = Get-RegistryPath -Key $Key
    $machine = [Microsoft.Win32.RegistryKey]::OpenBaseKey([Microsoft.Win32.RegistryHive]::LocalMachine,
        [Microsoft.Win32.RegistryView]::Registry64)
    try { $machine.CreateSubKey($path) }
    finally { $machine.Dispose() }
}

Export-ModuleMember -Function *
