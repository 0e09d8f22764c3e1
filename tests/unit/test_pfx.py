# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PFX files: a key is proved, and what cannot be is told in a sentence that names the certificate."""

from __future__ import annotations

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._windows import pfx as pfx_module
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from hypothesis import given
from hypothesis import strategies as st
from support.certificates import EXPIRED, TestCertificate, make_certificate


@pytest.fixture(scope="module")
def other() -> TestCertificate:
    return make_certificate()


def refusal(pfx: bytes, password: str, thumbprint: str) -> str:
    with pytest.raises(AccessManagerError) as caught:
        pfx_module.prove(pfx, password, thumbprint)
    assert thumbprint in str(caught.value)
    assert not password or password not in str(caught.value)
    return str(caught.value)


def test_a_key_is_proved_and_its_certificate_returned(certificate: TestCertificate) -> None:
    der = pfx_module.prove(certificate.pfx, certificate.pfx_password, certificate.thumbprint)
    assert x509.load_der_x509_certificate(der) == certificate.certificate


def test_the_key_of_an_expired_certificate_is_proved() -> None:
    expired = make_certificate(EXPIRED)
    assert pfx_module.prove(expired.pfx, expired.pfx_password, expired.thumbprint)


def test_the_thumbprint_is_the_one_of_windows(certificate: TestCertificate) -> None:
    assert pfx_module.thumbprint_of(certificate.certificate) == certificate.thumbprint


def test_a_wrong_password_is_refused(certificate: TestCertificate) -> None:
    assert "does not open" in refusal(certificate.pfx, "wrong password", certificate.thumbprint)


def test_another_certificate_is_refused_and_named(certificate: TestCertificate, other: TestCertificate) -> None:
    assert certificate.thumbprint in refusal(certificate.pfx, certificate.pfx_password, other.thumbprint)


def key_bytes(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def test_the_key_of_another_certificate_is_refused() -> None:
    made = make_certificate(key_size=1536)
    own = key_bytes(made.private_key)
    pfx = pkcs12.serialize_key_and_certificates(None, made.private_key, made.certificate, None, serialization.NoEncryption())
    assert pfx_module.prove(pfx, "", made.thumbprint)
    while len(foreign := key_bytes(rsa.generate_private_key(65537, 1536))) != len(own):
        pass
    assert own in pfx
    refusal(pfx.replace(own, foreign), "", made.thumbprint)


def test_a_pfx_without_a_key_is_refused(certificate: TestCertificate) -> None:
    pfx = pkcs12.serialize_key_and_certificates(
        None, None, certificate.certificate, None, serialization.BestAvailableEncryption(b"correct horse")
    )
    refusal(pfx, "correct horse", certificate.thumbprint)


def test_an_elliptic_key_is_refused(certificate: TestCertificate) -> None:
    key, name, now = ec.generate_private_key(ec.SECP256R1()), certificate.certificate.subject, certificate.certificate
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now.not_valid_before_utc, now.not_valid_after_utc)
    elliptic = builder.sign(key, hashes.SHA256())
    pfx = pkcs12.serialize_key_and_certificates(None, key, elliptic, None, serialization.BestAvailableEncryption(b"correct horse"))
    assert "not an RSA key" in refusal(pfx, "correct horse", pfx_module.thumbprint_of(elliptic))


@pytest.mark.parametrize("garbage", [b"", b"PFX", b"0" * 2000])
def test_garbage_is_refused(certificate: TestCertificate, garbage: bytes) -> None:
    assert "does not open" in refusal(garbage, "correct horse", certificate.thumbprint)


@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_a_damaged_pfx_is_never_a_traceback(certificate: TestCertificate, place: float, change: int) -> None:
    pfx = bytearray(certificate.pfx)
    pfx[int(place * len(pfx))] ^= change
    try:
        der = pfx_module.prove(bytes(pfx), certificate.pfx_password, certificate.thumbprint)
    except AccessManagerError:
        return
    assert x509.load_der_x509_certificate(der) == certificate.certificate
