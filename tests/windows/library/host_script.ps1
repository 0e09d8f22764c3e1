#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Runs a script of the tests on the server. Its task is JSON, which it gets as an object; what it writes is the answer.

#AnsibleRequires -CSharpUtil Ansible.Basic

Set-StrictMode -Version 2.0

$options = @{
    script = @{ type = 'str'; required = $true }
    task = @{ type = 'str'; required = $true; no_log = $true }
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, @{ options = $options })
try {
    $answer = & ([ScriptBlock]::Create($module.Params.script)) (ConvertFrom-Json -InputObject $module.Params.task)
    $module.Result.answer = "$answer"
}
catch { $module.FailJson("line $($_.InvocationInfo.ScriptLineNumber): $($_.Exception.GetBaseException().Message)") }
$module.ExitJson()
