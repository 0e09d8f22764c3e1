#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Follows a run that works on this server, whichever module launched it: the halves of those are larger.

#AnsibleRequires -PowerShell ..module_utils._RunStep
#AnsibleRequires -PowerShell ..module_utils._TargetModule

Set-StrictMode -Version 2.0

$module = New-TargetModule -Arguments $args -Options (Get-RunOption)

Complete-TargetModule -Module $module -Body {
    Invoke-RunStep -Params $module.Params -Take { throw 'A run is launched by the module whose work it does.' }
}
