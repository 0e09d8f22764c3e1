# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that drifts away from its backup: what the comparison shows of it, and what it costs."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.ams_host import AmsHost, Count, MakeHost
from support.backups import KeyPair, backups_of
from support.configuration import DOMAIN_SID, SECRET_PATHS
from support.host_state import Whole, identity_file
from support.leaks import find_leaks
from support.playbook import PlaybookRun, run_playbook
from support.plays import BACKUP, Call, called, write_calls

NAME = "ams-drifting"
BASE = r"HKLM\SOFTWARE\Lithnet\Access Manager Service"
CONFIG = r"C:\Program Files\Lithnet\Access Manager Service\config"
LARGE = 9 * 1024 * 1024
"""Bytes: more than come with the answer of a call."""

NEW_SECRET = "a-new-p4ssword-for-mail"
DRIFT = rf"""
$item = New-Object IO.FileInfo '{CONFIG}\scripts\latin1.ps1'
$acl = $item.GetAccessControl()
$acl.AddAccessRule((New-Object Security.AccessControl.FileSystemAccessRule 'Everyone', 'FullControl', 'Allow'))
$item.SetAccessControl($acl)
$path = '{CONFIG}\appsettings.json'
$settings = [IO.File]::ReadAllText($path) | ConvertFrom-Json
$salt = New-Object Byte[] 128
Add-Type -AssemblyName System.Security
foreach ($one in @(@($settings.Authentication.Oidc.Secret, $null), @($settings.Email.Password, '{NEW_SECRET}'))) {{
    $old = [Convert]::FromBase64String($one[0].Data)
    $entropy = [Convert]::FromBase64String($one[0].Salt)
    $clear = if ($one[1]) {{ [Text.Encoding]::UTF8.GetBytes($one[1]) }}
    else {{ [Security.Cryptography.ProtectedData]::Unprotect($old, $entropy, 'LocalMachine') }}
    $protected = [Security.Cryptography.ProtectedData]::Protect($clear, $salt, 'LocalMachine')
    $one[0].Data = [Convert]::ToBase64String($protected)
    $one[0].Salt = [Convert]::ToBase64String($salt)
}}
[IO.File]::WriteAllText($path, ($settings | ConvertTo-Json -Depth 32))
"""
"""A permission, one secret protected again, and one with another value."""


@dataclass(frozen=True)
class Step:
    """A run of comparisons, what it cost, and the host before and after it."""

    run: PlaybookRun
    count: Count
    before: Whole
    after: Whole

    @property
    def results(self) -> dict[str, dict[str, Any]]:
        return called(self.run)


@pytest.fixture(scope="module")
def server(make_host: MakeHost) -> AmsHost:
    return make_host(NAME)


@pytest.fixture(scope="module")
def inventory(server: AmsHost, work: Path, settings: dict[str, Any]) -> Path:
    return server.write_inventory(work / "inventory.yml", variables=settings)


@pytest.fixture(scope="module")
def backed_up(server: AmsHost, inventory: Path) -> None:
    run = run_playbook(BACKUP, inventory)
    assert run.rc == 0, run.output


def compared(server: AmsHost, inventory: Path, work: Path, options: dict[str, dict[str, Any]]) -> Step:
    """Makes the comparisons, each by its name with these options, in one play with --diff and as many words as Ansible
    has.
    """
    calls = [Call(name, "backup_diff", one) for name, one in options.items()]
    before = Whole.of(server)
    with server.counting() as count:
        run = run_playbook(write_calls(work / "diff.yml", calls), inventory, args=["--diff", "-vvvvv"])
    return Step(run, count, before, Whole.of(server))


@pytest.fixture(scope="module")
def untouched(backed_up: None, server: AmsHost, inventory: Path, work: Path, root: Path, owner: KeyPair) -> Step:
    key = {"backup_root": str(root), "identity_file": str(identity_file(work, owner))}
    return compared(server, inventory, work, {"opened": key})


@pytest.fixture(scope="module")
def drifted(untouched: Step, server: AmsHost, inventory: Path, work: Path, root: Path) -> Step:
    def edit(settings: dict[str, Any]) -> None:
        rule = settings["Authorization"]["ComputerTargets"][6]
        rule["SecurityDescriptor"] = f"O:SYD:(A;;0x200;;;{DOMAIN_SID}-2222)(A;;0xe00;;;BA)"
        settings["Authentication"]["Mode"] = "Iwa"

    server.edit_settings(edit)
    server.powershell(DRIFT)
    (server.config / "scripts/stray.ps1").write_bytes(b"# stray")
    (server.config / "large.bin").write_bytes(random.Random(1).randbytes(LARGE))
    next(iter(server.external.values())).write_bytes(b"# other")
    server.run("reg.exe", "add", BASE + r"\Parameters", "/v", "LogRetentionDays", "/t", "REG_DWORD", "/d", "30", "/f")
    plain = {"backup_root": str(root)}
    return compared(
        server, inventory, work, {"opened": plain | {"identity_file": str(work / "identity.key")}, "closed": plain}
    )


def test_a_server_as_it_was_backed_up_does_not_differ(untouched: Step) -> None:
    result = untouched.results["opened"]
    assert result["lines"] == []
    assert (result["basis"], result["differs"], result["changed"]) == ("contents", False, False)
    assert result["not_compared"] == []


def test_a_comparison_changes_nothing_and_is_two_calls(untouched: Step) -> None:
    assert untouched.before.differences(untouched.after) == []
    assert untouched.count.commands <= 3


def test_drift_is_reported_by_meaning(drifted: Step, server: AmsHost) -> None:
    result = drifted.results["opened"]
    (rule,) = result["rules"]
    assert rule["name"] == "Access to File servers Berlin"
    assert [(one["trustee"], one["right"]) for one in rule["gained"]] == [
        (f"{DOMAIN_SID}-2222", "local admin password")
    ]
    assert {(one["access"], one["trustee"]) for one in rule["lost"]} == {
        ("allow", f"{DOMAIN_SID}-1601"),
        ("deny", f"{DOMAIN_SID}-501"),
    }
    assert [(one["path"], one["before"], one["after"]) for one in result["authentication"]] == [
        ("Authentication.Mode", "Oidc", "Iwa")
    ]
    assert [one["path"] for one in result["settings"]] == ["Metadata.Usn"]
    assert [(one["name"], one["before"], one["after"]) for one in result["registry"]] == [("LogRetentionDays", 7, 30)]
    external = str(next(iter(server.external)))
    files = {one["source"]: (one["change"], one["what"]) for one in result["files"]}
    assert files == {
        CONFIG + r"\appsettings.json": ("changed", ["content"]),
        CONFIG + r"\large.bin": ("added", []),
        CONFIG + r"\scripts\latin1.ps1": ("changed", ["permissions"]),
        CONFIG + r"\scripts\stray.ps1": ("added", []),
        external: ("changed", ["content"]),
    }
    for group in ("notification_channels", "certificates", "http_sys", "server"):
        assert result[group] == [], group


def test_secrets_are_changed_or_the_same(drifted: Step) -> None:
    secrets = {one["path"]: one["change"] for one in drifted.results["opened"]["secrets"]}
    assert secrets == dict(zip(SECRET_PATHS, ("protected_again", "changed"), strict=True))


def test_without_a_key_the_inventory_is_compared(drifted: Step) -> None:
    result = drifted.results["closed"]
    assert result["basis"] == "inventory"
    assert {one["path"] for one in result["files"]} == {one["path"] for one in drifted.results["opened"]["files"]}
    assert [one["name"] for one in result["server"]] == ["registry"]
    assert result["rules"] is None
    assert result["certificates"] == []


def test_difference_is_shown_and_nothing_stays_on_the_server(drifted: Step) -> None:
    assert drifted.before.differences(drifted.after) == []
    assert "~ Authentication.Mode: Oidc -> Iwa" in drifted.run.stdout
    assert r"~ Parameters\LogRetentionDays: 7 -> 30" in drifted.run.stdout


def test_nothing_secret_is_reported(
    untouched: Step, drifted: Step, server: AmsHost, owner: KeyPair, root: Path
) -> None:
    (backup,) = backups_of(root, NAME, owner.open)
    stored = [secret["Data"] for secret in protected_secrets(backup.json("config/appsettings.json"))]
    needles = server.planted_secrets() | {"identity": owner.private.encode(), "new": NEW_SECRET.encode()}
    needles |= {f"data {number}": data.encode() for number, data in enumerate(stored)}
    for step in (untouched, drifted):
        results = json.dumps(list(step.results.values()))
        assert find_leaks(results, needles) == ()
        assert find_leaks(step.run.output, server.planted_secrets() | {"new": NEW_SECRET.encode()}) == ()


def protected_secrets(settings: dict[str, Any]) -> list[dict[str, Any]]:
    return [settings["Authentication"]["Oidc"]["Secret"], settings["Email"]["Password"]]
