# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can add to the store has no genuine backup pruned, excuses no gap, protects no upgrade; the owner's runs work as
before.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import manifest, prune_log
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.chain import Link
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.high_water_mark import HighWaterMark, Mark
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.partial import PartialBackup
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.backups import KeyPair
from support.certificates import EXPIRED, TestCertificate, make_certificate
from support.playbook import hash_tree
from unit.actions import HOST, run
from unit.backups import fill
from unit.encrypted_backups import encrypt_to, make
from unit.signers import SshKey, ssh_key

GENUINE = ("20261120T020000Z", "20261121T020000Z", "20261122T020000Z")
"""The first of them alone holds the key of the expired certificate."""

FORGED = ("20261123T020000Z", "20261124T020000Z", "20261125T020000Z", "20991231T020000Z")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SshKey:
    return ssh_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def expired() -> TestCertificate:
    return make_certificate(EXPIRED)


@pytest.fixture
def genuine(
    store: BackupStore, owner: KeyPair, key: SshKey, expired: TestCertificate, certificate: TestCertificate
) -> BackupStore:
    for backup_id in GENUINE:
        held = [certificate, expired] if backup_id == GENUINE[0] else [certificate]
        make(store, backup_id, encrypt_to(owner.public), certificates=held, signer=key.signer())
    return store


@pytest.fixture
def signed(key: SshKey) -> dict[str, Any]:
    """The options of a run that has a signing key and knows whom to trust."""
    return {"signing_key": str(key.path), "allowed_signers": [key.public]}


@pytest.fixture
def opening(owner: KeyPair, tmp_path: Path) -> dict[str, Any]:
    """The options of a run that can open backups."""
    (tmp_path / "key.txt").write_text(owner.private)
    return {"identity_file": str(tmp_path / "key.txt")}


def forge(store: BackupStore, *backup_ids: str) -> None:
    """Copies the oldest manifest, which claims every private key, over noise with an age header, with sizes and hashes
    that fit.
    """
    for backup_id in backup_ids:
        chained = dict(zip(("previous_id", "previous"), store.newest() or (None, None), strict=True))
        shutil.copytree(store.folder / GENUINE[0], store.folder / backup_id)
        copied = json.loads((store.folder / GENUINE[0] / manifest.NAME).read_bytes())
        for artifact in copied["artifacts"]:
            path = store.folder / backup_id / artifact["name"]
            header, mark, rest = path.read_bytes().partition(b"\n--- ")
            noise = header + mark + rest[:44] + os.urandom(len(rest) - 44)
            path.write_bytes(noise)
            artifact["sha256"] = hashlib.sha256(noise).hexdigest()
        created = datetime.datetime.strptime(backup_id, "%Y%m%dT%H%M%SZ").isoformat()
        copied |= {"id": backup_id, "created": f"{created}Z", **chained}
        copied["checksum"] = manifest.checksum_of(copied)
        (store.folder / backup_id / manifest.NAME).write_bytes(manifest.to_bytes(copied))


def prune(store: BackupStore, **options: Any) -> dict[str, Any]:
    result = run("backup_prune", backup_root=str(store.root), **options)
    assert not result.get("failed"), result
    return result


def removed(result: dict[str, Any]) -> list[str]:
    return [one["id"] for one in result["removed"]]


def problems(store: BackupStore, **options: Any) -> list[str]:
    result = run("backup_verify", backup_root=str(store.root), fail_on_problems=False, **options)
    assert "hosts" in result, result
    return [problem for one in result["backups"] + result["hosts"] for problem in one["problems"]]


# ---- pruning ----


@pytest.mark.slow
@pytest.mark.parametrize("means", ["signers", "key"])
def test_the_honest_prune_removes_what_no_rule_keeps(
    genuine: BackupStore, signed: dict[str, Any], opening: dict[str, Any], means: str
) -> None:
    options = signed if means == "signers" else opening
    assert removed(prune(genuine, keep_last=1, **options)) == [GENUINE[1]]  # the first holds the last copy of a key
    assert genuine.ids() == [GENUINE[0], GENUINE[2]]
    trusted = {name: value for name, value in options.items() if name != "signing_key"}
    assert problems(genuine, **trusted) == []


@pytest.mark.parametrize("means", ["signers", "key"])
def test_added_backups_have_no_genuine_one_pruned_nor_the_last_copy_of_a_key(
    genuine: BackupStore, signed: dict[str, Any], opening: dict[str, Any], means: str
) -> None:
    forge(genuine, *FORGED)
    result = prune(genuine, keep_last=2, **(signed if means == "signers" else opening))
    assert removed(result) == []
    assert set(GENUINE) <= set(genuine.ids())
    assert {one["id"] for one in result["doubtful"]} == set(FORGED)
    assert {one["id"]: one["reasons"] for one in result["kept"]}[GENUINE[0]][0].startswith(
        "the last private key of certificate"
    )


def test_whole_backups_of_a_stranger_to_the_public_key_count_for_nothing_with_signers(
    genuine: BackupStore, signed: dict[str, Any], owner: KeyPair, certificate: TestCertificate
) -> None:
    for backup_id in FORGED:
        make(genuine, backup_id, encrypt_to(owner.public), certificates=[certificate])
    assert removed(prune(genuine, keep_last=2, keep_daily=2, **signed)) == []
    assert set(GENUINE) <= set(genuine.ids())


def test_without_signers_and_key_the_backup_that_this_controller_published_last_stays(genuine: BackupStore) -> None:
    data = genuine.manifest_bytes(GENUINE[2])
    HighWaterMark(genuine, None).advance(Mark.of(genuine.manifest(GENUINE[2]), data))
    forge(genuine, *FORGED[:3])
    result = prune(genuine, keep_last=2)
    assert GENUINE[2] in genuine.ids()
    assert ["this controller published it last"] in [one["reasons"] for one in result["kept"]]


def test_keep_within_is_not_moved_by_backups_of_the_same_days(genuine: BackupStore) -> None:
    """The rule for a store where others can add: without signers or a key, it keeps what is young, however much is
    added.
    """
    forge(genuine, *(f"20261122T0{hour}0000Z" for hour in range(3, 9)))
    assert removed(prune(genuine, keep_within="7d")) == []


def test_with_signers_a_record_that_is_not_signed_is_not_written(genuine: BackupStore, signed: dict[str, Any]) -> None:
    before = hash_tree(genuine.root)
    result = run("backup_prune", backup_root=str(genuine.root), keep_last=1, allowed_signers=signed["allowed_signers"])
    assert "access_manager_signing_key" in result["msg"]
    assert hash_tree(genuine.root) == before


def test_unsigned_backups_count_when_that_is_allowed_by_name(
    store: BackupStore, owner: KeyPair, signed: dict[str, Any]
) -> None:
    for backup_id in GENUINE:
        make(store, backup_id, encrypt_to(owner.public))
    assert removed(prune(store, keep_last=1, **signed)) == []
    assert removed(prune(store, keep_last=1, **signed, allow_unsigned=True)) == [*GENUINE[:2]]


def test_a_backup_that_no_run_would_accept_afterwards_is_not_begun(root: Path, signed: dict[str, Any]) -> None:
    options = {"state": "checked", "backup_root": str(root), "encryption": "none"}
    refused = run("backup_commit", **options, allowed_signers=signed["allowed_signers"])
    assert (
        "a backup must be signed, and there is no key for it: name it in access_manager_signing_key" in refused["msg"]
    )
    assert not run("backup_commit", **options, **signed).get("failed")
    assert not run("backup_commit", **options, allowed_signers=signed["allowed_signers"], allow_unsigned=True).get(
        "failed"
    )


# ---- the record of what was pruned ----


def test_who_adds_a_line_excuses_no_gap(genuine: BackupStore, signed: dict[str, Any], key: SshKey) -> None:
    link = Link(GENUINE[1], hashlib.sha256(genuine.manifest_bytes(GENUINE[1])).hexdigest())
    shutil.rmtree(genuine.folder / GENUINE[1])
    line = prune_log.line_of(HOST, [link], None)
    other = prune_log.line_of("ams2", [link], key.signer())
    changed = prune_log.line_of(HOST, [link], key.signer()).replace(
        b'"previous": null', b'"previous": "' + b"0" * 64 + b'"'
    )
    (genuine.folder / prune_log.NAME).write_bytes(other + changed + line)
    trusted = {"allowed_signers": signed["allowed_signers"]}
    assert f"The backup {GENUINE[1]}, which came before {GENUINE[2]}, is missing" in " ".join(
        problems(genuine, **trusted)
    )
    (genuine.folder / prune_log.NAME).write_bytes(prune_log.line_of(HOST, [link], key.signer()))
    assert "is missing" not in " ".join(problems(genuine, **trusted))


def test_a_line_that_is_not_signed_does_not_end_the_report_of_a_store_that_went_back(
    genuine: BackupStore, signed: dict[str, Any], owner: KeyPair, key: SshKey
) -> None:
    """Not even after the next backup, which is newer than the one that is missing."""
    data = genuine.manifest_bytes(GENUINE[2])
    HighWaterMark(genuine, None).advance(Mark.of(genuine.manifest(GENUINE[2]), data))
    shutil.rmtree(genuine.folder / GENUINE[2])
    link = Link(GENUINE[2], hashlib.sha256(data).hexdigest())
    (genuine.folder / prune_log.NAME).write_bytes(prune_log.line_of(HOST, [link], None))
    backup_id = PartialBackup.begin(genuine).id
    fill(genuine, backup_id)
    assert run("backup_commit", backup_root=str(genuine.root), backup_id=backup_id, **signed)["status"] == "complete"
    trusted = {"allowed_signers": signed["allowed_signers"]}
    assert any(f"The backup {GENUINE[2]} of {HOST} is missing" in one for one in problems(genuine, **trusted))
    (genuine.folder / prune_log.NAME).write_bytes(prune_log.line_of(HOST, [link], key.signer()))
    assert not any(f"The backup {GENUINE[2]} of {HOST} is missing" in one for one in problems(genuine, **trusted))


def test_without_signers_a_line_that_was_added_does_not_end_that_report_either(
    genuine: BackupStore, key: SshKey
) -> None:
    """A genuine line does: another controller that prunes leaves a newer backup behind."""
    data = genuine.manifest_bytes(GENUINE[2])
    HighWaterMark(genuine, None).advance(Mark.of(genuine.manifest(GENUINE[2]), data))
    link = Link(GENUINE[2], hashlib.sha256(data).hexdigest())
    (genuine.folder / prune_log.NAME).write_bytes(prune_log.line_of(HOST, [link], None))
    shutil.rmtree(genuine.folder / GENUINE[2])
    signing = {"signing_key": str(key.path)}
    for _backup in range(2):
        backup_id = PartialBackup.begin(genuine).id
        fill(genuine, backup_id)
        assert (
            run("backup_commit", backup_root=str(genuine.root), backup_id=backup_id, **signing)["status"] == "complete"
        )
        assert any(f"The backup {GENUINE[2]} of {HOST} is missing" in one for one in problems(genuine))
    pruned = run("backup_prune", backup_root=str(genuine.root), keep_last=1)
    assert pruned["msg"].startswith("Nothing is removed.")
    assert run("backup_verify", backup_root=str(genuine.root), accept_history=True)["accepted_hosts"] == [HOST]
    assert not any(GENUINE[2] in one and "this controller published" in one for one in problems(genuine))


def test_lines_that_others_add_or_a_crash_leaves_spoil_no_signed_one(
    genuine: BackupStore, signed: dict[str, Any]
) -> None:
    prune(genuine, keep_last=1, **signed)
    with (genuine.folder / prune_log.NAME).open("ab") as file:
        file.write(b'{"host": "ams1", "pruned": [], "signature": "none"}\n{"host": "ams')
    shutil.rmtree(genuine.folder / GENUINE[2])
    run("backup_prune", backup_root=str(genuine.root), forget=[], keep_last=1, **signed)
    assert problems(genuine, allowed_signers=signed["allowed_signers"]) == []


def test_a_record_that_is_full_of_signatures_that_are_none_is_not_read_for_hours(
    genuine: BackupStore, signed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    prune(genuine, keep_last=1, **signed)
    line = (genuine.folder / prune_log.NAME).read_text()
    forged = line.replace(GENUINE[0], "20261101T081500Z")
    (genuine.folder / prune_log.NAME).write_text(line + forged * 3 + line)
    assert problems(genuine, allowed_signers=signed["allowed_signers"]) == []
    monkeypatch.setattr(prune_log, "MOST_FOREIGN", 2)
    before = hash_tree(genuine.root)
    for result in (
        run("backup_verify", backup_root=str(genuine.root), allowed_signers=signed["allowed_signers"]),
        run("backup_prune", backup_root=str(genuine.root), keep_last=1, **signed),
    ):
        assert result["failed"]
        assert "has more than 2 lines that no allowed signer signed" in result["msg"]
    assert hash_tree(genuine.root) == before


def test_a_line_can_be_checked_with_ssh_keygen_alone(
    genuine: BackupStore, signed: dict[str, Any], key: SshKey, tmp_path: Path
) -> None:
    prune(genuine, keep_last=1, **signed)
    line = json.loads((genuine.folder / prune_log.NAME).read_text())
    (tmp_path / "line.sig").write_text(line.pop("signature"))
    (tmp_path / "signers").write_text(f"backup {key.public}\n")
    text = json.dumps(line, sort_keys=True, separators=(",", ":")).encode()
    command = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        "signers",
        "-I",
        "backup",
        "-n",
        "backup@lithnet.access_manager",
        "-s",
        "line.sig",
    ]
    assert subprocess.run(command, input=text, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    assert subprocess.run(command, input=text + b" ", cwd=tmp_path, capture_output=True, check=False).returncode != 0


# ---- a stranger accuses no genuine backup ----


def test_a_stranger_in_the_chain_accuses_no_genuine_backup(genuine: BackupStore, signed: dict[str, Any]) -> None:
    forge(genuine, "20261119T020000Z", FORGED[0])
    path = genuine.folder / FORGED[0] / manifest.NAME
    lie = json.loads(path.read_bytes()) | {"previous": "0" * 64, "previous_id": GENUINE[2]}
    path.write_bytes(manifest.to_bytes(lie | {"checksum": manifest.checksum_of(lie)}))
    result = run(
        "backup_verify",
        backup_root=str(genuine.root),
        allowed_signers=signed["allowed_signers"],
        fail_on_problems=False,
    )
    accused = {one["id"] for one in result["backups"] if one["problems"]}
    assert accused == {"20261119T020000Z", FORGED[0]}


def committed(store: BackupStore, **options: Any) -> dict[str, Any]:
    backup_id = PartialBackup.begin(store).id
    fill(store, backup_id)
    return run("backup_commit", backup_root=str(store.root), backup_id=backup_id, **options)


@pytest.mark.parametrize("backup_id", ["20261128T020000Z", "20990101T020000Z"])
def test_a_stranger_that_is_there_when_a_backup_is_made_and_gone_afterwards_accuses_it_of_no_gap(
    genuine: BackupStore, signed: dict[str, Any], owner: KeyPair, backup_id: str
) -> None:
    make(genuine, backup_id, encrypt_to(owner.public))
    made = committed(genuine, **signed)
    shutil.rmtree(genuine.folder / backup_id)
    assert genuine.manifest(made["id"])["previous_id"] == GENUINE[2]
    assert not any("is missing" in one for one in problems(genuine, allowed_signers=signed["allowed_signers"]))
    shutil.rmtree(genuine.folder / GENUINE[2])
    assert any(
        f"{GENUINE[2]}, which came before" in one
        for one in problems(genuine, allowed_signers=signed["allowed_signers"])
    )


@pytest.mark.parametrize("put", [Path.mkdir, Path.touch, lambda path: path.symlink_to("/etc")])
@pytest.mark.parametrize("with_signers", [True, False])
def test_what_is_no_backup_keeps_none_from_being_made(
    genuine: BackupStore, signed: dict[str, Any], put: Callable[[Path], None], *, with_signers: bool
) -> None:
    stranger = "20990101T020000Z"
    put(genuine.folder / stranger)
    made = committed(genuine, **(signed if with_signers else {}))
    assert made["status"] == "complete"
    assert genuine.manifest(made["id"])["previous_id"] == GENUINE[2]
    assert any(stranger in one for one in problems(genuine))


# ---- upgrades and comparisons ----


def mark(store: BackupStore, backup_id: str, **options: Any) -> dict[str, Any]:
    verification = run("backup_verify", backup_root=str(store.root), fail_on_problems=False)
    return run(
        "upgrade_guard",
        backup_root=str(store.root),
        state="marked",
        backup_id=backup_id,
        verification=verification,
        **options,
    )


def test_only_a_signed_backup_protects_an_upgrade(genuine: BackupStore, owner: KeyPair, signed: dict[str, Any]) -> None:
    trusted = {"allowed_signers": signed["allowed_signers"]}
    unsigned = "20261123T020000Z"
    make(genuine, unsigned, encrypt_to(owner.public))
    assert "is not signed" in mark(genuine, unsigned, **trusted)["msg"]
    assert mark(genuine, GENUINE[2], **trusted)["changed"]
    assert run("upgrade_guard", backup_root=str(genuine.root), **trusted)["marker"]["backup_id"] == GENUINE[2]
    assert mark(genuine, unsigned)["changed"]  # as a stranger may write the marker
    required = run("upgrade_guard", backup_root=str(genuine.root), **trusted)
    assert required["failed"]
    assert "is not signed" in required["msg"]
    allowed = run("upgrade_guard", backup_root=str(genuine.root), **trusted, allow_unsigned=True)
    assert allowed["marker"]["backup_id"] == unsigned


def test_only_signed_backups_are_compared(genuine: BackupStore, owner: KeyPair, signed: dict[str, Any]) -> None:
    options = {"backup_root": str(genuine.root), "allowed_signers": signed["allowed_signers"]}
    unsigned = "20261123T020000Z"
    make(genuine, unsigned, encrypt_to(owner.public))
    assert (
        run("backup_diff", **options, before=GENUINE[0], after=GENUINE[2])["before"] == f"backup {GENUINE[0]} of {HOST}"
    )
    assert "is not signed" in run("backup_diff", **options, before=GENUINE[0], after=unsigned)["msg"]
    assert run("backup_diff", **options, before="previous", after="latest")["after"] == f"backup {GENUINE[2]} of {HOST}"
    assert not run("backup_diff", **options, before=GENUINE[0], after=unsigned, allow_unsigned=True).get("failed")
