# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbooks: each command in them runs as it is printed, and prints what they say."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import version2
from support.ams_host import AmsHost, MakeHost
from support.backups import KeyPair
from support.host_state import STORE_KEY, Whole
from support.runbooks import INVENTORY, Runbook, Step, documented_inventory, failing, names
from support.version2 import Version2

ELSEWHERE = "lost_certificate"
"""It needs a domain: test_recover_certificate.py runs its commands."""

SERVER, NEW = "ams1.example.com", "ams2.example.com"
SCRATCH_INVENTORY, SCRATCH = "drill.yml", "drill.example.com"


@pytest.fixture(scope="module")
def server(make_host: MakeHost) -> AmsHost:
    return make_host(SERVER)


@pytest.fixture(scope="module")
def new(make_host: MakeHost) -> AmsHost:
    """The new server: installed, and not configured."""
    host = make_host(NEW, certificates=(), configured=False)
    host.run("reg.exe", "add", STORE_KEY, "/f")
    return host


@pytest.fixture(scope="module")
def folder(server: AmsHost, new: AmsHost, root: Path, owner: KeyPair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a user works through the runbooks, with the inventory and the key."""
    folder = tmp_path_factory.mktemp("controller")
    for name in ("key", "offline"):
        (folder / name).mkdir()
    key = folder / "key/access-manager-backup.key"
    key.touch(0o600)
    key.write_text(f"{owner.private}\n")
    (folder / INVENTORY).write_text(inventory(root, owner, {SERVER: server, NEW: new}, folder), encoding="utf-8")
    return folder


def signing(folder: Path) -> dict[str, Any]:
    """The variables of a new key that signs, and of its public half."""
    key = folder / "signing"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    return {
        "access_manager_signing_key": str(key),
        "access_manager_allowed_signers": [key.with_suffix(".pub").read_text()],
    }


def inventory(root: Path, owner: KeyPair, hosts: dict[str, AmsHost], folder: Path) -> str:
    """The inventory of the README: its groups, hosts and settings, with the places of the lab.

    A host has its connection alone.
    """
    content = yaml.safe_load(documented_inventory())
    (servers,) = content.values()
    servers["vars"] |= {"access_manager_backup_root": str(root), "access_manager_recipients": [owner.public]}
    servers["vars"] |= signing(folder) | {"restore_health_seconds": 1}
    for group in servers["children"].values():
        group["hosts"] = {name: hosts[name].inventory_vars() for name in group["hosts"]}
    at = f"http://localhost:{hosts[SERVER].http_port}/health-check"
    servers["children"]["access_manager_new"]["hosts"][NEW]["migrate_check_urls"] = [at]
    return yaml.safe_dump(content)


@pytest.fixture(scope="module")
def places(new: AmsHost, root: Path, folder: Path) -> dict[str, str]:
    """What the runbooks name, and what stands here for it."""
    return {
        "/srv/backup/access-manager": str(root),
        "/media/offline/access-manager": f"{folder}/offline/{root.name}",
        "/media/": f"{folder}/",
        "0123456789ABCDEF0123456789ABCDEF01234567": new.tls_certificate.thumbprint,
    }


def read(name: str) -> Runbook:
    """A runbook, without the inventories: those are here already."""
    runbook = Runbook.read(name)
    here = (INVENTORY, SCRATCH_INVENTORY)
    return replace(runbook, files={file: content for file, content in runbook.files.items() if file not in here})


def run(name: str, folder: Path, places: dict[str, str]) -> list[str]:
    """What the commands of a runbook print."""
    return [output for _step, output in read(name).run(folder, places)]


def test_routine_backup(folder: Path, places: dict[str, str]) -> None:
    run("routine_backup", folder, places)


def test_restore_one_file(folder: Path, places: dict[str, str], server: AmsHost) -> None:
    script, stray = server.config / "scripts/Approve-Tier1.ps1", server.config / "scripts/stray.ps1"
    whole = script.read_bytes()
    script.write_bytes(b"# spoiled")
    stray.write_bytes(b"# not of the backup")
    run("restore_one_file", folder, places)
    assert script.read_bytes() == whole
    assert stray.exists()
    stray.unlink()


def test_restore_server(folder: Path, places: dict[str, str], server: AmsHost) -> None:
    template = server.config / "audit-templates/ops mail.html"
    whole = template.read_bytes()
    template.unlink()
    server.edit_settings(lambda content: content["RateLimits"].update(Spoiled=True))
    run("restore_server", folder, places)
    assert template.read_bytes() == whole
    assert server.http_answers()


def test_restore_drill(folder: Path, places: dict[str, str], server: AmsHost, new: AmsHost) -> None:
    """The scratch server is the one that takes the place of a lost server afterwards: it is as it was then."""
    new.reset_settings()
    before = Whole.of(new)
    server.stop_service()
    own = {"drill_tls_thumbprint": new.tls_certificate.thumbprint, "drill_in_service": []}  # lab hosts share a name
    scratch = new.inventory_vars() | own
    group = {"access_manager_drill": {"hosts": {SCRATCH: scratch}}}
    content = yaml.safe_dump({"access_manager_servers": {"children": group}})
    (folder / SCRATCH_INVENTORY).write_text(content, encoding="utf-8")
    run("restore_drill", folder, places)
    assert before.differences(Whole.of(new)) == []
    server.start_service()


def test_new_server(folder: Path, places: dict[str, str], server: AmsHost, new: AmsHost) -> None:
    server.stop_service()
    run("new_server", folder, places)
    new.http_port = server.http_port
    assert new.http_answers()
    new.stop_service()
    server.start_service()


def test_upgrade(folder: Path, places: dict[str, str], server: AmsHost) -> None:
    """The rollback undoes what was changed after the backup."""
    template = server.config / "audit-templates/ops mail.html"
    whole = template.read_bytes()
    for step, _output in read("upgrade").run(folder, places):
        if "upgrade_guard" in step.command:
            template.write_bytes(b"as a new version left it")
    assert template.read_bytes() == whole
    assert server.http_answers()


def test_offline_copies(folder: Path, places: dict[str, str]) -> None:
    run("offline_copies", folder, places)


@pytest.fixture(scope="module")
def version_2(server: AmsHost, new: AmsHost) -> Version2:
    """Version 2 on the new server, as it was just installed."""
    server.stop_service()
    return new.install_version_2()


@pytest.fixture(scope="module")
def as_installed(version_2: Version2, new: AmsHost) -> Whole:
    return Whole.of(new)


def migration() -> str:
    (command,) = (step.command for step in read("migrate").steps if is_migration(step))
    return command.rstrip()


def take_a_new_file(host: AmsHost) -> list[str]:
    """Takes one of the new files away that lie beside their places, as a virus scanner does, once all are written.

    Returns the thumbprints in the service's store at that moment.
    """
    found: list[Path] = []

    def all_are_written() -> bool:
        before, found[:] = list(found), sorted(host.config.glob("**/*.new"))
        time.sleep(1)
        return bool(found) and found == before

    host.wait_for(all_are_written)
    imported = re.findall(r"[0-9A-F]{40}", host.registry(STORE_KEY))
    found[-1].unlink()
    return imported


def test_migrate_that_fails_while_files_are_placed_leaves_neither_files_nor_certificates(
    folder: Path, places: dict[str, str], new: AmsHost, server: AmsHost, as_installed: Whole
) -> None:
    new.knob("StopDelayMs", 8000)
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(take_a_new_file, new)
        said = " ".join(failing(migration(), folder, places).split())
        assert {one.thumbprint for one in server.certificates} <= {*taken.result()}
    new.clear_knobs()
    assert "The restore failed while changing the files" in said
    assert "Everything was put back as it was." in said
    assert "What version 2 wrote into its database" not in said
    assert as_installed.differences(Whole.of(new)) == []


def test_migrate_that_fails_after_the_import_leaves_nothing_of_it(
    folder: Path, places: dict[str, str], new: AmsHost, version_2: Version2, as_installed: Whole
) -> None:
    version_2.after_import = new.stop_service
    said = " ".join(failing(f"{migration()} -e restore_health_seconds=60", folder, places).split())
    version_2.after_import = lambda: None
    assert "Everything was put back as it was. What version 2 wrote into its database stays" in said
    assert (new.logs / version2.LOG).exists()
    assert as_installed.differences(Whole.of(new)) == []


def test_migrate(folder: Path, places: dict[str, str], new: AmsHost, version_2: Version2, root: Path) -> None:
    """What the configuration tool does is done between the steps."""
    base = new.registry(version2.BASE)
    for step, _output in read("migrate").run(folder, places):
        if is_migration(step):
            new.wait_for(lambda: bool(version_2.put_aside))
            assert not (new.config / "appsettings.json").exists()
            assert (new.config / "of-version-2.json").exists()
            assert new.registry(version2.BASE) == base
            assert (new.config / "external/C/AccessManagerScripts").is_dir()
        elif "migrate_check" in step.command and new.registry(version2.BASE) == base:
            version_2.configure()
    (kept,) = (root / NEW / "attachments").iterdir()
    assert (kept / "record.json.sig").exists()


@pytest.mark.skipif(shutil.which("age-keygen") is None, reason="age-keygen is not installed (apt-get install age)")
def test_lost_identity(folder: Path, places: dict[str, str], server: AmsHost) -> None:
    """The last that runs: the backups after it are under another key."""
    server.start_service()
    run("lost_identity", folder, places)


def is_migration(step: Step) -> bool:
    return "access_manager.migrate " in step.command and "--check" not in step.command


def test_each_runbook_is_run_here() -> None:
    tests: dict[str, Any] = globals()
    assert [name for name in names() if f"test_{name}" not in tests] == [ELSEWHERE]
