# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New certificates to which agents encrypt passwords, as Access Manager makes its own.

Source: lithnet/access-manager, CertificateProvider.cs.
"""

from __future__ import annotations

import dataclasses
import datetime
import secrets
import string

from .._ams.constants import PASSWORD_ENCRYPTION_USAGE
from .._errors import MissingLibraryError
from .._windows.pfx import HAS_CRYPTOGRAPHY, thumbprint_of
from . import pfx_key_provider

if HAS_CRYPTOGRAPHY:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.serialization import pkcs12
    from cryptography.x509.oid import NameOID, ObjectIdentifier

KEY_BITS, YEARS = 4096, 20
PASSWORD_LENGTH = 40
_MAC_ROUNDS = 2000
_ALPHABET = string.ascii_letters + string.digits


@dataclasses.dataclass(frozen=True)
class EncryptionCertificate:
    """A certificate as DER, and its private key in a PFX under a password."""

    thumbprint: str
    der: bytes
    pfx: bytes = dataclasses.field(repr=False)
    password: str = dataclasses.field(repr=False)


def make(forest: str, now: datetime.datetime) -> EncryptionCertificate:
    """A new self-signed certificate for a forest, by its DNS name.

    RSA with 4096 bits, valid for 20 years, signed with RSASSA-PSS and SHA-384, with the extensions of Access Manager's
    own. The PFX has the ciphers that Windows Server 2012 R2 and newer imports.
    """
    if not HAS_CRYPTOGRAPHY:
        raise MissingLibraryError("cryptography")
    key = rsa.generate_private_key(65537, KEY_BITS)
    # .NET encodes the names of "CN=forest,OU=Access Manager,O=Lithnet" from the last to the first.
    names = (
        (NameOID.ORGANIZATION_NAME, "Lithnet"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "Access Manager"),
        (NameOID.COMMON_NAME, forest),
    )
    subject = x509.Name([x509.NameAttribute(oid, text) for oid, text in names])
    start = now.astimezone(datetime.UTC).replace(microsecond=0)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(_years_after(start, YEARS))
        .add_extension(x509.ExtendedKeyUsage([ObjectIdentifier(PASSWORD_ENCRYPTION_USAGE)]), critical=True)
        .add_extension(_key_encipherment(), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA384(), rsa_padding=padding.PSS(padding.MGF1(hashes.SHA384()), padding.PSS.DIGEST_LENGTH))
    )
    password = "".join(secrets.choice(_ALPHABET) for _number in range(PASSWORD_LENGTH))
    return EncryptionCertificate(
        thumbprint=thumbprint_of(certificate),
        der=certificate.public_bytes(serialization.Encoding.DER),
        pfx=pfx_key_provider.name(windows_pfx(certificate, key, password), password),
        password=password,
    )


def windows_pfx(certificate: x509.Certificate, key: rsa.RSAPrivateKey, password: str) -> bytes:
    """A PFX with the ciphers with which Windows itself makes them."""
    encryption = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(_MAC_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())
        .build(password.encode())
    )
    return pkcs12.serialize_key_and_certificates(None, key, certificate, None, encryption)


def _key_encipherment() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _years_after(time: datetime.datetime, years: int) -> datetime.datetime:
    """The same day so many years later; the day before the 1st of March for a 29th of February that is not there."""
    try:
        return time.replace(year=time.year + years)
    except ValueError:
        return time.replace(year=time.year + years, day=28)
