# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make bench compare` says of its figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import comparison
from comparison import BULK, FETCH, LIVE, LOOP, NOTHING, STOP, ZIP, Measured

OURS = Measured(LIVE, "winrm", 0, seconds=10, processes=2, bytes=1, downtime=0)
NEAR = [OURS, replace(OURS, what=STOP, seconds=15, downtime=1000), replace(OURS, what=ZIP, seconds=30, downtime=25000)]


def reached(runs: list[Measured]) -> dict[str, bool]:
    return {goal.name: goal.reached for goal in comparison.goals(runs)}


def test_a_goal_is_a_ratio_of_one_situation() -> None:
    far = [replace(run, latency=100) for run in NEAR]
    assert reached(NEAR + far) == {
        "seconds, live to zip (winrm, 0 ms)": True,
        "downtime, ours to zip (winrm, 0 ms)": True,
        "seconds, live to zip (winrm, 100 ms)": False,
        "downtime, ours to zip (winrm, 100 ms)": True,
    }


def test_bulk_is_to_be_faster_over_winrm_and_not_slower_over_psrp() -> None:
    bulk = [replace(OURS, what=BULK, seconds=10), replace(OURS, what=FETCH, seconds=20)]
    over_psrp = [replace(run, connection="psrp") for run in bulk]
    assert list(reached(bulk + over_psrp).values()) == [True, False]


def test_what_no_call_of_a_server_undercuts_is_a_ratio_too() -> None:
    nothing = replace(OURS, what=NOTHING, seconds=6)
    assert list(comparison.least([*NEAR, nothing])) == [f"seconds, {NOTHING} to zip (winrm, 0 ms): 0.20"]


def test_the_page_has_a_bar_for_each_run_and_names_what_is_missed(tmp_path: Path) -> None:
    runs = [*NEAR, replace(OURS, what=LOOP, seconds=60), replace(OURS, what=STOP, seconds=15, downtime=5000)]
    data, page = comparison.write(runs, tmp_path)
    assert [goal["reached"] for goal in json.loads(data.read_text())["goals"]] == [True, False]
    text = page.read_text()
    assert text.count('class="bar"') == 4 + 2
    assert text.count('<td class="missed">') == 1
    assert 'style="width: 100.0%"' in text
