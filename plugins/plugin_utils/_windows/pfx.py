# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PFX files: decrypted, and the private key verified against the certificate."""

from __future__ import annotations

import collections.abc as c
import os
import pathlib
import typing as t

from .._errors import AccessManagerError, MissingLibraryError
from .._text import time_of
from . import distinguished_name

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.decrepit.ciphers.algorithms import RC2
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.ciphers import Cipher, modes
    from cryptography.hazmat.primitives.serialization import pkcs12
except ImportError:
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

_FIPS_FLAG = pathlib.Path("/proc/sys/crypto/fips_enabled")
_PBES1 = bytes.fromhex("2a864886f70d010c01")
"""How the object identifiers of a PFX's older ciphers begin in DER; one byte more names the cipher. All use SHA-1."""

_PBES2 = bytes.fromhex("2a864886f70d01050d")
_RC2 = (_PBES1 + b"\x05", _PBES1 + b"\x06")
_CIPHERS = {_PBES2: "AES", _PBES1 + b"\x03": "3DES", _RC2[0]: "RC2-128", _RC2[1]: "RC2-40"}
"""The ciphers with which versions of Windows encrypt a PFX, by object identifiers in DER."""

_NONCE_BYTES = 32
_LEAST_BITS_FOR_SHA512 = 8 * (_NONCE_BYTES + 2 * 64 + 2)
"""Of a key that OAEP with SHA-512, as Access Manager has it, fits into with the nonce. A web site's may be shorter."""


def thumbprint_of(certificate: x509.Certificate) -> str:
    """The SHA-1 of a certificate in upper-case hex, as Windows names it."""
    return certificate.fingerprint(hashes.SHA1()).hex().upper()


def ciphers(pfx: bytes) -> list[str]:
    """The ciphers that a PFX names, of those that Windows uses."""
    return [name for identifier, name in _CIPHERS.items() if identifier in pfx]


def verify(pfx: bytes, password: str, thumbprint: str) -> bytes:
    """Decrypts a PFX, and then with its key what its certificate encrypts, as Access Manager does. Returns the
    certificate as DER.

    Raises AccessManagerError when the PFX cannot be decrypted, holds another certificate, or its key is not the
    certificate's.
    """
    if not HAS_CRYPTOGRAPHY:
        raise MissingLibraryError("cryptography")
    try:
        key, certificate, _others = pkcs12.load_key_and_certificates(pfx, password.encode())
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise AccessManagerError(f"The PFX of certificate {thumbprint} {_why_closed(pfx)}: {exc}") from None
    if certificate is None or key is None:
        raise AccessManagerError(f"The PFX of certificate {thumbprint} holds no certificate or no private key.")
    if thumbprint_of(certificate) != thumbprint:
        raise AccessManagerError(
            f"The PFX of certificate {thumbprint} holds another one: {thumbprint_of(certificate)}."
        )
    public_key = certificate.public_key()
    if not isinstance(key, rsa.RSAPrivateKey) or not isinstance(public_key, rsa.RSAPublicKey):
        raise AccessManagerError(
            f"The key of certificate {thumbprint} is not an RSA key: Access Manager cannot have made it."
        )
    if not _decrypts(key, public_key):
        raise AccessManagerError(
            f"The private key in the PFX of certificate {thumbprint} is not that of the certificate."
        )
    return certificate.public_bytes(serialization.Encoding.DER)


def _why_closed(pfx: bytes) -> str:
    """Why a PFX cannot be decrypted: OpenSSL says of ciphers that it does not have the same as of a wrong password."""
    if _PBES1 in pfx and _has_fips():
        return (
            "cannot be decrypted on this controller, which allows only FIPS algorithms (fips_enabled): Windows "
            "encrypts a PFX with older ones. It may be sound. Run this on a controller without that restriction"
        )
    if any(cipher in pfx for cipher in _RC2) and not _has_rc2():
        return (
            "is encrypted with RC2, which OpenSSL on this controller decrypts only with its legacy provider. It may be "
            "sound. Install that provider, unset CRYPTOGRAPHY_OPENSSL_NO_LEGACY, or run this on another controller"
        )
    return "cannot be decrypted with its password"


def _has_fips() -> bool:
    try:
        return _FIPS_FLAG.read_text(encoding="ascii").strip() == "1"
    except OSError:
        return False


def _has_rc2() -> bool:
    try:
        Cipher(RC2(bytes(16)), modes.CBC(bytes(8))).encryptor()
    except UnsupportedAlgorithm:
        return False
    return True


def validity(certificate: bytes) -> dict[str, str]:
    """From when until when a certificate, DER, is valid, as it says itself: .NET cuts off what is after the year 9999
    in local time, so a server east of UTC may report another end.
    """
    loaded = x509.load_der_x509_certificate(certificate)
    times = {"not_before": loaded.not_valid_before_utc, "not_after": loaded.not_valid_after_utc}
    return {key: f"{time:%Y-%m-%dT%H:%M:%S}.0000000Z" for key, time in times.items()}


def differences(certificate: bytes, described: c.Mapping[str, t.Any]) -> c.Iterator[str]:
    """What a manifest says of a certificate, DER, that is not so: C(subject), C(not_before) or C(not_after)."""
    if not HAS_CRYPTOGRAPHY:
        raise MissingLibraryError("cryptography")
    try:
        loaded = x509.load_der_x509_certificate(certificate)
        times = {"not_before": loaded.not_valid_before_utc, "not_after": loaded.not_valid_after_utc}
        values = [attribute.value for attribute in loaded.subject]
    except ValueError as exc:
        raise AccessManagerError(f"Certificate {described['thumbprint']} cannot be read: {exc}.") from None
    is_text = all(isinstance(value, str) for value in values)
    if is_text and distinguished_name.values_of(described["subject"]) != sorted(map(str, values)):
        yield "subject"
    for key, time in times.items():
        if time_of(described[key]) != time:
            yield key


def _decrypts(key: rsa.RSAPrivateKey, public_key: rsa.RSAPublicKey) -> bool:
    algorithm = hashes.SHA512() if key.key_size >= _LEAST_BITS_FOR_SHA512 else hashes.SHA256()
    oaep = padding.OAEP(mgf=padding.MGF1(algorithm), algorithm=algorithm, label=None)
    nonce = os.urandom(_NONCE_BYTES)
    try:
        return key.decrypt(public_key.encrypt(nonce, oaep), oaep) == nonce
    except ValueError:
        return False
