// Copyright (c) 2026, lithnet.access_manager contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

using System;
using System.ComponentModel;
using System.IO;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace ansible_collections.lithnet.access_manager.plugins.module_utils._FileSystem
{
    /// <summary>Times, attributes, renames and links, where .NET Framework asks Windows for more than they need.</summary>
    public static class FileSystem
    {
        private const uint WriteAttributes = 0x100;         // FILE_WRITE_ATTRIBUTES
        private const uint BackupSemantics = 0x02000000;    // FILE_FLAG_BACKUP_SEMANTICS: for folders, and with SeRestorePrivilege
        private const uint OpenReparsePoint = 0x00200000;   // FILE_FLAG_OPEN_REPARSE_POINT
        private const int BasicInfo = 0;                    // FileBasicInfo
        private const uint ReplaceExisting = 0x1;           // MOVEFILE_REPLACE_EXISTING
        private const uint WriteThrough = 0x8;              // MOVEFILE_WRITE_THROUGH
        private const uint NameSurrogate = 0x20000000;      // IsReparseTagNameSurrogate
        private const int AccessDenied = 5;                 // ERROR_ACCESS_DENIED
        private static readonly IntPtr Invalid = new IntPtr(-1);

        [StructLayout(LayoutKind.Sequential)]
        private struct BasicInformation
        {
            public long Created;
            public long Accessed;
            public long Modified;
            public long Changed;
            public uint Attributes;
        }

        [StructLayout(LayoutKind.Sequential, CharSet = CharSet.Unicode)]
        private struct FindData
        {
            public uint Attributes;
            public System.Runtime.InteropServices.ComTypes.FILETIME Created;
            public System.Runtime.InteropServices.ComTypes.FILETIME Accessed;
            public System.Runtime.InteropServices.ComTypes.FILETIME Modified;
            public uint SizeHigh;
            public uint SizeLow;
            public uint Reserved0;
            public uint Reserved1;
            [MarshalAs(UnmanagedType.ByValTStr, SizeConst = 260)]
            public string Name;
            [MarshalAs(UnmanagedType.ByValTStr, SizeConst = 14)]
            public string ShortName;
        }

        [StructLayout(LayoutKind.Sequential)]
        private struct HandleInformation
        {
            public uint Attributes;
            public System.Runtime.InteropServices.ComTypes.FILETIME Created;
            public System.Runtime.InteropServices.ComTypes.FILETIME Accessed;
            public System.Runtime.InteropServices.ComTypes.FILETIME Modified;
            public uint Volume;
            public uint SizeHigh;
            public uint SizeLow;
            public uint Links;
            public uint IndexHigh;
            public uint IndexLow;
        }

        [StructLayout(LayoutKind.Sequential, CharSet = CharSet.Unicode)]
        private struct StreamData
        {
            public long Size;
            [MarshalAs(UnmanagedType.ByValTStr, SizeConst = 296)]
            public string Name;
        }

        [DllImport("kernel32.dll", SetLastError = true)]
        private static extern bool GetFileInformationByHandle(SafeFileHandle file, out HandleInformation information);

        [DllImport("kernel32.dll", CharSet = CharSet.Unicode, SetLastError = true)]
        private static extern IntPtr FindFirstStreamW(string path, int level, out StreamData data, uint flags);

        [DllImport("kernel32.dll", CharSet = CharSet.Unicode, SetLastError = true)]
        private static extern bool FindNextStreamW(IntPtr search, out StreamData data);

        [DllImport("kernel32.dll", CharSet = CharSet.Unicode, SetLastError = true)]
        private static extern SafeFileHandle CreateFileW(
            string path, uint access, FileShare share, IntPtr security, FileMode mode, uint flags, IntPtr template);

        [DllImport("kernel32.dll", SetLastError = true)]
        private static extern bool SetFileInformationByHandle(
            SafeFileHandle file, int kind, ref BasicInformation information, int size);

        [DllImport("kernel32.dll", CharSet = CharSet.Unicode, SetLastError = true)]
        private static extern bool MoveFileExW(string from, string to, uint flags);

        [DllImport("kernel32.dll", CharSet = CharSet.Unicode, SetLastError = true)]
        private static extern IntPtr FindFirstFileW(string path, out FindData data);

        [DllImport("kernel32.dll")]
        private static extern bool FindClose(IntPtr search);

        /// <summary>Sets those that are given of the times (UTC) and attributes of a file or folder, in one call.
        /// Nobody who has it open, lists it or watches it is in the way: its data are not touched.</summary>
        public static void SetBasic(string path, DateTime? created, DateTime? modified, FileAttributes? attributes)
        {
            BasicInformation information = new BasicInformation();
            information.Created = created.HasValue ? created.Value.ToFileTimeUtc() : 0;
            information.Modified = modified.HasValue ? modified.Value.ToFileTimeUtc() : 0;
            if (attributes.HasValue)
                information.Attributes = (uint)(attributes.Value == 0 ? FileAttributes.Normal : attributes.Value);
            FileShare all = FileShare.ReadWrite | FileShare.Delete;
            uint flags = BackupSemantics | OpenReparsePoint;
            using (SafeFileHandle file = CreateFileW(path, WriteAttributes, all, IntPtr.Zero, FileMode.Open, flags, IntPtr.Zero))
            {
                if (file.IsInvalid || !SetFileInformationByHandle(file, BasicInfo, ref information, Marshal.SizeOf(information)))
                    throw Failure(path);
            }
        }

        /// <summary>Renames a file. One that has the name is replaced in the same step; then the name is on the disk.</summary>
        public static void Move(string from, string to)
        {
            if (!MoveFileExW(from, to, ReplaceExisting | WriteThrough))
                throw Failure(to);
        }

        /// <summary>Whether a reparse point stands for another name, as symbolic links and mount points do.
        /// Files of Data Deduplication or in a cloud are reparse points too, and files all the same.</summary>
        public static bool IsLink(string path)
        {
            FindData data;
            IntPtr search = FindFirstFileW(path, out data);
            if (search == Invalid)
                throw Failure(path);
            FindClose(search);
            return (data.Attributes & (uint)FileAttributes.ReparsePoint) != 0 && StandsForName(data.Reserved0);
        }

        /// <summary>Those of some files that have more names than one: hard links. A file that nobody may open, or that is gone,
        /// is not one.</summary>
        public static string[] WithFurtherNames(string[] paths)
        {
            return Array.FindAll(paths, HasFurtherNames);
        }

        /// <summary>Those of some files that have streams beside their content. A file system without streams has none.
        /// </summary>
        public static string[] WithFurtherStreams(string[] paths)
        {
            return Array.FindAll(paths, HasFurtherStreams);
        }

        private static bool HasFurtherNames(string path)
        {
            FileShare all = FileShare.ReadWrite | FileShare.Delete;
            HandleInformation information;
            using (SafeFileHandle file = CreateFileW(path, 0, all, IntPtr.Zero, FileMode.Open, OpenReparsePoint, IntPtr.Zero))
                return !file.IsInvalid && GetFileInformationByHandle(file, out information) && information.Links > 1;
        }

        private static bool HasFurtherStreams(string path)
        {
            StreamData data;
            IntPtr search = FindFirstStreamW(path, 0, out data, 0);
            if (search == Invalid)
                return false;
            bool found = FindNextStreamW(search, out data);
            FindClose(search);
            return found;
        }

        /// <summary>Whether a reparse tag is of a link. One that Windows does not know counts as one.</summary>
        public static bool StandsForName(uint tag)
        {
            return tag == 0 || (tag & NameSurrogate) != 0;
        }

        private static Exception Failure(string path)
        {
            int error = Marshal.GetLastWin32Error();
            string message = "'" + path + "': " + new Win32Exception(error).Message;
            if (error == AccessDenied)
                return new UnauthorizedAccessException(message);
            return new IOException(message, unchecked((int)0x80070000) | error);
        }
    }
}
