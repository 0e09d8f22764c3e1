# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook whose hosts are misspelled fails: at night, one that does nothing and succeeds looks like a backup."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from support.ams_host import write_inventory
from support.playbook import run_playbook
from support.plays import COLLECTION, failure_of

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
TABLE = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.import_role:
        name: lithnet.access_manager.backup
        tasks_from: table
"""


@pytest.mark.parametrize("playbook", sorted({*PLAYBOOKS} - {"verify"}))
def test_each_playbook_first_refuses_a_target_without_hosts(playbook: str) -> None:
    first, *_others = yaml.safe_load((ROOT / "playbooks" / f"{playbook}.yml").read_text(encoding="utf-8"))
    assert first["ansible.builtin.import_playbook"] == "parts/known_target.yml"


@pytest.mark.parametrize("path", sorted((ROOT / "playbooks").glob("**/*.yml")), ids=lambda path: path.stem)
def test_each_play_names_its_strategy(path: Path) -> None:
    plays = [one for one in yaml.safe_load(path.read_text(encoding="utf-8")) if "hosts" in one]
    assert [one["strategy"] for one in plays] == ["ansible.builtin.linear"] * len(plays)


@pytest.mark.slow
@pytest.mark.parametrize("playbook", ["restore", "verify"])
def test_target_that_no_host_matches_is_refused(tmp_path: Path, playbook: str) -> None:
    """The verification, which runs on the controller, refuses it by itself; the others by what they share."""
    inventory = write_inventory(tmp_path / "inventory.yml", {"ams1": {}})
    run = run_playbook(f"{COLLECTION}.{playbook}", inventory, extra_vars={"target": "typo"})
    assert run.rc == 2, run.output
    assert "No host of the inventory matches the target 'typo'" in failure_of(run, "localhost")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hosts", "target", "limit", "host", "words"),
    [
        ({}, None, None, "localhost", "the target 'access_manager'. Name a group"),
        ({"ams1": {}, "ams2": {}}, "typo", "ams1", "ams1", "the target 'typo' and --limit ams1."),
        ({"ams1": {}, "ams2": {}}, "ams2", "ams1", "ams1", "the target 'ams2' and --limit ams1."),
        ({"ams1": {}}, ["typo", "other"], None, "localhost", "the target 'typo,other'. Name a group"),
    ],
)
def test_hosts_that_leave_nothing_are_refused(
    tmp_path: Path,
    hosts: dict[str, dict[str, str]],
    target: str | list[str] | None,
    limit: str | None,
    host: str,
    words: str,
) -> None:
    run = run_playbook(
        f"{COLLECTION}.prune",
        write_inventory(tmp_path / "inventory.yml", hosts),
        extra_vars={"target": target} if target else {},
        args=["--limit", limit] if limit else [],
    )
    assert run.rc == 2, run.output
    assert words in failure_of(run, host)


@pytest.mark.slow
def test_the_table_of_a_backup_that_was_not_verified_does_not_call_it_complete(tmp_path: Path) -> None:
    common = {"id": "20261123T081500Z", "size": 1, "downtime_ms": 7, "problems": []}
    results = {
        "ams1": common | {"status": "unverified", "failure": "it protects no upgrade"},
        "ams2": common | {"status": "complete", "failure": ""},
    }
    hosts = {host: {"access_manager_result": result} for host, result in results.items()}
    (tmp_path / "table.yml").write_text(TABLE)
    run = run_playbook(tmp_path / "table.yml", write_inventory(tmp_path / "inventory.yml", hosts))
    assert run.rc == 0, run.output
    rows = {line.split()[0].lstrip('"'): line for line in run.stdout.splitlines() if " 7 ms" in line}
    assert ("unverified" in rows["ams1"], "protects no upgrade" in rows["ams1"]) == (True, True)
    assert "complete" in rows["ams2"]
    assert "complete" not in rows["ams1"]


@pytest.mark.parametrize(("page", "blocks"), [("docs/runbook_upgrade.md", 1)])
def test_what_the_documentation_asserts_lets_check_mode_pass(page: str, blocks: int) -> None:
    """No marker is set in check mode, so there is nothing to assert."""
    texts = re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    plays = [yaml.safe_load(text) for text in texts if "pre_upgrade_marker" in text]
    tasks = [task for play in plays for entry in play for task in entry.get("tasks", [entry])]
    found = [task for task in tasks if "pre_upgrade_marker" in str(task)]
    assert [task["when"] for task in found] == ["not ansible_check_mode"] * blocks


@pytest.mark.slow
@pytest.mark.parametrize("playbook", ["prune", "restore"])
def test_a_host_without_a_backup_root_is_reported_which_variable_to_set(tmp_path: Path, playbook: str) -> None:
    inventory = write_inventory(tmp_path / "inventory.yml", {"ams1": {}})
    variables = {"target": "ams1", "prune_keep": {"last": 1}}
    run = run_playbook(f"{COLLECTION}.{playbook}", inventory, extra_vars=variables)
    assert run.rc == 2, run.output
    assert "The backup root '' is not an absolute path: set access_manager_backup_root" in failure_of(run, "ams1")
