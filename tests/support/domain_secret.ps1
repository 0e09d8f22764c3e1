# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Protects texts as Access Manager protects the secrets of a cluster. Takes a list of descriptor and text, gives them in Base64.

Add-Type -TypeDefinition @'
using System;
using System.Runtime.InteropServices;
public static class Protector
{
    [DllImport("ncrypt.dll", CharSet = CharSet.Unicode)]
    static extern int NCryptCreateProtectionDescriptor(string rule, uint flags, out IntPtr descriptor);
    [DllImport("ncrypt.dll")]
    static extern int NCryptProtectSecret(IntPtr descriptor, uint flags, byte[] data, uint size, IntPtr memory, IntPtr window,
        out IntPtr secret, out uint secretSize);
    public static byte[] Protect(string rule, byte[] data)
    {
        IntPtr descriptor, secret;
        uint size;
        int status = NCryptCreateProtectionDescriptor(rule, 0, out descriptor);
        if (status == 0)
        {
            status = NCryptProtectSecret(descriptor, 0x40, data, (uint)data.Length, IntPtr.Zero, IntPtr.Zero, out secret, out size);
            if (status == 0)
            {
                byte[] made = new byte[size];
                Marshal.Copy(secret, made, 0, made.Length);
                return made;
            }
        }
        throw new Exception("NCrypt: 0x" + status.ToString("x"));
    }
}
'@

$made = foreach ($one in (ConvertFrom-Json -InputObject ([Console]::In.ReadToEnd()))) {
    [Convert]::ToBase64String([Protector]::Protect("SDDL=$($one.descriptor)", [Text.Encoding]::Unicode.GetBytes($one.text)))
}
ConvertTo-Json -InputObject @($made) -Compress
