// Copyright (c) 2026, lithnet.access_manager contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

using System;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace ansible_collections.lithnet.access_manager.plugins.module_utils._DomainSecret
{
    /// <summary>Secrets that CNG DPAPI protects for accounts of a domain.</summary>
    public static class DomainSecret
    {
        private const uint Silent = 0x40;

        [DllImport("ncrypt.dll")]
        private static extern int NCryptUnprotectSecret(out IntPtr descriptor, uint flags, byte[] secret, uint size, IntPtr memory,
            IntPtr window, out IntPtr data, out uint dataSize);

        [DllImport("ncrypt.dll")]
        private static extern int NCryptCloseProtectionDescriptor(IntPtr descriptor);

        [DllImport("kernel32.dll")]
        private static extern IntPtr LocalFree(IntPtr memory);

        /// <summary>What the secret holds. Windows' own copy is overwritten at once.</summary>
        public static byte[] Open(byte[] secret)
        {
            IntPtr descriptor, data;
            uint size;
            int status = NCryptUnprotectSecret(out descriptor, Silent, secret, (uint)secret.Length, IntPtr.Zero, IntPtr.Zero,
                out data, out size);
            if (status != 0)
                throw new CryptographicException(status);
            byte[] clear = new byte[size];
            Marshal.Copy(data, clear, 0, clear.Length);
            for (int place = 0; place < size; place++)
                Marshal.WriteByte(data, place, 0);
            LocalFree(data);
            NCryptCloseProtectionDescriptor(descriptor);
            return clear;
        }
    }
}
