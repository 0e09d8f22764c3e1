# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What the doctor asks of a server beside its description. It only reads, and says what it found: the controller decides.

#AnsibleRequires -PowerShell ..module_utils._Configuration
#AnsibleRequires -PowerShell ..module_utils._EarlierRestore
#AnsibleRequires -PowerShell ..module_utils._Envelope
#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._Secret
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._Account

Set-StrictMode -Version 2.0

$Account = [ansible_collections.lithnet.access_manager.plugins.module_utils._Account.Account]
$EntropyBytes = 128
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
    param([Collections.IDictionary] $Knowledge)
    @{
        service = @{
            control = (Get-Attempt -Body { (Get-ServiceController).ServiceHandle.Dispose() }).error
            process = (Get-Attempt -Body { Test-ServiceProcess }).error
        }
        secrets = @(Get-SecretState -Knowledge $Knowledge)
    }
}

Function Get-Platform {
    $key = 'SOFTWARE\Microsoft\Windows NT\CurrentVersion'
    @{
        powershell = $PSVersionTable.PSVersion.ToString()
        windows = [String](Get-RegistryData -SubKey $key -Name 'ProductName')
        build = [Int32](Get-RegistryData -SubKey $key -Name 'CurrentBuildNumber')
        is_64_bit = [Environment]::Is64BitProcess
        language_mode = $ExecutionContext.SessionState.LanguageMode.ToString()
        old_paths = Test-OldPathHandling
    }
}

Function Get-AccountInformation {
    $identity = [Security.Principal.WindowsIdentity]::GetCurrent()
    try {
        $privileges = @($Account::Privileges())
        @{ name = $identity.Name; sid = $identity.User.Value; elevated = $Account::IsElevated(); privileges = $privileges }
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
    # Whether this server decrypts each secret of its configuration. Those of other modes than 1 are not tried.
    param([Collections.IDictionary] $Knowledge)
    $installation = Get-Installation
    if (-not $installation.config_exists) { return }
    $documents = @(Read-Configuration -ConfigPath $installation.config_path -Names $Knowledge.json_files)
    foreach ($secret in Select-MachineSecret -Secrets @(Get-ProtectedSecret -Documents $documents -Paths $Knowledge.secrets)) {
        @{ path = $secret.path; decrypts = Test-Secret -Secret $secret }
    }
}

Export-ModuleMember -Function Get-Examination, Get-ServiceExamination
