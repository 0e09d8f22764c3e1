# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The doctor's probes: each makes something, looks at it as a backup or restore does, and takes it away. Files lie in the folder of
# the run. What else an earlier run left because it was ended is removed first: it has the doctor's own names.

#AnsibleRequires -PowerShell ..module_utils._Certificate
#AnsibleRequires -PowerShell ..module_utils._CertificateImport
#AnsibleRequires -PowerShell ..module_utils._EarlierRestore
#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._HttpSys
#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._RestoreBundle
#AnsibleRequires -PowerShell ..module_utils._Retry
#AnsibleRequires -PowerShell ..module_utils._StagingFolder
#AnsibleRequires -PowerShell ..module_utils._TextProbe
#AnsibleRequires -CSharpUtil Ansible.Privilege
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._CertificateStore
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._FileSystem
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._ItemSecurity

Set-StrictMode -Version 2.0

$FileSystem = [ansible_collections.lithnet.access_manager.plugins.module_utils._FileSystem.FileSystem]
$ItemSecurity = [ansible_collections.lithnet.access_manager.plugins.module_utils._ItemSecurity.ItemSecurity]
$ServiceStore = [ansible_collections.lithnet.access_manager.plugins.module_utils._CertificateStore.ServiceStore]
$Name = 'lithnet.access_manager.doctor'
$StoreName = 'lithnetams.doctor\MY'
$StoreKey = 'SOFTWARE\Microsoft\Cryptography\Services\lithnetams.doctor'
$Url = "http://+:59999/$Name/"
$Endpoint = '127.0.0.1:59998'
$ApplicationId = '{0B6E2C57-5D5C-4C5B-9E0E-7C8F5A9D4E21}'
$AllFlags = 0x1 -bor 0x2
$Writes = 200
$SafetyFolder = 'doctor'
$Long = 'n' * 100
$Moment = New-Object -TypeName DateTime -ArgumentList 2001, 2, 3, 4, 5, 6, ([DateTimeKind]::Utc)
$OddNames = 'dot.', 'space ', '[brackets]', "C-$([Char]0xE9)", "C-e$([Char]0x301)", 'strasse', "stra$([Char]0xDF)e",
    "$Long\$Long\$Long"

Function Invoke-Probe {
    # Does each probe: its name, why it failed (empty when it did not), and what it reports beside that.
    param(
        [String] $Folder,
        [Object[]] $Certificates,
        [String] $Json,
        [String] $Bundle,
        [Collections.IDictionary] $Knowledge
    )
    $sid = $Knowledge.service_sid
    $probes = [Ordered]@{
        names = { Test-Name -Folder $Folder; Test-Bundle -Folder $Folder -Bundle $Bundle }
        times = { Test-Time -Folder $Folder }
        permissions = { Test-Permission -Folder $Folder -ServiceSid $sid }
        writes = { Measure-Write -Folder $Folder; Measure-SafetyWrite }
        json = { Test-JsonText -Text $Json }
        registry = { Test-Registry }
        reservations = { Test-Reservation -ServiceSid $sid }
        bindings = { Test-Binding -OwnApplicationId $Knowledge.application_id }
        certificates = { foreach ($one in $Certificates) { Test-Certificate -Wanted $one -ServiceSid $sid } }
        logs = { if ($Certificates) { Test-Log -Secrets @($Certificates | ForEach-Object -Process { $_.password }) } }
    }
    $privilege = New-Object -TypeName Ansible.Privilege.PrivilegeEnabler -ArgumentList $false, 'SeRestorePrivilege'
    try {
        foreach ($probe in $probes.GetEnumerator()) {
            try { @{ name = $probe.Key; error = ''; values = @(& $probe.Value) } }
            catch { @{ name = $probe.Key; error = $_.Exception.GetBaseException().Message; values = @() } }
        }
    }
    finally { $privilege.Dispose() }
}

Function Assert-Same {
    param(
        [Object] $Expected,
        [Object] $Found,
        [String] $What
    )
    if ([String]$Expected -cne [String]$Found) { throw "$What should be '$Expected', and is '$Found'" }
}

Function New-ProbeFolder {
    param(
        [String] $Folder,
        [String] $Name
    )
    $path = [IO.Path]::Combine($Folder, $Name)
    New-RestrictedFolder -Path $path
    $path
}

# ---- files ----

Function Test-Name {
    # Files with names that programs confuse, or that are too long for most, are found and read, each with its own content.
    param([String] $Folder)
    $root = New-ProbeFolder -Folder $Folder -Name 'names'
    foreach ($odd in $OddNames) {
        $path = "$(Get-LongPath -Path $root)\$odd"
        [void][IO.Directory]::CreateDirectory($path.Substring(0, $path.LastIndexOf('\')))
        $bytes = [Text.Encoding]::UTF8.GetBytes($odd)
        $writer = New-Object -TypeName IO.FileStream -ArgumentList $path, ([IO.FileMode]::CreateNew)
        try { $writer.Write($bytes, 0, $bytes.Length) }
        finally { $writer.Dispose() }
    }
    $records = New-NameTable
    foreach ($record in Get-FolderRecord -Path $root -Name 'names') { $records[$record.name] = $record }
    foreach ($odd in $OddNames) {
        $record = $records["names/$($odd.Replace('\', '/'))"]
        if (-not $record) { throw "the file '$odd' is not found" }
        Assert-Same -Expected (Get-TextDigest -Text $odd) -Found (Get-FileDigest -Path $record.path) -What "The SHA-256 of '$odd'"
    }
}

Function Test-Bundle {
    # A bundle, as a restore gets it, of files whose names are equal by the rules of a culture: each is unpacked with its own
    # content.
    param(
        [String] $Folder,
        [String] $Bundle
    )
    $root = New-ProbeFolder -Folder $Folder -Name 'bundle'
    $expanded = Expand-Bundle -Stream ([IO.MemoryStream]::new([Convert]::FromBase64String($Bundle))) -Folder $root
    foreach ($file in $expanded.plan.files) {
        $found = Get-FileDigest -Path $expanded.staged[$file.name].path
        Assert-Same -Expected $file.sha256 -Found $found -What "The SHA-256 of '$($file.name)' in a bundle"
    }
}

Function Test-Time {
    # The time of a folder is set beside a program that watches it, and a file's creation time after it has taken another's name.
    # The folder that Access Manager watches gets the time that it has. Returns whether a creation time stays: not every file
    # system keeps it.
    param([String] $Folder)
    $root = New-ProbeFolder -Folder $Folder -Name 'times'
    $watcher = New-Object -TypeName IO.FileSystemWatcher -ArgumentList $root
    $watcher.EnableRaisingEvents = $true
    try { $FileSystem::SetBasic($root, $null, $Moment, $null) }
    finally { $watcher.Dispose() }
    Assert-Same -Expected $Moment.Ticks -Found ([IO.Directory]::GetLastWriteTimeUtc($root).Ticks) -What 'The time of a folder'
    $installation = Get-Installation
    if ($installation.exists -and $installation.config_exists) {
        $config = Get-LongPath -Path $installation.config_path
        $FileSystem::SetBasic($config, $null, [IO.Directory]::GetLastWriteTimeUtc($config), $null)
    }
    $file = [IO.Path]::Combine($root, 'file')
    Write-WholeFile -Path $file -Text 'old'
    Write-WholeFile -Path $file -Text 'new'
    $FileSystem::SetBasic($file, $Moment, $null, $null)
    if ([IO.File]::GetCreationTimeUtc($file).Ticks -eq $Moment.Ticks) { 'kept' } else { 'lost' }
}

Function Test-Permission {
    # A restricted folder is made twice, a file is given to another owner, and keeps its permissions when it is renamed. Then it
    # inherits again.
    param(
        [String] $Folder,
        [String] $ServiceSid
    )
    $root = New-ProbeFolder -Folder $Folder -Name 'permissions'
    New-RestrictedFolder -Path $root
    $file = [IO.Path]::Combine($root, 'file')
    Write-WholeFile -Path $file -Text 'text'
    $security = New-Object -TypeName Security.AccessControl.FileSecurity
    $sections = [Security.AccessControl.AccessControlSections]'Access, Owner'
    $security.SetSecurityDescriptorSddlForm("O:$($ServiceSid)D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FR;;;$ServiceSid)", $sections)
    $ItemSecurity::Set($file, $security)
    $before = Get-SecurityText -Item (New-Object -TypeName IO.FileInfo -ArgumentList $file)
    if (-not $before.Contains("O:$ServiceSid")) { throw "the owner of a file cannot be set: it is $before" }
    $FileSystem::Move($file, "$file.renamed")
    $after = Get-SecurityText -Item (New-Object -TypeName IO.FileInfo -ArgumentList "$file.renamed")
    Assert-Same -Expected $before -Found $after -What 'The security descriptor of a renamed file'
    $security.SetSecurityDescriptorSddlForm('D:', [Security.AccessControl.AccessControlSections]::Access)
    $ItemSecurity::Set("$file.renamed", $security)
    $again = Get-SecurityText -Item (New-Object -TypeName IO.FileInfo -ArgumentList "$file.renamed")
    if (-not $again.Contains('ID;')) { throw "a file does not inherit again: it is $again" }
}

Function Measure-Write {
    # Writes files and renames them at once, to new names and then over them, where a virus scanner looks into each. Returns the
    # milliseconds of the slowest.
    param([String] $Folder)
    $root = New-ProbeFolder -Folder $Folder -Name 'writes'
    $slowest = [Int64]0
    for ($number = 0; $number -lt 2 * $Writes; $number++) {
        $watch = [Diagnostics.Stopwatch]::StartNew()
        Write-WholeFile -Path ([IO.Path]::Combine($root, "file$($number % $Writes)")) -Text "$number"
        $slowest = [Math]::Max($slowest, [Int64]$watch.ElapsedMilliseconds)
    }
    "$slowest"
}

Function Measure-SafetyWrite {
    # The same in the folder of safety copies, which is made when it is not there, and removed when it is empty.
    $root = Get-SafetyRoot
    $folder = [IO.Path]::Combine($root, $SafetyFolder)
    New-RestrictedFolder -Path $root
    try {
        New-RestrictedFolder -Path $folder
        Measure-Write -Folder $folder
    }
    finally {
        Remove-Tree -Path $folder
        Remove-EmptyFolder -Path $root
    }
}

# ---- registry, HTTP.sys ----

Function Open-Software {
    $view = [Microsoft.Win32.RegistryView]::Registry64
    $machine = [Microsoft.Win32.RegistryKey]::OpenBaseKey([Microsoft.Win32.RegistryHive]::LocalMachine, $view)
    try { $machine.OpenSubKey('SOFTWARE', $true) }
    finally { $machine.Dispose() }
}

Function Test-Registry {
    # A value of each kind is written below a key of the doctor's own, and read as a backup reads it.
    $values = [Ordered]@{
        String = 'text'
        ExpandString = '%PATH%'
        Binary = [Byte[]](1, 2)
        DWord = 3
        QWord = [Int64]4
        MultiString = [String[]]('a', 'b')
    }
    $software = Open-Software
    try {
        $software.DeleteSubKeyTree($Name, $false)
        $key = $software.CreateSubKey($Name)
        try { foreach ($kind in $values.Keys) { $key.SetValue($kind, $values[$kind], [Microsoft.Win32.RegistryValueKind]$kind) } }
        finally { $key.Dispose() }
        foreach ($found in Get-RegistryValue -SubKey "SOFTWARE\$Name") {
            Assert-Same -Expected $found.name -Found $found.kind -What 'The kind of a registry value'
            $expected = if ($found.kind -eq 'Binary') { 'AQI=' } else { $values[$found.name] }
            Assert-Same -Expected $expected -Found $found.data -What "A registry value of the kind $($found.kind)"
        }
    }
    finally {
        try { $software.DeleteSubKeyTree($Name, $false) }
        finally { $software.Dispose() }
    }
}

Function Find-ProbeRecord {
    # The records of HTTP.sys of which a member has that value.
    param(
        [String] $Kind,
        [String] $Member,
        [String] $Value
    )
    (Get-HttpConfiguration).$Kind | Where-Object -FilterScript { $_.$Member -eq $Value }
}

Function Remove-ProbeRecord {
    param(
        [String] $Kind,
        [String] $Member,
        [String] $Value
    )
    $found = @(Find-ProbeRecord -Kind $Kind -Member $Member -Value $Value)
    foreach ($record in $found) { Remove-HttpRecord -Kind $Kind -Record $record }
}

Function Test-Reservation {
    # A URL reservation is added and deleted; Windows has the others afterwards as before.
    param([String] $ServiceSid)
    $record = @{ url = $Url; sddl = "D:(A;;GX;;;$ServiceSid)" }
    Remove-ProbeRecord -Kind 'reservations' -Member 'url' -Value $Url
    $before = (Get-HttpConfiguration).reservations.Count
    try {
        Add-HttpRecord -Kind 'reservations' -Record $record
        $made = @(Find-ProbeRecord -Kind 'reservations' -Member 'url' -Value $Url)
        if (-not $made) { throw 'Windows does not show a URL reservation that was added' }
        Assert-Same -Expected $record.sddl -Found $made[0].sddl -What 'The security descriptor of a URL reservation'
    }
    finally { Remove-ProbeRecord -Kind 'reservations' -Member 'url' -Value $Url }
    Assert-Same -Expected $before -Found (Get-HttpConfiguration).reservations.Count -What 'The number of URL reservations'
}

Function Test-Binding {
    # Access Manager's certificate is bound to a port that nobody uses, with flags and times, and taken off it. Nothing is
    # done where it has none by address.
    param([String] $OwnApplicationId)
    Remove-ProbeRecord -Kind 'bindings' -Member 'application_id' -Value $ApplicationId
    $taken = @(Find-ProbeRecord -Kind 'bindings' -Member 'endpoint' -Value $Endpoint)
    if ($taken) { throw "another program has a TLS binding at $Endpoint" }
    $own = @(Find-ProbeRecord -Kind 'bindings' -Member 'application_id' -Value $OwnApplicationId)
    $own = @($own | Where-Object -FilterScript { $_.kind -eq 'address' })
    if (-not $own) { return 'none' }
    $record = $own[0].Clone()
    $record.endpoint, $record.application_id, $record.flags = $Endpoint, $ApplicationId, $AllFlags
    $record.revocation_freshness, $record.revocation_timeout = 3600, 15000
    try { Add-HttpRecord -Kind 'bindings' -Record $record }
    finally { Remove-ProbeRecord -Kind 'bindings' -Member 'application_id' -Value $ApplicationId }
    return 'done'
}

# ---- certificates ----

Function Test-Certificate {
    # A key is imported into a store of the doctor's own as a restore imports it, used, and exported as a backup does: that PFX
    # is returned.
    param(
        [Collections.IDictionary] $Wanted,
        [String] $ServiceSid
    )
    Clear-CertificateStore
    $flags = [Security.Cryptography.X509Certificates.X509KeyStorageFlags]'MachineKeySet, PersistKeySet, Exportable'
    $pfx = [Convert]::FromBase64String($Wanted.pfx)
    try {
        $certificate = [Security.Cryptography.X509Certificates.X509Certificate2]::new($pfx, $Wanted.password, $flags)
        try { $ServiceStore::Add($StoreName, $certificate) }
        catch { Remove-Key -Certificate $certificate; throw }
        $stored = @($ServiceStore::Read($StoreName))[0]
        $key = Get-KeyInformation -Certificate $stored
        if (-not $key.present) { throw $key.reason }
        Grant-KeyRead -Key $key -ServiceSid $ServiceSid
        Assert-Key -Certificate $stored
        $type = [Security.Cryptography.X509Certificates.X509ContentType]::Pfx
        [Convert]::ToBase64String($stored.Export($type, $Wanted.password))
    }
    finally { Clear-CertificateStore }
}

Function Clear-CertificateStore {
    # Removes the doctor's store with the certificates and the private keys that are in it.
    foreach ($certificate in @($ServiceStore::Read($StoreName))) {
        Remove-Key -Certificate $certificate
        $ServiceStore::Remove($StoreName, $certificate)
    }
    $parent = $StoreKey.Substring('SOFTWARE\'.Length)
    $software = Open-Software
    try { $software.DeleteSubKeyTree($parent, $false) }
    finally { $software.Dispose() }
}

Export-ModuleMember -Function Invoke-Probe
