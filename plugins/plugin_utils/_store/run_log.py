# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of the last runs of a host: .runs.jsonl in its folder, a line for each backup run, failed ones too.

Where there is a signing key, each line carries its own signature. A line dated in the future counts for nothing, and a
successful one counts only for the backup that it names: who removes lines makes backups look older, never younger.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import datetime
import json
import typing as t

from .._shape import Time, at_most, between, matching
from .._signing.signer import Signer
from .._statuses import FAILED, SUCCESSFUL, Outcome
from .._text import BACKUP_ID, printable, shortened, timestamp
from .folder import explained
from .signed_lines import is_accepted, lines_of, moment_of, parsed, signature_of
from .store import CLOCKS_DIFFER, BackupStore
from .store import time_of_id as begun

NAME = ".runs.jsonl"
SIZE_LIMIT = 2 * 1024 * 1024
KEPT = 100
"""Runs that are kept: the newest ones."""

MOST_FOREIGN = 20
"""Lines whose signature is not accepted: each costs a run of ssh-keygen or two."""

MOST_PROBLEMS, _LONGEST_PROBLEM = 5, 500
_LONGEST = 100 * 365 * 24 * 3600

_FOREIGN = (
    "The record of runs '{path}' has more than {most} lines that no allowed signer signed, so it is not read on: find "
    "out who wrote them, and remove them."
)


_Sentences = t.Annotated[list[t.Annotated[str, at_most(2 * _LONGEST_PROBLEM)]], at_most(MOST_PROBLEMS)]


class Run(t.TypedDict):
    """A line. C(backup_id): of the backup that it made, or that holds what the server holds; null when it failed.

    C(health_warnings): what was to be looked at on the server.
    """

    host: str
    finished: Time
    outcome: Outcome
    backup_id: t.Annotated[str, matching(BACKUP_ID, "the id of a backup")] | None
    seconds: t.Annotated[float, between(0, _LONGEST)] | None
    downtime_ms: t.Annotated[int, between(0, _LONGEST * 1000)] | None
    problems: _Sentences
    health_warnings: _Sentences
    signature: t.NotRequired[str]


@dataclasses.dataclass(frozen=True)
class Runs:
    """C(last): the last run, however it ended. C(success): the last successful one that counts for a backup.

    C(problem): why the record, or the rest of it, is not read.
    """

    last: Run | None = None
    success: Run | None = None
    problem: str | None = None


def read(store: BackupStore, backup_id: str | None, now: datetime.datetime) -> Runs:
    """What the record of a host says. C(backup_id): the backup for which a success counts: its newest complete one.

    What is not a line of this host, is dated in the future, or is not accepted, is passed over.
    """
    path = str(store.folder / NAME)
    try:
        with store.opened() as folder:
            texts = folder.read_file(NAME, SIZE_LIMIT).splitlines()
    except FileNotFoundError:
        return Runs()
    except OSError as exc:
        return Runs(problem=f"The record of runs '{path}' cannot be read: {exc.strerror}.")
    last, foreign = None, 0
    for run in _newest_first(texts, store.host, now + CLOCKS_DIFFER):
        if not is_accepted(run, store.trust, path):
            foreign += "signature" in run
            if foreign > MOST_FOREIGN:
                return Runs(last, problem=_FOREIGN.format(path=path, most=MOST_FOREIGN))
            continue
        last = last or run
        if run["outcome"] in SUCCESSFUL and run["backup_id"] == backup_id:
            return Runs(last, run)
    return Runs(last)


def success_of(runs: Runs, backup_id: str | None) -> datetime.datetime | None:
    """When a run last made the newest complete backup, or found the server as it is in it; None when there is none."""
    if runs.success:
        return moment_of(runs.success)
    return begun(backup_id) if backup_id else None


def ages(runs: Runs, backup_id: str | None, now: datetime.datetime) -> dict[str, str | float | None]:
    """What results say of the newest complete backup of a host: how old its content is, and the last successful run."""
    success = success_of(runs, backup_id)
    when, age = (timestamp(success), hours(success, now)) if success else (None, None)
    return {
        "age_hours": hours(begun(backup_id), now) if backup_id else None,
        "last_success": when,
        "last_success_age_hours": age,
    }


def hours(moment: datetime.datetime, now: datetime.datetime) -> float:
    """How many hours ago that was. What clocks differ by is no age."""
    return round(max(0.0, (now - moment).total_seconds()) / 3600, 2)


def add(store: BackupStore, run: Run, signer: Signer | None, *, replaces: str | None = None) -> None:
    """Adds a run to the record, of which the newest stay. Raises AccessManagerError when it cannot be written or
    signed. C(replaces): when the same run was recorded in advance.
    """
    if signer:
        run = run | {"signature": signature_of(run, signer)}
    with explained(store.folder / NAME), store.opened_root() as root, root.make_subfolder(store.host) as folder:
        folder.lock()
        kept = [line for line in lines_of(folder, NAME, SIZE_LIMIT) if not _is_in_advance(line, replaces)]
        lines = [*kept[1 - KEPT :], json.dumps(run).encode()]
        folder.replace_file(NAME, b"".join(line + b"\n" for line in lines))


def _is_in_advance(line: bytes, when: str | None) -> bool:
    """Whether a line is the record in advance, as which a run was recorded then."""
    run = parsed(line, Run) if when else None
    return run is not None and (run["finished"], run["outcome"]) == (when, FAILED)


def bounded(problems: c.Iterable[str]) -> list[str]:
    """As much of sentences as a line has room for."""
    whole = list(dict.fromkeys(problems))
    some = whole if len(whole) <= MOST_PROBLEMS else [*whole[: MOST_PROBLEMS - 1], f"And {len(whole)} in all."]
    return [shortened(printable(problem), _LONGEST_PROBLEM) for problem in some]


def _newest_first(texts: list[bytes], host: str, latest: datetime.datetime) -> c.Iterator[Run]:
    """The runs of a host, each parsed when it is asked for: usually the first one or two are."""
    for text in reversed(texts):
        run = parsed(text, Run)
        if run and run["host"] == host and moment_of(run) <= latest:
            yield run
