# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers that die, and several at once: no half backup, no service left stopped, no lock of the dead."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

from support.ams_host import AmsHost
from support.configuration import CONFIG_PATH
from support.faults import (
    PATIENCE,
    STAGING,
    Place,
    Trace,
    aged,
    at_work,
    kill_powershells,
    kill_whole,
    knobs,
    locking,
    meanwhile,
    processes_of,
    runs_of,
)
from support.playbook import RunningPlaybook, start_playbook
from support.plays import Call, called, failure_of, result_of, write_calls

ALWAYS = {"backup_stop_service": "always"}
OLD, YOUNG = "20250101T000000Z", "20250102T000000Z"


def is_stopping(host: AmsHost) -> bool:
    return host.service_state() == "StopPending"


def is_back(trace: Trace) -> bool:
    """Whether the service has been stopped and started, and the run that did it has ended."""
    return trace.turns() == ["stopped", "started"] and not at_work(trace.host)


def interrupt(running: RunningPlaybook) -> None:
    """What Ctrl+C does."""
    running.kill(signal.SIGINT)


def during_the_stop(host: AmsHost, *actions: Callable[[], object]) -> Callable[[], None]:
    """Does things in the middle of the stop of a run."""

    def act() -> None:
        host.wait_for(lambda: at_work(host) and is_stopping(host), PATIENCE)
        for action in actions:
            action()

    return act


def test_controller_that_ends_during_the_stop(one: AmsHost, two: AmsHost, place: Place) -> None:
    """Killed on one host, interrupted on the other. The next run clears up what is old, and nothing that is young."""
    traces = Trace(one), Trace(two)
    with knobs(one, StopDelayMs=10000), knobs(two, StopDelayMs=10000):
        killed = place.start({one.name: one.inventory_vars() | ALWAYS}, "killed")
        interrupted = place.start({two.name: two.inventory_vars("psrp") | ALWAYS}, "interrupted")
        workers: list[int] = []

        def end(running: RunningPlaybook, how: Callable[[RunningPlaybook], object]) -> None:
            workers.extend(processes_of(running))
            how(running)

        with meanwhile(
            during_the_stop(one, partial(end, killed, kill_whole)),
            during_the_stop(two, partial(end, interrupted, interrupt)),
        ):
            pass
        assert killed.wait(PATIENCE).rc == -signal.SIGKILL
        assert interrupted.wait(PATIENCE).rc not in (0, -signal.SIGKILL)
        for trace in traces:
            trace.host.wait_for(partial(is_back, trace), PATIENCE)
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    for host in (one, two):
        assert place.backups(host) == []
        assert host.http_answers()
    assert any(name.startswith(".partial-") for name in place.partials())

    left = {host.name: runs_of(host)[0] for host in (one, two)}
    aged(left[one.name], 25)
    aged(left[two.name], 23)
    for host in (one, two):
        for backup_id, hours in ((OLD, 25), (YOUNG, 23)):
            half = place.root / host.name / f".partial-{backup_id}"
            half.mkdir()
            (half / "config.zip.age").write_bytes(b"half")
            aged(half, hours)
    run = place.run({host.name: host.inventory_vars() | {"backup_lock_timeout": 1} for host in (one, two)})
    assert run.rc == 0, run.output
    assert not left[one.name].exists()
    assert left[two.name].exists()
    left[two.name].rename(two.prefix / "left")
    (two.drive_c / STAGING).rmdir()
    for trace in traces:
        folder = place.root / trace.host.name
        assert not (folder / f".partial-{OLD}").exists()
        assert (folder / f".partial-{YOUNG}").exists()
        assert place.backup(trace.host).manifest["status"] == "complete"


def test_second_controller_waits_for_the_first(one: AmsHost, place: Place) -> None:
    """The first one stands still in the middle of its stop, for as long as a program keeps a database file open."""
    database = one.config / "db/other.mdf"
    database.write_bytes(b"database")
    trace, inventory = Trace(one), one.write_inventory(place.folder / "second.yml")
    patient = [
        Call("copy", "config_snapshot", {"stop_service": "never", "lock_timeout": 300}),
        Call("removed", "config_snapshot", {"state": "absent", "run_id": "{{ copy.run_id }}"}),
    ]
    with locking(one, rf"{CONFIG_PATH}\db\other.mdf", lambda: True):
        waiting = {"backup_include_database": True, "backup_service_timeout": 600}
        first = place.start({one.name: one.inventory_vars() | waiting}, "first")
        one.wait_for(lambda: trace.turns() == ["stopped"], PATIENCE)
        owner = json.loads((one.drive_c / STAGING / "lock.json").read_text())
        third = start_playbook(write_calls(place.folder / "patient.yml", patient), inventory)
        second = place.run({one.name: one.inventory_vars("psrp") | {"backup_lock_timeout": 1}})
        assert len(place.partials()) == 1
        one.wait_for(lambda: len(runs_of(one)) == 2, PATIENCE)
        assert trace.turns() == ["stopped"]
    waited, done = called(third.wait(400)), first.wait(400)
    refused = failure_of(second, one.name)
    assert (
        f"Another run is at work on this server: {owner['run_id']} of {socket.gethostname()}, since {owner['since']}"
        in refused
    )
    assert "Gave up after 1 s." in refused
    assert (waited["copy"]["copied"], waited["removed"]["changed"]) == ("live", True)
    assert done.rc == 0, done.output
    assert place.backup(one).config["config/db/other.mdf"] == b"database"
    trace.check(["stopped", "started"])
    database.unlink()


def test_run_that_is_killed_on_the_server(one: AmsHost, two: AmsHost, place: Place) -> None:
    """Its controller starts the service again. Where that is gone too, the next run does, and says so."""
    traces = Trace(one), Trace(two)
    with knobs(one, StopDelayMs=10000), knobs(two, StopDelayMs=10000):
        second = place.start({one.name: one.inventory_vars() | ALWAYS}, "second")
        dead = place.start({two.name: two.inventory_vars("psrp") | ALWAYS}, "dead")
        with meanwhile(
            during_the_stop(one, partial(kill_powershells, one)),
            during_the_stop(two, partial(kill_whole, dead), dead.wait, partial(kill_powershells, two)),
        ):
            pass
        for trace in traces:
            trace.host.wait_for(lambda trace=trace: "stopped" in trace.turns())
        assert at_work(two)
        failed = second.wait(PATIENCE)
    assert failed.rc != 0
    assert "It had stopped the service, which has been started again." in (failure_of(failed, one.name))
    traces[0].check(["stopped", "started"], jobs=1)
    assert one.http_answers()
    assert place.backups(one) == []
    (left,) = runs_of(two)
    aged(left, 25)
    try:
        run = place.run({two.name: two.inventory_vars() | ALWAYS | {"backup_lock_timeout": 1}})
        assert run.rc == 0, run.output
        reported = "\n".join(result_of(run, two.name, "Show what was done")["msg"])
        assert f"The run {left.name} of {socket.gethostname()} stopped the service at " in reported
        assert "It was found Stopped and started again at " in reported
        assert result_of(run, two.name, "Recover from interrupted runs")["changed"]
        assert place.backup(two).manifest["stopped"] is True
        traces[1].check(["stopped", "started", "stopped", "started"], staged=1)
        assert not at_work(two)
        assert not (left / "stopped").exists()
    finally:
        if two.service_state() == "Stopped":
            two.start_service()
        left.rename(two.prefix / "dead")
    (two.drive_c / STAGING).rmdir()
