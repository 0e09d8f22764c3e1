# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the status of a backup may be, how a run may end, and how far it may have been verified."""

from __future__ import annotations

import typing as t

COMPLETE, INCOMPLETE, DAMAGED, UNREADABLE = "complete", "incomplete", "damaged", "unreadable"
STATUSES = (COMPLETE, INCOMPLETE, DAMAGED)
"""Those that a verification gives."""

UNCHANGED, FAILED = "unchanged", "failed"
RUN_OUTCOMES = (COMPLETE, UNCHANGED, INCOMPLETE, FAILED)
"""How a backup run may have ended."""

NONE: t.Final = "none"
INTEGRITY: t.Final = "integrity"
FULL: t.Final = "full"
"""With a problem; by sizes, hashes and the chain alone; decrypted and verified with a key."""

LEVELS = (NONE, INTEGRITY, FULL)
"""In rising order."""
