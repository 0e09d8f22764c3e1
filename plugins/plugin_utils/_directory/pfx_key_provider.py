# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names the key provider in a PFX, so that Windows makes the key one of CNG: Access Manager cannot decrypt with one of
CryptoAPI.

Without the name, Windows chooses an older provider. The cryptography library cannot write it, so the attributes of the
key are completed here, and the PFX is authenticated with its password again (RFC 7292).
"""

from __future__ import annotations

import hashlib
import hmac

from .._errors import DirectoryLibraryError

try:
    from pyasn1.codec.der import decoder, encoder
    from pyasn1.type import char, univ
    from pyasn1_modules import rfc2315, rfc7292
except ImportError:  # python-ldap brings them
    HAS_ASN1 = False
else:
    HAS_ASN1 = True

PROVIDER = "Microsoft Software Key Storage Provider"
_PROVIDER_NAME = "1.3.6.1.4.1.311.17.1"
_BLOCK, _MAC_KEY = 64, 3
"""Of SHA-1, and what a key that RFC 7292 derives is for."""


def name(pfx: bytes, password: str) -> bytes:
    """The PFX with the name of the provider at each key.

    It must be one of new_certificate.py: with a MAC of SHA-1.
    """
    if not HAS_ASN1:
        raise DirectoryLibraryError
    whole, _rest = decoder.decode(pfx, asn1Spec=rfc7292.PFX())
    safe, _rest = decoder.decode(_octets(whole["authSafe"]["content"]), asn1Spec=rfc7292.AuthenticatedSafe())
    for content in safe:
        if content["contentType"] == rfc2315.data:
            content["content"] = univ.Any(encoder.encode(univ.OctetString(_named(_octets(content["content"])))))
    content = encoder.encode(safe)
    whole["authSafe"]["content"] = univ.Any(encoder.encode(univ.OctetString(content)))
    mac = whole["macData"]
    key = _mac_key(password, bytes(mac["macSalt"]), int(mac["iterations"]))
    mac["mac"]["digest"] = hmac.digest(key, content, "sha1")
    return bytes(encoder.encode(whole))


def _named(contents: bytes) -> bytes:
    """The bags with the attribute added to those of keys."""
    bags, _rest = decoder.decode(contents, asn1Spec=rfc7292.SafeContents())
    for bag in bags:
        if bag["bagId"] == rfc7292.id_pkcs8ShroudedKeyBag:
            attribute = rfc7292.PKCS12Attribute()
            attribute["attrType"] = univ.ObjectIdentifier(_PROVIDER_NAME)
            attribute["attrValues"][0] = univ.Any(encoder.encode(char.BMPString(PROVIDER)))
            bag["bagAttributes"].append(attribute)
    return bytes(encoder.encode(bags))


def _octets(value: object) -> bytes:
    octets, _rest = decoder.decode(bytes(value), asn1Spec=univ.OctetString())  # type: ignore[call-overload]
    return bytes(octets)


def _mac_key(password: str, salt: bytes, iterations: int) -> bytes:
    """The key of the MAC (RFC 7292, appendix B.2): SHA-1 gives as many bytes as are needed, so there is a single block.
    """
    text = (password + "\0").encode("utf-16-be")
    key = bytes([_MAC_KEY]) * _BLOCK + _filled(salt) + _filled(text)
    for _number in range(iterations):
        key = hashlib.sha1(key, usedforsecurity=False).digest()
    return key


def _filled(data: bytes) -> bytes:
    """The bytes repeated until they fill whole blocks."""
    length = -(-len(data) // _BLOCK) * _BLOCK
    return (data * (length // len(data) + 1))[:length]
