# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What the doctor asks of a server beside its description. It only reads, and says what it found: the controller decides.

#AnsibleRequires -PowerShell ..module_utils._Certificate
#AnsibleRequires -PowerShell ..module_utils._Configuration
#AnsibleRequires -PowerShell ..module_utils._DomainSecret
#AnsibleRequires -PowerShell ..module_utils._EarlierRestore
#AnsibleRequires -PowerShell ..module_utils._Envelope
#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._HealthCheck
#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._Secret
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._Account
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._CertificateStore
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._FileSystem

Set-StrictMode -Version 2.0

$Account = [ansible_collections.lithnet.access_manager.plugins.module_utils._Account.Account]
$FileSystem = [ansible_collections.lithnet.access_manager.plugins.module_utils._FileSystem.FileSystem]
$ServiceStore = [ansible_collections.lithnet.access_manager.plugins.module_utils._CertificateStore.ServiceStore]
$LocalDbKey = 'SOFTWARE\Microsoft\Microsoft SQL Server Local DB\Installed Versions'
$DatabaseFiles = 'ams.mdf', 'ams_log.ldf'
$EntropyBytes = 128
# The groups of a token that say how its account logged on.
$Logons = @{ 'S-1-5-2' = 'network'; 'S-1-5-3' = 'batch'; 'S-1-5-4' = 'interactive'; 'S-1-5-6' = 'service' }
$MachineMode, $DomainMode = 1, 3
$EnforcedCode = 2

Function Get-Attempt {
    # What the body returns, and why it failed; empty when it did not.
    param([ScriptBlock] $Body)
    try { @{ value = & $Body; error = '' } }
    catch { @{ value = $null; error = $_.Exception.GetBaseException().Message } }
}

Function Get-Examination {
    # Policies: the registry values of which the controller wants to know, each with key and name.
    param([Object[]] $Policies)
    @{
        platform = Get-Platform
        account = Get-AccountInformation
        policies = @($Policies | ForEach-Object -Process { Get-PolicyValue -Key $_.key -Name $_.name })
        code_integrity = Get-CodeIntegrity
        leaves_job = $Account::MayLeaveJob()
        data_protection = Test-DataProtection
        drives = @{ safety = Get-Drive -Path (Get-SafetyRoot) }
    }
}

Function Get-ServiceExamination {
    # What can be asked only where Access Manager is installed.
    param(
        [Collections.IDictionary] $Knowledge,
        [Hashtable] $Description
    )
    $sid = $Description.service_sid
    @{
        service = @{
            control = (Get-Attempt -Body { (Get-ServiceController).ServiceHandle.Dispose() }).error
            process = (Get-Attempt -Body { Test-ServiceProcess }).error
            recovery = Get-ServiceRecovery
        }
        secrets = @(Get-SecretState -Knowledge $Knowledge)
        exports = @(Get-ExportState -Knowledge $Knowledge)
        user_store = (Get-Attempt -Body { if ($sid) { $ServiceStore::ReadOfUser($sid) } }).error
        volume = Get-VolumeInformation -Path $Description.installation.config_path -Records $Description.records
        database = Get-Database -ConfigPath $Description.installation.config_path
        site = if ($Description.installation.config_exists) { Get-SiteState -Knowledge $Knowledge }
    }
}

Function Get-VolumeInformation {
    # The file system of a folder, and the files of these records that have further names or streams.
    param(
        [String] $Path,
        [Object[]] $Records
    )
    $root = [IO.Path]::GetPathRoot($Path)
    $format = Get-Attempt -Body { (New-Object -TypeName IO.DriveInfo -ArgumentList $root).DriveFormat }
    $files = [String[]]@($Records | Where-Object -FilterScript { $_ -and $_.kind -eq 'file' } |
            ForEach-Object -Process { Get-LongPath -Path $_.path })
    @{
        format = [String]$format.value
        linked = @($FileSystem::WithFurtherNames($files) | ForEach-Object -Process { Get-PlainPath -Path $_ })
        streamed = @($FileSystem::WithFurtherStreams($files) | ForEach-Object -Process { Get-PlainPath -Path $_ })
    }
}

Function Get-Database {
    # The versions of SQL LocalDB, and which files of Access Manager's database are there.
    param([String] $ConfigPath)
    $folder = [IO.Path]::Combine($ConfigPath, 'db')
    $key = Open-MachineKey -SubKey $LocalDbKey
    try {
        @{
            versions = @(if ($key) { $key.GetSubKeyNames() })
            files = @($DatabaseFiles |
                    Where-Object -FilterScript { [IO.File]::Exists((Get-LongPath -Path ([IO.Path]::Combine($folder, $_)))) })
        }
    }
    finally { if ($key) { $key.Dispose() } }
}

Function Get-SiteState {
    # Why each address of the web site does not serve; $null where the service does not run. What keeps the question from being
    # answered counts for the first.
    param([Collections.IDictionary] $Knowledge)
    $attempt = Get-Attempt -Body { Get-SiteReason -Knowledge $Knowledge }
    if ($attempt.error) { return @{ http = $attempt.error } }
    $attempt.value
}

Function Get-ExportState {
    # Why each certificate whose key says that it is exportable does not leave its store, in memory; empty when it does.
    param([Collections.IDictionary] $Knowledge)
    $type = [Security.Cryptography.X509Certificates.X509ContentType]::Pfx
    foreach ($found in Get-AccessManagerCertificate -Knowledge $Knowledge) {
        $certificate, $key = $found.certificate, (Get-KeyInformation -Certificate $found.certificate)
        if (-not $key.present -or -not $key.exportable) { continue }
        $attempt = Get-Attempt -Body {
            $pfx = $certificate.Export($type, [Convert]::ToBase64String((New-RandomByte -Count 30)))
            [Array]::Clear($pfx, 0, $pfx.Length)
        }
        @{ thumbprint = $certificate.Thumbprint.ToUpperInvariant(); error = $attempt.error }
    }
}

Function Get-Platform {
    $key = 'SOFTWARE\Microsoft\Windows NT\CurrentVersion'
    @{
        powershell = $PSVersionTable.PSVersion.ToString()
        windows = [String](Get-RegistryData -SubKey $key -Name 'ProductName')
        build = [Int32](Get-RegistryData -SubKey $key -Name 'CurrentBuildNumber')
        is_64_bit = [Environment]::Is64BitProcess
        culture = [Globalization.CultureInfo]::CurrentCulture.Name
        language_mode = $ExecutionContext.SessionState.LanguageMode.ToString()
        old_paths = Test-OldPathHandling
    }
}

Function Get-AccountInformation {
    $identity = [Security.Principal.WindowsIdentity]::GetCurrent()
    try {
        @{
            name = $identity.Name
            sid = $identity.User.Value
            logon = @($identity.Groups.Value | Where-Object -FilterScript { $Logons.ContainsKey($_) } |
                    ForEach-Object -Process { $Logons[$_] }) -join ', '
            elevated = $Account::IsElevated()
            privileges = @($Account::Privileges())
            user_names = (Get-Attempt -Body { Get-Process -Id $PID -IncludeUserName -ErrorAction Stop }).error
        }
    }
    finally { $identity.Dispose() }
}

Function Get-PolicyValue {
    # A number or a text; $null when it is not set.
    param(
        [String] $Key,
        [String] $Name
    )
    $data = Get-RegistryData -SubKey $Key -Name $Name
    if ($null -ne $data -and $data -isnot [Int32]) { $data = "$data" }
    @{ key = $Key; name = $Name; data = $data }
}

Function Get-CodeIntegrity {
    # Whether Windows enforces a policy of code integrity (WDAC); $null where it does not say.
    try {
        $guard = Get-CimInstance -Namespace 'root\Microsoft\Windows\DeviceGuard' -ClassName 'Win32_DeviceGuard' -ErrorAction Stop
        $guard.UsermodeCodeIntegrityPolicyEnforcementStatus -eq $EnforcedCode
    }
    catch { $null }
}

Function Test-DataProtection {
    # Why DPAPI of the local machine does not give back what it protected, in memory; empty when it does.
    $scope = [Security.Cryptography.DataProtectionScope]::LocalMachine
    $clear, $entropy = (New-RandomByte -Count 32), (New-RandomByte -Count $EntropyBytes)
    $attempt = Get-Attempt -Body {
        $protected = [Security.Cryptography.ProtectedData]::Protect($clear, $entropy, $scope)
        [Convert]::ToBase64String([Security.Cryptography.ProtectedData]::Unprotect($protected, $entropy, $scope))
    }
    if ($attempt.error) { return $attempt.error }
    if ($attempt.value -cne [Convert]::ToBase64String($clear)) { return 'it gives back something else' }
    return ''
}

Function Get-Drive {
    param([String] $Path)
    $drive = New-Object -TypeName IO.DriveInfo -ArgumentList ([IO.Path]::GetPathRoot($Path))
    @{ name = $drive.Name; free_bytes = if ($drive.IsReady) { $drive.AvailableFreeSpace } else { [Int64]0 } }
}

Function Test-ServiceProcess {
    # Throws when the end of the service's process could not be waited for.
    foreach ($id in (Get-ServiceInformation).process_ids) {
        $process = [Diagnostics.Process]::GetProcessById($id)
        try { [void]$process.WaitForExit(0) }
        finally { $process.Dispose() }
    }
}

Function Get-SecretState {
    # Whether this server decrypts each secret of its configuration, of the two modes that a server can.
    param([Collections.IDictionary] $Knowledge)
    $installation = Get-Installation
    if (-not $installation.config_exists) { return }
    $documents = @(Read-Configuration -ConfigPath $installation.config_path -Names $Knowledge.json_files)
    foreach ($secret in Get-ProtectedSecret -Documents $documents -Paths $Knowledge.secrets) {
        $decrypts = switch ($secret.mode) {
            $MachineMode { Test-Secret -Secret $secret }
            $DomainMode { Test-DomainSecret -Data $secret.data }
        }
        if ($null -ne $decrypts) { @{ path = $secret.path; mode = [Int32]$secret.mode; decrypts = $decrypts } }
    }
}

Function Test-Job {
    # Whether this process is in a job, with which Windows may end it.
    $Account::IsInJob()
}

Export-ModuleMember -Function Get-Examination, Get-ServiceExamination, Test-Job
