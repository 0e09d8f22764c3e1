# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server is lost, and another takes its place: with another name, on another drive, from the backup alone."""

from __future__ import annotations

import json
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.ams_host import APPLICATION_ID, SERVICE_SID, AmsHost, MakeHost, write_inventory
from support.backups import Backup, KeyPair, backups_of
from support.configuration import CONFIG_PATH, to_json
from support.host_state import HTTP_KEY, STORE_KEY, Whole, identity_file, restoring
from support.leaks import find_leaks, text_needles
from support.playbook import PlaybookRun, hash_tree, run_playbook
from support.plays import BACKUP, COLLECTION, PLANNED, RESTORE, RESTORED, failure_of, result_of

LOST, NEW = "ams-lost", "ams-new"
COMPUTER = "AMSNEW"
RECOVERY = f"{COLLECTION}.disaster_recovery"
BASE = r"HKLM\SOFTWARE\Lithnet\Access Manager Service"
NAME_KEY = r"HKLM\SYSTEM\CurrentControlSet\Control\ComputerName\ActiveComputerName"
CONFIG = r"D:\AMS\config"
GRANT = rf"""
$service = New-Object Security.Principal.SecurityIdentifier '{SERVICE_SID}'
foreach ($path in 'C:\AccessManagerScripts', 'C:\ProgramData\Contoso') {{
    $folder = New-Object IO.DirectoryInfo $path
    $acl = $folder.GetAccessControl()
    $inherited = [Security.AccessControl.InheritanceFlags] 'ContainerInherit, ObjectInherit'
    $rule = New-Object Security.AccessControl.FileSystemAccessRule $service, 'Read', $inherited, 'None', 'Allow'
    $acl.AddAccessRule($rule)
    $folder.SetAccessControl($acl)
}}
"""
KEEP = r"""
$task = [Console]::In.ReadToEnd() | ConvertFrom-Json
foreach ($file in $task.PSObject.Properties) {
    $acl = New-Object Security.AccessControl.FileSecurity
    $acl.SetSecurityDescriptorSddlForm($file.Value)
    (New-Object IO.FileInfo $file.Name).SetAccessControl($acl)
}
"""


@dataclass(frozen=True)
class Look:
    """Both disks, registry, HTTP.sys, keys and the service of the new server."""

    whole: Whole
    disk: dict[str, str]

    def differences(self, other: Look) -> list[str]:
        lines = self.whole.differences(other.whole)
        names = sorted(
            name for name in self.disk.keys() | other.disk.keys() if self.disk.get(name) != other.disk.get(name)
        )
        return lines + names


def look(server: AmsHost) -> Look:
    disk = server.config.parents[1]
    return Look(Whole.of(server), hash_tree(disk, ignore=["*.log", "AMS/config/db/*"]))


@pytest.fixture(scope="module")
def lost(make_host: MakeHost) -> AmsHost:
    """The service may read its files elsewhere, by rules of their folders. Its JSON has escapes as .NET writes them."""
    host = make_host(LOST)
    host.powershell(GRANT)
    settings = host.config / "appsettings.json"
    settings.write_bytes(settings.read_bytes().replace(b"+", b"\\u002B"))
    return host


@pytest.fixture(scope="module")
def backup(lost: AmsHost, work: Path, settings: dict[str, Any], root: Path, owner: KeyPair) -> Backup:
    """Of the server that is lost: it is deleted."""
    run = run_playbook(BACKUP, lost.write_inventory(work / "lost.yml", variables=settings))
    assert run.rc == 0, run.stdout[-3000:]
    lost.remove()
    (made,) = backups_of(root, LOST, owner.open)
    return made


@pytest.fixture(scope="module")
def server(backup: Backup, lost: AmsHost, make_host: MakeHost, tmp_path_factory: pytest.TempPathFactory) -> AmsHost:
    """A server on which Access Manager was installed just now, on drive D."""
    disk = tmp_path_factory.mktemp("disk-d")
    new = make_host(NEW, certificates=(), running=False, configured=False, drives={"D": disk})
    port = new.http_port
    shutil.rmtree(new.config)
    for file in new.external.values():
        file.unlink()
    new.run("reg.exe", "add", NAME_KEY, "/v", "ComputerName", "/d", COMPUTER, "/f")
    new.run("reg.exe", "add", BASE + r"\Parameters", "/v", "ConfigPath", "/d", CONFIG + "\\", "/f")
    new.run("reg.exe", "add", BASE + r"\Parameters", "/v", "LogPath", "/d", "D:\\AMS\\logs\\", "/f")
    new.run("reg.exe", "add", STORE_KEY, "/f")
    for name in ("HttpAcl", "HttpsAcl", "CertBinding"):
        new.run("reg.exe", "delete", BASE, "/v", name, "/f")
    new.run("netsh.exe", "http", "delete", "sslcert", f"ipport=0.0.0.0:{new.https_port}")
    for url in (f"http://+:{port}/", f"https://+:{new.https_port}/"):
        new.run("netsh.exe", "http", "delete", "urlacl", f"url={url}")
    new.config, new.logs = disk / "AMS/config", disk / "AMS/logs"
    new.serve_at(lost.http_port, lost.https_port)
    for folder in ("audit-templates", "scripts", "db"):
        (new.config / folder).mkdir(parents=True)
    (new.config / "appsettings.json").write_bytes(b"{}\r\n")
    (new.config / "apphost.json").write_bytes(to_json({"Hosting": {"HttpSys": {"HttpPort": port}}}))
    new.start_service()
    return new


@pytest.fixture(scope="module")
def options(settings: dict[str, Any], work: Path, owner: KeyPair) -> dict[str, Any]:
    return restoring(settings, identity_file(work, owner), restore_from_host=LOST)


@pytest.fixture(scope="module")
def before(server: AmsHost) -> Look:
    return look(server)


@pytest.fixture(scope="module")
def looked(before: Look, server: AmsHost, work: Path, options: dict[str, Any]) -> PlaybookRun:
    """The plan, with and without what a recovery needs; nothing is changed."""
    common = server.inventory_vars() | options | {"restore_other_server": True}
    server.run("reg.exe", "add", BASE, "/v", "Version", "/d", "1.0.8152.0", "/f")
    cases: dict[str, dict[str, Any]] = {
        "other-version": {},
        "allowed": {
            "restore_allow_version_mismatch": True,
            "restore_plan_json": str(work / "plan.json"),
            "restore_plan_markdown": str(work / "plan.md"),
        },
        "no-secrets": {"restore_id": str(next(_config_zip(options))), "restore_allow_version_mismatch": True},
        "no-certificate": {"restore_tls_thumbprint": "AB" * 20, "restore_allow_version_mismatch": True},
        "same-server": {"restore_other_server": False},
    }
    hosts = {name: common | variables for name, variables in cases.items()}
    run = run_playbook(RESTORE, write_inventory(work / "looked.yml", hosts), args=("--check",))
    server.run("reg.exe", "add", BASE, "/v", "Version", "/d", "1.0.7945.0", "/f")
    return run


def _config_zip(options: dict[str, Any]) -> Any:
    return Path(options["access_manager_backup_root"]).glob(f"{LOST}/*/config.zip.age")


@pytest.fixture(scope="module")
def inventory(server: AmsHost, work: Path, options: dict[str, Any]) -> Path:
    variables = options | {"restore_tls_thumbprint": server.tls_certificate.thumbprint}
    return server.write_inventory(work / "new.yml", variables=variables)


@pytest.fixture(scope="module")
def failed(looked: PlaybookRun, server: AmsHost, inventory: Path) -> PlaybookRun:
    """The port of the web site is in use on the new server, by a program that never answers."""
    with socket.create_server(("127.0.0.1", server.http_port)):
        return run_playbook(RECOVERY, inventory)


@pytest.fixture(scope="module")
def after_failure(failed: PlaybookRun, server: AmsHost) -> Look:
    return look(server)


@pytest.fixture(scope="module")
def recovered(after_failure: Look, server: AmsHost, backup: Backup, inventory: Path) -> PlaybookRun:
    run = run_playbook(RECOVERY, inventory, args=("-vvvvv",))
    assert run.rc == 0, run.stdout[-3000:]
    server.powershell(KEEP, json.dumps(_permissions_of_moved_files(backup)).encode())
    return run


def _permissions_of_moved_files(backup: Backup) -> dict[str, str]:
    """What Windows keeps when a file is renamed, and the lab does not: by path."""
    return {
        rf"{CONFIG}\{name}".replace("/", "\\"): record["sddl"].replace("D:AI", "D:P").replace(";ID;", ";;")
        for name, record in backup.files.items()
        if name.startswith("external/")
    }


@pytest.fixture(scope="module")
def again(recovered: PlaybookRun, server: AmsHost, inventory: Path) -> tuple[PlaybookRun, list[str]]:
    """The same once more, and what it changed."""
    whole = look(server)
    run = run_playbook(RECOVERY, inventory)
    assert run.rc == 0, run.stdout[-3000:]
    return run, look(server).differences(whole)


@pytest.fixture(scope="module")
def new_backup(
    again: tuple[PlaybookRun, list[str]],
    server: AmsHost,
    work: Path,
    settings: dict[str, Any],
    root: Path,
    owner: KeyPair,
) -> Backup:
    """What the new server is, as a backup of it shows."""
    run = run_playbook(BACKUP, server.write_inventory(work / "new-backup.yml", variables=settings))
    assert run.rc == 0, run.stdout[-3000:]
    (made,) = backups_of(root, NEW, owner.open)
    return made


# ---- the plan ----


def test_what_is_missing_for_a_recovery_is_reported(looked: PlaybookRun) -> None:
    sentence = failure_of(looked, "other-version")
    assert "is of Access Manager 1.0.7945.0, and AMSNEW has 1.0.8152.0" in sentence
    assert "install the MSI of Access Manager Service 1.0.7945.0" in sentence
    sentence = failure_of(looked, "no-secrets")
    assert "Authentication.Oidc.Secret and Email.Password cannot be decrypted on AMSNEW" in sentence
    assert "an administrator has to enter it again" in sentence
    assert "has no certificate" in failure_of(looked, "no-certificate")
    assert "disaster_recovery" in failure_of(looked, "same-server")


def test_the_plan_says_what_happens_and_what_a_person_has_to_do(looked: PlaybookRun, work: Path) -> None:
    plan = json.loads((work / "plan.json").read_text())
    assert plan == result_of(looked, "allowed", PLANNED)["plan_document"]
    assert plan["computer"] == COMPUTER
    assert not plan["configured"]
    assert {secret["action"] for secret in plan["secrets"]} == {"protect"}
    assert {one["state"] for one in plan["certificates"]} == {"import"}
    reported = {task["item"] for task in plan["tasks"]}
    assert {"TLS certificate", "DNS and load balancer", "identity provider", "mail and webhooks"} <= reported
    assert any(change.startswith(f"+ {CONFIG}\\external\\C\\AccessManagerScripts") for change in plan["changes"])
    text = (work / "plan.md").read_text()
    assert "| secrets of mode 1 | restored as it is | re-protected |" in text
    assert "Import-PfxCertificate -FilePath .\\web.pfx" in text


def test_a_recovery_of_a_group_is_refused(work: Path, tmp_path: Path) -> None:
    inventory = write_inventory(tmp_path / "two.yml", {"one": {}, "two": {}})
    run = run_playbook(RECOVERY, inventory)
    assert run.rc != 0
    assert "names 2 servers" in failure_of(run, "one")


# ---- a failure in the middle ----


def test_a_recovery_that_fails_leaves_the_server_as_it_was_installed(
    failed: PlaybookRun, before: Look, after_failure: Look
) -> None:
    assert failed.rc != 0
    sentence = failure_of(failed, NEW)
    assert "The check 'http' failed" in sentence
    assert "Everything was put back as it was" in sentence
    assert after_failure.differences(before) == []


# ---- the recovery ----


def test_the_new_server_answers_and_each_test_of_health_is_passed(recovered: PlaybookRun, server: AmsHost) -> None:
    assert server.service_state() == "Running"
    assert server.http_answers()
    checks = result_of(recovered, NEW, RESTORED)["checks"]
    assert {check["name"] for check in checks if check["passed"]} == {
        *("running", "configured", "http", "https", "secrets", "certificates", "stays_running")
    }


def test_its_own_places_stay_and_configured_is_set(recovered: PlaybookRun, server: AmsHost) -> None:
    registry = server.registry(BASE)
    assert CONFIG in registry
    assert r"D:\AMS\logs" in registry
    assert "0x1" in next(line for line in registry.splitlines() if "Configured" in line)


def test_http_sys_serves_with_the_certificate_of_the_new_server(recovered: PlaybookRun, server: AmsHost) -> None:
    shown = server.run("netsh.exe", "http", "show", "sslcert") + server.run("netsh.exe", "http", "show", "urlacl")
    assert server.tls_certificate.thumbprint.lower() in shown.lower()
    assert APPLICATION_ID.lower() in shown.lower()
    assert f"http://+:{server.http_port}/" in server.registry(HTTP_KEY)


def test_secrets_and_keys_are_those_of_the_lost_server(new_backup: Backup, backup: Backup, lost: AmsHost) -> None:
    assert {path: secret["value"] for path, secret in new_backup.secrets.items()} == lost.secrets
    assert new_backup.pfx_passwords.keys() == backup.pfx_passwords.keys()
    for thumbprint in backup.pfx_passwords:
        assert new_backup.private_numbers(thumbprint) == backup.private_numbers(thumbprint)


def test_every_reference_leads_to_its_file_and_nothing_is_missing(new_backup: Backup, backup: Backup) -> None:
    assert new_backup.manifest["status"] == "complete"
    references = new_backup.installation["references"]
    assert len(references) == len(backup.installation["references"])
    assert {(one["place"], one["exists"]) for one in references} == {("config", True)}
    assert {one["name"] for one in references} <= new_backup.files.keys()
    assert {one["name"] for one in backup.installation["references"] if one["exists"]} <= backup.files.keys()
    held = {
        name: data
        for name, data in new_backup.config.items()
        if name.startswith("config/external/C/") and not name.endswith("/")
    }
    assert held == {
        f"config/{name}": data for name, data in backup.config.items() if name.startswith("external/") and data
    }


def test_nothing_but_paths_and_protected_secrets_differs_in_the_settings(
    server: AmsHost, new_backup: Backup, backup: Backup
) -> None:
    before, after = (
        one.config["config/appsettings.json"].decode().splitlines(keepends=True) for one in (backup, new_backup)
    )
    assert len(before) == len(after)
    changed = {(old.split('"')[1]) for old, new in zip(before, after, strict=True) if old != new}
    assert changed == {"Data", "Salt", "Script", "TemplateSuccess", "TemplateFailure"}
    old = json.dumps(str(CONFIG_PATH))[1:-1]
    assert not any(old in line for line in after)
    assert new_backup.config["config/apphost.json"] == backup.config["config/apphost.json"]


def test_the_service_may_read_every_key_of_the_manifest(again: tuple[PlaybookRun, list[str]], backup: Backup) -> None:
    census = result_of(again[0], NEW, PLANNED)["plan_document"]["certificates"]
    assert {one["thumbprint"]: one["state"] for one in census} == dict.fromkeys(backup.pfx_passwords, "here")


def test_nothing_secret_is_reported_or_left(
    recovered: PlaybookRun, lost: AmsHost, server: AmsHost, backup: Backup
) -> None:
    texts = [text_needles(path, secret.core) for path, secret in lost.planted.items()]
    passwords = [text_needles(thumbprint, password) for thumbprint, password in backup.pfx_passwords.items()]
    on_disk = {name: needle for needles in (*passwords, *texts) for name, needle in needles.items()}
    assert find_leaks(recovered.output, lost.planted_secrets() | on_disk) == ()
    for folder in (server.drive_c, server.config.parents[1]):
        assert find_leaks(folder, on_disk) == ()


def test_the_second_recovery_changes_nothing(again: tuple[PlaybookRun, list[str]]) -> None:
    run, differences = again
    assert differences == []
    assert result_of(run, NEW, PLANNED)["would_change"] is False
    assert "changed=0" in run.output
