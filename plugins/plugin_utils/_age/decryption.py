# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decryption with age, in memory: with private keys from a file, or under a passphrase."""

from __future__ import annotations

import codecs
import dataclasses
import io
import pathlib
import typing as t

from .._errors import AccessManagerError, MissingLibraryError
from . import header
from .encryption import SUFFIX

try:
    import pyrage
except ImportError:
    pyrage = None

LARGEST = 4 * 1024**3
"""Bytes of an artifact, encrypted or unpacked, that are decrypted in memory at most."""

_AGE_KEY = "AGE-SECRET-KEY-1"
_SSH_MARK = b"PRIVATE KEY-----"


@dataclasses.dataclass(frozen=True)
class Decryptor:
    """What decrypts a backup: private keys, a passphrase, or nothing for one in clear.

    C(accepts_clear): whether parts in clear are accepted although there is a key or a passphrase. Who can write to the
    store can put such parts in the place of encrypted ones, and a manifest that calls them in clear beside them.
    """

    identities: tuple[t.Any, ...] = dataclasses.field(default=(), repr=False)
    passphrase: str | None = dataclasses.field(default=None, repr=False)
    identity_file: str = ""
    accepts_clear: bool = False

    @classmethod
    def of(cls, params: dict[str, t.Any]) -> Decryptor:
        """The decryptor that the options C(identity_file), C(passphrase) and C(encryption) make.

        Raises AccessManagerError when both are given, or the file holds no private key.
        """
        identity_file, passphrase = params.get("identity_file"), params.get("passphrase")
        if not identity_file and not passphrase:
            return cls()
        accepts_clear = params.get("encryption") == "none"
        if pyrage is None:
            raise MissingLibraryError("pyrage")
        if identity_file and passphrase:
            raise AccessManagerError(
                "Both identity_file and passphrase are given: a backup is decrypted with one or the other."
            )
        if passphrase:
            return cls(passphrase=str(passphrase), accepts_clear=accepts_clear)
        identities = _identities(pathlib.Path(str(identity_file)))
        return cls(identities, identity_file=str(identity_file), accepts_clear=accepts_clear)

    @property
    def has_key(self) -> bool:
        """Whether there is a private key or a passphrase."""
        return bool(self.identities or self.passphrase)

    def may_decrypt(self, path: pathlib.Path) -> bool:
        """Whether there is anything to try: the artifact is in clear, or a key or a passphrase is at hand."""
        return path.suffix != SUFFIX or self.has_key

    def decrypt(self, path: pathlib.Path, encrypted: bytes, recipients: t.Sequence[str] = ()) -> bytes:
        """The clear bytes of an artifact, whose path is for its suffix and for messages, as C(recipients) are.

        Raises AccessManagerError when it does not decrypt, or is in clear though there is a key.
        """
        if path.suffix != SUFFIX and self.has_key and not self.accepts_clear:
            raise AccessManagerError(
                f"'{path}' is not encrypted, though {'a passphrase' if self.passphrase else 'an identity file'} is "
                "given: it may "
                "stand there in the place of an encrypted one, so it is not used. If this backup was made in clear on "
                "purpose, set encryption to 'none' (access_manager_encryption=none), or give neither a key nor a "
                "passphrase."
            )
        if path.suffix != SUFFIX:
            return encrypted
        by_passphrase = _is_under_passphrase(path, encrypted)
        self._refuse_unfit(path, recipients, by_passphrase=by_passphrase)
        try:
            if by_passphrase:
                return bytes(pyrage.passphrase.decrypt(encrypted, t.cast(str, self.passphrase)))
            return bytes(pyrage.decrypt(encrypted, list(self.identities)))
        except pyrage.DecryptError as exc:
            if by_passphrase:
                raise AccessManagerError(
                    f"'{path}' cannot be decrypted with this passphrase, or is damaged ({exc})."
                ) from None
            raise AccessManagerError(
                f"'{path}' cannot be decrypted with the keys in '{self.identity_file}', or is damaged "
                f"({exc}).{_opened_by(recipients)}"
            ) from None

    def _refuse_unfit(self, path: pathlib.Path, recipients: t.Sequence[str], *, by_passphrase: bool) -> None:
        if by_passphrase and self.passphrase is None:
            raise AccessManagerError(f"'{path}' is encrypted with a passphrase: give it in access_manager_passphrase.")
        if not by_passphrase and not self.identities:
            raise AccessManagerError(
                f"'{path}' is encrypted to public keys: name the file of a matching private key in "
                f"access_manager_identity_file.{_opened_by(recipients)}"
            )


def _is_under_passphrase(path: pathlib.Path, encrypted: bytes) -> bool:
    """Whether a passphrase decrypts it. Raises AccessManagerError when its header would cost more than any backup's."""
    try:
        return any(kind == header.PASSPHRASE for kind, _tag in header.stanzas(io.BytesIO(encrypted)))
    except ValueError as exc:
        raise AccessManagerError(f"'{path}' {exc}.") from None


def _identities(path: pathlib.Path) -> tuple[t.Any, ...]:
    """The private keys of a file: one SSH key, or age keys, each on a line of its own between comments."""
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)  # an editor on Windows may put it there
    except OSError as exc:
        raise AccessManagerError(f"The identity file '{path}' cannot be read: {exc.strerror}.") from None
    try:
        if _SSH_MARK in content:
            return (pyrage.ssh.Identity.from_buffer(content),)
        lines = [line.strip() for line in content.decode().splitlines()]
        found = tuple(pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#"))
    except (pyrage.IdentityError, ValueError):
        raise AccessManagerError(
            f"'{path}' holds something else than private keys: it must be an SSH private key without a passphrase, or "
            f"lines that begin with {_AGE_KEY}, as age-keygen writes them."
        ) from None
    if not found:
        raise AccessManagerError(f"The identity file '{path}' holds no private key.")
    return found


def _opened_by(recipients: t.Sequence[str]) -> str:
    return f" The private key of one of these decrypts it: {', '.join(recipients)}." if recipients else ""
