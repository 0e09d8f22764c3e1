# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups on the controller's disk: folders, manifests, their chain, and the records beside them.

The only room that writes below the root, by descriptors of open folders (C(folder)) and never by path. A backup is made
in a partial folder and published by a rename. C(manifest) has the format: what changes there changes docs/format.md.
"""
