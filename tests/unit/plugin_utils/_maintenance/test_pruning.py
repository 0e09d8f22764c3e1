# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pruning: what goes, what stays and why, and that nothing else is ever touched."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import prune_log, removal
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import store as store_module
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.chain import Link
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.partial import PartialBackup
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.backups import KeyPair
from support.certificates import EXPIRED, TestCertificate, make_certificate
from support.playbook import hash_tree
from unit.actions import HOST, run
from unit.encrypted_backups import encrypt_to, make

DAYS = tuple(f"202611{day}T020000Z" for day in range(14, 24))


@pytest.fixture(scope="module")
def expired() -> TestCertificate:
    return make_certificate(EXPIRED)


@pytest.fixture
def ten(store: BackupStore, owner: KeyPair) -> BackupStore:
    """A complete backup of each of ten days."""
    for backup_id in DAYS:
        make(store, backup_id, encrypt_to(owner.public))
    return store


def prune(store: BackupStore, **options: Any) -> dict[str, Any]:
    result = run("backup_prune", backup_root=str(store.root), **options)
    assert not result.get("failed"), result
    return result


def refused(store: BackupStore, **options: Any) -> str:
    result = run("backup_prune", backup_root=str(store.root), **options)
    assert result["failed"], result
    return str(result["msg"])


def removed(result: dict[str, Any]) -> list[str]:
    return [one["id"] for one in result["removed"]]


def reasons(result: dict[str, Any]) -> dict[str, list[str]]:
    return {one["id"]: one["reasons"] for one in result["kept"]}


def problems(store: BackupStore) -> list[str]:
    """What verification finds then."""
    result = run("backup_verify", backup_root=str(store.root), fail_on_problems=False)
    return [problem for one in result["backups"] + result["hosts"] for problem in one["problems"]]


# ---- what goes and what stays ----


def test_what_no_rule_keeps_goes_and_the_rest_verifies(ten: BackupStore) -> None:
    sizes = {one: sum(file.stat().st_size for file in (ten.folder / one).glob("*.age")) for one in DAYS}
    result = prune(ten, keep_last=2, keep_weekly=2)
    assert result["changed"]
    assert removed(result) == [*DAYS[:8]]  # the weeks are those of the 22nd and the 23rd
    assert reasons(result) == {DAYS[8]: ["last", "weekly"], DAYS[9]: ["last", "weekly"]}
    assert result["freed"] == sum(sizes[one] for one in DAYS[:8])
    assert ten.ids() == [*DAYS[8:]]
    assert problems(ten) == []


def test_the_rest_verifies_whatever_went(ten: BackupStore) -> None:
    for rules in ({"keep_daily": 9}, {"keep_weekly": 3, "keep_last": 3}, {"keep_weekly": 3}, {"keep_last": 1}):
        prune(ten, **rules)
        assert problems(ten) == []
    assert ten.ids() == [DAYS[9]]


def test_a_backup_made_after_a_prune_goes_on_with_the_chain(ten: BackupStore, owner: KeyPair) -> None:
    prune(ten, keep_last=1)
    make(ten, "20261124T020000Z", encrypt_to(owner.public))
    prune(ten, keep_last=1)
    make(ten, "20261125T020000Z", encrypt_to(owner.public))
    assert problems(ten) == []


def test_a_second_run_changes_nothing(ten: BackupStore) -> None:
    prune(ten, keep_daily=3)
    before = hash_tree(ten.root)
    again = prune(ten, keep_daily=3)
    assert not again["changed"]
    assert again["removed"] == []
    assert hash_tree(ten.root) == before


def test_check_mode_lists_and_touches_nothing(ten: BackupStore) -> None:
    before = hash_tree(ten.root)
    result = prune(ten, keep_daily=3, check=True)
    assert result["changed"]
    assert removed(result) == [*DAYS[:7]]
    assert result["diff"]["prepared"].splitlines()[0] == f"- ams1 {DAYS[0]}: no rule keeps it"
    assert hash_tree(ten.root) == before
    assert removed(prune(ten, keep_daily=3)) == removed(result)


def test_only_the_named_host_is_pruned(ten: BackupStore, owner: KeyPair) -> None:
    other = BackupStore(str(ten.root), "ams2")
    for backup_id in DAYS[:2]:
        make(other, backup_id, encrypt_to(owner.public))
    prune(ten, keep_last=1)
    assert other.ids() == [*DAYS[:2]]
    prune(ten, keep_last=1, host="ams2")
    assert other.ids() == [DAYS[1]]


def test_a_host_without_backups_has_nothing_to_prune(root: Path) -> None:
    assert not prune(BackupStore(str(root), HOST), keep_last=1)["changed"]
    assert list(root.iterdir()) == []


def test_neither_file_times_nor_manifests_count(ten: BackupStore) -> None:
    os.utime(ten.folder / DAYS[0], (2**31, 2**31))
    assert reasons(prune(ten, keep_last=1)).keys() == {DAYS[9]}


# ---- incomplete and doubtful ones ----


def test_incomplete_ones_do_not_count_and_go_when_a_newer_one_is_complete(store: BackupStore, owner: KeyPair) -> None:
    for number, backup_id in enumerate(DAYS):
        make(store, backup_id, encrypt_to(owner.public), problems=["One."] if number % 2 else [])
    result = prune(store, keep_last=3)
    assert reasons(result) == {
        DAYS[4]: ["last"],
        DAYS[6]: ["last"],
        DAYS[8]: ["last"],
        DAYS[9]: ["incomplete, and no newer backup is complete"],
    }
    why = {one["id"]: one["reason"] for one in result["removed"]}
    assert why[DAYS[0]] == "no rule keeps it"
    assert why[DAYS[7]] == "incomplete, and a newer backup is complete"
    assert problems(store) == []


def test_without_a_complete_one_nothing_goes(store: BackupStore, owner: KeyPair) -> None:
    for backup_id in DAYS[:3]:
        make(store, backup_id, encrypt_to(owner.public), problems=["One."])
    assert not prune(store, keep_last=1)["changed"]


def test_a_damaged_one_neither_counts_nor_goes(ten: BackupStore) -> None:
    """The newest is damaged: were it counted, the last whole one would go."""
    path = ten.folder / DAYS[9] / "config.zip.age"
    path.write_bytes(path.read_bytes()[:-1])
    (ten.folder / DAYS[7] / "manifest.json").write_text("{")
    result = prune(ten, keep_last=2)
    assert reasons(result).keys() == {DAYS[6], DAYS[8]}
    assert [one["id"] for one in result["doubtful"]] == [DAYS[7], DAYS[9]]
    assert all("is neither counted nor removed" in warning for warning in result["warnings"])
    assert ten.ids() == [*DAYS[6:]]


def test_one_of_a_time_to_come_neither_counts_nor_goes(ten: BackupStore, owner: KeyPair) -> None:
    to_come = "20990101T000000Z"
    make(ten, to_come, encrypt_to(owner.public))
    result = prune(ten, keep_last=2)
    assert reasons(result).keys() == {DAYS[8], DAYS[9]}
    assert [one["id"] for one in result["doubtful"]] == [to_come]
    assert "is dated in the future: check the controller's clock" in result["warnings"][0]
    assert ten.ids() == [DAYS[8], DAYS[9], to_come]


def test_what_a_killed_prune_left_does_not_stop_the_next(ten: BackupStore) -> None:
    left = ten.folder / f".removing-{DAYS[0]}"
    left.mkdir()
    (left / "config.zip.age").write_bytes(b"half")
    assert DAYS[0] in removed(prune(ten, keep_last=2))
    assert not left.exists()


def test_only_what_is_kept_is_read_whole(ten: BackupStore) -> None:
    """A damaged one that no rule would keep goes: what is newer is whole."""
    (ten.folder / DAYS[2] / "config.zip.age").write_bytes(b"")
    assert DAYS[2] in removed(prune(ten, keep_last=2))


# ---- private keys ----


@pytest.mark.slow
def test_the_last_backup_with_a_private_key_stays_and_says_so(
    store: BackupStore, owner: KeyPair, certificate: TestCertificate, expired: TestCertificate
) -> None:
    for number, backup_id in enumerate(DAYS):
        held = [certificate, expired] if number < 4 else [certificate]
        make(store, backup_id, encrypt_to(owner.public), certificates=held, without_key=[] if number < 4 else [expired])
    result = prune(store, keep_last=1)
    assert reasons(result) == {
        DAYS[3]: [f"the last private key of certificate {expired.thumbprint}"],
        DAYS[9]: ["last"],
    }
    assert problems(store) == []
    assert not prune(store, keep_last=1)["changed"]


def test_a_key_in_an_incomplete_or_damaged_backup_does_not_count(
    store: BackupStore, owner: KeyPair, certificate: TestCertificate
) -> None:
    for number, backup_id in enumerate(DAYS):
        make(
            store,
            backup_id,
            encrypt_to(owner.public),
            certificates=[certificate] if number in (2, 3, 9) else [],
            problems=["One."] if number == 9 else [],
        )
    (store.folder / DAYS[3] / "certificates.zip.age").write_bytes(b"")
    result = prune(store, keep_last=1)
    assert reasons(result)[DAYS[2]] == [f"the last private key of certificate {certificate.thumbprint}"]
    assert [one["id"] for one in result["doubtful"]] == [DAYS[3]]
    assert store.ids() == [DAYS[2], DAYS[3], DAYS[8], DAYS[9]]


def test_an_incomplete_backup_with_the_only_copy_of_a_key_stays(
    store: BackupStore, owner: KeyPair, certificate: TestCertificate
) -> None:
    make(store, DAYS[0], encrypt_to(owner.public), certificates=[certificate], problems=["One."])
    make(store, DAYS[1], encrypt_to(owner.public))
    assert reasons(prune(store, keep_last=1)).keys() == {DAYS[0], DAYS[1]}


def test_each_of_several_keys_keeps_its_newest_backup(
    store: BackupStore, owner: KeyPair, certificate: TestCertificate, expired: TestCertificate
) -> None:
    for backup_id, held in zip(DAYS, ([certificate], [expired], [certificate], []), strict=False):
        make(store, backup_id, encrypt_to(owner.public), certificates=held)
    assert reasons(prune(store, keep_last=1)).keys() == {DAYS[1], DAYS[2], DAYS[3]}


# ---- refusals ----


def test_without_a_rule_it_is_refused(ten: BackupStore) -> None:
    assert "give at least one of keep_last" in refused(ten)
    assert """-e '{"prune_keep": {"last": 7}}'""" in refused(ten)
    assert "give at least one of keep_last" in refused(ten, keep_daily=0)
    assert "keep_within is 'soon'" in refused(ten, keep_within="soon")
    assert "keep_last is -7" in refused(ten, keep_last=-7)
    assert ten.ids() == [*DAYS]


def test_a_missing_root_is_refused(tmp_path: Path) -> None:
    assert "is not a folder" in refused(BackupStore(str(tmp_path / "missing"), HOST), keep_last=1)


def test_a_name_that_no_backup_has_is_refused_with_those_that_have(ten: BackupStore) -> None:
    assert "There is no backup of 'asm1' in" in refused(ten, keep_last=1, host="asm1")
    assert refused(ten, keep_last=1, host="asm1").endswith(f"which has backups of: {HOST}.")
    assert ten.ids() == [*DAYS]


# ---- deleted by hand ----


def test_a_backup_deleted_by_hand_is_missed_until_it_is_forgotten(ten: BackupStore) -> None:
    shutil.rmtree(ten.folder / DAYS[4])
    assert f"The backup {DAYS[4]}, which came before {DAYS[5]}, is missing" in problems(ten)[0]
    prune(ten, keep_last=3)
    shutil.rmtree(ten.folder / DAYS[8])
    assert f"The backup {DAYS[8]}, which came before {DAYS[9]}, is missing" in problems(ten)[0]
    before = hash_tree(ten.root)
    assert prune(ten, forget=[DAYS[4], DAYS[8]], check=True)["forgotten"] == [DAYS[4], DAYS[8]]
    assert hash_tree(ten.root) == before
    assert prune(ten, forget=[DAYS[4], DAYS[8]])["changed"]
    assert problems(ten) == []
    assert ten.ids() == [DAYS[5], DAYS[7], DAYS[9]]


def test_pruning_its_neighbours_does_not_hide_a_deleted_one(ten: BackupStore) -> None:
    shutil.rmtree(ten.folder / DAYS[4])
    prune(ten, keep_last=2)
    assert f"The backup {DAYS[4]}, which came before {DAYS[5]}, is missing" in " ".join(problems(ten))


def test_what_is_there_or_unknown_is_not_forgotten(ten: BackupStore) -> None:
    assert "is there" in refused(ten, forget=[DAYS[4]])
    assert "nothing to forget" in refused(ten, forget=["20200101T000000Z"])
    assert "nothing to forget" in refused(ten, forget=["../ams2"])


def test_a_record_excuses_only_what_it_names(ten: BackupStore) -> None:
    prune(ten, keep_last=5)
    shutil.rmtree(ten.folder / DAYS[7])
    assert f"The backup {DAYS[7]}" in problems(ten)[0]


@pytest.mark.parametrize(
    "rest", [b'{"id": "2026', b"\n\n", b"[]\nnull\n7\n", b'{"id": 1, "sha256": null}\n', b"\xff\n", b"[" * 100_000]
)
def test_a_damaged_record_does_no_harm(ten: BackupStore, rest: bytes) -> None:
    """A crash may leave half a line; the next one begins on its own."""
    prune(ten, keep_last=8)
    with (ten.folder / prune_log.NAME).open("ab") as file:
        file.write(rest)
    prune(ten, keep_last=5)
    assert problems(ten) == []


def test_without_its_record_a_pruned_backup_is_missed(ten: BackupStore) -> None:
    prune(ten, keep_last=5)
    (ten.folder / prune_log.NAME).unlink()
    assert f"The backup {DAYS[4]}, which came before {DAYS[5]}, is missing" in problems(ten)[0]


# ---- nothing else is touched ----


def test_the_record_is_its_owners_alone(ten: BackupStore) -> None:
    prune(ten, keep_last=5)
    assert stat.S_IMODE((ten.folder / prune_log.NAME).stat().st_mode) == 0o600
    lines = [json.loads(line) for line in (ten.folder / prune_log.NAME).read_text().splitlines()]
    assert [link["id"] for line in lines for link in line["pruned"]] == [*DAYS[:5]]


def test_a_link_in_place_of_a_backup_is_neither_followed_nor_removed(ten: BackupStore, tmp_path: Path) -> None:
    shutil.move(ten.folder / DAYS[1], tmp_path / DAYS[1])
    (ten.folder / DAYS[1]).symlink_to(tmp_path / DAYS[1])
    before = hash_tree(tmp_path / DAYS[1])
    result = prune(ten, keep_last=1)
    assert DAYS[1] not in removed(result)
    assert "is a link, which is not followed" in result["doubtful"][0]["problems"][0]
    assert hash_tree(tmp_path / DAYS[1]) == before
    assert (ten.folder / DAYS[1]).is_symlink()


def test_links_within_a_backup_are_not_followed(ten: BackupStore, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    (ten.folder / DAYS[0] / "more").symlink_to(tmp_path / "precious")
    (ten.folder / DAYS[0] / "folder").mkdir()
    (ten.folder / DAYS[0] / "folder" / "more").symlink_to(tmp_path / "precious")
    assert DAYS[0] in removed(prune(ten, keep_last=1))
    assert (tmp_path / "precious" / "file").read_text() == "x"


def test_a_host_folder_that_is_a_link_is_refused(ten: BackupStore, tmp_path: Path) -> None:
    (ten.root / "ams2").symlink_to(ten.folder)
    shutil.move(ten.folder, tmp_path / "elsewhere")
    (ten.root / HOST).symlink_to(tmp_path / "elsewhere")
    before = hash_tree(tmp_path / "elsewhere")
    assert "is a link, which is not followed" in refused(ten, keep_last=1)
    assert hash_tree(tmp_path / "elsewhere") == before


def test_a_host_folder_that_becomes_a_link_is_refused_at_the_last_moment(ten: BackupStore, tmp_path: Path) -> None:
    shutil.move(ten.folder, tmp_path / "elsewhere")
    (ten.root / HOST).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(store_module.AccessManagerError, match="it is a link, which is not followed"):
        removal.prune(ten, [Link(DAYS[0], "0" * 64)])
    assert (tmp_path / "elsewhere" / DAYS[0]).is_dir()
    assert not (tmp_path / "elsewhere" / prune_log.NAME).exists()


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_backup_that_becomes_something_else_is_not_removed(ten: BackupStore, tmp_path: Path, kind: str) -> None:
    shutil.move(ten.folder / DAYS[0], tmp_path / DAYS[0])
    if kind == "link":
        (ten.folder / DAYS[0]).symlink_to(tmp_path / DAYS[0])
    else:
        (ten.folder / DAYS[0]).touch()
    with pytest.raises(store_module.AccessManagerError, match="is no folder: it is not removed"):
        removal.prune(ten, [Link(DAYS[0], "0" * 64)])
    assert len(list((tmp_path / DAYS[0]).iterdir())) == 4
    assert (ten.folder / DAYS[0]).exists()


def test_a_record_that_is_a_link_is_not_written_through(ten: BackupStore, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    (ten.folder / prune_log.NAME).symlink_to(tmp_path / "precious")
    assert "it is a link, which is not followed" in refused(ten, keep_last=1)
    assert (tmp_path / "precious").read_text() == "x"
    assert ten.ids() == [*DAYS]


def test_a_record_that_is_also_another_file_is_not_written_to(ten: BackupStore, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    os.link(tmp_path / "precious", ten.folder / prune_log.NAME)
    assert ".pruned.jsonl' cannot be written on the controller: it has another name too (a hard link)" in refused(
        ten, keep_last=1
    )
    assert (tmp_path / "precious").read_text() == "x"
    assert ten.ids() == [*DAYS]


def test_strangers_in_the_folder_stay(ten: BackupStore) -> None:
    (ten.folder / "notes.txt").write_text("x")
    (ten.folder / ".removing-notes").mkdir()
    opened = PartialBackup.begin(ten).id
    prune(ten, keep_last=1)
    assert {path.name for path in ten.folder.iterdir()} == {
        DAYS[9],
        "notes.txt",
        ".removing-notes",
        f".partial-{opened}",
        prune_log.NAME,
    }


# ---- interrupted ----


def test_what_a_killed_run_left_is_deleted_by_the_next(ten: BackupStore) -> None:
    prune(ten, keep_last=9)
    (ten.folder / DAYS[1]).rename(ten.folder / f".removing-{DAYS[1]}")
    assert DAYS[1] not in ten.ids()
    prune(ten, keep_last=-1)
    assert not (ten.folder / f".removing-{DAYS[1]}").exists()


def test_killed_at_any_moment_it_leaves_whole_backups_that_verify(ten: BackupStore) -> None:
    """A copy is pruned by a process that is killed after more and more calls of the system that change something."""
    whole = {one: hash_tree(ten.folder / one) for one in DAYS}
    for calls in range(12):
        shutil.rmtree(ten.root / "ams2", ignore_errors=True)
        copy = BackupStore(str(ten.root), "ams2")
        shutil.copytree(ten.folder, copy.folder)
        if not (child := os.fork()):
            _kill_after(calls)
            removal.prune(copy, [Link(one, "0" * 64) for one in DAYS[:4]])
            os._exit(0)
        os.waitpid(child, 0)
        assert {one: hash_tree(copy.folder / one) for one in copy.ids()} == {one: whole[one] for one in copy.ids()}
        removal.prune(copy, [])
        assert not list(copy.folder.glob(".removing-*"))
        gone = set(DAYS) - set(copy.ids())
        assert gone <= {link.id for link in copy.pruned()} & set(DAYS[:4])


def _kill_after(calls: int) -> None:
    """Ends this process without warning before the next change, when this many were made."""
    left = [calls]
    changing = {"os.rename", "os.remove", "os.rmdir", "open"}

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        if event in changing and not (
            event == "open" and isinstance(arguments[2], int) and not arguments[2] & os.O_CREAT
        ):
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1

    sys.addaudithook(count)


@pytest.mark.slow
def test_runs_at_once_with_different_rules_leave_the_last_key(
    store: BackupStore, owner: KeyPair, certificate: TestCertificate
) -> None:
    """One keeps the key in the newest backup of the week of the 15th, the other in the newest that has it, of the 17th.
    """
    for number, backup_id in enumerate(DAYS):
        make(store, backup_id, encrypt_to(owner.public), certificates=[certificate] if number < 4 else [])
    whole = store.root.parent / "whole"
    store.folder.rename(whole)
    for _round in range(8):
        shutil.rmtree(store.folder, ignore_errors=True)
        shutil.copytree(whole, store.folder)
        children = []
        for rules in ({"keep_last": 1}, {"keep_weekly": 3}):
            if not (child := os.fork()):
                os._exit(bool(run("backup_prune", backup_root=str(store.root), **rules).get("failed")))
            children.append(child)
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
        assert store.ids() in ([DAYS[1], DAYS[9]], [DAYS[3], DAYS[9]])
        assert problems(store) == []


def test_a_verification_beside_a_prune_sees_whole_backups_only(ten: BackupStore) -> None:
    if not (child := os.fork()):
        for keep in range(9, 0, -1):
            run("backup_prune", backup_root=str(ten.root), keep_last=keep)
        os._exit(0)
    while not os.waitpid(child, os.WNOHANG)[0]:
        assert problems(ten) == []
    assert ten.ids() == [DAYS[9]]
    assert problems(ten) == []
