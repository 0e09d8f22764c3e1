# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A signature in OpenSSH's format (PROTOCOL.sshsig), as far as it says by itself what it is.

Nothing of that is verified.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re

LARGEST = 64 * 1024
_ARMOR = re.compile(rb"-----BEGIN SSH SIGNATURE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END SSH SIGNATURE-----\s*")
_MAGIC = b"SSHSIG"
_VERSION = 1
_FIELDS = 5


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a signature says: by which key it is, and what it is for. C(armored): the bytes of its file."""

    armored: bytes
    public_key: bytes
    namespace: str

    @classmethod
    def parse(cls, armored: bytes) -> Signature:
        """Raises ValueError when the bytes are no signature."""
        found = _ARMOR.fullmatch(armored) if len(armored) <= LARGEST else None
        blob = base64.b64decode(b"".join(found[1].split()), validate=True) if found else b""
        if blob[:6] != _MAGIC or int.from_bytes(blob[6:10]) != _VERSION:
            raise ValueError("no signature")
        public_key, namespace, *_rest = _strings(blob[10:])
        return cls(armored, public_key, namespace.decode(errors="backslashreplace"))

    @property
    def key_type(self) -> str:
        size = int.from_bytes(self.public_key[:4])
        return self.public_key[4 : 4 + size].decode(errors="backslashreplace")

    @property
    def fingerprint(self) -> str:
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.public_key).digest()).rstrip(b"=").decode()


def _strings(data: bytes) -> list[bytes]:
    """The fields of a signature: each is preceded by its size, and nothing follows the last."""
    found = []
    for _field in range(_FIELDS):
        size = int.from_bytes(data[:4])
        found.append(data[4 : 4 + size])
        if len(data) < 4 or len(found[-1]) != size:
            raise ValueError("cut off")
        data = data[4 + size :]
    if data:
        raise ValueError("more than a signature")
    return found
