# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor on a server, with all that it tries: nothing is a failure, and nothing of it stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.plays import COLLECTION
from windows.stand_in import Server

DOCTOR = f"{COLLECTION}.doctor"


@pytest.fixture(scope="module")
def before(server: Server) -> dict[str, Any]:
    return server.state()


@pytest.fixture(scope="module")
def findings(
    before: dict[str, Any], server: Server, options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, str]]:
    """What the doctor found, by check."""
    report = tmp_path_factory.mktemp("doctor") / "doctor.json"
    run = server.run(DOCTOR, **options, doctor_probes=True, doctor_report_json=str(report))
    assert report.exists(), run.output[-3000:]
    (host,) = json.loads(report.read_text())["hosts"]
    return {one["check"]: one for one in host["findings"]}


def in_order(findings: dict[str, dict[str, str]], check: str) -> str:
    """What a check found, which must be ok."""
    assert findings[check]["state"] == "ok", findings[check]
    return findings[check]["found"]


@pytest.mark.proves(
    "Whether the account's token is elevated, and which privileges it has",
    "Whether a process is in a job, and may leave its shell's",
    "Who may log on as a service",
    "Policies of logging, FIPS, AppLocker",
    "The store of the machine",
)
def test_the_doctor_finds_no_failure(findings: dict[str, dict[str, str]], server: Server) -> None:
    bad = [one for one in findings.values() if one["state"] == "failure"]
    if server.windows.wine:
        bad = [one for one in bad if one["check"] != "Windows"]  # Wine shows itself as an older one
    assert bad == []


@pytest.mark.proves("A run goes on when its shell is closed")
def test_a_run_outlives_its_shell(findings: dict[str, dict[str, str]]) -> None:
    assert "also when its shell is closed" in in_order(findings, "detached run")


@pytest.mark.proves("JSON is parsed, refused when it is not JSON")
def test_json_comes_back_equal(findings: dict[str, dict[str, str]]) -> None:
    in_order(findings, "probe: json")


@pytest.mark.proves("Paths of more than 260 characters", "Tables by the names of files")
def test_odd_and_long_names_are_kept_apart(findings: dict[str, dict[str, str]]) -> None:
    in_order(findings, "probe: names")


@pytest.mark.proves("A file that nobody but SYSTEM and Administrators may open inherits again")
def test_owners_and_permissions_are_set_and_taken_back(findings: dict[str, dict[str, str]]) -> None:
    in_order(findings, "probe: permissions")


@pytest.mark.proves("Registry values of all kinds are written")
def test_registry_values_of_each_kind_are_written(findings: dict[str, dict[str, str]]) -> None:
    in_order(findings, "probe: registry")


@pytest.mark.proves("URL reservations", "TLS bindings by address, by host name and of the central store")
def test_bindings_and_reservations_are_added_and_deleted(findings: dict[str, dict[str, str]]) -> None:
    in_order(findings, "probe: reservations")
    in_order(findings, "probe: bindings")


@pytest.mark.proves("The same for keys of CryptoAPI, which the service may then read", "A key is deleted with its file")
def test_keys_of_both_kinds_are_imported_used_exported_and_deleted(findings: dict[str, dict[str, str]]) -> None:
    in_order(findings, "probe: certificates")


@pytest.mark.proves("The creation time of a file that takes the place of another")
def test_creation_times_stay(findings: dict[str, dict[str, str]], server: Server) -> None:
    if server.windows.wine:
        pytest.skip("Wine keeps no creation times")
    in_order(findings, "probe: times")


@pytest.mark.proves("Events of a log are read from the newest back")
def test_no_password_is_in_windows_logs(findings: dict[str, dict[str, str]], server: Server) -> None:
    if server.windows.wine:
        pytest.skip("Wine has no event log")
    in_order(findings, "probe: logs")


def test_nothing_of_the_doctor_stays(
    findings: dict[str, dict[str, str]], before: dict[str, Any], server: Server
) -> None:
    assert server.state() == before
