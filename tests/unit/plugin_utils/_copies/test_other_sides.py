# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies by rclone and rsync, the real programs: a server that takes and never deletes, and a vault that pulls."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.backups import KeyPair
from support.playbook import REPOSITORY, hash_tree
from unit.actions import HOST, run
from unit.encrypted_backups import encrypt_to, make
from unit.signers import ssh_key

FIRST, SECOND = "20261101T020000Z", "20261102T020000Z"
DOCUMENT = (REPOSITORY / "docs/copies.md").read_text(encoding="utf-8")
UPLOAD = """
import hashlib, pathlib, sys, urllib.request
for file in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    data = file.read_bytes()
    address = f"{sys.argv[2]}/data/{hashlib.sha256(data).hexdigest()}"
    urllib.request.urlopen(urllib.request.Request(address, data=data, method="POST"))
"""

needs_rclone = pytest.mark.skipif(shutil.which("rclone") is None, reason="rclone is not installed")
needs_rsync = pytest.mark.skipif(
    shutil.which("rsync") is None or shutil.which("rrsync") is None, reason="rsync with rrsync is not installed"
)


@pytest.fixture
def two(store: BackupStore, owner: KeyPair) -> BackupStore:
    make(store, FIRST, encrypt_to(owner.public))
    make(store, SECOND, encrypt_to(owner.public))
    return store


def copied_by(store: BackupStore, *command: str) -> dict[str, Any]:
    destination = {"name": "cloud", "kind": "command", "command": list(command)}
    return run("backup_copy", backup_root=str(store.root), destinations=[destination])


# ---- rclone ----


@needs_rclone
def test_documented_command_of_rclone_copies_and_replaces_nothing(
    two: BackupStore, tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remote of the documentation is a folder here."""
    (inventory,) = re.findall(r"```yaml\n# in the inventory\n(.*?)```", DOCUMENT, re.DOTALL)
    command = yaml.safe_load(inventory)["access_manager_copies"][2]["command"]
    monkeypatch.setenv("RCLONE_CONFIG_REMOTE_TYPE", "alias")
    monkeypatch.setenv("RCLONE_CONFIG_REMOTE_REMOTE", str(tmp_path / "remote"))
    monkeypatch.setenv("RCLONE_CONFIG", str(tmp_path / "rclone.conf"))
    assert not copied_by(two, *command)["failed"]
    there = tmp_path / "remote/access-manager" / HOST
    assert hash_tree(there / SECOND) == hash_tree(two.folder / SECOND)
    shutil.rmtree(state)
    before = hash_tree(there)
    artifact = there / SECOND / "config.zip.age"
    artifact.write_bytes(artifact.read_bytes() + b"of someone else")
    result = copied_by(two, *command)
    assert result["failed"]
    assert "immutable" in result["msg"]
    assert artifact.read_bytes().endswith(b"of someone else")
    assert hash_tree(there / FIRST) == {
        name.removeprefix(f"{FIRST}/"): digest for name, digest in before.items() if name.startswith(f"{FIRST}/")
    }


@pytest.fixture
def append_only(tmp_path: Path) -> Iterator[str]:
    """A server that takes files, and neither deletes nor replaces one."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = ["rclone", "serve", "restic", "--append-only", "--addr", address, str(tmp_path / "taken")]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            end = time.monotonic() + 60
            while not _answers(f"http://{address}/"):
                assert time.monotonic() < end, (tmp_path / "log").read_text()
                time.sleep(0.1)
            urllib.request.urlopen(urllib.request.Request(f"http://{address}/?create=true", data=b"", method="POST"))
            yield f"http://{address}"
        finally:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@needs_rclone
def test_copy_on_a_server_that_only_adds_cannot_be_deleted_or_replaced(
    two: BackupStore, tmp_path: Path, append_only: str
) -> None:
    result = copied_by(two, sys.executable, "-c", UPLOAD, "{source}", append_only)
    assert not result["failed"], result["msg"]
    taken = tmp_path / "taken"
    digests = set(hash_tree(taken).values())
    assert digests >= set(hash_tree(two.folder / FIRST).values()) | set(hash_tree(two.folder / SECOND).values())
    name = next(path.name for path in taken.rglob("*") if path.is_file())
    for method, data in (("DELETE", None), ("POST", b"of someone else")):
        request = urllib.request.Request(f"{append_only}/data/{name}", data=data, method=method)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(request)
    assert set(hash_tree(taken).values()) == digests


# ---- a vault that pulls ----


def documented(start: str) -> str:
    """A command of the runbook: the one that begins so."""
    return next(line.strip() for line in DOCUMENT.splitlines() if line.strip().startswith(start))


@pytest.fixture
def vault(two: BackupStore, tmp_path: Path) -> Path:
    """The host that pulls: its SSH asks what sshd would run, the forced command of authorized_keys."""
    forced = documented("command=").partition('"')[2].partition('"')[0]
    programs = tmp_path / "programs"
    programs.mkdir()
    ssh = programs / "ssh"
    local = forced.replace("/srv/backup/access-manager", shlex.quote(str(two.root)))
    ssh.write_text(f'#!/bin/sh\n[ "$1" = -i ] && shift 2\nshift\nSSH_ORIGINAL_COMMAND="$*" exec {local}\n')
    ssh.chmod(0o755)
    folder = tmp_path / "vault"
    folder.mkdir(mode=0o700)
    return folder


def pull(vault: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the runbook's command, or with arguments another way through the same key."""
    command = [part.replace("/srv/vault/access-manager/", f"{vault}/") for part in shlex.split(documented("rsync -rt"))]
    environment = os.environ | {"PATH": f"{vault.parent / 'programs'}:{os.environ['PATH']}"}
    return subprocess.run(
        [*(arguments or command)], env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@needs_rsync
def test_vault_fetches_what_is_there_and_verifies_it_without_a_key(
    two: BackupStore, vault: Path, owner: KeyPair
) -> None:
    fetched = pull(vault)
    assert fetched.returncode == 0, fetched.stderr
    assert hash_tree(vault / HOST) == hash_tree(two.folder)
    assert (vault / HOST / FIRST).stat().st_mode & 0o777 == 0o700
    assert not run("backup_verify", backup_root=str(vault)).get("failed")


@needs_rsync
def test_what_the_vault_has_stays_whatever_the_controller_says_later(two: BackupStore, vault: Path) -> None:
    assert pull(vault).returncode == 0
    before = hash_tree(vault)
    shutil.rmtree(two.folder / FIRST)
    (two.folder / SECOND / "config.zip.age").write_bytes(b"of someone else")
    assert pull(vault).returncode == 0
    assert hash_tree(vault) == before


@needs_rsync
def test_vault_fetches_no_link_and_nothing_unfinished(two: BackupStore, vault: Path, tmp_path: Path) -> None:
    (two.folder / ".partial-20261103T020000Z-1").mkdir()
    (two.folder / ".partial-20261103T020000Z-1/config.zip.age").write_bytes(b"half")
    (two.folder / FIRST / "link").symlink_to("/etc")
    assert pull(vault).returncode == 0
    assert sorted(path.name for path in (vault / HOST).iterdir()) == [FIRST, SECOND]
    assert not (vault / HOST / FIRST / "link").is_symlink()


@needs_rsync
def test_key_of_the_vault_writes_nothing_and_runs_nothing_on_the_controller(two: BackupStore, vault: Path) -> None:
    before = hash_tree(two.root)
    (vault / "intruder").write_text("x")
    pushed = pull(vault, "rsync", "-a", "-e", "ssh -i key", f"{vault}/", "controller.example.com:/")
    assert pushed.returncode != 0
    assert pull(vault, "ssh", "-i", "key", "controller.example.com", "touch", f"{two.root}/pwned").returncode != 0
    assert hash_tree(two.root) == before


@needs_rsync
def test_signed_backups_are_verified_at_the_vault_by_the_public_keys(
    store: BackupStore, owner: KeyPair, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    key = ssh_key(tmp_path)
    request.getfixturevalue("two")
    make(store, "20261103T020000Z", encrypt_to(owner.public), signer=key.signer())
    vault: Path = request.getfixturevalue("vault")
    assert pull(vault).returncode == 0
    result = run("backup_verify", backup_root=str(vault), allowed_signers=[key.public], fail_on_problems=False)
    assert {one["id"] for one in result["backups"] if one["signer"]} == {"20261103T020000Z"}
