# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What an Access Manager server holds: registry, folders, JSON, files. It only reads.

#AnsibleRequires -CSharpUtil Ansible.Basic

Set-StrictMode -Version 2.0

$LongestPlainPath = 248
$NamesReadOtherwise = '[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)'
$CommentsOutsideStrings = '("(?:[^"\\]|\\.)*")|//[^\r\n]*|/\*[\s\S]*?\*/'
$TrailingCommasOutsideStrings = '("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])'
$ServiceName = 'lithnetams'
$ServiceProcess = 'Lithnet.AccessManager.Service'
$BaseKey = 'SOFTWARE\Lithnet\Access Manager Service'
$ServiceKey = "SYSTEM\CurrentControlSet\Services\$ServiceName"
$HttpKey = 'SYSTEM\CurrentControlSet\Services\HTTP\Parameters'
$FirewallKey = 'SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules'
$EnvironmentKey = 'SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
$EnvironmentPrefix = 'AccessManagerService'
$ClusterResourcesKey = 'Cluster\Resources'

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

Function Open-MachineKey {
    # A key of HKEY_LOCAL_MACHINE for reading, as 64-bit programs see it; $null when it is not there.
    param([String] $SubKey)
    $machine = [Microsoft.Win32.RegistryKey]::OpenBaseKey([Microsoft.Win32.RegistryHive]::LocalMachine, [Microsoft.Win32.RegistryView]::Registry64)
    try { $machine.OpenSubKey($SubKey) }
    finally { $machine.Dispose() }
}

Function Get-RegistryValue {
    # Every value of a key: name, kind, data (binary as Base64).
    param([String] $SubKey)
    $key = Open-MachineKey -SubKey $SubKey
    if ($null -eq $key) { return }
    try {
        foreach ($name in $key.GetValueNames()) {
            $data = $key.GetValue($name, $null, [Microsoft.Win32.RegistryValueOptions]::DoNotExpandEnvironmentNames)
            if ($data -is [Byte[]]) { $data = [Convert]::ToBase64String($data) }
            @{ name = $name; kind = $key.GetValueKind($name).ToString(); data = $data }
        }
    }
    finally { $key.Dispose() }
}

Function Get-RegistryData {
    # The data of one value; $null when the key or the value is not there.
    param(
        [String] $SubKey,
        [String] $Name
    )
    $key = Open-MachineKey -SubKey $SubKey
    if ($null -eq $key) { return $null }
    try { $data = $key.GetValue($Name) }
    finally { $key.Dispose() }
    if ($data -is [Array]) { return , $data }
    return $data
}

Function Get-SubKeyName {
    param([String] $SubKey)
    $key = Open-MachineKey -SubKey $SubKey
    if ($null -eq $key) { return }
    try { $key.GetSubKeyNames() }
    finally { $key.Dispose() }
}

Function Get-Installation {
    # Where this server's Access Manager is, as its registry says; exists = $false when there is none.
    $base = Open-MachineKey -SubKey $BaseKey
    $service = Open-MachineKey -SubKey $ServiceKey
    if ($null -ne $base) { $base.Dispose() }
    if ($null -ne $service) { $service.Dispose() }
    if ($null -eq $base -and $null -eq $service) { return @{ exists = $false } }

    $imagePath = [String](Get-RegistryData -SubKey $ServiceKey -Name 'ImagePath')
    $config = [String](Get-RegistryData -SubKey "$BaseKey\Parameters" -Name 'ConfigPath')
    if (-not $config) {
        $folder = [String](Get-RegistryData -SubKey $BaseKey -Name 'BasePath')
        if (-not $folder -and $imagePath) { $folder = [IO.Path]::GetDirectoryName($imagePath.Trim('"')) }
        if ($folder) { $config = [IO.Path]::Combine($folder, 'config') }
    }
    @{
        exists = $null -ne $base -and $null -ne $service
        version = [String](Get-RegistryData -SubKey $BaseKey -Name 'Version')
        configured = (Get-RegistryData -SubKey $BaseKey -Name 'Configured') -eq 1
        install_path = ([String](Get-RegistryData -SubKey $BaseKey -Name 'Path')).TrimEnd('\')
        config_path = $config.TrimEnd('\')
        config_exists = $config -and [IO.Directory]::Exists((Get-LongPath -Path $config.TrimEnd('\')))
        log_path = ([String](Get-RegistryData -SubKey "$BaseKey\Parameters" -Name 'LogPath')).TrimEnd('\')
    }
}

Function Get-ServiceController {
    Get-Service -Name $ServiceName -ErrorAction SilentlyContinue
}

Function Get-ServiceProcessId {
    # The process of the running service; 0 when there is none.
    [Int32](Get-CimInstance -ClassName Win32_Service -Filter "Name='$ServiceName'").ProcessId
}

Function Get-ServiceInformation {
    # The service's state now, and its settings.
    $service = Get-ServiceController
    $settings = @{}
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
        environment_variables = @(@(& $setting 'Environment' @()) | ForEach-Object -Process { ([String]$_).Split('=')[0] })
    }
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

Function Get-HttpConfiguration {
    # HTTP.sys, as its registry has it: TLS bindings and URL reservations of the whole server.
    $bindings = foreach ($name in Get-SubKeyName -SubKey "$HttpKey\SslBindingInfo") {
        $hash = Get-RegistryData -SubKey "$HttpKey\SslBindingInfo\$name" -Name 'SslCertHash'
        $application = Get-RegistryData -SubKey "$HttpKey\SslBindingInfo\$name" -Name 'AppId'
        @{
            endpoint = $name
            thumbprint = if ($hash -is [Byte[]]) { [BitConverter]::ToString($hash).Replace('-', '') } else { '' }
            application_id = if ($application -is [Byte[]] -and $application.Length -eq 16) { (New-Object -TypeName Guid -ArgumentList @(, $application)).ToString('B').ToUpperInvariant() } else { '' }
            store = [String](Get-RegistryData -SubKey "$HttpKey\SslBindingInfo\$name" -Name 'SslCertStoreName')
        }
    }
    $reservations = foreach ($value in Get-RegistryValue -SubKey "$HttpKey\UrlAclInfo") {
        $sddl = if ($value.kind -eq 'Binary') { ConvertTo-Sddl -Bytes ([Convert]::FromBase64String($value.data)) } else { '' }
        @{ url = $value.name; sddl = $sddl }
    }
    @{ bindings = @($bindings); reservations = @($reservations) }
}

Function ConvertTo-Sddl {
    # A binary security descriptor as SDDL; empty when it is malformed, as another program's may be.
    param([Byte[]] $Bytes)
    try { (New-Object -TypeName Security.AccessControl.RawSecurityDescriptor -ArgumentList $Bytes, 0).GetSddlForm([Security.AccessControl.AccessControlSections]::All) }
    catch { '' }
}

Function Get-FirewallRule {
    # The rules whose display name is the one that Access Manager gives its own.
    param([String] $DisplayName)
    foreach ($value in Get-RegistryValue -SubKey $FirewallKey) {
        if (([String]$value.data).Contains("|Name=$DisplayName|")) { @{ name = $value.name; rule = [String]$value.data } }
    }
}

Function Get-ClusterRole {
    # The failover cluster resource that runs the service, and the node that owns it; $null when there is none.
    foreach ($id in Get-SubKeyName -SubKey $ClusterResourcesKey) {
        if ((Get-RegistryData -SubKey "$ClusterResourcesKey\$id\Parameters" -Name 'ServiceName') -ne $ServiceName) { continue }
        $resource = Get-ClusterResource -Name ([String](Get-RegistryData -SubKey "$ClusterResourcesKey\$id" -Name 'Name'))
        return @{ resource = $resource.Name; owner = $resource.OwnerNode.Name; owned = $resource.OwnerNode.Name -eq $env:COMPUTERNAME }
    }
    return $null
}

Function Get-RegistryState {
    # The values of Access Manager's own keys. The ring of data protection keys below Parameters is bound to the host: left out.
    foreach ($place in @{ key = ''; path = $BaseKey }, @{ key = 'Parameters'; path = "$BaseKey\Parameters" }) {
        foreach ($value in Get-RegistryValue -SubKey $place.path) { $value.key = $place.key; $value }
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
    @{
        registry = @(Get-RegistryState)
        service = Get-ServiceInformation
        http_sys = Get-HttpConfiguration
        firewall = @(Get-FirewallRule -DisplayName $FirewallRuleName)
        computer_name = $env:COMPUTERNAME
    }
}

# ---- files ----

Function Enable-LongPath {
    # Windows PowerShell 5.1 refuses \\?\ on hosts where .NET Framework's old path handling is in force: turn that off for this process.
    try { [void][IO.Path]::GetFullPath('\\?\C:\') }
    catch {
        $switches = [Object].Assembly.GetType('System.AppContextSwitches')
        foreach ($name in '_useLegacyPathHandling', '_blockLongPaths') {
            $field = if ($switches) { $switches.GetField($name, [Reflection.BindingFlags]'NonPublic, Static') }
            if ($field) { $field.SetValue($null, -1) }
        }
    }
}
Enable-LongPath

Function Get-LongPath {
    # The form of an absolute path that has no limit of 260 characters.
    param([String] $Path)
    if ($Path.StartsWith('\\?\')) { return $Path }
    if ($Path.StartsWith('\\')) { return '\\?\UNC\' + $Path.Substring(2) }
    return '\\?\' + $Path
}

Function Get-PlainPath {
    # The usual form of a path on a drive, unless it is too long for that or has a name that Windows would read otherwise there.
    param([String] $Path)
    if (-not $Path.StartsWith('\\?\') -or $Path.StartsWith('\\?\UNC\') -or $Path.Length -ge $LongestPlainPath) { return $Path }
    foreach ($name in $Path.Substring(4).Split('\')) { if ($name -match $NamesReadOtherwise) { return $Path } }
    return $Path.Substring(4)
}

Function Open-SharedFile {
    # Opens a file for reading beside whoever else has it open.
    param([String] $Path)
    [IO.File]::Open((Get-LongPath -Path $Path), [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]'ReadWrite, Delete')
}

Function Read-TextFile {
    param([String] $Path)
    $stream = Open-SharedFile -Path $Path
    $reader = New-Object -TypeName IO.StreamReader -ArgumentList $stream, ([Text.Encoding]::UTF8), $true
    try { $reader.ReadToEnd() }
    finally { $reader.Dispose() }
}

Function New-Sha256 {
    # The implementation that works under the FIPS policy on every .NET Framework.
    New-Object -TypeName Security.Cryptography.SHA256CryptoServiceProvider
}

Function Get-StreamDigest {
    # SHA-256 of the rest of a stream, in lower-case hex.
    param([IO.Stream] $Stream)
    $sha = New-Sha256
    try { ConvertTo-Hex -Bytes $sha.ComputeHash($Stream) }
    finally { $sha.Dispose() }
}

Function ConvertTo-Hex {
    param([Byte[]] $Bytes)
    [BitConverter]::ToString($Bytes).Replace('-', '').ToLowerInvariant()
}

Function ConvertTo-Timestamp {
    param([DateTime] $Time)
    $Time.ToString('yyyy-MM-ddTHH:mm:ss.fffffffZ', [Globalization.CultureInfo]::InvariantCulture)
}

Function Get-SecurityText {
    # Owner, group and access rules of a file or folder as SDDL.
    param([IO.FileSystemInfo] $Item)
    $sections = [Security.AccessControl.AccessControlSections]'Access, Owner, Group'
    $type = if ($Item -is [IO.DirectoryInfo]) { 'Security.AccessControl.DirectorySecurity' } else { 'Security.AccessControl.FileSecurity' }
    (New-Object -TypeName $type -ArgumentList (Get-PlainPath -Path $Item.FullName), $sections).GetSecurityDescriptorSddlForm($sections)
}

Function Get-ItemRecord {
    # What a backup says of a file or folder, but for the hash.
    param(
        [IO.FileSystemInfo] $Item,
        [String] $Name,
        [String] $Path
    )
    $folder = $Item -is [IO.DirectoryInfo]
    @{
        name = $Name
        path = $Path
        kind = if ($folder) { 'folder' } else { 'file' }
        size = if ($folder) { [Int64]0 } else { [Int64]$Item.Length }
        created = ConvertTo-Timestamp -Time $Item.CreationTimeUtc
        modified = ConvertTo-Timestamp -Time $Item.LastWriteTimeUtc
        attributes = [Int32]$Item.Attributes
        sddl = Get-SecurityText -Item $Item
    }
}

Function Get-FolderRecord {
    # The records of a folder and of all below it. Links are not followed: they come back with kind 'link'. What vanishes meanwhile is left out.
    param(
        [String] $Path,
        [String] $Name,
        [String] $Skip
    )
    $folder = New-Object -TypeName IO.DirectoryInfo -ArgumentList (Get-LongPath -Path $Path)
    Get-ItemRecord -Item $folder -Name $Name -Path $Path
    if ($Skip -and $Name -eq $Skip) { return }
    foreach ($item in $folder.GetFileSystemInfos()) {
        $itemName = "$Name/$($item.Name)"
        $itemPath = [IO.Path]::Combine($Path, $item.Name)
        try {
            if ($item.Attributes -band [IO.FileAttributes]::ReparsePoint) { @{ name = $itemName; path = $itemPath; kind = 'link' } }
            elseif ($item -is [IO.DirectoryInfo]) { Get-FolderRecord -Path $itemPath -Name $itemName -Skip $Skip }
            else { Get-ItemRecord -Item $item -Name $itemName -Path $itemPath }
        }
        catch {
            $item.Refresh()
            if ($item.Exists) { throw }
        }
    }
}

# ---- JSON ----

Function Find-JsonValue {
    # The values at a path such as A.B[].C of a parsed document: path (with indexes) and value.
    param(
        [Object] $Node,
        [String[]] $Steps,
        [String] $At = ''
    )
    if ($null -eq $Node) { return }
    if (-not $Steps) { return @{ path = $At; value = $Node } }
    $name = $Steps[0] -replace '\[\]$', ''
    $property = if ($Node -is [Management.Automation.PSCustomObject]) { $Node.PSObject.Properties[$name] }
    if ($null -eq $property) { return }
    $rest = @($Steps | Select-Object -Skip 1)
    $place = if ($At) { "$At.$($property.Name)" } else { $property.Name }
    if ($Steps[0] -notlike '*[[][]]') { return Find-JsonValue -Node $property.Value -Steps $rest -At $place }
    $index = 0
    foreach ($element in @($property.Value)) {
        Find-JsonValue -Node $element -Steps $rest -At "$place[$index]"
        $index++
    }
}

Function ConvertFrom-Configuration {
    # The object in a JSON text, $null when there is none. .NET's configuration allows comments and trailing commas, Windows PowerShell does not.
    param([String] $Text)
    $plain = [Regex]::Replace([Regex]::Replace($Text, $CommentsOutsideStrings, '$1'), $TrailingCommasOutsideStrings, '$1')
    try { $document = ConvertFrom-Json -InputObject $plain }
    catch { return $null }
    if ($document -is [Management.Automation.PSCustomObject]) { return $document }
    return $null
}

Function Read-Configuration {
    # The JSON files of the configuration in the order in which they override: file, document, and whether it is a JSON object.
    param(
        [String] $ConfigPath,
        [String[]] $Names
    )
    foreach ($name in $Names) {
        $path = [IO.Path]::Combine($ConfigPath, $name)
        if (-not [IO.File]::Exists((Get-LongPath -Path $path))) { continue }
        $document = ConvertFrom-Configuration -Text (Read-TextFile -Path $path)
        @{ file = $name; document = $document; valid = $null -ne $document }
    }
}

Function Resolve-ReferencePath {
    # The absolute path of a value: bare names lie in the folder of their kind. A value that is no path comes back as it is.
    param(
        [String] $Value,
        [String] $Folder
    )
    try {
        $path = [IO.Path]::Combine($Folder, $Value)
        if ($path.Length -lt $LongestPlainPath) { return [IO.Path]::GetFullPath($path) }
        return $path
    }
    catch { return $Value }
}

Function Get-Reference {
    # The files that the configuration names: key, value, path, where it lies, and whether it is there.
    param(
        [Object[]] $Documents,
        [String] $ConfigPath,
        [Object[]] $Keys
    )
    foreach ($document in $Documents) {
        foreach ($key in $Keys) {
            foreach ($found in Find-JsonValue -Node $document.document -Steps $key.path.Split('.')) {
                $value = [String]$found.value
                if (-not $value) { continue }
                $path = Resolve-ReferencePath -Value $value -Folder ([IO.Path]::Combine($ConfigPath, $key.folder))
                $place = if ($path.StartsWith('\\')) { 'share' } elseif ($path.StartsWith("$ConfigPath\", [StringComparison]::OrdinalIgnoreCase)) { 'config' } else { 'external' }
                @{
                    key = $found.path
                    value = $value
                    path = $path
                    place = $place
                    exists = $place -ne 'share' -and [IO.File]::Exists((Get-LongPath -Path $path))
                }
            }
        }
    }
}

Function Get-ExternalFile {
    # The referenced files outside the configuration folder, each once, with their names in a backup.
    param([Object[]] $References)
    $seen = @{}
    foreach ($reference in $References) {
        if ($reference.place -ne 'external' -or -not $reference.exists) { continue }
        $item = New-Object -TypeName IO.FileInfo -ArgumentList (Get-LongPath -Path $reference.path)
        $path = $item.FullName.Substring(4)
        if ($seen.ContainsKey($path)) { continue }
        $seen[$path] = $true
        Get-ItemRecord -Item $item -Name ('external/' + $path.Substring(0, 1).ToUpperInvariant() + $path.Substring(2).Replace('\', '/')) -Path $path
    }
}

Function ConvertTo-Mode {
    # The mode of a secret: a number, 0 when it is not given, or the text that stands there instead.
    param([Object] $Value)
    $number = $Value -as [Int32]
    if ($null -eq $number) { return [String]$Value }
    return $number
}

Function Get-ProtectedSecret {
    # The protected secrets of the configuration: path, mode, data, salt. A later file overrides an earlier one.
    param(
        [Object[]] $Documents,
        [String[]] $Paths
    )
    $secrets = [Ordered]@{}
    foreach ($document in $Documents) {
        foreach ($path in $Paths) {
            foreach ($found in Find-JsonValue -Node $document.document -Steps $path.Split('.')) {
                $member = { param($name) $property = $found.value.PSObject.Properties[$name]; if ($property) { $property.Value } }
                $data = & $member 'Data'
                if ($data) { $secrets[$found.path] = @{ path = $found.path; mode = ConvertTo-Mode -Value (& $member 'Mode'); data = [String]$data; salt = [String](& $member 'Salt') } }
            }
        }
    }
    $secrets.Values
}

Function Get-BackupSubject {
    # What a backup of this server holds now: parsed documents, references, and the records of files and folders (without hashes).
    param(
        [Hashtable] $Installation,
        [Collections.IDictionary] $Knowledge,
        [Boolean] $IncludeDatabase
    )
    $documents = @(Read-Configuration -ConfigPath $Installation.config_path -Names $Knowledge.json_files)
    $references = @(Get-Reference -Documents $documents -ConfigPath $Installation.config_path -Keys $Knowledge.references)
    $records = @(Get-FolderRecord -Path $Installation.config_path -Name 'config' -Skip $(if (-not $IncludeDatabase) { 'config/db' }))
    @{
        documents = $documents
        references = $references
        records = $records + @(Get-ExternalFile -References $references)
    }
}

Function Get-ConfigurationUsn {
    # Metadata.Usn of each JSON file, in one text: it changes whenever Access Manager saves.
    param([Object[]] $Documents)
    $numbers = foreach ($document in $Documents) {
        foreach ($found in Find-JsonValue -Node $document.document -Steps 'Metadata', 'Usn') { "$($document.file)=$($found.value)" }
    }
    @($numbers) -join ';'
}

Function Get-DocumentRecord {
    # Of each JSON file: whether it parses, and its Metadata.
    param([Object[]] $Documents)
    foreach ($document in $Documents) {
        $metadata = { param($name) foreach ($found in Find-JsonValue -Node $document.document -Steps 'Metadata', $name) { $found.value } }
        @{ file = $document.file; valid = $document.valid; usn = [String](& $metadata 'Usn'); schema_version = [String](& $metadata 'SchemaVersion') }
    }
}

Function Get-KnowledgeOption {
    # The option in which the controller passes what it knows of Access Manager: plugin_utils/_access_manager.py.
    @{
        type = 'dict'
        options = @{
            json_files = @{ type = 'list'; elements = 'str'; required = $true }
            references = @{ type = 'list'; elements = 'dict'; required = $true; options = @{ path = @{ type = 'str'; required = $true }; folder = @{ type = 'str'; required = $true } } }
            secrets = @{ type = 'list'; elements = 'str'; required = $true }
            usages = @{ type = 'list'; elements = 'str'; required = $true }
            firewall_rule = @{ type = 'str'; required = $true }
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

Function Assert-Installation {
    # The installation, or a sentence that says why there is nothing to work on.
    $installation = Get-Installation
    if (-not $installation.exists) { throw "Access Manager is not installed on $($env:COMPUTERNAME): its registry key or its service is missing." }
    if (-not $installation.config_exists) { throw "The configuration folder of Access Manager, '$($installation.config_path)' as the registry says, does not exist." }
    $installation
}

Export-ModuleMember -Function *
