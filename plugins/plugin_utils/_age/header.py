# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The header of an age file: who may open it, as far as that can be seen without a key.

A stanza for an age key (X25519) is anonymous: only their number can be compared. One for an SSH key carries a tag of that key.
"""

from __future__ import annotations

import base64
import collections
import collections.abc as c
import hashlib
import pathlib
import typing as t

from .._files import open_regular

VERSION = b"age-encryption.org/v1\n"
LONGEST_LINE = 8192
MOST_LINES = 20_000
_STANZA, _END, _GREASE = b"-> ", b"---", "-grease"
_AGE_KEY, _PASSPHRASE = "X25519", "scrypt"

Stanza = tuple[str, str]
"""The kind of a recipient, and for an SSH key its tag."""


def problems(path: pathlib.Path, encryption: t.Any, recipients: c.Sequence[str]) -> list[str]:
    """What the header of a sealed file has else than its manifest says: C(encryption) and C(recipients) of the artifact.

    Raises OSError when the file cannot be read.
    """
    try:
        found = collections.Counter(stanzas(path))
        expected = collections.Counter([(_PASSPHRASE, "")] if encryption == "passphrase" else map(stanza_of, recipients))
    except ValueError as exc:
        return [f"'{path}' {exc}."]
    return [f"'{path}' {difference}." for difference in _differences(found, expected)]


def stanzas(path: pathlib.Path) -> list[Stanza]:
    """The recipients of an age file in the order of its header. Raises ValueError, in words, when it is none."""
    with open_regular(path) as file:
        if file.readline(LONGEST_LINE) != VERSION:
            raise ValueError("is not an age file")
        found: list[Stanza] = []
        for _line in range(MOST_LINES):
            line = file.readline(LONGEST_LINE)
            if line.startswith(_END):
                return found
            if not line.endswith(b"\n"):
                break
            if line.startswith(_STANZA):
                kind, *arguments = line[len(_STANZA) :].decode("ascii", "replace").split() or [""]
                if not kind.endswith(_GREASE):
                    found.append((kind, arguments[0] if kind.startswith("ssh-") and arguments else ""))
    raise ValueError("has an age header without an end")


def stanza_of(recipient: str) -> Stanza:
    """The stanza that a public key leaves in a header. Raises ValueError, in words, when it is no public key."""
    if not recipient.startswith("ssh-"):
        return _AGE_KEY, ""
    kind, _space, key = recipient.partition(" ")
    try:
        public = base64.b64decode(key.split()[0], validate=True)
    except (IndexError, ValueError):
        raise ValueError(f"has a recipient '{recipient[:40]}' in its manifest, which is not an SSH key") from None
    return kind, base64.b64encode(hashlib.sha256(public).digest()[:4]).rstrip(b"=").decode()


def _differences(found: collections.Counter[Stanza], expected: collections.Counter[Stanza]) -> c.Iterator[str]:
    for stanza in sorted(found.keys() | expected.keys()):
        if found[stanza] != expected[stanza]:
            yield f"is sealed to {found[stanza] or 'no'} {_named(stanza)}; its manifest names {expected[stanza] or 'none'}"


def _named(stanza: Stanza) -> str:
    kind, tag = stanza
    names = {_AGE_KEY: "age key(s)", _PASSPHRASE: "passphrase(s)"}
    if tag:
        return f"key(s) {kind} with the tag {tag}"
    return names.get(kind, f"recipient(s) of the kind '{kind}'")
