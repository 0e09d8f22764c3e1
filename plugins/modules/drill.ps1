#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Looks at a scratch server before a drill, marks it, and removes what a drill put there.

#AnsibleRequires -PowerShell ..module_utils._Certificate
#AnsibleRequires -PowerShell ..module_utils._CertificateImport
#AnsibleRequires -PowerShell ..module_utils._Drill
#AnsibleRequires -PowerShell ..module_utils._DrillMark
#AnsibleRequires -PowerShell ..module_utils._Run
#AnsibleRequires -PowerShell ..module_utils._RunStep
#AnsibleRequires -PowerShell ..module_utils._StagingFolder
#AnsibleRequires -PowerShell ..module_utils._TargetModule
#AnsibleRequires -CSharpUtil Ansible.Privilege
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._Json

Set-StrictMode -Version 2.0

Function Get-Drill {
    # The drill that the controller names: its times stay text.
    [ansible_collections.lithnet.access_manager.plugins.module_utils._Json.Json]::Parse($module.Params.drill)
}

Function Get-Look {
    # What decides whether a drill may begin here.
    (Get-Foreign -Knowledge $module.Params.knowledge) + @{ computer_name = $env:COMPUTERNAME; drill = Get-MarkedDrill }
}

Function Get-Reached {
    # Which of the endpoints this server reaches.
    foreach ($one in $module.Params.endpoints) { if (Test-Reach -Name $one.host -Port $one.port) { "$($one.host):$($one.port)" } }
}

Function Add-Mark {
    # Marks this server, unless that is done. Refuses one that is not as it was looked at: another drill, or an administrator, may
    # have been faster.
    $mark = Read-DrillMark
    if ($mark) { return Assert-MarkOf -Mark $mark -Drill (Get-Drill) }
    $foreign = Get-Foreign -Knowledge $module.Params.knowledge
    if ($foreign.configured -or $foreign.has_keys) {
        throw "Access Manager on $($env:COMPUTERNAME) was configured, or got private keys, meanwhile: it is not touched."
    }
    Write-DrillMark -Drill (Get-Drill) -Knowledge $module.Params.knowledge -StagingRoot $root
}

Function Set-Claim {
    # Marks this server, unless it reaches one of the endpoints.
    $reached = @(Get-Reached)
    if ($reached) { return @{ changed = $false; reached = $reached } }
    $owner = @{ controller = $module.Params.controller; run_id = $module.Params.run_id }
    Invoke-Locked -Root (Get-StagingRoot) -Owner $owner -Timeout $module.Params.lock_timeout -Body { Add-Mark }
    @{ changed = $true; reached = @() }
}

Function Test-Key {
    # Decrypts with every key that the service has in its store.
    $answer = @{ decrypted = @(); faults = @() }
    foreach ($found in Get-AccessManagerCertificate -Knowledge $module.Params.knowledge) {
        if ($found.store -ne $module.Params.knowledge.service_store) { continue }
        $thumbprint = $found.certificate.Thumbprint.ToUpperInvariant()
        try {
            Assert-Key -Certificate $found.certificate
            $answer.decrypted += $thumbprint
        }
        catch { $answer.faults += "$($thumbprint): $($_.Exception.GetBaseException().Message)" }
    }
    $answer
}

Function Remove-Drill {
    # What the run does that removes a drill: this one alone. Without its mark, nothing is known of what to search for.
    param([String] $Folder)
    $mark = Read-DrillMark
    if (-not $mark) { return @{ changed = $false; searched = $false; left = @(); other_keys = @() } }
    Assert-MarkOf -Mark $mark -Drill (Get-Drill)
    Assert-RemovableDrill -Mark $mark -CleanOld $module.Params.clean_old
    $arguments = @{
        Mark = $mark
        Knowledge = $module.Params.knowledge
        RunFolder = $Folder
        Timeout = $module.Params.service_timeout
    }
    $privilege = New-Object -TypeName Ansible.Privilege.PrivilegeEnabler -ArgumentList $false, 'SeRestorePrivilege'
    try { @{ changed = $true; searched = $true } + (Clear-Drill @arguments) }
    finally { $privilege.Dispose() }
}

$options = Get-RunOption
$options.step.choices += 'look', 'reach', 'claim', 'decrypt'
$options.knowledge = Get-KnowledgeOption
$options.service_timeout = @{ type = 'int'; default = 120 }
$options.endpoints = @{
    type = 'list'; elements = 'dict'; default = @()
    options = @{ host = @{ type = 'str'; required = $true }; port = @{ type = 'int'; required = $true } }
}
$options.drill = @{ type = 'str'; default = '' }
$options.clean_old = @{ type = 'bool'; default = $false }
$module = New-TargetModule -Arguments $args -Options $options
$root = Get-StagingRoot -Path $module.Params.staging_root

Complete-TargetModule -Module $module -Body {
    switch ($module.Params.step) {
        'look' { return Get-Look }
        'decrypt' { return Test-Key }
        'reach' { return @{ changed = $false; reached = @(Get-Reached) } }
        'claim' { return Set-Claim }
    }
    Invoke-RunStep -Params $module.Params -Take { param($folder) Remove-Drill -Folder $folder }
}
