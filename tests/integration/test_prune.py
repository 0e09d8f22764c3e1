# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that prunes, and pruning after a backup. No host is needed: it runs on the controller."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.backups import KeyPair
from support.certificates import CURRENT, EXPIRED, TestCertificate, make_certificate
from support.playbook import PlaybookRun, hash_tree, results_of, run_playbook
from support.plays import COLLECTION, failure_of, result_of
from unit.encrypted_backups import make, seal_to

PRUNE, VERIFY = f"{COLLECTION}.prune", f"{COLLECTION}.verify"
DAYS = tuple(f"202610{day}T120000Z" for day in range(10, 32))  # October 10, a Saturday, to October 31, a Saturday


@pytest.fixture(scope="session")
def lab() -> None:
    """In place of the hosts that the other tests need."""


@pytest.fixture(scope="module")
def certificates() -> dict[str, TestCertificate]:
    return {"current": make_certificate(CURRENT), "expired": make_certificate(EXPIRED)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, owner: KeyPair, certificates: dict[str, TestCertificate]) -> Path:
    """A root with a backup of each day of three weeks; only the first three hold the key of an expired certificate."""
    root = tmp_path_factory.mktemp("whole")
    for number, backup_id in enumerate(DAYS):
        held = list(certificates.values()) if number < 3 else [certificates["current"]]
        make(BackupStore(str(root), "ams1"), backup_id, seal_to(owner.public), certificates=held)
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "backups"))


def inventory(folder: Path, root: Path, **variables: Any) -> Path:
    """An inventory of one host, which cannot be reached: nothing needs it."""
    group = {
        "hosts": {"ams1": {"ansible_host": "192.0.2.1", "ansible_connection": "winrm"}},
        "vars": {"access_manager_backup_root": str(root)} | variables,
    }
    path = folder / "inventory.yml"
    path.write_text(json.dumps({"access_manager": group}))
    return path


def prune(folder: Path, root: Path, *args: str, env: dict[str, str] | None = None, **variables: Any) -> PlaybookRun:
    return run_playbook(PRUNE, inventory(folder, root), extra_vars=variables, args=args, env=env)


def ids(root: Path) -> list[str]:
    return BackupStore(str(root), "ams1").ids()


KEEP = {"daily": 7, "weekly": 3}
LEFT = [DAYS[2], DAYS[8], *DAYS[15:]]
"""The key of October 12, Sunday October 18, and the last seven days; the weeks of the 25th and the 31st are among
those.
"""


def test_check_mode_lists_what_would_go_and_touches_nothing(tmp_path: Path, root: Path) -> None:
    before = hash_tree(root)
    run = prune(tmp_path, root, "--check", "--diff", prune_keep=KEEP)
    assert run.rc == 0, run.output
    (result,) = results_of(run, "backup_prune")
    assert result["changed"]
    assert [one["id"] for one in result["removed"]] == [one for one in DAYS if one not in LEFT]
    assert f"- ams1 {DAYS[0]}: no rule keeps it" in run.stdout
    assert "Would remove 13 of 22 backups of ams1" in run.stdout
    assert hash_tree(root) == before


def test_what_no_rule_keeps_goes_the_last_key_stays_and_the_rest_verifies(
    tmp_path: Path, root: Path, certificates: dict[str, TestCertificate]
) -> None:
    run = prune(tmp_path, root, prune_keep=KEEP)
    assert run.rc == 0, run.output
    assert ids(root) == LEFT
    assert f"{DAYS[2]}  the last private key of certificate {certificates['expired'].thumbprint}" in run.stdout
    again = prune(tmp_path, root, prune_keep=KEEP)
    assert not results_of(again, "backup_prune")[0]["changed"]
    verified = run_playbook(VERIFY, inventory(tmp_path, root))
    assert verified.rc == 0, verified.output


def test_months_end_where_the_controller_is(tmp_path: Path, root: Path) -> None:
    """What was made at noon of October 31 in UTC is of November in Auckland."""
    utc = prune(tmp_path, root, "--check", env={"TZ": "UTC"}, prune_keep={"monthly": 1})
    there = prune(tmp_path, root, "--check", env={"TZ": "Pacific/Auckland"}, prune_keep={"monthly": 2})
    assert [one["id"] for one in results_of(utc, "backup_prune")[0]["kept"]] == [DAYS[2], DAYS[21]]
    assert [one["id"] for one in results_of(there, "backup_prune")[0]["kept"]] == [DAYS[2], DAYS[20], DAYS[21]]


def test_without_a_rule_or_with_an_unknown_one_it_is_refused(tmp_path: Path, root: Path) -> None:
    assert "give at least one of keep_last" in failure_of(prune(tmp_path, root), "ams1")
    assert "dayly" in failure_of(prune(tmp_path, root, prune_keep={"dayly": 7}), "ams1")
    assert "matches the target 'typo'" in failure_of(prune(tmp_path, root, target="typo", prune_keep=KEEP), "localhost")
    assert ids(root) == [*DAYS]


def test_a_backup_deleted_by_hand_is_forgotten_when_asked(tmp_path: Path, root: Path) -> None:
    shutil.rmtree(root / "ams1" / DAYS[5])
    assert run_playbook(VERIFY, inventory(tmp_path, root)).rc != 0
    assert prune(tmp_path, root, prune_forget=[DAYS[5]]).rc == 0
    assert run_playbook(VERIFY, inventory(tmp_path, root)).rc == 0


def test_another_host_is_pruned_by_its_name(tmp_path: Path, root: Path) -> None:
    """Backups of a host that is gone from the inventory."""
    (root / "ams1").rename(root / "old")
    run = prune(tmp_path, root, prune_host="old", prune_keep={"last": 1})
    assert "is neither counted nor removed" in run.output  # the manifests are of ams1: a renamed folder is not trusted
    assert len(list((root / "old").iterdir())) == len(DAYS)


def test_a_slip_in_the_name_of_a_host_is_refused(tmp_path: Path, root: Path) -> None:
    run = prune(tmp_path, root, prune_host="asm1", prune_keep={"last": 1})
    assert "There is no backup of 'asm1' in" in failure_of(run, "ams1")
    assert ids(root) == [*DAYS]


def test_links_in_the_root_lead_nowhere(tmp_path: Path, root: Path) -> None:
    shutil.move(root / "ams1", tmp_path / "elsewhere")
    (root / "ams1").symlink_to(tmp_path / "elsewhere")
    before = hash_tree(tmp_path / "elsewhere")
    assert "is a link, which is not followed" in failure_of(prune(tmp_path, root, prune_keep=KEEP), "ams1")
    assert hash_tree(tmp_path / "elsewhere") == before


def test_a_killed_run_is_finished_by_the_next(tmp_path: Path, root: Path) -> None:
    (root / "ams1" / DAYS[0]).rename(root / "ams1" / f".removing-{DAYS[0]}")
    day_ago = time.time() - 25 * 3600
    os.utime(root / "ams1" / f".removing-{DAYS[0]}", (day_ago, day_ago))
    assert prune(tmp_path, root, prune_keep=KEEP).rc == 0
    assert not list((root / "ams1").glob(".removing-*"))


# ---- after a backup ----


def after_backup(folder: Path, root: Path, status: str | None, keep: dict[str, int]) -> PlaybookRun:
    """Runs what the role backup does at its end, after a backup of this status, or none because nothing has changed."""
    made = {"id": DAYS[-1], "host": "ams1", "status": status, "problems": []}
    variables = {
        "backup_root": str(root),
        "backup_keep": keep,
        "backup_opened": {"unchanged": True} if status is None else {"unchanged": False, "backup_id": DAYS[-1]},
        "backup_result": {"skipped": True} if status is None else made,
    }
    task = {"ansible.builtin.import_role": {"name": f"{COLLECTION}.backup", "tasks_from": "prune"}}
    play = folder / "play.yml"
    play.write_text(json.dumps([{"hosts": "ams1", "gather_facts": False, "tasks": [task]}]))
    run = run_playbook(play, inventory(folder, root), extra_vars=variables)
    assert run.rc == 0, run.output
    return run


def test_a_complete_backup_prunes_what_the_role_was_told(tmp_path: Path, root: Path) -> None:
    run = after_backup(tmp_path, root, "complete", {"last": 2})
    assert len(result_of(run, "ams1", "Remove the backups that no rule keeps")["removed"]) == 19
    assert ids(root) == [DAYS[2], *DAYS[20:]]


@pytest.mark.parametrize(("status", "keep"), [("incomplete", {"last": 2}), (None, {"last": 2}), ("complete", {})])
def test_nothing_is_pruned_otherwise(tmp_path: Path, root: Path, status: str | None, keep: dict[str, int]) -> None:
    after_backup(tmp_path, root, status, keep)
    assert ids(root) == [*DAYS]
