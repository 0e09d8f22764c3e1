# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens backups as their owner would, with age alone: nothing here is the collection's own code."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyrage
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import pkcs12

Decryptor = Callable[[bytes], bytes]


@dataclass(frozen=True)
class KeyPair:
    """A key pair of age. private is an identity file's line, or an OpenSSH private key; open decrypts."""

    public: str
    private: str
    open: Decryptor


def age_key() -> KeyPair:
    """A new age key."""
    identity = pyrage.x25519.Identity.generate()
    return KeyPair(str(identity.to_public()), str(identity), lambda data: pyrage.decrypt(data, [identity]))


def ssh_key() -> KeyPair:
    """A new SSH key."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    identity = pyrage.ssh.Identity.from_buffer(private)
    return KeyPair(public.decode(), private.decode(), lambda data: pyrage.decrypt(data, [identity]))


def by_passphrase(passphrase: str) -> Decryptor:
    """Opens what is encrypted with a passphrase."""
    return lambda data: pyrage.passphrase.decrypt(data, passphrase)


def in_clear(data: bytes) -> bytes:
    """Opens what is not encrypted."""
    return data


@dataclass(frozen=True)
class Backup:
    """A published backup. decryptor is for its parts; certificate_decryptor for its certificates, if not None."""

    folder: Path
    decryptor: Decryptor
    certificate_decryptor: Decryptor | None = None

    @property
    def suffix(self) -> str:
        """What the names of the parts end with."""
        return "" if self.decryptor is in_clear else ".age"

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest, which no key is needed for."""
        content: dict[str, Any] = json.loads((self.folder / "manifest.json").read_bytes())
        return content

    @cached_property
    def config(self) -> dict[str, bytes]:
        """The members of config.zip, without what binds it."""
        return _without_binding(_unzipped(self.decryptor(self.encrypted("config.zip"))))

    @cached_property
    def certificates(self) -> dict[str, bytes]:
        """The members of certificates.zip, without what binds it."""
        return _without_binding(
            _unzipped((self.certificate_decryptor or self.decryptor)(self.encrypted("certificates.zip")))
        )

    @cached_property
    def secrets(self) -> dict[str, dict[str, Any]]:
        """The content of secrets.json, without what binds it."""
        return _without_binding(json.loads(self.decryptor(self.encrypted("secrets.json"))))

    @property
    def bindings(self) -> dict[str, dict[str, str]]:
        """What each part says of itself, by its name."""
        certificates = (self.certificate_decryptor or self.decryptor)(self.encrypted("certificates.zip"))
        return {
            "config.zip": json.loads(_unzipped(self.decryptor(self.encrypted("config.zip")))["backup.json"]),
            "certificates.zip": json.loads(_unzipped(certificates)["backup.json"]),
            "secrets.json": json.loads(self.decryptor(self.encrypted("secrets.json")))["backup"],
        }

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """What files.json says of each file."""
        return {one["path"]: one for one in self.json("files.json")["files"]}

    @property
    def installation(self) -> dict[str, Any]:
        """The content of state/installation.json."""
        content: dict[str, Any] = self.json("state/installation.json")
        return content

    @property
    def pfx_passwords(self) -> dict[str, str]:
        """The generated passwords by thumbprint."""
        content: dict[str, str] = json.loads(self.certificates["passwords.json"])
        return content

    def private_numbers(self, thumbprint: str) -> Any:
        """The private key in the PFX of a certificate, opened with its password."""
        pfx, password = self.certificates[f"{thumbprint}.pfx"], self.pfx_passwords[thumbprint]
        key = pkcs12.load_key_and_certificates(pfx, password.encode())[0]
        return key.private_numbers()  # type: ignore[union-attr]

    def encrypted(self, name: str) -> bytes:
        """A part as it lies there, by its name without .age."""
        return (self.folder / f"{name}{self.suffix}").read_bytes()

    def json(self, member: str) -> Any:
        """A JSON member of config.zip."""
        return json.loads(self.config[member])


def _without_binding(content: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in content.items() if name not in ("backup.json", "backup")}


def _unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def runs_of(root: Path, host: str) -> list[dict[str, Any]]:
    """What the runs of a host recorded, oldest first."""
    return [json.loads(line) for line in (root / host / ".runs.jsonl").read_text().splitlines()]


def backups_of(
    root: Path, host: str, decryptor: Decryptor, certificate_decryptor: Decryptor | None = None
) -> list[Backup]:
    """The published backups of a host, oldest first."""
    folder = root / host
    if not folder.is_dir():
        return []
    names = sorted(path.name for path in folder.iterdir() if path.name[0].isdigit())
    return [Backup(folder / name, decryptor, certificate_decryptor) for name in names]
