# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A decrypted backup: its parts, decrypted and checked, in memory.

Every byte is hostile until a reader here has checked it: names, sizes, hashes, shapes, and that each part belongs to
this backup. A restore and a verification use the same readers, so what verifies is what restores. A new file of a
backup gets its reader here, and its line in docs/format.md.
"""
