# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server whose backups are signed, and a backup root to which others can write.

The tests go in order: the backup, what is refused, and the restore.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.ams_host import AmsHost, MakeHost
from support.backups import KeyPair, backups_of
from support.host_state import Whole, identity_file, restoring
from support.playbook import PlaybookRun, hash_backups, run_playbook
from support.plays import BACKUP, COLLECTION, PLANNED, RESTORE, RESTORED, failure_of, result_of

NAME = "ams-signed"
VERIFY = f"{COLLECTION}.verify"
CHECK = "Check the encryption, the signing key and the backup root"
FUTURE = "20990101T000000Z"
NAMESPACE = "backup@lithnet.access_manager"


@pytest.fixture(scope="module")
def key(work: Path) -> Path:
    """The signing key, as the README makes it."""
    path = work / "access_manager_backup"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "access-manager-backup", "-f", str(path)]
    subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.fixture(scope="module")
def server(make_host: MakeHost) -> AmsHost:
    return make_host(NAME)


@pytest.fixture(scope="module")
def inventory(server: AmsHost, work: Path, settings: dict[str, Any], owner: KeyPair, key: Path) -> Path:
    variables = restoring(settings, identity_file(work, owner)) | {
        "access_manager_signing_key": str(key),
        "access_manager_allowed_signers": ["{{ lookup('ansible.builtin.file', '" + str(key) + ".pub') }}"],
        "access_manager_state_dir": str(work / "state"),
    }
    return server.write_inventory(work / "inventory.yml", variables=variables)


@pytest.fixture(scope="module")
def whole(server: AmsHost, inventory: Path) -> Whole:
    """The server as it was backed up, and signed."""
    run = run_playbook(BACKUP, inventory)
    assert run.rc == 0, run.stdout[-3000:]
    assert "Signed by access-manager-backup (SHA256:" in run.stdout
    return Whole.of(server)


@pytest.fixture(scope="module")
def forged(whole: Whole, root: Path) -> str:
    """A backup of the year 2099, put there by a writer to the root who has no key."""
    (genuine,) = backups_of(root, NAME, lambda data: data)
    shutil.copytree(genuine.folder, root / NAME / FUTURE)
    manifest = root / NAME / FUTURE / "manifest.json"
    manifest.write_text(
        json.dumps(json.loads(manifest.read_bytes()) | {"id": FUTURE, "created": "2099-01-01T00:00:00Z"})
    )
    return FUTURE


def restore(inventory: Path, **variables: Any) -> PlaybookRun:
    return run_playbook(RESTORE, inventory, extra_vars=variables)


def test_a_backup_is_signed_and_ssh_keygen_alone_verifies_it(whole: Whole, root: Path, key: Path) -> None:
    (backup,) = backups_of(root, NAME, lambda data: data)
    signers = root / "allowed_signers"
    signers.write_text(f"operations {key.with_suffix('.pub').read_text()}")
    command = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", "operations", "-n", NAMESPACE]
    command += ["-s", str(backup.folder / "manifest.json.sig")]
    manifest = (backup.folder / "manifest.json").read_bytes()
    done = subprocess.run(command, input=manifest, capture_output=True, check=True)
    assert done.stdout.startswith(b'Good "backup@lithnet.access_manager" signature for operations')
    signers.unlink()


def test_a_key_that_cannot_be_used_ends_the_run_before_the_server_is_asked(
    whole: Whole, server: AmsHost, inventory: Path, work: Path, root: Path
) -> None:
    other = work / "other"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True, stdin=subprocess.DEVNULL
    )
    before = hash_backups(root)
    with server.counting() as count:
        run = run_playbook(
            BACKUP, inventory, extra_vars={"access_manager_signing_key": str(other), "backup_force": True}
        )
    assert run.rc == 2
    assert "would not be accepted afterwards" in failure_of(run, NAME)
    failed = [one.task.rpartition(" : ")[2] for one in run.results if one.status == "failed"]
    assert failed == [CHECK, "End where it failed"]
    assert count.requests == 0
    assert hash_backups(root) == before


def test_a_forged_backup_of_2099_does_not_make_the_server_unchanged_for_ever(
    forged: str, server: AmsHost, inventory: Path, root: Path
) -> None:
    run = run_playbook(BACKUP, inventory)
    assert run.rc == 0, run.stdout[-3000:]
    genuine = next(one for one in backups_of(root, NAME, lambda data: data) if one.folder.name != forged)
    assert f"Unchanged since {genuine.folder.name}" in run.stdout
    server.edit_settings(lambda content: content["RateLimits"].update(Changed=True))
    try:
        checked = run_playbook(BACKUP, inventory, args=["--check"])
        assert "would hold" in checked.stdout
    finally:
        server.edit_settings(lambda content: content["RateLimits"].pop("Changed"))


def test_verification_names_the_forged_backup_and_verifies_the_genuine_one(
    forged: str, inventory: Path, root: Path
) -> None:
    report = inventory.parent / "report.json"
    run = run_playbook(VERIFY, inventory, extra_vars={"verify_report_json": str(report)})
    assert run.rc == 2
    (host,) = json.loads(report.read_text())["hosts"]
    found = {one["id"]: one for one in host["backups"]}
    assert "is not the signature of" in " ".join(found.pop(forged)["problems"])
    (genuine,) = found.values()
    assert (genuine["problems"], genuine["verified"]) == ([], "full")
    assert genuine["signer"]["principal"] == "access-manager-backup"
    assert "1 of 2 backup(s) are signed by an allowed signer." in run.stdout


def test_the_forged_backup_is_not_restored_and_the_genuine_one_is(
    forged: str, whole: Whole, server: AmsHost, inventory: Path
) -> None:
    server.edit_settings(lambda content: content["RateLimits"].update(Spoiled=True))
    spoiled = Whole.of(server)
    with server.counting() as count:
        refused = restore(inventory, restore_id=forged)
    assert refused.rc == 2
    assert "is not the signature of" in failure_of(refused, NAME)
    assert count.requests == 0
    assert Whole.of(server).differences(spoiled) == []

    restored = restore(inventory)
    assert restored.rc == 0, restored.stdout[-3000:]
    assert not result_of(restored, NAME, PLANNED)["backup"].startswith(forged)
    assert result_of(restored, NAME, RESTORED)["signer"]["principal"] == "access-manager-backup"
    assert "Signed by access-manager-backup (SHA256:" in restored.stdout
    assert server.http_answers()
    assert "Spoiled" not in (server.config / "appsettings.json").read_text()


def test_without_signers_a_restore_says_that_the_origin_is_not_verified(
    forged: str, server: AmsHost, work: Path, settings: dict[str, Any], owner: KeyPair, root: Path
) -> None:
    shutil.rmtree(root / NAME / forged)
    inventory = server.write_inventory(work / "unsigned.yml", variables=restoring(settings, identity_file(work, owner)))
    run = run_playbook(RESTORE, inventory, args=["--check"])
    assert run.rc == 0, run.stdout[-3000:]
    assert (
        "The origin of the backups is not verified: no allowed signers are set (access_manager_allowed_signers)."
        in run.stdout
    )
