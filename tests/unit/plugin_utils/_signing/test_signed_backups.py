# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a writer to the backup root can do who has no signing key: nothing that a run believes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.source import select
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._signing.trust import Trust
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import manifest as manifest_module
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.partial import PartialBackup
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.backups import KeyPair
from unit.actions import HOST, run
from unit.backups import fill
from unit.encrypted_backups import encrypt_to, make
from unit.signers import SshKey, ssh_key

GENUINE, LATER, FUTURE = "20261123T081500Z", "20261124T081500Z", "20990101T000000Z"
UNVERIFIED = "The origin of the backups is not verified: no allowed signers are set (access_manager_allowed_signers)."


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SshKey:
    return ssh_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def attacker(tmp_path_factory: pytest.TempPathFactory) -> SshKey:
    return ssh_key(tmp_path_factory.mktemp("attacker"), "attacker")


@pytest.fixture
def genuine(store: BackupStore, owner: KeyPair, key: SshKey) -> BackupStore:
    """A store with one signed backup, made in November 2026."""
    make(store, GENUINE, encrypt_to(owner.public), signer=key.signer())
    return store


def inventory_of(store: BackupStore, backup_id: str) -> dict[str, str]:
    inventory: dict[str, str] = store.manifest(backup_id)["inventory"]
    return inventory


def opened(store: BackupStore, owner: KeyPair, **options: Any) -> dict[str, Any]:
    """What backup_commit says, in check mode, when the server is as in the genuine backup."""
    inventory = inventory_of(store, GENUINE)
    return run(
        "backup_commit",
        check=True,
        state="opened",
        backup_root=str(store.root),
        recipients=[owner.public],
        inventory=inventory,
        **options,
    )


def rewritten(store: BackupStore, backup_id: str, **changes: Any) -> None:
    """Edits a manifest as an attacker does who knows this collection: its checksum fits."""
    path = store.folder / backup_id / "manifest.json"
    manifest = json.loads(path.read_bytes()) | changes
    path.write_bytes(manifest_module.to_bytes(manifest | {"checksum": manifest_module.checksum_of(manifest)}))


# ---- attacks: each leaves a newer backup than the genuine one ----

Attack = Callable[[BackupStore, KeyPair, SshKey], str]


def forged_to_the_recipient_of_the_manifest(store: BackupStore, owner: KeyPair, _attacker: SshKey) -> str:
    make(store, LATER, encrypt_to(owner.public))
    return LATER


def forged_with_a_key_of_the_attacker(store: BackupStore, owner: KeyPair, attacker: SshKey) -> str:
    make(store, LATER, encrypt_to(owner.public), signer=attacker.signer())
    return LATER


def forged_with_the_signature_of_the_genuine_one(store: BackupStore, owner: KeyPair, _attacker: SshKey) -> str:
    make(store, LATER, encrypt_to(owner.public))
    shutil.copy(store.folder / GENUINE / "manifest.json.sig", store.folder / LATER)
    return LATER


def forged_without_encryption(store: BackupStore, _owner: KeyPair, _attacker: SshKey) -> str:
    make(store, LATER, encrypt_to())
    return LATER


def re_dated(store: BackupStore, _owner: KeyPair, _attacker: SshKey) -> str:
    shutil.copytree(store.folder / GENUINE, store.folder / LATER)
    rewritten(store, LATER, id=LATER, created="2026-11-24T08:15:00Z")
    return LATER


def of_the_year_2099(store: BackupStore, owner: KeyPair, attacker: SshKey) -> str:
    make(store, FUTURE, encrypt_to(owner.public), signer=attacker.signer())
    return FUTURE


def taken_from_another_host(store: BackupStore, owner: KeyPair, _attacker: SshKey) -> str:
    other = BackupStore(str(store.root), "ams2")
    make(other, LATER, encrypt_to(owner.public), signer=ssh_key(store.root.parent, "of_ams2").signer())
    shutil.copytree(other.folder / LATER, store.folder / LATER)
    shutil.rmtree(other.folder)
    rewritten(store, LATER, host=HOST)
    return LATER


def stripped_of_its_signature(store: BackupStore, owner: KeyPair, _attacker: SshKey) -> str:
    make(store, LATER, encrypt_to(owner.public), signer=ssh_key(store.root.parent, "stripped").signer())
    (store.folder / LATER / "manifest.json.sig").unlink()
    return LATER


def signed_by_a_link_to_a_genuine_signature(store: BackupStore, owner: KeyPair, _attacker: SshKey) -> str:
    make(store, LATER, encrypt_to(owner.public))
    (store.folder / LATER / "manifest.json.sig").symlink_to(store.folder / GENUINE / "manifest.json.sig")
    return LATER


ATTACKS = [
    forged_to_the_recipient_of_the_manifest,
    forged_with_a_key_of_the_attacker,
    forged_with_the_signature_of_the_genuine_one,
    forged_without_encryption,
    re_dated,
    of_the_year_2099,
    taken_from_another_host,
    stripped_of_its_signature,
    signed_by_a_link_to_a_genuine_signature,
]


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_backup_that_no_allowed_signer_made_is_never_used(
    attack: Attack, genuine: BackupStore, owner: KeyPair, key: SshKey, attacker: SshKey
) -> None:
    forged = attack(genuine, owner, attacker)
    root, signers = str(genuine.root), [key.public]
    trusting = BackupStore(root, HOST, Trust.of({"allowed_signers": signers}))

    assert select(trusting, "latest").label == f"{GENUINE} of {HOST}"
    for wanted in (forged, str(genuine.folder / forged)):
        with pytest.raises(AccessManagerError, match="It is not used"):
            select(trusting, wanted)

    assert opened(genuine, owner, allowed_signers=signers)["latest"]["id"] == GENUINE
    listed = run("backup_info", backup_root=root, backup_id="latest", allowed_signers=signers)
    assert listed["backup"]["id"] == GENUINE
    assert [one["accepted"] for one in listed["backups"]] == [True, False]
    assert "It is not used" in run("backup_info", backup_root=root, backup_id=forged, allowed_signers=signers)["msg"]

    verified = run("backup_verify", backup_root=root, allowed_signers=signers, latest_only=True)
    assert verified["failed"]
    found = {one["id"]: one for one in verified["backups"]}
    assert found.keys() == {GENUINE, forged}
    assert (found[GENUINE]["problems"], found[GENUINE]["signer"]["fingerprint"]) == ([], key.fingerprint)
    assert (found[forged]["verified"], found[forged]["signer"]) == ("none", None)
    assert any("manifest.json" in problem for problem in found[forged]["problems"])
    assert verified["hosts"][0]["newest_complete"] == GENUINE


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_restore_of_what_no_allowed_signer_made_ends_before_the_server_is_asked(
    attack: Attack, genuine: BackupStore, owner: KeyPair, key: SshKey, attacker: SshKey, tmp_path: Path
) -> None:
    identity = tmp_path / "identity"
    identity.write_text(owner.private)
    options = {"backup_root": str(genuine.root), "identity_file": str(identity), "allowed_signers": [key.public]}
    forged = attack(genuine, owner, attacker)
    for module in ("config_restore", "certificate_import"):
        refused = run(module, backup_id=forged, **options)["msg"]
        assert "It is not used" in refused
        assert "-e access_manager_allow_unsigned=true" in refused
        for wanted in (GENUINE, "latest"):
            assert "is not reached as a Windows host" in run(module, backup_id=wanted, **options)["msg"]
        # Its origin is not asked for then; what is bound inside the encryption still is.
        assert (
            "access_manager_allow_unsigned" not in run(module, backup_id=forged, allow_unsigned=True, **options)["msg"]
        )


def test_a_forged_manifest_cannot_accuse_a_genuine_one(
    genuine: BackupStore, owner: KeyPair, key: SshKey, attacker: SshKey
) -> None:
    forged = forged_to_the_recipient_of_the_manifest(genuine, owner, attacker)
    rewritten(genuine, forged, previous="00" * 32)
    accusation = f"The manifest of {GENUINE} was changed"

    def problems(**options: Any) -> dict[str, str]:
        verified = run("backup_verify", backup_root=str(genuine.root), **options)
        return {one["id"]: " ".join(one["problems"]) for one in verified["backups"]}

    assert accusation in problems()[GENUINE]
    assert problems(allowed_signers=[key.public])[GENUINE] == ""
    changed = genuine.folder / GENUINE / "manifest.json"
    changed.write_bytes(changed.read_bytes() + b" ")
    assert "is not the signature of" in problems(allowed_signers=[key.public])[GENUINE]


def test_without_signers_a_forged_backup_is_taken_and_each_result_says_that_the_origin_is_not_verified(
    genuine: BackupStore, owner: KeyPair, attacker: SshKey
) -> None:
    forged = forged_to_the_recipient_of_the_manifest(genuine, owner, attacker)
    root = str(genuine.root)
    assert select(genuine, "latest").label == f"{forged} of {HOST}"
    assert select(genuine, "latest").origin.sentence == UNVERIFIED
    verified = run("backup_verify", backup_root=root)
    assert verified["origin"] == UNVERIFIED
    assert verified["msg"] == f"No problem was found. {UNVERIFIED}"
    listed = run("backup_info", backup_root=root, backup_id="latest")["backup"]
    assert (listed["id"], listed["accepted"], listed["signer"], listed["origin"]) == (forged, True, None, UNVERIFIED)


def test_allow_unsigned_takes_for_one_run_what_is_not_signed_and_verification_says_so(
    genuine: BackupStore, owner: KeyPair, key: SshKey, attacker: SshKey
) -> None:
    forged = forged_to_the_recipient_of_the_manifest(genuine, owner, attacker)
    options = {"backup_root": str(genuine.root), "allowed_signers": [key.public]}
    verified = run("backup_verify", allow_unsigned=True, **options)
    assert not verified.get("failed")
    assert verified["origin"].startswith("1 of 2 backup(s) are signed by an allowed signer. Others are accepted too")
    assert run("backup_info", backup_id="latest", allow_unsigned=True, **options)["backup"]["id"] == forged
    assert run("backup_info", backup_id="latest", **options)["backup"]["id"] == GENUINE


def test_an_archive_alone_is_refused_when_signers_are_set(genuine: BackupStore, key: SshKey, tmp_path: Path) -> None:
    alone = shutil.copy(genuine.folder / GENUINE / "config.zip.age", tmp_path / "config.zip.age")
    for wanted in (str(alone), str(tmp_path)):
        assert select(genuine, wanted).origin.sentence == UNVERIFIED
        with pytest.raises(AccessManagerError, match="has no manifest, so nothing shows who made it"):
            select(BackupStore(str(genuine.root), HOST, Trust.of({"allowed_signers": [key.public]})), wanted)


def test_a_signed_backup_in_another_folder_is_taken_by_its_path(
    genuine: BackupStore, key: SshKey, tmp_path: Path
) -> None:
    copy = shutil.copytree(genuine.folder / GENUINE, tmp_path / "copy")
    trusting = BackupStore(str(genuine.root), HOST, Trust.of({"allowed_signers": [key.public]}))
    assert select(trusting, str(copy)).origin.signer == {
        "principal": "backup@example.com",
        "fingerprint": key.fingerprint,
    }


# ---- without this collection ----


def documented_commands(language: str) -> list[list[str]]:
    """The examples of the page on signatures, in the order of the page."""
    page = (Path(__file__).resolve().parents[4] / "docs" / "security.md").read_text()
    section = page.split("### Checking one with ssh-keygen\n")[1].split("\n## ")[0]
    return [block.strip().splitlines() for block in re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)]


def as_printed(commands: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    script = "\n".join(["set -e", *commands])
    environment = os.environ | {"HOME": str(folder)}
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_documented_commands_check_a_backup_as_they_are_printed(
    store: BackupStore, owner: KeyPair, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    key = ssh_key(home / ".ssh", "access_manager_backup")
    make(store, GENUINE, encrypt_to(owner.public), signer=key.signer())
    shutil.copytree(store.folder / GENUINE, home / GENUINE)
    signers, signature, hashes = documented_commands("console")
    assert as_printed(signers, home).returncode == 0

    good = as_printed(signature, home)
    expected = (
        f'Good "backup@lithnet.access_manager" signature for access-manager-backup with ED25519 key {key.fingerprint}'
    )
    assert (good.returncode, good.stdout.strip()) == (0, expected), good.stderr
    whole = as_printed([signature[0], *hashes], home)
    assert (whole.returncode, whole.stdout.count(": OK")) == (0, 3), whole.stderr

    damaged = home / GENUINE / "config.zip.age"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    assert "config.zip.age: FAILED" in as_printed([signature[0], *hashes], home).stdout
    manifest = home / GENUINE / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"complete", b"Complete"))
    bad = as_printed(signature, home)
    assert bad.returncode != 0
    assert "Good" not in bad.stdout


def test_the_documented_command_for_windows_is_that_for_linux() -> None:
    (_signers, (folder, verify), _hashes), ((same_folder, command, _files),) = map(
        documented_commands, ("console", "powershell")
    )
    assert (same_folder, command) == (folder, f'cmd /c "{verify}"')


# ---- making signed backups ----


@pytest.fixture
def root_options(root: Path) -> dict[str, Any]:
    return {"backup_root": str(root), "encryption": "none"}


def back_up(root: Path, options: dict[str, Any], inventory: dict[str, str], **signing: Any) -> dict[str, Any]:
    """Makes a backup with the action; the result of its commit, or of its opening when nothing has changed."""
    result = run("backup_commit", state="opened", inventory=inventory, **options, **signing)
    if result.get("failed") or result["unchanged"]:
        return result
    fill(BackupStore(str(root), HOST), result["backup_id"], inventory=inventory)
    return run("backup_commit", backup_id=result["backup_id"], **options, **signing)


def test_a_backup_is_signed_and_its_signature_lies_in_it_from_the_moment_that_it_is_there(
    root: Path, root_options: dict[str, Any], key: SshKey
) -> None:
    signing = {"signing_key": str(key.path), "allowed_signers": [key.public]}
    made = back_up(root, root_options, {"config/a": "1"}, **signing)
    assert made["signer"] == {"principal": "backup@example.com", "fingerprint": key.fingerprint}
    signature = Path(made["path"]) / "manifest.json.sig"
    assert signature.stat().st_mode & 0o777 == 0o600
    again = back_up(root, root_options, {"config/a": "1"}, **signing)
    assert (again["unchanged"], again["latest"]["signer"]) == (True, made["signer"])


def test_the_first_run_with_a_key_makes_a_signed_backup_though_nothing_has_changed(
    root: Path, root_options: dict[str, Any], key: SshKey, attacker: SshKey
) -> None:
    inventory = {"config/a": "1"}
    assert back_up(root, root_options, inventory)["signer"] is None
    assert back_up(root, root_options, inventory)["unchanged"]
    assert back_up(root, root_options, inventory, signing_key=str(key.path))["signer"]["fingerprint"] == key.fingerprint
    assert back_up(root, root_options, inventory, signing_key=str(key.path))["unchanged"]
    other = {"signing_key": str(attacker.path)}
    assert back_up(root, root_options, inventory, **other)["signer"]["fingerprint"] == attacker.fingerprint


@pytest.mark.parametrize("state", ["checked", "committed"])
def test_a_key_that_cannot_sign_or_is_not_allowed_leaves_nothing_behind(
    state: str, root: Path, root_options: dict[str, Any], key: SshKey, attacker: SshKey, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    locked = ssh_key(tmp_path, passphrase="correct horse")
    open_to_others = ssh_key(tmp_path, "open")
    open_to_others.path.chmod(0o644)
    wrong = {
        "has a passphrase": {"signing_key": str(locked.path)},
        "is open to others": {"signing_key": str(open_to_others.path)},
        "cannot be read": {"signing_key": str(tmp_path / "missing")},
        "would not be accepted afterwards": {"signing_key": str(key.path), "allowed_signers": [attacker.public]},
        "names no signer": {"signing_key": str(key.path), "allowed_signers": []},
    }
    store = BackupStore(str(root), HOST)
    backup_id = PartialBackup.begin(store).id
    fill(store, backup_id)
    before = sorted(path.name for path in store.folder.rglob("*"))
    for sentence, options in wrong.items():
        result = run("backup_commit", state=state, backup_id=backup_id, **root_options, **options)
        assert result["failed"]
        assert sentence in result["msg"]
        assert sorted(path.name for path in store.folder.rglob("*")) == before
    assert not run("backup_commit", backup_id=backup_id, **root_options, signing_key=str(key.path)).get("failed")
    assert store.ids() == [backup_id]
