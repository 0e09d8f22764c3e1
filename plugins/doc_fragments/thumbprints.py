# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that a target looks for in every store."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  thumbprints:
    description:
      - Thumbprints of certificates on which passwords in the directory depend, as
        RV(lithnet.access_manager.directory_info#module:thumbprints) says. These are Access Manager's whatever their
        usages are, and looked for in every store where it looks for keys. It takes a key from its own store, from that
        of its account, or from LocalMachine\My.
    type: list
    elements: str
    default: []
"""
