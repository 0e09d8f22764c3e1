# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who made a backup, as far as the signature of its manifest shows.

Here alone is decided which backups are accepted.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._errors import AccessManagerError
from .._text import printable
from . import allowed_signers, openssh
from .allowed_signers import OPTION
from .openssh import NAMESPACE, in_memory, path_of, ssh_keygen
from .signature import Signature

UNVERIFIED = f"The origin of the backups is not verified: no allowed signers are set ({OPTION})."
OVERRIDE = "access_manager_allow_unsigned"


@dataclasses.dataclass(frozen=True)
class Origin:
    """Who made a backup: an allowed signer, by C(principal) and C(fingerprint) of the key.

    Else C(problem): why nobody is known.
    """

    principal: str = ""
    fingerprint: str = ""
    problem: str = UNVERIFIED

    @property
    def is_verified(self) -> bool:
        return bool(self.fingerprint)

    @property
    def signer(self) -> dict[str, str] | None:
        """The signer as results have it."""
        return {"principal": self.principal, "fingerprint": self.fingerprint} if self.is_verified else None

    @property
    def sentence(self) -> str:
        return f"Signed by {self.principal} ({self.fingerprint})." if self.is_verified else self.problem


@dataclasses.dataclass(frozen=True)
class Trust:
    """Which backups a run accepts. C(signers): of an allowed_signers file; when it is empty, backups of any origin are
    accepted.

    C(allow_unsigned): accept any origin in spite of the signers, for this run.
    """

    signers: bytes = b""
    allow_unsigned: bool = False
    _principals: dict[bytes, list[str]] = dataclasses.field(default_factory=dict, repr=False, compare=False)
    """The principals of the allowed keys that this run has seen already."""

    _allowed: dict[bytes, str] = dataclasses.field(default_factory=dict, repr=False, compare=False)
    """The principal as whom ssh-keygen accepted a key in this run: what else an Ed25519 key signed is verified without
    another process.
    """

    @classmethod
    def of(cls, params: dict[str, t.Any]) -> Trust:
        """What the options C(allowed_signers) and C(allow_unsigned) ask for.

        Raises AccessManagerError when they name no signer, or when nothing can be verified here.
        """
        option = params.get("allowed_signers")
        if option is None:
            return cls()
        openssh.program()
        return cls(allowed_signers.content_of(option), bool(params.get("allow_unsigned")))

    @property
    def is_required(self) -> bool:
        """Whether only backups of a verified origin are accepted."""
        return bool(self.signers) and not self.allow_unsigned

    @property
    def restriction(self) -> str:
        """What a sentence adds that says that there is no backup."""
        return f" that an allowed signer has signed ({OPTION})" if self.is_required else ""

    def origin_of(self, data: bytes, signature: bytes | None, place: str) -> Origin:
        """Who signed these bytes.

        C(place): the path of what is signed, for sentences. Without signers nothing is verified.
        """
        if not self.signers:
            return Origin()
        if signature is None:
            return _unverified(f"'{place}' is not signed: there is no '{place}.sig'.")
        try:
            parsed = Signature.parse(signature)
        except ValueError:
            return _unverified(f"'{place}.sig' is damaged: it is not a signature in OpenSSH's format.")
        if parsed.namespace != NAMESPACE:
            return _unverified(f"'{place}.sig' is a signature for '{parsed.namespace}', and not for '{NAMESPACE}'.")
        principal = self._allowed.get(parsed.public_key)
        if principal is not None and parsed.is_by_ed25519(data):
            return Origin(printable(principal), parsed.fingerprint, "")
        principals = self._principals_of(parsed)
        for principal in principals:
            if self._verifies(data, parsed, principal):
                self._allowed[parsed.public_key] = principal
                return Origin(printable(principal), parsed.fingerprint, "")
        return _unverified(_refusal(data, parsed, place, known=bool(principals)))

    def origin_without_manifest(self, place: str) -> Origin:
        """The origin of a part that lies alone."""
        return _unverified(f"'{place}' has no manifest, so nothing shows who made it.") if self.signers else Origin()

    def accepts(self, origin: Origin) -> bool:
        return origin.is_verified or not self.is_required

    def refuse(self, origin: Origin) -> None:
        """Raises AccessManagerError when backups of this origin are not accepted."""
        if not self.accepts(origin):
            raise AccessManagerError(
                f"{origin.problem} It is not used. If you know where it comes from, allow it for one run with -e "
                f"{OVERRIDE}=true."
            )

    def _principals_of(self, signature: Signature) -> list[str]:
        if signature.public_key in self._principals:
            return self._principals[signature.public_key]
        with in_memory(self.signers) as signers, in_memory(signature.armored) as file:
            arguments = ("find-principals", "-f", path_of(signers), "-s", path_of(file))
            answer = ssh_keygen("-Y", *arguments, data=b"", descriptors=(signers, file))
        if answer.returncode:
            return []  # not kept: a forged signature may name the key of a genuine one
        return self._principals.setdefault(signature.public_key, answer.stdout.decode(errors="replace").splitlines())

    def _verifies(self, data: bytes, signature: Signature, principal: str) -> bool:
        with in_memory(self.signers) as signers, in_memory(signature.armored) as file:
            arguments = ("verify", "-f", path_of(signers), "-I", principal, "-n", NAMESPACE, "-s", path_of(file))
            return ssh_keygen("-Y", *arguments, data=data, descriptors=(signers, file)).returncode == 0


def _unverified(problem: str) -> Origin:
    return Origin(problem=printable(problem))


def is_genuine(data: bytes, signature: Signature) -> bool:
    """Whether a signature is that of these bytes, by whatever key."""
    with in_memory(signature.armored) as file:
        arguments = ("check-novalidate", "-n", NAMESPACE, "-s", path_of(file))
        return ssh_keygen("-Y", *arguments, data=data, descriptors=(file,)).returncode == 0


def _refusal(data: bytes, signature: Signature, place: str, *, known: bool) -> str:
    """Why no allowed signer is behind a signature."""
    if not is_genuine(data, signature):
        return (
            f"'{place}.sig' is not the signature of '{place}': it belongs to another manifest, or one of these "
            "files was changed."
        )
    if known:
        return (
            f"'{place}' is signed with the key {signature.fingerprint}, which {OPTION} does not allow for this: "
            f"see the namespaces and times of its entry there."
        )
    return (
        f"'{place}' is signed with the key {signature.fingerprint}, which is not among the allowed signers ({OPTION})."
    )
