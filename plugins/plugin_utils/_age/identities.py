# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private keys: age's, SSH's and those of age plugins, in clear or encrypted under a passphrase by C(age -p)."""

from __future__ import annotations

import base64
import binascii
import codecs
import collections
import dataclasses
import io
import typing as t

from .._errors import AccessManagerError
from . import header
from .plugin import Session, without_marks

try:
    import pyrage
except ImportError:
    pyrage = None

_AGE_KEY, _PLUGIN_KEY = "AGE-SECRET-KEY-1", "AGE-PLUGIN-"
_SSH_MARK = b"PRIVATE KEY-----"
_ARMOR, _ARMOR_END = b"-----BEGIN AGE ENCRYPTED FILE-----", b"-----END AGE ENCRYPTED FILE-----"


@dataclasses.dataclass(frozen=True)
class Identities:
    """What a file or a variable holds of private keys. C(plugins): those of plugins, by the name of the plugin."""

    keys: tuple[t.Any, ...] = ()
    plugins: tuple[tuple[str, tuple[t.Any, ...]], ...] = ()

    @classmethod
    def of(cls, content: bytes, source: str, passphrase: str | None) -> Identities:
        """The private keys in C(content), which comes from C(source).

        Raises AccessManagerError when there is none, or the passphrase does not decrypt them.
        """
        clear = _decrypted(content.removeprefix(codecs.BOM_UTF8), source, passphrase)
        try:
            found = _parsed(clear)
        except (pyrage.IdentityError, ValueError):
            raise AccessManagerError(
                f"{source} holds something else than private keys: it must be an SSH private key without a "
                f"passphrase, or lines that begin with {_AGE_KEY} or {_PLUGIN_KEY}, as age-keygen and age's plugins "
                "write them, or such a file that age -p encrypted."
            ) from None
        if not found:
            raise AccessManagerError(f"{source} holds no private key.")
        return found

    def __bool__(self) -> bool:
        return bool(self.keys or self.plugins)

    def for_one_file(self, session: Session) -> list[t.Any]:
        """What pyrage decrypts one file with. Raises pyrage.DecryptError when a plugin is not installed."""
        return [
            *self.keys,
            *(pyrage.plugin.IdentityPluginV1(name, list(keys), session) for name, keys in self.plugins),
        ]


def _decrypted(content: bytes, source: str, passphrase: str | None) -> bytes:
    """The content itself, or what C(age -p) encrypted in it."""
    encrypted = _dearmored(content, source) if content.startswith(_ARMOR) else content
    if not encrypted.startswith(header.VERSION):
        return content
    if not passphrase:
        raise AccessManagerError(
            f"{source} is encrypted under a passphrase: give it in access_manager_identity_passphrase."
        )
    try:
        stanzas = header.stanzas(io.BytesIO(encrypted))
    except ValueError as exc:
        raise AccessManagerError(f"{source} {exc}.") from None
    if [kind for kind, _tag in stanzas] != [header.PASSPHRASE]:
        raise AccessManagerError(f"{source} is encrypted to other keys: only a passphrase (age -p) can protect it.")
    try:
        return bytes(pyrage.passphrase.decrypt(encrypted, passphrase))
    except pyrage.DecryptError as exc:
        raise AccessManagerError(
            f"{source} cannot be decrypted with access_manager_identity_passphrase, or is damaged "
            f"({without_marks(exc)})."
        ) from None


def _dearmored(content: bytes, source: str) -> bytes:
    body, _end, _rest = content.removeprefix(_ARMOR).partition(_ARMOR_END)
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        raise AccessManagerError(f"{source} is damaged: what stands between its BEGIN and END is not Base64.") from None


def _parsed(clear: bytes) -> Identities:
    """Raises pyrage.IdentityError or ValueError where there is something else than private keys."""
    if _SSH_MARK in clear:
        return Identities((pyrage.ssh.Identity.from_buffer(clear),))
    lines = [line.strip() for line in clear.decode().splitlines()]
    keys, plugins = [], collections.defaultdict(list)
    for line in (line for line in lines if line and not line.startswith("#")):
        if line.startswith(_PLUGIN_KEY):
            key = pyrage.plugin.Identity.from_str(line)
            plugins[key.plugin()].append(key)
        else:
            keys.append(pyrage.x25519.Identity.from_str(line))
    return Identities(tuple(keys), tuple((name, tuple(found)) for name, found in plugins.items()))
