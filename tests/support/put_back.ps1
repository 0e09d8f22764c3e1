# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What a restore and its rollback do between their beginning and their end, which no result shows. Its task is a certificate to
# import, as JSON on stdin; it answers as JSON.

Set-StrictMode -Version 2.0
$modules = 'C:\windows\temp\test-modules'
foreach ($name in '_Account', '_CertificateStore', '_ItemSecurity', '_FileSystem', '_HttpSys', '_Json', '_KernelObject') {
    Add-Type -Path "$modules\$name.cs"
}
$names = '_WellKnownSid', '_Retry', '_Registry', '_FileRecord', '_Configuration', '_Installation', '_HttpSys', '_StagingFolder',
    '_ScheduledTask', '_Run', '_Snapshot', '_Secret', '_RestoreBundle', '_RestoreChange', '_EarlierRestore', '_SafetyCopy',
    '_Certificate', '_HealthCheck', '_Envelope', '_CertificateImport'
foreach ($name in $names) { Import-Module -Name "$modules\$name.psm1" -DisableNameChecking }

$root = 'C:\windows\temp\test-put-back'
$folder, $inner, $other = "$root\private", "$root\private\inner.ps1", "$root\other.ps1"
$answer = @{}
$global:seen = @()

Function New-Record {
    param($Path, $Kind)
    [PSCustomObject]@{
        path = $Path; name = $Path; kind = $Kind; action = 'remove'; before = ''; is_database = $false; has_content = $false
    }
}

Function Get-Failure {
    param([ScriptBlock] $Body)
    try { & $Body; '' }
    catch { $_.Exception.GetBaseException().Message }
}

[void][IO.Directory]::CreateDirectory($folder)
Set-SecurityText -Item (Get-PathItem -Path $folder -Kind 'folder') -Sddl 'O:BAG:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'
foreach ($file in $inner, $other) { [IO.File]::WriteAllText($file, 'as it was') }
$nothing = [PSCustomObject]@{ bindings = @(); reservations = @() }
$plan = [PSCustomObject]@{
    files = (New-Record $inner 'file'), (New-Record $other 'file'), (New-Record $folder 'folder')
    registry = [PSCustomObject]@{
        set = @([PSCustomObject]@{ key = 'Test'; name = 'Value'; kind = 'String'; data = 'new' })
        remove = @()
    }
    http_sys = [PSCustomObject]@{ add = $nothing; remove = $nothing }
}
$safety = New-SafetyCopy -RunId 'test-put-back' -Plan $plan -About @{}
try {
    # A file that is saved between the safety copy and the stop.
    $answer.unchanged = Get-Failure { Assert-SafetyCopy -Copy $safety }
    [IO.File]::WriteAllText($other, 'saved since')
    $answer.changed = Get-Failure { Assert-SafetyCopy -Copy $safety }
    [IO.File]::WriteAllText($other, 'as it was')

    # Removed, and put back: what the folder's permissions are when a file comes back into it.
    Set-PlannedFile -Bundle @{ plan = $plan; suffix = '.new' }
    Set-PlannedRegistry -Plan $plan
    $answer.removed = -not [IO.Directory]::Exists($folder) -and (Test-RegistryKey -Key 'Test')
    & (Get-Module -Name _SafetyCopy) {
        Function Script:Copy-PlannedFile {
            param($Source, $Sha256, $Beside, $Record)
            if ($Beside -like '*inner*') {
                $parent = Get-PathItem -Path ([IO.Path]::GetDirectoryName($Beside)) -Kind 'folder'
                $global:seen += Get-SecurityText -Item $parent
            }
            _RestoreChange\Copy-PlannedFile -Source $Source -Sha256 $Sha256 -Beside $Beside -Record $Record
        }
    }
    $answer.errors = @(Restore-SafetyCopy -Copy $safety -Plan $plan -NewFolders @() -Suffix '.new' -Touched $true)
    $answer.folder = $global:seen
    $answer.content = [IO.File]::ReadAllText($inner)
    $answer.key_left = Test-RegistryKey -Key 'Test'
    $answer.list_left = @([IO.Directory]::GetFiles($safety.folder, '*.new')).Count
}
finally { [IO.Directory]::Delete($safety.folder, $true) }

# A new file: what its permissions and its time are before its own permissions are set.
& (Get-Module -Name _RestoreChange) {
    $Script:real = ${Function:Set-SecurityText}
    Function Script:Set-SecurityText {
        param($Item, $Sddl)
        $modified = ConvertTo-Timestamp -Time $Item.LastWriteTimeUtc
        $global:seen = @((Get-SecurityText -Item $Item), [IO.File]::ReadAllText($Item.FullName), $modified)
        & $Script:real -Item $Item -Sddl $Sddl
    }
}
$time = '2020-02-03T04:05:06.0000000Z'
$record = [PSCustomObject]@{ created = $time; modified = $time; attributes = 1; sddl = 'O:BAG:BAD:P(A;;FA;;;SY)(A;;FR;;;BA)' }
Copy-PlannedFile -Source $other -Sha256 (Get-FileDigest -Path $other) -Beside "$root\new.ps1" -Record $record
$answer.before_permissions = $global:seen
$new = Get-PathItem -Path "$root\new.ps1" -Kind 'file'
$answer.new = @((Get-SecurityText -Item $new), (ConvertTo-Timestamp -Time $new.CreationTimeUtc), [String]$new.IsReadOnly)

# A file that another program has open for two seconds.
$file = [IO.File]::Open($other, 'Open', 'Read', 'Read')
$holder = [PowerShell]::Create().AddScript('param($file) Start-Sleep -Seconds 2; $file.Dispose()').AddArgument($file)
$holding = $holder.BeginInvoke()
$answer.refused = Get-Failure { [IO.File]::Delete($other) }
$answer.deletion = Get-Failure { Remove-AnyItem -Path $other -Kind 'file' }
$answer.deleted = -not [IO.File]::Exists($other)
[void]$holder.EndInvoke($holding)

# A list that takes the place of another.
foreach ($text in 'first', 'second') { Write-WholeFile -Path "$root\list.json" -Text $text }
$answer.list = @([IO.File]::ReadAllText("$root\list.json"), [String][IO.File]::Exists("$root\list.json.new"))

# Owners that an account without SeRestorePrivilege cannot give: wanted, and to be put back when the restore fails.
Function Get-OwnerRefusal {
    param($Record, $Privileges)
    Get-Failure { Assert-OwnerRight -Plan @{ files = @($Record) } -Privileges $Privileges }
}
$foreign, $own = 'O:SYG:SYD:P(A;;FA;;;SY)', 'O:BAG:BAD:P(A;;FA;;;SY)'
$absent = @{ path = "$root\absent.ps1"; kind = 'file'; action = 'add' }
$answer.owners = @(
    (Get-OwnerRefusal -Record ($absent + @{ sddl = $foreign }) -Privileges 'SeDebugPrivilege'),
    (Get-OwnerRefusal -Record ($absent + @{ sddl = $own }) -Privileges 'SeDebugPrivilege'),
    (Get-OwnerRefusal -Record ($absent + @{ sddl = $foreign }) -Privileges 'SeRestorePrivilege'),
    (Get-Failure { Assert-OwnerRight -Plan @{ files = @($absent + @{ sddl = $foreign }) } })
)
Set-SecurityText -Item $new -Sddl $foreign
$answer.owners_of_old = @(foreach ($change in @('remove', ''), @('set', $own), @('set', $foreign)) {
        $record = @{ path = $new.FullName; kind = 'file'; action = $change[0]; sddl = $change[1] }
        Get-OwnerRefusal -Record $record -Privileges 'SeDebugPrivilege'
    })

# A mutex that another program has made for itself alone.
$security = New-Object -TypeName Security.AccessControl.MutexSecurity
$security.SetSecurityDescriptorSddlForm('D:P(A;;GA;;;SY)')
$made = $false
$theirs = [Threading.MutexAcl]::Create($false, 'Global\lithnet.access_manager.theirs', [ref]$made, $security)
$answer.mutex = @(
    (Get-Failure { & (Get-Module -Name _Run) { Open-RunMutex -Name 'Global\lithnet.access_manager.theirs' } }),
    (Get-Failure { & (Get-Module -Name _Run) { (Open-RunMutex -Name 'Global\lithnet.access_manager.ours').Dispose() } })
)
$theirs.Dispose()

# A web site that refuses every TLS handshake: in a first restore, where it did not serve before, and where it did.
$listener = New-Object -TypeName Net.Sockets.TcpListener -ArgumentList ([Net.IPAddress]::Loopback), 0
$listener.Start()
$closer = [PowerShell]::Create()
$close = 'param($listener) $ErrorActionPreference = "Stop"; while ($true) { $listener.AcceptTcpClient().Dispose() }'
[void]$closer.AddScript($close).AddArgument($listener)
[void]$closer.BeginInvoke()
$url = [Uri]"https://localhost:$($listener.LocalEndpoint.Port)/"
$answer.handshakes = @(foreach ($before in $null, @{}, @{ https = 'closed' }, @{ https = '' }) {
        $done = @{ checks = @(); warnings = @(); failed_check = '' }
        $check = { Add-SiteCheck -Done $args[0] -Url $args[1] -Before $args[2] -Timeout 1 }
        $failure = Get-Failure { & (Get-Module -Name _HealthCheck) $check $done $url $before }
        @{ failure = $failure; warnings = $done.warnings; passed = $done.checks[0].passed }
    })
$listener.Stop()

# A web site of which the service itself answers that it cannot serve (500), or HTTP.sys that nobody does (503): as the plan
# announced, and unannounced, where it served before the restore.
$answer.announced = @(foreach ($status in 500, 503) {
        $listener = New-Object -TypeName Net.Sockets.TcpListener -ArgumentList ([Net.IPAddress]::Loopback), 0
        $listener.Start()
        $refuse = @'
param($listener, $status)
$ErrorActionPreference = 'Stop'
while ($true) {
    $client = $listener.AcceptTcpClient()
    $bytes = [Text.Encoding]::ASCII.GetBytes("HTTP/1.1 $status No`r`nContent-Length: 0`r`n`r`n")
    [void]$client.GetStream().Read((New-Object -TypeName Byte[] -ArgumentList 4096), 0, 4096)
    $client.GetStream().Write($bytes, 0, $bytes.Length)
    $client.Dispose()
}
'@
        [void][PowerShell]::Create().AddScript($refuse).AddArgument($listener).AddArgument($status).BeginInvoke()
        $url = [Uri]"http://localhost:$($listener.LocalEndpoint.Port)/"
        foreach ($announced in @('Authentication.Oidc.Secret'), @()) {
            $done = @{ checks = @(); warnings = @(); failed_check = '' }
            $check = { Add-SiteCheck -Done $args[0] -Url $args[1] -Before @{ http = '' } -Timeout 1 -Announced $args[2] }
            $failure = Get-Failure { & (Get-Module -Name _HealthCheck) $check $done $url $announced }
            @{ failure = $failure; warnings = $done.warnings; passed = $done.checks[0].passed }
        }
        $listener.Stop()
    })

# A node of a failover cluster without its management tools, which does not say who owns the resource.
$cluster = [Microsoft.Win32.Registry]::LocalMachine.CreateSubKey('Cluster\Resources\1')
$cluster.SetValue('Name', 'AMS')
$parameters = $cluster.CreateSubKey('Parameters')
$parameters.SetValue('ServiceName', 'lithnetams')
$answer.cluster = Get-ClusterRole
$parameters.Dispose()
$cluster.Dispose()
[Microsoft.Win32.Registry]::LocalMachine.DeleteSubKeyTree('Cluster')

# A certificate, where it is not, and where it is without its key: restored, and taken back twice.
Function Get-KeyState {
    # Whether each certificate of that thumbprint in the service's store has a key.
    $found = $store::Read('lithnetams\MY') | Where-Object -FilterScript { $_.Thumbprint -eq $wanted.thumbprint }
    @($found | ForEach-Object -Process { $_.HasPrivateKey })
}
$store = [ansible_collections.lithnet.access_manager.plugins.module_utils._CertificateStore.ServiceStore]
$wanted = @{ action = 'import' }
$knowledge = @{
    usages = @()
    thumbprints = @()
    service_store = 'lithnetams\MY'
    service_sid = 'S-1-5-80-125788923-1836679867-2653951330-153436886-93372159'
}
([Console]::In.ReadToEnd() | ConvertFrom-Json).PSObject.Properties | ForEach-Object -Process { $wanted[$_.Name] = $_.Value }
$bare = [Security.Cryptography.X509Certificates.X509Certificate2]::new([Convert]::FromBase64String($wanted.certificate))
$answer.certificates = @(foreach ($there in $false, $true) {
        if ($there) { $store::Add('lithnetams\MY', $bare) }
        $undo = New-Object -TypeName Collections.ArrayList
        $failure = Get-Failure { Restore-Certificate -Wanted $wanted -Knowledge $knowledge -Undo $undo }
        $restored = @(Get-KeyState)
        $errors = @(1, 2 | ForEach-Object -Process { Undo-RestoredCertificate -Undo $undo -Knowledge $knowledge })
        @{ failure = $failure; action = $undo[0].action; restored = $restored; errors = $errors; left = @(Get-KeyState) }
    })
$store::Remove('lithnetams\MY', $bare)

Remove-AnyItem -Path "$root\new.ps1" -Kind 'file'
[IO.Directory]::Delete($root, $true)
ConvertTo-Json -InputObject $answer -Depth 5
