# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and PFX files like those that Access Manager makes."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

ENCRYPTION_EKU = ObjectIdentifier("1.3.6.1.4.1.55989.2.1.1")
YEAR = timedelta(days=365)
SERVICE_STORE = r"lithnetams\MY"
MACHINE_STORE = "My"


@dataclass(frozen=True)
class CertificateSpec:
    """What certificate to make, and how the host is to keep it.

    starts, ends: relative to now. cng: a CNG key, as Access Manager's own are, instead of a CryptoAPI key.
    store: SERVICE\\MY of a service, or My of the local machine. server: a TLS server certificate.
    """

    name: str
    starts: timedelta = timedelta(days=-30)
    ends: timedelta = 20 * YEAR - timedelta(days=30)
    subject: str = "forest.example"
    cng: bool = True
    exportable: bool = True
    store: str = SERVICE_STORE
    server: bool = False


CURRENT = CertificateSpec("current")
EXPIRED = CertificateSpec("expired", starts=-21 * YEAR, ends=-1 * YEAR)
CRYPTOAPI = CertificateSpec("cryptoapi", cng=False)
TLS = CertificateSpec("tls", ends=YEAR, subject="ams.forest.example", store=MACHINE_STORE, server=True)


@dataclass(frozen=True)
class TestCertificate:
    """A certificate with its private key. pfx_password protects what `pfx` returns."""

    __test__ = False  # not a class of tests

    spec: CertificateSpec
    certificate: x509.Certificate
    private_key: rsa.RSAPrivateKey = field(repr=False)
    pfx_password: str = field(repr=False)

    @property
    def thumbprint(self) -> str:
        """SHA-1 in upper-case hexadecimal digits, as Windows writes it."""
        return self.certificate.fingerprint(hashes.SHA1()).hex().upper()

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def certificate_der(self) -> bytes:
        """The certificate as DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def private_key_pem(self) -> bytes:
        """The private key as PEM, PKCS #8, not encrypted."""
        return _key_bytes(self.private_key, serialization.Encoding.PEM)

    @property
    def pfx(self) -> bytes:
        """A PFX that Windows Server 2012 R2 and newer imports: PBES1 with 3DES, MAC of SHA-1."""
        return pfx_bytes(self.certificate, self.private_key, self.pfx_password)


def _key_bytes(key: rsa.RSAPrivateKey, encoding: serialization.Encoding) -> bytes:
    return key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def pfx_bytes(certificate: x509.Certificate, key: rsa.RSAPrivateKey, password: str) -> bytes:
    """A PFX with the older algorithms, which every Windows imports. The password must not be empty."""
    encryption = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(2000)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())
        .build(password.encode())
    )
    return pkcs12.serialize_key_and_certificates(None, key, certificate, None, encryption)


def make_certificate(spec: CertificateSpec = CURRENT, *, key_size: int = 2048) -> TestCertificate:
    """A self-signed certificate. key_size in bits: Access Manager's are 4096, 2048 is faster to make."""
    key = rsa.generate_private_key(65537, key_size)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, spec.subject)])
    usage = ExtendedKeyUsageOID.SERVER_AUTH if spec.server else ENCRYPTION_EKU
    builder = _builder(name, name, key, spec.starts, spec.ends).add_extension(x509.ExtendedKeyUsage([usage]), True)
    return TestCertificate(spec, builder.sign(key, hashes.SHA256()), key, secrets.token_urlsafe(24))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey, starts: timedelta, ends: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + starts)
        .not_valid_after(now + ends)
    )


@dataclass(frozen=True)
class ServerFiles:
    """PEM files of a TLS listener: the authority to trust, the certificate and its key (0600)."""

    authority: Path
    certificate: Path
    key: Path


def write_server_files(folder: Path) -> ServerFiles:
    """Makes an authority of its own and a server certificate for localhost and 127.0.0.1, valid for a day."""
    day, before = timedelta(days=1), timedelta(hours=-1)
    authority_key, key = (rsa.generate_private_key(65537, 2048) for _number in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = (
        _builder(issuer, issuer, authority_key, before, day)
        .add_extension(x509.BasicConstraints(True, 0), True)
        .add_extension(identifier, False)
        .add_extension(_signing_usage(), True)
        .sign(authority_key, hashes.SHA256())
    )
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
    server = (
        _builder(subject, issuer, key, before, day)
        .add_extension(x509.SubjectAlternativeName(names), False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False)
        .sign(authority_key, hashes.SHA256())
    )
    return _write_pem(folder, authority, server, key)


def _signing_usage() -> x509.KeyUsage:
    return x509.KeyUsage(False, False, False, False, False, True, True, False, False)


def _write_pem(
    folder: Path, authority: x509.Certificate, server: x509.Certificate, key: rsa.RSAPrivateKey
) -> ServerFiles:
    files = ServerFiles(folder / "authority.pem", folder / "server.pem", folder / "server.key")
    folder.mkdir(parents=True, exist_ok=True)
    files.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    files.certificate.write_bytes(server.public_bytes(serialization.Encoding.PEM))
    files.key.touch(0o600)
    files.key.write_bytes(_key_bytes(key, serialization.Encoding.PEM))
    return files
