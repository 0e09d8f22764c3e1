#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Restores certificates, files, registry and HTTP.sys, with the service stopped where that is needed, and puts everything back when
# anything fails.

#AnsibleRequires -PowerShell ..module_utils._CertificateImport
#AnsibleRequires -PowerShell ..module_utils._DrillMark
#AnsibleRequires -PowerShell ..module_utils._EarlierRestore
#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._HealthCheck
#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -PowerShell ..module_utils._InterruptedStop
#AnsibleRequires -PowerShell ..module_utils._RestoreBundle
#AnsibleRequires -PowerShell ..module_utils._RestoreChange
#AnsibleRequires -PowerShell ..module_utils._RestoreProbe
#AnsibleRequires -PowerShell ..module_utils._Retry
#AnsibleRequires -PowerShell ..module_utils._Run
#AnsibleRequires -PowerShell ..module_utils._RunStep
#AnsibleRequires -PowerShell ..module_utils._SafetyCopy
#AnsibleRequires -PowerShell ..module_utils._Service
#AnsibleRequires -PowerShell ..module_utils._StagingFolder
#AnsibleRequires -PowerShell ..module_utils._TargetModule
#AnsibleRequires -CSharpUtil Ansible.Privilege

Set-StrictMode -Version 2.0

$EditorProcess = 'Lithnet.AccessManager.Server.UI'
$BundleName = 'bundle'
$SpaceForLists = 8MB
$ShownErrors = 5

# ---- before the change ----

Function Get-Editor {
    # The open configuration editors of all sessions: process id and user.
    foreach ($process in @(Get-Process -Name $EditorProcess -IncludeUserName -ErrorAction SilentlyContinue)) {
        $user = $process.PSObject.Properties['UserName']
        @{ id = $process.Id; user = if ($user -and $user.Value) { $user.Value } else { "a user in session $($process.SessionId)" } }
    }
}

Function Assert-NoEditor {
    # An open editor would write over what is restored.
    foreach ($editor in Get-Editor) {
        throw ("The configuration editor is open on $($env:COMPUTERNAME): $($editor.user), process $($editor.id). " +
            "Close it, or let it be closed with close_editor.")
    }
}

Function Close-Editor {
    foreach ($editor in Get-Editor) { Stop-Process -Id $editor.id -Force }
    foreach ($process in @(Get-Process -Name $EditorProcess -ErrorAction SilentlyContinue)) {
        [void](Wait-ProcessEnd -ProcessId $process.Id -Timeout $module.Params.service_timeout)
    }
}

Function Assert-Service {
    # The service can be stopped and brought back, and runs or not as it did when the restore was planned: also where it is only to
    # be started, since the rollback stops what was started. What is written or removed first does not keep it from starting; only
    # its first JSON file must be there.
    param([Object] $Plan)
    if (-not $Plan.changes_server -and -not $Plan.start) { return }
    $needed = "config/$($module.Params.knowledge.json_files[0])"
    $replaced = @($Plan.files |
        Where-Object -FilterScript { $_.action -in 'add', 'replace' -or ($_.action -eq 'remove' -and $_.name -ne $needed) } |
        ForEach-Object -Process { $_.name -replace '^config/', '' })
    $stop = @{ Timeout = $module.Params.service_timeout; Knowledge = $module.Params.knowledge; Force = $module.Params.force_stop }
    if ((Test-ServiceToStop @stop -Replaced $replaced) -ne $Plan.stop) {
        throw "The service is $((Get-ServiceController).Status), and was not when this restore was planned: run it again."
    }
}

Function Open-Bundle {
    # The bundle that came with the call, or before it into the folder of an upload.
    if (-not $module.Params.upload_id) { return [IO.MemoryStream]::new([Convert]::FromBase64String($module.Params.bundle)) }
    Open-WrittenFile -Path ([IO.Path]::Combine((Get-RunFolder -Root $root -RunId $module.Params.upload_id), $BundleName))
}

Function Initialize-Bundle {
    # Unpacks and checks all that the change needs, while nothing is touched yet.
    param([String] $Folder)
    $stream = Open-Bundle
    try { $bundle = Expand-Bundle -Stream $stream -Folder $Folder }
    finally { $stream.Dispose() }
    $bundle.secrets = @(Protect-StagedSecret -Bundle $bundle -Values $module.Params.secrets)
    $bundle.suffix = Get-BesideSuffix -RunId $module.Params.run_id
    $bundle.made = @()
    $bundle.undo = New-Object -TypeName Collections.ArrayList
    $bundle.site = Get-SiteReason -Knowledge $module.Params.knowledge
    $locked = @(Get-UnreadableSecret -Secrets $bundle.secrets)
    if ($locked) { throw "These secrets cannot be decrypted on this server any more: $($locked -join ', '). Run again." }
    foreach ($place in (Get-SafetyRoot), (Get-Installation).config_path) {
        Assert-FreeSpace -Path $place -Bytes ($bundle.plan.bytes + $SpaceForLists)
    }
    $imported = @(Get-ImportedSetting -Plan $bundle.plan)
    if ($imported) { throw "There is '$($imported[0])' since this migration was planned: version 2 has imported settings." }
    Assert-OwnerRight -Plan $bundle.plan
    Assert-Service -Plan $bundle.plan
    if ($module.Params.close_editor) { Close-Editor }
    Assert-NoEditor
    $bundle
}

# ---- the change, and its rollback ----

Function Invoke-Change {
    # Everything from the certificates to the last test of health. Done says how far it came.
    param(
        [Hashtable] $Bundle,
        [Hashtable] $Done,
        [Hashtable] $Safety
    )
    $timeout, $plan, $knowledge = $module.Params.service_timeout, $Bundle.plan, $module.Params.knowledge
    $Done.step = 'importing the certificates'
    try { Restore-Certificate -Wanted $module.Params.certificates -Knowledge $knowledge -Undo $Bundle.undo }
    finally { Add-DrillKey -Undo $Bundle.undo }
    $Done.step = 'writing the new files beside the old'
    Write-PlannedFile -Bundle $Bundle
    $watch = [Diagnostics.Stopwatch]::StartNew()
    if ($plan.stop) {
        $Done.step = 'stopping the service'
        $processId = Get-ServiceProcessId
        $Done.stopped = $true
        $Done.stop_ms = Stop-AccessManager -ProcessId $processId -Timeout $timeout
    }
    $Done.step = 'making sure that nobody has changed a file meanwhile'
    Assert-SafetyCopy -Copy $Safety
    $database = @($plan.files | Where-Object -FilterScript { $_.is_database })
    if ($database) {
        $Done.step = 'keeping the database'
        [void](Wait-DatabaseUnlock -Folder $plan.database -Timeout $timeout)
        Add-SafetyItem -Copy $Safety -Records $database
    }
    $Done.touched = $true
    $Done.step = 'changing the files'
    $Done.warnings += @(Set-PlannedFile -Bundle $Bundle)
    $Done.step = 'changing HTTP.sys'
    Set-PlannedHttp -Plan $plan
    $Done.step = 'changing the registry'
    Set-PlannedRegistry -Plan $plan
    if ($plan.start) {
        $Done.step = 'starting the service'
        $Done.service_started = $true
        $Done.start_ms = Start-AccessManager -Timeout $timeout
    }
    if ($plan.stop) { $Done.downtime_ms = [Int64]$watch.ElapsedMilliseconds }
    $Done.step = 'testing the health'
    $limits = @{ Seconds = $module.Params.health_seconds; Timeout = $timeout; Since = [DateTime]::UtcNow - $watch.Elapsed }
    Test-Health -Bundle $Bundle -Done $Done -Knowledge $knowledge -Before $Bundle.site @limits
}

Function Invoke-Step {
    # Runs the body; returns why it failed, and nothing when it did not.
    param([ScriptBlock] $Body)
    try { [void](& $Body) }
    catch { $_.Exception.GetBaseException().Message }
}

Function Start-StoppedService {
    # Starts the service that this restore stopped. When it does not start, a mark has the next run start it.
    param([Int32] $Timeout)
    try { [void](Start-AccessManager -Timeout $Timeout) }
    catch {
        $reason = $_.Exception.GetBaseException().Message
        $folder = Get-RunFolder -Root $root -RunId $module.Params.run_id
        Set-StopMark -Folder $folder -Controller $module.Params.controller
        throw "$reason The next run starts the service."
    }
}

Function Undo-Change {
    # Puts everything back as the safety copy has it, and the service into its state. What version 2 renamed when it imported is of
    # this run, as there was none before it. Returns what could not be put back.
    param(
        [Hashtable] $Bundle,
        [Hashtable] $Done,
        [Hashtable] $Safety
    )
    $timeout, $plan = $module.Params.service_timeout, $Bundle.plan
    if ($Done.service_started) {
        Invoke-Step -Body {
            if ((Get-ServiceController).Status -ne 'Stopped') {
                Stop-AccessManager -ProcessId (Get-ServiceProcessId) -Timeout $timeout
            }
        }
    }
    if ($Done.touched -and @($plan.files | Where-Object -FilterScript { $_.is_database })) {
        Invoke-Step -Body { Wait-DatabaseUnlock -Folder $plan.database -Timeout (3 * $timeout) }
    }
    Invoke-Step -Body { Get-ImportedSetting -Plan $plan | ForEach-Object -Process { Remove-AnyItem -Path $_ -Kind 'file' } }
    Restore-SafetyCopy -Copy $Safety -Plan $plan -NewFolders $Bundle.made -Suffix $Bundle.suffix -Touched $Done.touched
    if ($Done.stopped) { Invoke-Step -Body { Start-StoppedService -Timeout $timeout } }
    Undo-RestoredCertificate -Undo $Bundle.undo -Knowledge $module.Params.knowledge
}

Function Complete-Failure {
    # Rolls back, and reports what failed, and what the rollback did.
    param(
        [Hashtable] $Bundle,
        [Hashtable] $Done,
        [Hashtable] $Safety,
        [String] $Reason
    )
    $left = @(Undo-Change -Bundle $Bundle -Done $Done -Safety $Safety)
    $Done.warnings += @(Restore-FolderTime -Copy $Safety)
    $Done.state = if ($left) { 'half_rolled_back' } else { 'rolled_back' }
    $Done.rollback_errors = $left
    $end = if ($left) {
        "Not everything could be put back: $(@($left | Select-Object -First $ShownErrors) -join ' ') Look at the server now."
    }
    else {
        'Everything was put back as it was.'
    }
    if ($Bundle.plan.imported -and $Done.service_started) {
        $end += ' What version 2 wrote into its database stays: give it an empty database before you run this again.'
    }
    $Done.msg = "The restore failed while $($Done.step): $Reason $end The safety copy is in '$($Safety.folder)'."
}

Function Complete-SafetyCopy {
    # Keeps how the restore ended, and tidies what earlier ones kept. Returns what failed of that: the restore has ended as it has.
    param(
        [Hashtable] $Done,
        [String] $Folder
    )
    Invoke-Step -Body { Save-SafetyResult -Folder $Folder -Answer $Done }
    if ($Done.state -eq 'restored') {
        Invoke-Step -Body { Remove-Leftover -RunIds $module.Params.reported }
        Invoke-Step -Body { Set-SafetyReported -RunIds $module.Params.reported }
    }
    Invoke-Step -Body { Remove-OldSafetyCopy -Count $module.Params.keep_safety_copies -Own $Folder }
}

Function Invoke-Restore {
    # What a run does, with the bundle of an upload.
    param([String] $Folder)
    $bundle = Initialize-Bundle -Folder $Folder
    $about = @{
        controller = $module.Params.controller
        backup = $bundle.plan.backup
        service = (Get-ServiceController).Status.ToString()
    }
    $safety = New-SafetyCopy -RunId $module.Params.run_id -Plan $bundle.plan -About $about
    $done = @{
        changed = $true
        state = 'restored'
        step = ''
        checks = @()
        touched = $false
        stopped = $false
        service_started = $false
        stop_ms = [Int64]0
        start_ms = [Int64]0
        downtime_ms = [Int64]0
        safety_copy = $safety.folder
        failed_check = ''
        rollback_errors = @()
        service_events = @{ events = @(); error = '' }
        warnings = @()
        msg = ''
    }
    try { Invoke-Change -Bundle $bundle -Done $done -Safety $safety }
    catch { Complete-Failure -Bundle $bundle -Done $done -Safety $safety -Reason $_.Exception.GetBaseException().Message }
    $done.warnings += @(Complete-SafetyCopy -Done $done -Folder $safety.folder)
    $done.warnings += @(Invoke-Step -Body { Start-InterruptedService -Root $root -Timeout $module.Params.service_timeout })
    $done
}

Function New-Upload {
    # The folder into which the controller puts a bundle of that many bytes.
    if (-not $module.Params.close_editor) { Assert-NoEditor }
    Assert-FreeSpace -Path $root -Bytes ([Int64]$module.Params.bytes + $SpaceForLists)
    $folder = Get-RunFolder -Root $root -RunId $module.Params.run_id
    New-RunFolder -Root $root -Folder $folder
    @{ path = [IO.Path]::Combine($folder, $BundleName) }
}

Function Set-ReportedRun {
    # These runs need not be reported again. Their results stay for a day: a controller that is not gone may still ask for its own.
    Set-SafetyReported -RunIds $module.Params.reported
    foreach ($reported in $module.Params.reported) { Clear-EndedRun -Root $root -RunId $reported }
    @{ changed = $true }
}

# ---- options ----

$secret = @{ type = 'str'; default = ''; no_log = $true }
$options = Get-RunOption
$options.step.choices += 'describe', 'acknowledge', 'prepare'
$options.knowledge = Get-KnowledgeOption
$options.include_database = @{ type = 'bool'; default = $false }
$options.nonce = $secret
$options.probes = @{
    type = 'list'; elements = 'dict'; default = @()
    options = @{
        file = @{ type = 'str'; required = $true }
        path = @{ type = 'str'; required = $true }
        data = $secret
        salt = $secret
        data_written = $secret
        salt_written = $secret
    }
}
$options.domain_secrets = @{
    type = 'list'; elements = 'dict'; default = @()
    options = @{ path = @{ type = 'str'; required = $true }; data = $secret }
}
$options.external = @{
    type = 'list'; elements = 'dict'; default = @()
    options = @{ name = @{ type = 'str'; required = $true }; path = @{ type = 'str'; required = $true } }
}
$options.reported = @{ type = 'list'; elements = 'str'; default = @() }
$options.bytes = @{ type = 'str'; default = '0' }
$options.upload_id = @{ type = 'str'; default = '' }
$options.bundle = $secret
$options.certificates = Get-CertificateOption
$options.secrets = @{
    type = 'list'; elements = 'dict'; default = @()
    options = @{ path = @{ type = 'str'; required = $true }; value = $secret }
}
$options.close_editor = @{ type = 'bool'; default = $false }
$options.force_stop = @{ type = 'bool'; default = $false }
$options.service_timeout = @{ type = 'int'; default = 120 }
$options.health_seconds = @{ type = 'int'; default = 10 }
$options.keep_safety_copies = @{ type = 'int'; default = 3 }
$module = New-TargetModule -Arguments $args -Options $options
$root = Get-StagingRoot -Path $module.Params.staging_root

Complete-TargetModule -Module $module -Body {
    switch ($module.Params.step) {
        'describe' { return Get-RestoreTarget -Params $module.Params }
        'acknowledge' { return Set-ReportedRun }
        'prepare' { return New-Upload }
        'remove' { Set-SafetyReported -RunIds $module.Params.reported }
    }
    $privilege = New-Object -TypeName Ansible.Privilege.PrivilegeEnabler -ArgumentList $false, 'SeRestorePrivilege'
    try {
        Invoke-RunStep -Params $module.Params -Take {
            param($folder)
            try { Invoke-Restore -Folder $folder }
            finally {
                if ($module.Params.upload_id) {
                    Invoke-CleanUp -Body { Remove-RunFolder -Root $root -RunId $module.Params.upload_id }
                }
            }
        }
    }
    finally { $privilege.Dispose() }
}
