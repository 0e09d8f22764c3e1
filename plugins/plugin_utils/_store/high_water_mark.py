# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this controller published last, kept outside the store: a store that went back in time does not fit it.

One file for each host of a root, STATE/marks/HOST-DIGEST.json: the newest backup, the newest complete one, and those
that were missing already when a newer one was published, until that is accepted; when the last run and the last drill
were recorded, and when the host was last chosen for a drill.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import datetime
import hashlib
import os
import pathlib
import typing as t

from .._ams.shapes import Sha256
from .._errors import AccessManagerError
from .._shape import Rule, Time
from .._statuses import COMPLETE
from .._text import time_of
from .manifest import ManifestHead
from .state_file import StateFile, folder_of, read_document
from .store import BackupStore, is_id, is_in_future

SIZE_LIMIT = 64 * 1024
MOST_MARKS = 100
_FOLDER = "marks"

LAST_RUN, LAST_DRILL, LAST_CHOICE = "last_run", "last_drill", "last_choice"
_RECORDED = {LAST_RUN: "backup run", LAST_DRILL: "restore drill", LAST_CHOICE: "choice for a drill"}


class _Mark(t.TypedDict):
    id: t.Annotated[str, Rule(is_id, "the id of a backup")]
    sha256: Sha256
    complete: bool
    lost: bool


class _Document(t.TypedDict):
    format: t.Literal[1]
    root: str
    host: str
    marks: list[_Mark]
    last_run: t.NotRequired[Time]
    last_drill: t.NotRequired[Time]
    last_choice: t.NotRequired[Time]


@dataclasses.dataclass(frozen=True, order=True)
class Mark:
    """A backup that this controller published. C(sha256): of the bytes of its manifest.

    C(lost): it was missing, for no known reason, when a newer one was published: no line that others can add excuses it
    later.
    """

    id: str
    sha256: str
    complete: bool
    lost: bool = False

    @classmethod
    def of(cls, manifest: ManifestHead, data: bytes) -> Mark:
        """C(data): the bytes of the manifest."""
        return cls(manifest["id"], hashlib.sha256(data).hexdigest(), manifest["status"] == COMPLETE)


class HighWaterMark:
    """The newest backups of a host that this controller published.

    Without a file, nothing is known and nothing is missed.
    """

    def __init__(self, store: BackupStore, state_dir: str | None) -> None:
        self._store = store
        self._file = StateFile(state_dir, _FOLDER, str(store.root), store.host)

    @property
    def path(self) -> pathlib.Path:
        return self._file.path

    def marks(self) -> list[Mark]:
        """As they were published. Raises AccessManagerError when there is a file that cannot be used."""
        document = self._document()
        return [Mark(**mark) for mark in document["marks"]] if document else []

    def problems(self, backup_id: str | None = None) -> list[str]:
        """A sentence for each backup that is not in the store as this controller published it, though nothing excuses
        that.

        C(backup_id): of the only backup that is looked for.
        """
        try:
            marks = [mark for mark in self.marks() if backup_id in (None, mark.id)]
            found = list(filter(None, map(self._problem, marks)))
        except AccessManagerError as exc:
            return [str(exc)]
        in_order = (
            "If that is in order, as after the store was restored or a server was given up, run the playbook verify "
            f"once with verify_accept_history=true, or remove '{self.path}'."
        )
        return [f"{sentence} {in_order}" for sentence in found]

    def refuse_rollback(self, refusal: str, *, backup_id: str | None = None) -> None:
        """Raises AccessManagerError, which begins with C(refusal), when there are problems, of one backup
        alone when C(backup_id) names it.
        """
        if problems := self.problems(backup_id):
            raise AccessManagerError(" ".join([refusal, *problems]))

    def problems_of_record(self, which: str, last: c.Mapping[str, object] | None) -> list[str]:
        """A sentence when the last run or drill that is recorded in the store is an older one than this controller
        recorded. C(which): LAST_RUN or LAST_DRILL.
        """
        try:
            recorded = self._recorded().get(which)
        except AccessManagerError:  # C(problems) says it
            return []
        if recorded is None or (last and _time(last["finished"]) >= _time(recorded)):
            return []
        return [
            f"The record of the {_RECORDED[which]} of {self._store.host} of {recorded} is missing from "
            f"'{self._store.folder}', though this controller wrote it. If that is in order, run the playbook verify "
            "once with verify_accept_history=true."
        ]

    def record(self, which: str, when: str) -> None:
        """Remembers the last run, drill or choice. Raises AccessManagerError when that cannot be written."""
        self._write(self.marks(), self._recorded() | {which: when})

    def recorded(self, which: str) -> datetime.datetime | None:
        """When the last one was; None when nothing is known of it."""
        with contextlib.suppress(AccessManagerError):
            when = self._recorded().get(which)
            return _time(when) if when else None
        return None

    def newest_complete(self) -> Mark | None:
        """The complete backup that was published last; None when none is known."""
        try:
            complete = [mark for mark in self.marks() if mark.complete]
        except AccessManagerError:
            return None
        return complete[-1] if complete else None

    def advance(self, mark: Mark) -> None:
        """Records a backup that was just published. Raises AccessManagerError when that cannot be written."""
        try:
            document = self._document()
        except AccessManagerError:  # it was reported when the backup was opened
            document = None
        known = [Mark(**one) for one in document["marks"]] if document else []
        before = [backup_id for backup_id in self._store.ids() if backup_id != mark.id]
        missing = [dataclasses.replace(one, lost=True) for one in known if self._problem(one, before)]
        complete = [one for one in known if one.complete and self._is_there(one)]
        kept = [] if mark.complete else complete[-1:]
        self._write([*missing, *kept, mark], _recorded_in(document))

    def accept(self, now: datetime.datetime) -> bool:
        """Takes the newest backups that are there for what is to be there.

        Returns whether that is something else than before.
        """
        there = list(reversed(list(self._newest_there(now))))
        if there:
            return self._write(there)
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        except OSError as exc:
            raise AccessManagerError(f"'{self.path}' cannot be removed: {exc.strerror}.") from None
        return True

    # ---- the store ----

    def _problem(self, mark: Mark, ids: c.Sequence[str] | None = None) -> str | None:
        """What is wrong with a backup that was published; None when it is there, or was pruned when there was a newer
        one.

        C(ids): of the backups that are looked at; by default all that are there.
        """
        if self._is_there(mark):
            return None
        ids = self._store.ids() if ids is None else ids
        host, published = self._store.host, f"this controller published {mark.id} there"
        if not ids:
            return f"The backups of {host} are gone from '{self._store.root}': {published}."
        if mark.id in ids:
            return (
                f"The manifest of the backup {mark.id} of {host} was replaced: it is not the one that this "
                "controller wrote."
            )
        if ids[-1] < mark.id:
            return f"'{self._store.folder}' went back in time: its newest backup is {ids[-1]}, and {published}."
        if self._is_pruned(mark):
            return None
        return f"The backup {mark.id} of {host} is missing from '{self._store.folder}', though {published}."

    def _is_pruned(self, mark: Mark) -> bool:
        if mark.lost and not self._store.trust.is_required:
            return False
        return any((link.id, link.sha256) == (mark.id, mark.sha256) for link in self._store.pruned())

    def _is_there(self, mark: Mark) -> bool:
        try:
            return hashlib.sha256(self._store.manifest_bytes(mark.id)).hexdigest() == mark.sha256
        except AccessManagerError:
            return False

    def _newest_there(self, now: datetime.datetime) -> c.Iterator[Mark]:
        """The newest backup whose manifest can be read, and the newest complete one; none is dated in the future."""
        newest = True
        for backup_id in reversed(self._store.ids()):
            with contextlib.suppress(AccessManagerError):
                data = self._store.manifest_bytes(backup_id)
                mark = Mark.of(self._store.parsed_manifest(backup_id, data), data)
                if is_in_future(backup_id, now):
                    continue
                if newest or mark.complete:
                    yield mark
                if mark.complete:
                    return
                newest = False

    # ---- the file ----

    def _document(self) -> _Document | None:
        """Raises AccessManagerError when it cannot be used."""
        return self._file.read(_Document, SIZE_LIMIT)

    def _recorded(self) -> dict[str, str]:
        """When the last run and the last drill were recorded. Raises AccessManagerError when that cannot be read."""
        return _recorded_in(self._document())

    def _write(self, marks: c.Sequence[Mark], recorded: dict[str, str] | None = None) -> bool:
        document: dict[str, t.Any] = {"marks": [dataclasses.asdict(mark) for mark in marks[-MOST_MARKS:]]}
        return self._file.write(document | (recorded or {}))


def _time(text: object) -> datetime.datetime:
    return t.cast(datetime.datetime, time_of(str(text)))


def _recorded_in(document: _Document | None) -> dict[str, str]:
    return {name: str(value) for name, value in (document or {}).items() if name in _RECORDED}


def hosts(root: str, state_dir: str | None) -> list[str]:
    """The hosts of which this controller published backups under a root. A file that cannot be used counts for none."""
    found, real = set(), os.path.realpath(root)
    for path in sorted(folder_of(state_dir, _FOLDER).glob("*.json")):
        try:
            document = read_document(path, _Document, SIZE_LIMIT)
        except AccessManagerError:
            continue
        if document and document["root"] == real:
            found.add(str(document["host"]))
    return sorted(found)
