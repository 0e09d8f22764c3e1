# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each module on its own. Two playbooks run side by side, each on a host of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import windows_lab
from support.ams_host import SERVICE_SID, AmsHost
from support.certificates import CertificateSpec
from support.playbook import PlaybookRun, hash_tree, start_playbook
from support.plays import Call, called, write_calls

SERVICE_CALLS = [
    Call("would_stop", "service", {"state": "stopped"}, check=True),
    Call("stops", "service", {"state": "stopped"}),
    Call("stays_stopped", "service", {"state": "stopped"}),
    Call("would_start", "service", {"state": "started"}, check=True),
    Call("starts", "service", {"state": "started"}),
    Call("would_stay", "service", {"state": "started"}, check=True),
    Call("restarts", "service", {"state": "restarted"}),
]
RUN_ID = "{{ live.run_id }}"
SNAPSHOT_CALLS = [
    Call("installation", "installation_info", {"require_supported": False}),
    Call("would_copy", "config_snapshot", {}, check=True),
    Call("live", "config_snapshot", {"stop_service": "never", "staging_root": r"C:\Staging for backups"}),
    Call("has_ended", "run_info", {"run_id": RUN_ID, "staging_root": r"C:\Staging for backups"}),
    Call(
        "would_remove",
        "config_snapshot",
        {"state": "absent", "run_id": RUN_ID, "staging_root": r"C:\Staging for backups"},
        check=True,
    ),
    Call("forgets", "config_snapshot", {"state": "absent"}),
    Call("database_live", "config_snapshot", {"stop_service": "never", "include_database": True}),
    Call("no_such_state", "config_snapshot", {"state": "presnt"}),
]


@pytest.fixture(scope="module")
def old(root: Path, idle: AmsHost) -> list[str]:
    """The ids of three backups as they may lie there: complete, incomplete, and with a damaged manifest."""
    ids = ["20250101T000000Z", "20250201T000000Z", "20250301T000000Z"]
    common = {
        "format": 1,
        "host": idle.name,
        "collection_version": "1.0.0",
        "created": "2025-01-01T00:00:00Z",
        "problems": [],
        "artifacts": [],
        "content_digest": "",
        "inventory": {},
        "nonce_sha256": "0" * 64,
        "recipients": [],
        "previous": None,
        "previous_id": None,
        "checksum": "",
    }
    texts = [
        json.dumps(common | {"id": ids[number], "status": status})
        for number, status in enumerate(("complete", "incomplete"))
    ]
    for backup_id, text in zip(ids, (*texts, "{"), strict=True):
        (root / idle.name / backup_id).mkdir(parents=True)
        (root / idle.name / backup_id / "manifest.json").write_text(text)
    return ids


@pytest.fixture(scope="module")
def runs(host: AmsHost, idle: AmsHost, work: Path, root: Path, old: list[str]) -> tuple[PlaybookRun, PlaybookRun]:
    info = {"backup_root": str(root)}
    (idle.drive_c / "Staging for backups").mkdir()
    calls = [
        *SNAPSHOT_CALLS,
        Call("all", "backup_info", info),
        Call("latest", "backup_info", info | {"backup_id": "latest", "complete_only": True}),
        Call("by_id", "backup_info", info | {"backup_id": old[1]}),
        Call("between", "backup_info", info | {"not_before": "202502", "not_after": "20250228"}),
        Call("no_such", "backup_info", info | {"backup_id": "20240101T000000Z"}),
        Call("other_host", "backup_info", info | {"host": "nobody", "backup_id": "latest"}),
    ]
    started = (
        start_playbook(write_calls(work / "service.yml", SERVICE_CALLS), host.write_inventory(work / "host.yml")),
        start_playbook(write_calls(work / "snapshot.yml", calls), idle.write_inventory(work / "idle.yml", "psrp")),
    )
    return started[0].wait(), started[1].wait()


@pytest.fixture(scope="module")
def service(runs: tuple[PlaybookRun, PlaybookRun]) -> dict[str, dict[str, Any]]:
    return called(runs[0])


@pytest.fixture(scope="module")
def others(runs: tuple[PlaybookRun, PlaybookRun]) -> dict[str, dict[str, Any]]:
    return called(runs[1])


# ---- service ----


@pytest.mark.parametrize(
    ("call", "changed", "before", "after"),
    [
        ("would_stop", True, "Running", "Running"),
        ("stops", True, "Running", "Stopped"),
        ("stays_stopped", False, "Stopped", "Stopped"),
        ("would_start", True, "Stopped", "Stopped"),
        ("starts", True, "Stopped", "Running"),
        ("would_stay", False, "Running", "Running"),
        ("restarts", True, "Running", "Running"),
    ],
)
def test_service_is_brought_into_the_state(
    service: dict[str, dict[str, Any]], call: str, changed: bool, before: str, after: str
) -> None:
    result = service[call]
    assert (result["changed"], result["status_before"], result["status"]) == (changed, before, after)


def test_service_was_stopped_and_started_twice_in_all(service: dict[str, dict[str, Any]], host: AmsHost) -> None:
    assert host.turns()[-4:] == ["stopped", "started", "stopped", "started"]
    assert host.service_state() == "Running"
    assert service["stops"]["stop_ms"] > 0
    assert service["restarts"]["start_ms"] > 0


def test_service_leaves_nothing_on_the_server(service: dict[str, dict[str, Any]], host: AmsHost) -> None:
    assert not [name for name in host.disk() if "lithnet.access_manager" in name or ".ansible_async" in name]


# ---- installation_info ----


def test_installation_is_reported_without_judging_it(others: dict[str, dict[str, Any]], idle: AmsHost) -> None:
    result = others["installation"]
    assert result["changed"] is False
    assert result["installation"]["version"] == "1.0.7945.0"
    assert result["installation"]["configured"] is True
    assert result["state"]["service"]["status"] == "Stopped"
    assert {one["thumbprint"] for one in result["certificates"]} == {one.thumbprint for one in idle.certificates}
    assert all(
        one["key"]["present"] and one["key"]["exportable"] and SERVICE_SID in one["key"]["sddl"]
        for one in result["certificates"]
    )
    assert len(result["references"]) == len(idle.configuration.references)
    assert result["staging"]["free_bytes"] > 0
    assert "problems" not in result
    assert "inventory" not in result


def test_service_that_could_not_start_again_is_not_stopped_unless_that_is_asked_for(
    service: dict[str, dict[str, Any]], host: AmsHost, work: Path
) -> None:
    domain = windows_lab.join(host.prefix, work / "domain")["NetBiosName"]
    sid = windows_lab.account(host.prefix, "gmsa$")
    of_account = host.add_certificate(CertificateSpec("of the account", store=rf"{sid}\My", server=True)).thumbprint
    of_machine = host.tls_certificate.thumbprint
    settings, log = host.config / "appsettings.json", len(host.turns())
    before = settings.read_bytes()
    settings.write_text("{")
    host.run("sc.exe", "config", "lithnetams", "start=", "disabled", "obj=", rf"{domain}\gmsa$", "password=", "")
    try:
        calls = [
            Call("info", "installation_info", {"thumbprints": [of_account, of_machine.lower()]}),
            Call("unnamed", "installation_info"),
            Call("restart", "service", {"state": "restarted"}),
            Call("stop", "service", {"state": "stopped"}),
            Call("copy", "config_snapshot", {"stop_service": "always"}),
            Call("live", "config_snapshot"),
            Call("removed", "config_snapshot", {"state": "absent", "run_id": "{{ live.run_id }}"}),
            Call("forced", "service", {"state": "stopped", "force_stop": True}),
        ]
        results = called(start_playbook(write_calls(work / "unstartable.yml", calls), work / "host.yml").wait())
    finally:
        host.run("sc.exe", "config", "lithnetams", "start=", "auto", "obj=", "LocalSystem")
        settings.write_bytes(before)
        host.start_service()
    for said in ("start type is disabled", "error 1069", "appsettings.json"):
        assert said in " ".join(results["info"]["start_obstacles"])
        assert said in " ".join(results["info"]["health_warnings"])
        assert all(said in results[call]["msg"] for call in ("restart", "stop", "copy"))
    assert "sc.exe managedaccount lithnetams true" in " ".join(results["info"]["health_warnings"])
    assert (results["live"]["copied"], results["forced"]["status"]) == ("live", "Stopped")
    stores = {one["thumbprint"]: (one["store"], one["key"]["present"]) for one in results["info"]["certificates"]}
    assert stores[of_account] == (rf"{sid}\My", True), "a certificate that the directory names, whatever its usages are"
    assert stores[of_machine] == (r"LocalMachine\My", True)
    assert not {of_account, of_machine} & {one["thumbprint"] for one in results["unnamed"]["certificates"]}
    assert host.turns()[log:] == ["stopped", "started"]


# ---- config_snapshot ----


def test_snapshot_is_taken_live_and_shut_to_others(others: dict[str, dict[str, Any]], idle: AmsHost) -> None:
    live = others["live"]
    staged = idle.drive_c / "Staging for backups/lithnet.access_manager" / live["run_id"]
    try:
        assert (live["changed"], live["copied"], live["stopped"]) == (True, "live", False)
        assert live["files"] == len(idle.configuration.files) + len(idle.configuration.external)
        assert (staged / "manifest.json").is_file()
        script = r"""
        (Get-Acl -LiteralPath 'C:\Staging for backups').Sddl
        (Get-Acl -LiteralPath 'C:\Staging for backups\lithnet.access_manager').Sddl
        """
        named, sddl = idle.powershell(script).split()
        assert "D:P" not in named  # the folder that the user names keeps its permissions
        assert sddl.endswith(("D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)", "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"))
        assert others["would_remove"]["changed"]
        assert (others["has_ended"]["state"], others["has_ended"]["run_failed"]) == ("finished", False)
    finally:
        shutil.rmtree(staged.parent, ignore_errors=True)


def test_snapshot_is_removed_and_its_empty_root_too(
    idle: AmsHost, others: dict[str, dict[str, Any]], work: Path
) -> None:
    folder = idle.drive_c / "Staging for backups/lithnet.access_manager/0123456789abcdef"
    folder.mkdir(parents=True)
    options = {"state": "absent", "run_id": folder.name, "staging_root": r"C:\Staging for backups"}
    calls = [
        Call("died", "run_info", {"run_id": folder.name, "staging_root": options["staging_root"]}),
        Call("removes", "config_snapshot", options),
        Call("is_gone", "config_snapshot", options),
        Call("is_unknown", "run_info", {"run_id": folder.name, "staging_root": options["staging_root"]}),
        Call("no_id", "run_info", {"run_id": "..\\.."}),
    ]
    run = start_playbook(write_calls(work / "remove.yml", calls), work / "idle.yml").wait()
    results = called(run)
    assert [results[name]["changed"] for name in ("removes", "is_gone")] == [True, False]
    assert [results[name]["state"] for name in ("died", "is_unknown")] == ["ended", "unknown"]
    assert "is not the id of a run" in results["no_id"]["msg"]
    assert not folder.parent.exists()
    assert folder.parent.parent.exists()


def test_snapshot_in_check_mode_stages_nothing(others: dict[str, dict[str, Any]], idle: AmsHost) -> None:
    assert others["would_copy"]["changed"] is True
    assert "run_id" not in others["would_copy"]
    assert not (idle.drive_c / "ProgramData/lithnet.access_manager").exists()


def test_snapshot_options_that_do_not_go_together_are_refused(others: dict[str, dict[str, Any]]) -> None:
    assert "run_id says which snapshot to remove" in others["forgets"]["msg"]
    assert "only while the service is stopped" in others["database_live"]["msg"]
    assert "value of state must be one of" in others["no_such_state"]["msg"]


# ---- backup_info ----


def test_backups_are_listed_oldest_first_a_damaged_one_as_such(
    others: dict[str, dict[str, Any]], old: list[str], root: Path, idle: AmsHost
) -> None:
    backups = others["all"]["backups"]
    assert [one["id"] for one in backups] == old
    assert [one["status"] for one in backups] == ["complete", "incomplete", "unreadable"]
    assert backups[0]["path"] == str(root / idle.name / old[0])
    assert others["all"]["backup"] is None


def test_backup_is_selected_by_time_id_and_completeness(others: dict[str, dict[str, Any]], old: list[str]) -> None:
    assert others["latest"]["backup"]["id"] == old[0]
    assert others["by_id"]["backup"]["id"] == old[1]
    assert [one["id"] for one in others["between"]["backups"]] == [old[1]]


def test_backup_that_is_not_there_is_named(others: dict[str, dict[str, Any]], root: Path, idle: AmsHost) -> None:
    assert f"no backup '20240101T000000Z' of {idle.name} in '{root}'" in others["no_such"]["msg"]
    assert "There is no backup of nobody" in others["other_host"]["msg"]


def test_reading_backups_changes_none(others: dict[str, dict[str, Any]], root: Path, old: list[str]) -> None:
    assert not others["all"]["changed"]
    assert sorted(name for name, what in hash_tree(root).items() if what != "folder") == [
        f"ams2/{one}/manifest.json" for one in old
    ]
