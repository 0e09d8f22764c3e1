# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Safety copies: what a restore found, kept until newer ones push it out.

#AnsibleRequires -PowerShell ..module_utils._EarlierRestore
#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._HttpSys
#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -PowerShell ..module_utils._RestoreChange
#AnsibleRequires -PowerShell ..module_utils._Retry
#AnsibleRequires -PowerShell ..module_utils._Snapshot
#AnsibleRequires -PowerShell ..module_utils._StagingFolder
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._Json

Set-StrictMode -Version 2.0

Function New-SafetyCopy {
    # Keeps everything that the plan touches as it is now: the folder, the items, registry, HTTP.sys. Refuses what is not as the
    # plan saw it. All of it is on the disk, not in Windows' memory alone, before anything is changed. The database is locked while
    # the service runs: its files are for Add-SafetyItem.
    param(
        [String] $RunId,
        [Object] $Plan,
        [Hashtable] $About
    )
    $root = Get-SafetyRoot
    New-RestrictedFolder -Path $root
    $time = [DateTime]::UtcNow.ToString('yyyyMMddTHHmmssZ', [Globalization.CultureInfo]::InvariantCulture)
    $folder = [IO.Path]::Combine($root, "$time-$RunId")
    New-RestrictedFolder -Path $folder
    try {
        $copy = @{
            folder = $folder
            about = $About + @{ run_id = $RunId; begun = ConvertTo-Timestamp -Time ([DateTime]::UtcNow) }
            items = @()
            parents = @()
            registry = @(Get-RegistryState)
            missing_keys = @(Get-PlannedKey -Plan $Plan | Where-Object -FilterScript { -not (Test-RegistryKey -Key $_) })
            http_sys = Get-HttpConfiguration
        }
        Assert-PlannedHttp -Plan $Plan -Now $copy.http_sys
        Add-SafetyItem -Copy $copy -Records @($Plan.files | Where-Object -FilterScript { -not $_.is_database })
        $copy
    }
    catch {
        $failure = $_
        Invoke-CleanUp -Body { Remove-Tree -Path $folder }
        Invoke-CleanUp -Body { Remove-EmptySafetyRoot }
        throw $failure
    }
}

Function Add-SafetyItem {
    # Adds what is now at the places of these records to a safety copy.
    param(
        [Hashtable] $Copy,
        [Object[]] $Records
    )
    foreach ($record in $Records) {
        $number = ($Copy.items.Count + 1).ToString([Globalization.CultureInfo]::InvariantCulture)
        $Copy.items += Get-SafetyItem -Record $record -Copy ([IO.Path]::Combine($Copy.folder, $number))
    }
    $Copy.parents += @(Get-ParentTime -Items $Copy.items -Known $Copy.parents)
    $text = ConvertTo-Json -InputObject $Copy -Depth 10
    Write-WholeFile -Path (Get-SafetyFile -Folder $Copy.folder -Of Kept) -Text $text
}

Function Assert-PlannedHttp {
    # Refuses when a place in HTTP.sys that the plan touches is not as the plan saw it: another program may have it now.
    param(
        [Object] $Plan,
        [Hashtable] $Now
    )
    foreach ($kind in 'bindings', 'reservations') {
        $owner = if ($kind -eq 'bindings') { 'application_id' } else { 'sddl' }
        foreach ($record in @($Plan.http_sys.add.$kind) + @($Plan.http_sys.remove.$kind)) {
            $there = @(Find-HttpRecord -Records $Now.$kind -Kind $kind -Like $record | ForEach-Object -Process { $_.$owner })
            $seen = @(Find-HttpRecord -Records $Plan.http_sys.remove.$kind -Kind $kind -Like $record |
                ForEach-Object -Process { $_.$owner })
            if ("$there" -eq "$seen") { continue }
            $name = Get-HttpName -Kind $kind -Record $record
            throw "'$name' in HTTP.sys has changed since this restore was planned: run it again."
        }
    }
}

Function Get-HttpName {
    # The address of a TLS binding (kind bindings), or the URL of a reservation.
    param(
        [String] $Kind,
        [Object] $Record
    )
    if ($Kind -eq 'bindings') { "$($Record.kind) $($Record.endpoint)" } else { $Record.url }
}

Function Find-HttpRecord {
    # Those of the records that stand where another does.
    param(
        [Object[]] $Records,
        [String] $Kind,
        [Object] $Like
    )
    $name = Get-HttpName -Kind $Kind -Record $Like
    $Records | Where-Object -FilterScript { $_ -and (Get-HttpName -Kind $Kind -Record $_) -eq $name }
}

Function Get-SafetyItem {
    # What there is at one place of the plan: path, kind, whether it exists, its state, and where its content was copied.
    param(
        [Object] $Record,
        [String] $Copy
    )
    $item = Get-PathItem -Path $Record.path -Kind $Record.kind
    $kept = @{ path = $Record.path; kind = $Record.kind; existed = $item.Exists; state = $null; copy = ''; sha256 = '' }
    $changed = "'$($Record.path)' has changed since this restore was planned: run it again."
    if ($item.Exists -eq ($Record.action -eq 'add')) { throw $changed }
    if (-not $item.Exists) { return $kept }
    $kept.state = Get-ItemRecord -Item $item -Name $Record.name -Path $Record.path
    if ($Record.kind -eq 'file') {
        $kept.copy = $Copy
        $writer = New-Object -TypeName IO.FileStream -ArgumentList $Copy, ([IO.FileMode]::Create), ([IO.FileAccess]::Write)
        try {
            $digest = Copy-Record -Record $kept -Destination $writer
            $writer.Flush($true)
        }
        finally { $writer.Dispose() }
        if ($Record.before -and $Record.before -cne $digest) { throw $changed }
        $kept.sha256 = $digest
    }
    $kept
}

Function Assert-SafetyCopy {
    # Refuses when a file is not any more what the safety copy holds, or is there and was not: who saved it since would lose it.
    param([Hashtable] $Copy)
    foreach ($kept in $Copy.items) {
        if ($kept.kind -ne 'file') { continue }
        $there = (Get-PathItem -Path $kept.path -Kind 'file').Exists
        $same = $there -eq $kept.existed -and
            (-not $there -or (Invoke-WithRetry -Body { Get-FileDigest -Path $kept.path }) -ceq $kept.sha256)
        if (-not $same) { throw "'$($kept.path)' has changed while this restore was at work: run it again." }
    }
}

Function Get-ParentTime {
    # The times of the folders above the items that are not known yet: putting an item back changes them.
    param(
        [Object[]] $Items,
        [Object[]] $Known
    )
    $seen = New-NameTable
    foreach ($parent in $Known) { $seen[$parent.path] = $true }
    foreach ($kept in $Items) {
        $parent = [IO.Path]::GetDirectoryName($kept.path)
        if (-not $parent -or $seen.ContainsKey($parent)) { continue }
        $seen[$parent] = $true
        $folder = Get-PathItem -Path $parent -Kind 'folder'
        if (-not $folder.Exists) { continue }
        $created = ConvertTo-Timestamp -Time $folder.CreationTimeUtc
        @{ path = $parent; created = $created; modified = ConvertTo-Timestamp -Time $folder.LastWriteTimeUtc }
    }
}

# ---- putting it back ----

Function Restore-SafetyCopy {
    # Makes everything as it was; goes on after what fails. Returns a sentence for each thing that could not be put back.
    param(
        [Hashtable] $Copy,
        [Object] $Plan,
        [String[]] $NewFolders,
        [String] $Suffix,
        [Boolean] $Touched
    )
    $newFiles = @($Plan.files | Where-Object -FilterScript { $_.has_content } | ForEach-Object -Process { $_.path })
    foreach ($path in $newFiles) {
        Invoke-RestoreStep -What $path -Command Remove-AnyItem -With @{ Path = $path + $Suffix; Kind = 'file' }
    }
    $folders = @($Copy.items | Where-Object -FilterScript { $_.kind -eq 'folder' } | Sort-Object -Property { $_.path.Length })
    if ($Touched) {
        $existed = @($folders | Where-Object -FilterScript { $_.existed })
        foreach ($one in $existed) { Invoke-RestoreStep -What $one.path -Command Restore-FolderAccess -With @{ Kept = $one } }
        foreach ($one in $Copy.items) {
            Invoke-RestoreStep -What $one.path -Command Restore-Item -With @{ Kept = $one; Suffix = $Suffix }
        }
    }
    $made = @($folders | Where-Object -FilterScript { -not $_.existed } | ForEach-Object -Process { $_.path })
    foreach ($paths in $made, $NewFolders) {
        foreach ($path in @($paths | Sort-Object -Property Length -Descending)) {
            Invoke-RestoreStep -What $path -Command Remove-AnyItem -With @{ Path = $path; Kind = 'folder' }
        }
    }
    if ($Touched) { Restore-Setting -Copy $Copy -Plan $Plan }
}

Function Restore-Setting {
    # Puts back each registry value and each record of HTTP.sys that the plan touches, and removes the keys that were not there.
    # Returns a sentence for each that could not be put back.
    param(
        [Hashtable] $Copy,
        [Object] $Plan
    )
    foreach ($value in @($Plan.registry.set) + @($Plan.registry.remove)) {
        $with = @{ Value = $value; Saved = $Copy.registry }
        Invoke-RestoreStep -What "registry value $($value.name)" -Command Restore-RegistryValue -With $with
    }
    foreach ($kind in 'bindings', 'reservations') {
        foreach ($record in @($Plan.http_sys.add.$kind) + @($Plan.http_sys.remove.$kind)) {
            $with = @{ Kind = $kind; Record = $record; Saved = $Copy.http_sys }
            Invoke-RestoreStep -What "HTTP.sys $kind" -Command Restore-HttpRecord -With $with
        }
    }
    foreach ($key in $Copy.missing_keys) {
        Invoke-RestoreStep -What "registry key '$key'" -Command Remove-EmptyKey -With @{ Key = $key }
    }
}

Function Invoke-RestoreStep {
    # Calls a function; returns a sentence when it fails.
    param(
        [String] $What,
        [String] $Command,
        [Hashtable] $With
    )
    try { & $Command @With }
    catch { "$($What): $($_.Exception.GetBaseException().Message)" }
}

Function Get-PlannedKey {
    # The names of the registry keys in which the plan changes values, the inner ones first.
    param([Object] $Plan)
    @($Plan.registry.set) + @($Plan.registry.remove) | ForEach-Object -Process { $_.key } | Sort-Object -Unique -Descending
}

Function Restore-FolderTime {
    # Gives the folders of a safety copy and those above its items their times again. Returns a sentence for each that cannot get
    # them.
    param([Hashtable] $Copy)
    $folders = @($Copy.items | Where-Object -FilterScript { $_.kind -eq 'folder' -and $_.existed } |
        ForEach-Object -Process { $_.state })
    Set-FolderTime -Records ($folders + @($Copy.parents))
}

Function Restore-FolderAccess {
    # Makes a folder that is gone again, and gives it its permissions: they are on before any file is put back into it.
    param([Hashtable] $Kept)
    $folder = Get-PathItem -Path $Kept.path -Kind 'folder'
    $folder.Create()
    Set-SecurityText -Item $folder -Sddl $Kept.state.sddl
}

Function Restore-Item {
    param(
        [Hashtable] $Kept,
        [String] $Suffix
    )
    $item = Get-PathItem -Path $Kept.path -Kind $Kept.kind
    if (-not $Kept.existed) {
        if ($Kept.kind -eq 'file') { Remove-AnyItem -Path $Kept.path -Kind 'file' }
        return
    }
    if ($Kept.kind -eq 'file' -and
        (-not $item.Exists -or (Get-FileDigest -Path $Kept.path) -cne (Get-FileDigest -Path $Kept.copy))) {
        foreach ($path in @(Get-MissingParent -Path $Kept.path)) { (Get-PathItem -Path $path -Kind 'folder').Create() }
        $beside = $Kept.path + $Suffix
        try {
            Copy-PlannedFile -Source $Kept.copy -Sha256 $Kept.sha256 -Beside $beside -Record $Kept.state
            Move-PlannedFile -Beside $beside -Record $Kept.state
        }
        catch {
            $failure = $_
            Invoke-CleanUp -Body { Remove-AnyItem -Path $beside -Kind 'file' }
            throw $failure
        }
    }
    $item.Refresh()
    Set-ItemState -Item $item -Record $Kept.state
}

Function Restore-RegistryValue {
    param(
        [Object] $Value,
        [Object[]] $Saved
    )
    $before = @($Saved | Where-Object -FilterScript { $_.key -eq $Value.key -and $_.name -eq $Value.name })
    if ($before) { Set-RegistryRecord -Record $before[0] }
    else { Remove-RegistryRecord -Record $Value }
}

Function Restore-HttpRecord {
    param(
        [String] $Kind,
        [Object] $Record,
        [Hashtable] $Saved
    )
    $before = @(Find-HttpRecord -Records $Saved.$Kind -Kind $Kind -Like $Record)
    $now = @(Find-HttpRecord -Records (Get-HttpConfiguration).$Kind -Kind $Kind -Like $Record)
    if ($now -and $before -and
        (ConvertTo-Json -InputObject $now[0] -Compress) -ceq (ConvertTo-Json -InputObject $before[0] -Compress)) {
        return
    }
    if ($now) { Remove-HttpRecord -Kind $Kind -Record $now[0] }
    if ($before) { Add-HttpRecord -Kind $Kind -Record $before[0] }
}

# ---- how it ended ----

Function Remove-Leftover {
    # Removes the new files that restores which never ended left beside their places.
    param([String[]] $RunIds)
    foreach ($folder in Get-SafetyFolder) {
        $runId = Get-RunOfFolder -Folder $folder
        $list = Get-SafetyFile -Folder $folder.FullName -Of Kept
        $result = Get-SafetyFile -Folder $folder.FullName -Of Result
        if ($runId -notin $RunIds -or -not [IO.File]::Exists($list) -or [IO.File]::Exists($result)) { continue }
        $copy = [ansible_collections.lithnet.access_manager.plugins.module_utils._Json.Json]::Parse((Read-TextFile -Path $list))
        foreach ($file in @($copy.items | Where-Object -FilterScript { $_.kind -eq 'file' })) {
            Remove-AnyItem -Path ($file.path + (Get-BesideSuffix -RunId $runId)) -Kind 'file'
        }
    }
}

Function Save-SafetyResult {
    # Keeps how a restore ended for the run of the next one.
    param(
        [String] $Folder,
        [Hashtable] $Answer
    )
    $text = ConvertTo-Json -InputObject $Answer -Depth 6 -Compress
    Write-ResultFile -Path (Get-SafetyFile -Folder $Folder -Of Result) -Text $text
}

Function Remove-OldSafetyCopy {
    # Removes the oldest safety copies beyond that many; never one whose result is not yet reported, nor Own.
    param(
        [Int32] $Count,
        [String] $Own
    )
    $folders = @(Get-SafetyFolder)
    for ($index = 0; $index -lt $folders.Count - $Count; $index++) {
        $folder = $folders[$index].FullName
        $reported = Get-SafetyFile -Folder $folder -Of Reported
        if ($folder -ne $Own -and [IO.File]::Exists($reported)) { Remove-Tree -Path $folder }
    }
}

Function Remove-EmptySafetyRoot {
    $root = Get-SafetyRoot
    if ([IO.Directory]::Exists($root) -and [IO.Directory]::GetFileSystemEntries($root).Length -eq 0) {
        [IO.Directory]::Delete($root)
    }
}

Export-ModuleMember -Function New-SafetyCopy, Add-SafetyItem, Assert-SafetyCopy, Restore-SafetyCopy, Restore-FolderTime,
    Save-SafetyResult, Remove-Leftover, Remove-OldSafetyCopy
