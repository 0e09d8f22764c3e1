// Copyright (c) 2026, lithnet.access_manager contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

using System.IO;
using System.Security.AccessControl;

namespace ansible_collections.lithnet.access_manager.plugins.module_utils._ItemSecurity
{
    /// <summary>Permissions of files and folders.</summary>
    public static class ItemSecurity
    {
        /// <summary>Sets those sections of a file's or folder's security descriptor that were changed in C(security).</summary>
        public static void Set(string path, FileSystemSecurity security)
        {
            DirectorySecurity folder = security as DirectorySecurity;
            if (folder != null)
                new DirectoryInfo(path).SetAccessControl(folder);
            else
                new FileInfo(path).SetAccessControl((FileSecurity)security);
        }
    }
}
