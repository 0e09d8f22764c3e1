# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as people get it: built, installed from the tarball, and run from there by its full name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.ams_host import AmsHost
from support.backups import KeyPair, backups_of
from support.playbook import REPOSITORY, PlaybookRun, start_playbook
from support.plays import BACKUP

LIMIT = 1_000_000
INSIDE = Path("ansible_collections/lithnet/access_manager")


def galaxy(work: Path, *args: str | Path) -> None:
    """Runs ansible-galaxy collection as a user who has no other collection and no configuration."""
    command = [sys.executable, Path(sys.executable).parent / "ansible-galaxy", "collection", *args]
    (work / "ansible.cfg").touch()
    environment = {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "HOME": str(work),
        "ANSIBLE_CONFIG": str(work / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(work / "installed"),
    }
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def tarball(work: Path) -> Path:
    galaxy(work, "build", REPOSITORY, "--output-path", work / "dist")
    (made,) = (work / "dist").glob("*.tar.gz")
    return made


@pytest.fixture(scope="module")
def installed(tarball: Path, work: Path) -> Path:
    """An empty path into which the tarball was installed."""
    galaxy(work, "install", tarball, "--offline", "--collections-path", work / "installed")
    return work / "installed"


@pytest.fixture(scope="module")
def copied(installed: Path, work: Path) -> Path:
    """A path with the folders alone that Ansible reads, and the file that says the version."""
    target = work / "copied" / INSIDE
    for name in ("meta", "plugins", "roles", "playbooks"):
        shutil.copytree(installed / INSIDE / name, target / name)
    shutil.copy2(REPOSITORY / "galaxy.yml", target)
    return work / "copied"


@pytest.fixture(scope="module")
def runs(
    installed: Path, copied: Path, host: AmsHost, idle: AmsHost, work: Path, settings: dict[str, Any]
) -> tuple[PlaybookRun, PlaybookRun]:
    """A backup by each of the two, side by side, in a working folder that has nothing."""
    started = (
        start_playbook(BACKUP, host.write_inventory(work / "a.yml", variables=settings), collections=installed),
        start_playbook(BACKUP, idle.write_inventory(work / "b.yml", "psrp", variables=settings), collections=copied),
    )
    return started[0].wait(), started[1].wait()


def test_tarball_is_small_and_holds_no_tests(tarball: Path, installed: Path) -> None:
    assert tarball.stat().st_size < LIMIT
    assert {"MANIFEST.json", "meta", "playbooks", "plugins", "roles"} <= {
        path.name for path in (installed / INSIDE).iterdir()
    }
    assert not (installed / INSIDE / "tests").exists()
    assert not list((installed / INSIDE).rglob("*.xz"))


def test_backup_runs_from_the_installed_tarball(
    runs: tuple[PlaybookRun, PlaybookRun], host: AmsHost, root: Path, owner: KeyPair
) -> None:
    assert runs[0].rc == 0, runs[0].output
    (backup,) = backups_of(root, host.name, owner.open)
    assert backup.manifest["collection_version"] == "1.0.0"
    assert set(host.configuration.files) <= {name.removeprefix("config/") for name in backup.config}


def test_backup_runs_from_a_copy_of_the_folders(
    runs: tuple[PlaybookRun, PlaybookRun], idle: AmsHost, root: Path, owner: KeyPair
) -> None:
    assert runs[1].rc == 0, runs[1].output
    (backup,) = backups_of(root, idle.name, owner.open)
    assert backup.manifest["status"] == "complete"
    assert backup.manifest["collection_version"] == "1.0.0"
