# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Access Manager's JSON: documents, the files they name, protected secrets. It only reads.

#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._Json

Set-StrictMode -Version 2.0

$CommentsOutsideStrings = '("(?:[^"\\]|\\.)*")|//[^\r\n]*|/\*[\s\S]*?\*/'
$TrailingCommasOutsideStrings = '("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])'

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
    if ($Node -isnot [Collections.IDictionary] -or -not $Node.Contains($name)) { return }
    $spelled = @($Node.Keys | Where-Object -FilterScript { $_ -eq $name })[0]
    $rest = @($Steps | Select-Object -Skip 1)
    $place = if ($At) { "$At.$spelled" } else { $spelled }
    if ($Steps[0] -notlike '*[[][]]') { return Find-JsonValue -Node $Node[$name] -Steps $rest -At $place }
    $index = 0
    foreach ($element in @($Node[$name])) {
        Find-JsonValue -Node $element -Steps $rest -At "$place[$index]"
        $index++
    }
}

Function ConvertFrom-Configuration {
    # The object in a JSON text, $null when there is none. .NET's configuration allows comments and trailing commas, Windows
    # PowerShell does not.
    param([String] $Text)
    $plain = [Regex]::Replace([Regex]::Replace($Text, $CommentsOutsideStrings, '$1'), $TrailingCommasOutsideStrings, '$1')
    try { $document = [ansible_collections.lithnet.access_manager.plugins.module_utils._Json.Json]::Parse($plain) }
    catch { return $null }
    if ($document -is [Collections.IDictionary]) { return $document }
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

Function Get-Reference {
    # The files that the configuration names: key, value, path, where it lies, whether it is there, and no name in a backup yet.
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
                $place = if ($path.StartsWith('\\')) {
                    'share'
                }
                elseif ($path.StartsWith("$ConfigPath\", [StringComparison]::OrdinalIgnoreCase)) {
                    'config'
                }
                else {
                    'external'
                }
                @{
                    key = $found.path
                    value = $value
                    path = $path
                    place = $place
                    exists = $place -ne 'share' -and [IO.File]::Exists((Get-LongPath -Path $path))
                    name = $null
                }
            }
        }
    }
}

Function Get-ExternalFile {
    # The referenced files outside the configuration folder, each once, with their names in a backup.
    param([Object[]] $References)
    $seen = New-NameTable
    foreach ($reference in $References) {
        if ($reference.place -ne 'external' -or -not $reference.exists) { continue }
        $item = New-Object -TypeName IO.FileInfo -ArgumentList (Get-LongPath -Path $reference.path)
        $path = $item.FullName.Substring(4)
        if ($seen.ContainsKey($path)) { continue }
        $seen[$path] = $true
        Get-ItemRecord -Item $item -Name ('external/' + $path.Substring(0, 1).ToUpperInvariant() +
            $path.Substring(2).Replace('\', '/')) -Path $path
    }
}

Function Add-BackupName {
    # Gives each reference the name under which a backup holds its file. One that it does not hold keeps none.
    param(
        [Object[]] $References,
        [Object[]] $Records
    )
    $names = New-NameTable
    foreach ($record in $Records) {
        if ($record.kind -eq 'file') { $names[(Get-LongPath -Path $record.path)] = $record.name }
    }
    foreach ($reference in $References) { $reference.name = $names[(Get-LongPath -Path $reference.path)] }
}

Function Get-Setting {
    # The values at these paths as text, by their places. A later file overrides an earlier one.
    param(
        [Object[]] $Documents,
        [String[]] $Paths
    )
    $settings = New-NameTable
    foreach ($document in $Documents) {
        foreach ($path in $Paths) {
            foreach ($found in Find-JsonValue -Node $document.document -Steps $path.Split('.')) {
                $settings[$found.path] = [Convert]::ToString($found.value, [Globalization.CultureInfo]::InvariantCulture)
            }
        }
    }
    $settings
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
    $secrets = New-Object -TypeName Collections.Specialized.OrderedDictionary -ArgumentList ([StringComparer]::OrdinalIgnoreCase)
    foreach ($document in $Documents) {
        foreach ($path in $Paths) {
            foreach ($found in Find-JsonValue -Node $document.document -Steps $path.Split('.')) {
                $member = { param($name) if ($found.value -is [Collections.IDictionary]) { $found.value[$name] } }
                $data = & $member 'Data'
                if ($data) {
                    $secrets[$found.path] = @{
                        path = $found.path
                        mode = ConvertTo-Mode -Value (& $member 'Mode')
                        data = [String]$data
                        salt = "$(& $member 'Salt')"
                    }
                }
            }
        }
    }
    $secrets.Values
}

Function Get-SynchronisedCertificate {
    # The thumbprints of the certificates whose keys the configuration itself holds, and that Access Manager imports when it starts.
    param([Object[]] $Documents)
    foreach ($document in $Documents) {
        foreach ($found in Find-JsonValue -Node $document.document -Steps 'DataProtection', 'Certificates[]') {
            if ($found.value -isnot [Collections.IDictionary] -or -not $found.value['Data']) { continue }
            $thumbprint = "$($found.value['Thumbprint'])".ToUpperInvariant()
            if ($thumbprint -match '^[0-9A-F]{40}$' -and "$($found.value['Operation'])" -notin '1', 'Delete') { $thumbprint }
        }
    }
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
    $skipped = if (-not $IncludeDatabase) { 'config/db' }
    $records = @(Get-FolderRecord -Path $Installation.config_path -Name 'config' -Skip $skipped)
    $records += @(Get-ExternalFile -References $references)
    Add-BackupName -References $references -Records $records
    @{
        documents = $documents
        references = $references
        records = $records
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
        $metadata = {
            param($name)
            foreach ($found in Find-JsonValue -Node $document.document -Steps 'Metadata', $name) { $found.value }
        }
        @{
            file = $document.file
            valid = $document.valid
            usn = "$(& $metadata 'Usn')"
            schema_version = "$(& $metadata 'SchemaVersion')"
        }
    }
}

Export-ModuleMember -Function Find-JsonValue, Read-Configuration, Get-Setting, Get-ProtectedSecret,
    Get-SynchronisedCertificate, Get-BackupSubject, Get-ConfigurationUsn, Get-DocumentRecord
