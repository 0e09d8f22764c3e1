# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# A drill on a scratch server: the mark that says that what is there was put there by a drill, and the removal of all of it.

#AnsibleRequires -PowerShell ..module_utils._Certificate
#AnsibleRequires -PowerShell ..module_utils._CertificateImport
#AnsibleRequires -PowerShell ..module_utils._Configuration
#AnsibleRequires -PowerShell ..module_utils._DrillMark
#AnsibleRequires -PowerShell ..module_utils._EarlierRestore
#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._HttpSys
#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -PowerShell ..module_utils._RestoreChange
#AnsibleRequires -PowerShell ..module_utils._Retry
#AnsibleRequires -PowerShell ..module_utils._Run
#AnsibleRequires -PowerShell ..module_utils._SafetyCopy
#AnsibleRequires -PowerShell ..module_utils._Service
#AnsibleRequires -PowerShell ..module_utils._StagingFolder
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._Json

Set-StrictMode -Version 2.0

$ReachMilliseconds = 3000
$Database = 'config/db'
$LongestDrill = [TimeSpan]::FromDays(1)
$OfInstallation = 'Logging'

Function Write-DrillMark {
    # Says that what comes now is put here by a drill, and what was here before it.
    param(
        [Collections.IDictionary] $Drill,
        [Collections.IDictionary] $Knowledge,
        [String] $StagingRoot
    )
    $mark = @{
        drill = $Drill
        staging_root = $StagingRoot
        key_files = @(Get-KeyFile)
        status = (Get-ServiceController).Status.ToString()
        certificates = @(Get-StoreName -Knowledge $Knowledge)
        items = @(Get-ConfigurationItem | ForEach-Object -Process { $_.path })
        safety = @(Get-SafetyFolder | ForEach-Object -Process { $_.Name })
    }
    $path = Get-MarkPath
    New-RestrictedFolder -Path ([IO.Path]::GetDirectoryName($path))
    Write-WholeFile -Path $path -Text (ConvertTo-Json -InputObject $mark -Depth 5 -Compress)
}

Function Get-StoreName {
    # Each certificate that the service can use, and whether its key is here: 'store thumbprint key'.
    param([Collections.IDictionary] $Knowledge)
    foreach ($found in Get-AccessManagerCertificate -Knowledge $Knowledge) {
        $key = (Get-KeyInformation -Certificate $found.certificate).present
        "$($found.store) $($found.certificate.Thumbprint) $key"
    }
}

Function Get-Foreign {
    # Of what no drill put here: whether Access Manager is configured, or its file of settings holds more than a new installation's,
    # and whether a store where it looks holds a private key of it.
    param([Collections.IDictionary] $Knowledge)
    $installation = Assert-Installation
    $settings = @(Read-Configuration -ConfigPath $installation.config_path -Names $Knowledge.json_files[0])
    $given = @($settings | Where-Object -FilterScript {
            -not $_.valid -or @($_.document.Keys | Where-Object -FilterScript { $_ -ne $OfInstallation }) })
    @{
        configured = $installation.configured -or $given.Count -gt 0
        has_keys = @(Get-StoreName -Knowledge $Knowledge | Where-Object -FilterScript { $_ -like '* True' }).Count -gt 0
    }
}

Function Get-ConfigurationItem {
    # The files and folders below the configuration folder, without the database: that is a cache of the server's own.
    $installation = Assert-Installation
    Get-FolderRecord -Path $installation.config_path -Name 'config' -Skip $Database | Where-Object -FilterScript {
        $_.name -ne 'config' -and $_.name -ne $Database
    }
}

Function Test-Reach {
    # Whether this server reaches a port of another one.
    param(
        [String] $Name,
        [Int32] $Port
    )
    $client = New-Object -TypeName Net.Sockets.TcpClient
    try { $client.ConnectAsync($Name, $Port).Wait($ReachMilliseconds) -and $client.Connected }
    catch { $false }
    finally { $client.Dispose() }
}

# ---- removal ----

Function Test-MarkOf {
    # Whether the mark is of this drill.
    param(
        [Collections.IDictionary] $Mark,
        [Collections.IDictionary] $Drill
    )
    $Mark.drill.started -ceq $Drill.started -and $Mark.drill.controller -ceq $Drill.controller
}

Function Assert-MarkOf {
    # Refuses a mark of another drill than this one, before anything is changed.
    param(
        [Collections.IDictionary] $Mark,
        [Collections.IDictionary] $Drill
    )
    if (Test-MarkOf @PSBoundParameters) { return }
    throw ("$($env:COMPUTERNAME) is marked by the drill of $($Mark.drill.host) that $($Mark.drill.controller) began " +
        "$($Mark.drill.started): one drill runs at a time on a scratch server. Run again when it has ended.")
}

Function Assert-RemovableDrill {
    # Refuses, before anything is changed, where the mark may not be of what is here any more: something else was restored since, or
    # it is old, and the server may be in service now.
    param(
        [Collections.IDictionary] $Mark,
        [Boolean] $CleanOld
    )
    $own = "$($Mark.drill.backup_id) of $($Mark.drill.host)"
    foreach ($copy in Get-DrillCopy -Mark $Mark) {
        if ($copy.about.backup -ceq $own) { continue }
        throw ("The backup $($copy.about.backup) was restored on $($env:COMPUTERNAME) since the drill of $own began: nothing was " +
            'removed. If this server is in service, take it out of the group of scratch servers and delete the folder ' +
            "'$([IO.Path]::GetDirectoryName((Get-MarkPath)))'. If not, delete the server's disk: it holds keys.")
    }
    $age = [DateTime]::UtcNow - [IO.File]::GetLastWriteTimeUtc((Get-MarkPath))
    if ($CleanOld -or $age -lt $LongestDrill) { return }
    throw ("The drill of $own that $($Mark.drill.controller) began $($Mark.drill.started) was never removed from " +
        "$($env:COMPUTERNAME): nothing is removed now, because that was more than a day ago. See that this server is not in " +
        'service, and remove it with clean_old (drill_clean_old=true).')
}

Function Clear-Drill {
    # Puts back what was here before the drill, and removes keys, secrets and configuration. Returns what a search finds left, and
    # the files of keys that are none of the drill's.
    param(
        [Collections.IDictionary] $Mark,
        [Collections.IDictionary] $Knowledge,
        [String] $RunFolder,
        [Int32] $Timeout
    )
    if ((Get-ServiceController).Status -ne 'Stopped') {
        [void](Stop-AccessManager -ProcessId (Get-ServiceProcessId) -Timeout $Timeout)
    }
    $copies = @(Get-DrillCopy -Mark $Mark)
    $added = @(Get-AddedCertificate -Mark $Mark -Knowledge $Knowledge)
    $keys = @(Get-DrillKey) + @($added | ForEach-Object -Process { $_.file })
    $left = @(Undo-RestoredCertificate -Undo $added -Knowledge $Knowledge)
    $left += @(Remove-AddedItem -Mark $Mark)
    foreach ($copy in $copies) { $left += @(Undo-DrillRestore -Copy $copy -Knowledge $Knowledge) }
    $left += @(Find-Left -Mark $Mark -Knowledge $Knowledge -Copies $copies -Keys $keys)
    if (-not $left) {
        Get-DrillCopyFolder -Mark $Mark | ForEach-Object -Process { Remove-Tree -Path $_.FullName }
        $roots = [IO.Path]::GetDirectoryName($RunFolder), $Mark.staging_root
        foreach ($root in $roots) { Remove-DeadRun -Root $root -Own $RunFolder }
        $left += @(Get-DrillCopyFolder -Mark $Mark | ForEach-Object -Process { $_.FullName })
    }
    if (-not $left) { Remove-Tree -Path ([IO.Path]::GetDirectoryName((Get-MarkPath))) }
    if ($Mark.status -eq 'Running') { [void](Start-AccessManager -Timeout $Timeout) }
    @{ left = $left; other_keys = @(Get-KeyFile | Where-Object -FilterScript { $_ -notin $Mark.key_files -and $_ -notin $keys }) }
}

Function Get-DrillCopyFolder {
    # The folders of the safety copies of the drill's restores, the newest first.
    param([Collections.IDictionary] $Mark)
    $made = @(Get-SafetyFolder | Where-Object -FilterScript { $_.Name -notin $Mark.safety })
    [Array]::Reverse($made)
    $made
}

Function Get-DrillCopy {
    # What these hold, as _SafetyCopy.psm1 puts it back. One that was not written has touched nothing.
    param([Collections.IDictionary] $Mark)
    foreach ($folder in Get-DrillCopyFolder -Mark $Mark) {
        $path = Get-SafetyFile -Folder $folder.FullName -Of Kept
        if (-not [IO.File]::Exists($path)) { continue }
        $text = Read-TextFile -Path $path
        [Hashtable][ansible_collections.lithnet.access_manager.plugins.module_utils._Json.Json]::Parse($text)
    }
}

Function Undo-DrillRestore {
    # Makes files, registry and HTTP.sys as they were before a restore. Returns a sentence for what could not be put back.
    param(
        [Hashtable] $Copy,
        [Collections.IDictionary] $Knowledge
    )
    $http = Get-HttpConfiguration
    $plan = @{
        files = @()
        registry = @{ set = @(Get-RegistryState); remove = @($Copy.registry) }
        http_sys = @{
            add = Get-OwnHttp -Http $http -Knowledge $Knowledge
            remove = Get-OwnHttp -Http $Copy.http_sys -Knowledge $Knowledge
        }
    }
    foreach ($kept in @($Copy.items | Where-Object -FilterScript { $_.kind -eq 'file' })) {
        Remove-AnyItem -Path ($kept.path + (Get-BesideSuffix -RunId $Copy.about.run_id)) -Kind 'file'
    }
    Restore-SafetyCopy -Copy $Copy -Plan $plan -NewFolders @() -Suffix '.drill.new' -Touched $true
    Restore-FolderTime -Copy $Copy
}

Function Get-OwnHttp {
    # Those records that are Access Manager's: bindings by its application, reservations by its service.
    param(
        [Object] $Http,
        [Collections.IDictionary] $Knowledge
    )
    @{
        bindings = @($Http.bindings | Where-Object -FilterScript { $_.application_id -eq $Knowledge.application_id })
        reservations = @($Http.reservations | Where-Object -FilterScript { $_.sddl -and $_.sddl.Contains($Knowledge.service_sid) })
    }
}

Function Get-AddedCertificate {
    # The certificates of the service's store that were not here before the drill, or had no key then: how each is taken back.
    param(
        [Collections.IDictionary] $Mark,
        [Collections.IDictionary] $Knowledge
    )
    foreach ($found in Get-AccessManagerCertificate -Knowledge $Knowledge) {
        $thumbprint = $found.certificate.Thumbprint
        $name = "$($Knowledge.service_store) $thumbprint"
        if ($found.store -ne $Knowledge.service_store -or "$name True" -in $Mark.certificates) { continue }
        $action = if ("$name False" -in $Mark.certificates) { 'give_key' } else { 'import' }
        $key = Get-KeyInformation -Certificate $found.certificate
        @{ thumbprint = $thumbprint; action = $action; sddl = ''; file = if ($key.present) { $key.file } else { '' } }
    }
}

Function Remove-AddedItem {
    # Removes what lies in the configuration folder and did not before the drill: the service makes files too. Returns a sentence
    # for each that stays.
    param([Collections.IDictionary] $Mark)
    $added = @(Get-ConfigurationItem | Where-Object -FilterScript { $_.path -notin $Mark.items } |
        Sort-Object -Property { $_.path.Length } -Descending)
    foreach ($item in $added) {
        $kind = if ($item.kind -eq 'folder') { 'folder' } else { 'file' }
        try { Invoke-WithRetry -Body { Remove-AnyItem -Path $item.path -Kind $kind } }
        catch { "$($item.path): $($_.Exception.GetBaseException().Message)" }
    }
}

Function Find-Left {
    # The search: keys, files and settings of the drill that are still here.
    param(
        [Collections.IDictionary] $Mark,
        [Collections.IDictionary] $Knowledge,
        [Hashtable[]] $Copies,
        [String[]] $Keys
    )
    Get-StoreName -Knowledge $Knowledge | Where-Object -FilterScript { $_ -notin $Mark.certificates } |
        ForEach-Object -Process { "certificate $_" }
    Get-KeyFile | Where-Object -FilterScript { $_ -notin $Mark.key_files -and $_ -in $Keys } |
        ForEach-Object -Process { "key file $_" }
    Get-ConfigurationItem | Where-Object -FilterScript { $_.path -notin $Mark.items } | ForEach-Object -Process { $_.path }
    if (-not $Copies) { return }
    try { Assert-SafetyCopy -Copy $Copies[-1] }
    catch { $_.Exception.GetBaseException().Message }
    $before = @($Copies[-1].registry | ForEach-Object -Process { ConvertTo-ValueText -Value $_ })
    foreach ($value in Get-RegistryState) {
        if ((ConvertTo-ValueText -Value $value) -notin $before) { "registry value $($value.name)" }
    }
}

Function ConvertTo-ValueText {
    # A value of the registry, to compare.
    param([Object] $Value)
    "$($Value.key)|$($Value.name)|$($Value.kind)|$($Value.data)"
}

Function Remove-DeadRun {
    # Removes what runs that are not at work left in a staging root: an upload has keys in clear.
    param(
        [String] $Root,
        [String] $Own
    )
    if (-not [IO.Directory]::Exists($Root)) { return }
    Assert-OwnFolder -Path $Root
    foreach ($run in (New-Object -TypeName IO.DirectoryInfo -ArgumentList $Root).GetDirectories()) {
        if ($run.FullName -eq $Own -or $run.Name -notmatch (Get-RunIdPattern) -or (Test-RunAlive -RunId $run.Name)) { continue }
        [void](Remove-RunFolder -Root $Root -RunId $run.Name)
    }
}

Export-ModuleMember -Function Write-DrillMark, Get-Foreign, Test-Reach, Assert-MarkOf, Assert-RemovableDrill, Clear-Drill
