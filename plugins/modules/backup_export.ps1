#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Sends all parts of a backup, each in an envelope for the controller: from the live server, or by a run that stops the service.

#AnsibleRequires -PowerShell ..module_utils._CertificateExport
#AnsibleRequires -PowerShell ..module_utils._ConfigurationExport
#AnsibleRequires -PowerShell ..module_utils._Retry
#AnsibleRequires -PowerShell ..module_utils._RunStep
#AnsibleRequires -PowerShell ..module_utils._SecretExport
#AnsibleRequires -PowerShell ..module_utils._SnapshotStaging
#AnsibleRequires -PowerShell ..module_utils._StagingFolder
#AnsibleRequires -PowerShell ..module_utils._TargetModule

Set-StrictMode -Version 2.0

Function Get-BesideConfiguration {
    # The parts that lie beside the configuration.
    $question = @{ Knowledge = $module.Params.knowledge; PublicKey = $module.Params.public_key }
    @{
        certificates = Get-CertificateExport @question
        secrets = Get-SecretExport @question -Settings $module.Params.settings
    }
}

Function Send-Stopped {
    # Stages the configuration with a stop, packs it, and leaves nothing in clear in the folder.
    param([String] $Folder)
    $taken = New-Snapshot -Params $module.Params -Folder $Folder
    $packed = @{ PublicKey = $module.Params.public_key; InlineLimit = $module.Params.inline_limit }
    try {
        $taken.config = Invoke-StagingWrite -Path $Folder -Body { Send-Snapshot -Folder $Folder @packed }
        $taken + (Get-BesideConfiguration)
    }
    catch { throw "$($_.Exception.Message) $($taken.start_error)".Trim() }
    finally { Invoke-CleanUp -Body { Remove-Staged -Folder $Folder } }
}

$options = Get-SnapshotOption
$options.inline_limit = @{ type = 'int'; default = 0 }
$options.settings = @{ type = 'list'; elements = 'str'; default = @() }
$options.public_key = Get-PublicKeyOption
$module = New-TargetModule -Arguments $args -Options $options

Complete-TargetModule -Module $module -Body {
    $params = $module.Params
    if ($params.step -eq 'revive') { return Restore-Service -Params $params }
    if ($params.stop) {
        # The result lies in the run's folder alone: what is returned, Ansible keeps in a file of its own too.
        [void](Invoke-RunStep -Params $params -Take { param($folder) Send-Stopped -Folder $folder })
        return @{ changed = $true }
    }
    $sent = Invoke-LiveRun -Params $params -PublicKey $params.public_key
    if (-not $sent.steady) { return $sent }
    @{ steady = $true; attempts = $sent.attempts; config = $sent } + (Get-BesideConfiguration)
}
