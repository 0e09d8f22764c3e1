#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Decrypts the secrets that this server alone can decrypt, in one envelope for the controller.

#AnsibleRequires -PowerShell ..module_utils._Configuration
#AnsibleRequires -PowerShell ..module_utils._Envelope
#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -PowerShell ..module_utils._Secret
#AnsibleRequires -PowerShell ..module_utils._TargetModule

Set-StrictMode -Version 2.0

$module = New-TargetModule -Arguments $args -Options @{
    knowledge = Get-KnowledgeOption
    public_key = Get-PublicKeyOption
}

Complete-TargetModule -Module $module -Body {
    $installation = Assert-Installation
    $documents = @(Read-Configuration -ConfigPath $installation.config_path -Names $module.Params.knowledge.json_files)
    $secrets = @(Get-ProtectedSecret -Documents $documents -Paths $module.Params.knowledge.secrets)
    $answer = @{ secrets = @($secrets | ForEach-Object -Process { @{ path = $_.path; mode = $_.mode } }) }
    if ($module.CheckMode) { return $answer }
    $opened = New-NameTable
    foreach ($secret in $secrets) {
        try { $opened[$secret.path] = @{ mode = $secret.mode; value = Unprotect-Secret -Secret $secret } }
        catch { $opened[$secret.path] = @{ mode = $secret.mode; error = $_.Exception.GetBaseException().Message } }
    }
    $text = ConvertTo-Json -InputObject $opened -Depth 4 -Compress
    $answer.envelope = Protect-Text -Text $text -PublicKey $module.Params.public_key -Context 'secret_export'
    $answer
}
