# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption with age: to recipients, or with a passphrase."""

from __future__ import annotations

import dataclasses
import io
import typing as t

from .._errors import AccessManagerError, MissingLibraryError
from . import header
from .plugin import Prompts, Session, without_marks

try:
    import pyrage
except ImportError:
    pyrage = None

SUFFIX = ".age"
SHORTEST_PASSPHRASE = 12
_PRIVATE_KEY_MARKS = ("SECRET-KEY", "SECRET_KEY", "AGE-PLUGIN-", "PRIVATE KEY", "PRIVATE-LINES")
_PUBLIC_KEY_STARTS = ("age1", "ssh-")
_SHOWN, _SHOWN_PUBLIC = 32, 70


@dataclasses.dataclass(frozen=True)
class Encryptor:
    """How the artifacts of a backup are closed: C(recipients), C(passphrase) or C(none)."""

    encryption: t.Literal["recipients", "passphrase", "none"]
    recipients: tuple[str, ...] = ()
    passphrase: str | None = dataclasses.field(default=None, repr=False)

    @classmethod
    def of(cls, params: dict[str, t.Any]) -> Encryptor:
        """What a module's options ask for.

        Raises AccessManagerError when they ask for none, for two at once, or name a recipient that is not one.
        """
        recipients = tuple(str(recipient).strip() for recipient in params.get("recipients") or ())
        passphrase = params.get("passphrase")
        if params["encryption"] == "none":
            if recipients or passphrase:
                raise AccessManagerError(
                    "encryption is 'none', but recipients or a passphrase are given too: remove them, or set "
                    "encryption to 'age'."
                )
            return cls("none")
        if pyrage is None:
            raise MissingLibraryError("pyrage")
        if recipients and passphrase:
            raise AccessManagerError("Both recipients and a passphrase are given: age encrypts to one or the other.")
        if passphrase:
            _refuse_short(str(passphrase))
            return cls("passphrase", passphrase=str(passphrase))
        if not recipients:
            raise AccessManagerError(
                "No recipient is given. Name the age or SSH public keys that may decrypt the backups in "
                "access_manager_recipients (age-keygen makes a pair), or a passphrase; "
                "encryption: none must be asked for by name."
            )
        _refuse_unusable(recipients)
        return cls("recipients", recipients)

    @property
    def suffix(self) -> str:
        return "" if self.encryption == "none" else SUFFIX

    def write(self, clear: t.BinaryIO, encrypted: t.BinaryIO) -> None:
        """Writes what it reads from one stream into the other, encrypted."""
        if self.encryption == "none":
            while chunk := clear.read(64 * 1024):
                encrypted.write(chunk)
        elif self.encryption == "passphrase":
            encrypted.write(_decryptable(pyrage.passphrase.encrypt(clear.read(), t.cast(str, self.passphrase))))
        else:
            self._write_to_recipients(clear, encrypted)

    def _write_to_recipients(self, clear: t.BinaryIO, encrypted: t.BinaryIO) -> None:
        try:
            pyrage.encrypt_io(clear, encrypted, _parsed(self.recipients))
        except pyrage.EncryptError as exc:  # pyrage hides what the streams raised
            raise (
                getattr(clear, "failure", None)
                or getattr(encrypted, "failure", None)
                or AccessManagerError(f"Encryption to the recipients failed: {without_marks(exc)}")
            ) from None


def _refuse_short(passphrase: str) -> None:
    """The length without spaces around counts. What is encrypted already is decrypted by any passphrase."""
    length = len(passphrase.strip())
    if length < SHORTEST_PASSPHRASE:
        raise AccessManagerError(
            f"The passphrase has {length} characters: at least {SHORTEST_PASSPHRASE} are needed to encrypt, as a "
            "short one can be "
            "guessed by who has a copy of the backups. Six random words make a good one; recipients (age-keygen) are "
            "better."
        )


def _refuse_unusable(recipients: t.Sequence[str]) -> None:
    """Raises AccessManagerError when one is no recipient, when age does not encrypt to all of them together, or when
    what it encrypted would not be decrypted.
    """
    try:
        header.stanzas(io.BytesIO(pyrage.encrypt(b"", _parsed(recipients))))
    except pyrage.EncryptError as exc:
        raise AccessManagerError(f"Nothing can be encrypted to these recipients: {without_marks(exc)}") from None
    except ValueError as exc:
        raise AccessManagerError(
            f"{len(recipients)} recipients are too many for one backup: it {exc}. Name fewer; keys of age need less "
            "than RSA keys."
        ) from None


def _decryptable(encrypted: bytes) -> bytes:
    """What age's library made under a passphrase: it chooses the work factor by how fast this computer is."""
    try:
        header.stanzas(io.BytesIO(encrypted))
    except ValueError as exc:
        raise AccessManagerError(f"What was encrypted under the passphrase {exc}. Use recipients instead.") from None
    return encrypted


def _parsed(recipients: t.Sequence[str]) -> list[t.Any]:
    """The recipients as pyrage takes them. Raises pyrage.EncryptError when the plugin of one is not installed."""
    session = Session(Prompts())
    return [_parse(recipient, session) for recipient in recipients]


_USABLE = (
    ("age1", "It begins with age1, so it was mistyped or cut, or the installed pyrage does not know its kind."),
    ("ssh-", "SSH keys may be whole ones of Ed25519, or of RSA with 2048 to 4096 bits; keys of age begin with age1."),
    ("", "age keys begin with age1, SSH keys with ssh-ed25519 or ssh-rsa."),
)
"""Which public keys can be used, by how one begins."""


def _parse(recipient: str, session: Session) -> t.Any:
    """The recipient that a public key names. A private key given by mistake is not repeated."""
    if any(mark in recipient.upper() for mark in _PRIVATE_KEY_MARKS):
        raise AccessManagerError(
            "One of the recipients is a private key. Recipients are public keys (age1..., ssh-ed25519 ..., ssh-rsa "
            "...): give the public half, and treat that private key as exposed if the inventory is shared."
        )
    try:
        return _of_kind(recipient, session)
    except (pyrage.RecipientError, ValueError):
        why = next(words for beginning, words in _USABLE if recipient.startswith(beginning))
        raise AccessManagerError(
            f"{_shown(recipient)} is not an age or SSH public key that can be used. {why}"
        ) from None


def _of_kind(recipient: str, session: Session) -> t.Any:
    if recipient.startswith("ssh-"):
        return pyrage.ssh.Recipient.from_str(recipient)
    name = header.plugin_of(recipient)
    if not name:
        return pyrage.x25519.Recipient.from_str(recipient)
    if name in header.TAGGED:
        if not hasattr(pyrage, name):
            raise AccessManagerError(f"Recipients age1{name}1... need pyrage 1.4 or newer on the controller.")
        return getattr(pyrage, name).Recipient.from_str(recipient)
    key = pyrage.plugin.Recipient.from_str(recipient)
    return pyrage.plugin.RecipientPluginV1(key.plugin(), [key], [], session)


def _shown(recipient: str) -> str:
    """What may be shown of a text that is no recipient: a longer one may be a private key without its beginning."""
    if recipient.startswith(_PUBLIC_KEY_STARTS):
        return f"'{shortened(recipient)}'"
    return (
        f"'{recipient}'"
        if len(recipient) <= _SHOWN
        else f"A recipient of {len(recipient)} letters, which is not shown,"
    )


def shortened(recipient: str) -> str:
    """A public key as a message names it: those of post-quantum keys have 2000 letters."""
    return f"{recipient[:_SHOWN_PUBLIC]}{'...' if len(recipient) > _SHOWN_PUBLIC else ''}"
