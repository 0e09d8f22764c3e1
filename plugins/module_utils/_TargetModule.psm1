# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The Ansible module of a target's half, and the options that several of them have.

#AnsibleRequires -CSharpUtil Ansible.Basic

Set-StrictMode -Version 2.0

Function New-TargetModule {
    # The Ansible module of a target's half. Its result names the run, if it is one.
    param(
        [Object[]] $Arguments,
        [Hashtable] $Options
    )
    $spec = @{ options = $Options; supports_check_mode = $true }
    $module = [Ansible.Basic.AnsibleModule]::Create($Arguments, $spec)
    if ($Options.ContainsKey('run_id')) { $module.Result.run_id = $module.Params.run_id }
    $module
}

Function Complete-TargetModule {
    # Runs the body; what it returns becomes the result, what it throws the failure.
    param(
        [Object] $Module,
        [ScriptBlock] $Body
    )
    try {
        $answer = & $Body
        foreach ($key in @($answer.Keys)) { $Module.Result[$key] = $answer[$key] }
    }
    catch {
        $Module.FailJson($_.Exception.Message, $_)
    }
    $Module.ExitJson()
}

Function Get-KnowledgeOption {
    # The option in which the controller passes what it knows of Access Manager: plugin_utils/_ams/constants.py.
    @{
        type = 'dict'
        options = @{
            json_files = @{ type = 'list'; elements = 'str'; required = $true }
            references = @{
                type = 'list'
                elements = 'dict'
                required = $true
                options = @{ path = @{ type = 'str'; required = $true }; folder = @{ type = 'str'; required = $true } }
            }
            settings = @{ type = 'list'; elements = 'str'; required = $true }
            secrets = @{ type = 'list'; elements = 'str'; required = $true }
            usages = @{ type = 'list'; elements = 'str'; required = $true }
            thumbprints = @{ type = 'list'; elements = 'str'; required = $true }
            firewall_rule = @{ type = 'str'; required = $true }
            service_sid = @{ type = 'str'; required = $true }
            service_store = @{ type = 'str'; required = $true }
            clustered_stop = @{ type = 'str'; required = $true }
            upgrade_code = @{ type = 'str'; required = $true }
            events = @{ type = 'list'; elements = 'int'; required = $true }
            event_days = @{ type = 'int'; required = $true }
            application_id = @{ type = 'str'; required = $true }
        }
    }
}

Function Get-PublicKeyOption {
    # The option in which the controller passes the public key of a call.
    @{
        type = 'dict'
        options = @{ modulus = @{ type = 'str'; required = $true }; exponent = @{ type = 'str'; required = $true } }
    }
}

Export-ModuleMember -Function New-TargetModule, Complete-TargetModule, Get-KnowledgeOption, Get-PublicKeyOption
