# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a drill with a scratch server that is not there: what it may lose, and what is recorded."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils import _display
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.drill_log import NAME
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.backups import KeyPair
from support.connection_plugins.lying import CHECKS
from unit.actions import HOST, asked, run_on
from unit.encrypted_backups import encrypt_to, make
from unit.servers import server
from unit.signers import ssh_key

SCRATCH = "scratch"
BACKUP = "20261101T020000Z"
BEGUN = "2026-11-01T02:00:00Z"
MARK = {"host": HOST, "source": "", "backup_id": BACKUP, "started": BEGUN, "controller": "c", "by": "b"}
MARKED = {"drill:look": {"drill": MARK, "configured": True, "has_keys": True}}
REFUSES = {"drill:answer": {"failed": True, "msg": "It is old."}}


@pytest.fixture
def options(store: BackupStore, owner: KeyPair, tmp_path: Path) -> dict[str, Any]:
    """Of a controller with a backup, for every step."""
    make(store, BACKUP, encrypt_to(owner.public))
    key = tmp_path / "key.txt"
    key.touch(0o600)
    key.write_text(owner.private)
    return {
        "backup_root": str(store.root),
        "state_dir": str(tmp_path / "state"),
        "host": HOST,
        "identity_file": str(key),
        "in_service": [HOST],
        "started": "2026-11-02T02:00:00Z",
    }


def step(folder: Path, options: dict[str, Any], state: str, **lies: Any) -> dict[str, Any]:
    return run_on(folder, SCRATCH, lies, "drill", **options, state=state)


def records(store: BackupStore) -> list[dict[str, Any]]:
    file = store.folder / NAME
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_scratch_server_without_a_mark_is_taken_and_nothing_is_removed(tmp_path: Path, options: dict[str, Any]) -> None:
    assert not step(tmp_path, options, "cleared")["changed"]
    assert asked(tmp_path) == ["drill:look"]


def test_interrupted_drill_is_recorded_and_removed(
    tmp_path: Path, options: dict[str, Any], store: BackupStore
) -> None:
    result = step(tmp_path, options, "cleared", **MARKED)
    assert (result["changed"], result["interrupted"]) == (True, MARK)
    assert asked(tmp_path) == ["drill:look", "drill:take"]
    (record,) = records(store)
    assert (record["started"], record["outcome"], record["searched"]) == (BEGUN, "failed", False)


def test_drill_that_is_at_work_is_no_interrupted_one(
    tmp_path: Path, options: dict[str, Any], store: BackupStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another ansible-playbook of this controller drills on the same server, until it ends."""
    with subprocess.Popen(["sleep", "60"]) as other:
        with monkeypatch.context() as within:
            within.setattr(os, "getppid", lambda: other.pid)
            assert step(tmp_path, options, "cleared")["interrupted"] is None
        result = step(tmp_path, options, "cleared", **MARKED)
        assert f"A drill is at work on scratch: process {other.pid} of this controller" in result["msg"]
        assert "drill:take" not in asked(tmp_path)
        assert records(store) == []
        other.kill()
    assert step(tmp_path, options, "cleared", **MARKED)["changed"]
    assert "drill:take" in asked(tmp_path)


def test_interrupted_drill_has_one_record_however_often_its_removal_fails(
    tmp_path: Path, options: dict[str, Any], store: BackupStore
) -> None:
    for _attempt in range(2):
        assert step(tmp_path, options, "cleared", **MARKED, **REFUSES)["msg"] == "It is old."
        step(tmp_path, options | {"failure": "It is old."}, "recorded")
    assert [one["started"] for one in records(store)].count(BEGUN) == 1


@pytest.mark.parametrize("name", ["AMS1", "ams1"])
def test_computer_in_service_is_refused_by_whatever_name_the_inventory_has_it(
    tmp_path: Path, options: dict[str, Any], store: BackupStore, name: str
) -> None:
    look = {"drill:look": MARKED["drill:look"] | {"computer_name": name}}
    assert server()["computer_name"] == "AMS1"
    result = step(tmp_path, options, "cleared", **look)
    assert f"scratch is the computer {name}, and so is ams1, which is in service" in result["msg"]
    assert asked(tmp_path) == ["drill:look"]
    assert records(store) == []


def test_drill_whose_record_would_count_for_nothing_is_refused_before_anything_is_asked(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    signing = ssh_key(tmp_path)
    signed = options | {"allowed_signers": [signing.public]}
    for state in ("cleared", "chosen"):
        result = step(tmp_path, signed, state)
        assert "Allowed signers are set (access_manager_allowed_signers), so the record of a drill" in result["msg"]
    assert asked(tmp_path) == []
    assert "failed" not in step(tmp_path, signed | {"signing_key": str(signing.path)}, "cleared")


def test_record_has_the_keys_of_the_backup_and_none_that_the_server_adds(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    key, other = "A" * 40, "B" * 40
    checks = [{"name": name, "passed": True, "reason": ""} for name in CHECKS]
    asks = options | {"expected_keys": [key], "checks": checks}
    assert step(tmp_path, asks, "tested", **{"drill:decrypt": {"decrypted": [key, other]}})["decrypted"] == [key]
    result = step(tmp_path, asks, "tested", **{"drill:decrypt": {"decrypted": [other]}})
    assert f"{key}: it does not decrypt there" in result["msg"]


def test_account_in_the_record_is_that_of_the_process_whatever_its_environment_says(
    tmp_path: Path, options: dict[str, Any], store: BackupStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "auditor")
    step(tmp_path, options, "recorded")
    assert records(store)[-1]["by"] == pwd.getpwuid(os.getuid()).pw_name != "auditor"


def test_removal_without_a_mark_is_no_search(tmp_path: Path, options: dict[str, Any]) -> None:
    assert step(tmp_path, options, "cleaned")["searched"]
    result = step(tmp_path, options, "cleaned", **{"drill:answer": {"changed": False, "searched": False}})
    assert "scratch has no mark of a drill any more: nothing was removed and nothing was searched" in result["msg"]


def test_keys_that_came_meanwhile_are_named_and_no_failure(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(_display, "warn", warnings.append)
    result = step(tmp_path, options, "cleaned", **{"drill:answer": {"other_keys": ["C:\\keys\\rdp"]}})
    assert result["searched"]
    assert "and are not of its certificates: C:\\keys\\rdp. They stay" in warnings[-1]


@pytest.mark.parametrize("other_server", [True, False])
def test_nothing_but_a_drill_is_restored_to_a_server_on_which_a_drill_is(
    tmp_path: Path, options: dict[str, Any], other_server: bool
) -> None:
    given = {name: options[name] for name in ("backup_root", "state_dir", "host", "identity_file")}
    lies = {"config_restore:describe": {"drill": MARK}}
    asks = given | {"other_server": other_server, "state": "planned"}
    result = run_on(tmp_path, SCRATCH, lies, "config_restore", **asks)
    assert "The drill of ams1 that c began 2026-11-01T02:00:00Z is still on scratch" in result["msg"]
    assert "drill_clean_only=true" in result["msg"]
    for honest in (({}, asks), (lies, given | {"other_server": True, "silence_outgoing": True, "state": "planned"})):
        assert "is still on" not in run_on(tmp_path, SCRATCH, honest[0], "config_restore", **honest[1]).get("msg", "")


def test_host_that_was_chosen_has_had_its_turn_whatever_became_of_its_drill(
    tmp_path: Path, options: dict[str, Any], store: BackupStore, owner: KeyPair
) -> None:
    make(BackupStore(str(store.root), "ams2"), BACKUP, encrypt_to(owner.public))
    assert [step(tmp_path, options, "chosen")["chosen"] for _drill in range(3)] == ["ams1", "ams2", "ams1"]
