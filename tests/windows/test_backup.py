# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a server, while its service runs and with a stop. Nothing on it is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._ams.constants import SERVICE_SID
from support.backups import Backup, KeyPair, backups_of
from support.configuration import external_files
from support.playbook import PlaybookRun
from support.plays import BACKUP, COLLECTION, Call, called, write_calls
from windows.stand_in import Server

VERIFY = f"{COLLECTION}.verify"


@pytest.fixture(scope="module")
def before(server: Server) -> dict[str, Any]:
    return server.state()


@pytest.fixture(scope="module")
def taken(server: Server, before: dict[str, Any], options: dict[str, Any]) -> PlaybookRun:
    run = server.run(BACKUP, **options, backup_stop_service="never")
    assert run.rc == 0, run.output[-3000:]
    return run


@pytest.fixture(scope="module")
def live(taken: PlaybookRun, server: Server, root: Path, owner: KeyPair) -> Backup:
    return backups_of(root, server.name, owner.open)[0]


@pytest.fixture(scope="module")
def after(taken: PlaybookRun, server: Server) -> dict[str, Any]:
    return server.state()


@pytest.fixture(scope="module")
def reported(
    live: Backup, server: Server, options: dict[str, Any], root: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """What modules that only read say of the server, by their names."""
    compare = {"backup_root": str(root), "before": "latest", "identity_file": options["access_manager_identity_file"]}
    compare["state_dir"] = options["access_manager_state_dir"]
    calls = [Call("backup_diff", "backup_diff", compare), Call("installation_info", "installation_info")]
    playbook = write_calls(tmp_path_factory.mktemp("calls") / "calls.yml", calls)
    return called(server.run(playbook, args=["--limit", server.name]))


@pytest.mark.proves(
    "Modules start, options arrive, results return, over WinRM and PSRP",
    "`Set-StrictMode -Version 2.0` on Windows PowerShell 5.1 with this code",
    "Results and manifests become JSON, lists of one element stay lists",
    "C# compiled when the module runs",
    "Chained streams for hashing and encryption, and their last block",
    "AES-256-CBC, HMAC-SHA256, SHA-256",
    "RSA-OAEP with SHA-1 to a public key",
    "Reading beside a program that writes",
    "Names with brackets, `$`, quotes, `%`, unicode, surrogates",
)
def test_live_backup_has_each_file_byte_for_byte(live: Backup, server: Server) -> None:
    assert (live.manifest["status"], live.manifest["problems"], live.manifest["stopped"]) == ("complete", [], False)
    for name in server.configuration.files:
        if name != "appsettings.json":  # the server has put its own secrets into it
            assert live.config[f"config/{name}"] == server.original(name), name
    held = {data for name, data in live.config.items() if name.startswith("external/")}
    assert {data for path, data in external_files().items() if path.name != "not-referenced.ps1"} <= held


def test_live_backup_changes_nothing_on_the_server(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert after == before
    assert (after["service"], after["left"]) == ("Running", [])


@pytest.mark.proves(
    "The store of a service",
    "CNG keys: provider, export policy, file",
    "CryptoAPI keys",
    "A PFX of a key that is exportable but not in clear",
    "A PFX that Windows made opens in Python's `cryptography`",
)
def test_each_certificate_comes_with_its_own_key(live: Backup, server: Server) -> None:
    assert live.pfx_passwords.keys() == {one.thumbprint for one in server.certificates}
    for one in server.certificates:
        assert live.private_numbers(one.thumbprint) == one.private_key.private_numbers()


@pytest.mark.proves("Secrets of DPAPI with the machine's scope and entropy", "The same over a network logon")
def test_each_secret_comes_in_clear_for_its_owner(live: Backup, server: Server) -> None:
    assert {path: one["value"] for path, one in live.secrets.items()} == server.secrets


def test_backup_verifies_and_a_second_one_is_not_made_when_nothing_has_changed(
    live: Backup, server: Server, options: dict[str, Any], root: Path, owner: KeyPair
) -> None:
    again = server.run(BACKUP, **options)
    assert again.rc == 0, again.output[-3000:]
    assert len(backups_of(root, server.name, owner.open)) == 1
    verified = server.run(VERIFY, **options)
    assert verified.rc == 0, verified.output[-3000:]


@pytest.mark.proves(
    "The permissions of a key",
    "The server's clock beside the controller's",
    "The account is an administrator",
    "Settings of the service: account, start type, dependencies, SID type",
    "Free space",
)
def test_installation_is_as_it_was_made_and_does_not_differ_from_its_backup(
    reported: dict[str, dict[str, Any]], server: Server
) -> None:
    difference, found = reported["backup_diff"], reported["installation_info"]
    assert (difference["lines"], difference["not_compared"]) == ([], [])
    assert (found["installation"]["version"], found["installation"]["configured"]) == ("1.0.7945.0", True)
    assert found["administrator"] is True
    assert all(SERVICE_SID in one["key"]["sddl"] for one in found["certificates"])
    assert abs(found["clock_skew_seconds"]) < 3600
    assert found["staging"]["free_bytes"] > 0
    service = found["state"]["service"]
    assert (service["status"], service["account"], service["start"]) == ("Running", "LocalSystem", 2)
    assert len(found["references"]) == len(server.configuration.references)


@pytest.mark.proves("The version of .NET Framework, 4.7.2 at least")
def test_framework_is_new_enough(reported: dict[str, dict[str, Any]], server: Server) -> None:
    if server.windows.wine:
        pytest.skip("Wine has no .NET Framework")
    assert reported["installation_info"]["framework_release"] >= 461808


@pytest.mark.proves(
    "State, stop, start, waiting",
    "The process of the service, and its end",
    "AMS keeps its database files open for a while after `Stopped`",
    "Standard input as `$input`, output as lines",
)
@pytest.mark.proves("A process leaves the job of WinRM's shell", over="winrm")
@pytest.mark.proves("Under PSRP, where a process may not leave", over="psrp")
def test_backup_with_a_stop_has_the_database_and_the_service_runs_again(
    live: Backup, server: Server, before: dict[str, Any], options: dict[str, Any], root: Path, owner: KeyPair
) -> None:
    run = server.run(BACKUP, **options, backup_include_database=True)
    assert run.rc == 0, run.output[-3000:]
    made = backups_of(root, server.name, owner.open)[-1]
    assert (made.manifest["status"], made.manifest["stopped"]) == ("complete", True)
    for name in server.configuration.database:
        assert made.config[f"config/{name}"] == server.original(name)
    now = server.state()
    assert now == before | {"turns": [*before["turns"], "stopped", "started"]}
