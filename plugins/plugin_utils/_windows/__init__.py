# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Formats of Windows that are read without Windows: SDDL, SIDs, PFX files, distinguished names, thumbprints, TLS
bindings.

Pure functions of texts and bytes. What does not parse raises; nothing is guessed.
"""
