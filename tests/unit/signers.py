# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real SSH keys to sign with, and an ssh-agent."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.lithnet.access_manager.plugins.plugin_utils._signing.signer import Signer

NAMESPACE = "backup@lithnet.access_manager"


@dataclass(frozen=True)
class SshKey:
    """A pair of files as ssh-keygen makes it."""

    path: Path

    @property
    def public_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.pub")

    @property
    def public(self) -> str:
        return self.public_path.read_text().strip()

    @property
    def fingerprint(self) -> str:
        listed = subprocess.run(
            ["ssh-keygen", "-l", "-f", str(self.public_path)], capture_output=True, text=True, check=True
        )
        return listed.stdout.split()[1]

    def signature(self, data: bytes, *, namespace: str = NAMESPACE) -> bytes:
        """What ssh-keygen itself signs, whatever this collection thinks of it."""
        command = ["ssh-keygen", "-Y", "sign", "-n", namespace, "-f", str(self.path)]
        return subprocess.run(command, input=data, capture_output=True, check=True).stdout

    def signer(self, *allowed: str) -> Signer:
        """Who signs with this key in a run with these allowed signers."""
        signer = Signer.of({"signing_key": str(self.path), "allowed_signers": list(allowed) or None})
        assert signer
        return signer


def ssh_key(folder: Path, name: str = "backup", *, kind: str = "ed25519", passphrase: str = "") -> SshKey:
    """A new pair of keys; its comment is its name."""
    path = folder / name
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", f"{name}@example.com", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return SshKey(path)


@contextlib.contextmanager
def ssh_agent(folder: Path) -> Iterator[str]:
    """A running ssh-agent; the path of its socket."""
    socket = folder / "agent.socket"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE, text=True)
    try:
        assert agent.stdout
        agent.stdout.readline()  # it listens when it says where
        yield str(socket)
    finally:
        agent.terminate()
        agent.communicate(timeout=10)


def add_to_agent(key: SshKey, socket: str, *, passphrase: str = "") -> None:
    """Gives an agent a key, as an administrator does who types its passphrase."""
    helper = key.path.with_name("askpass")
    helper.write_text(f"#!/bin/sh\nprintf %s '{passphrase}'\n")
    helper.chmod(0o700)
    asks = {"SSH_AUTH_SOCK": socket, "SSH_ASKPASS": str(helper), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
    subprocess.run(["ssh-add", "-q", str(key.path)], env=os.environ | asks, check=True, stdin=subprocess.DEVNULL)
