// Copyright (c) 2026, lithnet.access_manager contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

using System;
using System.Collections.Generic;
using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Security.Principal;
using System.Text;

namespace ansible_collections.lithnet.access_manager.plugins.module_utils._Account
{
    /// <summary>What this process may do, and which accounts have a right. It only reads.</summary>
    public static class Account
    {
        private const int TokenPrivileges = 3;              // TOKEN_INFORMATION_CLASS
        private const int TokenElevation = 20;
        private const int BasicLimitInformation = 2;        // JobObjectBasicLimitInformation
        private const uint BreakawayAllowed = 0x800;        // JOB_OBJECT_LIMIT_BREAKAWAY_OK
        private const uint ViewLocalInformation = 0x1;      // POLICY_VIEW_LOCAL_INFORMATION
        private const uint LookupNames = 0x800;             // POLICY_LOOKUP_NAMES
        private const uint NoMoreEntries = 0x8000001A;      // STATUS_NO_MORE_ENTRIES
        private const int SizeOfPrivilege = 12;             // LUID_AND_ATTRIBUTES
        private const int LongestName = 256;
        private const uint WithoutAudit = 0x1;              // AUTHZ_RM_FLAG_NO_AUDIT
        private const int GroupsOfContext = 2;              // AuthzContextInfoGroupsSids

        [StructLayout(LayoutKind.Sequential)]
        private struct JobLimits
        {
            public long ProcessTime;
            public long JobTime;
            public uint Flags;
            public UIntPtr LeastWorkingSet;
            public UIntPtr MostWorkingSet;
            public uint ActiveProcesses;
            public UIntPtr Affinity;
            public uint Priority;
            public uint Scheduling;
        }

        [StructLayout(LayoutKind.Sequential)]
        private struct LsaString
        {
            public ushort Length;
            public ushort MaximumLength;
            public IntPtr Buffer;
        }

        [StructLayout(LayoutKind.Sequential)]
        private struct LsaAttributes
        {
            public int Length;
            public IntPtr RootDirectory;
            public IntPtr ObjectName;
            public uint Attributes;
            public IntPtr SecurityDescriptor;
            public IntPtr QualityOfService;
        }

        [DllImport("advapi32.dll", SetLastError = true)]
        private static extern bool GetTokenInformation(IntPtr token, int kind, byte[] information, int size, out int needed);

        [DllImport("advapi32.dll", CharSet = CharSet.Unicode, SetLastError = true)]
        private static extern bool LookupPrivilegeNameW(string system, byte[] luid, StringBuilder name, ref int length);

        [DllImport("kernel32.dll")]
        private static extern IntPtr GetCurrentProcess();

        [DllImport("kernel32.dll", SetLastError = true)]
        private static extern bool IsProcessInJob(IntPtr process, IntPtr job, out bool result);

        [DllImport("kernel32.dll", SetLastError = true)]
        private static extern bool QueryInformationJobObject(IntPtr job, int kind, ref JobLimits limits, int size, IntPtr needed);

        [DllImport("advapi32.dll")]
        private static extern uint LsaOpenPolicy(IntPtr system, ref LsaAttributes attributes, uint access, out IntPtr policy);

        [DllImport("advapi32.dll")]
        private static extern uint LsaEnumerateAccountsWithUserRight(
            IntPtr policy, ref LsaString right, out IntPtr accounts, out uint count);

        [DllImport("advapi32.dll")]
        private static extern int LsaNtStatusToWinError(uint status);

        [DllImport("advapi32.dll")]
        private static extern uint LsaFreeMemory(IntPtr memory);

        [DllImport("advapi32.dll")]
        private static extern uint LsaClose(IntPtr policy);

        [DllImport("authz.dll", CharSet = CharSet.Unicode, SetLastError = true)]
        private static extern bool AuthzInitializeResourceManager(
            uint flags, IntPtr access, IntPtr groups, IntPtr free, string name, out IntPtr manager);

        [DllImport("authz.dll", SetLastError = true)]
        private static extern bool AuthzInitializeContextFromSid(
            uint flags, byte[] sid, IntPtr manager, IntPtr expiration, long identifier, IntPtr arguments, out IntPtr context);

        [DllImport("authz.dll", SetLastError = true)]
        private static extern bool AuthzGetInformationFromContext(
            IntPtr context, int kind, int size, out int needed, IntPtr information);

        [DllImport("authz.dll")]
        private static extern bool AuthzFreeContext(IntPtr context);

        [DllImport("authz.dll")]
        private static extern bool AuthzFreeResourceManager(IntPtr manager);

        /// <summary>Whether the token has the rights of its groups: with UAC, that of an administrator may lack them.</summary>
        public static bool IsElevated()
        {
            return BitConverter.ToInt32(TokenInformation(TokenElevation), 0) != 0;
        }

        /// <summary>The names of the privileges in the token, enabled or not.</summary>
        public static string[] Privileges()
        {
            byte[] information = TokenInformation(TokenPrivileges);
            List<string> names = new List<string>();
            int count = BitConverter.ToInt32(information, 0);
            for (int number = 0; number < count; number++)
            {
                byte[] luid = new byte[8];
                Array.Copy(information, 4 + number * SizeOfPrivilege, luid, 0, luid.Length);
                StringBuilder name = new StringBuilder(LongestName);
                int length = name.Capacity;
                if (LookupPrivilegeNameW(null, luid, name, ref length))
                    names.Add(name.ToString());
            }
            return names.ToArray();
        }

        /// <summary>Whether this process is in a job.</summary>
        public static bool IsInJob()
        {
            bool isInJob;
            if (!IsProcessInJob(GetCurrentProcess(), IntPtr.Zero, out isInJob))
                throw new Win32Exception(Marshal.GetLastWin32Error());
            return isInJob;
        }

        /// <summary>Whether a process that this one starts may leave its shell's job: it ends with the shell otherwise.</summary>
        public static bool MayLeaveJob()
        {
            if (!IsInJob())
                return true;
            JobLimits limits = new JobLimits();
            if (!QueryInformationJobObject(IntPtr.Zero, BasicLimitInformation, ref limits, Marshal.SizeOf(limits), IntPtr.Zero))
                throw new Win32Exception(Marshal.GetLastWin32Error());
            return (limits.Flags & BreakawayAllowed) != 0;
        }

        /// <summary>The SIDs of the accounts and groups that were given a right such as SeServiceLogonRight.</summary>
        public static string[] HoldersOf(string right)
        {
            LsaAttributes attributes = new LsaAttributes();
            attributes.Length = Marshal.SizeOf(attributes);
            IntPtr policy;
            Check(LsaOpenPolicy(IntPtr.Zero, ref attributes, ViewLocalInformation | LookupNames, out policy));
            IntPtr text = Marshal.StringToHGlobalUni(right);
            try
            {
                LsaString name = new LsaString();
                name.Length = (ushort)(right.Length * 2);
                name.MaximumLength = (ushort)(name.Length + 2);
                name.Buffer = text;
                return HoldersOf(policy, name);
            }
            finally
            {
                Marshal.FreeHGlobal(text);
                LsaClose(policy);
            }
        }

        private static string[] HoldersOf(IntPtr policy, LsaString right)
        {
            IntPtr accounts;
            uint count;
            uint status = LsaEnumerateAccountsWithUserRight(policy, ref right, out accounts, out count);
            if (status == NoMoreEntries)
                return new string[0];
            Check(status);
            try
            {
                string[] sids = new string[count];
                for (int number = 0; number < sids.Length; number++)
                    sids[number] = new SecurityIdentifier(Marshal.ReadIntPtr(accounts, number * IntPtr.Size)).Value;
                return sids;
            }
            finally { LsaFreeMemory(accounts); }
        }

        /// <summary>The SIDs of an account's groups on this server, also by other groups. It is not logged on.</summary>
        public static string[] GroupsOf(string account)
        {
            SecurityIdentifier identifier = new SecurityIdentifier(account);
            byte[] sid = new byte[identifier.BinaryLength];
            identifier.GetBinaryForm(sid, 0);
            IntPtr manager;
            if (!AuthzInitializeResourceManager(WithoutAudit, IntPtr.Zero, IntPtr.Zero, IntPtr.Zero, null, out manager))
                throw new Win32Exception(Marshal.GetLastWin32Error());
            try
            {
                IntPtr context;
                if (!AuthzInitializeContextFromSid(0, sid, manager, IntPtr.Zero, 0, IntPtr.Zero, out context))
                    throw new Win32Exception(Marshal.GetLastWin32Error());
                try { return GroupsOf(context); }
                finally { AuthzFreeContext(context); }
            }
            finally { AuthzFreeResourceManager(manager); }
        }

        private static string[] GroupsOf(IntPtr context)
        {
            int needed;
            AuthzGetInformationFromContext(context, GroupsOfContext, 0, out needed, IntPtr.Zero);
            if (needed < IntPtr.Size)
                throw new Win32Exception(Marshal.GetLastWin32Error());
            IntPtr groups = Marshal.AllocHGlobal(needed);
            try
            {
                if (!AuthzGetInformationFromContext(context, GroupsOfContext, needed, out needed, groups))
                    throw new Win32Exception(Marshal.GetLastWin32Error());
                string[] sids = new string[Marshal.ReadInt32(groups)];
                for (int number = 0; number < sids.Length; number++)
                    sids[number] = new SecurityIdentifier(Marshal.ReadIntPtr(groups, (2 * number + 1) * IntPtr.Size)).Value;
                return sids;
            }
            finally { Marshal.FreeHGlobal(groups); }
        }

        private static byte[] TokenInformation(int kind)
        {
            using (WindowsIdentity identity = WindowsIdentity.GetCurrent())
            {
                int needed;
                GetTokenInformation(identity.Token, kind, null, 0, out needed);
                byte[] information = new byte[needed];
                if (!GetTokenInformation(identity.Token, kind, information, needed, out needed))
                    throw new Win32Exception(Marshal.GetLastWin32Error());
                return information;
            }
        }

        private static void Check(uint status)
        {
            if (status != 0)
                throw new Win32Exception(LsaNtStatusToWinError(status));
        }
    }
}
