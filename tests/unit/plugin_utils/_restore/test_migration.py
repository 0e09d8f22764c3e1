# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From version 1 to a new server with version 2: what is refused, planned, left to a person, and seen afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.contents import Contents
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.keys import Certificate
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore import (
    adapted_backup,
    migration,
    migration_result,
    migration_tasks,
    plan_document,
    plan_markdown,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.action import RestoreAction
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.adapted_backup import RecoveryOptions
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.manual_task_facts import Recovery
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.plan import Plan, RestoreOptions
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.planner import make_plan
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.target_server import unpacked
from support.backups import KeyPair
from support.certificates import TestCertificate
from unit import encrypted_backups
from unit.actions import run_on
from unit.fleets import Fleet, play
from unit.plugin_utils._restore.test_adapted_backup import NEW, contents, fresh, settings_with
from unit.servers import certificate as described_certificate

VERSION = "2.1.1029.0"
PLATFORM = {
    "build": 20348,
    "runtimes": {
        "Microsoft.AspNetCore.App": ["8.0.11", "3.1.4"],
        "Microsoft.WindowsDesktop.App": ["8.0.10", "6.0.36"],
    },
    "sql_instances": ["AMS"],
}
LICENSED = {"Licensing": {"Data": "a licence"}}
PARTS = frozenset({"config", "certificates", "external"})


def unconfigured(**installation: Any) -> dict[str, Any]:
    """A server on which version 2 was installed just now."""
    described = fresh()
    described["installation"] |= {"version": VERSION} | installation
    described["platform"] = json.loads(json.dumps(PLATFORM))
    return described


def kept(certificate: TestCertificate) -> dict[str, Certificate]:
    return {certificate.thumbprint: Certificate(certificate.thumbprint, b"cer", b"pfx", "password")}


def refusal(described: dict[str, Any], *allowed: str) -> str:
    with pytest.raises(AccessManagerError) as raised:
        migration.refuse_target(described, allowed)
    return str(raised.value)


def planned(backup: Contents, described: dict[str, Any]) -> tuple[Contents, Plan]:
    adapted = adapted_backup.adapt(backup, described, RecoveryOptions(migrate=True))
    options = RestoreOptions(parts=PARTS, mirror=False, start=True, allow_version_mismatch=True)
    return adapted, make_plan(adapted, described, options)


def again(*, playbook: str = "migrate", **variables: Any) -> str:
    return f"ansible-playbook lithnet.access_manager.{playbook} {variables}"


# ---- what is refused ----


def test_a_server_where_version_2_was_just_installed_is_taken() -> None:
    migration.refuse_target(unconfigured(), ())


@pytest.mark.parametrize(
    ("installation", "words"),
    [
        ({"exists": False}, "install version 2 there, and do not open its configuration tool"),
        ({"version": "1.0.8152.0"}, "run the playbook disaster_recovery"),
        ({"version": "3.0.1257.0"}, "The way to version 3 leads through version 2: install version 2 on AMS2 instead"),
        ({"version": "20.1"}, "has version '20.1'"),
        ({"version": ""}, "has version ''"),
        ({"configured": True}, "is configured already"),
    ],
)
def test_another_installation_is_refused_in_a_sentence(installation: dict[str, Any], words: str) -> None:
    assert words in refusal(unconfigured(**installation), "community", "dotnet", "sql")


def test_a_server_that_has_imported_settings_is_refused() -> None:
    described = unconfigured()
    name = "config/appsettings.json.20261130.backup"
    described["records"] += [described["records"][0] | {"kind": "file", "name": name, "path": NEW + "\\x"}]
    assert "has imported a configuration of version 1 already" in refusal(described)


def test_a_server_older_than_2016_is_refused_whatever_is_allowed() -> None:
    described = unconfigured()
    described["platform"]["build"] = 9600
    assert "needs Windows Server 2016" in refusal(described, "community", "dotnet", "sql")


@pytest.mark.parametrize(
    ("version", "there", "needed"),
    [
        ("2.1.1029.0", [], "8 (8.0 or newer)"),
        ("2.1.1029.0", ["6.0.36"], "8 (8.0 or newer)"),
        ("2.1.1029.0", ["9.0.1", "7.0.20"], "8 (8.0 or newer)"),
        ("2.1.1029.0", ["8.0.0-rc.1", "eight"], "8 (8.0 or newer)"),
        ("2.0.9540.0", ["6.0.9", "3.1.4"], "6 (6.0.10 or newer)"),
        ("2.0.9540.0", ["8.0.11", "9.0.1"], "6 (6.0.10 or newer)"),
    ],
)
def test_a_server_without_the_runtime_of_its_version_is_refused_unless_that_is_allowed_by_name(
    version: str, there: list[str], needed: str
) -> None:
    described = unconfigured(version=version)
    described["platform"]["runtimes"] = {"Microsoft.AspNetCore.App": there, "Microsoft.WindowsDesktop.App": there}
    sentence = refusal(described)
    assert f"and no Microsoft.WindowsDesktop.App of .NET {needed}" in sentence
    assert "give migrate_allow the word 'dotnet'" in sentence
    assert refusal(described, "sql", "community")
    migration.refuse_target(described, ("dotnet",))


@pytest.mark.parametrize(("version", "there"), [("2.1.1029.0", "8.0.0"), ("2.2.1", "8.0.11"), ("2.0.9540.0", "6.0.10")])
def test_a_server_with_the_runtime_of_its_version_is_taken(version: str, there: str) -> None:
    described = unconfigured(version=version)
    both = {"Microsoft.AspNetCore.App": ["3.1.4", there], "Microsoft.WindowsDesktop.App": [there, "9.0.1"]}
    described["platform"]["runtimes"] = both
    migration.refuse_target(described, ())


def test_a_server_that_tells_of_no_runtime_is_refused() -> None:
    described = unconfigured()
    described["platform"]["runtimes"] = {}
    assert "has no Microsoft.AspNetCore.App and no Microsoft.WindowsDesktop.App" in refusal(described)


def test_a_server_that_shows_no_sql_server_is_refused_unless_that_is_allowed_by_name() -> None:
    described = unconfigured()
    described["platform"]["sql_instances"] = []
    assert "give migrate_allow the word 'sql'" in refusal(described, "dotnet")
    migration.refuse_target(described, ("sql",))
    described["state"]["registry"] += [
        {"key": "Parameters", "name": "ConnectionString", "kind": "String", "data": "Server=sql1"}
    ]
    migration.refuse_target(described, ())


def test_encrypted_passwords_without_a_licence_are_refused_unless_that_is_allowed_by_name(
    certificate: TestCertificate,
) -> None:
    backup = contents(certificates=kept(certificate))
    with pytest.raises(AccessManagerError, match="issue 197.*migrate_allow the word 'community'"):
        migration.refuse_backup(backup, VERSION, ("sql",))
    migration.refuse_backup(backup, VERSION, ("community",))
    migration.refuse_backup(contents(), VERSION, ())
    migration.refuse_backup(contents(settings_with(**LICENSED), certificates=kept(certificate)), VERSION, ())


def test_a_backup_of_1_1_is_refused_for_a_version_2_to_which_upgrades_failed() -> None:
    backup = contents(version="1.1.1021.0")
    with pytest.raises(AccessManagerError, match="failed before 2.0.9410: the target has '2.0.9371.0'. Install"):
        migration.refuse_backup(backup, "2.0.9371.0", ("community", "dotnet", "sql"))
    for version in ("2.0.9410.0", "2.1.1029.0"):
        migration.refuse_backup(backup, version, ())
    migration.refuse_backup(contents(version="1.0.8152.0"), "2.0.9371.0", ())


@pytest.mark.parametrize(("current", "unreadable"), [(0, False), (3, True)])
def test_a_census_says_whether_passwords_depend_on_it(
    certificate: TestCertificate, current: int, unreadable: bool
) -> None:
    key = {"thumbprint": certificate.thumbprint, "current": current, "history": 0}
    manifest = {"directory": {"keys": [key]}, "certificates": []}
    backup = contents(certificates=kept(certificate), manifest=manifest)
    assert migration.has_unreadable_passwords(backup) is unreadable


@pytest.mark.parametrize("version", ["2.0.1", "3.0"])
def test_only_a_backup_of_version_1_is_migrated(version: str) -> None:
    with pytest.raises(AccessManagerError, match="cannot be restored"):
        planned(contents(version=version), unconfigured())


@pytest.mark.slow
def test_a_run_refuses_before_anything_is_changed(tmp_path: Path, owner: KeyPair) -> None:
    (tmp_path / "fleet").mkdir()
    fleet = Fleet(tmp_path / "fleet", owner)
    store = encrypted_backups.BackupStore(str(fleet.root), "old")
    encrypted_backups.make(store, "20261123T081500Z", encrypted_backups.encrypt_to(owner.public))
    options = {"restore_from_host": "old", "restore_other_server": True, "restore_migrate": True}
    done = fleet.run([play("restore")], {"ams1": {}}, extra=options)
    assert done.rc != 0
    assert "run the playbook disaster_recovery" in done.stdout
    steps = [json.loads(line)["step"] for line in (tmp_path / "fleet/calls.jsonl").read_text().splitlines()]
    assert steps == ["config_restore:describe"]


def test_the_secrets_in_the_registry_of_version_2_are_in_no_result(tmp_path: Path, owner: KeyPair) -> None:
    """Its connection string may have a password, and a plan returns what was found on the server."""
    root, key = tmp_path / "backups", tmp_path / "key.txt"
    root.mkdir(mode=0o700)
    key.touch(0o600)
    key.write_text(owner.private)
    store = encrypted_backups.BackupStore(str(root), "old")
    encrypted_backups.make(store, "20261123T081500Z", encrypted_backups.encrypt_to(owner.public))
    described = unconfigured()
    values = {"ConnectionString": "Server=sql;Password=hunter2", "LicenseData": "hunter2", "LogPath": "D:\\l"}
    values |= {"Store": "Server=sql;User Id=ams;Pwd=hunter2", "Trusted": "Server=sql;Password=;Integrated Security=1"}
    described["state"]["registry"] = [
        {"key": "Parameters", "name": name, "kind": "String", "data": data} for name, data in values.items()
    ]
    described["platform"]["sql_instances"] = []
    lies = {"config_restore:describe": {key: described[key] for key in ("installation", "platform", "state")}}
    options = {"backup_root": str(root), "host": "old", "identity_file": str(key), "other_server": True}
    planned = run_on(tmp_path, "ams2", lies, "config_restore", state="planned", migrate=True, **options)
    assert not planned.get("failed"), planned["msg"]
    assert "hunter2" not in str(planned)
    installation: Any = unpacked(planned["installation"])
    known = {one["name"]: one["data"] for one in installation["state"]["registry"]}
    hidden = dict.fromkeys(("ConnectionString", "LicenseData", "Store"), "(not shown)")
    assert known == values | hidden


# ---- the plan ----


def test_files_move_and_registry_http_sys_and_configured_are_left(certificate: TestCertificate) -> None:
    described = unconfigured()
    adapted, plan = planned(contents(settings_with(), certificates=kept(certificate)), described)
    changed = {record["path"] for record in plan.files}
    assert NEW + r"\appsettings.json" in changed
    assert any(path.startswith(NEW + "\\external\\") for path in changed)
    assert not any("\\db\\" in path for path in changed)
    assert not any(plan.registry.values())
    assert not any([*plan.http_sys["add"].values(), *plan.http_sys["remove"].values()])
    assert not plan.configured
    assert plan.start
    assert [one["action"] for one in plan.certificates] == ["import"]
    assert {secret["action"] for secret in plan.secrets} == {"protect"}
    assert adapted.rewrites


def test_what_version_2_brought_stays() -> None:
    described = unconfigured()
    own = {"kind": "file", "name": "config/of-version-2.json", "path": NEW + r"\of-version-2.json", "sha256": "0" * 64}
    described["records"] += [described["records"][0] | own]
    _adapted, plan = planned(contents(), described)
    assert own["path"] not in {record["path"] for record in plan.files}


def test_an_action_for_version_2_leaves_the_registry_and_removes_nothing() -> None:
    action = object.__new__(RestoreAction)
    action.params = {
        "migrate": True,
        "restore_only": ["config", "certificates", "registry", "external"],
        "restore_files": [],
        "restore_mode": "mirror",
        "include_database": False,
        "start_service": "always",
        "require_secrets": True,
        "allow_version_mismatch": False,
        "tls_thumbprint": None,
    }
    assert action.parts == PARTS
    assert not action.restore_options().mirror


def test_the_tasks_come_with_their_commands_and_into_the_documents(certificate: TestCertificate) -> None:
    service = {"account": "CONTOSO\\svc-ams$"}
    backup = contents(settings_with(), certificates=kept(certificate), described={"service": service_with(service)})
    described = unconfigured()
    adapted, plan = planned(backup, described)
    plan.tasks += migration_tasks.tasks_of(Recovery(backup, described, plan, {}, again))
    document = plan_document.document_of(adapted, described, plan, backup=backup, parts=PARTS)
    text = plan_markdown.to_markdown(document).decode()
    for words in (
        "access-manager-v1-migration.log",
        "lithnet.access_manager.migrate_check",
        "Add-ADGroupMember -Identity 'S-1-5-32-560' -Members 'svc-ams$'",
        "Add-ADGroupMember -Identity 'S-1-5-32-579' -Members 'svc-ams$'",
        "Set-ADServiceAccount -Identity 'svc-ams'",
        "configuration tool of version 2",
        "-Filter '*.UI.exe' | ForEach-Object -Process { Start-Process -FilePath $_.FullName }",
        "age -d -i access-manager-backup.key -o certificates.zip certificates.zip.age",
        "recovery password of the master key",
        "lithnet.access_manager.attach",
        "licence for version 2",
        "SQL Server",
        "/auth/logout",
        "Let the DNS name of the web site",
        "agent of version 2",
        certificate.thumbprint,
    ):
        assert words in text, words
    registry = {one["item"]: one["this_run"] for one in document["items"]}
    assert registry["registry: Configured"] == registry["TLS binding"] == "left out of this run"


def texts_of_tasks(backup: Contents) -> str:
    described = unconfigured()
    _adapted, plan = planned(backup, described)
    return "\n".join(task.text for task in migration_tasks.tasks_of(Recovery(backup, described, plan, {}, again)))


def test_what_version_2_does_with_certificates_and_audit_scripts_is_a_task_where_there_are_any() -> None:
    channels = {"NotificationChannels": {"Powershell": [{"Id": "a", "Script": "Write-AuditLog.ps1"}]}}
    content = {"config/scripts/Write-AuditLog.ps1": b"# audit"}
    used = contents(settings_with(Authentication={"Mode": "Certificate"}, Auditing=channels), content=content)
    assert "hold the SID of their user (KB5014754)" in texts_of_tasks(used)
    assert "test Write-AuditLog.ps1 on AMS2" in texts_of_tasks(used)
    other = texts_of_tasks(contents(settings_with(Authentication={"Mode": "Oidc"}, Auditing={})))
    assert "KB5014754" not in other
    assert "audit scripts" not in other


def test_integrated_windows_authentication_needs_an_spn() -> None:
    backup, described = contents(settings_with(Authentication={"Mode": "Iwa"})), unconfigured()
    _adapted, plan = planned(backup, described)
    tasks = migration_tasks.tasks_of(Recovery(backup, described, plan, {}, again))
    assert any("SPN" in task.text for task in tasks)


def test_an_account_that_is_none_is_never_in_a_command() -> None:
    backup = contents(described={"service": service_with({"account": "X'; Remove-Item C:\\ #\\y$"})})
    described = unconfigured()
    _adapted, plan = planned(backup, described)
    commands = [
        command
        for task in migration_tasks.tasks_of(Recovery(backup, described, plan, {}, again))
        for command in task.commands
    ]
    assert commands
    assert not any("Remove-Item" in command for command in commands)


def service_with(changes: dict[str, Any]) -> dict[str, Any]:
    return {**fresh()["state"]["service"], **changes}


# ---- what is seen afterwards ----


def logged(*events: tuple[int, int], error: str = "") -> dict[str, Any]:
    """Events by number and level, the newest first."""
    times = (f"2026-11-30T10:00:{59 - number}.0000000Z" for number in range(len(events)))
    found = [
        {"id": number, "level": level, "time": time} for (number, level), time in zip(events, times, strict=True)
    ]
    return {"events": found, "error": error}


def migrated(**changes: Any) -> dict[str, Any]:
    described = unconfigured(configured=True)
    described["records"] += [
        described["records"][0] | {"kind": "file", "name": f"config/{name}"}
        for name in ("appsettings.json.20261130.backup", "external/C/Scripts/Approve.ps1", "scripts/Write-AuditLog.ps1")
    ]
    described["state"]["service"] = service_with({"status": "Running"})
    described |= {
        "migration_log": {"path": r"D:\AMS\logs\access-manager-v1-migration.log", "text": "Imported 12 rules\r\n"},
        "logged": logged((2300, 4)),
        "trouble": logged(),
        "health": [{"url": "https://localhost:443/health-check", "status": 200, "error": ""}],
    }
    return described | changes


def states(described: Any) -> dict[str, str]:
    return {one["thing"]: one["state"] for one in migration_result.findings_of(described)[0]}


def test_what_was_carried_over_is_done() -> None:
    found = migrated(certificates=[described_certificate(sddl="")])
    assert states(found) == {
        "settings": "done",
        "scripts and templates": "done",
        "log of the import": "done",
        "events": "done",
        "certificates": "done",
        "service": "done",
        "configuration tool": "done",
        "/health-check": "done",
        "recovery password": "done",
        "database backup": "left",
        "tasks of the plan": "left",
    }


@pytest.mark.parametrize(
    ("changes", "thing", "state"),
    [
        ({"migration_log": None}, "log of the import", "left"),
        ({"migration_log": {"path": "x", "text": None}}, "log of the import", "left"),
        ({"migration_log": {"path": "x", "text": "Error: OIDC"}}, "log of the import", "problem"),
        ({"migration_log": {"path": "x", "text": "a Warning"}}, "log of the import", "problem"),
        ({"records": []}, "settings", "problem"),
        ({"records": [{"name": "config/appsettings.json", "kind": "file"}]}, "settings", "left"),
        ({"records": [{"name": "config/scripts/x", "kind": "folder"}]}, "scripts and templates", "unknown"),
        ({"trouble": logged((5037, 2))}, "events", "problem"),
        ({"trouble": logged((6001, 3), (7, 1))}, "events", "problem"),
        ({"trouble": logged((6001, 3))}, "events", "left"),
        ({"trouble": logged(error="no log")}, "events", "unknown"),
        ({"state": {"service": {"status": "Stopped"}}}, "service", "problem"),
        ({"health": []}, "/health-check", "left"),
        ({"health": [{"url": "u", "status": 503, "error": ""}]}, "/health-check", "problem"),
        ({"logged": logged()}, "recovery password", "left"),
        ({"logged": logged(error="no log")}, "recovery password", "unknown"),
        ({"logged": logged((5051, 2))}, "database backup", "problem"),
        ({"certificates": []}, "certificates", "unknown"),
        ({"certificates": [{"thumbprint": "AB" * 20, "key": {"present": False}}]}, "certificates", "unknown"),
    ],
)
def test_what_is_left_or_wrong_is_said(changes: dict[str, Any], thing: str, state: str) -> None:
    assert states(migrated(**changes))[thing] == state


@pytest.mark.parametrize(
    "line",
    [
        "System.Security.Cryptography.CryptographicException: Key not valid for use in specified state.",
        "3 errors occurred",
        "10 errors",
        "System.NullReferenceException",
        "FATAL the import was ended",
        "[Critical] no database",
        "Failures=2",
        "0 errors, 2 warnings",
        "Error: 0x80070005",
        "2026-11-30 10:00:00|WARN|OIDC secret",
        "ImportError",
    ],
)
def test_a_line_of_the_log_that_tells_of_trouble_is_a_problem(line: str) -> None:
    found = migrated(migration_log={"path": "x", "text": f"Imported 12 rules\r\n{line}\r\n"})
    assert states(found)["log of the import"] == "problem"
    assert migration_result.findings_of(found)[1] == [line]


@pytest.mark.parametrize("line", ["12 imported, 0 failed", "0 errors, 0 warnings", "Errors: 0, warnings: 0.", "Done"])
def test_a_line_of_the_log_that_counts_no_trouble_is_none(line: str) -> None:
    assert states(migrated(migration_log={"path": "x", "text": line}))["log of the import"] == "done"


def test_a_key_that_the_service_may_not_read_is_a_problem_beside_one_that_it_may() -> None:
    readable = described_certificate(sddl="")
    forbidden = described_certificate("CD" * 20, sddl="D:(A;;FA;;;BA)")
    (found,) = (
        one
        for one in migration_result.findings_of(migrated(certificates=[readable, forbidden]))[0]
        if one["thing"] == "certificates"
    )
    assert found["state"] == "problem"
    assert "CD" * 20 in found["found"]
    assert str(readable["thumbprint"]) not in found["found"]


def test_events_are_counted_by_level_and_number_and_the_newest_is_named() -> None:
    found = migration_result.findings_of(migrated(trouble=logged((6001, 3), (5037, 2), (6001, 3), (5040, 2))))[0]
    (events,) = (one for one in found if one["thing"] == "events")
    counted = "error 5037 (1 times), error 5040 (1 times), warning 6001 (2 times)"
    assert events["found"] == f"{counted}, the newest at 2026-11-30T10:00:59.0000000Z."
    assert events["advice"].startswith("Get-WinEvent -LogName 'Lithnet Access Manager'")


def test_what_every_start_of_an_unconfigured_service_logs_is_not_asked_for() -> None:
    assert migration_result.condition_of_trouble(1.5) == (
        "(Level=1 or Level=2 or Level=3) and EventID!=5016 and TimeCreated[timediff(@SystemTime) <= 5400000]"
    )


@pytest.mark.parametrize("hours", [0, -1, 10_001, float("nan"), float("inf")])
def test_hours_that_are_none_are_refused(hours: float) -> None:
    with pytest.raises(AccessManagerError, match="events_hours is"):
        migration_result.condition_of_trouble(hours)


def test_no_more_lines_than_a_person_reads_and_each_is_short() -> None:
    text = "\n".join(["error " + "x" * 5000] * 500)
    lines = migration_result.findings_of(migrated(migration_log={"path": "x", "text": text}))[1]
    assert len(lines) == 20
    assert max(map(len, lines)) < 400


@pytest.mark.parametrize("version", ["1.0.8152.0", "3.0.1"])
def test_a_server_with_another_version_is_not_looked_at(version: str) -> None:
    described = migrated()
    described["installation"]["version"] = version
    with pytest.raises(AccessManagerError, match="this looks at a server with version 2"):
        migration_result.findings_of(described)


def test_a_server_without_access_manager_is_not_looked_at() -> None:
    with pytest.raises(AccessManagerError, match="is not installed on AMS2"):
        migration_result.findings_of({"computer_name": "AMS2", "installation": {"exists": False}})


def test_the_table_has_what_to_do_below_each_thing() -> None:
    table = migration_result.table_of(migration_result.findings_of(migrated(health=[]))[0])
    assert table[0].split() == ["THING", "STATE", "FOUND"]
    place = next(number for number, line in enumerate(table) if line.startswith("/health-check"))
    assert "-> Choose the TLS certificate" in table[place + 1]
