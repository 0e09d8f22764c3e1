#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Exports certificates with their private keys, each under a password of its own, in one envelope for the controller.

#AnsibleRequires -PowerShell ..module_utils._CertificateExport
#AnsibleRequires -PowerShell ..module_utils._TargetModule

Set-StrictMode -Version 2.0

$module = New-TargetModule -Arguments $args -Options @{
    knowledge = Get-KnowledgeOption
    public_key = Get-PublicKeyOption
}

Complete-TargetModule -Module $module -Body {
    $publicKey = if ($module.CheckMode) { $null } else { $module.Params.public_key }
    Get-CertificateExport -Knowledge $module.Params.knowledge -PublicKey $publicKey
}
