# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store that went back in time, or whose newest backup was replaced, is found by what the controller keeps outside of
it.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import high_water_mark, manifest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.high_water_mark import (
    MOST_MARKS,
    HighWaterMark,
    Mark,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.ams_host import write_inventory
from support.backups import KeyPair
from support.playbook import PlaybookRun, hash_tree, run_playbook
from support.plays import COLLECTION, failure_of
from unit.actions import HOST, run
from unit.backups import fill
from unit.encrypted_backups import encrypt_to, make

INVENTORY = {"config/": "1", "config/appsettings.json": "2"}
ONE_BACKUP_MILLISECONDS = 100
"""How long a run may take to see that a usual backup is unchanged and whole."""


def opened(root: Path, inventory: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    result = run(
        "backup_commit",
        backup_root=str(root),
        state="opened",
        encryption="none",
        inventory=inventory or INVENTORY,
        **options,
    )
    assert not result.get("failed"), result
    return result


def back_up(
    root: Path, inventory: dict[str, str] | None = None, *, problems: tuple[str, ...] = (), **options: Any
) -> str:
    """Makes a backup as the role does, whether anything has changed or not; returns its id."""
    backup_id = str(opened(root, inventory, force=True, **options)["backup_id"])
    fill(BackupStore(str(root), HOST), backup_id, inventory=inventory or INVENTORY, problems=problems)
    result = run("backup_commit", backup_root=str(root), backup_id=backup_id, **options)
    assert not result.get("failed"), result
    assert result["warnings"] == []
    return backup_id


def lost(root: Path, **options: Any) -> list[str]:
    """What verification misses in the store."""
    result = run("backup_verify", backup_root=str(root), fail_on_problems=False, **options)
    return [problem for host in result["hosts"] for problem in host["problems"]]


def mark_of(root: Path) -> Path:
    return HighWaterMark(BackupStore(str(root), HOST), None).path


def move_back(root: Path, *backup_ids: str) -> None:
    """Takes the store back to the time before these backups."""
    for backup_id in backup_ids:
        shutil.rmtree(root / HOST / backup_id)


def forge(root: Path, original: str, backup_id: str) -> None:
    """Who may write to the store copies a manifest, and puts noise with sizes and hashes that fit beneath it."""
    folder = root / HOST / backup_id
    folder.mkdir(mode=0o700)
    copied = json.loads((root / HOST / original / manifest.NAME).read_bytes())
    for artifact in copied["artifacts"]:
        noise = os.urandom(64)
        (folder / artifact["name"]).write_bytes(noise)
        artifact |= {"size": len(noise), "sha256": hashlib.sha256(noise).hexdigest()}
    copied |= {"id": backup_id, "created": f"{datetime.datetime.strptime(backup_id, '%Y%m%dT%H%M%SZ').isoformat()}Z"}
    copied["checksum"] = manifest.checksum_of(copied)
    (folder / manifest.NAME).write_bytes(manifest.to_bytes(copied))


def as_id(moment: datetime.datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%SZ")


# ---- the honest run ----


def test_a_store_that_only_grows_is_never_reported(root: Path) -> None:
    for number in range(3):
        back_up(root, INVENTORY | {"config/": str(number)})
        assert lost(root) == []
        assert opened(root, INVENTORY | {"config/": str(number)})["unchanged"]
    assert run("backup_info", backup_root=str(root), backup_id="latest")["warnings"] == []


def test_it_is_kept_outside_the_store_and_for_this_user_alone(root: Path, state: Path) -> None:
    back_up(root)
    assert mark_of(root).is_relative_to(state)
    assert [path.name for path in root.iterdir()] == [HOST]
    for path in [state, *state.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_fresh_controller_misses_nothing(root: Path, tmp_path: Path) -> None:
    back_up(root)
    newest = back_up(root)
    move_back(root, newest)
    elsewhere = str(tmp_path / "another controller")
    assert lost(root, state_dir=elsewhere) == []
    assert opened(root, state_dir=elsewhere)["unchanged"]


def test_what_is_pruned_is_not_missed(root: Path) -> None:
    """An incomplete backup that is superseded on another controller, and older complete ones here."""
    store, mark = BackupStore(str(root), HOST), HighWaterMark(BackupStore(str(root), HOST), None)
    for day, problems in ((19, ()), (20, ("Something is missing.",)), (21, ())):
        made = make(store, f"202611{day}T020000Z", encrypt_to(), problems=problems)
        if day < 21:  # this controller did not see the last one
            mark.advance(Mark.of(made, manifest.to_bytes(made)))
    elsewhere = str(root.parent / "another controller")
    removed = run("backup_prune", backup_root=str(root), keep_last=1, state_dir=elsewhere)["removed"]
    assert [one["id"] for one in removed] == ["20261119T020000Z", "20261120T020000Z"]
    assert lost(root) == []
    back_up(root)
    assert lost(root) == []
    assert [one.id for one in mark.marks()] == [store.ids()[-1]]


def test_a_root_that_was_moved_is_another_store(root: Path, tmp_path: Path) -> None:
    back_up(root)
    moved = root.rename(tmp_path / "moved")
    assert lost(moved) == []
    assert opened(moved)["unchanged"]


def test_one_root_by_two_names_is_one_store(root: Path, tmp_path: Path) -> None:
    back_up(root)
    newest = back_up(root)
    link = tmp_path / "link"
    link.symlink_to(root.parent)
    move_back(root, newest)
    assert len(lost(link / root.name)) == 1


def test_check_mode_writes_nothing(root: Path, state: Path) -> None:
    backup_id = opened(root)["backup_id"]
    fill(BackupStore(str(root), HOST), backup_id, inventory=INVENTORY)
    run("backup_commit", check=True, backup_root=str(root), backup_id=backup_id)
    assert not state.exists()
    back_up(root)
    newest = back_up(root)
    move_back(root, newest)
    before = hash_tree(state)
    result = run("backup_verify", check=True, backup_root=str(root), accept_history=True, fail_on_problems=False)
    assert (result["changed"], result["accepted_hosts"]) == (True, [HOST])
    assert hash_tree(state) == before
    assert len(lost(root)) == 1


# ---- a store that went back in time ----


def test_a_store_that_went_back_in_time_is_a_problem_until_it_is_accepted(root: Path) -> None:
    older = back_up(root)
    newest = back_up(root, INVENTORY | {"config/": "new"})
    move_back(root, newest)
    problems = lost(root)
    assert len(problems) == 1
    assert f"its newest backup is {older}, and this controller published {newest} there" in problems[0]
    assert "verify_accept_history=true" in problems[0]
    assert str(mark_of(root)) in problems[0]
    warnings = run("backup_info", backup_root=str(root), backup_id="latest")["warnings"]
    assert [newest in warning for warning in warnings] == [True]
    accepted = run("backup_verify", backup_root=str(root), accept_history=True)
    assert (accepted["changed"], accepted["accepted_hosts"]) == (True, [HOST])
    assert lost(root) == []
    assert opened(root)["unchanged"]
    assert run("backup_verify", backup_root=str(root), accept_history=True)["accepted_hosts"] == []


def test_removing_the_mark_accepts_it_too(root: Path) -> None:
    back_up(root)
    move_back(root, back_up(root))
    mark_of(root).unlink()
    assert lost(root) == []


def test_a_backup_reports_it_and_goes_on_and_it_stays_a_problem(root: Path) -> None:
    back_up(root)
    newest = back_up(root, INVENTORY | {"config/": "new"})
    move_back(root, newest)
    result = opened(root)
    assert not result["unchanged"]
    assert any(f"published {newest}" in warning for warning in result["warnings"])
    back_up(root)
    assert [newest in problem for problem in lost(root)] == [True]
    assert opened(root)["unchanged"]


def test_a_comparison_warns_of_it(root: Path) -> None:
    store = BackupStore(str(root), HOST)
    made = [
        make(store, backup_id, encrypt_to())
        for backup_id in ("20261119T020000Z", "20261120T020000Z", "20261121T020000Z")
    ]
    HighWaterMark(store, None).advance(Mark.of(made[2], manifest.to_bytes(made[2])))
    options = {"backup_root": str(root), "before": made[0]["id"], "after": made[1]["id"]}
    assert run("backup_diff", **options)["warnings"] == []
    move_back(root, made[2]["id"])
    assert [made[2]["id"] in warning for warning in run("backup_diff", **options)["warnings"]] == [True]


@pytest.mark.parametrize("module", ["config_restore", "certificate_import"])
def test_the_newest_backup_of_such_a_store_is_not_restored(
    root: Path, owner: KeyPair, tmp_path: Path, module: str
) -> None:
    store = BackupStore(str(root), HOST)
    made = [make(store, backup_id, encrypt_to(owner.public)) for backup_id in ("20261120T020000Z", "20261121T020000Z")]
    HighWaterMark(store, None).advance(Mark.of(made[1], manifest.to_bytes(made[1])))
    key = tmp_path / "key.txt"
    key.write_text(owner.private)
    move_back(root, made[1]["id"])
    options: dict[str, Any] = {"backup_root": str(root), "identity_file": str(key)}
    refused = run(module, **options)
    assert refused["failed"]
    assert "is not restored" in refused["msg"]
    assert "went back in time" in refused["msg"]
    named = run(module, **options, backup_id=made[0]["id"])
    assert "is not reached as a Windows host" in named["msg"]  # the backup was opened, and the server is asked next


def test_prune_removes_nothing_from_such_a_store(root: Path) -> None:
    for number in range(3):
        back_up(root, INVENTORY | {"config/": str(number)})
    move_back(root, back_up(root))
    before = hash_tree(root)
    result = run("backup_prune", backup_root=str(root), keep_last=1)
    assert result["failed"]
    assert result["msg"].startswith("Nothing is removed.")
    assert hash_tree(root) == before


def test_a_host_that_vanished_is_a_problem(root: Path) -> None:
    backup_id = back_up(root)
    shutil.rmtree(root / HOST)
    assert f"The backups of {HOST} are gone from '{root}': this controller published {backup_id} there." in " ".join(
        lost(root)
    )
    assert run("backup_verify", backup_root=str(root), accept_history=True, fail_on_problems=False)[
        "accepted_hosts"
    ] == [HOST]
    assert not mark_of(root).exists()
    assert "There is no backup of any host" in run("backup_verify", backup_root=str(root))["msg"]


def test_an_unmounted_root_is_a_problem(root: Path, tmp_path: Path) -> None:
    back_up(root)
    root.rename(tmp_path / "mounted elsewhere")
    root.mkdir()
    assert "are gone from" in " ".join(lost(root))


@pytest.mark.slow
def test_the_playbook_keeps_it_where_the_inventory_says_and_accepts_by_a_variable(root: Path, tmp_path: Path) -> None:
    store = BackupStore(str(root), HOST)
    made = [make(store, backup_id, encrypt_to()) for backup_id in ("20261120T020000Z", "20261121T020000Z")]
    HighWaterMark(store, str(tmp_path / "kept")).advance(Mark.of(made[1], manifest.to_bytes(made[1])))
    move_back(root, made[1]["id"])
    settings = {"access_manager_backup_root": str(root), "access_manager_state_dir": str(tmp_path / "kept")}
    inventory = write_inventory(tmp_path / "inventory.yml", {HOST: settings})

    def verify(**variables: Any) -> PlaybookRun:
        return run_playbook(f"{COLLECTION}.verify", inventory, extra_vars={"verify_root": str(root)} | variables)

    before = verify()
    assert before.rc == 2, before.output
    assert "went back in time" in failure_of(before, HOST)
    assert verify(verify_accept_history=True).rc == 0
    assert verify().rc == 0


# ---- a backup that was replaced ----


def test_a_copied_manifest_over_noise_does_not_make_a_run_unchanged(root: Path) -> None:
    genuine = back_up(root)
    later = as_id(datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=5))
    forge(root, genuine, later)
    shutil.rmtree(root / HOST / genuine)
    assert BackupStore(str(root), HOST).latest_complete()  # without the mark, nobody could tell
    result = opened(root)
    assert not result["unchanged"]
    assert result["backup_id"]
    assert any(genuine in warning for warning in result["warnings"])


def test_a_genuine_backup_beside_the_forged_one_is_found(root: Path) -> None:
    genuine = back_up(root)
    forge(root, genuine, as_id(datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=5)))
    result = opened(root)
    assert (result["unchanged"], result["latest"]["id"]) == (True, genuine)


@pytest.mark.parametrize("size", ["the same", "another"])
def test_noise_under_a_genuine_manifest_does_not_make_a_run_unchanged(root: Path, size: str) -> None:
    artifact = root / HOST / back_up(root) / "config.zip"
    artifact.write_bytes(os.urandom(artifact.stat().st_size + (size == "another")))
    assert not opened(root)["unchanged"]


def test_a_backup_that_was_replaced_under_its_own_id_is_found_and_not_restored(root: Path) -> None:
    genuine = back_up(root)
    shutil.move(root / HOST / genuine, root / "aside")
    (root / HOST / "20261120T020000Z").parent.mkdir(exist_ok=True)
    shutil.copytree(root / "aside", root / HOST / "20261120T020000Z")
    forge(root, "20261120T020000Z", genuine)
    shutil.rmtree(root / HOST / "20261120T020000Z")
    shutil.rmtree(root / "aside")
    assert "was replaced" in " ".join(lost(root))
    assert not opened(root)["unchanged"]
    refused = run("config_restore", backup_root=str(root), backup_id=genuine)
    assert "was replaced" in refused["msg"]


def test_a_backup_of_2099_is_never_the_newest(root: Path) -> None:
    genuine = back_up(root)
    forge(root, genuine, "20990101T000000Z")
    mark_of(root).unlink()
    store = BackupStore(str(root), HOST)
    assert (store.latest_complete() or {})["id"] == genuine
    shutil.rmtree(root / HOST / genuine)
    assert store.latest_complete() is None
    assert not opened(root)["unchanged"]


def test_two_controllers_do_not_drive_each_other_to_new_backups(root: Path, tmp_path: Path) -> None:
    states = [str(tmp_path / name) for name in ("one", "two")]
    for number in range(3):
        inventory = INVENTORY | {"config/": str(number)}
        for state_dir in states:
            if not opened(root, inventory, state_dir=state_dir)["unchanged"]:
                back_up(root, inventory, state_dir=state_dir)
        for state_dir in states * 2:
            assert opened(root, inventory, state_dir=state_dir)["unchanged"]


def test_seeing_that_nothing_has_changed_is_quick(root: Path, owner: KeyPair) -> None:
    """A usual backup: one that make bench makes of a standard server has 210 KiB.

    This one has 2 MiB, of which all is hashed.
    """
    store = BackupStore(str(root), HOST)
    made = make(store, "20261120T020000Z", encrypt_to(owner.public), parts={"config.zip": os.urandom(2 * 1024**2)})
    HighWaterMark(store, None).advance(Mark.of(made, manifest.to_bytes(made)))
    published = HighWaterMark(store, None).newest_complete()
    assert published
    best = []
    for _attempt in range(5):
        begin = time.process_time()
        assert HighWaterMark(store, None).problems() == []
        assert store.latest_complete(only=published.sha256)
        best.append((time.process_time() - begin) * 1000)
    print(f"{min(best):.1f} ms")
    assert min(best) < ONE_BACKUP_MILLISECONDS


# ---- the file ----


def test_a_state_that_cannot_be_written_is_a_warning_and_the_backup_is_there(root: Path, tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    backup_id = opened(root)["backup_id"]
    fill(BackupStore(str(root), HOST), backup_id, inventory=INVENTORY)
    result = run("backup_commit", backup_root=str(root), backup_id=backup_id, state_dir=str(occupied))
    assert not result.get("failed")
    assert len(result["warnings"]) == 1
    assert f"The backup {backup_id} is published" in result["warnings"][0]
    assert str(occupied) in result["warnings"][0]
    assert BackupStore(str(root), HOST).ids() == [backup_id]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"format": 2, "root": "/", "host": "a", "marks": []}',
        b'{"format": 1, "root": "/", "host": "a", "marks": []}',
        b'{"format": 1, "root": "/", "host": "a", "marks": [{"id": "../..", "sha256": "00", "complete": true}]}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_named_and_keeps_no_backup_from_being_made(root: Path, content: bytes) -> None:
    back_up(root)
    mark_of(root).write_bytes(content)
    assert str(mark_of(root)) in " ".join(lost(root))
    assert any(str(mark_of(root)) in warning for warning in opened(root, INVENTORY | {"new": "1"})["warnings"])
    back_up(root)
    assert lost(root) == []


def test_a_file_that_others_can_write_is_not_believed(root: Path) -> None:
    back_up(root)
    mark_of(root).chmod(0o660)
    assert "may be of someone else" in " ".join(lost(root))
    back_up(root)  # which writes it again
    assert lost(root) == []


@pytest.mark.parametrize("place", ["link", "pipe", "folder"])
def test_what_is_no_file_in_its_place_is_not_followed_and_not_waited_for(
    root: Path, tmp_path: Path, place: str
) -> None:
    back_up(root)
    path = mark_of(root)
    path.unlink()
    {
        "link": lambda: path.symlink_to(tmp_path / "elsewhere"),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
    }[place]()
    assert str(path) in " ".join(lost(root))


def test_a_relative_folder_is_refused_in_a_sentence(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "relative/folder")  # which the standard says to ignore
    monkeypatch.setenv("HOME", "/nowhere")
    assert high_water_mark.hosts(str(root), None) == []
    assert HighWaterMark(BackupStore(str(root), HOST), None).path.is_relative_to(
        "/nowhere/.local/state/lithnet.access_manager"
    )
    problems = HighWaterMark(BackupStore(str(root), HOST), "state").problems()
    assert "'state' is not an absolute path" in problems[0]


@pytest.mark.parametrize("host", ["a" * 255, "ä" * 127, "host with spaces", "🏰" * 63])
def test_any_name_of_a_host_names_a_file(root: Path, host: str) -> None:
    store = BackupStore(str(root), host)
    HighWaterMark(store, None).advance(Mark("20261120T020000Z", "0" * 64, True))
    assert high_water_mark.hosts(str(root), None) == [host]
    assert "are gone from" in HighWaterMark(store, None).problems()[0]


def test_what_is_missed_is_bounded(root: Path) -> None:
    mark = HighWaterMark(BackupStore(str(root), HOST), None)
    for number in range(MOST_MARKS + 5):
        mark.advance(Mark(f"202611{number // 60 % 24 + 1:02}T0000{number % 60:02}Z", "0" * 64, True))
    assert len(mark.marks()) == MOST_MARKS
