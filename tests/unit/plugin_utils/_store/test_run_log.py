# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of backup runs: what each run leaves, and what nobody else can make of it."""

from __future__ import annotations

import datetime
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils import _statuses
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._signing.trust import Trust
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import run_log
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.high_water_mark import (
    LAST_RUN,
    HighWaterMark,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.run_log import Run, Runs
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore, id_at
from hypothesis import given
from hypothesis import strategies as st
from unit.actions import run
from unit.encrypted_backups import encrypt_to, make
from unit.signers import SshKey, ssh_key

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
ID = id_at(NOW - datetime.timedelta(hours=30))


def ago(hours: float) -> str:
    return f"{NOW - datetime.timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"


def a_run(hours: float, outcome: str = _statuses.UNCHANGED, **changes: Any) -> Run:
    reported = {
        "host": "ams1",
        "finished": ago(hours),
        "outcome": outcome,
        "backup_id": None if outcome == _statuses.FAILED else ID,
        "seconds": 12.5,
        "downtime_ms": 0,
        "problems": ["It failed."] if outcome == _statuses.FAILED else [],
        "health_warnings": [],
    }
    return reported | changes  # type: ignore[return-value]


def read(store: BackupStore) -> Runs:
    return run_log.read(store, ID, NOW)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SshKey:
    return ssh_key(tmp_path_factory.mktemp("key"))


@pytest.fixture
def old(store: BackupStore, recipient: str) -> BackupStore:
    """A host whose only backup is 30 hours old."""
    make(store, ID, encrypt_to(recipient))
    return store


@pytest.fixture
def options(old: BackupStore, root: Path) -> dict[str, Any]:
    return {"backup_root": str(root), "fail_on_problems": False, "check_age": 26}


# ---- what runs leave ----


def test_an_unchanged_run_makes_an_old_backup_no_alarm_and_both_ages_are_shown(
    old: BackupStore, options: dict[str, Any]
) -> None:
    assert re.search(r"was 30\.\d+ hours ago; 26 are allowed", run("backup_verify", **options)["msg"])
    recorded = run(
        "backup_record",
        backup_root=options["backup_root"],
        opened={"unchanged": True, "latest": {"id": ID}},
        started=ago(0.01),
    )
    assert (recorded["run"]["outcome"], recorded["run"]["backup_id"]) == ("unchanged", ID)
    assert (int(recorded["age_hours"]), recorded["last_success_age_hours"]) == (30, 0.0)
    found = run("backup_verify", **options)
    (host,) = found["hosts"]
    assert (found["problem_count"], int(host["age_hours"]), host["last_success_age_hours"]) == (0, 30, 0.0)
    assert host["last_run"] == recorded["run"]
    assert re.search(r" 30\.\d h +0\.0 h ", found["table"][1])


def test_what_is_to_be_looked_at_on_a_server_reaches_the_report_also_when_nothing_has_changed(
    old: BackupStore, options: dict[str, Any], tmp_path: Path
) -> None:
    warnings = ["The service may not read a key.\x1b[2J", *map(str, range(9)), "x" * 5000]
    unchanged = {"opened": {"unchanged": True, "latest": {"id": ID}}, "health_warnings": warnings}
    recorded = run("backup_record", backup_root=options["backup_root"], **unchanged)["run"]["health_warnings"]
    assert (len(recorded), recorded[-1]) == (5, "And 11 in all.")
    assert all(len(one) <= 600 and one.isprintable() for one in recorded)
    report = tmp_path / "report.json"
    run("backup_verify", **options, report={"json": str(report)})
    (host,) = json.loads(report.read_text())["hosts"]
    assert host["state"] == "warning"
    assert any(one.startswith("In the last backup run: The service may not read a key.") for one in host["warnings"])
    run("backup_record", backup_root=options["backup_root"], opened=unchanged["opened"])
    run("backup_verify", **options, report={"json": str(report)})
    assert json.loads(report.read_text())["hosts"][0]["warnings"] == [], "what was corrected is said no more"


def test_a_failed_run_is_recorded_fails_again_and_counts_for_no_success(
    old: BackupStore, options: dict[str, Any]
) -> None:
    failed = run("backup_record", backup_root=options["backup_root"], failure="No route to host.", reachable=False)
    assert (failed["failed"], failed["msg"], failed["reachable"]) == (True, "No route to host.", False)
    assert failed["run"]["problems"] == ["No route to host."]
    found = run("backup_verify", **options)
    assert found["hosts"][0]["last_run"]["outcome"] == "failed"
    assert re.search(r"was 30\.\d+ hours ago", found["msg"])
    assert any("failed: No route to host." in warning for warning in found["warnings"])


def test_a_new_backup_counts_though_a_later_step_failed_and_an_earlier_one_of_the_play_does_not(
    old: BackupStore, options: dict[str, Any]
) -> None:
    made = {"id": ID, "status": "complete", "problems": [], "downtime_ms": 7}
    more = {"backup_root": options["backup_root"], "failure": "Nothing could be pruned.", "committed": made}
    published = run("backup_record", started=ago(30), **more)["run"]
    assert (published["outcome"], published["downtime_ms"]) == ("complete", 7)
    assert published["problems"] == ["Nothing could be pruned."]
    assert run("backup_record", started=ago(1), **more)["run"]["outcome"] == "failed"


def test_check_mode_records_nothing(old: BackupStore, root: Path) -> None:
    run("backup_record", check=True, backup_root=str(root), opened={"unchanged": True, "latest": {"id": ID}})
    assert not (old.folder / run_log.NAME).exists()


def test_a_record_that_cannot_be_written_is_a_warning_and_hides_no_failure(old: BackupStore, root: Path) -> None:
    (old.folder / run_log.NAME).symlink_to(root / "elsewhere")
    result = run("backup_record", backup_root=str(root), failure="The disk is full.")
    assert (result["failed"], result["msg"]) == (True, "The disk is full.")
    assert any("is not recorded" in warning for warning in result["warnings"])
    assert not (root / "elsewhere").exists()


def test_the_newest_runs_stay_and_a_line_is_short(old: BackupStore) -> None:
    for number in range(run_log.KEPT + 5):
        problems = run_log.bounded(["\x1b[2J" + "é" * 10_000] * 2 + ["b"] * 9)
        run_log.add(old, a_run(200 - number, problems=problems), None)
    lines = (old.folder / run_log.NAME).read_bytes().splitlines()
    assert len(lines) == run_log.KEPT
    assert read(old).last == a_run(200 - run_log.KEPT - 4, problems=json.loads(lines[-1])["problems"])
    assert len(lines[-1]) * run_log.KEPT < run_log.SIZE_LIMIT
    assert (old.folder / run_log.NAME).stat().st_mode & 0o777 == 0o600


# ---- metrics that the backup itself writes ----


def test_metrics_of_runs_have_every_host_also_one_that_never_was_reached(old: BackupStore, root: Path) -> None:
    run("backup_record", backup_root=str(root), opened={"unchanged": True, "latest": {"id": ID}}, started=ago(0.01))
    run("backup_record", backup_root=str(root), host="ams2", failure="No route to host.")
    path = root.parent / "runs.prom"
    wanted = {"backup_root": str(root), "prometheus": str(path), "hosts": ["ams1", "ams3"], "mode": "0644"}
    found = run("backup_metrics", **wanted)
    assert [(one["host"], one["newest_complete"]) for one in found["hosts"]] == [
        ("ams1", ID),
        ("ams2", None),
        ("ams3", None),
    ]
    lines = path.read_text().splitlines()
    assert 'lithnet_access_manager_run_success{host="ams1"} 1' in lines
    assert 'lithnet_access_manager_run_success{host="ams2"} 0' in lines
    assert not any("ams3" in line for line in lines)
    assert (path.stat().st_mode & 0o777, run("backup_metrics", **wanted)["changed"]) == (0o644, False)
    assert "four octal digits" in run("backup_metrics", **(wanted | {"mode": "0999"}))["msg"]


def test_a_host_whose_folder_cannot_be_used_hides_no_other_from_the_metrics(old: BackupStore, root: Path) -> None:
    (root / "ams2").symlink_to(old.folder)
    found = run("backup_metrics", backup_root=str(root), prometheus=str(root.parent / "runs.prom"))
    assert [one["newest_complete"] for one in found["hosts"]] == [ID, None]
    assert any("is a link" in warning for warning in found["warnings"])


# ---- what others make of it ----


def test_a_success_in_the_future_of_another_host_or_of_another_backup_counts_for_nothing(old: BackupStore) -> None:
    genuine = a_run(2)
    run_log.add(old, genuine, None)
    for lie in (a_run(-5), a_run(0, host="ams2"), a_run(0, outcome=_statuses.COMPLETE, backup_id=id_at(NOW))):
        run_log.add(old, lie, None)
    assert read(old).success == genuine


@given(noise=st.binary(max_size=200))
def test_noise_and_half_lines_spoil_no_other(noise: bytes, old: BackupStore) -> None:
    genuine = a_run(2)
    text = json.dumps(genuine).encode()
    (old.folder / run_log.NAME).write_bytes(text + b"\n" + noise + b"\n" + text[:-9] + b"\n[[[[" * 50)
    assert read(old).last == genuine


def test_with_allowed_signers_only_signed_runs_count(old: BackupStore, key: SshKey, tmp_path: Path) -> None:
    stranger = ssh_key(tmp_path, "stranger")
    old.trust = Trust.of({"allowed_signers": [key.public]})
    run_log.add(old, a_run(5, _statuses.FAILED), key.signer(key.public))
    run_log.add(old, a_run(3), key.signer(key.public))
    moved = json.loads((old.folder / run_log.NAME).read_bytes().splitlines()[-1]) | {"finished": ago(0)}
    with (old.folder / run_log.NAME).open("a") as file:
        file.write(f"{json.dumps(moved)}\n{json.dumps(a_run(0))}\n")
    run_log.add(old, a_run(1), stranger.signer(stranger.public))
    found = read(old)
    assert found.success
    assert (found.success["finished"], found.problem) == (ago(3), None)


def test_a_record_full_of_forged_signatures_is_not_read_on(old: BackupStore, key: SshKey) -> None:
    old.trust = Trust.of({"allowed_signers": [key.public]})
    run_log.add(old, a_run(3), key.signer(key.public))
    forged = json.dumps(a_run(0) | {"signature": "x"})
    with (old.folder / run_log.NAME).open("a") as file:
        file.write(f"{forged}\n" * (run_log.MOST_FOREIGN + 1))
    found = read(old)
    assert found.success is None
    assert "that no allowed signer signed, so it is not read on" in str(found.problem)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "huge"])
def test_what_is_no_record_is_a_problem_and_never_waited_for(
    kind: str, old: BackupStore, options: dict[str, Any], tmp_path: Path
) -> None:
    path = old.folder / run_log.NAME
    if kind == "link":
        path.symlink_to(tmp_path)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.touch()
        os.truncate(path, run_log.SIZE_LIMIT + 1)
    assert f"The record of runs '{path}' cannot be read" in run("backup_verify", **options)["msg"]


def test_a_huge_record_is_begun_again(old: BackupStore) -> None:
    path = old.folder / run_log.NAME
    path.touch()
    os.truncate(path, run_log.SIZE_LIMIT + 1)
    run_log.add(old, a_run(0), None)
    assert read(old).last == a_run(0)


def test_a_record_that_went_back_in_time_is_found_by_the_controller_and_can_be_accepted(
    old: BackupStore, options: dict[str, Any]
) -> None:
    run("backup_record", backup_root=options["backup_root"], failure="It failed.")
    assert len(HighWaterMark(old, None).problems_of_record(LAST_RUN, None)) == 1
    options["check_age"] = 40
    assert run("backup_verify", **options)["problem_count"] == 0
    (old.folder / run_log.NAME).unlink()
    assert "is missing from" in run("backup_verify", **options)["msg"]
    assert run("backup_verify", accept_history=True, **options)["problem_count"] == 0
    assert run("backup_verify", **options)["problem_count"] == 0


def test_a_host_whose_every_run_failed_is_missed_though_nobody_names_it(options: dict[str, Any], root: Path) -> None:
    run("backup_record", backup_root=str(root), host="ams9", failure="It failed.")
    assert f"There is no backup of ams9 in '{root / 'ams9'}'." in run("backup_verify", **options)["msg"]
