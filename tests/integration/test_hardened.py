# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardened servers: virus scanners, no process by WMI, no "Debug programs". All works there too, or says why not.

The tests go in order. Each leaves the server as the newest backup has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import windows_lab
from support import tls_front
from support.ams_host import AmsHost
from support.backups import KeyPair, backups_of
from support.configuration import CONFIG_PATH
from support.faults import STAGING
from support.hardened import FRAMEWORK, NAME, RELEASE, examine, findings_of, policy, set_number, tasks_of
from support.host_state import Whole, identity_file, restoring, safety_copies
from support.playbook import PlaybookRun, run_playbook
from support.plays import BACKUP, RESTORE, RESTORED, Call, called, failure_of, result_of, write_calls

STOPPED_AND_STARTED = ["stopped", "started"]
STRAY = "scripts/stray.ps1"


@pytest.fixture(scope="module")
def server(hardened: AmsHost) -> AmsHost:
    return hardened


@pytest.fixture(scope="module")
def options(settings: dict[str, Any], work: Path, owner: KeyPair) -> dict[str, Any]:
    return restoring(settings, identity_file(work, owner))


@contextmanager
def scanner(server: AmsHost, share: str, hold_ms: int = 400) -> Iterator[None]:
    """A virus scanner that holds each file that is written."""
    windows_lab.scan(server.prefix, [r"C:\ProgramData", str(CONFIG_PATH)], hold_ms, share)
    try:
        yield
    finally:
        windows_lab.stop_scanning(server.prefix)


def back_up(server: AmsHost, work: Path, options: dict[str, Any], name: str, connection: Any = "winrm") -> PlaybookRun:
    """A backup of a server with another setting, for which the service stops."""
    server.edit_settings(lambda content: content["RateLimits"].update(Changed=name))
    inventory = server.write_inventory(
        work / f"{name}.yml", connection, variables=options | {"backup_stop_service": "always"}
    )
    return run_playbook(BACKUP, inventory)


def check_stopped_backup(
    server: AmsHost, work: Path, options: dict[str, Any], name: str, connection: Any = "winrm"
) -> PlaybookRun:
    """Makes a backup for which the service stops once, and runs again."""
    before = len(server.turns())
    run = back_up(server, work, options, name, connection)
    assert run.rc == 0, run.output
    assert server.turns()[before:] == STOPPED_AND_STARTED
    assert server.service_state() == "Running"
    return run


def restore(server: AmsHost, work: Path, options: dict[str, Any], name: str, connection: Any = "winrm") -> PlaybookRun:
    """A restore of a server that has another setting and a file more; one that succeeds makes it as it was."""
    whole = Whole.of(server)
    server.edit_settings(lambda content: content["RateLimits"].update(Spoiled=1))
    (server.config / STRAY).write_bytes(b"# stray")
    run = run_playbook(RESTORE, server.write_inventory(work / f"{name}.yml", connection, variables=options))
    assert run.rc or whole.differences(Whole.of(server)) == []
    check_clean(server)
    return run


def check_clean(server: AmsHost) -> None:
    """Nothing of a run is left: no folder, no task."""
    assert not (server.drive_c / STAGING).exists()
    assert tasks_of(server) == []


# ---- no process outside the shell's job ----


@pytest.fixture(scope="module")
def tasked(server: AmsHost, work: Path, options: dict[str, Any]) -> PlaybookRun:
    """The first backup: where only a scheduled task starts a process."""
    with policy(server, RefuseCreate=2, RefuseBreakaway=1):
        return check_stopped_backup(server, work, options, "tasked", "psrp")


def test_where_neither_wmi_nor_breakaway_starts_a_process_a_scheduled_task_does(
    server: AmsHost, tasked: PlaybookRun, work: Path, options: dict[str, Any], root: Path, owner: KeyPair
) -> None:
    """The backup over psrp, the restore and the doctor over winrm."""
    assert "a scheduled task did" in tasked.output
    assert len(backups_of(root, NAME, owner.open)) == 1
    before = len(server.turns())
    with policy(server, RefuseCreate=2, RefuseBreakaway=1):
        restored = restore(server, work, options, "restored")
        examined = examine(server, work, options, "examined", "winrm")
    assert restored.rc == 0, restored.output
    assert server.turns()[before:] == STOPPED_AND_STARTED
    assert examined.rc == 0, examined.output
    found = findings_of(work, "examined")["detached run"]
    assert (found["state"], "scheduled task" in found["found"]) == ("warning", True)


def test_where_no_process_starts_at_all_nothing_is_touched_and_the_likely_causes_are_named(
    server: AmsHost, tasked: PlaybookRun, work: Path, options: dict[str, Any]
) -> None:
    before = len(server.turns())
    with policy(server, RefuseCreate=2, RefuseBreakaway=1, RefuseTasks=1):
        stopped = back_up(server, work, options, "refused-1")
        examined = examine(server, work, options, "examined-refused")
    with policy(server, RefuseCreate=9, RefuseBreakaway=1, RefuseTasks=2):
        restored = restore(server, work, options, "refused-2")
    for run in (stopped, restored):
        assert run.rc != 0
        assert "d1e49aac" in failure_of(run, NAME)
    found = findings_of(work, "examined-refused")["detached run"]
    assert (examined.rc != 0, found["state"], "d1e49aac" in found["found"]) == (True, "failure", True)
    assert server.turns()[before:] == []


# ---- scanners and rights ----


def test_backup_with_a_stop_succeeds_beside_a_virus_scanner_and_removes_the_task_that_a_killed_call_left(
    server: AmsHost, tasked: PlaybookRun, work: Path, options: dict[str, Any]
) -> None:
    left, other = "lithnet.access_manager.20260102T030405Z-0a1b2c3d", "nightly"
    once = ("/sc", "once", "/st", "23:59", "/ru", "SYSTEM")
    for name in (left, other):
        server.run("schtasks.exe", "/create", "/tn", name, "/tr", "cmd.exe", *once)
    assert tasks_of(server) == [left, other]
    with scanner(server, "rw"):
        check_stopped_backup(server, work, options, "scanned-rw")
    assert tasks_of(server) == [other]
    server.run("schtasks.exe", "/delete", "/tn", other, "/f")
    check_clean(server)


def test_backup_with_a_stop_succeeds_beside_a_scanner_that_shares_nothing_and_without_debug_programs(
    server: AmsHost, tasked: PlaybookRun, work: Path, options: dict[str, Any]
) -> None:
    """Where "Debug programs" was taken from administrators, the service's process cannot be opened."""
    with policy(server, NoDebugPrivilege=1), scanner(server, "none"):
        check_stopped_backup(server, work, options, "scanned-none")
    check_clean(server)


def test_restore_succeeds_beside_a_virus_scanner_that_shares_nothing(
    server: AmsHost, tasked: PlaybookRun, work: Path, options: dict[str, Any]
) -> None:
    with scanner(server, "none"):
        run = restore(server, work, options, "restored-none")
    assert run.rc == 0, run.output
    assert all((copy / "result.json").exists() for copy in safety_copies(server))


def test_restore_succeeds_beside_a_virus_scanner_where_the_web_site_did_not_serve_before(
    server: AmsHost, tasked: PlaybookRun, work: Path, options: dict[str, Any]
) -> None:
    assert server.site
    server.site.answer = tls_front.unserved
    try:
        with scanner(server, "rw"):
            run = restore(server, work, options, "restored-rw")
    finally:
        server.site.answer = int
    assert run.rc == 0, run.output
    assert all((copy / "result.json").exists() for copy in safety_copies(server))
    checks = {check["name"]: check["passed"] for check in result_of(run, NAME, RESTORED)["checks"]}
    assert (checks["http"], checks["https"]) == (True, False)
    assert "did not serve before the restore" in run.output


def test_service_whose_account_may_not_log_on_as_a_service_names_that_right(
    server: AmsHost, tasked: PlaybookRun, work: Path, options: dict[str, Any]
) -> None:
    domain = windows_lab.join(server.prefix, work / "domain")["NetBiosName"]
    windows_lab.account(server.prefix, "gmsa$", profile=False)
    server.stop_service()
    server.run("sc.exe", "config", "lithnetams", "obj=", rf"{domain}\gmsa$", "password=", "")
    try:
        start = Call("starts", "service", {"state": "started", "service_timeout": 20})
        calls = write_calls(work / "start.yml", [start])
        run = run_playbook(calls, server.write_inventory(work / "account.yml", variables=options))
        message = called(run)["starts"]["msg"]
    finally:
        server.run("sc.exe", "config", "lithnetams", "obj=", "LocalSystem")
        server.start_service()
    assert "1069" in message
    assert "Log on as a service" in message


def test_server_with_an_older_net_framework_is_refused_in_a_sentence(
    server: AmsHost, tasked: PlaybookRun, work: Path, options: dict[str, Any]
) -> None:
    set_number(server, FRAMEWORK, "Release", 394802)
    try:
        run = run_playbook(BACKUP, server.write_inventory(work / "framework.yml", variables=options))
    finally:
        set_number(server, FRAMEWORK, "Release", RELEASE)
    assert run.rc != 0
    assert "394802" in failure_of(run, NAME)
    assert "4.7.2" in failure_of(run, NAME)
