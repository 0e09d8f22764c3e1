# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What would keep the service from starting again after a stop. It only reads.

#AnsibleRequires -PowerShell ..module_utils._Configuration
#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -PowerShell ..module_utils._WellKnownSid
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._Account

Set-StrictMode -Version 2.0

$Account = [ansible_collections.lithnet.access_manager.plugins.module_utils._Account.Account]
$Disabled = 4
$WithoutRight = 'LocalSystem', 'LocalService', 'NetworkService'
$OfEveryAccount = 'Everyone', 'AuthenticatedUsers'
$VirtualAccounts = 'S-1-5-80-'

Function Get-RightHolder {
    # The SIDs that have a right; $null where Windows does not say.
    param([String] $Right)
    try { return , @($Account::HoldersOf($Right)) }
    catch { return $null }
}

Function Get-AccountGroup {
    # The SIDs of the groups that an account has in a logon; $null where Windows does not say.
    param([String] $Sid)
    if ($Sid.StartsWith($VirtualAccounts)) { return , @(Get-WellKnownSid -Name AllServices) }
    try { return , @($Account::GroupsOf($Sid)) }
    catch { return $null }
}

Function Get-LogonObstacle {
    # Why Windows would refuse the service's account the logon; empty when it would not, or where it does not say who may log on.
    param([String] $Name)
    $sid = Get-AccountSid -Name $Name
    if (-not $sid) {
        return "Its account, $Name, is unknown to this server: see that its domain can be reached and that the account exists."
    }
    if ($sid -in (Get-WellKnownSid -Name $WithoutRight)) { return '' }
    $groups = Get-AccountGroup -Sid $sid
    $token = @($sid) + @(Get-WellKnownSid -Name $OfEveryAccount) + @($groups)
    $denied = Get-RightHolder -Right 'SeDenyServiceLogonRight'
    if (@($denied | Where-Object -FilterScript { $_ -and $_ -in $token })) {
        return ("Its account, $Name, is denied the logon as a service (error 1069 at its next start): take it out of " +
            "'Deny log on as a service' in the group policy that sets that right.")
    }
    $holders = Get-RightHolder -Right 'SeServiceLogonRight'
    if ($null -eq $holders -or @($holders | Where-Object -FilterScript { $_ -in $token })) { return '' }
    $unless = if ($null -eq $groups) { ' Windows does not say here whether it has that right by a group.' }
    ("Its account, $Name, may not log on as a service (error 1069 at its next start): add it to 'Log on as a service' under " +
        "User Rights Assignment in secpol.msc, or in the group policy that sets that right.$unless")
}

Function Get-UnreadableDocument {
    # The JSON files with which the service would not start, but for those that are replaced first. Names: of all of them, the one
    # that must be there first.
    param(
        [String[]] $Names,
        [String[]] $Replaced
    )
    $installation = Get-Installation
    $found = @(if ($installation.config_exists) { Read-Configuration -ConfigPath $installation.config_path -Names $Names })
    $there = @($found | ForEach-Object -Process { $_.file })
    $missing = @($Names | Select-Object -First 1 | Where-Object -FilterScript { $_ -notin $there })
    $invalid = @($found | Where-Object -FilterScript { -not $_.valid } | ForEach-Object -Process { $_.file })
    @($missing + $invalid | Where-Object -FilterScript { $_ -notin $Replaced })
}

Function Get-StartObstacle {
    # All that would keep the service from starting again: kind (start_type, account or configuration) and text, a sentence.
    # JsonFiles: the files of its configuration. Replaced: those among them that are replaced before the start.
    param(
        [String[]] $JsonFiles,
        [String[]] $Replaced = @()
    )
    $service = Get-ServiceInformation
    if ($service.start -eq $Disabled) {
        $command = "sc.exe config $($service.name) start= delayed-auto"
        @{ kind = 'start_type'; text = "Its start type is disabled: set it with '$command'." }
    }
    $logon = Get-LogonObstacle -Name ([String]$service.account)
    if ($logon) { @{ kind = 'account'; text = $logon } }
    $files = @(Get-UnreadableDocument -Names $JsonFiles -Replaced $Replaced)
    if ($files) {
        $text = "$($files -join ', ') in its configuration folder is missing or is not JSON: correct it there, or restore it."
        @{ kind = 'configuration'; text = $text }
    }
}

Export-ModuleMember -Function Get-StartObstacle
