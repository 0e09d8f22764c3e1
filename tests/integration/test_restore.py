# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of one server: backed up, spoiled, looked at, restored, restored again, wrecked, and restored once more."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.ams_host import APPLICATION_ID, AmsHost, Count, MakeHost
from support.backups import Backup, KeyPair, backups_of
from support.host_state import Whole, identity_file, remove_certificate, restoring, safety_copies
from support.leaks import find_leaks
from support.playbook import PlaybookRun, run_playbook
from support.plays import BACKUP, PLANNED, RESTORE, RESTORED, result_of

NAME = "ams-restored"
BASE = r"HKLM\SOFTWARE\Lithnet\Access Manager Service"
SPOIL = r"""
netsh.exe http delete sslcert ipport=0.0.0.0:HTTPS_PORT | Out-Null
$config = 'C:\Program Files\Lithnet\Access Manager Service\config'
(Get-Item -LiteralPath "$config\logo.png").LastWriteTimeUtc = [DateTime]::UtcNow
$item = New-Object IO.FileInfo "$config\scripts\latin1.ps1"
$acl = $item.GetAccessControl()
$acl.AddAccessRule((New-Object Security.AccessControl.FileSystemAccessRule 'Everyone', 'FullControl', 'Allow'))
$item.SetAccessControl($acl)
"""


@dataclass(frozen=True)
class Step:
    """A run of the restore, what it cost, and the host before and after it."""

    run: PlaybookRun
    count: Count
    before: Whole
    after: Whole

    @property
    def plan(self) -> dict[str, Any]:
        return result_of(self.run, NAME, PLANNED)

    @property
    def result(self) -> dict[str, Any]:
        return result_of(self.run, NAME, RESTORED)


@pytest.fixture(scope="module")
def server(make_host: MakeHost) -> AmsHost:
    return make_host(NAME)


@pytest.fixture(scope="module")
def variables(work: Path, settings: dict[str, Any], owner: KeyPair) -> dict[str, Any]:
    return restoring(settings, identity_file(work, owner))


@pytest.fixture(scope="module")
def inventory(server: AmsHost, work: Path, variables: dict[str, Any]) -> Path:
    return server.write_inventory(work / "inventory.yml", variables=variables)


@pytest.fixture(scope="module")
def whole(server: AmsHost, inventory: Path) -> Whole:
    """The server as it is when it is backed up."""
    run = run_playbook(BACKUP, inventory)
    assert run.rc == 0, run.output
    return Whole.of(server)


def restore(server: AmsHost, inventory: Path, *args: str, **extra: Any) -> Step:
    before = Whole.of(server)
    with server.counting() as count:
        run = run_playbook(RESTORE, inventory, args=args, extra_vars=extra)
    assert run.rc == 0, run.stdout[-3000:]
    return Step(run, count, before, Whole.of(server))


@pytest.fixture(scope="module")
def spoiled(whole: Whole, server: AmsHost) -> None:
    """One change of each kind, and a JSON file with which the service could not start again: the backup has none."""
    (server.config / "appsecrets.json").write_bytes(b"{")
    server.edit_settings(lambda content: content["RateLimits"].update(Spoiled=True))
    (server.config / "audit-templates/ops mail.html").unlink()
    (server.config / "stray/inner").mkdir(parents=True)
    (server.config / "stray/inner/stray.ps1").write_bytes(b"# stray")
    next(iter(server.external.values())).write_bytes(b"# spoiled")
    server.run("reg.exe", "add", BASE + r"\Parameters", "/v", "LogRetentionDays", "/t", "REG_DWORD", "/d", "30", "/f")
    server.run("reg.exe", "add", BASE + r"\Parameters", "/v", "Stray", "/d", "x", "/f")
    server.powershell(SPOIL.replace("HTTPS_PORT", str(server.https_port)))


@pytest.fixture(scope="module")
def looked(spoiled: None, server: AmsHost, inventory: Path) -> Step:
    return restore(server, inventory, "--check", "--diff")


@pytest.fixture(scope="module")
def restored(looked: Step, server: AmsHost, inventory: Path) -> Step:
    return restore(server, inventory, "-vvvvv")


@pytest.fixture(scope="module")
def again(restored: Step, server: AmsHost, inventory: Path) -> Step:
    return restore(server, inventory)


@pytest.fixture(scope="module")
def rescued(again: Step, server: AmsHost, inventory: Path, variables: dict[str, Any]) -> Step:
    """Everything is gone: configuration, external files, registry values, keys, HTTP.sys. It comes back over psrp."""
    server.stop_service()
    shutil.rmtree(server.config)
    shutil.rmtree(server.drive_c / "AccessManagerScripts")
    for name in ("Configured", "HttpAcl", "HttpsAcl", "CertBinding"):
        server.run("reg.exe", "delete", BASE, "/v", name, "/f")
    server.run("reg.exe", "delete", BASE + r"\Parameters", "/f")
    server.powershell(WRECK.replace("HTTPS_PORT", str(server.https_port)))
    for certificate in server.certificates:
        remove_certificate(server, certificate.thumbprint)
    inventory = server.write_inventory(inventory.with_name("psrp.yml"), "psrp", variables=variables)
    return restore(server, inventory, restore_start_service="always")


WRECK = r"""
netsh.exe http delete sslcert ipport=0.0.0.0:HTTPS_PORT | Out-Null
netsh.exe http delete urlacl url=https://+:HTTPS_PORT/ | Out-Null
"""


# ---- looking ----


def test_check_mode_changes_nothing(looked: Step) -> None:
    assert looked.before.differences(looked.after) == []
    assert looked.count.commands <= 2


def test_check_mode_shows_each_change(looked: Step, server: AmsHost) -> None:
    lines = looked.plan["plan"]
    config = r"C:\Program Files\Lithnet\Access Manager Service\config"
    for line in (
        rf"~ {config}\appsettings.json (content)",
        rf"+ {config}\audit-templates\ops mail.html",
        rf"- {config}\stray\inner\stray.ps1",
        rf"- {config}\appsecrets.json",
        rf"- {config}\stray",
        rf"~ {config}\logo.png (time)",
        rf"~ {config}\scripts\latin1.ps1 (permissions)",
        r"~ registry Parameters\LogRetentionDays: 30 -> 7",
        r"- registry Parameters\Stray",
        f"+ TLS binding 0.0.0.0:{server.https_port} of certificate {server.tls_certificate.thumbprint} (client "
        "certificates are negotiated, revocation of client certificates is not checked)",
        "* service: stop",
        "* service: start",
    ):
        assert line in lines, lines
        assert line in looked.run.output
    assert looked.plan["changed"]


# ---- restoring ----


def test_everything_is_as_it_was_backed_up(restored: Step, whole: Whole, server: AmsHost) -> None:
    assert restored.after.differences(whole) == []
    assert server.http_answers()


def test_each_test_of_health_is_reported(restored: Step) -> None:
    checks = {check["name"]: check["passed"] for check in restored.result["checks"]}
    assert checks == dict.fromkeys(
        ["running", "configured", "http", "https", "secrets", "certificates", "stays_running"], True
    )


def test_restore_stops_and_starts_once(restored: Step, server: AmsHost) -> None:
    assert restored.result["stopped"]
    assert restored.result["service_started"]
    assert restored.result["downtime_ms"] > 0
    assert restored.count.commands <= 9


def test_safety_copy_holds_what_was_there(restored: Step, server: AmsHost) -> None:
    copy = safety_copies(server)[0]
    assert copy.name in restored.result["safety_copy"]
    kept = json.loads((copy / "safety.json").read_text())
    assert any(item["path"].endswith("stray.ps1") for item in kept["items"])


def test_nothing_secret_is_reported(restored: Step, server: AmsHost, owner: KeyPair) -> None:
    needles = server.planted_secrets() | {"identity": owner.private.encode()}
    assert find_leaks(restored.run.output, needles) == ()


def test_second_run_changes_nothing(again: Step) -> None:
    assert again.before.differences(again.after) == []
    assert not again.plan["would_change"]
    assert "changed=0" in again.run.output
    assert again.count.commands <= 2


# ---- the round trip ----


def test_a_wrecked_server_comes_back_whole(
    rescued: Step, server: AmsHost, inventory: Path, root: Path, owner: KeyPair, whole: Whole
) -> None:
    assert server.service_state() == "Running"
    assert server.http_answers()
    run = run_playbook(BACKUP, inventory, extra_vars={"backup_force": True})
    assert run.rc == 0, run.output
    first, second = backups_of(root, NAME, owner.open)
    differing = {
        name
        for name in first.manifest["inventory"].keys() | second.manifest["inventory"].keys()
        if first.manifest["inventory"].get(name) != second.manifest["inventory"].get(name)
    }
    assert differing == set()
    assert first.manifest["content_digest"] == second.manifest["content_digest"]


def test_keys_are_the_same_as_before(rescued: Step, server: AmsHost, root: Path, owner: KeyPair) -> None:
    first: Backup = backups_of(root, NAME, owner.open)[0]
    script = r"""
    netsh.exe http show sslcert
    Get-ChildItem C:\ProgramData\Microsoft\Crypto\Keys | ForEach-Object { $_.Length }
    """
    reported = server.powershell(script)
    assert APPLICATION_ID.lower() in reported.lower()
    assert re.search(r"Negotiate Client Certificate +: Enabled", reported)
    assert re.search(r"Verify Client Certificate Revocation +: Disabled", reported)
    assert len(first.manifest["certificates"]) == len(server.certificates)
    assert {one["action"] for one in rescued.plan["certificates"]} == {"import"}
