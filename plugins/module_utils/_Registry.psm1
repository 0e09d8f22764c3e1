# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Reads the registry as 64-bit programs see it.

Set-StrictMode -Version 2.0

Function Open-MachineKey {
    # A key of HKEY_LOCAL_MACHINE for reading, as 64-bit programs see it; $null when it is not there.
    param([String] $SubKey)
    $machine = [Microsoft.Win32.RegistryKey]::OpenBaseKey([Microsoft.Win32.RegistryHive]::LocalMachine,
        [Microsoft.Win32.RegistryView]::Registry64)
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

Function Get-KeySecurityText {
    # Owner, group and access rules of a key as SDDL; empty when it is not there.
    param([String] $SubKey)
    $key = Open-MachineKey -SubKey $SubKey
    if ($null -eq $key) { return '' }
    $sections = [Security.AccessControl.AccessControlSections]'Access, Owner, Group'
    try { $key.GetAccessControl($sections).GetSecurityDescriptorSddlForm($sections) }
    finally { $key.Dispose() }
}

Export-ModuleMember -Function Open-MachineKey, Get-RegistryValue, Get-RegistryData, Get-SubKeyName, Get-KeySecurityText
