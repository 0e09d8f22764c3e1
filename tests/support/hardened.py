# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose policies are changed and put back, and what the doctor says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .ams_host import AmsHost, Connection
from .playbook import PlaybookRun, run_playbook

NAME = "hardened"
DOCTOR = "lithnet.access_manager.doctor"
PROCESSES = r"HKLM\Software\WindowsLab\Process"
FRAMEWORK = r"HKLM\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full"
RELEASE = 528449
_TASKS = "windows/system32/tasks"
_WINDOWS = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"


def make(folder: Path, drive: Path) -> AmsHost:
    """A host that says of itself what a new server does: the lab's own Windows calls itself another. drive: its S:."""
    made = AmsHost.create(folder, name=NAME, drives={"S": drive})
    made.run(
        "reg.exe", "add", _WINDOWS, "/v", "ProductName", "/t", "REG_SZ", "/d", "Windows Server 2022 Standard", "/f"
    )
    made.run("reg.exe", "add", _WINDOWS, "/v", "CurrentBuildNumber", "/t", "REG_SZ", "/d", "20348", "/f")
    set_number(made, FRAMEWORK, "Release", RELEASE)
    return made


def set_number(host: AmsHost, key: str, name: str, value: int) -> None:
    """Sets a registry value."""
    host.run("reg.exe", "add", key, "/v", name, "/t", "REG_DWORD", "/d", str(value), "/f")


@contextmanager
def policy(host: AmsHost, key: str = PROCESSES, **values: int) -> Iterator[None]:
    """Registry values, until the end of the block, and a listener that began with them."""
    for name, value in values.items():
        set_number(host, key, name, value)
    host.stop_listener()
    host._listen(tls=False)  # a shell has its right to break away from its start
    try:
        yield
    finally:
        host.run("reg.exe", "delete", key, "/f")
        host.stop_listener()
        host._listen(tls=False)


def examine(
    host: AmsHost, work: Path, settings: dict[str, Any], name: str, connection: Connection = "winrm", **options: Any
) -> PlaybookRun:
    """Runs the doctor, whose report is NAME.json."""
    report = {"doctor_report_json": str(work / f"{name}.json")}
    inventory = host.write_inventory(work / f"{name}.yml", connection, variables=settings)
    return run_playbook(DOCTOR, inventory, extra_vars=options | report)


def findings_of(work: Path, name: str, host: str = NAME) -> dict[str, dict[str, str]]:
    """What that report says of a host, by check: what is not in order comes with what to do."""
    hosts = json.loads((work / f"{name}.json").read_text())["hosts"]
    (found,) = [one["findings"] for one in hosts if one["host"] == host]
    for one in found:
        assert bool(one["advice"]) == (one["state"] != "ok"), one
    return {one["check"]: one for one in found}


def tasks_of(host: AmsHost) -> list[str]:
    """The scheduled tasks of a host."""
    folder = host.drive_c / _TASKS
    assert folder.is_dir()
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
