# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on the files of a store: what another user put there is refused at once, and what is hashed is what is used.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.decryption import Decryptor
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents import source as source_module
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.contents import open_contents
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.source import select
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._maintenance import content_verification
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import prune_log, upgrade_marker
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.folder import Folder
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.partial import PartialBackup
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.backups import KeyPair
from support.playbook import hash_tree
from unit.actions import HOST, run
from unit.backups import fill, publish
from unit.encrypted_backups import encrypt_to, make
from unit.obstacles import NOBODY, OTHERS, is_root, others, within

ID, OLDER = "20261123T020000Z", "20261122T020000Z"
PLUGINS = Path(__file__).resolve().parents[4] / "plugins"
Put = Callable[[Path], None]


@pytest.fixture(autouse=True)
def _at_once() -> Iterator[None]:
    with within(60):
        yield


@pytest.fixture
def two(store: BackupStore, owner: KeyPair) -> BackupStore:
    """Two backups that a key opens."""
    for backup_id in (OLDER, ID):
        make(store, backup_id, encrypt_to(owner.public))
    return store


@pytest.fixture
def key_file(owner: KeyPair, tmp_path: Path) -> str:
    (tmp_path / "key.txt").write_text(owner.private)
    return str(tmp_path / "key.txt")


def replace(path: Path, put: Put) -> None:
    """Puts something else in the place of what is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    put(path)


def refusals(store: BackupStore, key_file: str) -> dict[str, str]:
    """What each reader of the store says."""
    root = str(store.root)
    verified = run("backup_verify", backup_root=root, identity_file=key_file, fail_on_problems=False)
    problems = [
        problem for one in verified.get("backups", []) + verified.get("hosts", []) for problem in one["problems"]
    ]
    return {
        "backup_verify": " ".join([verified["msg"], *problems]),
        "backup_info": str(run("backup_info", backup_root=root)),
        "backup_commit": str(
            run("backup_commit", backup_root=root, state="opened", encryption="none", inventory={}, check=True)
        ),
        "backup_diff": str(run("backup_diff", backup_root=root, after=ID, before=OLDER, identity_file=key_file)),
        "backup_prune": str(run("backup_prune", backup_root=root, keep_last=1, check=True)),
        "upgrade_guard": str(run("upgrade_guard", backup_root=root)),
    }


# ---- in the place of folders and files ----


@others
def test_nothing_in_the_place_of_the_root_is_used(two: BackupStore, key_file: str, put: Put, words: str) -> None:
    replace(two.root, put)
    for module, said in refusals(two, key_file).items():
        assert words in said, module


def test_a_link_to_a_whole_root_is_refused_too(two: BackupStore, key_file: str, tmp_path: Path) -> None:
    (tmp_path / "by-link").symlink_to(two.root)
    for module, said in refusals(BackupStore(str(tmp_path / "by-link"), HOST), key_file).items():
        assert "it is a link, which is not followed" in said, module


@others
def test_nothing_in_the_place_of_a_host_is_used(two: BackupStore, key_file: str, put: Put, words: str) -> None:
    replace(two.folder, put)
    for module, said in refusals(two, key_file).items():
        assert words in said, module


READERS_OF_A_BACKUP = ("backup_verify", "backup_diff")


@others
@pytest.mark.parametrize("name", ["", "manifest.json", "config.zip.age", "secrets.json.age"])
def test_nothing_in_the_place_of_a_backup_or_its_files_is_used(
    two: BackupStore, key_file: str, put: Put, words: str, name: str
) -> None:
    replace(two.folder / ID / name if name else two.folder / ID, put)
    said = refusals(two, key_file)
    for module in READERS_OF_A_BACKUP:
        assert words in said[module], module
    assert run("backup_prune", backup_root=str(two.root), keep_last=1)["removed"] == []
    assert two.ids() == [OLDER, ID]


@others
def test_nothing_in_the_place_of_the_record_of_pruned_backups_is_used(
    two: BackupStore, key_file: str, put: Put, words: str
) -> None:
    put(two.folder / prune_log.NAME)
    said = refusals(two, key_file)
    assert words in said["backup_verify"]
    assert words in run("backup_prune", backup_root=str(two.root), keep_last=1)["msg"]
    assert two.ids() == [OLDER, ID]


@others
def test_nothing_in_the_place_of_the_marker_is_used(two: BackupStore, key_file: str, put: Put, words: str) -> None:
    put(two.folder / upgrade_marker.NAME)
    assert words in run("upgrade_guard", backup_root=str(two.root))["msg"]
    assert words in run("backup_prune", backup_root=str(two.root), keep_last=1)["msg"]
    verification = run("backup_verify", backup_root=str(two.root))
    marked = run("upgrade_guard", backup_root=str(two.root), state="marked", backup_id=ID, verification=verification)
    assert words in marked["msg"]
    assert two.ids() == [OLDER, ID]


@others
def test_nothing_in_the_place_of_a_partial_backup_is_used(store: BackupStore, put: Put, words: str) -> None:
    backup = PartialBackup.begin(store)
    shutil.rmtree(backup.path)
    put(backup.path)
    steps: list[Callable[[], object]] = [
        lambda: backup.write("config.zip", lambda file: file.write(b"secret") and None),
        lambda: backup.incoming().__enter__(),
        lambda: backup.save_record("config", {}),
        backup.records,
        lambda: backup.publish({}),
        backup.discard,
    ]
    for step in steps:
        with pytest.raises(AccessManagerError):
            step()
    with pytest.raises(AccessManagerError, match=words):
        backup.records()


@others
@pytest.mark.parametrize("name", [".incoming", "config.zip", ".config.record", "manifest.json", ".nonce"])
def test_what_is_written_goes_into_no_file_that_was_put_there(
    store: BackupStore, put: Put, words: str, name: str, tmp_path: Path
) -> None:
    backup = PartialBackup.begin(store)
    if name == "manifest.json":
        fill(store, backup.id)
    (backup.path / name).unlink(missing_ok=True)
    put(backup.path / name)
    steps: dict[str, Callable[[], object]] = {
        ".incoming": lambda: backup.incoming().__enter__(),
        "config.zip": lambda: backup.write("config.zip", lambda file: file.write(b"secret") and None),
        ".config.record": lambda: backup.save_record("config", {}),
        "manifest.json": lambda: run("backup_commit", backup_root=str(store.root), backup_id=backup.id)["no failure"],
        ".nonce": backup.nonce,
    }
    with pytest.raises((AccessManagerError, KeyError)):
        steps[name]()
    assert store.ids() == []


def test_what_a_server_sends_is_not_written_over_a_file_of_the_user(store: BackupStore, tmp_path: Path) -> None:
    precious = tmp_path / "authorized_keys"
    precious.write_bytes(b"precious")
    backup = PartialBackup.begin(store)
    (backup.path / ".incoming").symlink_to(precious)
    with pytest.raises(AccessManagerError, match="it is a link, which is not followed"), backup.incoming() as file:
        file.write(b"ssh-ed25519 attacker")
    (backup.path / ".incoming").unlink()
    with backup.incoming() as file:
        (backup.path / ".incoming").unlink()
        (backup.path / ".incoming").symlink_to(precious)  # between the making of the file and its use
        file.write(b"ssh-ed25519 attacker")
        (backup.path / ".incoming").unlink()
        file.seek(0)
        assert file.read() == b"ssh-ed25519 attacker"
    assert precious.read_bytes() == b"precious"


# ---- races ----


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_put_in_the_place_of_an_artifact_after_its_check_is_refused_at_once(
    two: BackupStore, key_file: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    put, words = OTHERS[kind]
    problems = content_verification.problems

    def swapped(store: BackupStore, backup_id: str, *arguments: Any) -> list[str]:
        replace(store.folder / backup_id / "config.zip.age", put)
        return problems(store, backup_id, *arguments)

    monkeypatch.setattr(content_verification, "problems", swapped)
    verified = run("backup_verify", backup_root=str(two.root), identity_file=key_file, fail_on_problems=False)
    assert {one["verified"] for one in verified["backups"]} == {"none"}
    for one in verified["backups"]:
        assert any("config.zip.age" in problem and words in problem for problem in one["problems"])


@pytest.fixture
def other_config(store: BackupStore, owner: KeyPair) -> bytes:
    """config.zip.age of another configuration, encrypted to the same key."""
    elsewhere = BackupStore(str(store.root.parent / "elsewhere"), HOST)
    make(elsewhere, ID, encrypt_to(owner.public), content={"config/apphost.json": b'{"forged": true}'})
    return (elsewhere.folder / ID / "config.zip.age").read_bytes()


def swap(path: Path, content: bytes) -> None:
    (path.parent.parent / "new").write_bytes(content)
    (path.parent.parent / "new").rename(path)


def test_a_manifest_that_is_replaced_between_check_and_proof_is_said(
    two: BackupStore, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = content_verification.problems

    def swapped(store: BackupStore, backup_id: str, *arguments: Any) -> list[str]:
        path = store.folder / backup_id / "manifest.json"
        path.write_bytes(path.read_bytes() + b"\n")
        return problems(store, backup_id, *arguments)

    monkeypatch.setattr(content_verification, "problems", swapped)
    verified = run("backup_verify", backup_root=str(two.root), identity_file=key_file, fail_on_problems=False)
    for one in verified["backups"]:
        assert any("was changed while it was verified" in problem for problem in one["problems"])


def test_what_is_swapped_between_check_and_restore_is_not_restored(
    two: BackupStore, key_file: str, other_config: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    undamaged = source_module._undamaged

    def swapped(*arguments: Any, **options: Any) -> Any:
        checked = undamaged(*arguments, **options)
        swap(two.folder / ID / "config.zip.age", other_config)
        return checked

    monkeypatch.setattr(source_module, "_undamaged", swapped)
    decryptor = Decryptor.of({"identity_file": key_file})
    with pytest.raises(AccessManagerError, match=r"config\.zip\.age' is not what was written"):
        open_contents(select(two, ID), decryptor, certificates=False)


def test_what_is_swapped_while_it_is_open_is_not_restored(
    two: BackupStore, key_file: str, other_config: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    decryptor = Decryptor.of({"identity_file": key_file})
    honest = open_contents(select(two, ID), decryptor, certificates=False)
    open_file = Folder.open_file

    def swapped(self: Folder, name: str) -> io.BufferedReader:
        file = open_file(self, name)
        if name == "config.zip.age":
            swap(self.path / name, other_config)
        return file

    source = select(two, ID)
    monkeypatch.setattr(Folder, "open_file", swapped)
    restored = open_contents(source, decryptor, certificates=False)
    assert (two.folder / ID / "config.zip.age").read_bytes() == other_config
    assert restored.held and honest.held
    assert restored.held.files == honest.held.files


def test_a_file_that_grows_is_not_read_for_ever(two: BackupStore, monkeypatch: pytest.MonkeyPatch) -> None:
    open_file = Folder.open_file

    def growing(self: Folder, name: str) -> io.BufferedReader:
        path = self.path / name

        class Growing(io.BufferedReader):
            def readinto(self, buffer: Any) -> int:
                with path.open("ab") as more:
                    more.write(bytes(len(buffer)))
                return super().readinto(buffer)

        with open_file(self, name) as file:
            return Growing(io.FileIO(os.dup(file.fileno())))

    manifest = two.manifest(ID)
    monkeypatch.setattr(Folder, "open_file", growing)
    assert two.damage(manifest["id"], manifest["artifacts"]) == []


# ---- folders of others ----


def refused_by_all(store: BackupStore, key_file: str, sentence: str) -> None:
    for module, said in refusals(store, key_file).items():
        assert sentence in said, module
    with pytest.raises(AccessManagerError, match=sentence):
        PartialBackup.begin(store)


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777])
@pytest.mark.parametrize("place", ["root", "host"])
def test_a_root_or_host_that_others_may_write_to_is_refused_and_nothing_is_written(
    two: BackupStore, key_file: str, mode: int, place: str
) -> None:
    folder = two.root if place == "root" else two.folder
    folder.chmod(mode)
    before = hash_tree(two.root)
    refused_by_all(two, key_file, "others can put backups there")
    assert hash_tree(two.root) == before


@is_root
@pytest.mark.parametrize("place", ["root", "host"])
def test_a_root_or_host_of_another_user_is_refused_and_nothing_is_written(
    two: BackupStore, key_file: str, place: str
) -> None:
    os.chown(two.root if place == "root" else two.folder, NOBODY, NOBODY)
    before = hash_tree(two.root)
    refused_by_all(two, key_file, "its owner can replace backups")
    assert hash_tree(two.root) == before


@is_root
@pytest.mark.parametrize("mode", [0o700, 0o777])
def test_a_backup_of_another_user_is_a_problem_and_never_the_latest(two: BackupStore, key_file: str, mode: int) -> None:
    (two.folder / ID).chmod(mode)
    if mode == 0o700:
        os.chown(two.folder / ID, NOBODY, NOBODY)
    verified = run("backup_verify", backup_root=str(two.root), identity_file=key_file, fail_on_problems=False)
    found = {one["id"]: one["problems"] for one in verified["backups"]}
    assert [f"The folder '{two.folder / ID}'" in problem for problem in found[ID]] == [True]
    assert found[OLDER] == []
    latest = two.latest_complete()
    assert latest and latest["id"] == OLDER
    assert run("backup_prune", backup_root=str(two.root), keep_last=1)["removed"] == []


@is_root
def test_a_partial_backup_of_another_user_is_not_written_to(store: BackupStore, tmp_path: Path) -> None:
    precious = tmp_path / "authorized_keys"
    precious.write_bytes(b"precious")
    backup = PartialBackup.begin(store)
    os.chown(backup.path, NOBODY, NOBODY)
    with pytest.raises(AccessManagerError, match="its owner can replace backups"), backup.incoming() as file:
        file.write(b"attacker")
    with pytest.raises(AccessManagerError, match="its owner can replace backups"):
        backup.write("config.zip", lambda file: file.write(b"attacker") and None)


@is_root
def test_the_option_relaxes_the_owner_and_nothing_else(two: BackupStore, key_file: str) -> None:
    for folder in (two.root, two.folder, *two.folder.iterdir()):
        os.chown(folder, NOBODY, NOBODY)
    options: dict[str, Any] = {"backup_root": str(two.root), "check_backup_owner": False}
    assert run("backup_verify", identity_file=key_file, **options)["msg"].startswith("No problem was found")
    assert len(run("backup_info", all_hosts=True, **options)["backups"]) == 2
    assert run("backup_diff", before=OLDER, after=ID, identity_file=key_file, **options)["differs"] is False
    opened = run("backup_commit", state="opened", encryption="none", inventory={}, **options)
    assert opened["changed"]
    assert run("backup_commit", state="discarded", backup_id=opened["backup_id"], **options)["changed"]
    two.folder.chmod(0o770)
    assert "others can put backups there" in run("backup_info", **options)["msg"]
    two.folder.chmod(0o700)
    replace(two.folder / ID / "manifest.json", lambda path: path.symlink_to(two.folder / OLDER / "manifest.json"))
    verified = run("backup_verify", identity_file=key_file, fail_on_problems=False, **options)
    assert "it is a link, which is not followed" in verified["msg"]


@is_root
def test_a_backup_by_its_path_is_checked_the_same_way(two: BackupStore, key_file: str) -> None:
    decryptor = Decryptor.of({"identity_file": key_file})
    folder, config = f"{two.folder}/{ID}", f"{two.folder}/{ID}/config.zip.age"
    for wanted in (folder, config):
        assert open_contents(select(two, wanted), decryptor, certificates=False).held
    os.chown(folder, NOBODY, NOBODY)
    for wanted in (folder, config):
        with pytest.raises(AccessManagerError, match="its owner can replace backups"):
            open_contents(select(two, wanted), decryptor, certificates=False)
        relaxed = BackupStore(str(two.root), HOST, check_owner=False)
        assert open_contents(select(relaxed, wanted), decryptor, certificates=False).held


@others
def test_nothing_else_than_a_backup_is_opened_by_its_path(
    two: BackupStore, key_file: str, put: Put, words: str
) -> None:
    decryptor = Decryptor.of({"identity_file": key_file})
    folder, config = two.folder / ID, two.folder / ID / "config.zip.age"
    for path in (config, folder):
        replace(path, put)
        with pytest.raises(AccessManagerError, match=words):
            open_contents(select(two, str(path)), decryptor, certificates=False)


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755])
def test_the_usual_roots_work(root: Path, mode: int) -> None:
    root.chmod(mode)
    store = BackupStore(str(root), HOST)
    backup_id = publish(store)
    store.folder.chmod(mode)
    (store.folder / backup_id).chmod(mode)
    assert store.ids() == [backup_id]
    latest = store.latest_complete()
    assert latest and latest["id"] == backup_id


# ---- the source ----

ROOMS = ("_store", "_maintenance", "_contents", "_compare", "_copies", "_restore")
ACTIONS = (
    "attachment_extract.py",
    "backup_commit.py",
    "backup_copy.py",
    "backup_diff.py",
    "backup_fetch.py",
    "backup_info.py",
    "backup_prune.py",
    "backup_verify.py",
    "upgrade_guard.py",
)
OUTSIDE = {"_store/container.py", "_store/folder.py", "_store/high_water_mark.py", "_store/state_file.py"}
"""The class itself, and what lies outside the store."""

NAMED = re.compile(
    r"open|(read|write)_(bytes|text)|iterdir|r?glob|l?stat|exists|is_(file|dir|symlink)|mkdir|unlink|rmdir|symlink_to|touch|chmod|"
    r"listdir|scandir|rmtree|copyfile"
)
NOT_FILES = {
    "self._source.open",
    "self._zip.open",
    "archive.open",
    "file.open",
    "read_bytes",
    "manifest_module.read_bytes",
    "source.open",
}
"""What is named so, and opens nothing by a name: what reads a zip in memory, the bytes of a manifest, a file to be
copied, which its folder opens, and the user's own file that is kept beside backups."""


def uses_by_name(tree: ast.AST) -> Iterator[str]:
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        text = ast.unparse(call.func)
        if text not in NOT_FILES and NAMED.fullmatch(text.rpartition(".")[2]):
            yield f"{call.lineno}: {text}"


def test_no_room_of_the_store_opens_anything_by_its_name() -> None:
    rooms = {path for room in ROOMS for path in (PLUGINS / "plugin_utils" / room).glob("*.py")}
    files = (rooms - {PLUGINS / "plugin_utils" / name for name in OUTSIDE}) | {
        PLUGINS / "action" / name for name in ACTIONS
    }
    found = {str(path.relative_to(PLUGINS)): list(uses_by_name(ast.parse(path.read_text()))) for path in files}
    assert {name: uses for name, uses in found.items() if uses} == {}
    assert len(found) > 30


@pytest.mark.parametrize("text", ["open(path)", "path.open('rb')", "os.open(path, 0)", "(folder / name).read_bytes()"])
def test_the_check_of_the_source_finds_what_it_is_for(text: str) -> None:
    with contextlib.suppress(StopIteration):
        assert next(uses_by_name(ast.parse(text)))
        return
    pytest.fail(text)
