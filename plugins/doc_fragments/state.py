# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the controller keeps what it knows of its backups."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  state_dir:
    description:
      - The folder on the controller in which it keeps, for each host, the newest backups that it published, and when
        the last run was. By them it finds a store that went back in time. It must not lie where who can write to the
        backups can write too. It is made with mode C(0700).
      - C(lithnet.access_manager) in C($XDG_STATE_HOME), or in C(~/.local/state), when not given.
    type: path
"""
