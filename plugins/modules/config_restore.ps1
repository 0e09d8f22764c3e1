#!powershell

# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Restores files, registry and HTTP.sys from a bundle, with the service stopped in between, and puts everything back when anything fails.
# The bundle is gzip: one line of JSON, and then the bytes of each file that the plan adds or replaces, in its order.

#AnsibleRequires -PowerShell ..module_utils._AccessManager
#AnsibleRequires -PowerShell ..module_utils._Capture
#AnsibleRequires -PowerShell ..module_utils._CertificateManager
#AnsibleRequires -PowerShell ..module_utils._Change
#AnsibleRequires -PowerShell ..module_utils._Description
#AnsibleRequires -PowerShell ..module_utils._Safety
#AnsibleRequires -PowerShell ..module_utils._Secret
#AnsibleRequires -PowerShell ..module_utils._Service
#AnsibleRequires -PowerShell ..module_utils._Staging
#AnsibleRequires -CSharpUtil Ansible.Privilege

Set-StrictMode -Version 2.0

$EditorProcess = 'Lithnet.AccessManager.Server.UI'
$BundleName = 'bundle'
$SpaceForLists = 8MB
$HttpSeconds = 30
$ShownErrors = 5

# ---- describing ----

Function Get-ExternalRecord {
    # The records of files elsewhere that a backup holds and that the description has not.
    param([Object[]] $Known)
    foreach ($file in $module.Params.external) {
        if (@($Known | Where-Object -FilterScript { $_.name -eq $file.name })) { continue }
        $item = Get-PathItem -Path $file.path -Kind 'file'
        if ($item.Exists) { Add-DigestOrReason -Record (Get-ItemRecord -Item $item -Name $file.name -Path $file.path) }
    }
}

Function Get-ProbeResult {
    # Of each secret of a backup: whether it opens here, and the mark of the server's own secret in its place.
    param([Object[]] $Own)
    foreach ($probe in $module.Params.probes) {
        $mine = @($Own | Where-Object -FilterScript { $_.path -eq $probe.path })
        $mark = ''
        if ($mine) {
            try { $mark = Get-SecretMark -Value (Open-Secret -Secret $mine[0]) -Nonce $module.Params.nonce }
            catch { $mark = '' }
        }
        @{ path = $probe.path; file = $probe.file; opens = Test-Secret -Secret @{ mode = 1; data = $probe.data; salt = $probe.salt }; mark = $mark }
    }
}

Function Get-MaskedDigest {
    # The SHA-256 of a JSON file of the configuration as it would be with the backup's data and salts in place of its own.
    param(
        [String] $Path,
        [Object[]] $Own,
        [String] $Name
    )
    if (-not [IO.File]::Exists((Get-LongPath -Path $Path))) { return '' }
    $latin = [Text.Encoding]::GetEncoding(28591)
    $text = $latin.GetString([IO.File]::ReadAllBytes((Get-LongPath -Path $Path)))
    foreach ($probe in @($module.Params.probes | Where-Object -FilterScript { $_.file -eq $Name })) {
        foreach ($mine in @($Own | Where-Object -FilterScript { $_.path -eq $probe.path })) {
            $text = $text.Replace("`"$($mine.data)`"", "`"$($probe.data)`"")
            if ($mine.salt) { $text = $text.Replace("`"$($mine.salt)`"", "`"$($probe.salt)`"") }
        }
    }
    $stream = New-Object -TypeName IO.MemoryStream -ArgumentList @(, $latin.GetBytes($text))
    try { Get-StreamDigest -Stream $stream }
    finally { $stream.Dispose() }
}

Function Get-Situation {
    # The server as installation_info tells it, and what a restore has to know beside that.
    $answer = Get-Description -Knowledge $module.Params.knowledge -IncludeDatabase $module.Params.include_database -StagingRoot $module.Params.staging_root
    $answer.earlier = @(Get-UnreportedRestore -StagingRoot $module.Params.staging_root)
    if ($module.Params.acknowledge) { Set-SafetyReported -RunId '' }
    if (-not $answer.installation.exists) { return $answer }
    $answer.records = @($answer.records) + @(Get-ExternalRecord -Known $answer.records)
    $own = @()
    if ($answer.installation.config_exists) {
        $documents = @(Read-Configuration -ConfigPath $answer.installation.config_path -Names $module.Params.knowledge.json_files)
        $own = @(Get-ProtectedSecret -Documents $documents -Paths $module.Params.knowledge.secrets)
    }
    $answer.probes = @(Get-ProbeResult -Own $own)
    $answer.masked = @{}
    foreach ($name in @($module.Params.probes | ForEach-Object -Process { $_.file } | Sort-Object -Unique)) {
        $answer.masked[$name] = Get-MaskedDigest -Path ([IO.Path]::Combine($answer.installation.config_path, $name)) -Own $own -Name $name
    }
    $answer
}

# ---- before the stop ----

Function Read-Line {
    param([IO.Stream] $Stream)
    $line = New-Object -TypeName IO.MemoryStream
    while (($byte = $Stream.ReadByte()) -ge 0 -and $byte -ne 10) { $line.WriteByte($byte) }
    [Text.Encoding]::UTF8.GetString($line.ToArray())
}

Function Copy-Part {
    # Writes the next bytes of a stream into a file; returns their SHA-256.
    param(
        [IO.Stream] $Stream,
        [Int64] $Size,
        [String] $Path
    )
    $sha = New-Sha256
    $writer = New-Object -TypeName IO.FileStream -ArgumentList $Path, ([IO.FileMode]::Create), ([IO.FileAccess]::Write)
    try {
        $hashed = New-Object -TypeName Security.Cryptography.CryptoStream -ArgumentList $writer, $sha, ([Security.Cryptography.CryptoStreamMode]::Write)
        $buffer = New-Object -TypeName Byte[] -ArgumentList 65536
        $left = $Size
        while ($left -gt 0) {
            $count = $Stream.Read($buffer, 0, [Math]::Min($left, $buffer.Length))
            if ($count -le 0) { throw 'The bundle ends too early: it did not arrive whole.' }
            $hashed.Write($buffer, 0, $count)
            $left -= $count
        }
        $hashed.FlushFinalBlock()
        ConvertTo-Hex -Bytes $sha.Hash
    }
    finally { $writer.Dispose(); $sha.Dispose() }
}

Function Expand-Bundle {
    # Unpacks the bundle into the run's folder and checks each file. Returns its first line, parsed, and where each file is staged, by name.
    param(
        [String] $Path,
        [String] $Folder
    )
    $staged = @{}
    $file = Open-SharedFile -Path $Path
    $clear = New-Object -TypeName IO.BufferedStream -ArgumentList (New-Object -TypeName IO.Compression.GZipStream -ArgumentList $file, ([IO.Compression.CompressionMode]::Decompress))
    try {
        $task = ConvertFrom-Json -InputObject (Read-Line -Stream $clear)
        foreach ($record in $task.plan.files) {
            if ($record.kind -ne 'file' -or $record.action -notin 'add', 'replace') { continue }
            $place = [IO.Path]::Combine($Folder, "file$($staged.Count)")
            if ((Copy-Part -Stream $clear -Size $record.size -Path $place) -cne $record.sha256) { throw "'$($record.name)' arrived with another SHA-256 than it has in the backup." }
            $staged[$record.name] = $place
        }
        @{ task = $task; plan = $task.plan; staged = $staged }
    }
    finally { $clear.Dispose(); $file.Dispose() }
}

Function Set-StagedText {
    # Replaces places of a staged file, each given by start, end and text, and nothing else in it.
    param(
        [String] $Path,
        [Object[]] $Edits
    )
    $bytes = [IO.File]::ReadAllBytes($Path)
    $output = New-Object -TypeName IO.MemoryStream
    $at = 0
    foreach ($edit in @($Edits | Sort-Object -Property { $_.start })) {
        $output.Write($bytes, $at, $edit.start - $at)
        $text = [Text.Encoding]::UTF8.GetBytes("`"$($edit.text)`"")
        $output.Write($text, 0, $text.Length)
        $at = $edit.end
    }
    $output.Write($bytes, $at, $bytes.Length - $at)
    [IO.File]::WriteAllBytes($Path, $output.ToArray())
}

Function Protect-StagedSecret {
    # Protects the secrets anew that this server cannot open, in the staged files. Returns the secrets that must open, as they are now.
    param([Hashtable] $Bundle)
    $edits = @{}
    foreach ($secret in $Bundle.task.secrets) {
        if ($secret.action -eq 'keep') { @{ path = $secret.path; mode = 1; data = $secret.data; salt = $secret.salt } }
        if ($secret.action -ne 'protect') { continue }
        $value = @($module.Params.secrets | Where-Object -FilterScript { $_.path -ceq $secret.path })[0].value
        $new = Protect-Secret -Value $value
        $name = "config/$($secret.file)"
        if (-not $edits.ContainsKey($name)) { $edits[$name] = @() }
        $edits[$name] += @{ start = $secret.data_place[0]; end = $secret.data_place[1]; text = $new.data }
        $edits[$name] += @{ start = $secret.salt_place[0]; end = $secret.salt_place[1]; text = $new.salt }
        @{ path = $secret.path } + $new
    }
    foreach ($name in $edits.Keys) { Set-StagedText -Path $Bundle.staged[$name] -Edits $edits[$name] }
}

Function Get-LockedSecret {
    # The paths of those secrets that this server does not open.
    param([Object[]] $Secrets)
    foreach ($secret in $Secrets) { if (-not (Test-Secret -Secret $secret)) { $secret.path } }
}

Function Get-Editor {
    # The open configuration editors of all sessions: process id and user.
    foreach ($process in @(Get-Process -Name $EditorProcess -IncludeUserName -ErrorAction SilentlyContinue)) {
        $user = $process.PSObject.Properties['UserName']
        @{ id = $process.Id; user = if ($user -and $user.Value) { $user.Value } else { "somebody in session $($process.SessionId)" } }
    }
}

Function Close-Editor {
    # Closes the configuration editor when that is wanted, and refuses to go on when it is open otherwise: it writes over what is restored.
    foreach ($editor in Get-Editor) {
        if (-not $module.Params.close_editor) { throw "The configuration editor is open on $($env:COMPUTERNAME): $($editor.user), process $($editor.id). Close it, or let it be closed with close_editor." }
        Stop-Process -Id $editor.id -Force
    }
}

Function Assert-Reference {
    # Every file that the configuration names is there, or comes with this restore.
    param([Object] $Plan)
    $coming = @($Plan.files | Where-Object -FilterScript { $_.action -eq 'add' } | ForEach-Object -Process { $_.path })
    $leaving = @($Plan.files | Where-Object -FilterScript { $_.action -eq 'remove' } | ForEach-Object -Process { $_.path })
    foreach ($path in $Plan.required) {
        if (($path -in $leaving) -or ($path -notin $coming -and -not [IO.File]::Exists((Get-LongPath -Path $path)))) { throw "The configuration names '$path', which would not be there after this restore: restore the external files too, or bring it back." }
    }
}

Function Assert-Space {
    # Room for the safety copy, the staged files, and the new ones beside the old.
    param([Hashtable] $Bundle)
    $new = [Int64]($Bundle.plan.files | ForEach-Object -Process { [Int64]$_.size } | Measure-Object -Sum).Sum
    $old = [Int64]0
    foreach ($record in $Bundle.plan.files) {
        $item = Get-PathItem -Path $record.path -Kind $record.kind
        if ($item.Exists -and $item -is [IO.FileInfo]) { $old += $item.Length }
    }
    Assert-FreeSpace -Path (Get-SafetyRoot) -Bytes ($old + $new + $SpaceForLists)
    Assert-FreeSpace -Path $installation.config_path -Bytes ($old + $new + $SpaceForLists)
}

# ---- the change itself ----

Function Add-Beside {
    # Makes the new folders, and writes the new files beside their places: all that needs no stop. Folders made on the way go into made.
    param([Hashtable] $Bundle)
    foreach ($record in $Bundle.plan.files) {
        if ($record.action -notin 'add', 'replace') { continue }
        foreach ($path in @(New-ParentFolder -Path $record.path)) { $Bundle.made += $path }
        if ($record.kind -eq 'folder') { (Get-PathItem -Path $record.path -Kind 'folder').Create() }
        else { Copy-Beside -Source $Bundle.staged[$record.name] -Beside ($record.path + $Bundle.suffix) -Record $record }
    }
}

Function Set-AllFile {
    param([Hashtable] $Bundle)
    foreach ($record in $Bundle.plan.files) {
        if ($record.kind -eq 'file' -and $record.action -in 'add', 'replace') { Move-Beside -Beside ($record.path + $Bundle.suffix) -Path $record.path }
        elseif ($record.action -eq 'set' -and $record.kind -eq 'file') { Set-ItemState -Item (Get-PathItem -Path $record.path -Kind 'file') -Record $record }
        elseif ($record.action -eq 'remove') { Remove-AnyItem -Path $record.path -Kind $record.kind }
    }
    foreach ($record in $Bundle.plan.files) {
        if ($record.kind -eq 'folder' -and $record.action -in 'add', 'set') { Set-ItemState -Item (Get-PathItem -Path $record.path -Kind 'folder') -Record $record }
    }
}

Function Set-HttpSystem {
    param([Object] $Plan)
    foreach ($kind in 'bindings', 'reservations') {
        foreach ($record in $Plan.http_sys.remove.$kind) { Set-HttpRecord -Verb 'delete' -Kind $kind -Record $record }
        foreach ($record in $Plan.http_sys.add.$kind) { Set-HttpRecord -Verb 'add' -Kind $kind -Record $record }
    }
}

Function Set-Registry {
    # The values come in the plan's order, in which Configured is the last.
    param([Object] $Plan)
    foreach ($value in $Plan.registry.remove) { Remove-RegistryRecord -Record $value }
    foreach ($value in $Plan.registry.set) { Set-RegistryRecord -Record $value }
}

# ---- health ----

Function Get-WebAddress {
    # Where the web site must answer by apphost.json: an address of this host, and the name that it expects.
    param([Object[]] $Documents)
    $setting = { param($name, $default) foreach ($document in $Documents) { foreach ($found in Find-JsonValue -Node $document.document -Steps 'Hosting', 'HttpSys', $name) { if ($found.value) { $default = $found.value } } }; $default }
    $path = ([String](& $setting 'Path' '')).Trim('/')
    @{ url = "http://127.0.0.1:$(& $setting 'HttpPort' 80)/$path"; name = [String](& $setting 'Hostname' '') }
}

Function Test-Web {
    # Why the web site does not answer; empty when it does, whatever it says.
    param([Hashtable] $Address)
    $request = [Net.WebRequest]::Create($Address.url)
    $request.AllowAutoRedirect = $false
    $request.Timeout = 5000
    if ($Address.name -and $Address.name -notin '+', '*') { $request.Host = $Address.name }
    try { $request.GetResponse().Dispose(); '' }
    catch [Net.WebException] {
        if ($_.Exception.Response) { $_.Exception.Response.Dispose(); return '' }
        "$($Address.url) does not answer: $($_.Exception.Message)"
    }
}

Function Wait-Web {
    # The last reason of Test-Web within some seconds; empty once it answers.
    param([Hashtable] $Address)
    $end = [DateTime]::UtcNow.AddSeconds($HttpSeconds)
    while ($true) {
        $reason = Test-Web -Address $Address
        if (-not $reason -or [DateTime]::UtcNow -ge $end) { return $reason }
        Start-Sleep -Milliseconds 200
    }
}

Function Add-Check {
    # Makes one test of health: the body returns why it is not passed, or an empty text.
    param(
        [Hashtable] $Done,
        [String] $Name,
        [ScriptBlock] $Body
    )
    try { $reason = [String](& $Body) }
    catch { $reason = $_.Exception.GetBaseException().Message }
    $Done.checks += @{ name = $Name; passed = -not $reason; reason = $reason }
    if ($reason) { throw "The check '$Name' failed: $reason" }
}

Function Test-Health {
    # Every test of health. The first that is not passed ends it.
    param(
        [Hashtable] $Bundle,
        [Hashtable] $Done
    )
    $plan = $Bundle.plan
    $ran = [DateTime]::UtcNow
    $documents = @(Read-Configuration -ConfigPath $installation.config_path -Names $module.Params.knowledge.json_files)
    $configured = (Get-Installation).configured
    if ($plan.start) { Add-Check -Done $Done -Name 'running' -Body { if ((Get-ServiceController).Status -ne 'Running') { "the service is $((Get-ServiceController).Status)" } } }
    Add-Check -Done $Done -Name 'configured' -Body { if ($Bundle.task.configured -and -not $configured) { 'Configured in the registry is not 1: the service would serve nothing' } }
    if ($plan.start -and $configured) { Add-Check -Done $Done -Name 'http' -Body { Wait-Web -Address (Get-WebAddress -Documents $documents) } }
    Add-Check -Done $Done -Name 'secrets' -Body { @(Get-LockedSecret -Secrets $Bundle.secrets) -join ', ' }
    Add-Check -Done $Done -Name 'certificates' -Body {
        $found = @(Get-AccessManagerCertificate -Usages $module.Params.knowledge.usages)
        @(foreach ($thumbprint in $plan.usable_certificates) { $reason = Test-UsableCertificate -Found $found -Thumbprint $thumbprint; if ($reason) { "$($thumbprint): $reason" } }) -join '; '
    }
    if ($plan.start) {
        Add-Check -Done $Done -Name 'stays_running' -Body {
            while ([DateTime]::UtcNow -lt $ran.AddSeconds($module.Params.health_seconds)) {
                if ((Get-ServiceController).Status -ne 'Running') { break }
                Start-Sleep -Milliseconds 200
            }
            $status = (Get-ServiceController).Status
            if ($status -ne 'Running') { "the service was Running, and is $status within $($module.Params.health_seconds) s" }
        }
    }
}

# ---- all of it ----

Function Invoke-Change {
    # Everything from the stop to the last check. Done tells how far it came.
    param(
        [Hashtable] $Bundle,
        [Hashtable] $Done
    )
    $timeout = $module.Params.service_timeout
    $Done.step = 'writing the new files beside the old'
    Add-Beside -Bundle $Bundle
    $watch = [Diagnostics.Stopwatch]::StartNew()
    if ($Bundle.plan.stop) {
        $Done.step = 'stopping the service'
        $processId = Get-ServiceProcessId
        $Done.stopped = $true
        $Done.stop_ms = Stop-AccessManager -ProcessId $processId -Timeout $timeout
        if ($Bundle.task.touches_database) { [void](Wait-DatabaseUnlock -Folder ([IO.Path]::Combine($installation.config_path, 'db')) -Timeout $timeout) }
    }
    $Done.step = 'changing the files'
    $Done.touched = $true
    Set-AllFile -Bundle $Bundle
    $Done.step = 'changing HTTP.sys'
    Set-HttpSystem -Plan $Bundle.plan
    $Done.step = 'changing the registry'
    Set-Registry -Plan $Bundle.plan
    if ($Bundle.plan.start) {
        $Done.step = 'starting the service'
        $Done.started = $true
        $Done.start_ms = Start-AccessManager -Timeout $timeout
    }
    if ($Bundle.plan.stop) { $Done.downtime_ms = [Int64]$watch.ElapsedMilliseconds }
    $Done.step = 'testing the health'
    Test-Health -Bundle $Bundle -Done $Done
}

Function Undo-Change {
    # Puts everything back as the safety copy has it, and the service into its state. Returns what could not be put back.
    param(
        [Hashtable] $Bundle,
        [Hashtable] $Done,
        [Hashtable] $Safety
    )
    $timeout = $module.Params.service_timeout
    try {
        if ($Done.started -and (Get-ServiceController).Status -ne 'Stopped') { [void](Stop-AccessManager -ProcessId (Get-ServiceProcessId) -Timeout $timeout) }
        if ($Done.touched -and $Bundle.task.touches_database) { [void](Wait-DatabaseUnlock -Folder ([IO.Path]::Combine($installation.config_path, 'db')) -Timeout (3 * $timeout)) }
    }
    catch { $_.Exception.GetBaseException().Message }
    Restore-SafetyCopy -Copy $Safety -Plan $Bundle.plan -NewFolders $Bundle.made -Suffix $Bundle.suffix -Touched $Done.touched
    if ($Done.stopped) {
        try { [void](Start-AccessManager -Timeout $timeout) }
        catch { $_.Exception.GetBaseException().Message }
    }
}

Function Complete-Failure {
    # Rolls back, and tells what failed, and what the rollback did.
    param(
        [Hashtable] $Bundle,
        [Hashtable] $Done,
        [Hashtable] $Safety,
        [String] $Reason
    )
    $left = @(Undo-Change -Bundle $Bundle -Done $Done -Safety $Safety)
    $failed = @($Done.checks | Where-Object -FilterScript { -not $_.passed } | ForEach-Object -Process { $_.name })
    $Done.state = if ($left) { 'half_rolled_back' } else { 'rolled_back' }
    $Done.failed_check = if ($failed) { $failed[0] } else { '' }
    $Done.rollback_errors = $left
    $end = if ($left) { "Not everything could be put back: $(@($left | Select-Object -First $ShownErrors) -join ' ') Look at the server now." } else { 'Everything was put back as it was.' }
    $Done.msg = "The restore failed while $($Done.step): $Reason $end The safety copy is in '$($Safety.folder)'."
    $Done
}

Function Invoke-Restore {
    # What a run does, with the bundle of an upload.
    param([String] $Folder)
    $upload = Get-RunFolder -Root $root -RunId $module.Params.upload_id
    $bundle = Expand-Bundle -Path ([IO.Path]::Combine($upload, $BundleName)) -Folder $Folder
    $bundle.secrets = @(Protect-StagedSecret -Bundle $bundle)
    $bundle.suffix = ".$($module.Params.run_id).new"
    $bundle.made = @()
    $locked = @(Get-LockedSecret -Secrets $bundle.secrets)
    if ($locked) { throw "These secrets cannot be opened on this server any more: $($locked -join ', '). Run again." }
    Assert-Reference -Plan $bundle.plan
    Assert-Space -Bundle $bundle
    Close-Editor
    $safety = New-SafetyCopy -RunId $module.Params.run_id -Plan $bundle.plan -About @{ controller = $module.Params.controller; backup = $bundle.task.backup }
    $done = @{ changed = $true; state = 'restored'; step = ''; checks = @(); touched = $false; stopped = $false; started = $false; stop_ms = [Int64]0; start_ms = [Int64]0; downtime_ms = [Int64]0; safety_copy = $safety.folder; failed_check = ''; rollback_errors = @(); msg = '' }
    try { Invoke-Change -Bundle $bundle -Done $done }
    catch { $done = Complete-Failure -Bundle $bundle -Done $done -Safety $safety -Reason $_.Exception.GetBaseException().Message }
    Save-SafetyResult -Folder $safety.folder -Answer $done
    Remove-OldSafetyCopy -Count $module.Params.keep_safety_copies -Own $safety.folder
    $done
}

Function New-Upload {
    # The folder into which the controller puts a bundle of that many bytes.
    Close-Editor
    Assert-FreeSpace -Path $root -Bytes ($module.Params.bytes + $SpaceForLists)
    $folder = Get-RunFolder -Root $root -RunId $module.Params.run_id
    New-RunFolder -Root $root -Folder $folder
    @{ path = [IO.Path]::Combine($folder, $BundleName) }
}

$secretOption = @{ type = 'str'; default = ''; no_log = $true }
$options = Get-RunOption
$options.step.choices = 'describe', 'prepare', 'take', 'collect', 'remove'
$options.knowledge = Get-KnowledgeOption
$options.include_database = @{ type = 'bool'; default = $false }
$options.acknowledge = @{ type = 'bool'; default = $false }
$options.nonce = $secretOption
$options.probes = @{
    type = 'list'; elements = 'dict'; default = @()
    options = @{ file = @{ type = 'str'; required = $true }; path = @{ type = 'str'; required = $true }; data = $secretOption; salt = $secretOption }
}
$options.external = @{
    type = 'list'; elements = 'dict'; default = @()
    options = @{ name = @{ type = 'str'; required = $true }; path = @{ type = 'str'; required = $true } }
}
$options.bytes = @{ type = 'int'; default = 0 }
$options.upload_id = @{ type = 'str'; default = '' }
$options.secrets = @{
    type = 'list'; elements = 'dict'; default = @()
    options = @{ path = @{ type = 'str'; required = $true }; value = $secretOption }
}
$options.close_editor = @{ type = 'bool'; default = $false }
$options.service_timeout = @{ type = 'int'; default = 120 }
$options.health_seconds = @{ type = 'int'; default = 10 }
$options.keep_safety_copies = @{ type = 'int'; default = 3 }
$module = New-TargetModule -Arguments $args -Options $options
$root = Get-StagingRoot -Path $module.Params.staging_root

Complete-TargetModule -Module $module -Body {
    switch ($module.Params.step) {
        'describe' { return Get-Situation }
        'prepare' { return New-Upload }
        'remove' { Set-SafetyReported -RunId $module.Params.run_id }
        'take' { $installation = Get-Installation }
    }
    $privilege = New-Object -TypeName Ansible.Privilege.PrivilegeEnabler -ArgumentList $false, 'SeRestorePrivilege'
    try {
        Invoke-RunStep -Params $module.Params -Take {
            param($folder)
            try { Invoke-Restore -Folder $folder }
            finally { [void](Remove-RunFolder -Root $root -RunId $module.Params.upload_id) }
        }
    }
    finally { $privilege.Dispose() }
}
