# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work says how far it is, on one line every ten seconds; quick work and output for programs have none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils import _progress
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._progress import Progress
from unit.actions import run

TICK = 0.02
"""Seconds between two lines in these tests."""


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    shown: list[str] = []
    monkeypatch.setattr(_progress._display, "show", shown.append)
    monkeypatch.setattr(_progress, "_SECONDS", TICK)
    yield shown
    _progress.set_label("", wanted=False)


def work(lines: list[str], count: int = 2) -> None:
    """Takes until there are so many lines more, or two seconds."""
    end, wanted = time.monotonic() + 2, len(lines) + count
    while time.monotonic() < end and len(lines) < wanted:
        time.sleep(TICK / 4)


def after(seconds: float, **values: Any) -> Progress:
    progress = Progress(values.pop("what", "received"), **values)
    progress._start -= seconds
    return progress


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (lambda: after(30, total=310_000_000, unit="MB", done=0), "0 of 310 MB received, 30 s"),
        (lambda: after(20, what="read", unit="computers", done=12_000), "12000 computers read, 20 s"),
        (lambda: after(130, what="waiting for the run 1"), "waiting for the run 1, 2 min"),
        (lambda: after(9500, what="waiting for service"), "waiting for service, 3 h"),
    ],
)
def test_a_line_says_what_of_how_much_and_how_long(progress: Callable[[], Progress], line: str) -> None:
    assert progress().line == line


@pytest.mark.parametrize(
    ("begun_with", "done", "left"),
    [(0, 48_000_000, "2 min"), (38_000_000, 48_000_000, "9 min"), (0, 300_000_000, "1 s"), (0, 400_000_000, "0 s")],
)
def test_the_time_left_is_by_the_speed_of_this_run(begun_with: int, done: int, left: str) -> None:
    progress = after(20, total=310_000_000, unit="MB", done=begun_with)
    progress.done = done
    assert progress.line == f"{done // 1_000_000} of 310 MB received, about {left} left"


def test_long_work_has_a_line_each_interval_and_none_after_it(lines: list[str]) -> None:
    _progress.set_label("ams1", wanted=True)
    with _progress.shown("read", total=10, unit="computers") as progress:
        progress.done = 5
        work(lines)
    count = len(lines)
    assert count >= 2
    assert all(line.startswith("ams1: 5 of 10 computers read, about ") for line in lines)
    time.sleep(3 * TICK)
    assert len(lines) == count


def test_what_is_quick_has_no_line(lines: list[str]) -> None:
    _progress.set_label("ams1", wanted=True)
    for _number in range(100):
        with _progress.shown("waiting for service"):
            pass
    time.sleep(3 * TICK)
    assert lines == []


def test_of_work_within_work_the_counted_is_shown_else_the_whole(lines: list[str]) -> None:
    _progress.set_label("ams1", wanted=True)
    with _progress.shown("waiting for the run 1"):
        with _progress.shown("waiting for service"):
            work(lines)
        assert {line.partition(",")[0] for line in lines} == {"ams1: waiting for the run 1"}
        lines.clear()
        with _progress.shown("received", total=2_000_000, unit="MB"):
            work(lines)
        assert lines[-1].startswith("ams1: 0 of 2 MB received")


def test_work_that_fails_ends_its_lines(lines: list[str]) -> None:
    _progress.set_label("ams1", wanted=True)
    threads = threading.active_count()
    with pytest.raises(ValueError, match="no"), _progress.shown("waiting"):
        raise ValueError("no")
    time.sleep(3 * TICK)
    assert threading.active_count() <= threads
    assert lines == []


def test_things_are_counted_as_they_are_taken(lines: list[str]) -> None:
    _progress.set_label("ams1", wanted=True)
    taken = _progress.counted("abc", "verified", total=3, unit="backups")
    assert next(taken) + next(taken) == "ab"
    work(lines)
    assert lines[-1].startswith("ams1: 1 of 3 backups verified, about ")
    assert list(taken) == ["c"]


@pytest.mark.parametrize("callback", ["json", "ansible.posix.json", "minimal", "ansible.builtin.oneline"])
def test_output_for_programs_has_no_line(lines: list[str], monkeypatch: pytest.MonkeyPatch, callback: str) -> None:
    monkeypatch.setattr(_progress.constants.config, "get_config_value", lambda _name: callback)
    _progress.set_label("ams1", wanted=True)
    with _progress.shown("waiting"):
        time.sleep(3 * TICK)
    assert lines == []


@pytest.mark.parametrize(
    ("given", "label"),
    [({}, "ams1"), ({"access_manager_progress": True}, "ams1"), ({"access_manager_progress": "no"}, "")],
)
def test_a_variable_switches_the_lines_off(lines: list[str], given: dict[str, Any], label: str) -> None:
    run("backup_info", task_vars=given, backup_root="/nowhere")
    assert _progress._lines.label == label
    assert lines == []
