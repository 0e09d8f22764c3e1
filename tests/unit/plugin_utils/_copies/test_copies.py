# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies in folders and by commands, and the record of what was copied."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.folder import Folder
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.backups import KeyPair
from support.playbook import hash_tree
from unit.actions import HOST, run
from unit.encrypted_backups import encrypt_to, make

pytestmark = pytest.mark.slow

FIRST, SECOND = "20261101T020000Z", "20261102T020000Z"


@pytest.fixture
def two(store: BackupStore, owner: KeyPair) -> BackupStore:
    make(store, FIRST, encrypt_to(owner.public), problems=["a problem"])
    make(store, SECOND, encrypt_to(owner.public))
    return store


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    folder = tmp_path / "mount"
    folder.mkdir(mode=0o700)
    return folder


def copy(store: BackupStore, *destinations: dict[str, Any], **options: Any) -> dict[str, Any]:
    return run("backup_copy", backup_root=str(store.root), destinations=list(destinations), **options)


def nas(mount: Path, **more: Any) -> dict[str, Any]:
    return {"name": "nas", "kind": "folder", "path": str(mount)} | more


def command(*arguments: str, **more: Any) -> dict[str, Any]:
    return {"name": "cloud", "kind": "command", "command": list(arguments)} | more


# ---- a folder ----


def test_copy_in_a_folder_is_a_backup_root_itself(two: BackupStore, mount: Path, owner: KeyPair) -> None:
    assert copy(two, nas(mount))["destinations"][0]["copied"] == [SECOND, FIRST]
    assert hash_tree(mount / HOST) == hash_tree(two.folder)
    verified = run("backup_verify", backup_root=str(mount), passphrase=None)
    assert not verified.get("failed"), verified
    assert not copy(two, nas(mount))["changed"]


def test_missing_mount_is_not_mistaken_for_an_empty_folder(two: BackupStore, tmp_path: Path) -> None:
    result = copy(two, nas(tmp_path / "absent"))
    assert result["failed"]
    assert "Mount it" in result["msg"]


def test_copy_that_a_killed_run_left_is_made_again(two: BackupStore, mount: Path) -> None:
    left = mount / HOST / f".copying-{SECOND}"
    left.mkdir(parents=True, mode=0o700)
    (mount / HOST).chmod(0o700)
    (left / "config.zip.age").write_bytes(b"half")
    assert not copy(two, nas(mount))["failed"]
    assert not left.exists()
    assert hash_tree(mount / HOST) == hash_tree(two.folder)


def test_copy_waits_for_another_run_that_copies_to_the_same_folder(two: BackupStore, mount: Path) -> None:
    (mount / HOST).mkdir(mode=0o700)
    with ThreadPoolExecutor() as pool:
        with Folder.at(mount / HOST) as other:
            other.lock()
            running = pool.submit(copy, two, nas(mount))
            with pytest.raises(TimeoutError):
                running.result(1)
            assert list((mount / HOST).iterdir()) == []
        assert not running.result(30)["failed"]
    assert hash_tree(mount / HOST) == hash_tree(two.folder)


def test_damage_in_a_copy_is_found_and_not_written_over(two: BackupStore, mount: Path) -> None:
    copy(two, nas(mount))
    artifact = mount / HOST / SECOND / "config.zip.age"
    artifact.write_bytes(artifact.read_bytes()[:-1] + b"x")
    assert "is not what its record says" in copy(two, nas(mount), state="verified")["msg"]
    artifact.write_bytes(b"shorter")
    assert "it is not replaced" in copy(two, nas(mount))["msg"]
    assert artifact.read_bytes() == b"shorter"


def test_one_destination_that_fails_does_not_keep_the_others(two: BackupStore, mount: Path, tmp_path: Path) -> None:
    result = copy(two, nas(tmp_path / "absent", name="lost"), nas(mount), fail=False)
    assert not result["failed"]
    assert any("lost" in warning for warning in result["warnings"])
    assert result["destinations"][1]["copied"] == [SECOND, FIRST]
    assert result["destinations"][1]["last_success"]


def test_backup_root_itself_and_two_of_one_name_are_refused(two: BackupStore, mount: Path) -> None:
    assert "is the backup root itself" in copy(two, nas(two.root))["msg"]
    assert "Two destinations" in copy(two, nas(mount), nas(mount))["msg"]
    assert "is not absolute" in copy(two, nas(Path("relative")))["msg"]
    assert "has no path" in copy(two, {"name": "nas", "kind": "folder"})["msg"]


def test_host_without_backups_is_refused(store: BackupStore, mount: Path) -> None:
    assert "nothing can be copied" in copy(store, nas(mount))["msg"]


def test_what_is_wrong_with_the_options_is_a_warning_too_where_nothing_may_fail(two: BackupStore, mount: Path) -> None:
    result = copy(two, nas(mount), nas(mount), fail=False)
    assert not result["failed"]
    assert any("Two destinations" in warning for warning in result["warnings"])


def test_what_the_destination_has_already_is_not_hashed_each_night(two: BackupStore, mount: Path) -> None:
    copy(two, nas(mount))
    artifact = two.folder / FIRST / "config.zip.age"
    artifact.write_bytes(bytes(artifact.stat().st_size))
    again = copy(two, nas(mount))
    assert again["problems"] == []
    assert again["destinations"][0]["present"] == [SECOND, FIRST]
    moved = mount / HOST / FIRST
    moved.rename(mount / "moved")
    assert f"The backup {FIRST} of {HOST} is not copied" in copy(two, nas(mount))["msg"]
    assert not moved.exists()


# ---- a command ----


def test_command_gets_the_paths_as_arguments_and_runs_once_for_each_backup(two: BackupStore, mount: Path) -> None:
    program = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2])"
    destination = command(sys.executable, "-c", program, "{source}", str(mount / "{host} {id};$(touch pwned)"))
    assert copy(two, destination)["destinations"][0]["copied"] == [SECOND, FIRST]
    assert sorted(path.name for path in mount.iterdir()) == [f"{HOST} {one};$(touch pwned)" for one in (FIRST, SECOND)]
    assert not Path("pwned").exists()
    assert copy(two, destination)["destinations"][0]["present"] == [SECOND, FIRST]
    (one,) = copy(two, destination, state="verified")["destinations"]
    assert (one["present"], one["unverified"], one["unread"]) == ([], [FIRST, SECOND], 0)


@pytest.mark.parametrize(
    ("arguments", "more", "sentence"),
    [
        (("sh", "-c", "echo disk full >&2; exit 3"), {}, "ended with 3"),
        (("sleep", "60"), {"timeout": 1}, "did not end within 1 s"),
        (("/no/such/program",), {}, "cannot be run"),
    ],
)
def test_command_that_fails_is_a_sentence_and_counts_for_nothing(
    two: BackupStore, arguments: tuple[str, ...], more: dict[str, Any], sentence: str
) -> None:
    result = copy(two, command(*arguments, **more))
    assert result["failed"]
    assert sentence in result["msg"]
    assert result["destinations"][0]["copied"] == []
    assert "was not copied" in copy(two, command(*arguments, **more), state="verified")["msg"]


def test_command_that_does_not_end_is_stopped_with_all_that_it_started(two: BackupStore, mount: Path) -> None:
    program = f"(sleep 2; touch {mount}/late) & sleep 60"
    assert "it was stopped" in copy(two, command("sh", "-c", program, timeout=1))["msg"]
    time.sleep(2)
    assert list(mount.iterdir()) == []
    assert not copy(two, command("sh", "-c", program.replace("60", "2.5"), timeout=30))["failed"]
    assert list(mount.iterdir()) == [mount / "late"]


# ---- the record ----


def test_last_success_is_when_all_backups_were_there(two: BackupStore, mount: Path, owner: KeyPair) -> None:
    first = copy(two, nas(mount))["destinations"][0]["last_success"]
    make(two, "20261103T020000Z", encrypt_to(owner.public))
    artifact = two.folder / "20261103T020000Z" / "config.zip.age"
    artifact.write_bytes(b"damaged")
    assert copy(two, nas(mount))["destinations"][0]["last_success"] == first


def verified(store: BackupStore, **options: Any) -> dict[str, Any]:
    return run("backup_verify", backup_root=str(store.root), **options)


def test_verification_shows_how_old_each_copy_is(two: BackupStore, mount: Path) -> None:
    last = copy(two, nas(mount))["destinations"][0]["last_success"]
    (host,) = verified(two)["hosts"]
    assert host["copies"] == [{"destination": "nas", "last_success": last, "age_hours": 0.0}]
    result = verified(two, copies={HOST: ["nas", "vault"]}, check_copies=26)
    assert "Copies of ams1: nas 0.0 h, vault never." in result["table"]
    assert result["problem_count"] == 1
    assert "Not once did this controller copy every backup of ams1 to 'vault'" in result["msg"]


@pytest.mark.parametrize(
    ("when", "sentence"),
    [("2026-11-01T02:00:00Z", "Every backup of ams1 was at 'nas'"), ("2126-11-01T02:00:00Z", "Not once did")],
)
def test_copy_that_is_too_old_or_dated_in_the_future_fails_the_verification(
    two: BackupStore, mount: Path, state: Path, when: str, sentence: str
) -> None:
    copy(two, nas(mount))
    assert not verified(two, check_copies=26).get("failed")
    (record,) = (state / "copies").iterdir()
    document = json.loads(record.read_text())
    document["destinations"]["nas"]["last_success"] = when
    record.write_text(json.dumps(document))
    result = verified(two, check_copies=26)
    assert result["failed"]
    assert sentence in result["msg"]
    assert not verified(two).get("failed")


def test_host_without_copies_fails_a_verification_that_asks_for_them(two: BackupStore) -> None:
    assert "no destination is named" in verified(two, check_copies=26)["msg"]
    assert "no destination is named" in verified(two, copies={HOST: []}, check_copies=26)["msg"]
    assert "check_copies is 0" in verified(two, check_copies=0)["msg"]
    assert "must be a list of names" in verified(two, copies={HOST: "nas"})["msg"]


def test_metrics_of_runs_say_when_the_copies_were_whole(two: BackupStore, mount: Path, tmp_path: Path) -> None:
    copy(two, nas(mount))
    file = tmp_path / "runs.prom"
    assert not run("backup_metrics", backup_root=str(two.root), prometheus=str(file)).get("failed")
    assert f'run_copy_last_success_timestamp_seconds{{host="{HOST}",destination="nas"}}' in file.read_text()


def test_record_of_someone_else_counts_for_nothing(two: BackupStore, state: Path) -> None:
    assert not copy(two, command("true"))["failed"]
    (record,) = (state / "copies").iterdir()
    record.chmod(0o666)
    assert copy(two, command("true"))["destinations"][0]["copied"] == [SECOND, FIRST]
