# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbooks: each command in them runs as it is printed, and prints what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.ams_host import AmsHost, MakeHost, write_inventory
from support.backups import KeyPair
from support.runbooks import Runbook, names

ELSEWHERE = "lost-certificate"
"""It needs a domain: test_recover_certificate.py runs its commands."""

SERVER, NEW = "ams1.example.com", "ams2.example.com"


@pytest.fixture(scope="module")
def server(make_host: MakeHost) -> AmsHost:
    return make_host(SERVER)


@pytest.fixture(scope="module")
def new(make_host: MakeHost) -> AmsHost:
    """The new server: installed, and not configured."""
    return make_host(NEW, certificates=(), configured=False)


@pytest.fixture(scope="module")
def folder(server: AmsHost, new: AmsHost, root: Path, owner: KeyPair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where somebody works through the runbooks, with the inventory and the key."""
    folder = tmp_path_factory.mktemp("controller")
    for name in ("key", "offline"):
        (folder / name).mkdir()
    key = folder / "key/access-manager-backup.key"
    key.touch(0o600)
    key.write_text(f"{owner.private}\n")
    settings = {"access_manager_backup_root": str(root), "access_manager_recipients": [owner.public], "restore_health_seconds": 1}
    inventory = write_inventory(folder / "inventory.yml", {SERVER: server.inventory_vars() | settings})
    content = json.loads(inventory.read_text())
    content["new_servers"] = {"hosts": {NEW: new.inventory_vars() | settings}}
    inventory.write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def places(new: AmsHost, root: Path, folder: Path) -> dict[str, str]:
    """What the runbooks name, and what stands here for it."""
    return {
        "/srv/backup/access-manager": str(root),
        "/media/offline/access-manager": f"{folder}/offline/{root.name}",
        "/media/": f"{folder}/",
        "0123456789ABCDEF0123456789ABCDEF01234567": new.tls_certificate.thumbprint,
    }


def run(name: str, folder: Path, places: dict[str, str]) -> list[str]:
    """What the commands of a runbook print."""
    return [output for _step, output in Runbook.read(name).run(folder, places)]


def test_routine_backup(folder: Path, places: dict[str, str]) -> None:
    run("routine-backup", folder, places)


def test_restore_one_file(folder: Path, places: dict[str, str], server: AmsHost) -> None:
    script, stray = server.config / "scripts/Approve-Tier1.ps1", server.config / "scripts/stray.ps1"
    whole = script.read_bytes()
    script.write_bytes(b"# spoiled")
    stray.write_bytes(b"# not of the backup")
    run("restore-one-file", folder, places)
    assert script.read_bytes() == whole
    assert stray.exists()
    stray.unlink()


def test_restore_server(folder: Path, places: dict[str, str], server: AmsHost) -> None:
    template = server.config / "audit-templates/ops mail.html"
    whole = template.read_bytes()
    template.unlink()
    server.edit_settings(lambda content: content["RateLimits"].update(Spoiled=True))
    run("restore-server", folder, places)
    assert template.read_bytes() == whole
    assert server.http_answers()


def test_new_server(folder: Path, places: dict[str, str], server: AmsHost, new: AmsHost) -> None:
    server.stop_service()
    run("new-server", folder, places)
    new.http_port = server.http_port
    assert new.http_answers()
    new.stop_service()
    server.start_service()


def test_upgrade(folder: Path, places: dict[str, str], server: AmsHost) -> None:
    run("upgrade", folder, places)
    assert server.http_answers()


def test_offline_copies(folder: Path, places: dict[str, str]) -> None:
    run("offline-copies", folder, places)


def test_restore_drill(folder: Path, places: dict[str, str], server: AmsHost, new: AmsHost) -> None:
    server.stop_service()
    run("restore-drill", folder, places)
    assert new.http_answers()
    new.stop_service()
    server.start_service()


def test_lost_identity(folder: Path, places: dict[str, str]) -> None:
    run("lost-identity", folder, places)


def test_each_runbook_is_run_here() -> None:
    tests: dict[str, Any] = globals()
    assert [name for name in names() if f"test_{name.replace('-', '_')}" not in tests] == [ELSEWHERE]
