# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attachments: kept once for each content, encrypted, signed, verified, listed, extracted, and never pruned."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyrage
import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import attachments as attachments_module
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.attachment import is_name
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.folder import Folder
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from hypothesis import given
from hypothesis import strategies as st
from support.backups import KeyPair, age_key
from unit import encrypted_backups
from unit.actions import run
from unit.fleets import Fleet
from unit.obstacles import others, within
from unit.signers import SshKey, ssh_key

PASSWORD = b"correct horse battery staple"
NAME = "recovery password.txt"


@pytest.fixture(autouse=True)
def _at_once() -> Iterator[None]:
    with within(60):
        yield


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / NAME
    path.write_bytes(PASSWORD)
    return path


@pytest.fixture
def identity_file(tmp_path: Path, owner: KeyPair) -> str:
    (tmp_path / "key.txt").write_text(owner.private)
    return str(tmp_path / "key.txt")


@pytest.fixture
def keep(store: BackupStore, owner: KeyPair) -> Callable[..., dict[str, Any]]:
    """Opens a backup with attachments, as a run does."""

    def run_it(*sources: Path, **more: Any) -> dict[str, Any]:
        options = {"backup_root": str(store.root), "recipients": [owner.public], "inventory": {}} | more
        return run("backup_commit", state="opened", attachments=list(map(str, sources)), **options)

    return run_it


@pytest.fixture
def extract(store: BackupStore, identity_file: str, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def run_it(name: str = NAME, **more: Any) -> dict[str, Any]:
        options = {"backup_root": str(store.root), "identity_file": identity_file, "dest": str(tmp_path / "extracted")}
        return run("attachment_extract", name=name, **options | more)

    return run_it


def listed(store: BackupStore, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run("backup_info", backup_root=str(store.root), **more)["attachments"]
    return found


def verified(store: BackupStore, **more: Any) -> dict[str, Any]:
    return run("backup_verify", backup_root=str(store.root), fail_on_problems=False, **more)


def folders(store: BackupStore) -> list[Path]:
    return sorted((store.folder / "attachments").iterdir())


# ---- kept, listed, extracted ----


def test_a_file_is_kept_encrypted_listed_and_extracted_again(
    store: BackupStore, source: Path, owner: KeyPair, keep: Any, extract: Any, tmp_path: Path
) -> None:
    result = keep(source)
    assert (result["kept_attachments"], result["attachment_problems"], result["changed"]) == ([NAME], [], True)
    (folder,) = folders(store)
    stored = (folder / "attachment.age").read_bytes()
    identity = pyrage.x25519.Identity.from_str(owner.private.strip().splitlines()[-1])
    assert pyrage.decrypt(stored, [identity]) == PASSWORD
    assert PASSWORD not in b"".join(path.read_bytes() for path in folder.iterdir())
    (one,) = listed(store)
    assert (one["name"], one["bytes"], one["id"], one["problem"]) == (NAME, len(PASSWORD), folder.name, "")
    assert (one["sha256"], one["recipients"]) == (hashlib.sha256(stored).hexdigest(), [owner.public])
    assert extract()["changed"]
    path = tmp_path / "extracted"
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (PASSWORD, 0o600)
    assert not extract()["changed"]


def test_no_byte_is_written_under_other_permissions(store: BackupStore, source: Path, keep: Any) -> None:
    mask = os.umask(0)
    try:
        keep(source)
    finally:
        os.umask(mask)
    (folder,) = folders(store)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent)} == {0o700}


def test_a_content_that_is_kept_is_not_encrypted_again(store: BackupStore, source: Path, keep: Any) -> None:
    keep(source)
    source.touch()
    again = keep(source)
    assert again["kept_attachments"] == []
    assert len(folders(store)) == 1


def test_another_content_is_kept_beside_the_earlier_one(
    store: BackupStore, source: Path, keep: Any, extract: Any, tmp_path: Path
) -> None:
    keep(source)
    source.write_bytes(b"the new password")
    assert keep(source)["kept_attachments"] == [NAME]
    first, _second = (one["id"] for one in listed(store))
    extract()
    assert (tmp_path / "extracted").read_bytes() == b"the new password"
    extract(first, dest=str(tmp_path / "earlier"))
    assert (tmp_path / "earlier").read_bytes() == PASSWORD


def test_other_recipients_get_it_too(store: BackupStore, source: Path, keep: Any) -> None:
    keep(source)
    assert keep(source, certificate_recipients=[age_key().public])["kept_attachments"] == [NAME]
    assert len(folders(store)) == 2


def test_it_is_encrypted_as_the_certificates_are(store: BackupStore, source: Path, keep: Any) -> None:
    offline = age_key()
    keep(source, certificate_recipients=[offline.public])
    assert listed(store)[0]["recipients"] == [offline.public]


def test_a_damaged_one_is_kept_again(store: BackupStore, source: Path, keep: Any) -> None:
    keep(source)
    (folders(store)[0] / "attachment.age").write_bytes(b"noise")
    assert keep(source)["kept_attachments"] == [NAME]


def test_a_file_that_was_kept_need_not_stay(source: Path, keep: Any) -> None:
    keep(source)
    source.unlink()
    again = keep(source)
    assert (again["kept_attachments"], again["attachment_problems"]) == ([], [])


def test_check_mode_keeps_none_and_says_what_would_be(store: BackupStore, source: Path, owner: KeyPair) -> None:
    options = {"backup_root": str(store.root), "recipients": [owner.public], "inventory": {}}
    result = run("backup_commit", check=True, state="opened", attachments=[str(source)], **options)
    assert result["kept_attachments"] == [NAME]
    assert not (store.folder / "attachments").exists()


def test_the_store_says_nothing_by_which_a_content_could_be_guessed(
    store: BackupStore, source: Path, keep: Any, state: Path
) -> None:
    keep(source)
    record = (folders(store)[0] / "record.json").read_text()
    for digest in (hashlib.sha256, hashlib.sha1, hashlib.md5):
        assert digest(PASSWORD).hexdigest() not in record
    (file,) = (state / "attachments").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_bytes())["key"] not in record


def test_nothing_prunes_an_attachment(store: BackupStore, source: Path, keep: Any) -> None:
    for day in (21, 22, 23):
        encrypted_backups.make(store, f"202611{day}T081500Z", encrypted_backups.encrypt_to())
    keep(source)
    assert run("backup_prune", backup_root=str(store.root), keep_last=1)["removed"]
    assert [one["name"] for one in listed(store)] == [NAME]


def test_a_dest_with_another_content_is_not_replaced(source: Path, keep: Any, extract: Any, tmp_path: Path) -> None:
    keep(source)
    (tmp_path / "extracted").write_bytes(b"precious")
    assert "with another content" in extract()["msg"]
    assert (tmp_path / "extracted").read_bytes() == b"precious"


def test_what_is_not_there_is_a_sentence(source: Path, keep: Any, extract: Any) -> None:
    assert "There is no attachment 'other.pfx' of ams1" in extract("other.pfx")["msg"]


def test_attached_alone_opens_no_backup_and_fails_where_one_is_not_kept(
    store: BackupStore, source: Path, owner: KeyPair, tmp_path: Path
) -> None:
    options = {"state": "attached", "backup_root": str(store.root), "recipients": [owner.public]}
    result = run("backup_commit", attachments=[str(source)], **options)
    assert (result["changed"], result["kept_attachments"]) == (True, [NAME])
    assert [path.name for path in store.folder.iterdir()] == ["attachments"]
    assert not run("backup_commit", attachments=[str(source)], **options)["changed"]
    other = tmp_path / "other.pfx"
    other.write_bytes(b"pfx")
    failed = run("backup_commit", attachments=[str(other), str(tmp_path / "gone")], **options)
    assert failed["failed"]
    assert "there is no such file" in failed["msg"]
    assert [one["name"] for one in listed(store)] == [NAME, "other.pfx"]


def test_a_host_with_attachments_alone_is_in_order_unless_its_backups_are_asked_for(
    store: BackupStore, source: Path, owner: KeyPair, identity_file: str
) -> None:
    recipients, attachments = [owner.public], [str(source)]
    options: dict[str, Any] = {"backup_root": str(store.root), "hosts": ["ams1"]}
    run("backup_commit", state="attached", backup_root=str(store.root), recipients=recipients, attachments=attachments)
    for more in ({}, {"identity_file": identity_file}, {"hosts": []}):
        done = run("backup_verify", **options | more)
        assert not done.get("failed"), done["msg"]
        assert (done["hosts"][0]["attachments"], done["hosts"][0]["problems"]) == ([NAME], [])
        assert f"Attachments of ams1: {NAME}." in done["table"]
    assert "There is no backup of ams1" in run("backup_verify", **options, check_age=26)["msg"]
    (folder,) = folders(store)
    swapped_content(folder)
    assert str(folder) in run("backup_verify", **options)["msg"]
    shutil.rmtree(folder)
    assert "There is no backup of ams1" in run("backup_verify", **options)["msg"]


def test_a_run_keeps_none_that_would_not_be_accepted_afterwards_and_makes_its_backup(
    store: BackupStore, source: Path, signing: SshKey, keep: Any
) -> None:
    result = keep(source, allowed_signers=[signing.public])
    assert "an attachment must be signed" in result["attachment_problems"][0]
    assert result["attachment_problems"][0] in result["warnings"]
    assert result["backup_id"]
    assert not (store.folder / "attachments").exists()


def test_attached_keeps_nothing_that_would_not_be_accepted_afterwards(
    store: BackupStore, source: Path, owner: KeyPair, signing: SshKey, extract: Any, tmp_path: Path
) -> None:
    allowed: dict[str, Any] = {"allowed_signers": [signing.public]}
    options = {"backup_root": str(store.root), "recipients": [owner.public], "attachments": [str(source)]} | allowed
    assert "an attachment must be signed" in run("backup_commit", state="attached", **options)["msg"]
    stranger = ssh_key(tmp_path, "stranger")
    refused = run("backup_commit", state="attached", signing_key=str(stranger.path), **options)
    assert "would not be accepted afterwards" in refused["msg"]
    assert not (store.folder / "attachments").exists()
    assert run("backup_commit", state="attached", signing_key=str(signing.path), **options)["changed"]
    assert extract(**allowed)["changed"]


# ---- sources that are not kept ----


@pytest.mark.parametrize("name", [".hidden", "a\nb", "a\u202eb", "a:b", "x" * 251 + "\u20ac\u20ac"])
def test_a_name_that_no_file_should_have_is_not_kept(store: BackupStore, tmp_path: Path, keep: Any, name: str) -> None:
    path = tmp_path / name
    with contextlib.suppress(OSError):  # the file system may have no such name either
        path.write_bytes(PASSWORD)
    result = keep(path)
    assert "cannot be the name of an attachment" in result["attachment_problems"][0]
    assert not (store.folder / "attachments").exists()


@given(st.text())
def test_a_name_is_never_a_path(name: str) -> None:
    if is_name(name):
        assert Path("/folder") / name == Path("/folder", name)
        assert Path("/folder", name).parent == Path("/folder")
        assert name.isprintable()


def test_one_that_is_not_there_is_a_warning_and_the_backup_is_made(source: Path, keep: Any) -> None:
    source.unlink()
    result = keep(source)
    assert "there is no such file" in result["attachment_problems"][0]
    assert result["attachment_problems"][0] in result["warnings"]
    assert result["backup_id"]


@pytest.mark.parametrize(
    "make", [Path.mkdir, lambda path: path.symlink_to("/etc/passwd"), os.mkfifo]
)
def test_a_source_that_is_no_file_is_not_kept(
    store: BackupStore, source: Path, keep: Any, make: Callable[[Path], None]
) -> None:
    source.unlink()
    make(source)
    assert "cannot be read" in keep(source)["attachment_problems"][0]
    assert not (store.folder / "attachments").exists()


def test_of_two_with_one_name_none_is_kept_by_chance(source: Path, tmp_path: Path, keep: Any) -> None:
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / NAME
    other.write_bytes(b"another")
    result = keep(source, other)
    assert [("has the same name" in problem) for problem in result["attachment_problems"]] == [True, True]
    assert result["kept_attachments"] == []


def test_one_that_is_too_large_is_not_kept(source: Path, keep: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments_module, "LARGEST", len(PASSWORD) - 1)
    assert "has more than" in keep(source)["attachment_problems"][0]


def test_of_a_failed_one_nothing_is_left(
    store: BackupStore, source: Path, keep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Folder, "replace_file", full)
        assert "the disk is full" in keep(source)["attachment_problems"][0]
    assert folders(store) == []
    assert keep(source)["kept_attachments"] == [NAME]


# ---- a hostile store ----


def forge(folder: Path, **changes: Any) -> None:
    path = folder / "record.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))


def swapped_content(folder: Path) -> None:
    (folder / "attachment.age").write_bytes(b"x" * (folder / "attachment.age").stat().st_size)


def truncated_content(folder: Path) -> None:
    (folder / "attachment.age").write_bytes((folder / "attachment.age").read_bytes()[:-1])


def of_another_host(folder: Path) -> None:
    forge(folder, host="ams9")


def with_a_path_for_a_name(folder: Path) -> None:
    forge(folder, name="../../etc/cron.d/x")


def with_a_huge_size(folder: Path) -> None:
    forge(folder, size=2**62)


def of_no_json(folder: Path) -> None:
    (folder / "record.json").write_bytes(b"{")


def without_record(folder: Path) -> None:
    (folder / "record.json").unlink()


def of_another_content(folder: Path) -> None:
    """A whole forged attachment, to the same recipient, with a record that fits."""
    data = pyrage.encrypt(
        b"forged", [pyrage.x25519.Recipient.from_str(json.loads((folder / "record.json").read_text())["recipients"][0])]
    )
    (folder / "attachment.age").write_bytes(data)
    forge(folder, bytes=6, size=len(data), sha256=hashlib.sha256(data).hexdigest())


ATTACKS = [
    swapped_content,
    truncated_content,
    of_another_host,
    with_a_path_for_a_name,
    with_a_huge_size,
    of_no_json,
    without_record,
    of_another_content,
]


@pytest.fixture
def signing(tmp_path: Path) -> SshKey:
    return ssh_key(tmp_path)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_changed_attachment_is_never_extracted_and_is_a_problem_of_the_verification(
    store: BackupStore,
    source: Path,
    keep: Any,
    extract: Any,
    signing: SshKey,
    identity_file: str,
    tmp_path: Path,
    attack: Callable[[Path], None],
) -> None:
    encrypted_backups.make(store, "20261123T081500Z", encrypted_backups.encrypt_to())
    options: dict[str, Any] = {"allowed_signers": [signing.public]}
    keep(source, signing_key=str(signing.path), **options)
    assert extract(**options, dest=str(tmp_path / "honest"))["signer"]["principal"]
    before = verified(store, encryption="none", **options)["hosts"][0]
    assert (before["problems"][1:], before["attachments"]) == ([], [NAME])
    (folder,) = folders(store)
    attack(folder)
    assert extract(**options)["failed"]
    assert extract(folder.name, **options)["failed"]
    assert not (tmp_path / "extracted").exists()
    for more in ({}, {"identity_file": identity_file}):
        assert str(folder) in str(verified(store, **more, **options)["hosts"][0]["problems"])


def test_an_attachment_without_a_signature_is_refused_where_signers_are_demanded(
    store: BackupStore, source: Path, keep: Any, extract: Any, signing: SshKey
) -> None:
    keep(source)
    options = {"allowed_signers": [signing.public]}
    assert "The attachment is not used" in extract(**options)["msg"]
    assert listed(store, **options)[0]["problem"]
    assert keep(source, signing_key=str(signing.path), **options)["kept_attachments"] == [NAME]
    assert extract(**options)["changed"]


def test_an_earlier_one_in_the_place_of_the_newest_is_found(
    store: BackupStore, source: Path, keep: Any, extract: Any, tmp_path: Path
) -> None:
    encrypted_backups.make(store, "20261123T081500Z", encrypted_backups.encrypt_to())
    keep(source)
    source.write_bytes(b"the new password")
    keep(source)
    first, second = folders(store)
    shutil.rmtree(second)
    assert "was removed or replaced" in extract()["msg"]
    assert extract(first.name)["changed"]
    assert str(second) in str(verified(store)["hosts"][0]["problems"])
    assert str(second) in str(keep()["warnings"])
    assert verified(store, accept_history=True)["accepted_hosts"]
    assert str(second) not in str(verified(store)["hosts"][0]["problems"])
    assert extract(dest=str(tmp_path / "after"))["changed"]


FUTURE = "20990101T000000Z"


def of_the_future(folder: Path) -> Path:
    """A copy of an attachment with a later id, whose record fits."""
    future = folder.with_name(FUTURE)
    shutil.copytree(folder, future)
    forge(future, id=FUTURE)
    return future


def clock(year: int) -> SimpleNamespace:
    """The module datetime in another year."""

    class Then(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
            return datetime.datetime.now(tz).replace(year=year, month=1, day=1)

    return SimpleNamespace(datetime=Then, timedelta=datetime.timedelta, UTC=datetime.UTC)


@pytest.mark.slow
@pytest.mark.parametrize("signed", [True, False])
def test_a_record_of_the_future_in_the_store_neither_hides_an_attachment_nor_has_it_kept_each_night(
    store: BackupStore, source: Path, keep: Any, extract: Any, signing: SshKey, tmp_path: Path, signed: bool
) -> None:
    options: dict[str, Any] = {"allowed_signers": [signing.public]} if signed else {}
    key = {"signing_key": str(signing.path)} if signed else {}
    keep(source, **key, **options)
    (folder,) = folders(store)
    forged = of_the_future(folder)
    of_another_content(forged)
    for _night in range(2):
        assert keep(source, **key, **options)["kept_attachments"] == []
    assert folders(store) == [folder, forged]
    assert extract(**options)["id"] == folder.name
    assert (tmp_path / "extracted").read_bytes() == PASSWORD
    source.write_bytes(b"the new password")
    assert keep(source, **key, **options)["kept_attachments"] == [NAME]
    assert max(path.name for path in folders(store) if path != forged)[:4] < "2099"
    assert extract(**options, dest=str(tmp_path / "newer"))["changed"]
    assert (tmp_path / "newer").read_bytes() == b"the new password"


@pytest.mark.parametrize("signed", [True, False])
def test_what_is_kept_after_the_clock_was_ahead_is_the_newest_then_and_ever_after(
    store: BackupStore,
    source: Path,
    keep: Any,
    extract: Any,
    signing: SshKey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    signed: bool,
) -> None:
    options: dict[str, Any] = {"allowed_signers": [signing.public]} if signed else {}
    key = {"signing_key": str(signing.path)} if signed else {}
    with monkeypatch.context() as patched:
        patched.setattr(attachments_module, "datetime", clock(2098))
        keep(source, **key, **options)
    assert keep(source, **key, **options)["kept_attachments"] == []
    source.write_bytes(b"the new password")
    assert keep(source, **key, **options)["kept_attachments"] == [NAME]
    assert keep(source, **key, **options)["kept_attachments"] == []
    extract(**options)
    assert (tmp_path / "extracted").read_bytes() == b"the new password"
    monkeypatch.setattr(attachments_module, "datetime", clock(2099))
    extract(**options, dest=str(tmp_path / "later"))
    assert (tmp_path / "later").read_bytes() == b"the new password"


def test_a_signed_one_of_the_future_is_the_newest_for_another_controller_too(
    store: BackupStore,
    source: Path,
    keep: Any,
    extract: Any,
    signing: SshKey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options: dict[str, Any] = {"allowed_signers": [signing.public]}
    keep(source, signing_key=str(signing.path), **options)
    source.write_bytes(b"the new password")
    with monkeypatch.context() as patched:
        patched.setattr(attachments_module, "datetime", clock(2098))
        keep(source, signing_key=str(signing.path), **options)
    assert extract(**options, state_dir=str(tmp_path / "of another"))["id"][:4] == "2098"
    assert (tmp_path / "extracted").read_bytes() == b"the new password"


def test_where_only_one_of_the_future_is_there_its_id_extracts_it(
    store: BackupStore, source: Path, keep: Any, extract: Any, tmp_path: Path
) -> None:
    keep(source)
    (folder,) = folders(store)
    of_the_future(folder)
    shutil.rmtree(folder)
    elsewhere = {"state_dir": str(tmp_path / "of another")}
    assert "is dated in the future" in extract(**elsewhere)["msg"]
    assert extract(FUTURE, **elsewhere)["changed"]
    assert (tmp_path / "extracted").read_bytes() == PASSWORD


def test_an_earlier_one_is_not_extracted_where_the_newest_lost_its_signature(
    store: BackupStore, source: Path, keep: Any, extract: Any, signing: SshKey, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"allowed_signers": [signing.public]}
    keep(source, signing_key=str(signing.path), **options)
    source.write_bytes(b"the new password")
    keep(source, signing_key=str(signing.path), **options)
    (folders(store)[1] / "record.json.sig").unlink()
    assert "The attachment is not used" in extract(**options)["msg"]
    assert not (tmp_path / "extracted").exists()


def test_one_under_another_id_is_refused(store: BackupStore, source: Path, keep: Any, extract: Any) -> None:
    keep(source)
    (folder,) = folders(store)
    shutil.copytree(folder, folder.with_name("20991231T235959Z"))
    assert "is the record of another attachment" in extract("20991231T235959Z")["msg"]


@others
@pytest.mark.parametrize("place", ["", "ID", "ID/record.json", "ID/attachment.age", "ID/record.json.sig"])
def test_nothing_in_the_place_of_a_folder_or_file_is_used(
    store: BackupStore,
    source: Path,
    keep: Any,
    extract: Any,
    put: Callable[[Path], None],
    words: str,
    place: str,
) -> None:
    encrypted_backups.make(store, "20261123T081500Z", encrypted_backups.encrypt_to())
    keep(source)
    (folder,) = folders(store)
    path = store.folder / "attachments" / place.replace("ID", folder.name)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    put(path)
    assert extract(folder.name)["failed"]
    assert words in str(verified(store)["hosts"][0]["problems"])
    assert isinstance(listed(store), list)


def test_a_folder_that_others_may_write_to_is_refused(
    store: BackupStore, source: Path, keep: Any, extract: Any
) -> None:
    keep(source)
    (store.folder / "attachments").chmod(0o777)
    assert "others can put backups there" in extract()["msg"]
    assert "others can put backups there" in str(keep(source)["attachment_problems"])


@pytest.mark.slow
def test_a_run_of_the_playbook_keeps_them_and_says_so(tmp_path: Path, source: Path, owner: KeyPair) -> None:
    (tmp_path / "fleet").mkdir()
    fleet = Fleet(tmp_path / "fleet", owner)
    missing = str(tmp_path / "missing.pfx")
    attachments = {"backup_attachments": [str(source), missing]}
    done = fleet.run("lithnet.access_manager.backup", {"ams1": {}}, extra=attachments)
    assert f"The attachment {NAME} is now kept beside the backups." in done.stdout
    assert f"The attachment '{missing}' is not kept" in done.stdout
    (kept,) = (fleet.root / "ams1/attachments").iterdir()
    assert json.loads((kept / "record.json").read_bytes())["name"] == NAME
