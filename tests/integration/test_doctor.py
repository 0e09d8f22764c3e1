# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor on a server: in good order it says so and leaves nothing; what is wrong is a finding, each with what to
do.

The tests go in order. Each leaves the server as it found it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import windows_lab
from support.ams_host import APPLICATION_ID, AmsHost, Connection, MakeHost, free_port, write_inventory
from support.certificates import EXPIRED, TLS
from support.faults import disk
from support.playbook import PlaybookRun, run_playbook

NAME, ABSENT = "doctor1", "doctor2"
DOCTOR = "lithnet.access_manager.doctor"
POLICIES = r"HKLM\Software\WindowsLab\Process"
LOGGING = r"HKLM\SOFTWARE\Policies\Microsoft\Windows\PowerShell\ModuleLogging"
REGISTRY = (
    r"HKLM\SOFTWARE\Lithnet",
    r"HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters",
    r"HKLM\SOFTWARE\Microsoft\Cryptography\Services",
)
WINDOWS = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
FRAMEWORK = r"HKLM\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full"
NOT_COMPARED = ("AppData/Local/Microsoft/PowerShell", "ProgramData/Microsoft/Crypto/RSA")
"""What PowerShell remembers of modules, and files of CryptoAPI keys: the lab keeps those when the keys are deleted."""
PROBES = {"names", "times", "permissions", "writes", "registry", "reservations", "bindings", "certificates"}


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drive S: of the server."""
    return tmp_path_factory.mktemp("drive")


@pytest.fixture(scope="module")
def server(make_host: MakeHost, drive: Path) -> AmsHost:
    """A host that says of itself what a new server does: the lab's own Windows calls itself another."""
    made = make_host(NAME, drives={"S": drive})
    made.run("reg.exe", "add", WINDOWS, "/v", "ProductName", "/t", "REG_SZ", "/d", "Windows Server 2022 Standard", "/f")
    made.run("reg.exe", "add", WINDOWS, "/v", "CurrentBuildNumber", "/t", "REG_SZ", "/d", "20348", "/f")
    made.run("reg.exe", "add", FRAMEWORK, "/v", "Release", "/t", "REG_DWORD", "/d", "528449", "/f")
    return made


def examine(
    server: AmsHost, work: Path, settings: dict[str, Any], name: str, connection: Connection = "winrm", **options: Any
) -> PlaybookRun:
    options |= {"doctor_report_json": str(work / f"{name}.json")}
    inventory = server.write_inventory(work / f"{name}.yml", connection, variables=settings)
    return run_playbook(DOCTOR, inventory, extra_vars=options)


def findings_of(work: Path, name: str, host: str = NAME) -> dict[str, dict[str, str]]:
    """What the report says of a host, by check."""
    hosts = json.loads((work / f"{name}.json").read_text())["hosts"]
    (found,) = [one["findings"] for one in hosts if one["host"] == host]
    for one in found:
        assert bool(one["advice"]) == (one["state"] != "ok"), one
    return {one["check"]: one for one in found}


def examined(
    server: AmsHost, work: Path, settings: dict[str, Any], name: str, connection: Connection = "winrm", **options: Any
) -> dict[str, dict[str, str]]:
    run = examine(server, work, settings, name, connection, **options)
    assert (work / f"{name}.json").exists(), run.output
    return findings_of(work, name)


def state_of(server: AmsHost) -> set[tuple[str, str]]:
    """What a run could leave: files, keys, scheduled tasks, registry, certificate stores."""
    tasks = {(str(path), "task") for path in (server.drive_c / "windows/system32/Tasks").rglob("*")}
    lines = {(key, line) for key in REGISTRY for line in server.run("reg.exe", "query", key, "/s").splitlines()}
    software = {("software", line) for line in server.run("reg.exe", "query", r"HKLM\SOFTWARE").splitlines()}
    disk = {name: what for name, what in server.disk().items() if not any(part in name for part in NOT_COMPARED)}
    files = set(disk.items())
    return files | tasks | lines | software


@contextmanager
def policy(server: AmsHost, key: str = POLICIES, **values: int) -> Iterator[None]:
    """Registry values, until the end of the block, and a listener that began with them."""
    for name, value in values.items():
        server.run("reg.exe", "add", key, "/v", name, "/t", "REG_DWORD", "/d", str(value), "/f")
    server.stop_listener()
    server._listen(tls=False)  # a shell has its right to break away from its start
    try:
        yield
    finally:
        server.run("reg.exe", "delete", key, "/f")
        server.stop_listener()
        server._listen(tls=False)


# ---- in good order ----


@pytest.mark.parametrize(("connection", "way"), [("winrm", "breakaway"), ("psrp", "Win32_Process.Create")])
def test_a_server_in_good_order_has_no_failure_within_a_minute_and_three_processes_and_nothing_is_left(
    server: AmsHost, work: Path, settings: dict[str, Any], connection: Connection, way: str
) -> None:
    before = state_of(server)
    with server.counting() as count:
        run = examine(server, work, settings, f"healthy-{connection}", connection)
    found = findings_of(work, f"healthy-{connection}")
    assert run.rc == 0, run.output
    assert {one["state"] for one in found.values()} <= {"ok", "warning"}
    assert {"module logging", "DPAPI", "service", "HTTP.sys", "secrets"} <= found.keys()
    assert way in found["detached run"]["found"]
    assert run.seconds < 60 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert count.commands <= 3
    assert state_of(server) ^ before == set()
    assert server.turns() == ["started"]
    assert "DPAPI of the local machine decrypts" in run.output


@pytest.mark.parametrize("connection", ["winrm", "psrp"])
def test_probes_are_ok_and_leave_nothing(
    server: AmsHost, work: Path, settings: dict[str, Any], connection: Connection
) -> None:
    before = state_of(server)
    found = examined(server, work, settings, f"probed-{connection}", connection, doctor_probes=True)
    probes = {name: one for name, one in found.items() if name.startswith("probe: ")}
    assert probes.keys() == {f"probe: {name}" for name in PROBES}
    times = probes.pop("probe: times")
    assert {one["state"] for one in probes.values()} == {"ok"}, probes
    assert (times["state"], "creation times do not stay" in times["found"]) == ("warning", True)  # Wine keeps none
    assert state_of(server) ^ before == set()


def test_a_warning_fails_only_where_that_is_asked_for(server: AmsHost, work: Path, settings: dict[str, Any]) -> None:
    runs = {}
    with policy(server, LOGGING, EnableModuleLogging=1):
        for fail_on in ("failure", "warning"):
            runs[fail_on] = examine(server, work, settings, f"logged-{fail_on}", doctor_fail_on=fail_on)
    assert (runs["failure"].rc, runs["warning"].rc != 0) == (0, True), runs["warning"].output
    assert findings_of(work, "logged-warning")["module logging"]["state"] == "warning"


# ---- not in order ----


def test_where_no_process_leaves_its_shell_a_scheduled_task_is_a_warning(
    server: AmsHost, work: Path, settings: dict[str, Any]
) -> None:
    with policy(server, RefuseCreate=2, RefuseBreakaway=1):
        found = examined(server, work, settings, "tasked")
    assert (found["detached run"]["state"], "scheduled task" in found["detached run"]["found"]) == ("warning", True)


def test_where_no_process_starts_at_all_that_is_a_failure_with_the_likely_causes(
    server: AmsHost, work: Path, settings: dict[str, Any]
) -> None:
    with policy(server, RefuseCreate=2, RefuseBreakaway=1, RefuseTasks=1):
        run = examine(server, work, settings, "refused")
    found = findings_of(work, "refused")["detached run"]
    assert (run.rc != 0, found["state"], "d1e49aac" in found["found"]) == (True, "failure", True)


def test_a_service_process_that_cannot_be_opened_is_a_warning(
    server: AmsHost, work: Path, settings: dict[str, Any]
) -> None:
    with policy(server, NoDebugPrivilege=1):
        found = examined(server, work, settings, "no-debug")
    assert found["service process"]["state"] == "warning"


def test_a_disabled_service_of_an_account_without_its_right_is_two_findings(
    server: AmsHost, work: Path, settings: dict[str, Any]
) -> None:
    domain = windows_lab.join(server.prefix, work / "domain")["NetBiosName"]
    windows_lab.account(server.prefix, "gmsa$", profile=False)
    server.stop_service()
    server.run("sc.exe", "config", "lithnetams", "start=", "disabled", "obj=", rf"{domain}\gmsa$", "password=", "")
    try:
        found = examined(server, work, settings, "disabled")
    finally:
        server.run("sc.exe", "config", "lithnetams", "start=", "auto", "obj=", "LocalSystem")
        server.start_service()
    assert (found["service"]["state"], "disabled" in found["service"]["found"]) == ("failure", True)
    assert found["service account"]["state"] == "warning"


def test_an_expired_certificate_of_the_web_site_is_a_failure(
    server: AmsHost, work: Path, settings: dict[str, Any]
) -> None:
    expired = server.add_certificate(replace(EXPIRED, name="expired-site", store=TLS.store, server=True))
    endpoint = f"ipport=0.0.0.0:{server.https_port}"

    def bind(thumbprint: str) -> None:
        server.run("netsh.exe", "http", "delete", "sslcert", endpoint)
        server.run("netsh.exe", "http", "add", "sslcert", endpoint, f"certhash={thumbprint}", f"appid={APPLICATION_ID}")

    bind(expired.thumbprint)
    try:
        found = examined(server, work, settings, "expired")["TLS certificates"]
    finally:
        bind(server.tls_certificate.thumbprint)
    assert (found["state"], "has expired" in found["found"]) == ("failure", True)


def test_a_full_disk_is_a_failure(server: AmsHost, drive: Path, work: Path, settings: dict[str, Any]) -> None:
    with disk(drive, 2) as missing:
        if missing:
            pytest.skip(f"no disk can be made here: {missing}")
        found = examined(server, work, settings, "full", doctor_staging_root="S:\\")
    assert found["staging space"]["state"] == "failure"


def test_a_host_that_cannot_be_reached_is_an_entry_and_the_others_are_examined(
    server: AmsHost, work: Path, settings: dict[str, Any]
) -> None:
    reached = server.inventory_vars() | settings
    inventory = write_inventory(work / "two.yml", {NAME: reached, ABSENT: reached | {"ansible_port": free_port()}})
    run = run_playbook(DOCTOR, inventory, extra_vars={"doctor_report_json": str(work / "two.json")})
    assert run.rc != 0
    assert findings_of(work, "two", ABSENT)["connection"]["state"] == "failure"
    assert findings_of(work, "two", NAME)["connection"]["state"] == "ok"
    assert f"{ABSENT}  failure  connection" in run.stdout


def test_a_wrong_password_is_an_entry_that_says_so(server: AmsHost, work: Path, settings: dict[str, Any]) -> None:
    wrong = server.inventory_vars() | settings | {"ansible_password": "wrong"}
    run = run_playbook(
        DOCTOR,
        write_inventory(work / "wrong.yml", {NAME: wrong}),
        extra_vars={"doctor_report_json": str(work / "wrong.json")},
    )
    assert run.rc != 0
    assert "refuses the logon" in findings_of(work, "wrong")["connection"]["found"]
