# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes playbooks that call modules one after the other, and reads what became of each call."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .playbook import PlaybookRun

COLLECTION = "lithnet.access_manager"
BACKUP = f"{COLLECTION}.backup"
COPY = f"{COLLECTION}.copy"
RESTORE = f"{COLLECTION}.restore"
PLANNED, RESTORED = "Decrypt the backup, read the server, and plan", "Restore what differs"
"""Tasks of the role restore."""


@dataclass(frozen=True)
class Call:
    """A module's call. name: of the task, and of the variable that its result is registered in. It may fail."""

    name: str
    module: str
    options: Mapping[str, Any] = field(default_factory=dict)
    check: bool = False


def write_calls(path: Path, calls: Sequence[Call]) -> Path:
    """Writes a playbook that makes the calls in order, whatever becomes of each."""
    tasks = [
        {
            "name": call.name,
            f"{COLLECTION}.{call.module}": dict(call.options),
            "register": call.name,
            "ignore_errors": True,
            "check_mode": call.check,
        }
        for call in calls
    ]
    path.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    return path


def called(run: PlaybookRun) -> dict[str, dict[str, Any]]:
    """The result of each call by its name."""
    return {one.task: one.result for one in run.results}


def failure_of(run: PlaybookRun, host: str) -> str:
    """The sentence with which a host's play ended. AssertionError when it went well."""
    bad = [one for one in run.results if one.host == host and one.status in ("failed", "unreachable")]
    assert bad, f"nothing failed on {host}: {run.output}"
    return str(bad[-1].result["msg"])


def result_of(run: PlaybookRun, host: str, task: str) -> dict[str, Any]:
    """The result of a task of a role on a host. AssertionError when there is none."""
    found = [one for one in run.results if one.host == host and one.task.rpartition(" : ")[2] == task]
    assert found, f"{host} has no result of '{task}': {run.output}"
    return found[-1].result


def statuses(run: PlaybookRun, host: str) -> set[str]:
    """What became of the tasks of a host: ok, failed, skipped, unreachable."""
    return {one.status for one in run.results if one.host == host}
