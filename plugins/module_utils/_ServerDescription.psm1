# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# All that can be described of a server without changing anything.

#AnsibleRequires -PowerShell ..module_utils._Certificate
#AnsibleRequires -PowerShell ..module_utils._Configuration
#AnsibleRequires -PowerShell ..module_utils._EarlierRestore
#AnsibleRequires -PowerShell ..module_utils._EventLog
#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -PowerShell ..module_utils._InterruptedStop
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._ServiceStart
#AnsibleRequires -PowerShell ..module_utils._StagingFolder

Set-StrictMode -Version 2.0

$FrameworkKey = 'SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full'

Function Add-DigestOrReason {
    # The record of a file with its SHA-256, or with the reason why it cannot be read; nothing when it has vanished since it was
    # listed.
    param([Hashtable] $Record)
    if ($Record.kind -eq 'file') {
        try {
            $stream = Open-SharedFile -Path $Record.path
            try { $Record.sha256 = Get-StreamDigest -Stream $stream }
            finally { $stream.Dispose() }
        }
        catch {
            if (-not [IO.File]::Exists((Get-LongPath -Path $Record.path))) { return }
            $Record.error = $_.Exception.GetBaseException().Message
        }
    }
    $Record
}

Function Get-Staging {
    param([String] $Path)
    $root = Get-StagingRoot -Path $Path
    $drive = New-Object -TypeName IO.DriveInfo -ArgumentList ([IO.Path]::GetPathRoot($root))
    @{ root = $root; free_bytes = if ($drive.IsReady) { $drive.AvailableFreeSpace } else { 0 } }
}

Function Get-Description {
    # What installation_info reports. Without a configuration folder there are no documents, references and records.
    param(
        [Collections.IDictionary] $Knowledge,
        [Boolean] $IncludeDatabase,
        [String] $StagingRoot
    )
    $installation = Get-Installation
    $user = [Security.Principal.WindowsIdentity]::GetCurrent()
    $principal = New-Object -TypeName Security.Principal.WindowsPrincipal -ArgumentList $user
    $answer = @{
        installation = $installation
        administrator = $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
        computer_name = $env:COMPUTERNAME
        framework_release = [Int32](Get-RegistryData -SubKey $FrameworkKey -Name 'Release')
        now = ConvertTo-Timestamp -Time ([DateTime]::UtcNow)
    }
    if (-not $installation.exists) { return $answer }
    $subject = @{ documents = @(); references = @(); records = @() }
    if ($installation.config_exists) {
        $subject = Get-BackupSubject -Installation $installation -Knowledge $Knowledge -IncludeDatabase $IncludeDatabase
    }
    $synchronised = @(Get-SynchronisedCertificate -Documents $subject.documents | Sort-Object -Unique)
    $answer + @{
        installer = Get-InstalledProduct -UpgradeCode $Knowledge.upgrade_code
        state = Get-ServerState -FirewallRuleName $Knowledge.firewall_rule
        documents = @(Get-DocumentRecord -Documents $subject.documents)
        settings = Get-Setting -Documents $subject.documents -Paths $Knowledge.settings
        references = $subject.references
        records = @($subject.records | ForEach-Object -Process { Add-DigestOrReason -Record $_ })
        secrets = @(Get-ProtectedSecret -Documents $subject.documents -Paths $Knowledge.secrets |
            ForEach-Object -Process { @{ path = $_.path; mode = $_.mode } })
        synchronised_certificates = $synchronised
        certificates = @(Get-AccessManagerCertificate -Knowledge $Knowledge -Named $synchronised |
            ForEach-Object -Process { Get-CertificateRecord -Found $_ })
        machine_certificates = Get-MachineCertificateEnd
        cluster = Get-ClusterRole
        staging = Get-Staging -Path $StagingRoot
        service_sid = Get-AccountSid -Name ([String](Get-ServiceInformation).account)
        service_events = Get-LoggedEvent -Ids $Knowledge.events -Since ([DateTime]::UtcNow.AddDays(-$Knowledge.event_days))
        start_obstacles = @(Get-StartObstacle -JsonFiles $Knowledge.json_files)
        unended_restores = @(Get-UnendedRestore)
        interrupted_stops = @(Get-InterruptedStop -Root (Get-StagingRoot -Path $StagingRoot))
    }
}

Export-ModuleMember -Function Get-Description, Add-DigestOrReason
