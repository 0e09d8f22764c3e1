#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# It reads, and changes nothing of Access Manager.

#AnsibleRequires -PowerShell ..module_utils._AccessManager
#AnsibleRequires -PowerShell ..module_utils._Description
#AnsibleRequires -PowerShell ..module_utils._Staging

Set-StrictMode -Version 2.0

$module = New-TargetModule -Arguments $args -Options @{
    knowledge = Get-KnowledgeOption
    include_database = @{ type = 'bool'; default = $false }
    staging_root = @{ type = 'str'; default = '' }
    sweep = @{ type = 'bool'; default = $false }
}

Complete-TargetModule -Module $module -Body {
    if ($module.Params.sweep) { Remove-StaleRun -Root (Get-StagingRoot -Path $module.Params.staging_root) }
    Get-Description -Knowledge $module.Params.knowledge -IncludeDatabase $module.Params.include_database -StagingRoot $module.Params.staging_root
}
