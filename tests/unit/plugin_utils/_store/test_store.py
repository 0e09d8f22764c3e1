# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store: a backup exists or it does not, and only its owner may read it."""

from __future__ import annotations

import datetime
import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.partial import (
    PartialBackup,
    refuse_unusable_root,
    sweep,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore, hosts
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._text import printable
from hypothesis import given
from hypothesis import strategies as st
from unit.backups import PARTS, build, fill, publish
from unit.faults import largest_file, umask

HOST = "ams1.forest.example"
ID = "20261123T081500Z"


@pytest.fixture
def store(root: Path) -> BackupStore:
    return BackupStore(str(root), HOST)


def partial(store: BackupStore, backup_id: str) -> Path:
    return store.folder / f".partial-{backup_id}"


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


# ---- names ----


@pytest.mark.parametrize("host", ["", ".", "..", "../other", "a/b", "/etc", ".hidden", "a\0b"])
def test_a_host_that_cannot_name_a_folder_is_refused(root: Path, host: str) -> None:
    with pytest.raises(AccessManagerError, match="cannot name a folder of backups"):
        BackupStore(str(root), host)


@given(st.text(max_size=20))
def test_no_host_leads_out_of_the_root(host: str) -> None:
    try:
        folder = BackupStore("/srv/backup", host).folder
    except AccessManagerError:
        return
    assert Path(os.path.normpath(folder)).parent == Path("/srv/backup")


@pytest.mark.parametrize(
    "backup_id",
    ["", "..", "../20261123T081500Z", "20261123", "20261123T081500Z/..", "latest", f"{ID}\n", "00010101T000000Z"],
)
@pytest.mark.parametrize("step", ["write", "save_record", "records", "publish", "discard", "incoming"])
def test_what_is_no_id_is_refused_and_named(store: BackupStore, backup_id: str, step: str) -> None:
    steps: dict[str, Any] = {
        "write": lambda: PartialBackup(store, backup_id).write("config.zip", lambda file: None),
        "save_record": lambda: PartialBackup(store, backup_id).save_record("config", {}),
        "records": lambda: PartialBackup(store, backup_id).records(),
        "publish": lambda: PartialBackup(store, backup_id).publish({}),
        "discard": lambda: PartialBackup(store, backup_id).discard(),
        "incoming": lambda: PartialBackup(store, backup_id).incoming().__enter__(),
    }
    with pytest.raises(AccessManagerError, match="is not the id of a backup") as caught:
        steps[step]()
    assert f"'{printable(backup_id)}'" in str(caught.value)


# ---- opening ----


def test_an_id_is_the_time_in_utc(store: BackupStore) -> None:
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    moment = datetime.datetime.strptime(PartialBackup.begin(store).id, "%Y%m%dT%H%M%S%z")
    assert before <= moment <= datetime.datetime.now(datetime.UTC)


def test_a_taken_second_gives_the_next_free_one(store: BackupStore) -> None:
    opened = [PartialBackup.begin(store).id for _number in range(4)]
    assert sorted(set(opened)) == opened
    assert names(store.folder) == [f".partial-{backup_id}" for backup_id in opened]


def test_a_published_second_is_taken_too(store: BackupStore) -> None:
    first = publish(store)
    assert PartialBackup.begin(store).id > first
    assert store.ids() == [first]


def test_an_open_backup_is_not_listed(store: BackupStore) -> None:
    PartialBackup.begin(store)
    assert store.ids() == []
    assert store.latest_complete() is None


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_only_the_owner_may_read_a_backup_whatever_the_umask(store: BackupStore, mask: int) -> None:
    with umask(mask):
        backup_id = publish(store)
        with PartialBackup.begin(store).incoming() as incoming:
            assert stat.S_IMODE(os.fstat(incoming.fileno()).st_mode) == 0o600
    for path in [store.folder, *store.folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert (store.folder / backup_id / "manifest.json").exists()


def test_what_a_killed_run_left_is_swept_after_a_day(store: BackupStore) -> None:
    old, young, complete = PartialBackup.begin(store).id, PartialBackup.begin(store).id, publish(store)
    (store.folder / "notes.txt").touch()
    (store.folder / ".partial-notes").mkdir()
    day_ago = time.time() - 24 * 3600
    fill(store, old)
    os.utime(partial(store, young), (day_ago + 60, day_ago + 60))
    for left in (
        partial(store, old),
        store.folder / complete,
        store.folder / "notes.txt",
        store.folder / ".partial-notes",
    ):
        os.utime(left, (day_ago - 60, day_ago - 60))
    sweep(store)
    opened = PartialBackup.begin(store).id
    assert set(names(store.folder)) == {
        f".partial-{young}",
        f".partial-{opened}",
        complete,
        "notes.txt",
        ".partial-notes",
    }


# ---- writing ----


def test_what_was_written_is_described(store: BackupStore) -> None:
    backup_id = PartialBackup.begin(store).id
    artifact = PartialBackup(store, backup_id).write("config.zip.age", lambda file: file.writelines([b"abc", b"def"]))
    assert artifact == {"name": "config.zip.age", "size": 6, "sha256": hashlib.sha256(b"abcdef").hexdigest()}
    assert (partial(store, backup_id) / "config.zip.age").read_bytes() == b"abcdef"


FAILURES = {
    "sentence": (AccessManagerError("The transfer ended."), "The transfer ended."),
    "full": (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
    "quota": (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full"),
    "input/output": (OSError(errno.EIO, "Input/output error"), "Input/output error"),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_nothing_is_left_of_an_artifact_that_failed(store: BackupStore, kind: str) -> None:
    failure, sentence = FAILURES[kind]

    def write(file: Any) -> None:
        file.write(b"half")
        raise failure

    backup_id = PartialBackup.begin(store).id
    with pytest.raises(AccessManagerError, match=sentence):
        PartialBackup(store, backup_id).write("config.zip.age", write)
    assert names(partial(store, backup_id)) == [".nonce"]
    assert (
        PartialBackup(store, backup_id).write("config.zip.age", lambda file: file.write(b"whole") and None)["size"] == 5
    )


def test_nothing_is_left_of_an_interrupted_artifact(store: BackupStore) -> None:
    def write(file: Any) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    backup_id = PartialBackup.begin(store).id
    with pytest.raises(KeyboardInterrupt):
        PartialBackup(store, backup_id).write("config.zip.age", write)
    assert names(partial(store, backup_id)) == [".nonce"]


def test_a_disk_that_takes_no_more_when_all_is_written_is_reported(store: BackupStore) -> None:
    backup_id = PartialBackup.begin(store).id
    with (
        pytest.raises(AccessManagerError, match=r"config\.zip\.age' cannot be written on the controller"),
        largest_file(10),
    ):
        PartialBackup(store, backup_id).write(
            "config.zip.age", lambda file: file.write(b"x" * 100) and None
        )  # fails when it is flushed
    assert names(partial(store, backup_id)) == [".nonce"]


def test_a_second_artifact_of_a_name_does_not_harm_the_first(store: BackupStore) -> None:
    backup_id = PartialBackup.begin(store).id
    PartialBackup(store, backup_id).write("config.zip", lambda file: file.write(b"first") and None)
    with pytest.raises(AccessManagerError, match="cannot be written"):
        PartialBackup(store, backup_id).write("config.zip", lambda file: file.write(b"second") and None)
    assert (partial(store, backup_id) / "config.zip").read_bytes() == b"first"


@pytest.mark.parametrize("fails", [False, True])
def test_incoming_ciphertext_is_gone_afterwards(store: BackupStore, fails: bool) -> None:
    def receive() -> None:
        with PartialBackup(store, backup_id).incoming() as file:
            file.write(b"ciphertext")
            if fails:
                raise AccessManagerError("lost")

    backup_id = PartialBackup.begin(store).id
    if fails:
        with pytest.raises(AccessManagerError, match="lost"):
            receive()
    else:
        receive()
    assert names(partial(store, backup_id)) == [".nonce"]


def test_nothing_is_written_into_a_backup_that_is_not_open(store: BackupStore) -> None:
    with pytest.raises(AccessManagerError, match=f"No backup {ID} of {HOST} is open"):
        PartialBackup(store, ID).write("config.zip", lambda file: None)


# ---- committing ----


@pytest.mark.parametrize("missing", PARTS)
def test_a_backup_with_a_part_missing_is_not_committed(store: BackupStore, missing: str) -> None:
    backup_id = PartialBackup.begin(store).id
    fill(store, backup_id, parts=[part for part in PARTS if part != missing])
    with pytest.raises(AccessManagerError, match=f"no part '{missing}'"):
        PartialBackup(store, backup_id).records()


def change(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1])


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def replace_by_link(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


@pytest.fixture(params=[change, shorten, Path.unlink, replace_by_link], ids=["changed", "shortened", "removed", "link"])
def damage(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_an_artifact_that_is_not_what_was_written_is_not_committed(store: BackupStore, damage: Any) -> None:
    backup_id = PartialBackup.begin(store).id
    fill(store, backup_id)
    damage(partial(store, backup_id) / "certificates.zip")
    with pytest.raises(AccessManagerError, match=r"certificates\.zip'"):
        PartialBackup(store, backup_id).records()


@pytest.mark.parametrize("content", [b"", b'{"artifact": {"na', b"\xff"])
def test_a_record_that_a_crash_left_half_written_is_refused_in_a_sentence(store: BackupStore, content: bytes) -> None:
    backup_id = PartialBackup.begin(store).id
    fill(store, backup_id)
    (partial(store, backup_id) / ".config.record").write_bytes(content)
    with pytest.raises(AccessManagerError):
        PartialBackup(store, backup_id).records()


def test_a_record_that_finds_no_room_is_reported_and_not_committed(store: BackupStore) -> None:
    backup_id = PartialBackup.begin(store).id
    fill(store, backup_id, parts=["certificates", "secrets"])
    with pytest.raises(AccessManagerError, match="cannot be written on the controller"), largest_file(10):
        PartialBackup(store, backup_id).save_record("config", {"problems": ["x" * 100]})
    with pytest.raises(AccessManagerError):
        PartialBackup(store, backup_id).records()


def test_publishing_renames_the_whole_backup(store: BackupStore) -> None:
    backup_id = publish(store)
    assert names(store.folder) == [backup_id]
    assert names(store.folder / backup_id) == ["certificates.zip", "config.zip", "manifest.json", "secrets.json"]
    manifest = store.manifest(backup_id)
    assert store.damage(manifest["id"], manifest["artifacts"]) == []
    assert (manifest["id"], manifest["host"], manifest["status"]) == (backup_id, HOST, "complete")
    assert [artifact["name"] for artifact in manifest["artifacts"]] == [
        "config.zip",
        "certificates.zip",
        "secrets.json",
    ]


def test_a_backup_that_cannot_be_published_stays_unpublished(store: BackupStore) -> None:
    backup_id = PartialBackup.begin(store).id
    fill(store, backup_id)
    manifest = build(store, backup_id)
    with pytest.raises(AccessManagerError, match="cannot be written on the controller"), largest_file(10):
        PartialBackup(store, backup_id).publish(manifest)
    assert store.ids() == []


def test_each_manifest_names_the_one_before_it(store: BackupStore) -> None:
    assert store.newest() is None
    first = publish(store)
    second = publish(store)
    assert store.manifest(first)["previous"] is None
    assert store.manifest(first)["previous_id"] is None
    assert store.manifest(second)["previous_id"] == first
    assert (
        store.manifest(second)["previous"]
        == hashlib.sha256((store.folder / first / "manifest.json").read_bytes()).hexdigest()
    )


def test_a_manifest_that_is_gone_is_passed_over_by_the_next_one(store: BackupStore) -> None:
    first, second = publish(store), publish(store)
    (store.folder / second / "manifest.json").unlink()
    assert store.manifest(publish(store))["previous_id"] == first


def test_discarding_leaves_nothing(root: Path, store: BackupStore) -> None:
    backup_id = PartialBackup.begin(store).id
    fill(store, backup_id)
    assert PartialBackup(store, backup_id).discard()
    assert names(root) == []
    assert not PartialBackup(store, backup_id).discard()


def test_discarding_leaves_other_backups_alone(store: BackupStore) -> None:
    published, opened = publish(store), PartialBackup.begin(store).id
    assert PartialBackup(store, opened).discard()
    assert not PartialBackup(store, published).discard()
    assert store.ids() == [published]


# ---- reading ----


def test_the_latest_complete_backup_is_found(store: BackupStore) -> None:
    _first, second = publish(store), publish(store)
    latest = store.latest_complete()
    assert latest is not None
    assert latest["id"] == second


def test_an_incomplete_backup_is_passed_over(store: BackupStore) -> None:
    first, second = publish(store), publish(store, problems=["One file is missing."])
    latest = store.latest_complete()
    assert latest is not None
    assert latest["id"] == first
    assert store.manifest(second)["status"] == "incomplete"


def test_a_damaged_backup_is_passed_over(store: BackupStore, damage: Any) -> None:
    first, second = publish(store), publish(store)
    damage(store.folder / second / "config.zip")
    latest = store.latest_complete()
    assert latest is not None
    assert latest["id"] == first
    [sentence] = store.damage(second, store.manifest(second)["artifacts"])
    assert "config.zip'" in sentence


@pytest.mark.parametrize("content", [None, b"", b"not JSON", b"[]", b'{"format": 2}', b"[" * 200_000])
def test_an_unreadable_backup_is_passed_over(store: BackupStore, content: bytes | None) -> None:
    first, second = publish(store), publish(store)
    manifest = store.folder / second / "manifest.json"
    manifest.unlink()
    if content is not None:
        manifest.write_bytes(content)
    latest = store.latest_complete()
    assert latest is not None
    assert latest["id"] == first


def test_the_manifest_of_another_backup_is_refused(store: BackupStore) -> None:
    first, second = publish(store), publish(store)
    content = (store.folder / first / "manifest.json").read_bytes()
    (store.folder / second / "manifest.json").write_bytes(content)
    with pytest.raises(AccessManagerError, match=f"of another backup: {first} of "):
        store.manifest(second)


def test_only_ids_are_backups(store: BackupStore) -> None:
    backup_id = publish(store)
    for name in (
        "notes",
        ".partial-20200101T000000Z",
        "20200101",
        "20200101T000000Z.old",
        "00010101T000000Z",
        "19691231T235959Z",
        "\u0662\u0660200101T000000Z",
    ):
        (store.folder / name).mkdir()
    assert store.ids() == [backup_id]


def test_hosts_are_the_folders_of_a_root(root: Path, store: BackupStore) -> None:
    publish(store)
    (root / ".snapshots").mkdir()
    for foreign in ("lost+found", "@eaDir", "#recycle"):
        (root / foreign).mkdir()
    (root / "README").touch()
    assert hosts(str(root)) == [HOST]
    with pytest.raises(AccessManagerError, match="'/nowhere' is not a folder"):
        hosts("/nowhere")


# ---- roots ----


def refusal_of_root(path: Path, expected_bytes: int = 0) -> str:
    with pytest.raises(AccessManagerError) as caught:
        refuse_unusable_root(BackupStore(str(path), HOST), expected_bytes)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_root_with_room_is_accepted_and_left_empty(root: Path, store: BackupStore) -> None:
    refuse_unusable_root(store, 1024)
    assert names(root) == []


def test_a_missing_root_is_refused(root: Path) -> None:
    message = refusal_of_root(root / "missing")
    assert "not a folder" in message
    assert "backup_root" in message
    assert names(root) == []


def test_a_link_in_place_of_the_hosts_folder_is_refused(root: Path, store: BackupStore, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / HOST).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AccessManagerError, match="is a link, which is not followed"):
        refuse_unusable_root(store, 0)


def test_a_root_that_is_a_file_is_refused(root: Path) -> None:
    (root / "file").touch()
    assert "it is a file" in refusal_of_root(root / "file")


def test_a_root_that_is_too_small_is_refused_with_both_figures(root: Path) -> None:
    message = refusal_of_root(root, expected_bytes=10**18)
    assert "not enough space" in message
    assert f"{-(-(10**18 + 16 * 1024**2) // 1024**2)} MiB are needed" in message
    assert "are free" in message


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """Access is checked as for a user who is not root."""
    if os.getuid() == 0:
        os.setresuid(65534, -1, -1)
        yield
        os.setresuid(0, -1, -1)
    else:
        yield


@pytest.mark.parametrize("place", ["root", "host"])
def test_a_root_that_may_not_be_written_is_refused(
    root: Path, store: BackupStore, ordinary_user: None, place: str
) -> None:
    if place == "host":
        store.folder.mkdir()
    refused = store.folder if place == "host" else root
    refused.chmod(0o500)
    try:
        message = refusal_of_root(root)
    finally:
        refused.chmod(0o700)
    assert "not writable" in message
    assert f"'{refused}'" in message


@pytest.mark.parametrize("root", ["", "backups", "./backups", "../backups"])
def test_a_root_that_is_not_absolute_is_refused(root: str) -> None:
    with pytest.raises(AccessManagerError, match="access_manager_backup_root"):
        BackupStore(root, "ams1")


def test_a_host_name_that_no_folder_can_have_is_refused() -> None:
    with pytest.raises(AccessManagerError, match="255 bytes"):
        BackupStore("/srv", "a" * 256)
