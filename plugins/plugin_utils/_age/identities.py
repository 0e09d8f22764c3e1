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

from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, VaultSecretsContext, is_encrypted

from .. import _display
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
        clear = _decrypted(_as_utf8(_without_vault(content, source)), source, passphrase)
        try:
            found, others = _parsed(clear)
        except (pyrage.IdentityError, ValueError):
            found, others = cls(), ["the text"]
        if others and not found:
            raise AccessManagerError(
                f"{source} holds something else than private keys ({', '.join(others)}): it must be an SSH private key "
                f"without a passphrase, or lines that begin with {_AGE_KEY} or {_PLUGIN_KEY}, as age-keygen and age's "
                "plugins write them, or such a file that age -p encrypted."
            )
        if not found:
            raise AccessManagerError(f"{source} holds no private key.")
        if others:
            _display.warn(f"{source} holds something else too, which is passed over: {', '.join(others)}.")
        return found

    def __bool__(self) -> bool:
        return bool(self.keys or self.plugins)

    def for_one_file(self, session: Session) -> list[t.Any]:
        """What pyrage decrypts one file with. Raises pyrage.DecryptError when a plugin is not installed."""
        return [
            *self.keys,
            *(pyrage.plugin.IdentityPluginV1(name, list(keys), session) for name, keys in self.plugins),
        ]


def _without_vault(content: bytes, source: str) -> bytes:
    """The content itself, or what Ansible Vault encrypted, with the passwords that Ansible was given."""
    if not is_encrypted(content):
        return content
    context = VaultSecretsContext.current(optional=True)
    try:
        return bytes(VaultLib(context.secrets if context else []).decrypt(content))
    except AnsibleError:
        raise AccessManagerError(
            f"{source} is encrypted by Ansible Vault, and no password that was given decrypts it: add --ask-vault-pass "
            "or --vault-password-file."
        ) from None


def _as_utf8(content: bytes) -> bytes:
    """The content without a byte order mark: Windows PowerShell writes UTF-16 with one."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace").encode()
    return content.removeprefix(codecs.BOM_UTF8)


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


def _parsed(clear: bytes) -> tuple[Identities, list[str]]:
    """The private keys, and which lines are none. Raises pyrage.IdentityError or ValueError where there is no text."""
    if _SSH_MARK in clear:
        return Identities((pyrage.ssh.Identity.from_buffer(clear),)), []
    keys, others, plugins = [], [], collections.defaultdict(list)
    for number, line in enumerate(map(str.strip, clear.decode().splitlines()), 1):
        try:
            if line.startswith(_PLUGIN_KEY):
                key = pyrage.plugin.Identity.from_str(line)
                plugins[key.plugin()].append(key)
            elif line and not line.startswith("#"):
                keys.append(pyrage.x25519.Identity.from_str(line))
        except (pyrage.IdentityError, ValueError):
            others.append(f"line {number} is {_kind_of(line)}")
    return Identities(tuple(keys), tuple((name, tuple(found)) for name, found in plugins.items())), others


def _kind_of(line: str) -> str:
    """What a line is that is no private key. It is not shown: it may be most of one."""
    if line.startswith(("age1", "ssh-")):
        return "a public key"
    return "a damaged private key" if line.startswith((_AGE_KEY, _PLUGIN_KEY)) else "none of age's lines"
