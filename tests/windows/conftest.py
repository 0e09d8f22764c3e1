# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests against the Windows servers of an inventory: `make test-windows INVENTORY=...`.

A server that has a real Access Manager is refused before anything is changed. STANDIN=... names the stand-in's
program where none can be compiled. The run ends with a table for docs/verified.md: a test names the calls that it
proves by the beginnings of their first cells there, with the marker `proves`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.plugins.loader import init_plugin_loader
from support.backups import KeyPair, age_key
from support.playbook import COLLECTIONS
from windows.stand_in import Server, environment, refusal
from windows.verified import Outcome, Windows, table

init_plugin_loader([str(COLLECTIONS)])
OUTPUT = Path(__file__).resolve().parents[1] / "output/verified.md"
SYSTEMS = pytest.StashKey[dict[str, Windows]]()
CONNECTIONS = pytest.StashKey[dict[str, str]]()
OUTCOMES = pytest.StashKey[dict[str, list[Outcome]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "proves(*calls, over=None): calls of docs/verified.md; over: if this is the connection"
    )
    config.stash[SYSTEMS] = {}
    config.stash[CONNECTIONS] = servers(inventory())
    config.stash[OUTCOMES] = defaultdict[str, list[Outcome]](list)


def path_of(variable: str) -> Path | None:
    """The file that a variable of the environment names; None when it is not set."""
    value = os.environ.get(variable)
    if not value:
        return None
    path = Path(value).resolve()
    if not path.exists():
        raise pytest.UsageError(f"{variable} names '{value}', which does not exist.")
    return path


def inventory() -> Path:
    """The inventory whose servers are tested."""
    path = path_of("INVENTORY")
    if path is None:
        raise pytest.UsageError("Name the servers to test: make test-windows INVENTORY=path/to/inventory.yml")
    return path


def servers(path: Path) -> dict[str, str]:
    """The hosts of an inventory, and the connection of each."""
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(path), "--list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment())
    hosts: dict[str, Any] = json.loads(done.stdout)["_meta"]["hostvars"] if done.returncode == 0 else {}
    if not hosts:
        raise pytest.UsageError(f"The inventory '{path}' has no host with variables. {done.stderr}")
    return {name: variables.get("ansible_connection", "") for name, variables in sorted(hosts.items())}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        metafunc.parametrize("server", list(metafunc.config.stash[CONNECTIONS]), indirect=True, scope="session")


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with the stand-in, which is removed with all that came of it."""
    one = Server(inventory(), request.param, path_of("STANDIN"))
    before = one.look()
    one.windows = request.config.stash[SYSTEMS][one.name] = before.windows
    refused = refusal(one.name, before)
    if refused:
        pytest.fail(refused)
    if before.mark:
        one.remove()
    one.install()
    yield one
    one.remove()
    after = one.look()
    left = [*after.found, *sorted({*after.keys} - {*before.keys})]
    assert not left, f"{one.name}: the stand-in was removed, but this is left: {', '.join(left)}"


@pytest.fixture(scope="session")
def owner() -> KeyPair:
    """Whose key opens the backups."""
    return age_key()


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The backup root."""
    return tmp_path_factory.mktemp("backups")


@pytest.fixture(scope="session")
def options(root: Path, owner: KeyPair, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each run of a playbook gets: where backups lie and whose they are."""
    folder = tmp_path_factory.mktemp("controller")
    identity = folder / "identity.key"
    identity.touch(0o600)
    identity.write_text(f"{owner.private}\n")
    return {
        "access_manager_backup_root": str(root),
        "access_manager_state_dir": str(folder),
        "access_manager_recipients": [owner.public],
        "access_manager_identity_file": str(identity),
        "restore_health_seconds": 2,
    }


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Notes what became of each test that proves calls."""
    report = yield
    systems, parameters = item.config.stash[SYSTEMS], getattr(item, "callspec", None)
    name = parameters.params.get("server") if parameters else None
    if name in systems and (report.when == "call" or (report.when == "setup" and not report.passed)):
        result = report.outcome if report.when == "call" else "not run"
        outcome = Outcome(getattr(item, "originalname", item.name), systems[name], result)
        connection = item.config.stash[CONNECTIONS][name]
        markers = [one for one in item.iter_markers("proves") if one.kwargs.get("over", connection) == connection]
        for marker in markers:
            for call_name in marker.args:
                item.config.stash[OUTCOMES][call_name].append(outcome)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Ends the run with the table."""
    text = table(config.stash[OUTCOMES])
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(text, encoding="utf-8")
    terminalreporter.section("for docs/verified.md")
    terminalreporter.write(text)
