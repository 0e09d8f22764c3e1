# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where new backups may be written."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  allow_unmounted_root:
    description:
      - Accept a O(backup_root) inside the container in which Ansible runs, with no volume mounted there. The backup is
        gone when the container ends, unless it is kept in another way.
    type: bool
    default: false
"""
