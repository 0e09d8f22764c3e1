# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of backups in other places: S3 buckets with object lock, other disks, and whatever a command reaches.

Nothing in a copy is ever deleted or replaced by this collection. A new kind of destination is a class with the methods
of Destination, and an entry in destinations.KINDS.
"""
