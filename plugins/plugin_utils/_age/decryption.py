# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decrypting what age encrypted, in memory: with private keys from a file or a variable, or under a passphrase."""

from __future__ import annotations

import dataclasses
import io
import pathlib
import typing as t

from .._errors import AccessManagerError, MissingLibraryError
from . import header
from .encryption import SUFFIX, shortened
from .identities import Identities
from .plugin import Prompts, Session, without_marks

try:
    import pyrage
except ImportError:
    pyrage = None

LARGEST = 4 * 1024**3
"""Bytes of an artifact, encrypted or unpacked, that are decrypted in memory at most."""

_SOURCES = ("identity", "identity_file", "passphrase")


@dataclasses.dataclass(frozen=True)
class Decryptor:
    """What decrypts a backup: private keys, a passphrase, or nothing for one in clear.

    C(accepts_clear): whether parts in clear are accepted although there is a key or a passphrase. Who can write to the
    store can put such parts in the place of encrypted ones, and a manifest that calls them in clear beside them.
    """

    identities: Identities = dataclasses.field(default=Identities(), repr=False)
    passphrase: str | None = dataclasses.field(default=None, repr=False)
    source: str = ""
    accepts_clear: bool = False
    prompts: Prompts = dataclasses.field(default_factory=Prompts, repr=False)

    @classmethod
    def of(cls, params: dict[str, t.Any]) -> Decryptor:
        """The decryptor that the options C(identity), C(identity_file), C(passphrase) and C(encryption) make.

        Raises AccessManagerError when several are given, or there is no private key.
        """
        given = [option for option in _SOURCES if params.get(option)]
        if not given:
            return cls()
        if pyrage is None:
            raise MissingLibraryError("pyrage")
        if len(given) > 1:
            raise AccessManagerError(
                f"Both {given[0]} and {given[1]} are given: a backup is decrypted with one or the other."
            )
        accepts_clear = params.get("encryption") == "none"
        if params.get("passphrase"):
            return cls(passphrase=str(params["passphrase"]), accepts_clear=accepts_clear)
        secret = params.get("identity_passphrase")
        content, source = _content(params)
        identities = Identities.of(content, source, secret)
        return cls(identities, source=source, accepts_clear=accepts_clear, prompts=Prompts(secret))

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
                f"'{path}' is not encrypted, though {'a passphrase' if self.passphrase else 'a private key'} is given: "
                "it may stand there in the place of an encrypted one, so it is not used. If this backup was made in "
                "clear on purpose, set encryption to 'none' (access_manager_encryption=none), or give neither a key "
                "nor a passphrase."
            )
        if path.suffix != SUFFIX:
            return encrypted
        by_passphrase = _is_under_passphrase(path, encrypted)
        self._refuse_unfit(path, recipients, by_passphrase=by_passphrase)
        return self._by_passphrase(path, encrypted) if by_passphrase else self._by_keys(path, encrypted, recipients)

    def _by_passphrase(self, path: pathlib.Path, encrypted: bytes) -> bytes:
        try:
            return bytes(pyrage.passphrase.decrypt(encrypted, t.cast(str, self.passphrase)))
        except pyrage.DecryptError as exc:
            raise AccessManagerError(
                f"'{path}' cannot be decrypted with this passphrase, or is damaged ({exc})."
            ) from None

    def _by_keys(self, path: pathlib.Path, encrypted: bytes, recipients: t.Sequence[str]) -> bytes:
        session = Session(self.prompts)
        try:
            return bytes(pyrage.decrypt(encrypted, self.identities.for_one_file(session)))
        except pyrage.DecryptError as exc:
            session.failed()
            raise AccessManagerError(
                f"'{path}' cannot be decrypted with the keys in {self.source}, or is damaged "
                f"({without_marks(exc)}).{_opened_by(recipients)}"
            ) from None

    def _refuse_unfit(self, path: pathlib.Path, recipients: t.Sequence[str], *, by_passphrase: bool) -> None:
        if by_passphrase and self.passphrase is None:
            raise AccessManagerError(f"'{path}' is encrypted with a passphrase: give it in access_manager_passphrase.")
        if not by_passphrase and not self.identities:
            raise AccessManagerError(
                f"'{path}' is encrypted to public keys: give a matching private key in "
                f"access_manager_identity_file or access_manager_identity.{_opened_by(recipients)}"
            )


def _is_under_passphrase(path: pathlib.Path, encrypted: bytes) -> bool:
    """Whether a passphrase decrypts it. Raises AccessManagerError when its header would cost more than any backup's."""
    try:
        return any(kind == header.PASSPHRASE for kind, _tag in header.stanzas(io.BytesIO(encrypted)))
    except ValueError as exc:
        raise AccessManagerError(f"'{path}' {exc}.") from None


def _content(params: dict[str, t.Any]) -> tuple[bytes, str]:
    """What is given as private keys, and what messages call it."""
    if params.get("identity"):
        return str(params["identity"]).encode(), "access_manager_identity"
    path = pathlib.Path(str(params["identity_file"]))
    try:
        return path.read_bytes(), f"the file '{path}'"
    except OSError as exc:
        raise AccessManagerError(f"The identity file '{path}' cannot be read: {exc.strerror}.") from None


def _opened_by(recipients: t.Sequence[str]) -> str:
    named = ", ".join(shortened(recipient) for recipient in recipients)
    return f" The private key of one of these decrypts it: {named}." if recipients else ""
