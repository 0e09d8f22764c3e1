# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a target does before it answers, in Python: _Envelope.psm1, send_file.ps1 and the bundle of artifact_fetch.ps1.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

SEND_FILE_PIECE = 61440


def encrypt(
    clear: bytes, public_key: dict[str, str], context: str, *, compress: bool = True
) -> tuple[dict[str, Any], bytes]:
    """Header and ciphertext of an envelope, as Write-Envelope makes them."""
    modulus, exponent = (int.from_bytes(base64.b64decode(public_key[name]), "big") for name in ("modulus", "exponent"))
    encryption_key, mac_key, iv = os.urandom(32), os.urandom(32), os.urandom(16)
    oaep = OAEP(mgf=MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
    wrapped = RSAPublicNumbers(exponent, modulus).public_key().encrypt(encryption_key + mac_key, oaep)
    padder, encryptor = padding.PKCS7(128).padder(), Cipher(AES(encryption_key), CBC(iv)).encryptor()
    packed = gzip.compress(clear, 1) if compress else clear
    ciphertext = encryptor.update(padder.update(packed) + padder.finalize()) + encryptor.finalize()
    header = {
        "key": _base64(wrapped),
        "iv": _base64(iv),
        "mac": _base64(hmac.digest(mac_key, context.encode() + iv + ciphertext, "sha256")),
        "size": len(ciphertext),
    }
    return header, ciphertext


def protect(clear: bytes, public_key: dict[str, str], context: str, *, compress: bool = True) -> dict[str, Any]:
    """A whole envelope with its data, as Protect-Text makes it."""
    header, ciphertext = encrypt(clear, public_key, context, compress=compress)
    return header | {"data": _base64(ciphertext)}


def send_file(content: bytes, offset: int, length: int) -> Iterator[bytes]:
    """The lines that send_file.ps1 writes."""
    end = min(offset + length, len(content))
    for start in range(offset, end, SEND_FILE_PIECE):
        yield base64.b64encode(content[start : min(start + SEND_FILE_PIECE, end)]) + b"\r\n"


def file_record(name: str, content: bytes, /, **changes: Any) -> dict[str, Any]:
    return _record(name, "file") | {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)} | changes


def folder_record(name: str, /, **changes: Any) -> dict[str, Any]:
    return _record(name, "folder") | changes


def link_record(name: str) -> dict[str, Any]:
    return {"name": name, "path": _path(name), "kind": "link"}


def bundle(described: dict[str, Any], contents: Iterable[bytes]) -> bytes:
    """The stream of a snapshot: its manifest in one line, and the bytes of its files."""
    return json.dumps(described).encode() + b"\n" + b"".join(contents)


def _record(name: str, kind: str) -> dict[str, Any]:
    return {
        "name": name,
        "path": _path(name),
        "kind": kind,
        "size": 0,
        "created": "2021-03-04T05:06:07.1234567Z",
        "modified": "2022-03-04T05:06:08.7654321Z",
        "attributes": 0x20,
        "sddl": "O:BAG:SYD:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)",
    }


def _path(name: str) -> str:
    return "C:\\Program Files\\Access Manager\\" + name.replace("/", "\\")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
