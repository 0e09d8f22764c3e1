// Copyright (c) 2026, lithnet.access_manager contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

using System;
using System.ComponentModel;
using System.IO;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using System.Security.AccessControl;
using System.Threading;
using Microsoft.Win32.SafeHandles;

namespace ansible_collections.lithnet.access_manager.plugins.module_utils._KernelObject
{
    /// <summary>Mutexes and pipes open to SYSTEM and Administrators alone, whichever of them makes them. By Windows' own defaults a
    /// mutex that SYSTEM makes is closed to administrators, and everybody may read from a pipe.</summary>
    public static class KernelObject
    {
        private const string Descriptor = "D:P(A;;GA;;;SY)(A;;GA;;;BA)";
        private const uint ModifyStateAndSynchronize = 0x100001;    // MUTEX_MODIFY_STATE | SYNCHRONIZE
        private const uint Outbound = 0x2;                          // PIPE_ACCESS_OUTBOUND
        private const uint FirstInstance = 0x80000;                 // FILE_FLAG_FIRST_PIPE_INSTANCE
        private const uint Overlapped = 0x40000000;                 // FILE_FLAG_OVERLAPPED
        private const uint RejectRemoteClients = 0x8;               // PIPE_REJECT_REMOTE_CLIENTS
        private const uint BufferBytes = 65536;
        private const int AccessDenied = 5;                         // ERROR_ACCESS_DENIED
        private const int AlreadyExists = 183;                      // ERROR_ALREADY_EXISTS

        [StructLayout(LayoutKind.Sequential)]
        private struct SecurityAttributes
        {
            public int Length;
            public IntPtr Descriptor;
            public int Inherit;
        }

        private delegate T Create<T>(ref SecurityAttributes attributes);

        [DllImport("kernel32.dll", CharSet = CharSet.Unicode, SetLastError = true)]
        private static extern SafeWaitHandle CreateMutexExW(ref SecurityAttributes attributes, string name, uint flags,
            uint access);

        [DllImport("kernel32.dll", CharSet = CharSet.Unicode, SetLastError = true)]
        private static extern SafePipeHandle CreateNamedPipeW(string name, uint access, uint mode, uint instances, uint output,
            uint input,
            uint timeout, ref SecurityAttributes attributes);

        /// <summary>Opens the mutex of that name, and makes it when there is none; C(first) says which.</summary>
        /// <exception cref="UnauthorizedAccessException">Another account made it, and keeps it from this one.</exception>
        public static Mutex OpenMutex(string name, out bool first)
        {
            int error = 0;
            SafeWaitHandle handle = Secured(delegate(ref SecurityAttributes attributes)
            {
                SafeWaitHandle made = CreateMutexExW(ref attributes, name, 0, ModifyStateAndSynchronize);
                error = Marshal.GetLastWin32Error();
                return made;
            });
            if (handle.IsInvalid)
                throw Failure(error);
            first = error != AlreadyExists;
            Mutex mutex = new Mutex();
            mutex.SafeWaitHandle.Dispose();
            mutex.SafeWaitHandle = handle;
            return mutex;
        }

        /// <summary>Makes a pipe of that name to one reader on this server.</summary>
        public static NamedPipeServerStream CreatePipe(string name)
        {
            int error = 0;
            SafePipeHandle handle = Secured(delegate(ref SecurityAttributes attributes)
            {
                SafePipeHandle made = CreateNamedPipeW(@"\\.\pipe\" + name, Outbound | FirstInstance | Overlapped,
                    RejectRemoteClients, 1, BufferBytes, 0, 0, ref attributes);
                error = Marshal.GetLastWin32Error();
                return made;
            });
            if (handle.IsInvalid)
                throw Failure(error);
            return new NamedPipeServerStream(PipeDirection.Out, true, false, handle);
        }

        private static T Secured<T>(Create<T> create)
        {
            RawSecurityDescriptor descriptor = new RawSecurityDescriptor(Descriptor);
            byte[] bytes = new byte[descriptor.BinaryLength];
            descriptor.GetBinaryForm(bytes, 0);
            GCHandle pinned = GCHandle.Alloc(bytes, GCHandleType.Pinned);
            try
            {
                SecurityAttributes attributes = new SecurityAttributes();
                attributes.Length = Marshal.SizeOf(attributes);
                attributes.Descriptor = pinned.AddrOfPinnedObject();
                return create(ref attributes);
            }
            finally { pinned.Free(); }
        }

        private static Exception Failure(int error)
        {
            string message = new Win32Exception(error).Message;
            if (error == AccessDenied)
                return new UnauthorizedAccessException(message);
            return new IOException(message, unchecked((int)0x80070000) | error);
        }
    }
}
