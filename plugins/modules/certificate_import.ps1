#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Gives the service the certificates that the controller sends.

#AnsibleRequires -PowerShell ..module_utils._CertificateImport
#AnsibleRequires -PowerShell ..module_utils._Run
#AnsibleRequires -PowerShell ..module_utils._StagingFolder
#AnsibleRequires -PowerShell ..module_utils._TargetModule

Set-StrictMode -Version 2.0

$module = New-TargetModule -Arguments $args -Options @{
    knowledge = Get-KnowledgeOption
    certificates = Get-CertificateOption
    run_id = @{ type = 'str'; required = $true }
    controller = @{ type = 'str'; default = '' }
    staging_root = @{ type = 'str'; default = '' }
    lock_timeout = @{ type = 'int'; default = 0 }
}
$owner = @{ controller = $module.Params.controller; run_id = $module.Params.run_id }

Function Import-Wanted {
    # All of the certificates, or none.
    $knowledge, $undo = $module.Params.knowledge, (New-Object -TypeName Collections.ArrayList)
    try { Restore-Certificate -Wanted $module.Params.certificates -Knowledge $knowledge -Undo $undo }
    catch {
        $reason = $_.Exception.GetBaseException().Message
        $left = @(Undo-RestoredCertificate -Undo $undo -Knowledge $knowledge)
        if ($left) { throw "$reason Not everything could be taken back: $($left -join ' ') Look at the server now." }
        throw $reason
    }
    @{ changed = $undo.Count -gt 0 }
}

Complete-TargetModule -Module $module -Body {
    $root = Get-StagingRoot -Path $module.Params.staging_root
    Invoke-Locked -Root $root -Owner $owner -Timeout $module.Params.lock_timeout -Body { Import-Wanted }
}
