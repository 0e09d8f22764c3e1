# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to a Windows server that is not there: it answers the halves of this collection as a server would, or
lies.

C(TEST_SERVERS) names a folder. C(lies.json) in it says what each host puts into its answers: host, step, keys. A step
is the name of a module, with C(:take), C(:live) and the like where it has several, and C(:answer) for what a detached
run leaves. C(no_connection) in it, or for all steps under C(*), is why there is none. C(calls.jsonl) keeps which
host was called, where, and with which password.
"""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase
from unit.servers import server
from unit.target_side import bundle, protect

DOCUMENTATION = """
name: lying
short_description: Answers as an Access Manager server does, or lies
description: For tests.
options:
  host:
    description: The address.
    default: inventory_hostname
    vars: [{name: inventory_hostname}, {name: ansible_host}]
  remote_addr:
    description: The same, by the name that WinRM's plugins have.
    default: inventory_hostname
    vars: [{name: inventory_hostname}, {name: ansible_host}]
  remote_user:
    description: The account.
    vars: [{name: ansible_user}]
  password:
    description: Its password.
    vars: [{name: ansible_password}]
"""

CHECKS = ("running", "configured", "http", "secrets", "certificates", "stays_running")
"""The tests of health of a restore, in their order."""

PARTS = frozenset({"certificates", "config", "secrets"})
CONTENTS = [b"{}", b"cache"]
"""The files of the server, in the order of its records."""


class Connection(ConnectionBase):
    transport = "winrm"
    has_pipelining = True
    always_pipeline_modules = True
    has_native_async = True
    allow_executable = False
    module_implementation_preferences = (".ps1", ".exe", "")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._shell_type = "powershell"
        super().__init__(*args, **kwargs)

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        arguments = _arguments(json.loads((in_data or b"null").splitlines()[-1])) or {}
        module = str(arguments.get("_ansible_module_name", "")).rpartition(".")[2]
        steps = _steps(module, arguments) if module else []
        if module:
            self._keep(steps[-1], arguments.get("knowledge", {}).get("thumbprints", []))
        for step in ("*", *steps):
            if broken := self._lies(step).get("no_connection"):
                raise AnsibleConnectionFailure(broken)
        if not module:
            return 0, b"", b""
        answer = honest(module, arguments)
        if arguments.get("step") == "take":
            _launch_of(arguments).write_text(json.dumps({"module": module, "key": arguments.get("public_key")}))
        for step in steps:
            answer = _merged(answer, self._lies(step))
        if answer.get("state") == "finished":
            launch = json.loads(_launch_of(arguments).read_text())
            lies = self._lies(f"{launch['module']}:answer")
            answer["answer"] = json.dumps(_merged(left(launch["module"], launch["key"]), lies))
        return 0, json.dumps(answer).encode(), b""

    def put_file(self, in_path: str, out_path: str) -> None:
        pass

    def fetch_file(self, in_path: str, out_path: str) -> None:
        pass

    def reset(self) -> None:
        pass

    def close(self) -> None:
        self._connected = False

    def _lies(self, step: str) -> dict[str, Any]:
        lies = json.loads((Path(os.environ["TEST_SERVERS"]) / "lies.json").read_text())
        return dict(lies.get(str(self._play_context.remote_addr), lies.get("*", {})).get(step, {}))

    def _keep(self, step: str, thumbprints: list[str]) -> None:
        call = {name: self.get_option(name) for name in ("host", "remote_user", "password")}
        call |= {"step": step, "thumbprints": thumbprints}
        with (Path(os.environ["TEST_SERVERS"]) / "calls.jsonl").open("a") as file:
            file.write(json.dumps(call) + "\n")


def _arguments(manifest: Any) -> dict[str, Any] | None:
    """The arguments of the module in what Ansible sends."""
    if isinstance(manifest, dict) and "_ansible_module_name" in manifest:
        return manifest
    members = list(manifest.values()) if isinstance(manifest, dict) else manifest
    if not isinstance(members, list):
        return None
    found = (_arguments(member) for member in members)
    return next((one for one in found if one), None)


def _merged(answer: dict[str, Any], lie: dict[str, Any]) -> dict[str, Any]:
    """The answer with what is a lie of it; of a part of a backup, which is an answer of its own, each key."""
    parts = {key: answer[key] | lie[key] for key in PARTS & answer.keys() & lie.keys() if isinstance(answer[key], dict)}
    return answer | lie | parts


def _launch_of(arguments: dict[str, Any]) -> Path:
    """Where it is kept how a detached run was launched, until its result is asked for."""
    return Path(os.environ["TEST_SERVERS"]) / f"launched-{arguments['run_id']}.json"


def _steps(module: str, arguments: dict[str, Any]) -> list[str]:
    is_live = arguments.get("live") or (module == "backup_export" and arguments.get("stop") is False)
    step = "live" if is_live and arguments.get("step") == "take" else arguments.get("step")
    return [module, f"{module}:{step}"] if step else [module]


def honest(module: str, arguments: dict[str, Any]) -> dict[str, Any]:
    step = arguments.get("step", "")
    if step == "collect":
        return {"state": "finished"}
    if step == "remove":
        return {"changed": True}
    answers = {
        "installation_info": lambda: _description() | {"stale_runs": []},
        "artifact_fetch": lambda: _configuration(arguments["public_key"]),
        "backup_export": lambda: _launched() if arguments["stop"] else _exported(arguments["public_key"]),
        "certificate_export": lambda: _certificates(arguments["public_key"]),
        "secret_export": lambda: _secrets(arguments["public_key"]),
        "config_restore": lambda: (
            _description()
            | {
                "busy": "",
                "drill": None,
                "earlier": [],
                "missing_drives": [],
                "probes": [],
                "domain_secrets": [],
                "platform": {"build": 20348, "runtimes": {}, "sql_instances": []},
                "masked": {},
            }
        ),
        "config_snapshot": _launched,
        "drill": lambda: {
            "computer_name": "SCRATCH",
            "configured": False,
            "has_keys": False,
            "drill": None,
            "reached": [],
            "changed": True,
            "decrypted": [],
            "faults": [],
            **_launched(),
        },
        "service": _launched,
    }
    return answers[module]()


def _launched() -> dict[str, Any]:
    return {"started": 1, "finished": 0, "ansible_job_id": "j1", "results_file": "C:\\j1"}


def _configuration(public_key: dict[str, str]) -> dict[str, Any]:
    envelope = protect(bundle(_manifest(), CONTENTS), public_key, "artifact_fetch")
    return {"steady": True, "attempts": 1, "path": "", "envelope": envelope}


def _certificates(public_key: dict[str, str]) -> dict[str, Any]:
    return {"certificates": [], "envelope": protect(b"{}", public_key, "certificate_export")}


def _secrets(public_key: dict[str, str]) -> dict[str, Any]:
    return {"secrets": [], "settings": {}, "envelope": protect(b"{}", public_key, "secret_export")}


def _exported(public_key: dict[str, str]) -> dict[str, Any]:
    parts = {"config": _configuration, "certificates": _certificates, "secrets": _secrets}
    return {"steady": True, "attempts": 1} | {name: part(public_key) for name, part in parts.items()}


def left(module: str, public_key: dict[str, str] | None = None) -> dict[str, Any]:
    """What a detached run of a module leaves."""
    waits = {"stop_ms": 1, "unlock_ms": 1, "start_ms": 1, "interrupted_stops": []}
    if module == "service":
        return {"changed": False, "status_before": "Running", "status": "Running"} | waits
    if module == "drill":
        return {"changed": True, "searched": True, "left": [], "other_keys": []}
    if module == "config_restore":
        done = {"service_started": True, "safety_copy": "C:\\safety", "warnings": [], "msg": "", "downtime_ms": 3}
        done |= {"service_events": {"events": [], "error": "there is no such log"}}
        checks = [{"name": name, "passed": True, "reason": ""} for name in CHECKS]
        failures = {"failed_check": "", "rollback_errors": []}
        return {"state": "restored", "stopped": True, "checks": checks} | done | waits | failures
    taken = {"attempts": 1, "consistent": True, "stopped": True, "downtime_ms": 3, "start_error": ""}
    sent = _exported(public_key) if public_key else {}
    return {"changed": True, "steady": True, "files": 3, "bytes": 11} | sent | taken | waits


def _server() -> dict[str, Any]:
    """A server whose configuration names no file elsewhere."""
    described = server()
    described["records"] = [record for record in described["records"] if record["name"].startswith("config")]
    return described


def _description() -> dict[str, Any]:
    described = _server()
    for key in ("taken", "environment"):
        described.pop(key)
    described["installer"].pop("sha256")
    now = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%S}.0000000Z"
    lists = dict.fromkeys(("secrets", "unended_restores", "interrupted_stops"), []) | {"machine_certificates": {}}
    staging = {"root": "C:\\staging", "free_bytes": 10**12}
    return described | lists | {"staging": staging, "framework_release": 528040, "now": now}


def _manifest() -> dict[str, Any]:
    described = _server()
    described["taken"] = {"unended_restores": []} | described["taken"]
    return described
