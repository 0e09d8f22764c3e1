# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to encrypt a backup. One run backs up one server under three names, each in its own way, one over PSRP."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pyrage
import pytest
from support.ams_host import AmsHost, write_inventory
from support.backups import Backup, KeyPair, age_key, backups_of, by_passphrase, in_clear, ssh_key
from support.playbook import run_playbook
from support.plays import BACKUP, COLLECTION, failure_of

VERIFY = f"{COLLECTION}.verify"
PASSPHRASE = secrets.token_urlsafe(24)


@pytest.fixture(scope="module")
def ssh_owner() -> KeyPair:
    return ssh_key()


@pytest.fixture(scope="module")
def custodian() -> KeyPair:
    """Whose key opens the certificates, and nothing else."""
    return age_key()


@pytest.fixture(scope="module")
def encrypted(host: AmsHost, root: Path, work: Path, owner: KeyPair, ssh_owner: KeyPair, custodian: KeyPair) -> Path:
    """The backup root after the run."""
    variants: dict[str, dict[str, Any]] = {
        "to-keys": {
            "access_manager_recipients": [owner.public, ssh_owner.public],
            "access_manager_certificate_recipients": [custodian.public],
        },
        "by-passphrase": {"access_manager_passphrase": PASSPHRASE},
        "in-clear": {"access_manager_encryption": "none"},
    }
    common = {"access_manager_backup_root": str(root)}
    connections = {name: host.inventory_vars("psrp" if name == "to-keys" else "winrm") for name in variants}
    inventory = write_inventory(
        work / "inventory.yml", {name: connections[name] | common | variants[name] for name in variants}
    )
    run = run_playbook(BACKUP, inventory)
    assert run.rc == 0, run.output
    return root


@pytest.fixture(scope="module")
def clear(encrypted: Path) -> Backup:
    (backup,) = backups_of(encrypted, "in-clear", in_clear)
    return backup


def assert_same_content(backup: Backup, clear: Backup) -> None:
    assert backup.files == clear.files
    assert {name: data for name, data in backup.config.items() if name.startswith("config/")} == {
        name: data for name, data in clear.config.items() if name.startswith("config/")
    }
    assert backup.secrets == clear.secrets


def test_each_of_the_recipients_alone_opens_a_backup(
    encrypted: Path, clear: Backup, owner: KeyPair, ssh_owner: KeyPair
) -> None:
    for key in (owner, ssh_owner):
        (backup,) = backups_of(encrypted, "to-keys", key.open)
        assert_same_content(backup, clear)
        assert backup.manifest["recipients"][:2] == [owner.public, ssh_owner.public]


@pytest.mark.skipif(not (shutil.which("age") and shutil.which("unzip")), reason="age or unzip is not installed")
def test_people_see_by_hand_to_which_backup_a_part_belongs(encrypted: Path, owner: KeyPair, tmp_path: Path) -> None:
    (backup,) = backups_of(encrypted, "to-keys", owner.open)
    (tmp_path / "key.txt").write_text(f"{owner.private}\n")
    command = ["age", "-d", "-i", str(tmp_path / "key.txt"), "-o", str(tmp_path / "config.zip")]
    subprocess.run([*command, str(backup.folder / "config.zip.age")], check=True)
    printed = subprocess.run(
        ["unzip", "-p", str(tmp_path / "config.zip"), "backup.json"], check=True, stdout=subprocess.PIPE
    )
    says = json.loads(printed.stdout)
    assert (says["host"], says["id"], says["part"]) == ("to-keys", backup.folder.name, "config.zip")


def test_the_parts_of_a_backup_share_what_its_manifest_has_the_hash_of(
    encrypted: Path, clear: Backup, owner: KeyPair, custodian: KeyPair
) -> None:
    (to_keys,) = backups_of(encrypted, "to-keys", owner.open, custodian.open)
    (secret,) = backups_of(encrypted, "by-passphrase", by_passphrase(PASSPHRASE))
    nonces = {}
    for backup in (to_keys, secret, clear):
        for part, says in backup.bindings.items():
            assert (says["host"], says["id"], says["part"]) == (backup.manifest["host"], backup.manifest["id"], part)
        (nonces[backup.folder],) = {says["nonce"] for says in backup.bindings.values()}
        assert hashlib.sha256(bytes.fromhex(nonces[backup.folder])).hexdigest() == backup.manifest["nonce_sha256"]
    assert len(set(nonces.values())) == len(nonces)


def test_a_backup_in_clear_is_a_problem_beside_a_passphrase_unless_it_was_asked_for_by_name(
    encrypted: Path, work: Path
) -> None:
    variables = {"access_manager_backup_root": str(encrypted), "access_manager_passphrase": PASSPHRASE}
    inventory = write_inventory(work / "clear.yml", {"by-passphrase": variables, "in-clear": variables})
    run = run_playbook(VERIFY, inventory)
    assert run.rc == 2, run.output
    assert "in-clear" in run.output
    assert "config.zip' is not encrypted, though a passphrase is given" in run.output
    assert "by-passphrase" not in failure_of(run, "by-passphrase")
    asked = run_playbook(VERIFY, inventory, extra_vars={"access_manager_encryption": "none"})
    assert asked.rc == 0, asked.output
    for other, code in (("none", 0), ("age", 2)):
        hosts = {
            "in-clear": variables | {"access_manager_encryption": "none"},
            "by-passphrase": variables | {"access_manager_encryption": other},
        }
        run = run_playbook(VERIFY, write_inventory(work / "each.yml", hosts))
        assert run.rc == code, run.output


def test_certificates_have_recipients_of_their_own(
    encrypted: Path, host: AmsHost, owner: KeyPair, custodian: KeyPair
) -> None:
    (backup,) = backups_of(encrypted, "to-keys", owner.open, custodian.open)
    assert backup.private_numbers(host.certificates[0].thumbprint) == host.certificates[0].private_key.private_numbers()
    with pytest.raises(pyrage.DecryptError):
        owner.open(backup.encrypted("certificates.zip"))
    for other in ("config.zip", "secrets.json"):
        with pytest.raises(pyrage.DecryptError):
            custodian.open(backup.encrypted(other))


def test_passphrase_opens_a_backup(encrypted: Path, host: AmsHost, clear: Backup) -> None:
    (backup,) = backups_of(encrypted, "by-passphrase", by_passphrase(PASSPHRASE))
    assert_same_content(backup, clear)
    assert backup.private_numbers(host.certificates[1].thumbprint) == host.certificates[1].private_key.private_numbers()
    assert PASSPHRASE not in (backup.folder / "manifest.json").read_text()
    assert backup.manifest["recipients"] == []


def test_backup_in_clear_has_names_without_age(clear: Backup, host: AmsHost) -> None:
    assert {path.name for path in clear.folder.iterdir()} == {
        "manifest.json",
        "config.zip",
        "certificates.zip",
        "secrets.json",
    }
    assert {path: one["value"] for path, one in clear.secrets.items()} == host.secrets
    assert {path.stat().st_mode & 0o777 for path in clear.folder.iterdir()} == {0o600}


def test_other_recipients_make_a_new_backup_though_nothing_has_changed(
    encrypted: Path, host: AmsHost, work: Path, owner: KeyPair
) -> None:
    variables = {"access_manager_backup_root": str(encrypted), "access_manager_recipients": [owner.public]}
    inventory = write_inventory(work / "other.yml", {"by-passphrase": host.inventory_vars() | variables})
    run = run_playbook(BACKUP, inventory, args=["--check"])
    assert run.rc == 0, run.output
    assert "would hold" in run.output
    with pytest.raises(AssertionError):
        failure_of(run, "by-passphrase")
