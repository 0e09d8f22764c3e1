// Copyright (c) 2026, lithnet.access_manager contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

using System;
using System.Collections.Generic;
using System.ComponentModel;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace ansible_collections.lithnet.access_manager.plugins.module_utils._HttpSys
{
    /// <summary>A TLS binding with all its parameters.
    /// Kind: address (ADDRESS:PORT), host_name (HOST:PORT) or central_store (PORT).</summary>
    public sealed class TlsBinding
    {
        public string Kind { get; set; }
        public string Endpoint { get; set; }
        public string Thumbprint { get; set; }
        public string ApplicationId { get; set; }
        public string Store { get; set; }
        public uint Flags { get; set; }
        public uint CheckMode { get; set; }
        public uint RevocationFreshness { get; set; }
        public uint RevocationTimeout { get; set; }
        public string CtlIdentifier { get; set; }
        public string CtlStore { get; set; }
    }

    /// <summary>The configuration of HTTP.sys, by Windows' own functions.</summary>
    public static class HttpSys
    {
        public const string Address = "address";
        public const string HostName = "host_name";
        public const string CentralStore = "central_store";

        private const uint InitializeConfiguration = 2;     // HTTP_INITIALIZE_CONFIG
        private const int UrlReservation = 2;               // HttpServiceConfigUrlAclInfo
        private const uint QueryNext = 1;                   // HttpServiceConfigQueryNext
        private const int InsufficientBuffer = 122;         // ERROR_INSUFFICIENT_BUFFER
        private const int NoMoreItems = 259;                // ERROR_NO_MORE_ITEMS
        private const int StorageSize = 128;                // SOCKADDR_STORAGE, aligned at 8 bytes
        private const int StorageAlignment = 8;
        private static readonly IntPtr None = IntPtr.Zero;

        [StructLayout(LayoutKind.Sequential)]
        private struct Version
        {
            public ushort Major;
            public ushort Minor;
        }

        [StructLayout(LayoutKind.Sequential)]
        private struct Parameters
        {
            public uint HashLength;
            public IntPtr Hash;
            public Guid ApplicationId;
            public IntPtr Store;
            public uint CheckMode;
            public uint RevocationFreshness;
            public uint RevocationTimeout;
            public IntPtr CtlIdentifier;
            public IntPtr CtlStore;
            public uint Flags;
        }

        [DllImport("httpapi.dll")]
        private static extern int HttpInitialize(Version version, uint flags, IntPtr reserved);

        [DllImport("httpapi.dll")]
        private static extern int HttpTerminate(uint flags, IntPtr reserved);

        [DllImport("httpapi.dll")]
        private static extern int HttpSetServiceConfiguration(IntPtr handle, int id, IntPtr data, int length, IntPtr overlapped);

        [DllImport("httpapi.dll")]
        private static extern int HttpDeleteServiceConfiguration(IntPtr handle, int id, IntPtr data, int length, IntPtr overlapped);

        [DllImport("httpapi.dll")]
        private static extern int HttpQueryServiceConfiguration(
            IntPtr handle, int id, IntPtr query, int queryLength, IntPtr data, int length, out int needed, IntPtr overlapped);

        /// <summary>The TLS bindings of all programs.</summary>
        public static TlsBinding[] ReadBindings()
        {
            List<TlsBinding> found = new List<TlsBinding>();
            Use(delegate
            {
                foreach (string kind in new string[] { Address, HostName, CentralStore })
                    for (int index = 0; ReadBinding(kind, index, found); index++) { }
            });
            return found.ToArray();
        }

        /// <exception cref="Win32Exception">Windows refuses it, or does not know one of its parameters.</exception>
        public static void AddBinding(TlsBinding binding)
        {
            Use(delegate { Change(binding, HttpSetServiceConfiguration); });
        }

        public static void DeleteBinding(TlsBinding binding)
        {
            Use(delegate { Change(binding, HttpDeleteServiceConfiguration); });
        }

        public static void AddReservation(string url, string sddl)
        {
            Use(delegate { ChangeReservation(url, sddl, HttpSetServiceConfiguration); });
        }

        public static void DeleteReservation(string url)
        {
            Use(delegate { ChangeReservation(url, null, HttpDeleteServiceConfiguration); });
        }

        private delegate int Configure(IntPtr handle, int id, IntPtr data, int length, IntPtr overlapped);

        private static void Use(Action use)
        {
            Version version = new Version();
            version.Major = 1;
            Check(HttpInitialize(version, InitializeConfiguration, IntPtr.Zero), "HTTP.sys");
            try { use(); }
            finally { HttpTerminate(InitializeConfiguration, IntPtr.Zero); }
        }

        private static void Check(int error, string what)
        {
            if (error != 0)
                throw new Win32Exception(error, what + ": " + new Win32Exception(error).Message);
        }

        // ---- what Windows' structures look like: a key, and the parameters behind it ----

        private static int Id(string kind)
        {
            switch (kind)
            {
                case Address: return 1;         // HttpServiceConfigSSLCertInfo
                case HostName: return 5;        // HttpServiceConfigSslSniCertInfo
                case CentralStore: return 6;    // HttpServiceConfigSslCcsCertInfo
                default: throw new ArgumentException("'" + kind + "' is no kind of TLS binding.");
            }
        }

        /// <summary>A pointer to an address; an address and a pointer to a name; or an address.</summary>
        private static int KeySize(string kind)
        {
            if (kind == Address)
                return IntPtr.Size;
            return kind == HostName ? StorageSize + StorageAlignment : StorageSize;
        }

        private static bool ReadBinding(string kind, int index, List<TlsBinding> found)
        {
            using (Memory memory = new Memory())
            {
                int keyAt = kind == Address ? IntPtr.Size : StorageAlignment;
                int length = keyAt + KeySize(kind) + StorageAlignment;
                IntPtr query = memory.Allocate(length);
                Marshal.WriteInt32(query, (int)QueryNext);
                Marshal.WriteInt32(query, keyAt + KeySize(kind), index);
                IntPtr data = IntPtr.Zero;
                int error, size = 0, needed = 0;
                do
                {
                    size = needed;
                    data = size > 0 ? memory.Allocate(size) : IntPtr.Zero;
                    error = HttpQueryServiceConfiguration(None, Id(kind), query, length, data, size, out needed, None);
                } while (error == InsufficientBuffer && needed > size);
                if (error == NoMoreItems)
                    return false;
                Check(error, "The TLS bindings of HTTP.sys");
                found.Add(Binding(kind, data));
                return true;
            }
        }

        private static TlsBinding Binding(string kind, IntPtr data)
        {
            IntPtr behindKey = new IntPtr(data.ToInt64() + KeySize(kind));
            Parameters parameters = (Parameters)Marshal.PtrToStructure(behindKey, typeof(Parameters));
            byte[] hash = new byte[parameters.HashLength];
            if (hash.Length > 0)
                Marshal.Copy(parameters.Hash, hash, 0, hash.Length);
            TlsBinding binding = new TlsBinding();
            binding.Kind = kind;
            binding.Endpoint = Endpoint(kind, data);
            binding.Thumbprint = BitConverter.ToString(hash).Replace("-", "");
            binding.ApplicationId = parameters.ApplicationId.ToString("B").ToUpperInvariant();
            binding.Store = Marshal.PtrToStringUni(parameters.Store) ?? "";
            binding.Flags = parameters.Flags;
            binding.CheckMode = parameters.CheckMode;
            binding.RevocationFreshness = parameters.RevocationFreshness;
            binding.RevocationTimeout = parameters.RevocationTimeout;
            binding.CtlIdentifier = Marshal.PtrToStringUni(parameters.CtlIdentifier) ?? "";
            binding.CtlStore = Marshal.PtrToStringUni(parameters.CtlStore) ?? "";
            return binding;
        }

        private static string Endpoint(string kind, IntPtr key)
        {
            IPEndPoint address = ReadAddress(kind == Address ? Marshal.ReadIntPtr(key) : key);
            if (kind == Address)
                return address.ToString();
            string port = address.Port.ToString(CultureInfo.InvariantCulture);
            return kind == HostName ? Marshal.PtrToStringUni(Marshal.ReadIntPtr(key, StorageSize)) + ":" + port : port;
        }

        private static IPEndPoint ReadAddress(IntPtr address)
        {
            bool six = Marshal.ReadInt16(address) == (short)AddressFamily.InterNetworkV6;
            byte[] bytes = new byte[six ? 16 : 4];
            Marshal.Copy(new IntPtr(address.ToInt64() + (six ? 8 : 4)), bytes, 0, bytes.Length);
            int port = Marshal.ReadByte(address, 2) << 8 | Marshal.ReadByte(address, 3);
            return new IPEndPoint(six ? new IPAddress(bytes, (uint)Marshal.ReadInt32(address, 24)) : new IPAddress(bytes), port);
        }

        private static void Change(TlsBinding binding, Configure configure)
        {
            using (Memory memory = new Memory())
            {
                int length = KeySize(binding.Kind) + Marshal.SizeOf(typeof(Parameters));
                IntPtr data = memory.Allocate(length);
                WriteKey(binding, data, memory);
                byte[] hash = FromHexadecimal(binding.Thumbprint);
                Parameters parameters = new Parameters();
                parameters.HashLength = (uint)hash.Length;
                parameters.Hash = memory.Bytes(hash);
                parameters.ApplicationId = new Guid(binding.ApplicationId);
                parameters.Store = memory.Text(binding.Store);
                parameters.CheckMode = binding.CheckMode;
                parameters.RevocationFreshness = binding.RevocationFreshness;
                parameters.RevocationTimeout = binding.RevocationTimeout;
                parameters.CtlIdentifier = memory.Text(binding.CtlIdentifier);
                parameters.CtlStore = memory.Text(binding.CtlStore);
                parameters.Flags = binding.Flags;
                Marshal.StructureToPtr(parameters, new IntPtr(data.ToInt64() + KeySize(binding.Kind)), false);
                Check(configure(IntPtr.Zero, Id(binding.Kind), data, length, IntPtr.Zero), "The TLS binding " + binding.Endpoint);
            }
        }

        private static void WriteKey(TlsBinding binding, IntPtr key, Memory memory)
        {
            int colon = binding.Endpoint.LastIndexOf(':');
            int port = int.Parse(binding.Endpoint.Substring(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture);
            string host = colon < 0 ? "" : binding.Endpoint.Substring(0, colon);
            IPAddress address = binding.Kind == Address ? IPAddress.Parse(host.Trim('[', ']')) : IPAddress.Any;
            SocketAddress socket = new IPEndPoint(address, port).Serialize();
            byte[] bytes = new byte[StorageSize];
            for (int index = 0; index < socket.Size; index++)
                bytes[index] = socket[index];
            if (binding.Kind == Address)
                Marshal.WriteIntPtr(key, memory.Bytes(bytes));
            else
                Marshal.Copy(bytes, 0, key, bytes.Length);
            if (binding.Kind == HostName)
                Marshal.WriteIntPtr(key, StorageSize, memory.Text(host));
        }

        private static void ChangeReservation(string url, string sddl, Configure configure)
        {
            using (Memory memory = new Memory())
            {
                IntPtr data = memory.Allocate(2 * IntPtr.Size);
                Marshal.WriteIntPtr(data, memory.Text(url));
                Marshal.WriteIntPtr(data, IntPtr.Size, memory.Text(sddl));
                Check(configure(IntPtr.Zero, UrlReservation, data, 2 * IntPtr.Size, IntPtr.Zero), "The URL reservation " + url);
            }
        }

        private static byte[] FromHexadecimal(string text)
        {
            byte[] bytes = new byte[text.Length / 2];
            for (int index = 0; index < bytes.Length; index++)
                bytes[index] = Convert.ToByte(text.Substring(2 * index, 2), 16);
            return bytes;
        }

        /// <summary>Memory for one call, freed after it.</summary>
        private sealed class Memory : IDisposable
        {
            private readonly List<IntPtr> blocks = new List<IntPtr>();

            public IntPtr Allocate(int size)
            {
                IntPtr block = Marshal.AllocHGlobal(size);
                blocks.Add(block);
                Marshal.Copy(new byte[size], 0, block, size);
                return block;
            }

            public IntPtr Bytes(byte[] bytes)
            {
                if (bytes.Length == 0)
                    return IntPtr.Zero;
                IntPtr block = Allocate(bytes.Length);
                Marshal.Copy(bytes, 0, block, bytes.Length);
                return block;
            }

            /// <summary>A text for Windows; nothing when there is none.</summary>
            public IntPtr Text(string text)
            {
                return string.IsNullOrEmpty(text) ? IntPtr.Zero : Bytes(System.Text.Encoding.Unicode.GetBytes(text + "\0"));
            }

            public void Dispose()
            {
                foreach (IntPtr block in blocks)
                    Marshal.FreeHGlobal(block);
            }
        }
    }
}
