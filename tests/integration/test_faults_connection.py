# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the network: a run goes on with the same stop, a transfer where it was.

Each run has a fault on each of two hosts.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from support.ams_host import AmsHost, MakeHost
from support.backups import KeyPair
from support.faults import PATIENCE, Place, Trace, at_work, count_up, cut_at_command, knobs, meanwhile
from support.host_state import identity_file, restoring
from support.playbook import start_playbook
from support.plays import RESTORE, result_of

EXPORT = "Export and encrypt the configuration, the certificates and the secrets"
ALWAYS = {"backup_stop_service": "always"}
MEBIBYTE = 1024 * 1024
LOST_PERCENT, MOST_SECONDS = 10, 900
LAUNCH, COLLECT = 2, 3
"""Which of the processes over WinRM starts the stop, and which waits for its end: the first reads the installation."""


def check_stopped_backup(place: Place, trace: Trace) -> None:
    """Holds that a run stopped the service once, made one whole backup and left nothing else."""
    trace.check(["stopped", "started"])
    backup = place.backup(trace.host)
    assert (backup.manifest["status"], backup.manifest["stopped"]) == ("complete", True)
    for name in trace.host.configuration.files:
        assert backup.config[f"config/{name}"] == (trace.host.config / name).read_bytes()
    assert backup.manifest["downtime_ms"] > 0
    assert place.partials() == []


def test_line_cut_during_the_stop_where_windows_ends_the_process(one: AmsHost, two: AmsHost, place: Place) -> None:
    """Cut when the stop is launched, over Basic; and when it is waited for, over Basic with TLS and validation."""
    traces = Trace(one), Trace(two)
    with (
        knobs(one, StopDelayMs=3000),
        knobs(two, StopDelayMs=3000),
        meanwhile(cut_at_command(one, LAUNCH), cut_at_command(two, COLLECT)),
    ):
        run = place.run(
            {
                one.name: one.inventory_vars("winrm", "basic") | ALWAYS,
                two.name: two.inventory_vars("winrm", "basic", tls=True) | ALWAYS,
            }
        )
    assert run.rc == 0, run.output
    for trace in traces:
        assert f"There is no connection to {trace.host.name}, or it was lost" in run.output
        check_stopped_backup(place, trace)


def dropping_during_the_stop(trace: Trace) -> Callable[[], None]:
    """Cuts the connection again and again from when a run is at work until the service runs again, and once at the
    least.
    """

    def drop() -> None:
        host = trace.host
        host.wait_for(lambda: at_work(host), PATIENCE)
        before = host.stats()["requests"]
        host.trouble(drop_every=2)
        try:
            host.wait_for(
                lambda: trace.turns() == ["stopped", "started"] and host.stats()["requests"] >= before + 2, PATIENCE
            )
        finally:
            host.calm()

    return drop


def test_line_cut_again_and_again_during_the_stop(one: AmsHost, two: AmsHost, place: Place) -> None:
    traces = Trace(one), Trace(two)
    with (
        knobs(one, StopDelayMs=4000),
        knobs(two, StopDelayMs=4000),
        meanwhile(*map(dropping_during_the_stop, traces)),
    ):
        run = place.run(
            {
                one.name: one.inventory_vars("winrm") | ALWAYS,
                two.name: two.inventory_vars("psrp") | ALWAYS | {"ansible_psrp_operation_timeout": 5},
            }
        )
    assert run.rc == 0, run.output
    for trace in traces:
        assert f"There is no connection to {trace.host.name}, or it was lost" in run.output
        check_stopped_backup(place, trace)


def test_slow_network_that_drops_requests_is_lived_with(one: AmsHost, two: AmsHost, place: Place) -> None:
    """Every 25th request is dropped, from a place where the first falls to the fetch: it and its repetition are lost
    late.
    """
    traces = Trace(one), Trace(two)
    for host in (one, two):
        count_up(host, 5, 25)
        host.trouble(latency_ms=200, drop_every=25)
    try:
        run = place.run({one.name: one.inventory_vars("winrm"), two.name: two.inventory_vars("psrp")}, timeout=400)
    finally:
        for host in (one, two):
            host.calm()
    assert run.rc == 0, run.output
    assert "There is no connection to" in run.output
    for trace in traces:
        assert place.backup(trace.host).manifest["status"] == "complete"
        trace.check([])


def test_transfer_goes_on_where_it_was_cut_and_the_service_is_not_stopped_again(
    one: AmsHost, two: AmsHost, place: Place
) -> None:
    large = random.Random(6).randbytes(20 * MEBIBYTE)
    for host in (one, two):
        (host.config / "large.bin").write_bytes(large)
    traces = Trace(one), Trace(two)
    try:

        def cut(host: AmsHost, arrived: int) -> None:
            def enough() -> bool:
                return any(
                    file.stat().st_size >= arrived for file in place.root.glob(f"{host.name}/.partial-*/.incoming")
                )

            host.wait_for(enough, PATIENCE)
            host.trouble(drop_next=1)

        with meanwhile(lambda: cut(one, MEBIBYTE), lambda: cut(two, 8 * MEBIBYTE)):
            run = place.run(
                {
                    one.name: one.inventory_vars("winrm") | ALWAYS,
                    two.name: two.inventory_vars("psrp") | ALWAYS,
                }
            )
        assert run.rc == 0, run.output
        for trace in traces:
            name = trace.host.name
            assert result_of(run, name, EXPORT)["retries"] == 1
            assert f"{name}: the transfer was interrupted" in run.output
            assert place.backup(trace.host).config["config/large.bin"] == large
            check_stopped_backup(place, trace)
    finally:
        for host in (one, two):
            (host.config / "large.bin").unlink()


def test_backup_with_a_stop_and_a_restore_end_where_one_request_in_ten_is_lost(
    make_host: MakeHost, place: Place, owner: KeyPair
) -> None:
    """Each may succeed or fail. It ends within 15 minutes with the service as it was, and the next backup is made."""
    hosts = saved, restored = make_host("ams-saved"), make_host("ams-restored")
    calm = {host.name: host.inventory_vars("psrp") for host in hosts}
    assert place.run(calm).rc == 0
    (restored.config / "scripts/Approve-Tier1.ps1").write_bytes(b"# spoiled")
    settings = {"access_manager_backup_root": str(place.root), "access_manager_recipients": [owner.public]}
    options = restoring(settings, identity_file(place.folder, owner))
    states, begun = [host.service_state() for host in hosts], time.monotonic()
    for host in hosts:
        host.trouble(drop_percent=LOST_PERCENT)
    try:
        backup = place.start({saved.name: saved.inventory_vars("psrp") | ALWAYS | {"backup_force": True}})
        inventory = restored.write_inventory(place.folder / "restore.yml", "psrp", variables=options)
        ends = [run.wait(MOST_SECONDS) for run in (backup, start_playbook(RESTORE, inventory))]
    finally:
        for host in hosts:
            host.calm()
    saved.wait_for(lambda: [host.service_state() for host in hosts] == states, begun + MOST_SECONDS - time.monotonic())
    assert {run.rc for run in ends} <= {0, 2, 4}, [run.output for run in ends]
    assert [saved.http_answers(), restored.http_answers()] == [True, True]
    assert place.run(calm).rc == 0
