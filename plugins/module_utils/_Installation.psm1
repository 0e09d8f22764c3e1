# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Where Access Manager is on this server, and what describes the server beside its files: service, registry, HTTP.sys, firewall,
# cluster. It only reads.

#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._HttpSys
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._WellKnownSid

Set-StrictMode -Version 2.0

$ServiceName = 'lithnetams'
$ServiceProcess = 'Lithnet.AccessManager.Service'
$BaseKey = 'SOFTWARE\Lithnet\Access Manager Service'
$ServiceKey = "SYSTEM\CurrentControlSet\Services\$ServiceName"
$FirewallKey = 'SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules'
$EnvironmentKey = 'SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
$EnvironmentPrefix = 'AccessManagerService'
$CertificateStoreKey = "SOFTWARE\Microsoft\Cryptography\Services\$ServiceName\SystemCertificates\MY"
$ClusterResourcesKey = 'Cluster\Resources'
$InstallerKey = 'SOFTWARE\Microsoft\Windows\CurrentVersion\Installer'
$ProductsKey = "$InstallerKey\UserData\S-1-5-18\Products"
$PackageNamesKey = 'SOFTWARE\Classes\Installer\Products'

Function Get-PathSetting {
    # A path in the usual form, however it is spelled in the registry: in quotes, between blanks, with slashes or dots; empty when
    # there is none.
    param(
        [String] $SubKey,
        [String] $Name
    )
    $path = ([String](Get-RegistryData -SubKey $SubKey -Name $Name)).Trim().Trim('"').Trim()
    if (-not $path -or -not [IO.Path]::IsPathRooted($path)) { return $path }
    Resolve-ReferencePath -Value $path -Folder ''
}

Function Get-Installation {
    # Where this server's Access Manager is, as its registry says; exists = $false when there is none.
    $base = Open-MachineKey -SubKey $BaseKey
    $service = Open-MachineKey -SubKey $ServiceKey
    if ($null -ne $base) { $base.Dispose() }
    if ($null -ne $service) { $service.Dispose() }
    if ($null -eq $base -and $null -eq $service) { return @{ exists = $false } }

    $imagePath = [String](Get-RegistryData -SubKey $ServiceKey -Name 'ImagePath')
    $config = Get-PathSetting -SubKey "$BaseKey\Parameters" -Name 'ConfigPath'
    if (-not $config) {
        $folder = Get-PathSetting -SubKey $BaseKey -Name 'BasePath'
        if (-not $folder) { $folder = Get-ProgramFolder -CommandLine $imagePath }
        if ($folder) { $config = [IO.Path]::Combine($folder, 'config') }
    }
    @{
        exists = $null -ne $base -and $null -ne $service
        version = [String](Get-RegistryData -SubKey $BaseKey -Name 'Version')
        configured = (Get-RegistryData -SubKey $BaseKey -Name 'Configured') -eq 1
        install_path = ([String](Get-RegistryData -SubKey $BaseKey -Name 'Path')).TrimEnd('\')
        config_path = $config.TrimEnd('\')
        config_exists = $config -and [IO.Directory]::Exists((Get-LongPath -Path $config.TrimEnd('\')))
        log_path = (Get-PathSetting -SubKey "$BaseKey\Parameters" -Name 'LogPath').TrimEnd('\')
    }
}

Function Get-ProgramFolder {
    # The folder of the program that a service's command line starts, which may be in quotes and have arguments; empty when there is
    # none.
    param([String] $CommandLine)
    $program = if ($CommandLine -match '^\s*"([^"]+)"') { $Matches[1] } else { $CommandLine -replace '(?<=\.exe)\s.*$', '' }
    if ($program) { [IO.Path]::GetDirectoryName($program.Trim()) }
}

Function Assert-Installation {
    # The installation, or a sentence that says why there is nothing to work on.
    $installation = Get-Installation
    if (-not $installation.exists) {
        throw "Access Manager is not installed on $($env:COMPUTERNAME): its registry key or its service is missing."
    }
    if (-not $installation.config_exists) {
        throw "The configuration folder of Access Manager, '$($installation.config_path)' as the registry says, does not exist."
    }
    $installation
}

Function Get-InstalledProduct {
    # What Windows Installer knows of Access Manager, its product code with the digits in Windows Installer's order; $null when it
    # was installed in another way.
    param([String] $UpgradeCode)
    foreach ($product in Get-RegistryValue -SubKey "$InstallerKey\UpgradeCodes\$UpgradeCode") {
        $version = [String](Get-RegistryData -SubKey "$ProductsKey\$($product.name)\InstallProperties" -Name 'DisplayVersion')
        if (-not $version) { continue }
        return @{
            product_code = $product.name.ToUpperInvariant()
            version = $version
            name = [String](Get-RegistryData -SubKey "$PackageNamesKey\$($product.name)\SourceList" -Name 'PackageName')
        }
    }
    return $null
}

Function Get-InstallerRecord {
    # The same with the SHA-256 of the copy of the MSI that Windows Installer keeps; empty when there is none that can be read.
    param([String] $UpgradeCode)
    $product = Get-InstalledProduct -UpgradeCode $UpgradeCode
    if ($null -eq $product) { return $null }
    $properties = "$ProductsKey\$($product.product_code)\InstallProperties"
    $package = [String](Get-RegistryData -SubKey $properties -Name 'LocalPackage')
    $product.sha256 = ''
    try { if ($package) { $product.sha256 = Get-FileDigest -Path $package } }
    catch { Write-Debug -Message "The package cannot be read: $($_.Exception.Message)" }
    $product
}

Function Get-ServiceController {
    Get-Service -Name $ServiceName -ErrorAction SilentlyContinue
}

Function Get-AccountSid {
    # The SID of an account as the settings of a service name it; empty when Windows does not know it.
    param([String] $Name)
    if ($Name -in '', 'LocalSystem') { return Get-WellKnownSid -Name LocalSystem }
    $full = if ($Name.StartsWith('.\')) { $env:COMPUTERNAME + $Name.Substring(1) } else { $Name }
    $known = New-Object -TypeName Security.Principal.NTAccount -ArgumentList $full
    try { $known.Translate([Security.Principal.SecurityIdentifier]).Value }
    catch { '' }
}

Function Get-ServiceProcessId {
    # The process of the running service; 0 when there is none.
    [Int32](Get-CimInstance -ClassName Win32_Service -Filter "Name='$ServiceName'").ProcessId
}

Function Get-ServiceInformation {
    # The service's state now, and its settings.
    $service = Get-ServiceController
    $settings = New-NameTable
    foreach ($value in Get-RegistryValue -SubKey $ServiceKey) { $settings[$value.name] = $value.data }
    $setting = { param($name, $default) if ($settings.ContainsKey($name)) { $settings[$name] } else { $default } }
    @{
        name = $ServiceName
        status = if ($service) { $service.Status.ToString() } else { 'Absent' }
        process_ids = @(Get-Process -Name $ServiceProcess -ErrorAction SilentlyContinue | ForEach-Object -Process { $_.Id })
        account = & $setting 'ObjectName' ''
        image_path = & $setting 'ImagePath' ''
        start = & $setting 'Start' $null
        delayed_start = (& $setting 'DelayedAutostart' 0) -eq 1
        depends_on = @(& $setting 'DependOnService' @())
        sid_type = & $setting 'ServiceSidType' 0
        managed = Test-ManagedAccount -Data (& $setting 'ServiceAccountManaged' '')
        environment_variables = @(@(& $setting 'Environment' @()) | ForEach-Object -Process { ([String]$_).Split('=')[0] })
    }
}

Function Get-ServiceRecovery {
    # What Windows does when the service fails, as the registry has it, in Base64; empty where nothing is set.
    foreach ($value in Get-RegistryValue -SubKey $ServiceKey) {
        if ($value.name -eq 'FailureActions') { return [String]$value.data }
    }
    ''
}

Function Test-ManagedAccount {
    # Whether Windows keeps the password of the service's account: the first byte of that value.
    param([Object] $Data)
    if ($Data -is [Int32]) { return $Data -ne 0 }
    try { $bytes = [Convert]::FromBase64String([String]$Data) }
    catch { return $false }
    $bytes.Length -gt 0 -and $bytes[0] -ne 0
}

Function Get-ConfigurationVariable {
    # The environment variables that override the configuration: the service's own, and the machine's with Access Manager's prefix.
    foreach ($variable in @(Get-RegistryData -SubKey $ServiceKey -Name 'Environment')) {
        if ($variable) { @{ scope = 'service'; variable = [String]$variable } }
    }
    foreach ($value in Get-RegistryValue -SubKey $EnvironmentKey) {
        if ($value.name -like "$EnvironmentPrefix*") { @{ scope = 'machine'; variable = "$($value.name)=$($value.data)" } }
    }
}

Function Get-FirewallRule {
    # The rules whose display name is the one that Access Manager gives its own.
    param([String] $DisplayName)
    foreach ($value in Get-RegistryValue -SubKey $FirewallKey) {
        if (([String]$value.data).Contains("|Name=$DisplayName|")) { @{ name = $value.name; rule = [String]$value.data } }
    }
}

Function Get-ClusterOwner {
    # The node that owns a cluster's resource; empty when it is not known. The cmdlet is there where the management tools of
    # the feature are, the class wherever the cluster is.
    param([String] $Resource)
    try { return [String](Get-ClusterResource -Name $Resource -ErrorAction Stop).OwnerNode.Name }
    catch { Write-Debug -Message "The class is asked: $($_.Exception.Message)" }
    try {
        $found = Get-CimInstance -Namespace 'root\MSCluster' -ClassName 'MSCluster_Resource' -ErrorAction Stop |
            Where-Object -FilterScript { $_.Name -eq $Resource }
        [String]@($found)[0].OwnerNode
    }
    catch { '' }
}

Function Get-ClusterRole {
    # The failover cluster resource that runs the service, and the node that owns it; $null when there is none. Where the server
    # does not say which node that is, the owner is empty, and the resource counts as here: nothing that only reads is refused for
    # that.
    foreach ($id in Get-SubKeyName -SubKey $ClusterResourcesKey) {
        if ((Get-RegistryData -SubKey "$ClusterResourcesKey\$id\Parameters" -Name 'ServiceName') -ne $ServiceName) { continue }
        $resource = [String](Get-RegistryData -SubKey "$ClusterResourcesKey\$id" -Name 'Name')
        $owner = Get-ClusterOwner -Resource $resource
        return @{ resource = $resource; owner = $owner; owned = -not $owner -or $owner -eq $env:COMPUTERNAME }
    }
    return $null
}

Function Get-RegistryState {
    # The values of Access Manager's own keys. The ring of data protection keys below Parameters is a live secret on which cookies
    # alone depend: left out.
    foreach ($place in @{ key = ''; path = $BaseKey }, @{ key = 'Parameters'; path = "$BaseKey\Parameters" }) {
        foreach ($value in Get-RegistryValue -SubKey $place.path) { $value.key = $place.key; $value }
    }
}

Function Get-RegistryPermission {
    # Who may do what with Access Manager's own keys and with that of the service's certificate store, into which the service itself
    # writes.
    foreach ($path in $BaseKey, "$BaseKey\Parameters", $CertificateStoreKey) {
        $sddl = Get-KeySecurityText -SubKey $path
        if ($sddl) { @{ key = $path; sddl = $sddl } }
    }
}

Function Get-RegistryPath {
    # Where a key of Get-RegistryState lies under HKEY_LOCAL_MACHINE.
    param([String] $Key)
    if ($Key) { "$BaseKey\$Key" } else { $BaseKey }
}

Function Get-ServerState {
    # All that describes the server beside its files.
    param([String] $FirewallRuleName)
    $http = Get-HttpConfiguration
    @{
        registry = @(Get-RegistryState)
        registry_permissions = @(Get-RegistryPermission)
        service = Get-ServiceInformation
        http_sys = $http
        tls_certificates = @(Get-BoundCertificate -Bindings $http.bindings)
        firewall = @(Get-FirewallRule -DisplayName $FirewallRuleName)
        computer_name = $env:COMPUTERNAME
    }
}

Export-ModuleMember -Function Get-Installation, Assert-Installation, Get-InstalledProduct, Get-InstallerRecord,
    Get-ServiceController, Get-AccountSid, Get-ServiceProcessId, Get-ServiceInformation, Get-ServiceRecovery,
    Get-ConfigurationVariable, Get-ClusterRole, Get-RegistryState, Get-RegistryPath, Get-ServerState
