#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# It reads, and changes nothing of Access Manager, but that sweep starts a service that a run which was ended left stopped.

#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -PowerShell ..module_utils._InterruptedStop
#AnsibleRequires -PowerShell ..module_utils._Run
#AnsibleRequires -PowerShell ..module_utils._ServerDescription
#AnsibleRequires -PowerShell ..module_utils._StagingFolder
#AnsibleRequires -PowerShell ..module_utils._TargetModule

Set-StrictMode -Version 2.0

$module = New-TargetModule -Arguments $args -Options @{
    knowledge = Get-KnowledgeOption
    include_database = @{ type = 'bool'; default = $false }
    staging_root = @{ type = 'str'; default = '' }
    sweep = @{ type = 'bool'; default = $false }
    run_id = @{ type = 'str'; default = '' }
    controller = @{ type = 'str'; default = '' }
    service_timeout = @{ type = 'int'; default = 120 }
}

Complete-TargetModule -Module $module -Body {
    $left = @()
    if ($module.Params.sweep) {
        $root = Get-StagingRoot -Path $module.Params.staging_root
        $left = @(Get-LeftRun -Root $root | Where-Object -FilterScript { -not $_.started_at } | ForEach-Object -Process { $_.run_id })
        Remove-StaleRun -Root $root
        $owner = @{ controller = $module.Params.controller; run_id = $module.Params.run_id }
        if ((Get-Installation).exists) { Start-LeftServiceAlone -Root $root -Owner $owner -Timeout $module.Params.service_timeout }
    }
    $answer = Get-Description -Knowledge $module.Params.knowledge -IncludeDatabase $module.Params.include_database -StagingRoot $module.Params.staging_root
    if ($answer.ContainsKey('left_runs')) { $answer.changed = @($answer.left_runs | Where-Object -FilterScript { $_.run_id -in $left -and $_.started_at -and $_.found -ne 'Running' }).Count -gt 0 }
    $answer
}
