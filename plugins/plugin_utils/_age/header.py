# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The header of an age file: who may decrypt it, as far as that can be seen without a key.

A stanza for an age key (X25519) is anonymous: only their number can be compared. One for an SSH key carries a tag of
that key.
"""

from __future__ import annotations

import base64
import collections
import collections.abc as c
import hashlib
import pathlib
import re
import typing as t

VERSION = b"age-encryption.org/v1\n"
MOST_STANZAS, MOST_BYTES, MOST_WORK = 64, 16 * 1024, 20
"""What is decrypted at most: age's library needs time that grows with the square of a header, and 2^(factor + 10)
bytes.
"""

_READ = 1024 * 1024
_STANZA, _END, _GREASE = b"\n-> ", b"\n---", "-grease"
_AGE_KEY, PASSPHRASE, _PLUGIN = "X25519", "scrypt", "a plugin"
TAGGED = {"tag": "p256tag", "tagpq": "mlkem768p256tag"}
"""The recipients of hardware keys that age encrypts to by itself, and their stanzas."""

_PLUGIN_NAME = re.compile(r"age1([a-z0-9+._-]*)1[a-z0-9]+", re.ASCII)
_FACTOR = re.compile(r"[0-9]{1,4}", re.ASCII)

Stanza = tuple[str, str]
"""The kind of a recipient, and for an SSH key its tag."""


def problems(file: t.BinaryIO, path: pathlib.Path, encryption: t.Any, recipients: c.Sequence[str]) -> list[str]:
    """What the header of an encrypted file has else than its manifest says: C(encryption) and C(recipients) of the
    artifact.

    C(path) names the file, which is open. Raises OSError when it cannot be read.
    """
    try:
        found = collections.Counter(stanzas(file))
        expected = collections.Counter([(PASSPHRASE, "")] if encryption == "passphrase" else map(stanza_of, recipients))
    except ValueError as exc:
        return [f"'{path}' {exc}."]
    return [f"'{path}' {difference}." for difference in _differences(found, expected)]


def stanzas(file: t.BinaryIO) -> list[Stanza]:
    """The recipients of an age file in the order of its header, without those that age adds at random.

    Raises ValueError, in words, when it is no age file, or its header is beyond what is decrypted.
    """
    file.seek(0)
    data = file.read(2 * MOST_BYTES)
    if _END not in data:
        data += file.read(_READ - len(data))
    if not data.startswith(VERSION):
        raise ValueError("is not an age file")
    end = data.find(_END)
    if end < 0:
        raise ValueError(f"has an age header of more than {_READ // 1024} KiB, or without an end")
    lines = data[len(VERSION) - 1 : end].split(_STANZA)[1:]
    if len(lines) > MOST_STANZAS:
        raise ValueError(
            f"has {len(lines)} stanzas in its age header; with more than {MOST_STANZAS} it is not decrypted"
        )
    if end > MOST_BYTES:
        raise ValueError(f"has an age header of {end} bytes; with more than {MOST_BYTES} it is not decrypted")
    words = [line.partition(b"\n")[0].decode("ascii", "replace").split() for line in lines]
    return [_stanza(stanza) for stanza in words if not (stanza and stanza[0].endswith(_GREASE))]


def _stanza(words: list[str]) -> Stanza:
    kind, *arguments = words or [""]
    if kind == PASSPHRASE:
        factor = arguments[-1] if arguments else ""
        if not _FACTOR.fullmatch(factor) or int(factor) > MOST_WORK:
            raise ValueError(
                f"is encrypted with the work factor '{factor[:20]}' of scrypt; above {MOST_WORK} it is not decrypted"
            )
    if kind in (_AGE_KEY, PASSPHRASE, *TAGGED.values()):
        return kind, ""
    if not kind.startswith("ssh-"):
        return _PLUGIN, ""
    return kind, arguments[0] if arguments else ""


def plugin_of(recipient: str) -> str:
    """The name of the plugin that an age public key names, also of those that age needs no program for."""
    name = _PLUGIN_NAME.fullmatch(recipient)
    return name[1] if name else ""


def stanza_of(recipient: str) -> Stanza:
    """The stanza that a public key leaves in a header. Raises ValueError, in words, when it is no public key."""
    if not recipient.startswith("ssh-"):
        name = plugin_of(recipient)
        return TAGGED.get(name, _PLUGIN) if name else _AGE_KEY, ""
    kind, _space, key = recipient.partition(" ")
    try:
        public = base64.b64decode(key.split()[0], validate=True)
    except (IndexError, ValueError):
        raise ValueError(f"has a recipient '{recipient[:40]}' in its manifest, which is not an SSH key") from None
    return kind, base64.b64encode(hashlib.sha256(public).digest()[:4]).rstrip(b"=").decode()


def _differences(found: collections.Counter[Stanza], expected: collections.Counter[Stanza]) -> c.Iterator[str]:
    for stanza in sorted(found.keys() | expected.keys()):
        if stanza == (_PLUGIN, "") and found[stanza] and expected[stanza]:
            continue  # a plugin writes as many stanzas as it likes
        if found[stanza] != expected[stanza]:
            yield (
                f"is encrypted to {found[stanza] or 'no'} {_named(stanza)}; its manifest names "
                f"{expected[stanza] or 'none'}"
            )


def _named(stanza: Stanza) -> str:
    kind, tag = stanza
    names = {_AGE_KEY: "age key(s)", PASSPHRASE: "passphrase(s)", _PLUGIN: "key(s) of a plugin"}
    if tag:
        return f"key(s) {kind} with the tag {tag}"
    return names.get(kind, f"recipient(s) of the kind '{kind}'")
