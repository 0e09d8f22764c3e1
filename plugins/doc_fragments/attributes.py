# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes that the documentation of every module states."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  async:
    description: Can run in the background, with C(async).
    support: none
  check_mode:
    description: Can run in check mode and report what would change, without changing anything.
  diff_mode:
    description: Returns what changed, or would change, in diff mode.
  idempotent:
    description: A second call with the same options, outside check mode, changes nothing and says so.
  platform:
    description: Where the module works.
    platforms: windows
"""

    CONTROLLER = r"""
options: {}
attributes:
  async:
    description: Can run in the background, with C(async).
    support: none
  check_mode:
    description: Can run in check mode and report what would change, without changing anything.
  diff_mode:
    description: Returns what changed, or would change, in diff mode.
  idempotent:
    description: A second call with the same options, outside check mode, changes nothing and says so.
  platform:
    description: Where the module works. It runs on the controller alone, whatever the host is.
    platforms: all
"""

    ACTIONGROUP_ALL = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/lithnet.access_manager.all) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - lithnet.access_manager.all
"""

    ACTIONGROUP_DIRECTORY = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/lithnet.access_manager.directory) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - lithnet.access_manager.directory
      - lithnet.access_manager.all
"""

    ACTIONGROUP_PARTS = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/lithnet.access_manager.parts) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - lithnet.access_manager.parts
      - lithnet.access_manager.all
"""

    ACTIONGROUP_RESTORES = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/lithnet.access_manager.restores) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - lithnet.access_manager.restores
      - lithnet.access_manager.all
"""
