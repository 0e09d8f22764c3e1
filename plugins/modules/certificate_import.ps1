#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Gives the service the certificates that the controller sends.

#AnsibleRequires -PowerShell ..module_utils._AccessManager
#AnsibleRequires -PowerShell ..module_utils._CertificateImport

Set-StrictMode -Version 2.0

$module = New-TargetModule -Arguments $args -Options @{
    knowledge = Get-KnowledgeOption
    certificates = Get-CertificateOption
}

Complete-TargetModule -Module $module -Body {
    $done = @(Restore-Certificate -Wanted $module.Params.certificates -Usages $module.Params.knowledge.usages)
    @{ changed = $done.Count -gt 0 }
}
