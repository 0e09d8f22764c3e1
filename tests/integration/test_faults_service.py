# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the service, its files and its disk: it comes back as it was found.

Each run has a fault on each of two hosts.
"""

from __future__ import annotations

import json
import re
import shutil

import pytest
from support.ams_host import AmsHost
from support.faults import (
    STAGING,
    Place,
    Trace,
    acting_during_the_copy,
    at_work,
    disk,
    fill,
    knobs,
    locking,
    meanwhile,
    runs_of,
    saving_once,
    saving_steadily,
    usn,
)
from support.plays import failure_of, result_of, statuses

EXPORT = "Export and encrypt the configuration, the certificates and the secrets"
ALWAYS = {"backup_stop_service": "always"}
DATABASE = {"backup_include_database": True}
LOCKED = r"C:\Program Files\Lithnet\Access Manager Service\config\scripts\latin1.ps1"


def usn_of(host: AmsHost) -> int:
    """The Usn of the settings now."""
    number: int = json.loads((host.config / "appsettings.json").read_text(encoding="utf-8-sig"))["Metadata"]["Usn"]
    return number


def test_one_save_during_the_copy_is_copied_again_and_steady_saving_is_stopped(
    one: AmsHost, two: AmsHost, place: Place
) -> None:
    """A program that goes on saving while the service is stopped: that copy is kept, and reported as not verified."""
    before, (trace1, trace2) = usn_of(one), (Trace(one), Trace(two))
    with saving_once(one), saving_steadily(two):
        run = place.run({one.name: one.inventory_vars(), two.name: two.inventory_vars("psrp")})
    assert not statuses(run, one.name) & {"failed", "unreachable"}
    live, stopped = result_of(run, one.name, EXPORT), result_of(run, two.name, EXPORT)
    assert (live["copied"], live["attempts"], live["stopped"]) == ("live", 2, False)
    assert usn(place.backup(one)) == before + 1
    assert "The service was not touched." in result_of(run, one.name, "Show what was done")["msg"]
    trace1.check([])

    assert stopped["live_attempts"] == 3
    assert (stopped["copied"], stopped["attempts"], stopped["consistent"]) == ("stopped", 3, False)
    manifest = place.backup(two).manifest
    assert (manifest["stopped"], manifest["status"]) == (True, "incomplete")
    assert "Another program than the service saved the configuration" in manifest["problems"][0]
    assert manifest["problems"][0] in failure_of(run, two.name)
    assert "The service was stopped for" in run.output
    trace2.check(["stopped", "started"])


def test_steady_saving_fails_without_a_stop_and_the_database_is_waited_for(
    one: AmsHost, two: AmsHost, place: Place
) -> None:
    trace1, trace2 = Trace(one), Trace(two)
    with saving_steadily(one), knobs(two, UnlockDelayMs=3000):
        run = place.run(
            {
                one.name: one.inventory_vars("psrp") | {"backup_stop_service": "never"},
                two.name: two.inventory_vars() | DATABASE,
            }
        )
    assert run.rc != 0
    assert "changed during each of 3 copies" in failure_of(run, one.name)
    assert "backup_stop_service=auto" in failure_of(run, one.name)
    assert place.backups(one) == []
    trace1.check([])

    snapshot = result_of(run, two.name, EXPORT)
    assert 1000 <= snapshot["unlock_ms"] <= snapshot["downtime_ms"]
    for name in two.configuration.database:
        assert place.backup(two).config[f"config/{name}"] == (two.config / name).read_bytes()
    trace2.check(["stopped", "started"])
    assert place.partials() == []


def test_database_that_stays_locked_and_a_slow_stop_fail_within_the_time_out(
    one: AmsHost, two: AmsHost, place: Place
) -> None:
    trace1, trace2 = Trace(one), Trace(two)
    limit = {"backup_service_timeout": 4}
    with knobs(one, UnlockDelayMs=12000), knobs(two, StopDelayMs=6000):
        run = place.run(
            {
                one.name: one.inventory_vars() | DATABASE | limit,
                two.name: two.inventory_vars("psrp") | ALWAYS | limit,
            }
        )
    assert run.rc != 0
    assert "is still locked 4 s after the service stopped. Raise service_timeout" in failure_of(run, one.name)
    assert "did not stop within 4 s" in failure_of(run, two.name)
    assert "does not start" not in failure_of(run, two.name)
    for trace in (trace1, trace2):
        trace.check(["stopped", "started"])
        assert place.backups(trace.host) == []
    assert place.partials() == []


def test_refused_stop_fails_and_a_refused_start_keeps_the_backup(one: AmsHost, two: AmsHost, place: Place) -> None:
    trace1, trace2 = Trace(one), Trace(two)
    with knobs(one, RefuseStop=1), knobs(two, FailStart=1):
        run = place.run(
            {
                one.name: one.inventory_vars("psrp") | ALWAYS | {"backup_service_timeout": 5},
                two.name: two.inventory_vars() | ALWAYS | {"backup_service_timeout": 5},
            }
        )
    refused, unstarted = failure_of(run, one.name), failure_of(run, two.name)
    try:
        assert run.rc != 0
        assert re.search("refuses to stop|did not stop within 5 s: it is Running", refused)
        assert place.backups(one) == []
        trace1.check([])

        assert trace2.log() == ["stopped", *["fatal the configuration could not be read"] * 3]
        assert two.service_state() == "Stopped"
        backup = place.backup(two)
        assert backup.manifest["status"] == "incomplete"
        assert (backup.manifest["stopped"], backup.manifest["downtime_ms"]) == (True, None)
        assert "did not start again" in backup.manifest["problems"][0]
        assert f"The backup {backup.folder.name} of {two.name} is incomplete." in unstarted
        assert "does not start, after 3 attempts" in unstarted
        assert len(backup.certificates) == 2 * len(two.certificates) + 1
        assert place.partials() == []
        (left,) = runs_of(two)
        assert [path.name for path in left.iterdir()] == ["stopped"]  # by which the next run starts the service
    finally:
        one.revive_service()
        two.start_service()
        shutil.rmtree(two.drive_c / STAGING, ignore_errors=True)


def test_copy_that_fails_half_way_leaves_each_service_as_it_was_found(one: AmsHost, two: AmsHost, place: Place) -> None:
    one.stop_service()
    try:
        trace1, trace2 = Trace(one), Trace(two)
        with (
            locking(one, LOCKED, lambda: True),
            locking(two, LOCKED, lambda: at_work(two)),
            knobs(two, StopDelayMs=2500),
        ):
            run = place.run(
                {
                    one.name: one.inventory_vars("psrp") | ALWAYS,
                    two.name: two.inventory_vars() | ALWAYS,
                }
            )
        assert run.rc != 0
        for trace, turns in ((trace1, []), (trace2, ["stopped", "started"])):
            assert f"'{LOCKED}' cannot be read" in failure_of(run, trace.host.name)
            trace.check(turns)
            assert place.backups(trace.host) == []
        assert (trace1.state, trace2.state) == ("Stopped", "Running")
        assert place.partials() == []
    finally:
        one.start_service()


def test_staging_disk_that_fills_up_and_a_file_that_vanishes(one: AmsHost, two: AmsHost, place: Place) -> None:
    disk_x, vanishing = one.prefix.parent / "disk1", two.config / "scripts/vanishing.ps1"
    trace1, trace2 = Trace(one), Trace(two)
    vanishing.write_text("# here today")

    def fill_up() -> None:
        one.wait_for(lambda: at_work(one))
        one.wait_for(lambda: one.service_state() == "StopPending")
        fill(disk_x)

    with disk(disk_x, 64) as refused, knobs(one, StopDelayMs=3000), acting_during_the_copy(two, vanishing.unlink):
        hosts = {two.name: two.inventory_vars()}
        if refused is None:
            hosts[one.name] = (
                one.inventory_vars() | ALWAYS | {"backup_staging_root": "X:\\", "backup_service_timeout": 20}
            )
        with meanwhile(*([fill_up] if refused is None else [])):
            run = place.run(hosts, timeout=400)
        left = runs_of(one, disk_x / "lithnet.access_manager")
    if refused is None:
        assert run.rc != 0
        assert "The drive X:\\ became full while the backup was staged. Free some space" in failure_of(run, one.name)
        assert left == []
        assert place.backups(one) == []
        trace1.check(["stopped", "started"])
    assert "config/scripts/vanishing.ps1" not in place.backup(two).config
    assert result_of(run, two.name, EXPORT)["attempts"] == 2
    trace2.check([])
    assert place.partials() == []
    if refused is not None:
        pytest.skip(f"a file that vanishes was tested; no small disk can be mounted here: {refused}")


def test_what_the_service_changes_as_it_ends_is_copied_as_it_is_then(one: AmsHost, place: Place) -> None:
    going, coming = one.config / "scripts/until-the-stop.ps1", one.config / "scripts/since-the-stop.ps1"
    going.write_text("# listed before the stop")
    trace = Trace(one)

    def change() -> None:
        one.wait_for(lambda: at_work(one))
        one.wait_for(lambda: one.service_state() == "StopPending")
        going.unlink()
        coming.write_text("# written while it ended")

    try:
        with knobs(one, StopDelayMs=3000), meanwhile(change):
            run = place.run({one.name: one.inventory_vars() | ALWAYS})
        copied = result_of(run, one.name, EXPORT)
        assert (copied["attempts"], copied["consistent"]) == (1, True)
        backup = place.backup(one)
        assert backup.manifest["status"] == "complete"
        assert f"config/scripts/{going.name}" not in backup.config
        assert backup.config[f"config/scripts/{coming.name}"] == coming.read_bytes()
        assert trace.turns() == ["stopped", "started"]
        assert one.service_state() == trace.state
    finally:
        going.unlink(missing_ok=True)
        coming.unlink(missing_ok=True)
