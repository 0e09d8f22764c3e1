// Copyright (c) 2026, lithnet.access_manager contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

using System;
using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Security.Cryptography.X509Certificates;

namespace ansible_collections.lithnet.access_manager.plugins.module_utils._CertificateStore
{
    /// <summary>Certificate stores of services, which .NET cannot open by name.</summary>
    public static class ServiceStore
    {
        private const int SystemProviderUnicode = 10;       // CERT_STORE_PROV_SYSTEM_W
        private const uint ServicesLocation = 5u << 16;     // CERT_SYSTEM_STORE_SERVICES
        private const uint OpenExisting = 0x4000;           // CERT_STORE_OPEN_EXISTING_FLAG
        private const uint ReadOnly = 0x8000;               // CERT_STORE_READONLY_FLAG
        private const int FileNotFound = 2;                 // ERROR_FILE_NOT_FOUND

        [DllImport("crypt32.dll", CharSet = CharSet.Unicode, SetLastError = true)]
        private static extern IntPtr CertOpenStore(IntPtr provider, uint encoding, IntPtr cryptographicProvider, uint flags, string name);

        [DllImport("crypt32.dll", SetLastError = true)]
        private static extern bool CertCloseStore(IntPtr store, uint flags);

        /// <summary>The certificates of a store such as lithnetams\MY; none when the store does not exist yet.</summary>
        /// <exception cref="Win32Exception">The store cannot be opened.</exception>
        public static X509Certificate2Collection Read(string name)
        {
            IntPtr handle = CertOpenStore(new IntPtr(SystemProviderUnicode), 0, IntPtr.Zero, ServicesLocation | OpenExisting | ReadOnly, name);
            if (handle == IntPtr.Zero)
            {
                int error = Marshal.GetLastWin32Error();
                if (error == FileNotFound)
                    return new X509Certificate2Collection();
                throw new Win32Exception(error, "The certificate store " + name + " cannot be opened: " + new Win32Exception(error).Message);
            }
            try
            {
                X509Store store = new X509Store(handle);
                try { return store.Certificates; }
                finally { store.Close(); }
            }
            finally { CertCloseStore(handle, 0); }
        }
    }
}
