# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups the keep rules keep. The rules are those of `restic forget`: each counts by itself, over the same
backups.

A period is an hour, a day, a week from Monday, a month or a year of the controller's own time zone. Of each of the last
N periods that have a backup, the newest one is kept. While a rule has counts left at the end, the oldest backup is kept
too. `within` counts back from the newest backup, not from now, so that nothing is removed because no new backups are
made.
"""

from __future__ import annotations

import calendar
import collections.abc as c
import dataclasses
import datetime
import re
import typing as t

from .._errors import AccessManagerError

UNLIMITED = -1

_PERIODS = {
    "last": "%Y-%m-%dT%H:%M:%S%z",
    "hourly": "%Y-%m-%dT%H",
    "daily": "%Y-%m-%d",
    "weekly": "%G-W%V",
    "monthly": "%Y-%m",
    "yearly": "%Y",
}
"""What two backups of one period have in common, by rule. For C(last), each backup is a period of its own."""

RULES = tuple(_PERIODS)
_LONGEST_DAYS = {"hourly": 1 / 24, "daily": 1, "weekly": 7, "monthly": 31, "yearly": 366}

_WITHIN = re.compile(r"(?:([0-9]{1,5})y)?(?:([0-9]{1,5})m)?(?:([0-9]{1,5})d)?(?:([0-9]{1,5})h)?")
_EARLIEST = datetime.datetime.min.replace(tzinfo=datetime.UTC)


@dataclasses.dataclass(frozen=True)
class Period:
    """A time back from the newest backup."""

    years: int = 0
    months: int = 0
    days: int = 0
    hours: int = 0

    @classmethod
    def of(cls, text: str) -> Period:
        """The time that a text such as C(1y6m14d12h) is. Raises AccessManagerError when it is none."""
        found = _WITHIN.fullmatch(text.strip())
        within = cls(*(int(number or 0) for number in found.groups())) if found else cls()
        if within == cls():
            raise AccessManagerError(
                f"keep_within is '{text}': it must be years, months, days and hours, such as 1y6m14d12h."
            )
        return within

    @property
    def longest_days(self) -> float:
        return self.years * 366 + self.months * 31 + self.days + self.hours / 24

    def before(self, time: datetime.datetime, zone: datetime.tzinfo | None) -> datetime.datetime:
        """That long before a time, by the calendar of the zone; the last day of a month where a month has no such
        day.
        """
        local = time.astimezone(zone)
        year, month = divmod(local.year * 12 + local.month - 1 - self.years * 12 - self.months, 12)
        try:
            day = min(local.day, calendar.monthrange(year, month + 1)[1])
            wall = local.replace(year=year, month=month + 1, day=day, tzinfo=None) - datetime.timedelta(days=self.days)
            aware = wall.astimezone() if zone is None else wall.replace(tzinfo=zone)
            return aware.astimezone(datetime.UTC) - datetime.timedelta(hours=self.hours)
        except (ValueError, OverflowError):  # before the year 1
            return _EARLIEST


@dataclasses.dataclass(frozen=True)
class Rules:
    """How many periods to keep of each kind, -1 for all; and how far back to keep everything."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: Period | None = None

    @classmethod
    def of(cls, params: dict[str, t.Any]) -> Rules:
        """The rules that the options C(keep_*) are. Raises AccessManagerError when one makes no sense."""
        counts = {rule: int(params[f"keep_{rule}"] or 0) for rule in _PERIODS}
        for rule, count in counts.items():
            if count < UNLIMITED:
                raise AccessManagerError(f"keep_{rule} is {count}: it must be a number of backups, or -1 for all.")
        return cls(**counts, within=Period.of(params["keep_within"]) if params["keep_within"] else None)

    @property
    def longest_days(self) -> float | None:
        """For how many days the rules keep a backup at the most; None for ever. C(last) keeps by number alone."""
        counts: dict[str, int] = {rule: getattr(self, rule) for rule in _LONGEST_DAYS}
        if UNLIMITED in (self.last, *counts.values()):
            return None
        within = self.within.longest_days if self.within else 0
        return max(within, *(count * _LONGEST_DAYS[rule] for rule, count in counts.items()))

    def __bool__(self) -> bool:
        return self != Rules()


def select(
    times: c.Iterable[datetime.datetime], rules: Rules, *, now: datetime.datetime, zone: datetime.tzinfo | None = None
) -> dict[datetime.datetime, list[str]]:
    """The backups to keep, by when they were made, newest first, each with the rules that keep it.

    C(times) and C(now) are aware. C(zone) is that of the periods: None for the controller's own.
    """
    ordered = sorted(set(times), reverse=True)
    kept: dict[datetime.datetime, list[str]] = {time: [] for time in ordered}
    if rules.within:
        newest = max((time for time in ordered if time <= now), default=None)
        earliest = rules.within.before(newest, zone) if newest else _EARLIEST
        for time in ordered:
            if time > earliest:
                kept[time].append("within")
    for rule in _PERIODS:
        for time, reason in _of_one_rule(ordered, rule, getattr(rules, rule), zone):
            kept[time].append(reason)
    return {time: reasons for time, reasons in kept.items() if reasons}


def _of_one_rule(
    ordered: c.Sequence[datetime.datetime], rule: str, count: int, zone: datetime.tzinfo | None
) -> c.Iterator[tuple[datetime.datetime, str]]:
    """The backups that one rule keeps, newest first."""
    seen = None
    for time in ordered:
        if not count:
            return
        period = time.astimezone(zone).strftime(_PERIODS[rule])
        if period != seen:
            yield time, rule
        elif time == ordered[-1]:
            yield time, f"oldest of {rule}"
        else:
            continue
        seen = period
        count -= 1
