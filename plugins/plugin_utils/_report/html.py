# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as one HTML page for people, without scripts and without anything from elsewhere.

Here is where each mark of a picture stands, in per cent of its width or height; page.html.j2 draws it. The template
escapes all text.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import datetime
import itertools
import pathlib
import typing as t

import jinja2

from .._statuses import COMPLETE, DAMAGED, FULL, INCOMPLETE, INTEGRITY, NONE
from .._text import printable, time_of
from . import report as report_module
from .report import Report
from .table import drilled

_TEMPLATE = pathlib.Path(__file__).with_name("page.html.j2")
_SHOWN_DAYS = 366
"""How far back the pictures go."""

_LISTED_BACKUPS = 30
"""How many backups of a host are listed."""

_MARKS = 150
"""How many marks of a kind stand beside each other at the most: more could not be distinguished."""

_TICKS = (1, 2, 7, 14, 30)
"""Days between two dates of an axis. A longer one has the first day of every second month."""

_MOST_TICKS = 6
_LONGEST_BAR_DAYS = 3 * 365
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclasses.dataclass(frozen=True)
class Axis:
    """The time from C(start) to C(end)."""

    start: datetime.datetime
    end: datetime.datetime

    def place(self, time: datetime.datetime) -> float:
        """Where a time stands, in per cent. A time in the future stands at the end."""
        return round(100 * ((min(time, self.end) - self.start) / (self.end - self.start)), 2)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Dates, and where they stand: midnights, the last of them today, or months."""
        days = (self.end - self.start) / report_module.DAY
        step = next((one for one in _TICKS if days / one <= _MOST_TICKS), None)
        dates = (
            [(time, f"{time.day} {_MONTHS[time.month - 1]}") for time in self._days(step)] if step else self._months()
        )
        return [(self.place(time), label) for time, label in dates if time >= self.start]

    def _days(self, step: int) -> list[datetime.datetime]:
        last = self.end.replace(hour=0, minute=0, second=0, microsecond=0)
        return [last - number * step * report_module.DAY for number in reversed(range(_MOST_TICKS + 1))]

    def _months(self) -> list[tuple[datetime.datetime, str]]:
        last = self.end.year * 12 + self.end.month - 1
        months = [divmod(last - 2 * number, 12) for number in reversed(range(_MOST_TICKS + 1))]
        return [
            (datetime.datetime(year, month + 1, 1, tzinfo=datetime.UTC), f"{_MONTHS[month]} {year}")
            for year, month in months
        ]


def html_of(report: Report, title: str) -> str:
    """The page."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "size": size,
        "duration": duration,
        "age": age,
        "drilled": _drilled,
        "time": time_text,
        "clean": _clean,
        "number": _number,
    }
    axis = _axis(report)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        title=title,
        report=report,
        axis=axis,
        hosts=[_host(host, axis) for host in report["hosts"]],
        certificates=_certificates(report),
        problems=_problems(report),
        longest_bar_years=_LONGEST_BAR_DAYS // 365,
    )


# ---- words ----


def size(count: float | None) -> str:
    if count is None:
        return "unknown"
    power = 0
    while abs(count) >= 1024 and power < len(_UNITS) - 1:
        count, power = count / 1024, power + 1
    return f"{count:.0f} {_UNITS[power]}" if power == 0 or count >= 100 else f"{count:.1f} {_UNITS[power]}"


def duration(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "unknown"
    seconds = milliseconds / 1000
    if seconds < 1:
        return f"{milliseconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def age(hours: float | None) -> str:
    if hours is None:
        return "none"
    if hours < -1:
        return "in the future"
    return f"{max(0, hours):.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def _drilled(host: Report) -> str:
    """When the last drill passed, and how long it took; else that none did."""
    days, last = host["last_drill_success_age_days"], host["last_drill"]
    text = "never" if days is None else drilled(days, host["last_drill_success_seconds"])
    return f"{text}; the last one failed" if last and last["outcome"] == "failed" else text


def time_text(text: t.Any) -> str:
    """A time, or the id of a backup, to the minute."""
    found = time_of(text)
    return f"{found:%Y-%m-%d %H:%M}" if found else "unknown"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _clean(text: t.Any) -> str:
    return printable(str(text))


# ---- pictures ----


def _axis(report: Report) -> Axis:
    """From the oldest backup that is shown to the verification, and a day at the least."""
    end = t.cast(datetime.datetime, time_of(report["verified_at"]))
    backups = itertools.chain.from_iterable(host["backups"] for host in report["hosts"])
    earliest = max(min(filter(None, map(_made, backups)), default=end), end - _SHOWN_DAYS * report_module.DAY)
    return Axis(min(earliest, end - report_module.DAY), end)


def _made(backup: Report) -> datetime.datetime | None:
    return time_of(backup["id"])


def _host(host: Report, axis: Axis) -> dict[str, t.Any]:
    """What the template shows of a host: its newest complete backup, its pictures, and the backups that are listed."""
    newest = next((backup for backup in host["backups"] if backup["id"] == host["newest_complete"]), None)
    drawn = [(place, backup) for backup in reversed(host["backups"]) if (place := _place(backup, axis)) is not None]
    older = sum((made := _made(backup)) is not None and made < axis.start for backup in host["backups"])
    sizes = [(place, backup["size"]) for place, backup in drawn]
    downtimes = [(place, backup["downtime_ms"]) for place, backup in drawn]
    return host | {
        "newest_backup": newest,
        "marks": list(_marks(drawn)),
        "older": older,
        "sizes": _curve(sizes),
        "downtimes": _curve(downtimes),
        "listed": host["backups"][:_LISTED_BACKUPS],
        "count": sum(host["counts"].values()),
        "unlisted": max(0, len(host["backups"]) - _LISTED_BACKUPS),
    }


def _place(backup: Report, axis: Axis) -> float | None:
    made = _made(backup)
    return axis.place(made) if made and made >= axis.start else None


def kind_of(backup: Report) -> str:
    """How a backup is drawn: full, integrity, incomplete or damaged."""
    if backup["status"] == DAMAGED or backup["verified"] == NONE:
        return DAMAGED
    return str(backup["verified"]) if backup["status"] == COMPLETE else INCOMPLETE


def _marks(drawn: list[tuple[float, Report]]) -> c.Iterator[dict[str, t.Any]]:
    """A mark for each backup.

    Of those of a kind that would lie upon each other only the last is drawn; bad ones lie on top.
    """
    marks = {(kind_of(backup), round(place / 100 * _MARKS)): (place, backup) for place, backup in drawn}
    order = (FULL, INTEGRITY, INCOMPLETE, DAMAGED)
    for (kind, _slot), (place, backup) in sorted(marks.items(), key=lambda one: (order.index(one[0][0]), one[1][0])):
        yield {"kind": kind, "x": place, "backup": backup}


def _curve(points: list[tuple[float, float | None]]) -> dict[str, t.Any]:
    """Points of a curve from its baseline to C(most), its largest value; y is counted from above.

    Of points that would lie upon each other the highest is drawn.
    """
    known: dict[int, tuple[float, float]] = {}
    for place, value in points:
        slot = round(place / 100 * _MARKS)
        if value is not None and (slot not in known or value >= known[slot][1]):
            known[slot] = (place, value)
    most = max((value for _place, value in known.values()), default=0)
    return {
        "most": most,
        "points": [
            (place, round(100 - 100 * max(0.0, value) / most, 2) if most else 100.0) for place, value in known.values()
        ],
    }


def _certificates(report: Report) -> list[dict[str, t.Any]]:
    """Each certificate of the fleet once, the one that expires first at the top, those that have expired at the end."""
    found: dict[str, dict[str, t.Any]] = {}
    for host in report["hosts"]:
        for one in host["certificates"]:
            entry = found.setdefault(str(one["thumbprint"]), one | {"hosts": [], "exported_on": []})
            entry["hosts"].append(host["host"])
            if one["exported"]:
                entry["exported_on"].append(host["host"])
    for entry in found.values():
        left = entry["days_left"]
        entry["length"] = (
            0 if left is None else round(100 * min(max(left, 0), _LONGEST_BAR_DAYS) / _LONGEST_BAR_DAYS, 2)
        )
        entry["state"] = _certificate_state(left)
    return sorted(found.values(), key=lambda one: (one["state"] == "expired", _order(one["days_left"])))


def _certificate_state(days_left: int | None) -> str:
    if days_left is None:
        return "unknown"
    if days_left < 0:
        return "expired"
    return "soon" if days_left < report_module.EXPIRY_WARNING_DAYS else "valid"


def _order(days_left: int | None) -> float:
    return float("inf") if days_left is None else abs(days_left)


def _problems(report: Report) -> list[dict[str, t.Any]]:
    """The hosts that have problems, the worst first; each problem with the backups that have it."""
    found = []
    for host in sorted(report["hosts"], key=lambda host: (-report_module.STATES.index(host["state"]), host["host"])):
        sentences: dict[str, list[str]] = {sentence: [] for sentence in host["problems"] + host["warnings"]}
        for backup in host["backups"]:
            for sentence in report_module.problems_of(backup):
                sentences.setdefault(sentence, []).append(backup["id"])
        if sentences:
            found.append({"host": host["host"], "state": host["state"], "sentences": list(sentences.items())})
    return found
