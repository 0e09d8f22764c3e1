# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A password as agents store it in the directory: which certificate's key decrypts it stands in clear before the
ciphertext.

The attribute is JSON, C({"data": ..., "created": ..., "retired": ...}). The decoded C(data) begins with a version of 4
bytes, little endian, and the SHA-1 thumbprint of the certificate. Nothing is decrypted here.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import json

from .._text import time_of

LONGEST = 64 * 1024
VERSIONS = {1: "AES-CBC", 2: "AES-GCM"}
_VERSION_BYTES, _THUMBPRINT_BYTES = 4, 20


@dataclasses.dataclass(frozen=True)
class StoredPassword:
    """C(thumbprint): upper-case hexadecimal. C(created): UTC; None when it does not say so."""

    thumbprint: str
    version: int
    created: datetime.datetime | None


def parse(value: bytes) -> StoredPassword:
    """What an attribute's value says without a key.

    Raises ValueError, with the reason, when no agent can have written it.
    """
    if len(value) > LONGEST:
        raise ValueError(f"it has {len(value)} bytes")
    try:
        item = json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(item, dict) or not isinstance(item.get("data"), str):
        raise ValueError("it has no text 'data'")
    version, thumbprint = _header(item["data"])
    return StoredPassword(thumbprint, version, time_of(item.get("created"), any_zone=True))


def _header(data: str) -> tuple[int, str]:
    try:
        blob = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("its data are not Base64") from None
    if len(blob) <= _VERSION_BYTES + _THUMBPRINT_BYTES:
        raise ValueError(f"its data have {len(blob)} bytes only")
    version = int.from_bytes(blob[:_VERSION_BYTES], "little")
    if version not in VERSIONS:
        raise ValueError(f"its data are of version {version}")
    return version, blob[_VERSION_BYTES : _VERSION_BYTES + _THUMBPRINT_BYTES].hex().upper()
