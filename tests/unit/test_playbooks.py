# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook whose hosts are misspelled fails: at night, one that does nothing and succeeds looks like a backup."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.ams_host import write_inventory
from support.playbook import run_playbook
from support.plays import COLLECTION, failure_of

PLAYBOOKS = sorted(path.stem for path in (Path(__file__).resolve().parents[2] / "playbooks").glob("*.yml"))


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_target_that_no_host_matches_is_refused(tmp_path: Path, playbook: str) -> None:
    inventory = write_inventory(tmp_path / "inventory.yml", {"ams1": {}})
    run = run_playbook(f"{COLLECTION}.{playbook}", inventory, extra_vars={"target": "typo"})
    assert run.rc == 2, run.output
    assert "No host of the inventory matches the target 'typo'" in failure_of(run, "localhost")


@pytest.mark.parametrize(
    ("hosts", "target", "limit", "host", "words"),
    [
        ({}, None, None, "localhost", "the target 'access_manager'. Name a group"),
        ({"ams1": {}, "ams2": {}}, "typo", "ams1", "ams1", "the target 'typo' and --limit ams1."),
        ({"ams1": {}, "ams2": {}}, "ams2", "ams1", "ams1", "the target 'ams2' and --limit ams1."),
    ],
)
def test_hosts_that_leave_nothing_are_refused(
    tmp_path: Path, hosts: dict[str, dict[str, str]], target: str | None, limit: str | None, host: str, words: str
) -> None:
    run = run_playbook(
        f"{COLLECTION}.prune",
        write_inventory(tmp_path / "inventory.yml", hosts),
        extra_vars={"target": target} if target else {},
        args=["--limit", limit] if limit else [],
    )
    assert run.rc == 2, run.output
    assert words in failure_of(run, host)
