# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads the collection as Ansible does, and makes what most tests need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest
from ansible.plugins.loader import init_plugin_loader
from hypothesis import HealthCheck, settings
from support.backups import KeyPair, age_key
from support.certificates import TestCertificate, make_certificate
from unit import faults
from unit.actions import HOST

BUILD = Path(__file__).resolve().parents[2] / ".build"
init_plugin_loader([str(BUILD)])

from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore  # noqa: E402

settings.register_profile(
    "unit", max_examples=40, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.register_profile("fast", settings.get_profile("unit"), max_examples=10)
settings.load_profile("unit")


@pytest.fixture(scope="session")
def identity() -> pyrage.x25519.Identity:
    return pyrage.x25519.Identity.generate()


@pytest.fixture(scope="session")
def recipient(identity: pyrage.x25519.Identity) -> str:
    return str(identity.to_public())


@pytest.fixture(scope="session")
def certificate() -> TestCertificate:
    return make_certificate()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this controller keeps what it published: a folder of this test alone."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "lithnet.access_manager"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty backup root."""
    folder = tmp_path / "backups"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def small_file_system(tmp_path: Path) -> Iterator[Path]:
    """An empty backup root on a file system of its own, of faults.SMALL bytes."""
    folder = tmp_path / "small"
    folder.mkdir(mode=0o700)
    try:
        with faults.small_file_system(folder):
            yield folder
    except PermissionError as exc:
        pytest.skip(f"no file system can be mounted: {exc}")


@pytest.fixture
def store(root: Path) -> BackupStore:
    """The backups of the host for which `actions.run` runs actions."""
    return BackupStore(str(root), HOST)


@pytest.fixture(scope="session")
def owner() -> KeyPair:
    """Whose key opens the backups."""
    return age_key()
