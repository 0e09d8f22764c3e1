# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the clocks of server and controller agree."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.source import Source
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target import clock, earlier_restores


def answer(ahead: float) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=ahead)
    return {"now": now.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")}


@pytest.mark.parametrize("ahead", [0, 1, -1, 45, -45])
def test_clocks_that_differ_by_less_than_a_minute_agree(ahead: int) -> None:
    said, skew = clock.timed(lambda: answer(ahead))
    assert said == {}
    assert abs(skew - ahead) <= 1
    assert not clock.is_skewed(skew)


@pytest.mark.parametrize(("ahead", "words"), [(3600, "3600 s ahead of"), (-120, "120 s behind")])
def test_clocks_that_differ_are_reported(ahead: int, words: str) -> None:
    _said, skew = clock.timed(lambda: answer(ahead))
    assert clock.is_skewed(skew)
    assert words in clock.sentence(ahead, "ams1")


@pytest.mark.parametrize("now", ["", "yesterday", "2026-13-01T00:00:00.0000000Z"])
def test_a_time_that_is_none_says_nothing(now: str) -> None:
    assert clock.timed(lambda: {"now": now})[1] == 0


def test_a_backup_is_earlier_than_an_interruption_only_where_the_clocks_agree() -> None:
    source = Source("20261123T081500Z of ams1", {}, {"id": "20261123T081500Z"})
    interruption = {"run_id": "one", "backup": "other", "kept_at": "20261124T000000Z"}
    itself = {"run_id": "two", "backup": source.label, "kept_at": "20261120T000000Z"}
    assert earlier_restores.settled_by(source, [interruption, itself]) == ["one", "two"]
    assert earlier_restores.settled_by(source, [interruption, itself], by_time=False) == ["two"]
