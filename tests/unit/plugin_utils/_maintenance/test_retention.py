# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keep rules, against cases that were computed by hand with a calendar."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._maintenance.retention import Period, Rules, select
from hypothesis import given
from hypothesis import strategies as st

BERLIN, NEW_YORK, KOLKATA = (ZoneInfo(name) for name in ("Europe/Berlin", "America/New_York", "Asia/Kolkata"))
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def kept(times: str | list[str], zone: ZoneInfo | None = None, now: datetime = NOW, **rules: int | str) -> list[str]:
    """The times that stay, oldest first, as they were given."""
    given_times = times.split() if isinstance(times, str) else times
    within = {"within": Period.of(str(rules.pop("within")))} if "within" in rules else {}
    chosen = select(
        [utc(text) for text in given_times], Rules(**rules, **within), now=now, zone=zone or ZoneInfo("UTC")
    )  # type: ignore[arg-type]
    return [text for text in sorted(given_times) if utc(text) in chosen]


# Monday 2026-11-16 to Monday 2026-11-23; twice on the 20th and the 22nd, none on the 19th.
WEEK = (
    "2026-11-16T02:00 2026-11-17T02:00 2026-11-18T02:00 2026-11-20T02:00 2026-11-20T14:00 "
    "2026-11-21T02:00 2026-11-22T02:00 2026-11-22T23:59 2026-11-23T00:00"
)


# ---- each rule ----


def test_last_keeps_the_newest() -> None:
    assert kept(WEEK, last=1) == ["2026-11-23T00:00"]
    assert kept(WEEK, last=3) == ["2026-11-22T02:00", "2026-11-22T23:59", "2026-11-23T00:00"]
    assert kept(WEEK, last=100) == WEEK.split()


def test_daily_keeps_the_newest_of_each_day_and_passes_over_days_without_one() -> None:
    assert kept(WEEK, daily=2) == ["2026-11-22T23:59", "2026-11-23T00:00"]
    assert kept(WEEK, daily=5) == [
        "2026-11-18T02:00",
        "2026-11-20T14:00",
        "2026-11-21T02:00",
        "2026-11-22T23:59",
        "2026-11-23T00:00",
    ]


def test_weeks_begin_on_monday() -> None:
    assert kept(WEEK, weekly=1) == ["2026-11-23T00:00"]
    assert kept(WEEK, weekly=2) == ["2026-11-22T23:59", "2026-11-23T00:00"]


def test_the_oldest_stays_while_a_rule_has_counts_left() -> None:
    """The oldest is of a week that is kept already; the third count keeps it for a week that is not there yet."""
    assert kept(WEEK, weekly=3) == ["2026-11-16T02:00", "2026-11-22T23:59", "2026-11-23T00:00"]
    assert kept(WEEK, monthly=1) == ["2026-11-23T00:00"]
    assert kept(WEEK, monthly=2) == ["2026-11-16T02:00", "2026-11-23T00:00"]
    assert kept(WEEK, yearly=9) == ["2026-11-16T02:00", "2026-11-23T00:00"]


def test_hourly_keeps_the_newest_of_each_hour() -> None:
    hours = "2026-11-23T07:59 2026-11-23T08:00 2026-11-23T08:30 2026-11-23T08:59 2026-11-23T09:00"
    assert kept(hours, hourly=2) == ["2026-11-23T08:59", "2026-11-23T09:00"]
    assert kept(hours, hourly=3) == ["2026-11-23T07:59", "2026-11-23T08:59", "2026-11-23T09:00"]


def test_minus_one_keeps_all_periods() -> None:
    assert kept(WEEK, daily=-1) == [
        time for time in WEEK.split() if time not in ("2026-11-20T02:00", "2026-11-22T02:00")
    ]
    assert kept(WEEK, last=-1) == WEEK.split()


def test_rules_count_by_themselves_over_the_same_backups() -> None:
    """As restic has it: the newest counts for the day, the week and the month at once. borg would keep two more."""
    months = "2026-09-30T02:00 2026-10-31T02:00 2026-11-20T02:00 2026-11-22T02:00 2026-11-23T02:00"
    assert kept(months, daily=1, weekly=1, monthly=1) == ["2026-11-23T02:00"]
    assert kept(months, daily=2, weekly=2, monthly=2) == ["2026-10-31T02:00", "2026-11-22T02:00", "2026-11-23T02:00"]


def test_each_reason_is_reported() -> None:
    chosen = select(
        [utc(text) for text in WEEK.split()], Rules(last=1, daily=2, monthly=2), now=NOW, zone=ZoneInfo("UTC")
    )
    assert {f"{time:%d %H:%M}": reasons for time, reasons in chosen.items()} == {
        "23 00:00": ["last", "daily", "monthly"],
        "22 23:59": ["daily"],
        "16 02:00": ["oldest of monthly"],
    }


def test_no_backups_give_none() -> None:
    assert kept([], daily=7) == []


# ---- year ends ----


def test_a_week_over_the_end_of_a_year_is_one_week() -> None:
    """2026 has a week 53, from Monday 2026-12-28 to Sunday 2027-01-03."""
    times = "2026-12-27T12:00 2026-12-28T12:00 2026-12-31T12:00 2027-01-01T12:00 2027-01-03T12:00 2027-01-04T12:00"
    assert kept(times, weekly=2) == ["2027-01-03T12:00", "2027-01-04T12:00"]
    assert kept(times, weekly=3) == ["2026-12-27T12:00", "2027-01-03T12:00", "2027-01-04T12:00"]


def test_the_first_week_of_a_year_may_begin_in_the_last() -> None:
    """2024-12-30 is the Monday of week 1 of 2025."""
    assert kept("2024-12-29T12:00 2024-12-30T12:00 2025-01-05T12:00", weekly=1) == ["2025-01-05T12:00"]
    assert kept("2024-12-29T12:00 2024-12-30T12:00 2025-01-05T12:00", weekly=2) == [
        "2024-12-29T12:00",
        "2025-01-05T12:00",
    ]


def test_years_and_months_end_at_the_local_midnight() -> None:
    times = "2026-12-31T22:59 2026-12-31T23:01 2027-06-01T12:00"
    assert kept(times, yearly=2) == ["2026-12-31T23:01", "2027-06-01T12:00"]
    assert kept(times, BERLIN, yearly=2) == ["2026-12-31T22:59", "2027-06-01T12:00"]
    assert kept(times, NEW_YORK, monthly=2) == ["2026-12-31T23:01", "2027-06-01T12:00"]
    assert kept(times, BERLIN, monthly=3) == times.split()


# ---- time zones and summer time ----


def test_days_are_those_of_the_zone() -> None:
    """18:30 in UTC is midnight in Kolkata, where days end half an hour off the hours of UTC."""
    times = "2026-11-21T18:29 2026-11-21T18:30 2026-11-22T18:29 2026-11-22T18:30"
    assert kept(times, daily=2) == ["2026-11-21T18:30", "2026-11-22T18:30"]
    assert kept(times, KOLKATA, daily=3) == ["2026-11-21T18:29", "2026-11-22T18:29", "2026-11-22T18:30"]
    hours = "2026-11-22T18:15 2026-11-22T18:29 2026-11-22T18:45"
    assert kept(hours, KOLKATA, hourly=2) == ["2026-11-22T18:29", "2026-11-22T18:45"]


def test_the_day_of_25_hours_is_one_day() -> None:
    """In Berlin 2026-10-25 lasts from 22:00 UTC of the 24th to 23:00 UTC of the 25th."""
    times = "2026-10-24T21:59 2026-10-24T22:00 2026-10-25T22:59 2026-10-25T23:00"
    assert kept(times, BERLIN, daily=3) == ["2026-10-24T21:59", "2026-10-25T22:59", "2026-10-25T23:00"]


def test_the_hour_that_comes_twice_is_one_hour() -> None:
    """02:30 of summer and 02:30 of winter, an hour later, have the same place in the calendar."""
    times = "2026-10-24T23:30 2026-10-25T00:30 2026-10-25T01:30 2026-10-25T02:30"
    assert kept(times, BERLIN, hourly=2) == ["2026-10-25T01:30", "2026-10-25T02:30"]
    assert kept(times, BERLIN, hourly=3) == ["2026-10-24T23:30", "2026-10-25T01:30", "2026-10-25T02:30"]


def test_the_day_of_23_hours_is_one_day() -> None:
    """In Berlin 2026-03-29 lasts from 23:00 UTC of the 28th to 22:00 UTC of the 29th; there is no 02:30."""
    times = "2026-03-28T22:59 2026-03-28T23:00 2026-03-29T00:30 2026-03-29T01:30 2026-03-29T21:59 2026-03-29T22:00"
    assert kept(times, BERLIN, daily=3) == ["2026-03-28T22:59", "2026-03-29T21:59", "2026-03-29T22:00"]
    assert kept(times, BERLIN, hourly=4) == [
        "2026-03-29T00:30",
        "2026-03-29T01:30",
        "2026-03-29T21:59",
        "2026-03-29T22:00",
    ]


@pytest.fixture
def berlin() -> Iterator[None]:
    """The controller is in Berlin."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


def test_without_a_zone_it_is_the_controllers(berlin: None) -> None:
    times = [utc(text) for text in ("2026-10-24T21:59", "2026-10-24T22:00", "2026-10-25T22:59", "2026-10-25T23:00")]
    chosen = select(times, Rules(daily=3), now=NOW)
    assert sorted(chosen) == [times[0], times[2], times[3]]
    assert (
        sorted(select(times, Rules(within=Period(days=1)), now=NOW)) == times[2:]
    )  # the day before had begun 25 hours ago


# ---- within ----


def test_within_counts_back_from_the_newest_backup() -> None:
    assert kept(WEEK, within="1d") == ["2026-11-22T02:00", "2026-11-22T23:59", "2026-11-23T00:00"]
    assert kept(WEEK, within="22h") == ["2026-11-22T23:59", "2026-11-23T00:00"]
    assert kept(WEEK, within="2d10h") == [
        "2026-11-21T02:00",
        "2026-11-22T02:00",
        "2026-11-22T23:59",
        "2026-11-23T00:00",
    ]


def test_a_moment_exactly_that_long_ago_goes() -> None:
    assert kept("2026-11-22T00:00 2026-11-22T00:01 2026-11-23T00:00", within="1d") == [
        "2026-11-22T00:01",
        "2026-11-23T00:00",
    ]


def test_months_and_years_are_those_of_the_calendar() -> None:
    """A month before March 31 is the last of February; a year before February 29 is February 28."""
    times = "2026-02-27T12:00 2026-02-28T12:00 2026-02-28T12:01 2026-03-31T12:00"
    assert kept(times, within="1m") == ["2026-02-28T12:01", "2026-03-31T12:00"]
    times = "2027-02-28T12:00 2027-02-28T12:01 2028-02-29T12:00"
    assert kept(times, within="1y") == ["2027-02-28T12:01", "2028-02-29T12:00"]
    times = "2025-11-23T00:00 2025-12-22T00:00 2025-12-24T00:00 2027-01-23T00:00"
    assert kept(times, within="1y1m") == ["2025-12-24T00:00", "2027-01-23T00:00"]


def test_a_day_back_over_summer_time_is_the_same_hour_of_the_clock() -> None:
    """03:30 in Berlin on the 25th of October 2026 is 02:30 UTC; on the 24th it is 01:30 UTC, 25 hours before."""
    times = "2026-10-24T01:30 2026-10-24T01:31 2026-10-25T02:30"
    assert kept(times, BERLIN, within="1d") == ["2026-10-24T01:31", "2026-10-25T02:30"]
    assert kept(times, BERLIN, within="25h") == ["2026-10-24T01:31", "2026-10-25T02:30"]
    assert kept(times, BERLIN, within="24h") == ["2026-10-25T02:30"]


def test_a_backup_from_the_future_does_not_move_what_within_counts_from() -> None:
    times = "2026-11-01T00:00 2026-11-22T12:00 2026-11-23T00:00 2029-01-01T00:00"
    now = utc("2026-11-23T06:00")
    assert kept(times, now=now, within="1d") == ["2026-11-22T12:00", "2026-11-23T00:00", "2029-01-01T00:00"]
    assert kept("2029-01-01T00:00 2029-06-01T00:00", now=now, within="1d") == ["2029-01-01T00:00", "2029-06-01T00:00"]


def test_longer_than_time_itself_keeps_all() -> None:
    assert kept(WEEK, within="99999y") == WEEK.split()
    assert kept(WEEK, within="99999d99999h") == WEEK.split()
    assert kept(WEEK, within="2026y99999d") == WEEK.split()


@pytest.mark.parametrize(
    "text", ["", "d", "1", "1w", "-1d", "1d2y", "0d", "0y0m0d0h", "1.5d", "1d 2h", "999999d", "\u0661d"]
)
def test_what_is_no_time_is_refused_and_named(text: str) -> None:
    with pytest.raises(AccessManagerError, match=r"keep_within is '.*': it must be years"):
        Period.of(text)


# ---- rules ----

OPTIONS = dict.fromkeys(("keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly"), 0)


def test_options_become_rules() -> None:
    given_rules = Rules.of(OPTIONS | {"keep_daily": 7, "keep_yearly": -1, "keep_within": "1y6m14d12h"})
    assert given_rules == Rules(daily=7, yearly=-1, within=Period(1, 6, 14, 12))
    assert given_rules
    assert not Rules.of(OPTIONS | {"keep_within": None})


def test_a_count_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(AccessManagerError, match="keep_daily is -2"):
        Rules.of(OPTIONS | {"keep_daily": -2, "keep_within": None})


moments_in_a_century = st.lists(
    st.integers(0, 36_500 * 24).map(lambda hours: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(hours=hours)),
    max_size=40,
)
counts = st.integers(-1, 12)


@given(moments_in_a_century, counts, counts, counts, st.sampled_from([BERLIN, NEW_YORK, KOLKATA]))
def test_what_always_holds(times: list[datetime], daily: int, monthly: int, last: int, zone: ZoneInfo) -> None:
    rules = Rules(daily=daily, monthly=monthly, last=last)
    chosen = select(times, rules, now=NOW, zone=zone)
    assert set(chosen) <= set(times)
    if times and rules:
        assert max(times) in chosen
        assert select(chosen, rules, now=NOW, zone=zone).keys() == chosen.keys()  # a second run removes nothing
    if -1 not in (daily, monthly, last):
        assert len(chosen) <= daily + monthly + last
