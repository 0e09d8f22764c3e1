#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Describes an installation, and changes nothing.

#AnsibleRequires -PowerShell ..module_utils._Run
#AnsibleRequires -PowerShell ..module_utils._ServerDescription
#AnsibleRequires -PowerShell ..module_utils._StagingFolder
#AnsibleRequires -PowerShell ..module_utils._TargetModule

Set-StrictMode -Version 2.0

$module = New-TargetModule -Arguments $args -Options @{
    knowledge = Get-KnowledgeOption
    include_database = @{ type = 'bool'; default = $false }
    staging_root = @{ type = 'str'; default = '' }
}

Complete-TargetModule -Module $module -Body {
    $root = Get-StagingRoot -Path $module.Params.staging_root
    $answer = Get-Description -Knowledge $module.Params.knowledge -IncludeDatabase $module.Params.include_database `
        -StagingRoot $module.Params.staging_root
    $answer.stale_runs = @(Get-StaleTask) + @(Get-StaleRun -Root $root)
    $answer
}
