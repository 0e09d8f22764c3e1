# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The signers that are allowed: public keys as the options name them, as the content of OpenSSH's allowed_signers file.
"""

from __future__ import annotations

import base64
import os
import pathlib
import re
import stat
import typing as t

from .._errors import AccessManagerError

KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
OPTION = "access_manager_allowed_signers"
PRIVATE_KEY_MARK = "PRIVATE KEY-----"
UNNAMED = "signer"
"""The principal of a public key that has no name beside it."""

_LARGEST = 1024 * 1024
_SHOWN = 60
_ENTRY_OPTION = r'(?i:cert-authority|(?:namespaces|valid-after|valid-before)=(?:"[^"]*"|[^\s",]+))'
_KEY = rf"(?P<type>{'|'.join(map(re.escape, KEY_TYPES))})\s+(?P<key>[A-Za-z0-9+/]+={{0,2}})"
_ENTRY = re.compile(
    rf'(?:(?P<principals>"[^"]+"|[^\s"#]+)\s+(?:(?P<options>{_ENTRY_OPTION}(?:,{_ENTRY_OPTION})*)\s+)?)?'
    rf"{_KEY}(?:\s+(?P<comment>.*))?"
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]*")


def content_of(option: t.Any) -> bytes:
    """The content of an allowed_signers file. C(option): a list of public keys or of lines of such a file, or its path.

    Raises AccessManagerError when it names no signer, or something that is no public key.
    """
    texts = option if isinstance(option, list) else _texts_of(str(option))
    if not all(isinstance(text, str) for text in texts):
        raise AccessManagerError(
            f"{OPTION} must be a list of public keys, or the path of an OpenSSH allowed_signers file."
        )
    lines = [line.strip() for line in "\n".join(texts).splitlines()]
    entries = [_entry(line) for line in lines if line and not line.startswith("#")]
    if not entries:
        raise AccessManagerError(
            f"{OPTION} names no signer, so no backup could be accepted: name the public keys that are trusted, or "
            "leave it out."
        )
    return "".join(f"{entry}\n" for entry in entries).encode()


def entry_of(key_type: str, public_key: bytes, principal: str) -> bytes:
    """The content of an allowed_signers file with one key."""
    return f"{principal} {key_type} {base64.b64encode(public_key).decode()}\n".encode()


def _texts_of(option: str) -> list[str]:
    """The lines of a text that holds keys, or of the file that it names."""
    if "\n" in option or PRIVATE_KEY_MARK in option or _ENTRY.fullmatch(option.strip()):
        return [option]
    if not option.strip():
        return []
    path = pathlib.Path(os.path.expandvars(option)).expanduser()
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LARGEST + 1)
    except OSError as exc:
        raise AccessManagerError(f"The allowed signers '{path}' ({OPTION}) cannot be read: {exc.strerror}.") from None
    if mode & stat.S_IWOTH:
        raise AccessManagerError(
            f"Everybody may write to the allowed signers '{path}' (mode {stat.S_IMODE(mode):04o}), so they show "
            "nothing: chmod o-w it, and see whether its keys are yours."
        )
    if len(content) > _LARGEST:
        raise AccessManagerError(f"'{path}' is larger than any file of allowed signers: it is not read.")
    return [content.decode(errors="replace")]


def _entry(line: str) -> str:
    """A line of the file. A public key alone gets the name in its comment as its principal."""
    if PRIVATE_KEY_MARK in line:
        raise AccessManagerError(
            f"{OPTION} holds a private key. Signers are named by their public keys (the file that ends with .pub): "
            "give these, and treat that private key as exposed if the inventory is shared."
        )
    found = _ENTRY.fullmatch(line)
    if not found or not _is_key(found["type"], found["key"]):
        raise AccessManagerError(
            f"{OPTION} has an entry that is no public key: {_shown(line)}. It must be as in a .pub file "
            "(ssh-ed25519 AAAA... name), or a line of an OpenSSH allowed_signers file (name ssh-ed25519 AAAA...), "
            "with no options but cert-authority, namespaces, valid-after and valid-before."
        )
    name = found["comment"] or ""
    principals = found["principals"] or (name if _NAME.fullmatch(name) else UNNAMED)
    return " ".join(filter(None, (principals, found["options"], found["type"], found["key"])))


def _is_key(key_type: str, key: str) -> bool:
    """Whether a key is of the type that stands before it."""
    try:
        data = base64.b64decode(key, validate=True)
    except ValueError:
        return False
    name = key_type.encode()
    return data.startswith(len(name).to_bytes(4) + name) and len(data) > 4 + len(name)


def _shown(line: str) -> str:
    return f"'{line[:_SHOWN]}{'...' if len(line) > _SHOWN else ''}'"
