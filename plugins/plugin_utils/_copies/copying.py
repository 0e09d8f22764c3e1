# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies what is kept of a host to a destination, or verifies the copies there. A failure ends nothing but itself."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import datetime
import typing as t

from .. import _progress
from .._errors import AccessManagerError
from .._store.store import BackupStore
from .._text import timestamp
from .copied_folder import CopiedFolder, Verified, label_of
from .copied_kinds import Kind, all_of
from .destinations import Destination
from .history import CopyHistory


@dataclasses.dataclass
class CopyResult:
    """What became of one destination, or with an empty name of all.

    C(copied), C(present): what was copied, and what was there already, each by its place below the folder of the host.

    C(unverified): of which nothing can be known but that it was copied.
    C(bytes): sent in this run. C(unread): bytes that a verification did not have to read.
    C(problems): a sentence for each thing that failed.
    """

    destination: str
    copied: list[str] = dataclasses.field(default_factory=list)
    present: list[str] = dataclasses.field(default_factory=list)
    unverified: list[str] = dataclasses.field(default_factory=list)
    bytes: int = 0
    unread: int = 0
    problems: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    last_success: datetime.datetime | None = None

    def named(self, sentences: list[str]) -> list[str]:
        """Sentences with the name of the destination before each, if they are of one."""
        return [f"{self.destination}: {sentence}" if self.destination else sentence for sentence in sentences]

    def as_result(self) -> dict[str, t.Any]:
        """For the result of a module: without the warnings, which Ansible shows by itself."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del values["warnings"]
        return values | {"last_success": timestamp(self.last_success) if self.last_success else None}


def copy(store: BackupStore, destination: Destination, history: CopyHistory, *, check_mode: bool) -> CopyResult:
    """Copies all of a host that is not there. In check mode nothing is sent."""
    result = CopyResult(destination.name, last_success=history.last_success(destination.name))
    try:
        result.warnings += [] if check_mode else destination.prepare()
        found = list(all_of(store))
    except AccessManagerError as exc:
        result.problems.append(str(exc))
    else:
        _copy_all(store, found, destination, result, check_mode=check_mode)
    if not check_mode:
        _record(destination, history, result)
    return result


def verify(store: BackupStore, destination: Destination, history: CopyHistory) -> CopyResult:
    """Verifies that the destination has all of a host as the records say."""
    result = CopyResult(destination.name, last_success=history.last_success(destination.name))
    found = list(all_of(store))
    for kind, name in _progress.counted(reversed(found), f"verified at {destination.name}", total=len(found)):
        try:
            verified = destination.verify(CopiedFolder.of(store, kind, name))
        except AccessManagerError as exc:
            verified = Verified([str(exc)])
        result.problems += verified.problems
        result.warnings += verified.warnings
        result.unread += verified.unread
        if not verified.problems:
            (result.present if verified.is_known else result.unverified).append(kind.place(name))
    return result


def _copy_all(
    store: BackupStore,
    found: c.Sequence[tuple[Kind, str]],
    destination: Destination,
    result: CopyResult,
    *,
    check_mode: bool,
) -> None:
    """What fails for one kind, such as a command that is for backups alone, keeps the other kinds from nothing."""
    failed: set[str] = set()
    for kind, name in _progress.counted(found, f"copied to {destination.name}", total=len(found)):
        if kind.noun in failed:
            continue
        try:
            _copy_one(store, kind, name, destination, result, check_mode=check_mode)
        except AccessManagerError as exc:
            failed.add(kind.noun)
            result.problems.append(str(exc))


def _copy_one(
    store: BackupStore, kind: Kind, name: str, destination: Destination, result: CopyResult, *, check_mode: bool
) -> None:
    """Raises AccessManagerError when the destination fails; what is not copied is a problem of itself.

    Only what is sent is hashed before: what the destination has already was.
    """
    try:
        folder = CopiedFolder.of(store, kind, name)
    except AccessManagerError as exc:
        result.problems.append(_not_copied(label_of(store, kind, name), str(exc)))
        return
    if destination.holds(folder):
        result.present.append(folder.place)
    elif damage := folder.damage():
        result.problems.append(_not_copied(folder.label, " ".join(damage)))
    else:
        result.bytes += folder.size if check_mode else destination.copy(folder)
        result.copied.append(folder.place)


def _not_copied(label: str, reason: str) -> str:
    return f"{label[0].upper()}{label[1:]} is not copied: {reason}"


def _record(destination: Destination, history: CopyHistory, result: CopyResult) -> None:
    if not result.problems:
        result.last_success = datetime.datetime.now(datetime.UTC)
    try:
        there = sorted({*history.ids(destination.name), *result.copied, *result.present})
        history.record(destination.name, there, None if result.problems else result.last_success)
    except AccessManagerError as exc:
        result.warnings.append(str(exc))
