# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verification says of a host: its newest backups, its last run, its copies and drills, and what is wrong."""

from __future__ import annotations

import collections
import collections.abc as c
import dataclasses
import typing as t

from .._statuses import FAILED, INCOMPLETE, STATUSES
from .._store import drill_log, run_log
from .._store.manifest import Manifest
from .._store.signed_lines import without_signature
from .._store.store import future_warning
from .._text import printable
from .verification import Host, Result

_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Limits:
    """After how many hours without a successful run (C(age)) or without all copies (C(copies)), and after how many days
    without a drill that passed (C(drill)), a host has a problem; None for never.
    """

    age: float | None = None
    copies: float | None = None
    drill: float | None = None


def result_of_host(host: Host, limits: Limits) -> Result:
    """What it says of a host."""
    problems = [
        *_problems_of_host(host, limits.age),
        *_problems_of_copies(host, limits.copies),
        *_problems_of_drills(host, limits.drill),
    ]
    newest = host.newest_complete
    newest_id = newest.id if newest else None
    created = newest.manifest["created"] if newest and newest.manifest else None
    last_run = without_signature(host.runs.last) if host.runs.last else None
    return {
        "host": host.store.host,
        "counts": dict.fromkeys(STATUSES, 0) | collections.Counter(backup.status for backup in host.backups),
        "newest": host.backups[-1].id if host.backups else None,
        "newest_complete": newest_id,
        "newest_complete_created": created,
        "last_run": last_run,
        "copies": host.copies,
        "attachments": list(map(printable, dict.fromkeys(host.attachments))),
        "problems": list(map(printable, problems)),
        **run_log.ages(host.runs, newest_id, host.now),
        **drill_log.summary(host.drills, host.now),
    }


def _problems_of_host(host: Host, check_age: float | None) -> c.Iterator[str]:
    store = host.store
    if host.unreadable:
        yield host.unreadable
    elif not host.backups:
        if not host.attachments or check_age is not None:  # of version 2, only what a person exported is kept
            yield f"There is no backup of {store.host} in '{store.folder}'."
    elif host.last_success is None:
        yield f"There is no complete backup of {store.host} in '{store.folder}'{store.trust.restriction}."
    elif check_age is not None and any(backup.is_of_server for backup in host.backups):
        age = run_log.hours(host.last_success, host.now)
        if age > check_age:
            yield f"The last successful backup run of {store.host} was {age} hours ago; {check_age:g} are allowed."
    if host.runs.problem:
        yield host.runs.problem
    yield from host.lost
    yield from host.beside


def _problems_of_copies(host: Host, check_copies: float | None) -> c.Iterator[str]:
    if check_copies is None:
        return
    name = host.store.host
    if not host.copies:
        yield f"No copies of the backups of {name} are made: no destination is named in access_manager_copies."
    for one in host.copies:
        if one["age_hours"] is None:
            yield f"Not once did this controller copy every backup of {name} to '{one['destination']}'."
        elif one["age_hours"] > check_copies:
            yield (
                f"Every backup of {name} was at '{one['destination']}' {one['age_hours']} hours ago for the last time; "
                f"{check_copies:g} are allowed."
            )


def _problems_of_drills(host: Host, check_drill: float | None) -> c.Iterator[str]:
    yield from host.drills.problems
    if check_drill is None:
        return
    name, success = host.store.host, host.drills.success
    if success is None:
        yield f"No restore drill of {name} has passed yet."
    elif (days := drill_log.days_ago(success, host.now)) > check_drill:
        yield f"The last restore drill of {name} that passed was {days:.1f} days ago; {check_drill:g} are allowed."


def warnings_of_host(host: Host) -> c.Iterator[str]:
    """What no task fails for: a newest backup that was incomplete, a failed last run, a backup dated in the future."""
    name, newest, last = host.store.host, host.backups[-1] if host.backups else None, host.runs.last
    if newest and newest.is_there and newest.status == INCOMPLETE:
        problems = " ".join(t.cast(Manifest, newest.manifest)["problems"][:_SHOWN])
        yield f"The newest backup of {name}, {newest.id}, is incomplete: {problems}"
    if last and last["outcome"] == FAILED:
        yield f"The last backup run of {name}, of {last['finished']}, failed: {' '.join(last['problems'])}"
    drill = host.drills.last
    if drill and drill["outcome"] == drill_log.FAILED:
        yield f"The last restore drill of {name}, of {drill['finished']}, failed: {' '.join(drill['problems'])}"
    for backup_id in host.in_future:
        yield future_warning(name, backup_id)
