# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that prunes, and pruning after a backup. No host is needed: it runs on the controller.

Each host of a run has a backup root of its own, in which the backups of one server lie.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.backups import KeyPair
from support.certificates import CURRENT, EXPIRED, TestCertificate, make_certificate
from support.playbook import PlaybookRun, hash_tree, run_playbook
from support.plays import COLLECTION, failure_of, result_of, statuses
from unit.encrypted_backups import encrypt_to, make

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
        make(BackupStore(str(root), "ams1"), backup_id, encrypt_to(owner.public), certificates=held)
    return root


KEEP = {"daily": 7, "weekly": 3}
LEFT = [DAYS[2], DAYS[8], *DAYS[15:]]
"""The key of October 12, Sunday October 18, and the last seven days; the weeks of the 25th and the 31st are among
those.
"""
LAST = {"last": 2}
MADE = {"id": DAYS[-1], "host": "ams1", "status": "complete", "problems": []}
OPENED = {"unchanged": False, "backup_id": DAYS[-1]}


def remove_one(root: Path) -> None:
    shutil.rmtree(root / "ams1" / DAYS[5])


def rename(root: Path) -> None:
    (root / "ams1").rename(root / "old")


def link(root: Path) -> None:
    shutil.move(root / "ams1", root / "elsewhere")
    (root / "ams1").symlink_to(root / "elsewhere")


def begin_to_remove(root: Path) -> None:
    """As a run leaves a root that was killed a day ago."""
    half = root / "ams1" / f".removing-{DAYS[0]}"
    (root / "ams1" / DAYS[0]).rename(half)
    day_ago = time.time() - 25 * 3600
    os.utime(half, (day_ago, day_ago))


CASES: dict[str, tuple[Callable[[Path], object], dict[str, Any]]] = {
    "kept": (Path.exists, {"prune_keep": KEEP}),
    "no-rule": (Path.exists, {}),
    "unknown-rule": (Path.exists, {"prune_keep": {"dayly": 7}}),
    "forgotten": (remove_one, {"prune_forget": [DAYS[5]]}),
    "renamed": (rename, {"prune_host": "old", "prune_keep": {"last": 1}}),
    "slip": (Path.exists, {"prune_host": "asm1", "prune_keep": {"last": 1}}),
    "linked": (link, {"prune_keep": KEEP}),
    "killed": (begin_to_remove, {"prune_keep": KEEP}),
}
"""What is done to the root of a host before all are pruned, and what the inventory says of it."""

ENDS = {
    "complete": {"backup_result": MADE, "backup_opened": OPENED, "backup_keep": LAST},
    "incomplete": {"backup_result": MADE | {"status": "incomplete"}, "backup_opened": OPENED, "backup_keep": LAST},
    "unchanged": {"backup_result": {"skipped": True}, "backup_opened": {"unchanged": True}, "backup_keep": LAST},
    "without-a-rule": {"backup_result": MADE, "backup_opened": OPENED, "backup_keep": {}},
}
"""What the role backup knows at its end."""


class Controller:
    """A controller with roots of backups, each in a folder that is named like its host of the inventory."""

    def __init__(self, folder: Path, whole: Path) -> None:
        self.folder, self._whole = folder, whole
        self.before: dict[str, dict[str, str]] = {}

    def root(self, host: str) -> Path:
        return self.folder / host

    def ids(self, host: str) -> list[str]:
        return BackupStore(str(self.root(host)), "ams1").ids()

    def add(self, host: str, prepare: Callable[[Path], object] = Path.exists) -> None:
        """Makes the root of a host, and does something to it."""
        prepare(Path(shutil.copytree(self._whole, self.root(host))))
        self.before[host] = hash_tree(self.root(host))

    def unchanged(self, host: str) -> bool:
        return hash_tree(self.root(host)) == self.before[host]

    def inventory(self, hosts: Mapping[str, Mapping[str, Any]]) -> Path:
        """Hosts that cannot be reached: nothing needs them."""
        common = {"ansible_host": "192.0.2.1", "ansible_connection": "winrm", "prune_host": "ams1"}
        own = {host: {"access_manager_backup_root": str(self.root(host))} | dict(hosts[host]) for host in hosts}
        path = self.folder / "inventory.yml"
        path.write_text(json.dumps({"access_manager": {"hosts": own, "vars": common}}))
        return path

    def prune(
        self, hosts: Mapping[str, Mapping[str, Any]], *args: str, env: dict[str, str] | None = None
    ) -> PlaybookRun:
        return run_playbook(PRUNE, self.inventory(hosts), args=args, env=env)

    def verify(self, host: str) -> int:
        """The exit code of the verification of its root, in which backups of ams1 are."""
        variables = {"access_manager_backup_root": str(self.root(host))}
        run = run_playbook(VERIFY, self.inventory({}), extra_vars=variables | {"verify_root": str(self.root(host))})
        return run.rc


def result(run: PlaybookRun, host: str) -> dict[str, Any]:
    return result_of(run, host, "Remove the backups that no rule keeps")


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory, whole: Path) -> Controller:
    return Controller(tmp_path_factory.mktemp("controller"), whole)


@dataclass(frozen=True)
class Pruned:
    """All cases in one run. verified: the codes of verifications before it, by host; kept: what it kept."""

    run: PlaybookRun
    verified: dict[str, int]


@pytest.fixture(scope="module")
def pruned(controller: Controller) -> Pruned:
    for host, (prepare, _variables) in CASES.items():
        controller.add(host, prepare)
    verified = {"forgotten": controller.verify("forgotten")}
    return Pruned(controller.prune({host: variables for host, (_prepare, variables) in CASES.items()}), verified)


@pytest.fixture(scope="module")
def listed(controller: Controller) -> PlaybookRun:
    """What would go of a root, and of one by months, where the controller is in UTC."""
    for host in ("listed", "monthly"):
        controller.add(host)
    hosts = {"listed": {"prune_keep": KEEP}, "monthly": {"prune_keep": {"monthly": 1}}}
    run = controller.prune(hosts, "--check", "--diff", env={"TZ": "UTC"})
    assert run.rc == 0, run.output
    return run


def test_check_mode_lists_what_would_go_and_touches_nothing(listed: PlaybookRun, controller: Controller) -> None:
    found = result(listed, "listed")
    assert found["changed"]
    assert [one["id"] for one in found["removed"]] == [one for one in DAYS if one not in LEFT]
    assert f"- ams1 {DAYS[0]}: no rule keeps it" in listed.stdout
    assert "Would remove 13 of 22 backups of ams1" in listed.stdout
    assert controller.unchanged("listed")


def test_what_no_rule_keeps_goes_the_last_key_stays_and_the_rest_verifies(
    pruned: Pruned, controller: Controller, certificates: dict[str, TestCertificate]
) -> None:
    assert "failed" not in statuses(pruned.run, "kept")
    assert controller.ids("kept") == LEFT
    assert f"{DAYS[2]}  the last private key of certificate {certificates['expired'].thumbprint}" in pruned.run.stdout
    again = controller.prune({"kept": {"prune_keep": KEEP}})
    assert not result(again, "kept")["changed"]
    assert controller.verify("kept") == 0


def test_months_end_where_the_controller_is(listed: PlaybookRun, controller: Controller) -> None:
    """What was made at noon of October 31 in UTC is of November in Auckland."""
    assert [one["id"] for one in result(listed, "monthly")["kept"]] == [DAYS[2], DAYS[21]]
    hosts = {"monthly": {"prune_keep": {"monthly": 2}}}
    run = controller.prune(hosts, "--check", env={"TZ": "Pacific/Auckland"})
    assert [one["id"] for one in result(run, "monthly")["kept"]] == [DAYS[2], DAYS[20], DAYS[21]]


def test_without_a_rule_or_with_an_unknown_one_it_is_refused(pruned: Pruned, controller: Controller) -> None:
    assert "give at least one of keep_last" in failure_of(pruned.run, "no-rule")
    assert "dayly" in failure_of(pruned.run, "unknown-rule")
    assert controller.unchanged("no-rule")
    assert controller.unchanged("unknown-rule")


def test_a_backup_deleted_by_hand_is_forgotten_when_asked(pruned: Pruned, controller: Controller) -> None:
    assert pruned.verified["forgotten"] != 0
    assert "failed" not in statuses(pruned.run, "forgotten")
    assert controller.verify("forgotten") == 0


def test_backups_in_a_folder_of_another_name_are_not_trusted(pruned: Pruned, controller: Controller) -> None:
    """They are of ams1."""
    assert "is neither counted nor removed" in pruned.run.output
    assert controller.unchanged("renamed")


def test_a_slip_in_the_name_of_a_host_is_refused(pruned: Pruned, controller: Controller) -> None:
    assert "There is no backup of 'asm1' in" in failure_of(pruned.run, "slip")
    assert controller.unchanged("slip")


def test_links_in_the_root_lead_nowhere(pruned: Pruned, controller: Controller) -> None:
    assert "is a link, which is not followed" in failure_of(pruned.run, "linked")
    assert controller.unchanged("linked")


def test_a_killed_run_is_finished_by_the_next(pruned: Pruned, controller: Controller) -> None:
    assert "failed" not in statuses(pruned.run, "killed")
    assert not list((controller.root("killed") / "ams1").glob(".removing-*"))


# ---- after a backup ----


@pytest.fixture(scope="module")
def after_backup(controller: Controller) -> PlaybookRun:
    """Runs what the role backup does at its end."""
    for host in ENDS:
        controller.add(host)
    hosts = {host: variables | {"backup_root": str(controller.root(host))} for host, variables in ENDS.items()}
    task = {"ansible.builtin.import_role": {"name": f"{COLLECTION}.backup", "tasks_from": "prune"}}
    play = controller.folder / "play.yml"
    play.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    run = run_playbook(play, controller.inventory(hosts))
    assert run.rc == 0, run.output
    return run


def test_a_complete_backup_prunes_what_the_role_was_to_prune(after_backup: PlaybookRun, controller: Controller) -> None:
    assert len(result(after_backup, "complete")["removed"]) == 19
    assert controller.ids("complete") == [DAYS[2], *DAYS[20:]]


@pytest.mark.parametrize("host", ["incomplete", "unchanged", "without-a-rule"])
def test_nothing_is_pruned_otherwise(after_backup: PlaybookRun, controller: Controller, host: str) -> None:
    assert controller.unchanged(host)
