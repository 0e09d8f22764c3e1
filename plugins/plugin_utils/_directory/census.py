# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The census: on which certificates' keys the stored passwords of a domain depend.

Computers pass by; only counts are kept.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import datetime
import typing as t

from .. import _progress
from .._ams.constants import HISTORY, PASSWORD
from .._text import printable
from . import stored_password
from .computers import Computer

_EXAMPLES = 5
_MOST_KEYS = 10_000
"""How many thumbprints are counted one by one: no domain has more certificates, but a stored value can claim anything.
"""


@dataclasses.dataclass
class KeyUse:
    """How many stored passwords depend on a key. C(oldest), C(newest): when the first and the last of them was made."""

    current: int = 0
    history: int = 0
    oldest: datetime.datetime | None = None
    newest: datetime.datetime | None = None

    def see(self, created: datetime.datetime | None) -> None:
        if created:
            self.oldest = min(self.oldest or created, created)
            self.newest = max(self.newest or created, created)

    def add(self, other: KeyUse) -> None:
        self.current += other.current
        self.history += other.history
        self.see(other.oldest)
        self.see(other.newest)


@dataclasses.dataclass
class Census:
    """C(hidden): computers whose passwords the account may not read.

    C(examples): some names of what is not in order.
    """

    computers: int = 0
    keys: dict[str, KeyUse] = dataclasses.field(default_factory=dict)
    unparsable: dict[str, int] = dataclasses.field(default_factory=lambda: {PASSWORD: 0, HISTORY: 0})
    hidden: int = 0
    examples: dict[str, list[str]] = dataclasses.field(default_factory=lambda: {"unparsable": [], "hidden": []})

    def count(self, computer: Computer) -> None:
        self.computers += 1
        if computer.hidden:
            self.hidden += 1
            self._show("hidden", computer.dn)
        if computer.password is not None:
            self._count_value(PASSWORD, computer.password, computer.dn)
        for value in computer.history():
            self._count_value(HISTORY, value, computer.dn)

    def add(self, other: Census) -> None:
        """Adds the census of another domain."""
        self.computers += other.computers
        self.hidden += other.hidden
        for thumbprint, use in other.keys.items():
            self.keys.setdefault(thumbprint, KeyUse()).add(use)
        for attribute, number in other.unparsable.items():
            self.unparsable[attribute] += number
        for what, names in other.examples.items():
            for name in names:
                self._show(what, name)

    def _count_value(self, attribute: str, value: bytes, dn: str) -> None:
        try:
            password = stored_password.parse(value)
            if password.thumbprint not in self.keys and len(self.keys) >= _MOST_KEYS:
                raise ValueError("there are too many thumbprints")
        except ValueError as exc:
            self.unparsable[attribute] += 1
            self._show("unparsable", f"{dn} ({exc})")
            return
        use = self.keys.setdefault(password.thumbprint, KeyUse())
        use.current += attribute == PASSWORD
        use.history += attribute == HISTORY
        use.see(password.created)

    def _show(self, what: str, name: str) -> None:
        if len(self.examples[what]) < _EXAMPLES:
            self.examples[what].append(printable(name))


def take(computers: c.Iterable[Computer]) -> Census:
    """The census of these computers."""
    census = Census()
    for computer in _progress.counted(computers, "read", unit=_progress.COMPUTERS):
        census.count(computer)
    return census


def result_of(census: Census) -> dict[str, t.Any]:
    """What a result says of a census. Keys with the most current passwords come first."""
    order = sorted(census.keys.items(), key=lambda item: (-item[1].current, -item[1].history, item[0]))
    return {
        "computers": census.computers,
        "keys": [
            {
                "thumbprint": thumbprint,
                "current": use.current,
                "history": use.history,
                "oldest": _utc(use.oldest),
                "newest": _utc(use.newest),
            }
            for thumbprint, use in order
        ],
        "unparsable": {
            "current": census.unparsable[PASSWORD],
            "history": census.unparsable[HISTORY],
            "examples": census.examples["unparsable"],
        },
        "unreadable": {"computers": census.hidden, "examples": census.examples["hidden"]},
    }


class Lost(t.TypedDict):
    """How many passwords depend on the keys of lost certificates."""

    thumbprints: list[str]
    current: int
    history: int


def lost_of(keys: c.Iterable[dict[str, t.Any]], thumbprints: list[str]) -> Lost:
    """What depends on these keys, of those that a result lists."""
    lost = [key for key in keys if key["thumbprint"] in thumbprints]
    current = sum(key["current"] for key in lost)
    history = sum(key["history"] for key in lost)
    return {"thumbprints": thumbprints, "current": current, "history": history}


def _utc(time: datetime.datetime | None) -> str | None:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ") if time else None
