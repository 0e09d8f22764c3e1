# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each part of a server restored by itself, on a server of another version where another program has the TLS port.

The tests go in order: each restores one part more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.ams_host import APPLICATION_ID, SERVICE_SID, AmsHost, MakeHost, write_inventory
from support.backups import KeyPair
from support.certificates import CRYPTOAPI, CURRENT, EXPIRED
from support.host_state import Whole, forbid_keys, identity_file, remove_certificate, restoring
from support.playbook import PlaybookRun, run_playbook
from support.plays import BACKUP, RESTORE, RESTORED, Call, called, failure_of, result_of, write_calls

NAME = "ams-parts"
BASE = r"HKLM\SOFTWARE\Lithnet\Access Manager Service"
OTHER_VERSION, OTHER_PROGRAM = "1.0.9999.0", "{11111111-2222-3333-4444-555555555555}"
PLACES = {"config": "Access Manager Service/config/", "external": "AccessManagerScripts/"}


@pytest.fixture(scope="module")
def server(make_host: MakeHost) -> AmsHost:
    return make_host(NAME, certificates=(CURRENT, EXPIRED, CRYPTOAPI))


@pytest.fixture(scope="module")
def options(settings: dict[str, Any], work: Path, owner: KeyPair) -> dict[str, Any]:
    return restoring(settings, identity_file(work, owner), restore_allow_version_mismatch=True)


@pytest.fixture(scope="module")
def inventory(server: AmsHost, work: Path, options: dict[str, Any]) -> Path:
    return server.write_inventory(work / "inventory.yml", variables=options)


@pytest.fixture(scope="module")
def whole(server: AmsHost, inventory: Path) -> Whole:
    """The server as it was backed up."""
    run = run_playbook(BACKUP, inventory)
    assert run.rc == 0, run.stdout[-3000:]
    return Whole.of(server)


@pytest.fixture(scope="module")
def spoiled(whole: Whole, server: AmsHost) -> Whole:
    """Nothing is as in the backup, and a certificate lacks everything, one its key, and one the service's permission.
    """
    server.edit_settings(lambda content: content["RateLimits"].update(Spoiled=True))
    next(iter(server.external.values())).write_bytes(b"# spoiled")
    server.run("reg.exe", "add", BASE + r"\Parameters", "/v", "LogRetentionDays", "/t", "REG_DWORD", "/d", "30", "/f")
    server.run("reg.exe", "add", BASE, "/v", "Version", "/d", OTHER_VERSION, "/f")
    bind(server, OTHER_PROGRAM)
    _current, expired, cryptoapi = (certificate.thumbprint for certificate in server.certificates)
    remove_certificate(server, cryptoapi)
    remove_certificate(server, expired, key_only=True)
    forbid_keys(server)
    return Whole.of(server)


def bind(server: AmsHost, application: str = "") -> None:
    """Gives the TLS port to a program; to none when it has no name."""
    endpoint = f"ipport=0.0.0.0:{server.https_port}"
    server.run("netsh.exe", "http", "delete", "sslcert", endpoint)
    if application:
        thumbprint = server.tls_certificate.thumbprint
        server.run("netsh.exe", "http", "add", "sslcert", endpoint, f"certhash={thumbprint}", f"appid={application}")


def parts_as_in(whole: Whole, server: AmsHost) -> set[str]:
    """Which parts of the server are as they were, but for its version."""

    def parts(one: Whole) -> dict[str, Any]:
        files = {
            part: {name: what for name, what in one.disk.items() if place in name} for part, place in PLACES.items()
        }
        registry = [line for line in one.registry.splitlines() if line.split()[:1] != ["Version"]]
        return files | {"registry": (registry, one.http_sys)}

    now, before = parts(Whole.of(server)), parts(whole)
    return {part for part in now if now[part] == before[part]}


def restore(server: AmsHost, inventory: Path, part: str) -> dict[str, Any]:
    """Restores one part; what the module reported."""
    run = run_playbook(RESTORE, inventory, extra_vars={"restore_only": [part]})
    assert run.rc == 0, run.stdout[-3000:]
    assert server.http_answers()
    return result_of(run, NAME, RESTORED)


# ---- refused ----


def test_another_version_and_what_another_program_has_are_refused_before_the_stop(
    server: AmsHost, spoiled: Whole, work: Path, options: dict[str, Any]
) -> None:
    turns = len(server.turns())
    cases: dict[str, dict[str, Any]] = {"program": {}, "version": {"restore_allow_version_mismatch": False}}
    hosts = {
        name: server.inventory_vars() | options | {"restore_from_host": NAME} | more for name, more in cases.items()
    }
    run = run_playbook(RESTORE, write_inventory(work / "refused.yml", hosts))
    assert f"has '0.0.0.0:{server.https_port}' for another program (application {OTHER_PROGRAM})" in failure_of(
        run, "program"
    )
    sentence = failure_of(run, "version")
    assert OTHER_VERSION in sentence
    assert "allow_version_mismatch" in sentence
    assert Whole.of(server).differences(spoiled) == []
    assert len(server.turns()) == turns


# ---- certificates ----


@pytest.fixture(scope="module")
def certificates(spoiled: Whole, server: AmsHost, inventory: Path, work: Path, root: Path) -> PlaybookRun:
    backup = {"backup_root": str(root), "identity_file": str(work / "identity.key"), "allow_version_mismatch": True}
    calls = [
        Call("would", "certificate_import", backup, check=True),
        Call("imports", "certificate_import", backup),
        Call("again", "certificate_import", backup),
        Call("information", "installation_info", {"require_supported": False}),
    ]
    return run_playbook(write_calls(work / "certificates.yml", calls), inventory, args=("--diff",))


def test_certificate_import_gives_each_certificate_what_it_lacks(certificates: PlaybookRun, server: AmsHost) -> None:
    results = called(certificates)
    current, expired, cryptoapi = (certificate.thumbprint for certificate in server.certificates)
    lacking = {current: "give_access", expired: "give_key", cryptoapi: "import"}
    for name in ("would", "imports"):
        assert {one["thumbprint"]: one["action"] for one in results[name]["certificates"]} == lacking, results[name]
        assert results[name]["changed"]
    assert f"+ certificate {cryptoapi}: import it with its private key" in certificates.output
    assert not results["again"]["changed"]
    assert results["again"]["certificates"] == []


def test_service_may_read_every_key_and_each_can_be_exported_again(certificates: PlaybookRun, server: AmsHost) -> None:
    found = {one["thumbprint"]: one["key"] for one in called(certificates)["information"]["certificates"]}
    assert found.keys() == {certificate.thumbprint for certificate in server.certificates}
    for key in found.values():
        assert key["exportable"]
        assert SERVICE_SID in key["sddl"]
    cryptoapi = server.certificates[2].thumbprint
    assert {thumbprint: r"RSA\MachineKeys" in key["file"] for thumbprint, key in found.items()} == {
        thumbprint: thumbprint == cryptoapi for thumbprint in found
    }


def test_certificate_import_leaves_everything_else(certificates: PlaybookRun, spoiled: Whole, server: AmsHost) -> None:
    assert parts_as_in(spoiled, server) == {"config", "external", "registry"}


# ---- the other parts ----


def test_external_files_come_back_alone(
    certificates: PlaybookRun, whole: Whole, server: AmsHost, inventory: Path
) -> None:
    assert restore(server, inventory, "external")["stopped"]
    assert parts_as_in(whole, server) == {"external"}


def test_configuration_folder_comes_back_alone(whole: Whole, server: AmsHost, inventory: Path) -> None:
    restore(server, inventory, "config")
    assert parts_as_in(whole, server) == {"external", "config"}


def test_registry_and_http_sys_come_back_alone_and_the_version_stays(
    whole: Whole, server: AmsHost, inventory: Path
) -> None:
    bind(server)
    checks = restore(server, inventory, "registry")["checks"]
    assert [check["name"] for check in checks if check["name"].startswith("http")] == ["http", "https"]
    assert parts_as_in(whole, server) == {"external", "config", "registry"}
    assert OTHER_VERSION in server.registry()
    assert APPLICATION_ID.lower() in server.run("netsh.exe", "http", "show", "sslcert").lower()
