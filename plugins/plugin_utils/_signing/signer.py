# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing: with a key in a file, in ssh-agent or in a security key. It is tried before a run begins with anything."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import stat
import typing as t

from .._errors import AccessManagerError
from . import allowed_signers
from .allowed_signers import KEY_TYPES, PRIVATE_KEY_MARK
from .openssh import NAMESPACE, last_words, ssh_keygen
from .signature import Signature
from .trust import Origin, Trust

OPTION = "access_manager_signing_key"
_LARGEST = 64 * 1024
_TRIAL = b"This signature shows that the key can be used, before a backup begins.\n"


@dataclasses.dataclass(frozen=True)
class Signed:
    """A signature, whose it is, and the trust by which it was verified."""

    signature: bytes
    origin: Origin
    trust: Trust


@dataclasses.dataclass(frozen=True)
class Signer:
    """The key with which this run signs. C(trust): what this run accepts; what it signs must be among that."""

    key: pathlib.Path
    trust: Trust

    @classmethod
    def of(cls, params: dict[str, t.Any]) -> Signer | None:
        """What signs with the key that the option C(signing_key) names; None when it is not set.

        Raises AccessManagerError when the option names no key, or one that others may read.
        """
        option = params.get("signing_key")
        return None if option is None else cls(_usable(str(option)), Trust.of(params))

    def sign(self, data: bytes) -> Signed:
        """The signature of these bytes. Raises AccessManagerError when there is none that this run would accept."""
        signature = _signed(self.key, data)
        trust = self.trust if self.trust.signers else Trust(_alone(self.key, signature))
        origin = trust.origin_of(data, signature.armored, str(self.key))
        if not origin.is_verified:
            fingerprint = signature.fingerprint
            raise AccessManagerError(
                f"What is signed with '{self.key}' ({OPTION}) would not be accepted afterwards: its key {fingerprint} "
                "is not "
                f"among the allowed signers ({allowed_signers.OPTION}), or not for this use or time. Add its public "
                "key there, see the options of its entry, or sign with another key."
            )
        return Signed(signature.armored, origin, trust)

    def tried(self) -> Trust:
        """Signs something that is not kept, before a run begins.

        Returns what the run accepts: by default, its own key.
        """
        return self.sign(_TRIAL).trust


def refuse_without_key(trust: Trust, signer: Signer | None, what: str) -> None:
    """Raises AccessManagerError when signers are set and nothing signs: what is made would not be accepted afterwards.
    """
    if trust.signers and signer is None:
        raise AccessManagerError(
            f"Allowed signers are set ({allowed_signers.OPTION}), so {what} must be signed, and there is no key for "
            f"it: name it in {OPTION}."
        )


def _usable(option: str) -> pathlib.Path:
    """The path of a key. Raises AccessManagerError when there is none, or others may read a private one."""
    if not option.strip():
        raise AccessManagerError(f"{OPTION} is empty: name a key with it, or leave it out.")
    path = pathlib.Path(os.path.expandvars(option)).expanduser()
    try:
        with path.open("rb") as file:
            status, content = os.fstat(file.fileno()), file.read(_LARGEST).decode(errors="replace")
    except OSError as exc:
        raise AccessManagerError(f"The signing key '{path}' ({OPTION}) cannot be read: {exc.strerror}.") from None
    if PRIVATE_KEY_MARK not in content and not any(key_type in content for key_type in KEY_TYPES):
        raise AccessManagerError(
            f"'{path}' ({OPTION}) is not an SSH key: name a private key as ssh-keygen makes it, or the public key "
            "(.pub) of one in ssh-agent."
        )
    if PRIVATE_KEY_MARK in content and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise AccessManagerError(
            f"The signing key '{path}' ({OPTION}) is open to others (mode {stat.S_IMODE(status.st_mode):04o}): chmod "
            "600 it, and make another key if one of them may have read it."
        )
    return path


def _signed(key: pathlib.Path, data: bytes) -> Signature:
    answer = ssh_keygen("-Y", "sign", "-n", NAMESPACE, "-f", str(key), data=data)
    if answer.returncode == 0:
        with contextlib.suppress(ValueError):
            return Signature.parse(answer.stdout)
    said = last_words(answer) if answer.returncode else "what ssh-keygen wrote is no signature"
    if "passphrase" in said:
        raise AccessManagerError(
            f"The signing key '{key}' ({OPTION}) has a passphrase, which is never asked for: add the key to ssh-agent "
            f"(ssh-add '{_private(key)}') and run Ansible where SSH_AUTH_SOCK names the agent, or use a key without a "
            "passphrase."
        )
    if key.suffix == ".pub":
        raise AccessManagerError(
            f"Nothing can be signed with '{key}' ({OPTION}): ssh-agent does not hold its private key, or is not there "
            f"({said}). Add the key with ssh-add, and run Ansible where SSH_AUTH_SOCK names the agent."
        )
    raise AccessManagerError(
        f"Nothing can be signed with '{key}' ({OPTION}): {said}. See whether OpenSSH can read it: ssh-keygen -l -f "
        f"'{key}'."
    )


def _private(key: pathlib.Path) -> pathlib.Path:
    """The file of a private key, beside that of its public key."""
    return key.with_suffix("") if key.suffix == ".pub" else key


def _alone(key: pathlib.Path, signature: Signature) -> bytes:
    """The allowed signers that are this key alone."""
    if signature.key_type not in KEY_TYPES:
        raise AccessManagerError(
            f"'{key}' ({OPTION}) is a certificate: name its authority in {allowed_signers.OPTION} "
            "(NAME cert-authority ssh-ed25519 AAAA...)."
        )
    return allowed_signers.entry_of(signature.key_type, signature.public_key, allowed_signers.UNNAMED)
