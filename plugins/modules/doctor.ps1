#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Examines a server in one call, and in a detached run that does nothing but the probes that are asked for.

#AnsibleRequires -PowerShell ..module_utils._Examination
#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._Probe
#AnsibleRequires -PowerShell ..module_utils._Retry
#AnsibleRequires -PowerShell ..module_utils._Run
#AnsibleRequires -PowerShell ..module_utils._RunStep
#AnsibleRequires -PowerShell ..module_utils._ServerDescription
#AnsibleRequires -PowerShell ..module_utils._StagingFolder
#AnsibleRequires -PowerShell ..module_utils._TargetModule

Set-StrictMode -Version 2.0

$SecondsToEnd = 10

Function Get-Fact {
    $params = $module.Params
    $description = Get-Description -Knowledge $params.knowledge -IncludeDatabase $false -StagingRoot $params.staging_root
    $examination = Get-Examination -Policies $params.policies
    if ($description.installation.exists) {
        $examination += Get-ServiceExamination -Knowledge $params.knowledge -Description $description
    }
    @{ server = $description; examination = $examination }
}

Function Receive-Run {
    # What became of the detached run. When it has ended, its folder is removed, so that no other call is needed for that.
    $found = Invoke-RunStep -Params $module.Params -Take { }
    if ($found.state -notin 'finished', 'ended') { return $found }
    $end = [DateTime]::UtcNow.AddSeconds($SecondsToEnd)
    while ((Test-RunAlive -RunId $module.Params.run_id) -and [DateTime]::UtcNow -lt $end) { Start-Sleep -Milliseconds 100 }
    $root = Get-StagingRoot -Path $module.Params.staging_root
    Invoke-CleanUp -Body { Remove-EndedRun -Root $root -RunId $module.Params.run_id }
    $found
}

Function Get-RunAnswer {
    # What the detached run leaves: that all of its options arrived, and what the probes report that are asked for.
    param([String] $Folder)
    $probes = @()
    if ($module.Params.probes) {
        $params = $module.Params
        $probed = @{ Certificates = $params.certificates; Json = $params.json; Bundle = $params.archive }
        $probes = @(Invoke-Probe -Folder $Folder -Knowledge $params.knowledge @probed)
    }
    @{ ballast = Get-TextDigest -Text $module.Params.ballast; in_job = Test-Job; probes = $probes }
}

$options = Get-RunOption
$options.step.choices = @('examine') + $options.step.choices
$options.knowledge = Get-KnowledgeOption
$options.policies = @{ type = 'list'; elements = 'dict'; options = @{ key = @{ type = 'str' }; name = @{ type = 'str' } } }
$options.probes = @{ type = 'bool'; default = $false }
$options.ballast = @{ type = 'str'; default = '' }
$options.json = @{ type = 'str'; default = '' }
$options.archive = @{ type = 'str'; default = '' }
$options.certificates = @{
    type = 'list'
    elements = 'dict'
    default = @()
    options = @{ pfx = @{ type = 'str'; no_log = $true }; password = @{ type = 'str'; no_log = $true } }
}
$module = New-TargetModule -Arguments $args -Options $options

Complete-TargetModule -Module $module -Body {
    if ($module.Params.step -eq 'examine') { return Get-Fact }
    if ($module.Params.step -eq 'collect') { return Receive-Run }
    Invoke-RunStep -Params $module.Params -Take { param($folder) Get-RunAnswer -Folder $folder }
}
