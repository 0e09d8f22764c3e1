# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An upgrade: protected, required by a play of the user's own, done, regretted, and taken back."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import windows_lab
from support.ams_host import AmsHost, MakeHost
from support.backups import KeyPair, backups_of
from support.domain import Domain, available
from support.host_state import Whole, identity_file, restoring
from support.playbook import PlaybookRun, run_playbook
from support.plays import COLLECTION, failure_of, result_of

NAME = "ams-upgraded"
PRE_UPGRADE, ROLLBACK = f"{COLLECTION}.pre_upgrade", f"{COLLECTION}.rollback"
BASE = r"HKLM\SOFTWARE\Lithnet\Access Manager Service"
MARKED = "Mark the backup as the one that protects the upgrade"
UPGRADE = """
- import_playbook: lithnet.access_manager.pre_upgrade
- hosts: access_manager
  gather_facts: false
  tasks:
    - ansible.builtin.assert:
        that:
          - pre_upgrade_marker.access_manager_version == '1.0.7945.0'
          - pre_upgrade_marker.verified == 'full'
    - ansible.builtin.debug:
        msg: the new version is installed here
"""


ACCOUNTS = r"HKLM\SOFTWARE\WindowsLab\Domain\Accounts"
RIGHTS = r"HKLM\SOFTWARE\WindowsLab\Rights"
MSI = bytes.fromhex("D0CF11E0A1B11AE1") + b"ProductCode{E1F0DE7E-99EC-48BB-8832-3674435984E3}"
INSTALLER = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Installer"
UPGRADE_CODE, PRODUCT = "C86CA71D19F244343AFB1B434065A604", "E7ED0F1ECE99BB84882363473495483E"


@pytest.fixture(scope="module")
def server(make_host: MakeHost) -> AmsHost:
    """Its service is stopped already, as a user may have done before an upgrade. Windows Installer installed it."""
    made = make_host(NAME, running=False)
    settings = made.config / "appsettings.json"
    settings.write_bytes(settings.read_bytes().replace(b'"Mode": "Oidc"', b'"Mode": "Iwa"'))
    (made.drive_c / "windows/Installer").mkdir(exist_ok=True)
    (made.drive_c / "windows/Installer/1a2b3.msi").write_bytes(MSI)
    properties = rf"{INSTALLER}\UserData\S-1-5-18\Products\{PRODUCT}\InstallProperties"
    for key, name, value in (
        (rf"{INSTALLER}\UpgradeCodes\{UPGRADE_CODE}", PRODUCT, ""),
        (properties, "DisplayVersion", "1.0.7945.0"),
        (properties, "LocalPackage", r"C:\windows\Installer\1a2b3.msi"),
        (rf"HKLM\SOFTWARE\Classes\Installer\Products\{PRODUCT}\SourceList", "PackageName", "ams-1.0.msi"),
    ):
        made.run("reg.exe", "add", key, "/v", name, "/d", value, "/f")
    return made


@pytest.fixture(scope="module")
def domain(server: AmsHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Domain | None]:
    """The domain of the server and of its service's account, a group managed one: nobody has made either ready there.

    None where there are no domain controllers.
    """
    if available():
        yield None
        return
    domain = Domain.start(tmp_path_factory.mktemp("domain") / "dc")
    domain.seed(0, [server.certificates[0].thumbprint])
    domain.publish(server.certificates[0].certificate_der)
    domain.add_computer("UPGRADED", None, account=f"{computer_name(server)}$")
    sid = domain.managed_account("gmsa-ams")
    folder = tmp_path_factory.mktemp("joined")
    made = {"Name": "ad.lab.test", "NetBiosName": "AD", "Sid": sid.rpartition("-")[0]}
    (folder / "domain.json").write_text(json.dumps(made | {"RootKeyId": str(uuid.uuid4()), "RootKey": "00" * 64}))
    windows_lab.join(server.prefix, folder)
    server.run("reg.exe", "add", ACCOUNTS, "/v", r"AD\gmsa-ams$", "/d", sid, "/f")
    server.run("reg.exe", "add", RIGHTS, "/v", sid, "/t", "REG_MULTI_SZ", "/d", "SeServiceLogonRight", "/f")
    server.run("sc.exe", "config", "lithnetams", "obj=", r"AD\gmsa-ams$", "password=", "")
    yield domain
    domain.remove()


def computer_name(server: AmsHost) -> str:
    return server.powershell("[Console]::Out.Write($env:COMPUTERNAME)").strip()


@pytest.fixture(scope="module")
def options(settings: dict[str, Any], work: Path, owner: KeyPair, domain: Domain | None) -> dict[str, Any]:
    (work / "ams.msi").write_bytes(MSI)
    found = restoring(settings, identity_file(work, owner)) | {"backup_installer": str(work / "ams.msi")}
    if domain:
        connection = domain.options()
        found["access_manager_directory_servers"] = domain.servers
        found |= {f"access_manager_directory_{name}": connection[f"bind_{name}"] for name in ("user", "password")}
        found["access_manager_directory_ca_file"] = connection["ca_file"]
    return found


@pytest.fixture(scope="module")
def inventory(server: AmsHost, work: Path, options: dict[str, Any]) -> Path:
    return server.write_inventory(work / "inventory.yml", variables=options)


@pytest.fixture(scope="module")
def whole(server: AmsHost, domain: Domain | None) -> Whole:
    return Whole.of(server)


@pytest.fixture(scope="module")
def refused(server: AmsHost, whole: Whole, work: Path, options: dict[str, Any]) -> PlaybookRun:
    """An upgrade that nothing protects: a file that the configuration names is missing, so the backup is incomplete."""
    missing = next(iter(server.external.values()))
    missing.rename(missing.with_suffix(".away"))
    (work / "upgrade.yml").write_text(UPGRADE)
    run = run_playbook(work / "upgrade.yml", server.write_inventory(work / "incomplete.yml", variables=options))
    missing.with_suffix(".away").rename(missing)
    return run


@pytest.fixture(scope="module")
def protected(refused: PlaybookRun, server: AmsHost, work: Path, inventory: Path) -> PlaybookRun:
    run = run_playbook(work / "upgrade.yml", inventory, extra_vars={"pre_upgrade_include_database": True})
    assert run.rc == 0, run.stdout[-3000:]
    return run


@pytest.fixture(scope="module")
def upgraded(protected: PlaybookRun, server: AmsHost, inventory: Path) -> PlaybookRun:
    """What version 2 makes of the server, and a rollback that comes too early."""
    settings = server.config / "appsettings.json"
    settings.rename(settings.with_name("appsettings.json.2026-11-23.backup"))
    server.run("reg.exe", "add", BASE, "/v", "Version", "/d", "2.0.8600.0", "/f")
    server.run("reg.exe", "delete", BASE, "/v", "Configured", "/f")
    return run_playbook(ROLLBACK, inventory)


@pytest.fixture(scope="module")
def taken_back(upgraded: PlaybookRun, server: AmsHost, inventory: Path) -> PlaybookRun:
    """Version 1 was installed again: an empty configuration, nothing configured."""
    for name in ("scripts", "audit-templates"):
        shutil.rmtree(server.config / name)
    server.run("reg.exe", "add", BASE, "/v", "Version", "/d", "1.0.7945.0", "/f")
    for name in ("HttpAcl", "HttpsAcl", "CertBinding"):
        server.run("reg.exe", "delete", BASE, "/v", name, "/f")
    run = run_playbook(ROLLBACK, inventory)
    assert run.rc == 0, run.stdout[-3000:]
    return run


def test_an_incomplete_backup_protects_nothing_and_the_upgrade_ends_there(refused: PlaybookRun, root: Path) -> None:
    assert refused.rc != 0
    assert "is incomplete" in failure_of(refused, NAME)
    assert "the new version is installed here" not in refused.output
    assert not (root / NAME / ".pre-upgrade.json").exists()


def test_a_play_of_the_users_own_goes_on_by_the_fact(protected: PlaybookRun) -> None:
    assert "the new version is installed here" in protected.output


def test_the_marked_backup_is_new_stopped_and_whole_with_its_database(
    protected: PlaybookRun, root: Path, owner: KeyPair
) -> None:
    marker = result_of(protected, NAME, MARKED)["marker"]
    newest = backups_of(root, NAME, owner.open)[-1]
    assert (marker["backup_id"], marker["verified"]) == (newest.folder.name, "full")
    assert marker["access_manager_version"] == newest.manifest["access_manager_version"] == "1.0.7945.0"
    assert newest.manifest["status"] == "complete"
    assert "config/db/ams.mdf" in newest.config
    assert json.loads((root / NAME / ".pre-upgrade.json").read_text()) == {
        key: value for key, value in marker.items() if key != "path"
    }


def test_the_installer_is_recorded_and_kept_beside_the_backups_and_a_rollback_names_it(
    protected: PlaybookRun, root: Path, owner: KeyPair
) -> None:
    newest = backups_of(root, NAME, owner.open)[-1]
    digest, code = hashlib.sha256(MSI).hexdigest(), "{E1F0DE7E-99EC-48BB-8832-3674435984E3}"
    recorded = {"product_code": code, "version": "1.0.7945.0", "name": "ams-1.0.msi", "sha256": digest}
    assert newest.manifest["installer"] == recorded
    kept = root / NAME / "installers/1.0.7945.0/installer.msi"
    assert (kept.read_bytes(), kept.stat().st_mode & 0o777) == (MSI, 0o600)
    assert str(kept) in protected.stdout
    assert digest in protected.stdout


def test_a_service_that_was_stopped_stays_so(protected: PlaybookRun, server: AmsHost, whole: Whole) -> None:
    assert (whole.service, server.service_state(), server.turns()) == ("Stopped", "Stopped", [])


def test_the_vendors_warnings_are_shown(protected: PlaybookRun) -> None:
    for words in (
        "renames it to appsettings.json.",
        "cannot read encrypted passwords",
        "a new licence",
        "the SPN HTTP/",
    ):
        assert words in protected.stdout


def test_what_the_server_and_its_service_lack_in_the_directory_is_said_before_the_upgrade(
    protected: PlaybookRun, server: AmsHost, domain: Domain | None
) -> None:
    if domain is None:
        pytest.skip("there is no domain controller here")
    name = computer_name(server)
    for said in (
        "The SPN HTTP/ams.forest.example is on no account. That ams.forest.example is the name of the web site",
        f"{name} alone needs that SPN. See with: setspn -Q HTTP/ams.forest.example",
        "The service's account gmsa-ams$ is not in 'Windows Authorization Access Group' of ad.lab.test",
        f"{name} may not retrieve the password of the group managed service account gmsa-ams$. Run: Set-AD",
    ):
        assert said in protected.stdout
    assert "In the directory: The SPN" in protected.stdout


def test_the_rollback_is_refused_while_the_new_version_is_there(upgraded: PlaybookRun) -> None:
    assert upgraded.rc != 0
    sentence = failure_of(upgraded, NAME)
    assert "has version '2.0.8600.0'" in sentence
    assert "installers/1.0.7945.0/installer.msi'" in sentence
    assert "install the MSI of version 1, and run the playbook rollback" in sentence


def test_the_rollback_makes_the_server_as_it_was_and_starts_it(
    taken_back: PlaybookRun, server: AmsHost, whole: Whole
) -> None:
    lines = Whole.of(server).differences(whole)
    assert [line for line in lines if not line.startswith(("Running", "Stopped"))] == []
    assert server.http_answers()
