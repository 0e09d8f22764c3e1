#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Stages the configuration: live, or with the service stopped in between.

#AnsibleRequires -PowerShell ..module_utils._RunStep
#AnsibleRequires -PowerShell ..module_utils._SnapshotStaging
#AnsibleRequires -PowerShell ..module_utils._TargetModule

Set-StrictMode -Version 2.0

$module = New-TargetModule -Arguments $args -Options (Get-SnapshotOption)

Complete-TargetModule -Module $module -Body {
    $params = $module.Params
    if ($params.step -eq 'revive') { return Restore-Service -Params $params }
    Invoke-RunStep -Params $params -Take { param($folder) New-Snapshot -Params $params -Folder $folder }
}
