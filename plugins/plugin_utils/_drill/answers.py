# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes of what a scratch server answers."""

from __future__ import annotations

import typing as t

from .._ams.shapes import Thumbprint
from .._shape import Time, at_most, matching
from .._text import BACKUP_ID

_Name = t.Annotated[str, at_most(1000)]


class Mark(t.TypedDict):
    """What the mark says of the drill that made it: a scratch server can say what it wants there."""

    host: _Name
    source: _Name
    backup_id: t.Annotated[str, matching(BACKUP_ID, "the id of a backup")]
    started: Time
    controller: _Name
    by: _Name


class Look(t.TypedDict):
    """C(drill): of the mark; null when no drill is on the server."""

    configured: bool
    has_keys: bool
    drill: Mark | None


class Claimed(t.TypedDict):
    """C(reached): HOST:PORT of what was reached; the server is marked only when nothing was."""

    changed: bool
    reached: list[_Name]


class Decrypted(t.TypedDict):
    """The certificates whose keys decrypted. C(faults): a sentence for each other one."""

    decrypted: list[Thumbprint]
    faults: list[_Name]


class Removed(t.TypedDict):
    """C(left): what a search found after the removal."""

    changed: bool
    left: list[_Name]
