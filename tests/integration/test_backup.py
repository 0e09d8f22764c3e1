# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of one server: looked at, backed up, backed up again, changed, backed up once more."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest
from support.ams_host import APPLICATION_ID, SERVICE_SID, AmsHost, Count, MakeHost
from support.backups import Backup, KeyPair, backups_of, runs_of
from support.certificates import CertificateSpec, TestCertificate
from support.configuration import (
    EMPTY_FOLDERS,
    INJECTED_SCRIPT,
    MODIFIED,
    SPECIAL_SCRIPT,
    SPECIAL_TEMPLATE,
    UNICODE_TEMPLATE,
)
from support.leaks import find_leaks
from support.playbook import PlaybookRun, hash_backups, run_playbook
from support.plays import BACKUP, COLLECTION, result_of

VERIFY = f"{COLLECTION}.verify"
NAME = "ams-story"
OVERRIDE = "AccessManagerService__Email__Host=smtp-of-the-environment.forest.example"
LONG_FOLDER = "scripts/" + "/".join(f"a folder with a long name, number {number} of ten" for number in range(10))
MANIFEST_KEYS = {
    "format",
    "id",
    "host",
    "collection_version",
    "access_manager_version",
    "created",
    "status",
    "problems",
    "artifacts",
    "content_digest",
    "files",
    "bytes",
    "certificates",
    "secrets",
    "recipients",
    "stopped",
    "downtime_ms",
    "previous",
}


@dataclass(frozen=True)
class Step:
    """A run, what it cost, and what was on both sides before and after it."""

    run: PlaybookRun
    count: Count
    disk: tuple[dict[str, str], dict[str, str]]
    registry: tuple[str, str]
    store: tuple[dict[str, str], dict[str, str]]
    log: tuple[list[Any], list[Any]]


@pytest.fixture(scope="module")
def server(make_host: MakeHost) -> AmsHost:
    """A server with an overriding environment variable, a file that is hidden and read-only, and one out of anyone's
    reach.
    """
    host = make_host(NAME)
    key = r"HKLM\SYSTEM\CurrentControlSet\Services\lithnetams"
    host.run("reg.exe", "add", key, "/v", "Environment", "/t", "REG_MULTI_SZ", "/d", OVERRIDE, "/f")
    host.powershell(
        r"(Get-Item -LiteralPath 'C:\AccessManagerScripts\siem\webhook-failure.json').Attributes = 'ReadOnly, Hidden'"
    )
    return host


@pytest.fixture(scope="module")
def inventory(server: AmsHost, work: Path, settings: dict[str, Any]) -> Path:
    return server.write_inventory(work / "inventory.yml", variables=settings)


def step(server: AmsHost, inventory: Path, root: Path, *args: str) -> Step:
    """Runs the playbook and looks at everything before and after."""
    disk, registry, store, log = server.disk(), server.registry(), hash_backups(root), server.service_log()
    with server.counting() as count:
        run = run_playbook(BACKUP, inventory, args=args)
    assert run.rc == 0, run.output
    return Step(
        run,
        count,
        (disk, server.disk()),
        (registry, server.registry()),
        (store, hash_backups(root)),
        (log, server.service_log()),
    )


@pytest.fixture(scope="module")
def looked(server: AmsHost, inventory: Path, root: Path) -> Step:
    return step(server, inventory, root, "--check", "--diff")


@pytest.fixture(scope="module")
def taken(looked: Step, server: AmsHost, inventory: Path, root: Path) -> Step:
    return step(server, inventory, root)


@pytest.fixture(scope="module")
def first(taken: Step, root: Path, owner: KeyPair) -> Backup:
    (backup,) = backups_of(root, NAME, owner.open)
    return backup


@pytest.fixture(scope="module")
def again(first: Backup, server: AmsHost, inventory: Path, root: Path) -> Step:
    return step(server, inventory, root)


@pytest.fixture(scope="module")
def new_certificate(again: Step, server: AmsHost) -> TestCertificate:
    """Changes one thing of each kind, and adds a certificate with a CryptoAPI key."""
    (server.config / "scripts/latin1.ps1").write_bytes(b"# changed")
    (server.config / "audit-templates/ops mail.html").unlink()
    (server.config / LONG_FOLDER).mkdir(parents=True)
    (server.config / LONG_FOLDER / "deep.ps1").write_bytes(b"# deep")
    script = rf"""
    $item = New-Object IO.FileInfo 'C:\AccessManagerScripts\Write-{chr(0xDC)}berwachung.ps1'
    $acl = $item.GetAccessControl()
    $acl.AddAccessRule((New-Object Security.AccessControl.FileSystemAccessRule 'Everyone', 'Read', 'Allow'))
    $item.SetAccessControl($acl)
    Set-ItemProperty 'HKLM:\SOFTWARE\Lithnet\Access Manager Service\Parameters' LogRetentionDays 30
    """
    server.powershell(script)
    return server.add_certificate(CertificateSpec("new", cng=False))


@pytest.fixture(scope="module")
def changed(new_certificate: TestCertificate, server: AmsHost, inventory: Path, root: Path) -> Step:
    return step(server, inventory, root, "--diff")


@pytest.fixture(scope="module")
def second(changed: Step, first: Backup, root: Path, owner: KeyPair) -> Backup:
    _first, backup = backups_of(root, NAME, owner.open)
    return backup


# ---- check mode ----


def test_check_mode_writes_nothing_on_either_side(looked: Step) -> None:
    assert looked.disk[0] == looked.disk[1]
    assert looked.registry[0] == looked.registry[1]
    assert looked.store == ({}, {})
    assert looked.log[0] == looked.log[1]


def test_check_mode_tells_what_a_backup_would_hold(looked: Step, server: AmsHost) -> None:
    installation = result_of(looked.run, NAME, "Read the installation")
    assert installation["files"] == len(server.configuration.files) + len(server.configuration.external)
    assert len({one["thumbprint"] for one in installation["certificates"]}) == 2
    assert len(installation["secrets"]) == 2
    assert result_of(looked.run, NAME, "Open a backup, unless nothing has changed")["changed"]
    assert f"would hold {installation['files']} files" in looked.run.output


# ---- what a backup costs and leaves ----


def test_live_backup_takes_few_processes_and_requests(taken: Step) -> None:
    assert 1 <= taken.count.commands <= 6
    assert 1 <= taken.count.requests <= 60


def test_live_backup_touches_neither_service_nor_disk(taken: Step, server: AmsHost) -> None:
    assert taken.log[0] == taken.log[1]
    assert server.service_state() == "Running"
    assert taken.disk[0] == taken.disk[1]
    assert taken.registry[0] == taken.registry[1]


def test_backup_consists_of_its_parts_alone_closed_to_others(first: Backup, root: Path) -> None:
    assert {path.name for path in first.folder.iterdir()} == {
        "manifest.json",
        "config.zip.age",
        "certificates.zip.age",
        "secrets.json.age",
    }
    assert {path.name for path in (root / NAME).iterdir()} == {first.folder.name, ".runs.jsonl"}
    for path in (root / NAME).rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert stat.S_IMODE((root / NAME).stat().st_mode) == 0o700


def test_a_backup_of_a_server_is_verified_with_its_key_from_a_variable(
    first: Backup, inventory: Path, owner: KeyPair, tmp_path: Path
) -> None:
    """What a server's Windows writes of certificates, secrets and files is what the verification compares."""
    report = tmp_path / "report.json"
    options = {"access_manager_identity": owner.private, "verify_report_json": str(report)}
    run = run_playbook(VERIFY, inventory, args=["-v"], extra_vars=options)
    assert run.rc == 0, run.output
    assert owner.private[:30] not in run.output
    (host,) = json.loads(report.read_text())["hosts"]
    assert {(one["verified"], tuple(one["problems"])) for one in host["backups"]} == {("full", ())}


# ---- what a backup holds ----


def names_in_backup(server: AmsHost) -> dict[str, Path]:
    """Every file that has to be in a backup, and where it is on the disk."""
    names = {f"config/{name}": server.config / name for name in server.configuration.files}
    return names | {
        f"external/C/{'/'.join(path.parts[1:])}": server.path(path) for path in server.configuration.external
    }


def test_every_file_is_there_byte_for_byte(first: Backup, server: AmsHost) -> None:
    expected = {name: path.read_bytes() for name, path in names_in_backup(server).items()}
    held = {name: data for name, data in first.config.items() if name.startswith(("config/", "external/"))}
    assert {name: data for name, data in held.items() if not name.endswith("/")} == expected


def test_names_are_kept_whatever_is_in_them(first: Backup) -> None:
    for name in (f"audit-templates/{UNICODE_TEMPLATE}", f"audit-templates/{SPECIAL_TEMPLATE}"):
        assert f"config/{name}" in first.config
    for name in (SPECIAL_SCRIPT, INJECTED_SCRIPT):
        assert f"config/scripts/{name}" in first.config
    assert "external/C/AccessManagerScripts/Mail templates/Störung [Nacht].html" in first.config


def test_empty_folders_are_kept(first: Backup) -> None:
    assert first.config[f"config/{EMPTY_FOLDERS[0]}/"] == b""


def test_database_is_left_out(first: Backup) -> None:
    assert [name for name in first.config if name.startswith("config/db/")] in ([], ["config/db/"])


def test_files_json_tells_hash_size_and_time_of_each_file(first: Backup, server: AmsHost) -> None:
    names = names_in_backup(server)
    assert first.files.keys() == names.keys()
    for name, record in first.files.items():
        data = names[name].read_bytes()
        assert (record["sha256"], record["size"]) == (hashlib.sha256(data).hexdigest(), len(data))
        assert datetime.fromisoformat(record["modified"]).timestamp() == pytest.approx(
            names[name].stat().st_mtime, abs=0.001
        )
        assert datetime.fromisoformat(record["created"])
    assert datetime.fromisoformat(first.files["config/apphost.json"]["modified"]).timestamp() == MODIFIED


def test_files_json_tells_the_permissions_of_each_file_and_folder(first: Backup, server: AmsHost) -> None:
    records = [*first.json("files.json")["files"], *first.json("files.json")["folders"]]
    script = """
    $paths = ConvertFrom-Json -InputObject ([Console]::In.ReadToEnd())
    ConvertTo-Json -InputObject @($paths | ForEach-Object { (Get-Acl -LiteralPath $_).Sddl })
    """
    reported = server.powershell(script, json.dumps([one["source"] for one in records]).encode())
    assert [one["sddl"] for one in records] == json.loads(reported)
    config = next(one for one in records if one["path"] == "config/")
    assert SERVICE_SID in config["sddl"]


def test_files_json_keeps_attributes(first: Backup) -> None:
    read_only_and_hidden = 0x1 | 0x2
    files = first.files
    assert (
        files["external/C/AccessManagerScripts/siem/webhook-failure.json"]["attributes"] & 0x3 == read_only_and_hidden
    )
    assert files["config/logo.png"]["attributes"] & 0x3 == 0


def test_registry_values_are_kept_with_their_kinds(first: Backup) -> None:
    values = {(one["key"], one["name"]): (one["kind"], one["data"]) for one in first.installation["state"]["registry"]}
    home = "C:\\Program Files\\Lithnet\\Access Manager Service\\"
    assert values["", "Version"] == ("String", "1.0.7945.0")
    assert values["", "Configured"] == ("DWord", 1)
    assert values["", "HttpAcl"] == ("String", f"D:(A;;GX;;;{SERVICE_SID})")
    assert values["Parameters", "ConfigPath"] == ("String", f"{home}config\\")
    assert values["Parameters", "LogRetentionDays"] == ("DWord", 7)


def test_service_and_environment_are_kept(first: Backup) -> None:
    service = first.installation["state"]["service"]
    assert (service["name"], service["account"], service["start"]) == ("lithnetams", "LocalSystem", 2)
    assert service["image_path"].strip('"').endswith("Lithnet.AccessManager.Service.exe")
    assert {"scope": "service", "variable": OVERRIDE} in first.installation["environment"]


def test_permissions_of_registry_keys_are_kept(first: Backup) -> None:
    permissions = {
        one["key"].split("\\")[-1]: one["sddl"] for one in first.installation["state"]["registry_permissions"]
    }
    assert permissions.keys() == {"Access Manager Service", "Parameters", "MY"}
    assert all(sddl.startswith("O:") and "D:" in sddl for sddl in permissions.values())


def test_http_sys_is_kept(first: Backup, server: AmsHost) -> None:
    http_sys = first.installation["state"]["http_sys"]
    assert http_sys["bindings"] == [
        {
            "kind": "address",
            "endpoint": f"0.0.0.0:{server.https_port}",
            "thumbprint": server.tls_certificate.thumbprint,
            "application_id": APPLICATION_ID,
            "store": "My",
            "flags": 0x2,
            "check_mode": 0x1,
            "revocation_freshness": 0,
            "revocation_timeout": 0,
            "ctl_identifier": "",
            "ctl_store": "",
            "other_values": [],
        }
    ]
    reservations = {one["url"]: one["sddl"] for one in http_sys["reservations"]}
    assert f"D:(A;;GX;;;{SERVICE_SID})" in reservations[f"http://+:{server.http_port}/"]
    assert any(url.startswith(f"https://+:{server.https_port}/") for url in reservations)


def test_every_certificate_opens_with_its_key_the_expired_one_too(first: Backup, server: AmsHost) -> None:
    assert first.certificates.keys() == {"passwords.json"} | {
        f"{one.thumbprint}.{kind}" for one in server.certificates for kind in ("pfx", "cer")
    }
    assert {one.spec.name for one in server.certificates} == {"current", "expired"}
    for one in server.certificates:
        assert first.private_numbers(one.thumbprint) == one.private_key.private_numbers()
    passwords = list(first.pfx_passwords.values())
    assert len(set(passwords)) == len(passwords)
    assert min(map(len, passwords)) >= 32


def test_secrets_are_there_in_clear_for_whoever_opens_them(first: Backup, server: AmsHost) -> None:
    assert first.secrets == {path: {"mode": 1, "value": text} for path, text in server.secrets.items()}


def test_age_and_unzip_open_it(first: Backup, owner: KeyPair, tmp_path: Path) -> None:
    if not (shutil.which("age") and shutil.which("unzip")):
        pytest.skip("age or unzip is not installed")
    key, archive = tmp_path / "key.txt", tmp_path / "config.zip"
    key.write_text(owner.private + "\n")
    for name in ("config.zip", "certificates.zip"):
        subprocess.run(["age", "-d", "-i", key, "-o", archive, first.folder / f"{name}.age"], check=True)
        subprocess.run(["unzip", "-qt", archive], check=True, stdout=subprocess.DEVNULL)
        archive.unlink()


# ---- the manifest ----


def test_manifest_has_every_key_of_format_1(first: Backup, server: AmsHost, owner: KeyPair) -> None:
    manifest = first.manifest
    assert manifest.keys() >= MANIFEST_KEYS
    assert (manifest["format"], manifest["id"], manifest["host"]) == (1, first.folder.name, NAME)
    assert (manifest["status"], manifest["problems"], manifest["previous"]) == ("complete", [], None)
    assert (manifest["stopped"], manifest["downtime_ms"]) == (False, 0)
    assert manifest["access_manager_version"] == "1.0.7945.0"
    assert manifest["recipients"] == [owner.public]
    sizes = [path.stat().st_size for path in names_in_backup(server).values()]
    assert (manifest["files"], manifest["bytes"]) == (len(sizes), sum(sizes))


def test_manifest_tells_each_artifact_certificate_and_secret(first: Backup, server: AmsHost) -> None:
    for one in first.manifest["artifacts"]:
        data = (first.folder / one["name"]).read_bytes()
        assert (one["size"], one["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    certificates = {one["thumbprint"]: one for one in first.manifest["certificates"]}
    assert certificates.keys() == {one.thumbprint for one in server.certificates}
    for one in server.certificates:
        reported = certificates[one.thumbprint]
        assert reported["exported"] is True
        assert reported["subject"] == f"CN={one.spec.subject}"
        assert datetime.fromisoformat(reported["not_before"]) == one.certificate.not_valid_before_utc
        assert datetime.fromisoformat(reported["not_after"]) == one.certificate.not_valid_after_utc
    assert [(one["path"], one["mode"], one["exported"]) for one in first.manifest["secrets"]] == [
        (path, 1, True) for path in sorted(server.secrets)
    ]


def test_manifest_holds_nothing_secret(first: Backup, server: AmsHost) -> None:
    text = (first.folder / "manifest.json").read_bytes()
    assert find_leaks(text, server.planted_secrets()) == ()
    for forbidden in (*first.pfx_passwords.values(), OVERRIDE.partition("=")[2]):
        assert forbidden.encode() not in text


# ---- nothing has changed ----


def test_second_backup_is_not_made_when_nothing_has_changed(again: Step) -> None:
    assert again.store[0] == again.store[1]
    assert {one.task for one in again.run.results if one.result.get("changed")} == set()
    assert "Unchanged since" in again.run.output


def test_each_run_leaves_a_record_of_how_it_ended(again: Step, first: Backup, root: Path) -> None:
    made, unchanged, *_later = runs_of(root, NAME)
    assert (made["outcome"], unchanged["outcome"]) == ("complete", "unchanged")
    assert {made["backup_id"], unchanged["backup_id"]} == {first.folder.name}
    assert made["seconds"] > 0
    assert (made["downtime_ms"], made["problems"]) == (0, [])
    assert made["finished"] <= unchanged["finished"]


def test_finding_nothing_changed_takes_one_process_and_no_stop(again: Step) -> None:
    assert again.count.commands == 1
    assert again.log[0] == again.log[1]
    assert again.disk[0] == again.disk[1]


# ---- something has changed ----


def test_diff_names_what_was_added_changed_and_removed(changed: Step, new_certificate: TestCertificate) -> None:
    diff = result_of(changed.run, NAME, "Open a backup, unless nothing has changed")["diff"]["prepared"]
    lines = set(diff.splitlines())
    assert f"+ config/{LONG_FOLDER}/deep.ps1" in lines
    assert f"+ certificates/{new_certificate.thumbprint}" in lines
    assert "~ config/scripts/latin1.ps1" in lines
    assert "~ external/C/AccessManagerScripts/Write-Überwachung.ps1" in lines  # its permissions alone
    assert "~ state/registry" in lines
    assert "- config/audit-templates/ops mail.html" in lines
    assert not [line for line in lines if line[2:] in ("config/logo.png", "state/service", "state/http_sys")]
    assert "+ config/" in changed.run.output


def test_changes_are_in_the_new_backup(second: Backup, server: AmsHost, new_certificate: TestCertificate) -> None:
    values = {one["name"]: one["data"] for one in second.installation["state"]["registry"]}
    assert values["LogRetentionDays"] == 30
    assert second.config["config/scripts/latin1.ps1"] == b"# changed"
    assert "config/audit-templates/ops mail.html" not in second.config
    assert ";;;WD)" in second.files["external/C/AccessManagerScripts/Write-Überwachung.ps1"]["sddl"]
    assert second.private_numbers(new_certificate.thumbprint) == new_certificate.private_key.private_numbers()


def test_paths_longer_than_260_characters_are_backed_up(second: Backup) -> None:
    name = f"config/{LONG_FOLDER}/deep.ps1"
    assert second.config[name] == b"# deep"
    assert len(str(PureWindowsPath(second.files[name]["source"]))) > 260


def test_each_backup_names_the_one_before_it(first: Backup, second: Backup) -> None:
    assert second.manifest["previous"] == hashlib.sha256((first.folder / "manifest.json").read_bytes()).hexdigest()
    assert second.manifest["content_digest"] != first.manifest["content_digest"]
