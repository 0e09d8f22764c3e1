# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The marker of the backup that protects an upgrade: who gets it, and who may upgrade by it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.backups import KeyPair
from support.certificates import TestCertificate
from support.host_state import identity_file
from unit.actions import HOST, run
from unit.encrypted_backups import encrypt_to, make
from unit.servers import server


def moment(hours_ago: float) -> str:
    """The id of a backup that was made so long ago."""
    return (datetime.now(UTC) - timedelta(hours=hours_ago)).strftime("%Y%m%dT%H%M%SZ")


def verified(store: BackupStore, **options: Any) -> dict[str, Any]:
    return run("backup_verify", backup_root=str(store.root), hosts=[HOST], fail_on_problems=False, **options)


def mark(
    store: BackupStore, backup_id: str, verification: dict[str, Any] | None = None, *, check: bool = False
) -> dict[str, Any]:
    verification = verification or verified(store)
    options: dict[str, Any] = {"backup_root": str(store.root), "backup_id": backup_id, "verification": verification}
    return run("upgrade_guard", check=check, state="marked", **options)


def require(store: BackupStore, **options: Any) -> dict[str, Any]:
    return run("upgrade_guard", backup_root=str(store.root), **options)


@pytest.fixture
def marked(store: BackupStore, owner: KeyPair) -> str:
    """The id of a marked backup of an hour ago."""
    backup_id = moment(1)
    make(store, backup_id, encrypt_to(owner.public))
    assert mark(store, backup_id)["changed"]
    return backup_id


def test_the_marker_says_what_is_protected_and_how_far_it_was_verified(store: BackupStore, marked: str) -> None:
    result = require(store, max_age=2, access_manager_version="1.0.8152.0")
    marker = result["marker"]
    assert (marker["backup_id"], marker["access_manager_version"], marker["verified"]) == (
        marked,
        "1.0.8152.0",
        "integrity",
    )
    assert marker["path"] == str(store.folder / marked)
    assert not result["changed"]
    said = " ".join(result["upgrade_warnings"])
    for words in (
        "Community Edition",
        "through version 2",
        "Windows Server 2016",
        "2.0.9410",
        "never configured",
        "access-manager-v1-migration.log",
        "do not keep passwords in Active Directory",
        "deletes Configured",
        "Access Control Assistance Operators",
        "Windows Authorization Access Group",
        "no support of its vendor",
    ):
        assert words in said
    file = store.folder / ".pre-upgrade.json"
    assert json.loads(file.read_text())["backup_id"] == marked
    assert file.stat().st_mode & 0o777 == 0o600
    assert verified(store)["msg"].startswith("No problem was found.")


@pytest.mark.parametrize(
    ("places", "usual"),
    [
        ({}, True),
        ({"config_path": r"c:\program files\lithnet\access manager service\CONFIG"}, True),
        ({"config_path": r"D:\AccessManager"}, False),
        ({"install_path": r"D:\Apps\AMS", "config_path": r"D:\Apps\AMS\config"}, False),
    ],
)
def test_an_installation_in_other_folders_than_the_installers_is_warned_of(
    store: BackupStore, marked: str, places: dict[str, str], usual: bool
) -> None:
    installation = server()["installation"] | places
    (said, *_others) = require(store, installation=installation)["upgrade_warnings"]
    assert ("upgrades of such installations have failed" in said) is not usual
    assert usual or installation["config_path"] in said
    assert "is not what installation_info returns" in require(store, installation={"version": 1})["msg"]


def test_with_a_key_it_says_that_everything_was_proved(
    store: BackupStore, owner: KeyPair, certificate: TestCertificate, tmp_path: Path
) -> None:
    backup_id = moment(0)
    make(store, backup_id, encrypt_to(owner.public), certificates=[certificate])
    verification = verified(store, identity_file=str(identity_file(tmp_path, owner)))
    assert mark(store, backup_id, verification)["marker"]["verified"] == "full"


def test_check_mode_marks_nothing(store: BackupStore, owner: KeyPair) -> None:
    make(store, moment(0), encrypt_to(owner.public))
    assert mark(store, store.ids()[0], check=True)["changed"]
    assert "No backup protects an upgrade of ams1" in require(store)["msg"]


def test_incomplete_unverified_and_damaged_backups_are_not_marked(store: BackupStore, owner: KeyPair) -> None:
    incomplete, damaged, unverified = moment(3), moment(2), moment(1)
    make(store, incomplete, encrypt_to(owner.public), problems=["A file is missing."])
    make(store, damaged, encrypt_to(owner.public))
    verification = verified(store)
    make(store, unverified, encrypt_to(owner.public))
    path = store.folder / damaged / "config.zip.age"
    path.write_bytes(path.read_bytes()[:-1])
    assert "is incomplete, so it protects no upgrade: A file is missing." in mark(store, incomplete)["msg"]
    assert "its verification failed, so it protects no upgrade" in mark(store, damaged)["msg"]
    assert "its verification failed" in mark(store, unverified, verification)["msg"]
    assert (
        "is required when state is marked" in run("upgrade_guard", backup_root=str(store.root), state="marked")["msg"]
    )
    assert not (store.folder / ".pre-upgrade.json").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_age": 0.5}, "hours old, and 0.5 are allowed"),
        ({"max_age": 0}, "must be a number of hours above zero"),
        ({"max_age": "inf"}, "must be a number of hours above zero"),
        ({"access_manager_version": "1.0.9.9"}, "is of Access Manager 1.0.8152.0, and not of 1.0.9.9"),
    ],
)
def test_an_upgrade_is_refused_that_the_marker_does_not_protect(
    store: BackupStore, marked: str, options: dict[str, Any], words: str
) -> None:
    assert words in require(store, **options)["msg"]


def test_what_was_damaged_after_its_verification_is_not_marked(store: BackupStore, owner: KeyPair) -> None:
    backup_id = moment(1)
    make(store, backup_id, encrypt_to(owner.public))
    verification = verified(store)
    path = store.folder / backup_id / "config.zip.age"
    path.write_bytes(path.read_bytes()[:-1])
    assert "was damaged after its verification" in mark(store, backup_id, verification)["msg"]
    assert not (store.folder / ".pre-upgrade.json").exists()


@pytest.mark.parametrize(
    "verification", [{"backups": None}, {"backups": "x"}, {"backups": [1]}, {"backups": [{"host": HOST}]}]
)
def test_a_verification_that_is_none_is_refused_in_words(
    store: BackupStore, marked: str, verification: dict[str, Any]
) -> None:
    assert "is not what backup_verify returns" in mark(store, marked, verification)["msg"]


def test_a_marked_backup_of_the_future_has_no_age(store: BackupStore, owner: KeyPair) -> None:
    backup_id = moment(-2)
    make(store, backup_id, encrypt_to(owner.public))
    verification = {"backups": [{"host": HOST, "id": backup_id, "verified": "integrity", "problems": []}]}
    mark(store, backup_id, verification)
    assert "is dated in the future" in require(store, max_age=1)["msg"]
    assert require(store)["marker"]["backup_id"] == backup_id


def test_an_upgrade_is_refused_when_the_backup_is_not_as_it_was_verified(store: BackupStore, marked: str) -> None:
    manifest = store.folder / marked / "manifest.json"
    whole = manifest.read_bytes()
    manifest.write_bytes(whole + b"\n")
    assert "its manifest is not the one that was verified" in require(store)["msg"]
    manifest.write_bytes(whole)
    artifact = store.folder / marked / "secrets.json.age"
    artifact.unlink()
    assert "secrets.json.age' cannot be read" in require(store)["msg"]
    manifest.unlink()
    assert "cannot be used" in require(store)["msg"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"format": 2}', '{"format": 1, "host": "other"}', "null", "[" * 60_000]
)
def test_a_marker_that_is_none_protects_nothing(store: BackupStore, marked: str, text: str) -> None:
    (store.folder / ".pre-upgrade.json").write_text(text)
    assert "is no marker of an upgrade of ams1" in require(store)["msg"]


def test_pruning_keeps_the_marked_backup_until_another_is_marked(
    store: BackupStore, marked: str, owner: KeyPair
) -> None:
    newer = moment(0)
    make(store, newer, encrypt_to(owner.public))
    result = run("backup_prune", backup_root=str(store.root), keep_last=1)
    assert {one["id"]: one["reasons"] for one in result["kept"]}[marked] == ["it protects an upgrade"]
    mark(store, newer)
    assert [one["id"] for one in run("backup_prune", backup_root=str(store.root), keep_last=1)["removed"]] == [marked]
