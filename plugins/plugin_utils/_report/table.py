# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verification found, as lines for a terminal: one for each host, and then each problem."""

from __future__ import annotations

import collections
import collections.abc as c
import typing as t

from .._statuses import LEVELS

Record = dict[str, t.Any]
_LEVELS = tuple(reversed(LEVELS))
_HEADING = (
    *("HOST", "NEWEST COMPLETE", "AGE", "LAST SUCCESS", "LAST DRILL", "BACKUPS", "VERIFIED"),
    *map(str.upper, _LEVELS),
)
_WIDTHS = (16, 9, 12, 24, 7, 8, 4, 9, 4)


def table_of(hosts: c.Sequence[Record], backups: c.Sequence[Record], origin: str) -> list[str]:
    """The lines. C(origin): the sentence on who made the backups."""
    by_host: dict[str, list[Record]] = collections.defaultdict(list)
    for backup in backups:
        by_host[backup["host"]].append(backup)
    rows = [_HEADING, *(_cells(host, by_host[host["host"]]) for host in hosts)]
    width = max(len(row[0]) for row in rows)
    lines = [_line(width, row) for row in rows]
    lines += [f"Copies of {host['host']}: {_ages(host['copies'])}." for host in hosts if host["copies"]]
    attached = [host for host in hosts if host["attachments"]]
    lines += [f"Attachments of {host['host']}: {', '.join(host['attachments'])}." for host in attached]
    lines.append(origin)
    for host in hosts:
        lines += host["problems"]
        for backup in by_host[host["host"]]:
            lines += [f"{host['host']} {backup['id']}: {problem}" for problem in backup["problems"]]
    return lines


def _ages(copies: c.Sequence[Record]) -> str:
    """Where the copies are, and how long ago each destination had all of them."""
    return ", ".join(
        f"{one['destination']} {'never' if one['age_hours'] is None else hours(one['age_hours'])}" for one in copies
    )


def hours(age: float | None) -> str:
    return "-" if age is None else f"{age:.1f} h"


def drilled(days: float | None, seconds: float | None) -> str:
    """How many days ago the last drill passed, and how long its recovery took."""
    if days is None:
        return "-"
    return f"{days:.0f} days, took {took(seconds)}"


def took(seconds: float | None) -> str:
    """How long something took, as C(4 min 10 s)."""
    if seconds is None:
        return "unknown"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _cells(host: Record, backups: list[Record]) -> list[t.Any]:
    levels = collections.Counter(backup["verified"] for backup in backups)
    return [
        host["host"],
        host["newest_complete"] or "-",
        hours(host["age_hours"]),
        hours(host["last_success_age_hours"]),
        drilled(host["last_drill_success_age_days"], host["last_drill_success_seconds"]),
        sum(host["counts"].values()),
        len(backups),
        *(levels[level] for level in _LEVELS),
    ]


def _line(width: int, cells: c.Sequence[t.Any]) -> str:
    """A line of the table: the host and the backup from the left, the rest from the right."""
    host, newest, *rest = map(str, cells)
    numbers = "  ".join(f"{cell:>{one}}" for cell, one in zip(rest, _WIDTHS[1:], strict=True))
    return f"{host:<{width}}  {newest:<{_WIDTHS[0]}}  {numbers}"
