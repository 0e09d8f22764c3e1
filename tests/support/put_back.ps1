# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What a restore and its way back do between their beginning and their end, which no result shows. Answers as JSON.

Set-StrictMode -Version 2.0
$modules = 'C:\windows\temp\test-modules'
foreach ($name in '_ItemSecurity', '_FileSystem', '_HttpSys', '_Json', '_KernelObject') { Add-Type -Path "$modules\$name.cs" }
foreach ($name in '_Retry', '_Registry', '_FileRecord', '_Configuration', '_Installation', '_HttpSys', '_StagingFolder', '_ScheduledTask', '_Run', '_Snapshot', '_RestoreChange', '_EarlierRestore', '_SafetyCopy') { Import-Module -Name "$modules\$name.psm1" -DisableNameChecking }

$root = 'C:\windows\temp\test-put-back'
$folder, $inner, $other = "$root\private", "$root\private\inner.ps1", "$root\other.ps1"
$answer = @{}
$global:seen = @()

Function New-Record {
    param($Path, $Kind)
    [PSCustomObject]@{ path = $Path; name = $Path; kind = $Kind; action = 'remove'; before = ''; is_database = $false; has_content = $false }
}

Function Get-Failure {
    param([ScriptBlock] $Body)
    try { & $Body; '' }
    catch { $_.Exception.GetBaseException().Message }
}

[void][IO.Directory]::CreateDirectory($folder)
Set-SecurityText -Item (Get-PathItem -Path $folder -Kind 'folder') -Sddl 'O:BAG:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'
foreach ($file in $inner, $other) { [IO.File]::WriteAllText($file, 'as it was') }
$nothing = [PSCustomObject]@{ bindings = @(); reservations = @() }
$plan = [PSCustomObject]@{
    files = (New-Record $inner 'file'), (New-Record $other 'file'), (New-Record $folder 'folder')
    registry = [PSCustomObject]@{ set = @([PSCustomObject]@{ key = 'Test'; name = 'Value'; kind = 'String'; data = 'new' }); remove = @() }
    http_sys = [PSCustomObject]@{ add = $nothing; remove = $nothing }
}
$safety = New-SafetyCopy -RunId 'test-put-back' -Plan $plan -About @{}
try {
    # A file that is saved between the safety copy and the stop.
    $answer.unchanged = Get-Failure { Assert-SafetyCopy -Copy $safety }
    [IO.File]::WriteAllText($other, 'saved since')
    $answer.changed = Get-Failure { Assert-SafetyCopy -Copy $safety }
    [IO.File]::WriteAllText($other, 'as it was')

    # Removed, and put back: what the folder's permissions are when a file comes back into it.
    Set-PlannedFile -Bundle @{ plan = $plan; suffix = '.new' }
    Set-PlannedRegistry -Plan $plan
    $answer.removed = -not [IO.Directory]::Exists($folder) -and (Test-RegistryKey -Key 'Test')
    & (Get-Module -Name _SafetyCopy) {
        Function Script:Copy-PlannedFile {
            param($Source, $Sha256, $Beside, $Record)
            if ($Beside -like '*inner*') { $global:seen += Get-SecurityText -Item (Get-PathItem -Path ([IO.Path]::GetDirectoryName($Beside)) -Kind 'folder') }
            _RestoreChange\Copy-PlannedFile -Source $Source -Sha256 $Sha256 -Beside $Beside -Record $Record
        }
    }
    $answer.errors = @(Restore-SafetyCopy -Copy $safety -Plan $plan -NewFolders @() -Suffix '.new' -Touched $true)
    $answer.folder = $global:seen
    $answer.content = [IO.File]::ReadAllText($inner)
    $answer.key_left = Test-RegistryKey -Key 'Test'
    $answer.list_left = @([IO.Directory]::GetFiles($safety.folder, '*.new')).Count
}
finally { [IO.Directory]::Delete($safety.folder, $true) }

# A new file: what its permissions and its time are before its own permissions are set.
& (Get-Module -Name _RestoreChange) {
    $Script:real = ${Function:Set-SecurityText}
    Function Script:Set-SecurityText {
        param($Item, $Sddl)
        $global:seen = @((Get-SecurityText -Item $Item), [IO.File]::ReadAllText($Item.FullName), (ConvertTo-Timestamp -Time $Item.LastWriteTimeUtc))
        & $Script:real -Item $Item -Sddl $Sddl
    }
}
$time = '2020-02-03T04:05:06.0000000Z'
$record = [PSCustomObject]@{ created = $time; modified = $time; attributes = 1; sddl = 'O:BAG:BAD:P(A;;FA;;;SY)(A;;FR;;;BA)' }
Copy-PlannedFile -Source $other -Sha256 (Get-FileDigest -Path $other) -Beside "$root\new.ps1" -Record $record
$answer.before_permissions = $global:seen
$new = Get-PathItem -Path "$root\new.ps1" -Kind 'file'
$answer.new = @((Get-SecurityText -Item $new), (ConvertTo-Timestamp -Time $new.CreationTimeUtc), [String]$new.IsReadOnly)

# A file that another program has open for two seconds.
$file = [IO.File]::Open($other, 'Open', 'Read', 'Read')
$holder = [PowerShell]::Create().AddScript('param($file) Start-Sleep -Seconds 2; $file.Dispose()').AddArgument($file)
$holding = $holder.BeginInvoke()
$answer.refused = Get-Failure { [IO.File]::Delete($other) }
$answer.deletion = Get-Failure { Remove-AnyItem -Path $other -Kind 'file' }
$answer.deleted = -not [IO.File]::Exists($other)
[void]$holder.EndInvoke($holding)

# A list that takes the place of another.
foreach ($text in 'first', 'second') { Write-WholeFile -Path "$root\list.json" -Text $text }
$answer.list = @([IO.File]::ReadAllText("$root\list.json"), [String][IO.File]::Exists("$root\list.json.new"))

Remove-AnyItem -Path "$root\new.ps1" -Kind 'file'
[IO.Directory]::Delete($root, $true)
ConvertTo-Json -InputObject $answer -Depth 5
