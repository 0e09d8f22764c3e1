# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A signature in OpenSSH's format (PROTOCOL.sshsig): what it says by itself, and whether an Ed25519 key made it.

Whose key that is, and whether it is allowed, ssh-keygen alone decides: see C(trust).
"""

from __future__ import annotations

import base64
import collections.abc as c
import dataclasses
import hashlib
import re

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

LARGEST = 64 * 1024
_ARMOR = re.compile(rb"-----BEGIN SSH SIGNATURE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END SSH SIGNATURE-----\s*")
_MAGIC = b"SSHSIG"
_VERSION = 1
_FIELDS = 5
_ED25519 = b"ssh-ed25519"
_HASHES: dict[bytes, c.Callable[[bytes], hashlib._Hash]] = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a signature says: by which key it is, and what it is for. C(armored): the bytes of its file."""

    armored: bytes
    public_key: bytes
    namespace: str
    reserved: bytes
    hash_name: bytes
    signature: bytes

    @classmethod
    def parse(cls, armored: bytes) -> Signature:
        """Raises ValueError when the bytes are no signature."""
        found = _ARMOR.fullmatch(armored) if len(armored) <= LARGEST else None
        blob = base64.b64decode(b"".join(found[1].split()), validate=True) if found else b""
        if blob[:6] != _MAGIC or int.from_bytes(blob[6:10]) != _VERSION:
            raise ValueError("no signature")
        public_key, namespace, *rest = _strings(blob[10:], _FIELDS)
        return cls(armored, public_key, namespace.decode(errors="backslashreplace"), *rest)

    @property
    def key_type(self) -> str:
        size = int.from_bytes(self.public_key[:4])
        return self.public_key[4 : 4 + size].decode(errors="backslashreplace")

    @property
    def fingerprint(self) -> str:
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.public_key).digest()).rstrip(b"=").decode()

    def is_by_ed25519(self, data: bytes) -> bool:
        """Whether its key is a plain Ed25519 key, and signed these bytes. Other kinds of keys are never verified here.
        """
        try:
            key_type, key = _strings(self.public_key, 2)
            signature_type, signature = _strings(self.signature, 2)
        except ValueError:
            return False
        if (key_type, signature_type) != (_ED25519, _ED25519) or self.hash_name not in _HASHES:
            return False
        fields = (self.namespace.encode(), self.reserved, self.hash_name, _HASHES[self.hash_name](data).digest())
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, _MAGIC + b"".join(map(_sized, fields)))
        except (InvalidSignature, ValueError):
            return False
        return True


def _sized(field: bytes) -> bytes:
    return len(field).to_bytes(4) + field


def _strings(data: bytes, count: int) -> list[bytes]:
    """That many fields: each is preceded by its size, and nothing follows the last."""
    found = []
    for _field in range(count):
        size = int.from_bytes(data[:4])
        found.append(data[4 : 4 + size])
        if len(data) < 4 or len(found[-1]) != size:
            raise ValueError("cut off")
        data = data[4 + size :]
    if data:
        raise ValueError("more than a signature")
    return found
