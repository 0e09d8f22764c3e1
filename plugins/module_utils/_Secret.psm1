# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Secrets that the data protection of the local machine keeps, as Access Manager stores them.

#AnsibleRequires -PowerShell ..module_utils._Envelope

Set-StrictMode -Version 2.0

Add-Type -AssemblyName System.Security

$ClearMode, $MachineMode = 0, 1
$SaltBytes = 128

Function Unprotect-Secret {
    # The clear text of a secret: mode 0 is stored so, mode 1 is DPAPI of the local machine with the salt as entropy.
    param([Collections.IDictionary] $Secret)
    switch ($Secret.mode) {
        $ClearMode { return $Secret.data }
        $MachineMode {
            $salt = if ($Secret.salt) { [Convert]::FromBase64String($Secret.salt) }
            $bytes = [Security.Cryptography.ProtectedData]::Unprotect([Convert]::FromBase64String($Secret.data), $salt,
                [Security.Cryptography.DataProtectionScope]::LocalMachine)
            return [Text.Encoding]::UTF8.GetString($bytes)
        }
    }
    throw "secrets of mode $($Secret.mode) cannot be decrypted by this module; the configuration holds it as it is"
}

Function New-MachineSecret {
    # A secret as Access Manager stores one that this server alone decrypts.
    param(
        [String] $Path,
        [String] $Data,
        [String] $Salt
    )
    @{ path = $Path; mode = $MachineMode; data = $Data; salt = $Salt }
}

Function Select-MachineSecret {
    # Of these secrets, those that this server alone decrypts.
    param([Object[]] $Secrets)
    foreach ($secret in $Secrets) { if ($secret.mode -eq $MachineMode) { $secret } }
}

Function Test-Secret {
    # Whether this server decrypts a secret.
    param([Collections.IDictionary] $Secret)
    try { [void](Unprotect-Secret -Secret $Secret); $true }
    catch { $false }
}

Function Protect-Secret {
    # A clear text as a secret of mode 1: data and salt.
    param([String] $Value)
    $salt = New-RandomByte -Count $SaltBytes
    $bytes = [Security.Cryptography.ProtectedData]::Protect([Text.Encoding]::UTF8.GetBytes($Value), $salt,
        [Security.Cryptography.DataProtectionScope]::LocalMachine)
    @{ data = [Convert]::ToBase64String($bytes); salt = [Convert]::ToBase64String($salt); mode = $MachineMode }
}

Function Get-SecretMark {
    # A text that is the same for the same secret and nonce, and reveals nothing of the secret without the nonce.
    param(
        [String] $Value,
        [String] $Nonce
    )
    $mac = [Security.Cryptography.HMACSHA256]::new([Convert]::FromBase64String($Nonce))
    try { [Convert]::ToBase64String($mac.ComputeHash([Text.Encoding]::UTF8.GetBytes($Value))) }
    finally { $mac.Dispose() }
}

Export-ModuleMember -Function Unprotect-Secret, New-MachineSecret, Select-MachineSecret, Test-Secret, Protect-Secret, Get-SecretMark
