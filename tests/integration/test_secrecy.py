# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets stay secret: in the loudest output, in what the controller keeps, and on the server's disk."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest
from support.ams_host import AmsHost, write_inventory
from support.backups import Backup, KeyPair, backups_of, by_passphrase
from support.leaks import Leak, find_leaks, text_needles
from support.playbook import PlaybookRun, run_playbook
from support.plays import BACKUP

PASSPHRASE = secrets.token_urlsafe(24)


@pytest.fixture(scope="module")
def before(host: AmsHost, idle: AmsHost) -> dict[str, set[Leak]]:
    """What lies open on the servers' disks anyway: the keys in Windows' own stores."""
    if idle.service_state() == "Stopped":
        idle.start_service()
    return {one.name: set(find_leaks(one.drive_c, one.planted_secrets())) for one in (host, idle)}


@pytest.fixture(scope="module")
def run(
    host: AmsHost, idle: AmsHost, work: Path, settings: dict[str, Any], before: dict[str, set[Leak]]
) -> PlaybookRun:
    """With a stop over winrm and over psrp, and live with a passphrase over winrm without its encryption."""
    stop = {"backup_stop_service": "always"}
    passphrase = settings | {"access_manager_recipients": [], "access_manager_passphrase": PASSPHRASE}
    hosts = {
        "over-winrm": host.inventory_vars("winrm") | settings | stop,
        "over-psrp": idle.inventory_vars("psrp") | settings | stop,
        "live": host.inventory_vars("winrm", "basic") | passphrase,
    }
    try:
        done = run_playbook(BACKUP, write_inventory(work / "inventory.yml", hosts), args=["-vvvvv", "--diff"])
    finally:
        idle.stop_service()
    assert done.rc == 0, done.output
    return done


@pytest.fixture(scope="module")
def backups(run: PlaybookRun, root: Path, owner: KeyPair) -> dict[str, Backup]:
    decryptors = {"over-winrm": owner.open, "over-psrp": owner.open, "live": by_passphrase(PASSPHRASE)}
    return {name: backups_of(root, name, decryptor)[0] for name, decryptor in decryptors.items()}


@pytest.fixture(scope="module")
def needles(backups: dict[str, Backup], host: AmsHost, idle: AmsHost) -> dict[str, bytes]:
    """All that must not be found."""
    found = {f"{one.name}: {name}": needle for one in (host, idle) for name, needle in one.planted_secrets().items()}
    found |= text_needles("passphrase", PASSPHRASE)
    for name, backup in backups.items():
        for thumbprint, password in backup.pfx_passwords.items():
            found |= text_needles(f"password of the exported PFX {thumbprint} of {name}", password)
    return found


def test_needles_find_the_secrets_where_they_are(
    backups: dict[str, Backup], needles: dict[str, bytes], host: AmsHost
) -> None:
    backup = backups["live"]
    assert find_leaks(backup.decryptor(backup.encrypted("secrets.json")), needles)
    assert find_leaks(backup.certificates["passwords.json"], needles)
    assert find_leaks(host.certificates[0].private_key_pem, needles)


def test_loudest_output_of_both_connections_holds_no_secret(run: PlaybookRun, needles: dict[str, bytes]) -> None:
    assert len(run.output) > 100_000
    assert find_leaks(run.output, needles) == ()


def test_controller_keeps_no_secret_outside_the_encrypted_backups(
    run: PlaybookRun, root: Path, needles: dict[str, bytes]
) -> None:
    assert find_leaks(run.folder, needles) == ()
    assert find_leaks(root, needles) == ()


def test_server_keeps_no_secret_that_was_not_there(
    run: PlaybookRun, host: AmsHost, idle: AmsHost, before: dict[str, set[Leak]], backups: dict[str, Backup]
) -> None:
    names = {host.name: ("over-winrm", "live"), idle.name: ("over-psrp",)}
    for one in (host, idle):
        needles = one.planted_secrets() | text_needles("passphrase", PASSPHRASE)
        for name in names[one.name]:
            for thumbprint, password in backups[name].pfx_passwords.items():
                needles |= text_needles(f"password of {thumbprint}", password)
        assert set(find_leaks(one.drive_c, needles)) <= before[one.name]


def test_service_came_back_after_both_stops(run: PlaybookRun, host: AmsHost, backups: dict[str, Backup]) -> None:
    assert host.service_state() == "Running"
    assert [backups[name].manifest["stopped"] for name in ("over-winrm", "over-psrp", "live")] == [True, True, False]
