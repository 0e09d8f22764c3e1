# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes of what a scratch server answers."""

from __future__ import annotations

import typing as t

from .._ams.shapes import Thumbprint
from .._shape import matching
from .._target.answers import MarkedDrill, Name
from .._text import BACKUP_ID


class Mark(MarkedDrill):
    """What the mark says of the drill that made it: a scratch server can say what it wants there."""

    source: Name
    backup_id: t.Annotated[str, matching(BACKUP_ID, "the id of a backup")]
    by: Name


class Look(t.TypedDict):
    """C(configured): whether it is, or its settings are more than those of a new installation. C(has_keys): whether
    a store has private keys of Access Manager. C(drill): of the mark; null when no drill is on the server.
    """

    computer_name: Name
    configured: bool
    has_keys: bool
    drill: Mark | None


class Claimed(t.TypedDict):
    """C(reached): HOST:PORT of what was reached; the server is marked only when nothing was."""

    changed: bool
    reached: list[Name]


class Decrypted(t.TypedDict):
    """The certificates whose keys decrypted. C(faults): a sentence for each other one."""

    decrypted: list[Thumbprint]
    faults: list[Name]


class Removed(t.TypedDict):
    """C(searched): whether there was a mark, by which to remove and to search. C(left): what the search found.
    C(other_keys): the files of keys that came meanwhile and are none of the drill's.
    """

    changed: bool
    searched: bool
    left: list[Name]
    other_keys: list[Name]
