# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Data that one controller alone can read: AES-256-CBC and HMAC-SHA256 under keys that RSA-OAEP wraps for the controller's key of
# this call.
# The MAC covers the context, the initialization vector and the ciphertext. plugin_utils/_target/envelope.py decrypts it.

Set-StrictMode -Version 2.0

Function New-RandomByte {
    param([Int32] $Count)
    $bytes = New-Object -TypeName Byte[] -ArgumentList $Count
    $generator = [Security.Cryptography.RandomNumberGenerator]::Create()
    try { $generator.GetBytes($bytes) }
    finally { $generator.Dispose() }
    return , $bytes
}

Function ConvertTo-WrappedKey {
    param(
        [Byte[]] $Key,
        [Collections.IDictionary] $PublicKey
    )
    $parameters = New-Object -TypeName Security.Cryptography.RSAParameters
    $parameters.Modulus = [Convert]::FromBase64String($PublicKey.modulus)
    $parameters.Exponent = [Convert]::FromBase64String($PublicKey.exponent)
    $rsa = New-Object -TypeName Security.Cryptography.RSACryptoServiceProvider
    try {
        $rsa.ImportParameters($parameters)
        [Convert]::ToBase64String($rsa.Encrypt($Key, $true))
    }
    finally { $rsa.Dispose() }
}

Function Write-Envelope {
    # Encrypts whatever Writer writes to the stream it is given, into Output. Returns the header: wrapped key, iv, MAC, and
    # how many bytes the ciphertext has.
    param(
        [IO.Stream] $Output,
        [Collections.IDictionary] $PublicKey,
        [String] $Context,
        [ScriptBlock] $Writer
    )
    $encryptionKey = New-RandomByte -Count 32
    $macKey = New-RandomByte -Count 32
    $aes = New-Object -TypeName Security.Cryptography.AesCryptoServiceProvider
    $aes.KeySize = 256
    $aes.Key = $encryptionKey
    $mac = [Security.Cryptography.HMACSHA256]::new($macKey)
    try {
        $prefix = [Text.Encoding]::UTF8.GetBytes($Context) + $aes.IV
        [void]$mac.TransformBlock($prefix, 0, $prefix.Length, $null, 0)
        $write = [Security.Cryptography.CryptoStreamMode]::Write
        $authenticated = New-Object -TypeName Security.Cryptography.CryptoStream -ArgumentList $Output, $mac, $write
        $encryptor = $aes.CreateEncryptor()
        $encrypted = New-Object -TypeName Security.Cryptography.CryptoStream -ArgumentList $authenticated, $encryptor, $write
        $compressed = New-Object -TypeName IO.Compression.GZipStream -ArgumentList $encrypted,
            ([IO.Compression.CompressionLevel]::Fastest), $true
        & $Writer $compressed
        $compressed.Dispose()
        $encrypted.FlushFinalBlock()
        @{
            key = ConvertTo-WrappedKey -Key ($encryptionKey + $macKey) -PublicKey $PublicKey
            iv = [Convert]::ToBase64String($aes.IV)
            mac = [Convert]::ToBase64String($mac.Hash)
            size = $Output.Length
        }
    }
    finally { $aes.Dispose(); $mac.Dispose() }
}

Function Protect-Text {
    # A whole envelope around a text: header and data.
    param(
        [String] $Text,
        [Collections.IDictionary] $PublicKey,
        [String] $Context
    )
    $output = New-Object -TypeName IO.MemoryStream
    try {
        $bytes = [Text.Encoding]::UTF8.GetBytes($Text)
        $header = Write-Envelope -Output $output -PublicKey $PublicKey -Context $Context -Writer {
            param($stream)
            $stream.Write($bytes, 0, $bytes.Length)
        }
        $header.data = [Convert]::ToBase64String($output.ToArray())
        $header
    }
    finally { $output.Dispose() }
}

Export-ModuleMember -Function New-RandomByte, Write-Envelope, Protect-Text
