# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this controller has copied where, and when a destination last had all of a host.

One file for each host of a root, STATE/copies/HOST-DIGEST.json, outside the store.
"""

from __future__ import annotations

import collections.abc as c
import datetime
import typing as t

from .._errors import AccessManagerError
from .._shape import Rule, Time, at_most
from .._store.run_log import hours
from .._store.state_file import StateFile
from .._store.store import CLOCKS_DIFFER, BackupStore
from .._text import time_of, timestamp
from .copied_kinds import is_place

MOST_IDS = 20_000
_SIZE_LIMIT = 16 * 1024 * 1024


class _Destination(t.TypedDict):
    last_success: Time | None
    ids: t.Annotated[list[t.Annotated[str, Rule(is_place, "the place of a copy")]], at_most(MOST_IDS)]


class _Document(t.TypedDict):
    format: t.Literal[1]
    root: str
    host: str
    destinations: dict[str, _Destination]


class CopyAge(t.TypedDict):
    """C(last_success): when a destination last had all of a host, in UTC; null when it never had."""

    destination: str
    last_success: str | None
    age_hours: float | None


class CopyHistory:
    """Of one host. A file that cannot be used is a missing one: everything is looked at again."""

    def __init__(self, store: BackupStore, state_dir: str | None) -> None:
        self._file = StateFile(state_dir, "copies", str(store.root), store.host)
        self._destinations = self._read()

    def ids(self, destination: str) -> frozenset[str]:
        """The places of what was copied there, below the folder of the host."""
        known = self._destinations.get(destination)
        return frozenset(known["ids"] if known else ())

    def last_success(self, destination: str) -> datetime.datetime | None:
        """When every backup of the host was there for the last time, in UTC; None when that never was."""
        known = self._destinations.get(destination)
        return time_of(known["last_success"]) if known and known["last_success"] else None

    def ages(self, destinations: c.Iterable[str] | None, now: datetime.datetime) -> list[CopyAge]:
        """How old the copies are at destinations; at all that are known when none are named."""
        names = sorted(self._destinations) if destinations is None else destinations
        return [self._age(name, now) for name in names]

    def _age(self, destination: str, now: datetime.datetime) -> CopyAge:
        """What is dated in the future counts for nothing: it would be young for as long."""
        last = self.last_success(destination)
        is_past = last is not None and last <= now + CLOCKS_DIFFER
        when, age = (timestamp(last), hours(last, now)) if last and is_past else (None, None)
        return {
            "destination": destination,
            "last_success": when,
            "age_hours": age,
        }

    def record(self, destination: str, ids: list[str], success: datetime.datetime | None) -> None:
        """Notes what is there now. C(success): when that was all; None leaves the time as it was.

        Raises AccessManagerError when it cannot be written.
        """
        last = success or self.last_success(destination)
        self._destinations[destination] = {"last_success": timestamp(last) if last else None, "ids": ids[-MOST_IDS:]}
        self._file.write({"destinations": self._destinations})

    def _read(self) -> dict[str, _Destination]:
        try:
            document = self._file.read(_Document, _SIZE_LIMIT)
        except AccessManagerError:
            return {}
        return document["destinations"] if document else {}
