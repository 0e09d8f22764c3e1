# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups for which the service stops: it always comes back as it was found."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.ams_host import AmsHost, Count, write_inventory
from support.backups import Backup, KeyPair, backups_of
from support.playbook import PlaybookRun, run_playbook
from support.plays import BACKUP, Call, called, result_of, write_calls

COMMANDS_OF_A_LIVE_COPY = 6
COMMANDS_OF_A_STOP = 4


@pytest.fixture(scope="module")
def count() -> Count:
    """What the run costs on the host whose service runs."""
    return Count()


@pytest.fixture(scope="module")
def log(host: AmsHost, idle: AmsHost) -> dict[str, int]:
    """How often each service was started and stopped before the run."""
    return {one.name: len(one.turns()) for one in (host, idle)}


@pytest.fixture(scope="module")
def run(
    host: AmsHost, idle: AmsHost, work: Path, settings: dict[str, Any], log: dict[str, int], count: Count
) -> PlaybookRun:
    """Stops one service for its database, over winrm, and finds the other one stopped, over psrp."""
    inventory = write_inventory(
        work / "inventory.yml",
        {
            host.name: host.inventory_vars("winrm") | settings | {"backup_include_database": True},
            idle.name: idle.inventory_vars("psrp") | settings | {"backup_stop_service": "always"},
        },
    )
    with host.counting() as counted:
        done = run_playbook(BACKUP, inventory)
    count.commands, count.requests = counted.commands, counted.requests
    assert done.rc == 0, done.output
    return done


@pytest.fixture(scope="module")
def with_database(run: PlaybookRun, host: AmsHost, root: Path, owner: KeyPair) -> Backup:
    (backup,) = backups_of(root, host.name, owner.open)
    return backup


@pytest.fixture(scope="module")
def of_idle(run: PlaybookRun, idle: AmsHost, root: Path, owner: KeyPair) -> Backup:
    (backup,) = backups_of(root, idle.name, owner.open)
    return backup


def test_service_stops_once_and_runs_again(run: PlaybookRun, host: AmsHost, log: dict[str, int]) -> None:
    assert host.turns()[log[host.name] :] == ["stopped", "started"]
    assert host.service_state() == "Running"
    assert host.http_answers()


def test_stop_takes_at_most_four_more_processes(run: PlaybookRun, count: Count) -> None:
    assert COMMANDS_OF_A_LIVE_COPY - 2 <= count.commands <= COMMANDS_OF_A_LIVE_COPY + COMMANDS_OF_A_STOP


def test_downtime_is_reported(with_database: Backup, host: AmsHost) -> None:
    (stopped, _stop), *_others, (started, _start) = host.service_log()[-3:]
    assert with_database.manifest["stopped"] is True
    assert with_database.manifest["downtime_ms"] >= (started - stopped).total_seconds() * 1000 - 50


def test_database_is_backed_up_byte_for_byte(with_database: Backup, host: AmsHost) -> None:
    held = {
        name.removeprefix("config/"): data
        for name, data in with_database.config.items()
        if name.startswith("config/db/")
    }
    assert {name: data for name, data in held.items() if not name.endswith("/")} == {
        name: (host.config / name).read_bytes() for name in host.configuration.database
    }
    assert set(host.configuration.files) <= {name.removeprefix("config/") for name in with_database.config}


def test_stopped_service_stays_stopped(of_idle: Backup, idle: AmsHost, log: dict[str, int]) -> None:
    assert idle.service_state() == "Stopped"
    assert len(idle.turns()) == log[idle.name]
    assert (of_idle.manifest["stopped"], of_idle.manifest["downtime_ms"]) == (False, 0)


def test_nothing_stays_on_the_server(run: PlaybookRun, host: AmsHost, idle: AmsHost) -> None:
    for one in (host, idle):
        left = [name for name in one.disk() if "lithnet.access_manager" in name or ".ansible_async" in name]
        assert left == []
        assert not [name for name in one.disk() if name.startswith("users/root/Temp/")]


# ---- a configuration that keeps changing ----


@contextmanager
def saving(host: AmsHost) -> Iterator[None]:
    """Saves the settings again and again, as a busy administrator does; not while the service is stopped."""
    file, ended = host.config / "appsettings.json", threading.Event()
    original = file.read_bytes()

    def save() -> None:
        while not ended.wait(0.1):
            if host.turns()[-1] == "started":
                host.edit_settings(lambda content: content["RateLimits"].update(Saved=time.monotonic()))

    thread = threading.Thread(target=save)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        file.write_bytes(original)


def test_copy_of_a_changing_configuration_is_refused_or_made_with_a_stop(host: AmsHost, work: Path) -> None:
    calls = [Call(policy, "config_snapshot", {"stop_service": policy}) for policy in ("never", "auto")]
    calls.append(Call("removed", "config_snapshot", {"state": "absent", "run_id": "{{ auto.run_id }}"}))
    before, log = host.disk(), len(host.turns())
    with saving(host):
        run = run_playbook(write_calls(work / "changing.yml", calls), host.write_inventory(work / "one.yml"))
    results = called(run)
    assert "changed during each of 3 copies" in results["never"]["msg"]
    assert "stop_service: auto" in results["never"]["msg"]
    assert (results["auto"]["copied"], results["auto"]["stopped"]) == ("stopped", True)
    assert host.turns()[log:] == ["stopped", "started"]
    assert results["removed"]["changed"]
    assert host.disk() == before


def test_report_tells_the_downtime(run: PlaybookRun, host: AmsHost) -> None:
    report = "\n".join(result_of(run, host.name, "Show what was done")["msg"])
    assert "The service was stopped for" in report
