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
        private const uint UsersLocation = 6u << 16;        // CERT_SYSTEM_STORE_USERS
        private const uint OpenExisting = 0x4000;           // CERT_STORE_OPEN_EXISTING_FLAG
        private const uint ReadOnly = 0x8000;               // CERT_STORE_READONLY_FLAG
        private const uint ReplaceExisting = 3;             // CERT_STORE_ADD_REPLACE_EXISTING
        private const uint Commit = 3;                      // CERT_STORE_CTRL_COMMIT
        private const uint Force = 1;                       // CERT_STORE_CTRL_COMMIT_FORCE_FLAG
        private const int FileNotFound = 2;                 // ERROR_FILE_NOT_FOUND

        [DllImport("crypt32.dll", CharSet = CharSet.Unicode, SetLastError = true)]
        private static extern IntPtr CertOpenStore(IntPtr provider, uint encoding, IntPtr cryptographicProvider, uint flags,
            string name);

        [DllImport("crypt32.dll", SetLastError = true)]
        private static extern bool CertCloseStore(IntPtr store, uint flags);

        [DllImport("crypt32.dll", SetLastError = true)]
        private static extern bool CertAddCertificateContextToStore(IntPtr store, IntPtr certificate, uint disposition,
            IntPtr added);

        [DllImport("crypt32.dll", SetLastError = true)]
        private static extern bool CertControlStore(IntPtr store, uint flags, uint control, IntPtr parameter);

        /// <summary>The certificates of a store such as lithnetams\MY; none when the store does not exist yet.</summary>
        /// <exception cref="Win32Exception">The store cannot be opened.</exception>
        public static X509Certificate2Collection Read(string name)
        {
            return ReadFrom(ServicesLocation, name);
        }

        /// <summary>The certificates of CurrentUser\My of an account; none when its profile is not loaded, or it has no such
        /// store.</summary>
        /// <exception cref="Win32Exception">The store cannot be opened.</exception>
        public static X509Certificate2Collection ReadOfUser(string sid)
        {
            return ReadFrom(UsersLocation, sid + "\\My");
        }

        private static X509Certificate2Collection ReadFrom(uint location, string name)
        {
            IntPtr handle = Open(name, location | OpenExisting | ReadOnly);
            if (handle == IntPtr.Zero)
                return new X509Certificate2Collection();
            return Use(handle, delegate(X509Store store) { return store.Certificates; });
        }

        /// <summary>Puts a certificate, with its private key if it has one, into a store, which is made when it does not
        /// exist. X509Store.Add would let it inherit the properties of one that is there: a reference to a lost key, for
        /// one. Windows persists what is replaced at once, and may refuse to be asked to; others do when they are asked.
        /// </summary>
        /// <exception cref="Win32Exception">The store cannot be opened or changed.</exception>
        public static void Add(string name, X509Certificate2 certificate)
        {
            Use(Open(name, ServicesLocation), delegate(X509Store store)
            {
                if (!CertAddCertificateContextToStore(store.StoreHandle, certificate.Handle, ReplaceExisting, IntPtr.Zero))
                    throw new Win32Exception(Marshal.GetLastWin32Error());
                CertControlStore(store.StoreHandle, Force, Commit, IntPtr.Zero);
                GC.KeepAlive(certificate);
                return null;
            });
        }

        /// <summary>Takes a certificate out of a store; its private key stays where it is.</summary>
        public static void Remove(string name, X509Certificate2 certificate)
        {
            Use(Open(name, ServicesLocation), delegate(X509Store store) { store.Remove(certificate); return null; });
        }

        private static X509Certificate2Collection Use(IntPtr handle, Func<X509Store, X509Certificate2Collection> use)
        {
            try
            {
                X509Store store = new X509Store(handle);
                try { return use(store); }
                finally { store.Close(); }
            }
            finally { CertCloseStore(handle, 0); }
        }

        private static IntPtr Open(string name, uint flags)
        {
            IntPtr handle = CertOpenStore(new IntPtr(SystemProviderUnicode), 0, IntPtr.Zero, flags, name);
            if (handle != IntPtr.Zero)
                return handle;
            int error = Marshal.GetLastWin32Error();
            if (error == FileNotFound && (flags & OpenExisting) != 0)
                return IntPtr.Zero;
            throw new Win32Exception(error, "The certificate store " + name + " cannot be opened: " +
                new Win32Exception(error).Message);
        }
    }
}
