# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that the tests share. A test leaves a shared host as it found it; one that changes a host makes its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.plugins.loader import init_plugin_loader
from support.ams_host import AmsHost, MakeHost, available
from support.backups import KeyPair, age_key
from support.faults import Place, fault_hosts
from support.hardened import make as make_hardened
from support.playbook import COLLECTIONS

init_plugin_loader([str(COLLECTIONS)])

LONGEST = (
    "restore_faults",
    "runbooks",
    "recover_certificate",
    "hardened",
    "disaster_recovery",
    "drill",
    "faults_connection",
    "faults_service",
    "faults_locks",
    "modules",
    "restore_parts",
    "doctor",
    "restore",
    "faults_fleet",
    "upgrade",
    "restore_reinstalled",
)
"""The files of tests that take longest, the longest first: one that comes late keeps one worker waiting."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first; the tests of a file stay in their order."""
    rank = {f"test_{name}": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture(scope="session", autouse=True)
def lab() -> None:
    """Nothing here runs without Windows hosts."""
    missing = available()
    if missing:
        pytest.skip(f"no Windows hosts: {missing}")


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where actions that run here keep what they published: not in the state of the user who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module")
def make_host(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeHost]:
    """Makes hosts that live as long as the tests of one file."""
    folder, made = tmp_path_factory.mktemp("hosts"), list[AmsHost]()

    def make(name: str, **options: Any) -> AmsHost:
        made.append(AmsHost.create(folder, name=name, **options))
        return made[-1]

    yield make
    for host in made:
        host.remove()


def _shared(tmp_path_factory: pytest.TempPathFactory, name: str, running: bool) -> Iterator[AmsHost]:
    host = AmsHost.create(tmp_path_factory.mktemp("hosts"), name=name, running=running)
    yield host
    host.remove()


@pytest.fixture(scope="session")
def host(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AmsHost]:
    """A host whose service runs."""
    yield from _shared(tmp_path_factory, "ams1", running=True)


@pytest.fixture(scope="session")
def idle(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AmsHost]:
    """A host whose service is stopped."""
    yield from _shared(tmp_path_factory, "ams2", running=False)


@pytest.fixture(scope="session")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drive S: of the hardened host."""
    return tmp_path_factory.mktemp("drive")


@pytest.fixture(scope="session")
def hardened(lab: None, tmp_path_factory: pytest.TempPathFactory, drive: Path) -> Iterator[AmsHost]:
    """A host whose policies are changed."""
    made = make_hardened(tmp_path_factory.mktemp("hosts"), drive)
    yield made
    made.remove()


@pytest.fixture(scope="session")
def one(lab: None) -> AmsHost:
    """The first of the two hosts for faults."""
    return fault_hosts()[0]


@pytest.fixture(scope="session")
def two(lab: None) -> AmsHost:
    """The second of the two hosts for faults."""
    return fault_hosts()[1]


@pytest.fixture
def place(tmp_path: Path, owner: KeyPair) -> Place:
    """Where a test of faults keeps its inventory and its backups."""
    return Place(tmp_path, owner)


@pytest.fixture(scope="session")
def owner() -> KeyPair:
    """Whose key opens the backups."""
    return age_key()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup root for the tests of one file."""
    return tmp_path_factory.mktemp("backups")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for inventories and playbooks."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def settings(root: Path, owner: KeyPair) -> dict[str, Any]:
    """What an inventory says to have a host backed up there."""
    return {"access_manager_backup_root": str(root), "access_manager_recipients": [owner.public]}
