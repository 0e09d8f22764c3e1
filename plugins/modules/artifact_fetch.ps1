#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Sends a configuration in one envelope for the controller: a staged snapshot, or the live configuration itself.

#AnsibleRequires -PowerShell ..module_utils._ConfigurationExport
#AnsibleRequires -PowerShell ..module_utils._Run
#AnsibleRequires -PowerShell ..module_utils._RunStep
#AnsibleRequires -PowerShell ..module_utils._StagingFolder
#AnsibleRequires -PowerShell ..module_utils._TargetModule

Set-StrictMode -Version 2.0

$options = Get-RunOption
$options.live = @{ type = 'bool'; required = $true }
$options.knowledge = Get-KnowledgeOption
$options.public_key = Get-PublicKeyOption
$options.inline_limit = @{ type = 'int'; default = 0 }
$module = New-TargetModule -Arguments $args -Options $options

Complete-TargetModule -Module $module -Body {
    $params = $module.Params
    $root = Get-StagingRoot -Path $params.staging_root
    if ($params.live) { return Invoke-LiveRun -Params $params -PublicKey $params.public_key }
    $folder = Get-RunFolder -Root $root -RunId $params.run_id
    Invoke-StagingWrite -Path $root -Body {
        Send-Snapshot -Folder $folder -PublicKey $params.public_key -InlineLimit $params.inline_limit
    }
}
