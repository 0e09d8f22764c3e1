# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Earlier restores, known by what they left in their safety copies: _SafetyCopy writes those, and each description of a server reads
# them.

#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._Retry
#AnsibleRequires -PowerShell ..module_utils._Run
#AnsibleRequires -PowerShell ..module_utils._StagingFolder
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._Json

Set-StrictMode -Version 2.0

$FolderPattern = '^\d{8}T\d{6}Z-[0-9A-Za-z-]{8,64}$'
$TimeToReport = [TimeSpan]::FromSeconds(15)

Function Get-SafetyRoot {
    $data = [Environment]::GetFolderPath([Environment+SpecialFolder]::CommonApplicationData)
    [IO.Path]::Combine($data, 'lithnet.access_manager.safety')
}

Function Get-SafetyFolder {
    # The folders of safety copies, the oldest first.
    $root = New-Object -TypeName IO.DirectoryInfo -ArgumentList (Get-SafetyRoot)
    if (-not $root.Exists) { return }
    Assert-OwnFolder -Path $root.FullName
    $root.GetDirectories() | Where-Object -FilterScript { $_.Name -match $FolderPattern } | Sort-Object -Property Name
}

Function Get-SafetyFile {
    # Where a safety copy has what it kept, how its restore ended, or that this was reported.
    param(
        [String] $Folder,
        [ValidateSet('Kept', 'Result', 'Reported')]
        [String] $Of
    )
    [IO.Path]::Combine($Folder, @{ Kept = 'safety.json'; Result = 'result.json'; Reported = 'reported' }[$Of])
}

Function Get-RunOfFolder {
    param([IO.DirectoryInfo] $Folder)
    $Folder.Name.Substring($Folder.Name.IndexOf('-') + 1)
}

Function Get-AboutRestore {
    # What a safety copy says of its restore, as JSON, without all that it kept; empty when it cannot be read.
    param([IO.DirectoryInfo] $Folder)
    try {
        $text = Read-TextFile -Path (Get-SafetyFile -Folder $Folder.FullName -Of Kept)
        $copy = [ansible_collections.lithnet.access_manager.plugins.module_utils._Json.Json]::Parse($text)
        ConvertTo-Json -InputObject @{ about = $copy.about } -Compress
    }
    catch { '' }
}

Function Get-UnreportedRestore {
    # The restores, not at work, whose results are not yet reported: run, folder, what is known of them, and how they ended; result
    # is empty when they never did.
    foreach ($folder in Get-SafetyFolder) {
        $runId = Get-RunOfFolder -Folder $folder
        $reported = Get-SafetyFile -Folder $folder.FullName -Of Reported
        if ((Test-RunAlive -RunId $runId) -or [IO.File]::Exists($reported)) { continue }
        $result = try { Read-TextFile -Path (Get-SafetyFile -Folder $folder.FullName -Of Result) } catch { '' }
        @{ run_id = $runId; folder = $folder.FullName; kept = Get-AboutRestore -Folder $folder; result = $result }
    }
}

Function Wait-ReportedRestore {
    # Gives the controllers of restores that have just ended the time to read their results, and to say so.
    $young = {
        $result = New-Object -TypeName IO.FileInfo -ArgumentList (Get-SafetyFile -Folder $_.folder -Of Result)
        $_.result -and [DateTime]::UtcNow - $result.LastWriteTimeUtc -lt $TimeToReport
    }
    $end = [DateTime]::UtcNow + $TimeToReport
    while ([DateTime]::UtcNow -lt $end -and @(Get-UnreportedRestore | Where-Object -FilterScript $young)) {
        Start-Sleep -Milliseconds 500
    }
}

Function Get-UnendedRestore {
    # Those of them that never ended: the server may be between two states.
    Get-UnreportedRestore | Where-Object -FilterScript { -not $_.result }
}

Function Set-SafetyReported {
    # Remembers that the results of these runs were reported.
    param([String[]] $RunIds)
    foreach ($folder in Get-SafetyFolder) {
        if ((Get-RunOfFolder -Folder $folder) -in $RunIds) {
            Invoke-WithRetry -Body { [IO.File]::WriteAllText((Get-SafetyFile -Folder $folder.FullName -Of Reported), '') }
        }
    }
}

Export-ModuleMember -Function *
