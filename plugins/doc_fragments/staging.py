# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a target stages what it took."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  staging_root:
    description:
      - A folder on the target that exists. In it a folder C(lithnet.access_manager) is made for what is staged, open to
        SYSTEM and Administrators only, and removed when it is empty.
      - Empty for C(%ProgramData%).
    type: str
    default: ''
"""
