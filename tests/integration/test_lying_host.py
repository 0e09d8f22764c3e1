# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that was taken over: over real WinRM it adds keys of its own to all that it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.ams_host import AmsHost
from support.backups import KeyPair
from support.playbook import PlaybookRun, run_playbook
from support.plays import BACKUP, PLANNED, RESTORE, Call, called, result_of, write_calls
from unit.encrypted_backups import encrypt_to, make

OTHER = "good2"
"""Another server, whose backup the liar would like to be given."""


@contextmanager
def lying(host: AmsHost, **keys: Any) -> Iterator[None]:
    """Within the block the host puts these keys into each answer, and into what a detached run leaves."""
    host.trouble(merge=keys)
    try:
        yield
    finally:
        host.calm()


@pytest.fixture(scope="module")
def inventory(host: AmsHost, work: Path, root: Path, settings: dict[str, Any], owner: KeyPair) -> Path:
    make(BackupStore(str(root), OTHER), "20260101T000000Z", encrypt_to(owner.public))
    key = work / "key.txt"
    key.touch(mode=0o600)
    key.write_text(owner.private)
    more = {"access_manager_identity_file": str(key), "backup_stop_service": "always", "backup_force": True}
    return host.write_inventory(work / "lying.json", variables=settings | more)


def backed_up_and_planned(inventory: Path) -> PlaybookRun:
    """A backup with a stop, and the plan to restore it."""
    play = inventory.with_name("play.json")
    play.write_text(json.dumps([{"import_playbook": BACKUP}, {"import_playbook": RESTORE}]))
    return run_playbook(play, inventory, env={"ANSIBLE_HOST_KEY_CHECKING": "0"})


def described(host: AmsHost, inventory: Path) -> tuple[PlaybookRun, dict[str, Any]]:
    play = write_calls(inventory.with_name("described.json"), [Call("described", "installation_info")])
    run = run_playbook(play, inventory)
    return run, called(run)["described"]


def test_a_host_that_lies_adds_no_host_and_chooses_no_backup(
    host: AmsHost, inventory: Path, root: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    connection = {
        "ansible_connection": "ssh",
        "ansible_shell_type": "powershell",
        "ansible_ssh_common_args": f"-o ProxyCommand='touch {mark}'",
    }
    orders = {
        "add_host": {"host_name": host.name, "groups": [], "host_vars": connection},
        "ansible_facts": {"restore_from_host": OTHER, "chosen": "by the host"},
        "_ansible_verbose_always": True,
    }
    with lying(host, **orders):
        run = backed_up_and_planned(inventory)
    assert not mark.exists()
    assert run.rc == 0, run.output
    assert "by the host" not in run.output
    planned = result_of(run, host.name, PLANNED)
    assert planned["backup"].endswith(f" of {host.name}")
    assert planned["would_change"] is False
    [manifest] = [json.loads(path.read_bytes()) for path in root.glob(f"{host.name}/*/manifest.json")]
    assert (manifest["status"], manifest["stopped"]) == ("complete", True)
    chosen = run_playbook(RESTORE, inventory, args=["--check"], extra_vars={"restore_from_host": OTHER})
    assert f"of {OTHER}" in chosen.output  # whose backup is opened when the operator says so


def test_an_answer_with_an_odd_shape_is_a_sentence_and_an_honest_one_is_taken(host: AmsHost, inventory: Path) -> None:
    with lying(host, computer_name={"\x1b[2J": 1}):
        run, refused = described(host, inventory)
    assert refused["msg"] == f"The answer of {host.name} is not used: 'computer_name' is an object, and must be a text."
    assert "Traceback" not in run.output
    assert "\x1b" not in run.output
    run, taken = described(host, inventory)
    assert run.rc == 0, run.output
    assert isinstance(taken["computer_name"], str)
