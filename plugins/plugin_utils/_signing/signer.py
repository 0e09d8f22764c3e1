# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing: with a key in a file, in ssh-agent or in a security key. It is tried before a run begins with anything."""

from __future__ import annotations

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
from .trust import Trust

OPTION = "access_manager_signing_key"
_LARGEST = 64 * 1024
_TRIAL = b"This signature shows that the key can be used, before a backup begins.\n"


@dataclasses.dataclass(frozen=True)
class Signer:
    """The key of this run. C(trust): what this run accepts, the signatures of this key among it."""

    key: pathlib.Path
    trust: Trust

    @classmethod
    def of(cls, params: dict[str, t.Any]) -> Signer | None:
        """What signs with the option C(signing_key); None when it is not set. A signature is made to try it.

        Without allowed signers, this run takes its own key for the only one. Raises AccessManagerError when the key cannot be used,
        or when the allowed signers do not have it.
        """
        if params.get("signing_key") is None:
            return None
        key, trust = _usable(str(params["signing_key"])), Trust.of(params)
        trial = Signature.parse(_signed(key, _TRIAL))
        signer = cls(key, trust if trust.signers else dataclasses.replace(trust, signers=_alone(key, trial)))
        signer._verify(_TRIAL, trial.armored)
        return signer

    def sign(self, data: bytes) -> bytes:
        """The signature of these bytes, which is verified before it is returned."""
        signature = _signed(self.key, data)
        self._verify(data, signature)
        return signature

    def _verify(self, data: bytes, signature: bytes) -> None:
        origin = self.trust.origin_of(data, signature, str(self.key))
        if not origin.is_proven:
            fingerprint = Signature.parse(signature).fingerprint
            raise AccessManagerError(
                f"What is signed with '{self.key}' ({OPTION}) would not be accepted afterwards: its key {fingerprint} is not "
                f"among the allowed signers ({allowed_signers.OPTION}), or not for this use. Add its public key there, or sign "
                "with another key."
            )


def _usable(option: str) -> pathlib.Path:
    """The path of a key. Raises AccessManagerError when there is none, or others may read a private one."""
    path = pathlib.Path(os.path.expandvars(option)).expanduser()
    try:
        with path.open("rb") as file:
            status, content = os.fstat(file.fileno()), file.read(_LARGEST).decode(errors="replace")
    except OSError as exc:
        raise AccessManagerError(f"The signing key '{path}' ({OPTION}) cannot be read: {exc.strerror}.") from None
    if PRIVATE_KEY_MARK not in content and not any(key_type in content for key_type in KEY_TYPES):
        raise AccessManagerError(
            f"'{path}' ({OPTION}) is not an SSH key: name a private key as ssh-keygen makes it, or the public key (.pub) of "
            "one in ssh-agent."
        )
    if PRIVATE_KEY_MARK in content and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise AccessManagerError(
            f"The signing key '{path}' ({OPTION}) is open to others (mode {stat.S_IMODE(status.st_mode):04o}): chmod 600 it, "
            "and make another key if one of them may have read it."
        )
    return path


def _signed(key: pathlib.Path, data: bytes) -> bytes:
    answer = ssh_keygen("-Y", "sign", "-n", NAMESPACE, "-f", str(key), data=data)
    if answer.returncode == 0:
        return answer.stdout
    said = last_words(answer)
    if "passphrase" in said:
        raise AccessManagerError(
            f"The signing key '{key}' ({OPTION}) has a passphrase, which is never asked for: add the key to ssh-agent "
            f"(ssh-add '{key}') and run Ansible where SSH_AUTH_SOCK names the agent, or use a key without a passphrase."
        )
    if key.suffix == ".pub":
        raise AccessManagerError(
            f"Nothing can be signed with '{key}' ({OPTION}): ssh-agent does not hold its private key, or is not there ({said}). "
            "Add the key with ssh-add, and run Ansible where SSH_AUTH_SOCK names the agent."
        )
    raise AccessManagerError(f"Nothing can be signed with '{key}' ({OPTION}): {said}.")


def _alone(key: pathlib.Path, trial: Signature) -> bytes:
    """The allowed signers that are this key alone."""
    if trial.key_type not in KEY_TYPES:
        raise AccessManagerError(
            f"'{key}' ({OPTION}) is a certificate: name its authority in {allowed_signers.OPTION} "
            "(NAME cert-authority ssh-ed25519 AAAA...)."
        )
    return allowed_signers.entry_of(trial.key_type, trial.public_key, allowed_signers.UNNAMED)
