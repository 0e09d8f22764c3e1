# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the status of a backup may be, how a run may end, and how far it may have been verified."""

from __future__ import annotations

import typing as t

COMPLETE: t.Final = "complete"
INCOMPLETE: t.Final = "incomplete"
DAMAGED: t.Final = "damaged"
UNREADABLE: t.Final = "unreadable"
Made = t.Literal["complete", "incomplete"]
"""What a manifest says of its backup."""

Status = t.Literal["complete", "incomplete", "damaged"]
STATUSES: tuple[Status, ...] = t.get_args(Status)
"""What a verification says of a backup."""

UNCHANGED: t.Final = "unchanged"
FAILED: t.Final = "failed"
Outcome = t.Literal["complete", "unchanged", "incomplete", "failed"]
RUN_OUTCOMES: tuple[Outcome, ...] = t.get_args(Outcome)
"""How a backup run may have ended."""

SUCCESSFUL = (COMPLETE, UNCHANGED)
"""Those after which the newest complete backup is what the server holds."""

NONE: t.Final = "none"
INTEGRITY: t.Final = "integrity"
FULL: t.Final = "full"
"""With a problem; by sizes, hashes and the chain alone; decrypted and verified with a key."""

Sound = t.Literal["integrity", "full"]
Verified = t.Literal["none", "integrity", "full"]
LEVELS: tuple[Verified, ...] = t.get_args(Verified)
"""In rising order."""
