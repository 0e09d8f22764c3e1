# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a drill with a scratch server that is not there: what it may lose, and what is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.drill_log import NAME
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.backups import KeyPair
from unit.actions import HOST, asked, run_on
from unit.encrypted_backups import encrypt_to, make
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


def test_interrupted_drill_is_recorded_and_removed(
    tmp_path: Path, options: dict[str, Any], store: BackupStore
) -> None:
    result = step(tmp_path, options, "prepared", **MARKED)
    assert (result["changed"], result["interrupted"]) == (True, MARK)
    assert asked(tmp_path) == ["drill:look", "drill:take", "drill:claim"]
    (record,) = records(store)
    assert (record["started"], record["outcome"], record["searched"]) == (BEGUN, "failed", False)


def test_interrupted_drill_has_one_record_however_often_its_removal_fails(
    tmp_path: Path, options: dict[str, Any], store: BackupStore
) -> None:
    for _attempt in range(2):
        assert step(tmp_path, options, "prepared", **MARKED, **REFUSES)["msg"] == "It is old."
        step(tmp_path, options | {"failure": "It is old."}, "recorded")
    assert [one["started"] for one in records(store)].count(BEGUN) == 1


def test_drill_whose_record_would_count_for_nothing_is_refused_before_anything_is_asked(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    signing = ssh_key(tmp_path)
    signed = options | {"allowed_signers": [signing.public]}
    result = step(tmp_path, signed, "chosen")
    assert "Allowed signers are set (access_manager_allowed_signers), so the record of a drill" in result["msg"]
    result = step(tmp_path, options | {"signing_key": str(signing.path)}, "chosen")
    assert result["chosen"] == HOST


def test_host_that_was_chosen_has_had_its_turn_whatever_became_of_its_drill(
    tmp_path: Path, options: dict[str, Any], store: BackupStore, owner: KeyPair
) -> None:
    make(BackupStore(str(store.root), "ams2"), BACKUP, encrypt_to(owner.public))
    assert [step(tmp_path, options, "chosen")["chosen"] for _drill in range(3)] == ["ams1", "ams2", "ams1"]
