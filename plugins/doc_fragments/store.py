# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the backups lie on the controller."""

from __future__ import annotations


class ModuleDocFragment:
    OWNER = r"""
options:
  check_backup_owner:
    description:
      - Whether O(backup_root), the folder of a host and that of a backup must belong to the user who runs Ansible, or
        to root. One of another user is refused, because its owner can replace backups.
      - Set it to V(false) only where a network file system cannot show owners. Nothing else is relaxed by it.
        A folder to which its group or all users may write
        is refused in any case, also one with the sticky bit, and so is a link in the place of a folder or file.
    type: bool
    default: true
"""

    DOCUMENTATION = r"""
options:
  backup_root:
    description:
      - The folder on the controller under which the backups of all hosts lie, each host's in a folder of its name.
      - It must exist. Folders in it are made with mode C(0700), files with mode C(0600).
    type: path
    required: true
  host:
    description:
      - The name under which the host's backups lie.
      - The inventory name of the host when not given.
    type: str
"""
