# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies after a backup: whatever becomes of them, the backup is made and recorded before, on every server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.backups import age_key
from support.plays import BACKUP
from unit.fleets import Fleet, play

pytestmark = pytest.mark.slow

HOSTS: dict[str, dict[str, Any]] = {"ams1": {}, "ams2": {}}


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path, age_key())


def outcomes(fleet: Fleet) -> list[str]:
    """Of the recorded runs, of all hosts."""
    lines = [line for record in sorted(fleet.root.glob("*/.runs.jsonl")) for line in record.read_text().splitlines()]
    return [json.loads(line)["outcome"] for line in lines]


def command(program: str) -> dict[str, Any]:
    return {"name": "cloud", "kind": "command", "command": ["sh", "-c", program]}


def test_copies_begin_when_the_backups_of_all_servers_are_recorded(fleet: Fleet) -> None:
    """A destination that hangs delays no backup, of whatever batch."""
    seen = fleet.folder / "seen"
    fleet.variables = {"access_manager_copies": [command(f"ls {fleet.root}/*/.runs.jsonl | wc -l >> {seen}")]}
    run = fleet.run(BACKUP, HOSTS, extra={"access_manager_serial": 1})
    assert run.rc == 0, run.output
    assert seen.read_text().split() == ["2", "2"]


@pytest.mark.parametrize(
    ("destination", "sentence"),
    [
        ({"name": "cloud", "kind": "s4"}, "The backups of ams1 were not copied. value of kind must be one of"),
        (command("exit 3"), "A copy of the backups of ams1 failed. cloud: The command of the copies"),
    ],
)
def test_copy_that_fails_fails_no_backup(fleet: Fleet, destination: dict[str, Any], sentence: str) -> None:
    fleet.variables = {"access_manager_copies": [destination]}
    run = fleet.run(BACKUP, {"ams1": {}})
    assert run.rc == 0, run.output
    assert sentence in " ".join(run.output.split())
    assert outcomes(fleet) == ["complete"]


def test_role_in_a_play_of_its_own_copies_too_when_its_run_is_recorded(fleet: Fleet) -> None:
    seen = fleet.folder / "seen"
    fleet.variables = {"access_manager_copies": [command(f"cat {fleet.root}/ams1/.runs.jsonl > {seen}")]}
    run = fleet.run([play("backup")], {"ams1": {}})
    assert run.rc == 0, run.output
    assert json.loads(seen.read_text())["outcome"] == "complete"
