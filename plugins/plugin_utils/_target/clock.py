# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's clock beside the controller's: where they differ, times of the one say little about those of the other.
"""

from __future__ import annotations

import collections.abc as c
import datetime
import typing as t

from .._text import time_of

TOLERATED_SECONDS = 60

Result = t.TypeVar("Result", bound=dict[str, t.Any])


def timed(ask: c.Callable[[], Result]) -> tuple[Result, int]:
    """An answer of a server that has its time in C(now), and by how many seconds that is outside of question and
    answer.

    More than 0: the server's clock is ahead.
    """
    asked = datetime.datetime.now(datetime.UTC)
    answer = ask()
    return answer, _outside(str(answer.pop("now", "")), asked, datetime.datetime.now(datetime.UTC))


def _outside(now: str, asked: datetime.datetime, answered: datetime.datetime) -> int:
    said = time_of(now)
    if said is None:
        return 0
    server_time, earliest, latest = said.replace(microsecond=0), asked.replace(microsecond=0), answered
    return (
        int((server_time - latest).total_seconds())
        if server_time > latest
        else min(0, int((server_time - earliest).total_seconds()))
    )


def is_skewed(seconds: int) -> bool:
    return abs(seconds) > TOLERATED_SECONDS


def sentence(seconds: int, host: str) -> str:
    ahead = "ahead of" if seconds > 0 else "behind"
    return (
        f"The clock of {host} is {abs(seconds)} s {ahead} this controller's: the ids of backups and the times of "
        "safety copies do not show which was first. Set the clocks right."
    )
