# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor on a server: in good order it says so and leaves nothing; what is wrong is a finding, each with what to
do.

The tests go in order. Each leaves the server as it found it.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import windows_lab
from support.ams_host import APPLICATION_ID, AmsHost, Connection, free_port, write_inventory
from support.certificates import CURRENT, EXPIRED, TLS
from support.faults import disk
from support.hardened import DOCTOR, NAME, examine, findings_of, policy, set_number, tasks_of
from support.playbook import PlaybookRun, run_playbook
from support.plays import failure_of

ABSENT, STRANGER = "doctor-absent", "doctor-stranger"
SERVICE = r"HKLM\SYSTEM\CurrentControlSet\Services\lithnetams"
LOGGING = r"HKLM\SOFTWARE\Policies\Microsoft\Windows\PowerShell\ModuleLogging"
REGISTRY = (
    r"HKLM\SOFTWARE\Lithnet",
    r"HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters",
    r"HKLM\SOFTWARE\Microsoft\Cryptography\Services",
)
NOT_COMPARED = ("AppData/Local/Microsoft/PowerShell", "ProgramData/Microsoft/Crypto/RSA")
"""What PowerShell remembers of modules, and files of CryptoAPI keys: the lab keeps those when the keys are deleted."""
PROBES = {"names", "times", "permissions", "writes", "json", "registry", "reservations", "bindings", "certificates"}
RESTARTS_THE_SERVER = "805101000000000000000000010000001400000002000000" + "60ea0000"
"""FailureActions of a service after whose first failure Windows restarts the server, a minute later."""


@pytest.fixture(scope="module")
def server(hardened: AmsHost) -> AmsHost:
    return hardened


def state_of(server: AmsHost) -> set[tuple[str, str]]:
    """What a run could leave: files, safety copies too, keys, scheduled tasks, registry, certificate stores."""
    tasks = {(name, "task") for name in tasks_of(server)}
    lines = {(key, line) for key in REGISTRY for line in server.run("reg.exe", "query", key, "/s").splitlines()}
    software = {("software", line) for line in server.run("reg.exe", "query", r"HKLM\SOFTWARE").splitlines()}
    disk = {name: what for name, what in server.disk().items() if not any(part in name for part in NOT_COMPARED)}
    files = set(disk.items())
    return files | tasks | lines | software


def bind(server: AmsHost, thumbprint: str) -> None:
    """Binds that certificate to the web site's port."""
    endpoint = f"ipport=0.0.0.0:{server.https_port}"
    server.run("netsh.exe", "http", "delete", "sslcert", endpoint)
    server.run("netsh.exe", "http", "add", "sslcert", endpoint, f"certhash={thumbprint}", f"appid={APPLICATION_ID}")


# ---- in good order ----


def test_a_server_in_good_order_has_no_failure_within_a_minute_and_three_processes_and_nothing_is_left(
    server: AmsHost, work: Path, settings: dict[str, Any]
) -> None:
    before, turns = state_of(server), server.turns()
    nas = work / "nas"
    nas.mkdir(mode=0o700)
    copies = [{"name": "nas", "kind": "folder", "path": str(nas)}]
    with server.counting() as count:
        run = examine(server, work, settings, "healthy", access_manager_copies=copies)
    found = findings_of(work, "healthy")
    assert run.rc == 0, run.output
    assert {one["state"] for one in found.values()} <= {"ok", "warning"}
    assert found["copy nas"]["state"] == "warning"
    assert {"module logging", "DPAPI", "service", "HTTP.sys", "secrets", "long paths", "keys elsewhere"} <= found.keys()
    assert {found[name]["state"] for name in ("exported keys", "web site", "service recovery", "file system")} == {"ok"}
    assert "serves over HTTP and HTTPS" in found["web site"]["found"]
    assert "2 keys were exported" in found["exported keys"]["found"]
    assert run.seconds < 60 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert count.commands <= 3
    assert state_of(server) ^ before == set()
    assert server.turns() == turns
    assert "DPAPI of the local machine decrypts" in run.output


@pytest.mark.parametrize(
    ("connection", "way", "fail_on"),
    [("winrm", "breakaway", "failure"), ("psrp", "Win32_Process.Create", "warning")],
)
def test_probes_are_ok_leave_nothing_and_their_warnings_fail_where_that_is_asked_for(
    server: AmsHost, work: Path, settings: dict[str, Any], connection: Connection, way: str, fail_on: str
) -> None:
    before, options = state_of(server), {"doctor_probes": True, "doctor_fail_on": fail_on}
    run = examine(server, work, settings, f"probed-{connection}", connection, **options)
    assert (run.rc != 0) == (fail_on == "warning"), run.output
    assert run.rc == 0 or re.search(r"checks: \d+ warnings \(", failure_of(run, NAME))
    found = findings_of(work, f"probed-{connection}")
    probes = {name: one for name, one in found.items() if name.startswith("probe: ")}
    assert probes.keys() == {f"probe: {name}" for name in {*PROBES, "logs"}}
    times, logs = probes.pop("probe: times"), probes.pop("probe: logs")
    assert (logs["state"], "not searched" in logs["found"]) == ("warning", True)  # the lab has no event log
    assert {one["state"] for one in probes.values()} == {"ok"}, probes
    assert (times["state"], "creation times do not stay" in times["found"]) == ("warning", True)  # Wine keeps none
    assert way in found["detached run"]["found"]
    assert "also when its shell is closed" in found["detached run"]["found"]
    assert state_of(server) ^ before == set()


# ---- not in order ----


@pytest.fixture(scope="module")
def three(server: AmsHost, drive: Path, work: Path, settings: dict[str, Any]) -> tuple[PlaybookRun, bool]:
    """A run over a server where several things are not in order, one that is gone, and one that refuses the password;
    and whether a disk of its own could be mounted.
    """
    domain = windows_lab.join(server.prefix, work / "domain")["NetBiosName"]
    sid = windows_lab.account(server.prefix, "gmsa$")
    server.add_certificate(replace(CURRENT, name="by-hand", store=rf"{sid}\My"))
    linked = server.config / "linked.ps1"
    linked.hardlink_to(server.config / "scripts/latin1.ps1")
    expired = server.add_certificate(replace(EXPIRED, name="expired-site", store=TLS.store, server=True))
    server.run("sc.exe", "config", "lithnetams", "start=", "disabled", "obj=", rf"{domain}\gmsa$", "password=", "")
    server.run("reg.exe", "add", SERVICE, "/v", "FailureActions", "/t", "REG_BINARY", "/d", RESTARTS_THE_SERVER, "/f")
    set_number(server, LOGGING, "EnableModuleLogging", 1)
    bind(server, expired.thumbprint)
    hosting = server.config / "apphost.json"
    before = hosting.read_bytes()
    hosting.write_bytes(before.replace(b'"Hostname": null', b'"Hostname": "ams.forest.example"'))
    report = {"doctor_report_json": str(work / "three.json")}
    try:
        with policy(server, NoDebugPrivilege=1), disk(drive, 2) as missing:
            reached = server.inventory_vars() | settings
            hosts = {
                NAME: reached | {"doctor_staging_root": "S:\\"},
                ABSENT: reached | {"ansible_port": free_port()},
                STRANGER: reached | {"ansible_password": "wrong"},
            }
            run = run_playbook(DOCTOR, write_inventory(work / "three.yml", hosts), extra_vars=report)
    finally:
        hosting.write_bytes(before)
        bind(server, server.tls_certificate.thumbprint)
        server.run("reg.exe", "delete", LOGGING, "/f")
        server.run("reg.exe", "delete", SERVICE, "/v", "FailureActions", "/f")
        linked.unlink()
        server.run("sc.exe", "config", "lithnetams", "start=", "auto", "obj=", "LocalSystem")
    assert run.rc != 0, run.output
    return run, not missing


@pytest.fixture(scope="module")
def disordered(three: tuple[PlaybookRun, bool], work: Path) -> dict[str, dict[str, str]]:
    """What the doctor finds where several things are not in order."""
    found = findings_of(work, "three")
    if not three[1]:
        found.pop("staging space")
    return found


@pytest.mark.parametrize(
    ("check", "state", "words"),
    [
        ("service", "failure", "disabled"),
        ("service account", "failure", "1069"),
        ("service process", "warning", "cannot be opened"),
        ("TLS certificates", "failure", "has expired"),
        ("service recovery", "warning", "restarts the server"),
        ("file system", "warning", "linked.ps1"),
        ("web site names", "warning", "is for forest.example, and Hosting.HttpSys.Hostname is ams.forest.example"),
        ("service events", "warning", "event log cannot be read"),  # the lab has none
        ("module logging", "warning", ""),
        ("keys elsewhere", "ok", r"\My: these keys are not in the service's own store"),
        ("database", "ok", "SQL LocalDB 14.0"),
    ],
)
def test_each_thing_that_is_not_in_order_is_found_beside_the_others(
    disordered: dict[str, dict[str, str]], check: str, state: str, words: str
) -> None:
    assert (disordered[check]["state"], words in disordered[check]["found"]) == (state, True)


def test_a_full_disk_is_a_failure(disordered: dict[str, dict[str, str]]) -> None:
    if "staging space" not in disordered:
        pytest.skip("no disk can be mounted here")
    assert disordered["staging space"]["state"] == "failure"


def test_hosts_that_do_not_answer_are_entries_that_say_why_and_the_others_are_examined(
    three: tuple[PlaybookRun, bool], work: Path
) -> None:
    found = {name: findings_of(work, "three", name)["connection"] for name in (NAME, ABSENT, STRANGER)}
    assert {name: one["state"] for name, one in found.items()} == {NAME: "ok", ABSENT: "failure", STRANGER: "failure"}
    assert "refuses the logon" in found[STRANGER]["found"]
    assert re.search(rf"{ABSENT} +failure +connection", three[0].stdout)
