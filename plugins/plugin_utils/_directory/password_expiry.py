# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expires the passwords that depend on lost keys, and nothing else.

Each change holds only while the stored value is the one that was seen.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses

from .._ams.constants import EXPIRY, HISTORY, PASSWORD
from .._errors import DirectoryError, DirectoryLostError, NoSuchEntryError, UnansweredChangeError, ValueChangedError
from .._text import printable
from . import stored_password
from .computers import Computer
from .ldap import Change

EXPIRED = b"0"
MOST_DELETED = 500
"""How many values one change deletes: a server takes no change of any size."""


@dataclasses.dataclass
class ComputerChange:
    """What is to be done on a computer.

    C(password): the current one, if it is to expire. C(history): earlier ones to delete.
    """

    computer: Computer
    password: bytes | None = None
    history: list[bytes] = dataclasses.field(default_factory=list)

    def __bool__(self) -> bool:
        return self.password is not None or bool(self.history)

    def expiry(self) -> list[Change]:
        """The modification that has the password expire, empty where there is none to.

        It fails when what was seen has changed.
        """
        if self.password is None:
            return []
        return [
            ("delete", PASSWORD, [self.password]),
            ("add", PASSWORD, [self.password]),
            ("replace", EXPIRY, [EXPIRED]),
        ]

    def changes(self) -> c.Iterator[list[Change]]:
        """The modifications, one after the other."""
        if expiry := self.expiry():
            yield expiry
        for part in self.parts():
            yield deletion(part)

    def parts(self) -> c.Iterator[list[bytes]]:
        """The earlier passwords, as many at once as one modification deletes."""
        for first in range(0, len(self.history), MOST_DELETED):
            yield self.history[first : first + MOST_DELETED]


def deletion(history: list[bytes]) -> list[Change]:
    return [("delete", HISTORY, history)]


@dataclasses.dataclass
class ExpiryStatistics:
    """What became of the computers of a run. C(failed): names with reasons. C(hidden): names of those that could not be
    read.

    C(lost): current passwords that depend on a lost key. C(expired): of those, the ones that expire by this run.
    C(expired_before): by an earlier one. C(changed_meanwhile): computers whose password had changed between reading and
    writing, or that are gone. C(history_gone): earlier passwords that were deleted meanwhile. C(begun): computers that
    this run set out to change. C(remaining): those that it left for the next one. C(is_unclear): a change was not
    answered.
    """

    computers: int = 0
    lost: int = 0
    expired: int = 0
    expired_before: int = 0
    history_deleted: int = 0
    history_gone: int = 0
    changed_meanwhile: int = 0
    begun: int = 0
    remaining: int = 0
    is_unclear: bool = False
    hidden: list[str] = dataclasses.field(default_factory=list)
    failed: list[dict[str, str]] = dataclasses.field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.expired or self.history_deleted or self.is_unclear)

    @property
    def all_failed(self) -> bool:
        """Whether computers failed, and nothing became of any other."""
        return bool(self.failed) and len(self.failed) == self.begun and not self.changed


def change_of(computer: Computer, lost: c.Set[str], statistics: ExpiryStatistics, *, history: bool) -> ComputerChange:
    """What is to be done on a computer. C(lost): thumbprints. C(history): whether earlier passwords are deleted."""
    change = ComputerChange(computer)
    statistics.computers += 1
    if PASSWORD in computer.hidden or (history and HISTORY in computer.hidden):
        statistics.hidden.append(printable(computer.dn))
    if computer.password is not None and _depends(computer.password, lost):
        statistics.lost += 1
        if computer.expiry == EXPIRED:
            statistics.expired_before += 1
        else:
            change.password = computer.password
    if history:
        change.history = [value for value in computer.history() if _depends(value, lost)]
    return change


def carry_out(change: ComputerChange, statistics: ExpiryStatistics) -> None:
    """Changes a computer. Raises DirectoryLostError when the server is gone; all else is counted."""
    try:
        _expire(change, statistics)
        for part in change.parts():
            _delete(change.computer, part, statistics)
    except UnansweredChangeError:
        statistics.is_unclear = True
        raise
    except DirectoryLostError:
        raise
    except NoSuchEntryError:
        statistics.changed_meanwhile += 1
    except DirectoryError as exc:
        statistics.failed.append({"computer": printable(change.computer.dn), "reason": str(exc)})


def _expire(change: ComputerChange, statistics: ExpiryStatistics) -> None:
    try:
        if expiry := change.expiry():
            _change(change.computer, expiry, statistics)
    except ValueChangedError:
        statistics.changed_meanwhile += 1


def _delete(computer: Computer, history: list[bytes], statistics: ExpiryStatistics) -> None:
    """Deletes earlier passwords. Those that are gone meanwhile do not hold up the others."""
    try:
        _change(computer, deletion(history), statistics)
    except ValueChangedError:
        there = frozenset(computer.history_now())
        left = [value for value in history if value in there]
        statistics.history_gone += len(history) - len(left)
        if left:
            _change(computer, deletion(left), statistics)


def _change(computer: Computer, changes: list[Change], statistics: ExpiryStatistics) -> None:
    computer.directory.modify(computer.dn, changes)
    count(changes, statistics)


def count(changes: c.Sequence[Change], statistics: ExpiryStatistics) -> None:
    """Counts a modification as made."""
    for _operation, attribute, values in changes[:1]:
        statistics.expired += attribute == PASSWORD
        statistics.history_deleted += len(values) if attribute == HISTORY else 0


def _depends(value: bytes, lost: c.Set[str]) -> bool:
    """Whether a stored password depends on a lost key; what does not parse depends on none."""
    try:
        return stored_password.parse(value).thumbprint in lost
    except ValueError:
        return False
