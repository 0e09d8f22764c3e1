# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PFX files: a key is verified, and what cannot be is reported in a sentence that names the certificate."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

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

OLD_THUMBPRINT = "3702DCC5121D1AF79FB7EF290635EEBC0DF49230"
OLD_PASSWORD = "secret-word"
OLD_PFX = base64.b64decode(
    "MIIJQQIBAzCCCQcGCSqGSIb3DQEHAaCCCPgEggj0MIII8DCCA6cGCSqGSIb3DQEHBqCCA5gwggOUAgEAMIIDjQYJKoZIhvcNAQcBMBwGCiqGSI"
    "b3DQEMAQYwDgQI44/dLYKw7PsCAggAgIIDYEvStEWPd70OB8e4IQ8jAlDDdVP3AiB0YAZY6frv3oVyhDCBDuH3fLhi4zXjALCHFhiJLQcG5A0L"
    "w3VhwkmirltTROckXPvZhDWOLGekTz2GTabH18E5SpO1oos9LEYperf5iE/fIDO29rdHrfQqgCRI23j+u6OCjJYDffXuzY2+7cvP5gqzJfAibZ"
    "rDQCNLhegHNpsGpxRXG9NoT2n2n2qrPxFP7YwVhroNjg75QvSUEmVzsTjW4v9JtmIMVoQ4AHmzC22R7uSnN1MsXB1vJ5CGBY/ichWeSi1oUxVl"
    "xhe8h+srgsdzXxHza0YBwmZ3yILh1yU8GZrRhjWFI1/ZesgT36kfygjWPQiTixhUWTO5JfX1Oqtf1tKnrarSg2rvZIRcyEGBJPd+XRU2NOrc2p"
    "NApIRCTXUPK4ePb9LUYO/yjVR4qgs3LQEnhVtTQQ2oaLWm2v3MqHso3CjGCA6j67HUdfTQRuFRMDYuWZtSPXpb/wx+bK8I8ChH6zGC6iiIUY3R"
    "J/eW2GobFOlUDDe4jSoWQwWhJOGNzyH0p19DK1fzo+CoeavVA6mvt2jSutS+7R7Je6ihmunPPRXzdnS0hXTBbJlC0lwnIlkComJ6qMcoG2f9YG"
    "YnZVqwVuUURazFjiPuPdwjNU2foPtVNdDCMLunOrGrn6p4v3P7PHsqySyyklPJWz3mtf6gqzxImlR6PcgKMzZxTFBhfOw4Yij4/lNEONBAXvCM"
    "mHmgXc558ykgOdQdShqlV+M/gr4DFHvvPt3h8HhxNrNBm9SCN+aoSLFMACd5u3gBxgij20jY1Lv1ScAX3Ieyshgp74SlQKjFGGMe51FGDmCKWH"
    "/AnEYxzsP+rRAhxtKtD8BiVb8Vd52AIHtTFdObY1uA4RSW4szTyoZf8w5e5cYxLW7IRvZt/YyZVOckuYkKs3C1WIM34w1a5INMBHL4zrgOS4Vn"
    "1AShHsx0KnlxVRxyt4ZLpdm5FF4lB+exsNn6UnUnEsiMmbIvAiFvZtyTeldZYSTAJH40D1ezKfjoyEKQj6uOKXwhkh5WFoVFNjO0jOKxzkGoBc"
    "6yjFN2/SYkAZyM17jhf1UXXDpcH2rYts9AIyAGg8leUZNTMzAxTpCC1Jnb8OvrELQm2RONYgeXBww8rdQqIz0W+DCCBUEGCSqGSIb3DQEHAaCC"
    "BTIEggUuMIIFKjCCBSYGCyqGSIb3DQEMCgECoIIE7jCCBOowHAYKKoZIhvcNAQwBAzAOBAjx6DWPniHynQICCAAEggTIC6U+Uv5pi0OcX3Oq8o"
    "VNpfGp0MVQG8+k1CxX6cev/ZTopPry4iOo612TK4xueN2hwPpIS54RrZaziVMREsjpRpvHuuf3fXiBI1T8glvtqA51fJduIO2EOu8gHaXLj1ql"
    "wKvww5jkEhs9WxInKVdZJPQW5LPT5OXMdFIKUc6LnFVfhwqJJWE/2yGMcsejYv67yp81XhPZlgzZ2Z9JtQAqNJlN7Vkhewu5z3Z7lkR1ut7iPv"
    "1I9xUAYWIyY0euY2JF/3NRZTCfkgPCyfN8rId7VAuCseCrJDNufpbeCF51+gvwS1I0q0maUPnyGw+hIc8UZP6XlJR2C6HVqHW1yIDTeESSGiDa"
    "3QqtX4E6wvBsNeHktk2R8U3rbZCyXPpLIQfwJKqu4V3yn/XubMu+mduu4HzSwcAWvACiHezTk8bcVFrB4u0WczvCbfU2Yom5FiCZb0Ev7twEXy"
    "VRigVFgq17WzZgVdi9hlBMgnhzD6Hb9FMT/QBgDjgmbHWJ88lYLw095jx1C23i7ANl9mfwT/xAn6MW4Ep25TDpFqO4WZvFYKwQ+oZxMp9PuPDQ"
    "z2121wZu5LpLgRU473I16bpJ+ZJOWyn9Xop3XU1pa1Gd11l33KF3wBb3KoXdISsdvYnrWmUkiaE9vfwwIXoKx/oX6pNcb5ih7iJQ+iOksWBp0l"
    "YKT701uiwH3ap8Ec+Sud0noQg5BLs2Q87+oHyybjYw3mek8uGQplPPA6FUSxN4RXyEs7NUJiBdIhXOoFPrlHcfpYiLJkZaqKsSPj5EegG44EX6"
    "3L/SIA4k6XGVQciH69dI6tadT4zmp7z8AeGAoqlM5O86u4p8RZuEyTHLSFuOQxyQwkn8YkAIh3/evlWYmldym+N3EpQwy4nEGy8Ptf01A6RFNk"
    "vd0IUOIjYB532w4t8hn5wAUXYWfhCnyKqxjqGwnCqnBdAgdyg6QnQhnWJw0qlnsounV9E9VPBhHbomSfNU1fXqnzsFn3kg0nGVUpmlqomh7e86"
    "jr5Xsu3WA1YAU/XvygH/kuCVtZkv0DnGXwFELV9vfOzQacitvfuvc++QmB6ssxuw4BS7DAikiFFHlGfjcJrjpi6aEXQqrxWpyPoUaOkXBGQoG9"
    "LzI9czX0w1GrnC9EnPaUagYIUlJkczzU1X3DLLD24ZPj3w53lYUBE7vVdp3aNhdKHpzqFiZPj95IFd7Y9XbAAEKwJSnKvUQ9xGA1v1jOVXwYTK"
    "kMbCDrCiiKamhApevI4BJ10aZg9+Bt8FSkcjrYqAUdHteA7qWzpYjwz1ORxfW3NGdL9wTzL3MdBsQcksBaCbN5DiKTnYYrONdczG0BkuqQ1WiN"
    "73Xnk0i14Saa3LLf3BbyD56v7E+b4u1fz9pVXYhTlOg3xijBJXf0hdFjhAkFpxFZHqHaAeLq6kRQx48Z/QITjtSwsGPEfkft2Q+nVc3b3w4YHm"
    "xy/Vdm2+u6d0uHVhpmeLt7IN35ZlM0GFikpuEJzg2Dd3ZnB9BidELSj/cTA5tzKxUl23JqwzZ6JwhmjSySzhevNqqOpePw7DGq9/5cF6iHEme9"
    "ybcD20Dxa4Mik/SWkD8YkKeH38C7ueY+HursMc6Z1HJVflJ/IAN2psr+kwSmJQBEYrOiHbp+9VMSUwIwYJKoZIhvcNAQkVMRYEFDcC3MUSHRr3"
    "n7fvKQY17rwN9JIwMDEwITAJBgUrDgMCGgUABBSM6lEsYh6qg5/oCwH3qc/yRpHZuAQIqj/uc5obi5YCAggA"
)
"""Certificate under RC2-40, key under 3DES, as Windows made them before 2016: openssl pkcs12 -legacy -certpbe
PBE-SHA1-RC2-40.
"""

VERIFY = """
import sys, base64
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._windows import pfx
try:
    pfx.verify(base64.b64decode(sys.argv[1]), sys.argv[2], sys.argv[3])
    print("verified")
except pfx.AccessManagerError as exc:
    print(exc)
"""


@pytest.fixture(scope="module")
def other() -> TestCertificate:
    return make_certificate()


def refusal(pfx: bytes, password: str, thumbprint: str) -> str:
    with pytest.raises(AccessManagerError) as caught:
        pfx_module.verify(pfx, password, thumbprint)
    assert thumbprint in str(caught.value)
    assert not password or password not in str(caught.value)
    return str(caught.value)


def test_a_key_is_proved_and_its_certificate_returned(certificate: TestCertificate) -> None:
    der = pfx_module.verify(certificate.pfx, certificate.pfx_password, certificate.thumbprint)
    assert x509.load_der_x509_certificate(der) == certificate.certificate


def test_the_key_of_an_expired_certificate_is_proved() -> None:
    expired = make_certificate(EXPIRED)
    assert pfx_module.verify(expired.pfx, expired.pfx_password, expired.thumbprint)


def test_the_thumbprint_is_the_one_of_windows(certificate: TestCertificate) -> None:
    assert pfx_module.thumbprint_of(certificate.certificate) == certificate.thumbprint


def test_a_wrong_password_is_refused(certificate: TestCertificate) -> None:
    assert "cannot be decrypted" in refusal(certificate.pfx, "wrong password", certificate.thumbprint)


def without_legacy(pfx: bytes, password: str, thumbprint: str) -> str:
    """What the verification says where OpenSSL has no legacy provider."""
    environment = os.environ | {"CRYPTOGRAPHY_OPENSSL_NO_LEGACY": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", VERIFY, base64.b64encode(pfx).decode(), password, thumbprint]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_a_pfx_of_an_old_windows_is_proved() -> None:
    assert pfx_module.verify(OLD_PFX, OLD_PASSWORD, OLD_THUMBPRINT)


def test_the_ciphers_of_a_pfx_are_named(certificate: TestCertificate) -> None:
    modern = serialization.pkcs12.serialize_key_and_certificates(
        b"",
        certificate.private_key,
        certificate.certificate,
        None,
        serialization.BestAvailableEncryption(b"x"),
    )
    assert pfx_module.ciphers(OLD_PFX) == ["3DES", "RC2-40"]
    assert pfx_module.ciphers(modern) == ["AES"]
    assert pfx_module.ciphers(b"no PFX") == []


def test_a_pfx_of_an_old_windows_names_the_missing_provider_not_its_password() -> None:
    said = without_legacy(OLD_PFX, OLD_PASSWORD, OLD_THUMBPRINT)
    assert "legacy provider" in said
    assert "password" not in said.partition(":")[0]


def test_without_the_legacy_provider_a_pfx_of_todays_windows_is_proved(certificate: TestCertificate) -> None:
    assert without_legacy(certificate.pfx, certificate.pfx_password, certificate.thumbprint) == "verified\n"
    assert "cannot be decrypted with its password" in without_legacy(certificate.pfx, "wrong", certificate.thumbprint)


def test_where_only_fips_algorithms_are_allowed_that_is_the_cause(
    certificate: TestCertificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = tmp_path / "fips_enabled"
    flag.write_text("1\n")
    monkeypatch.setattr(pfx_module, "_FIPS_FLAG", flag)
    assert "FIPS" in refusal(certificate.pfx, "wrong password", certificate.thumbprint)
    flag.write_text("0\n")
    assert "FIPS" not in refusal(certificate.pfx, "wrong password", certificate.thumbprint)


def test_another_certificate_is_refused_and_named(certificate: TestCertificate, other: TestCertificate) -> None:
    assert certificate.thumbprint in refusal(certificate.pfx, certificate.pfx_password, other.thumbprint)


def key_bytes(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.mark.slow
def test_the_key_of_another_certificate_is_refused() -> None:
    made = make_certificate(key_size=1536)
    own = key_bytes(made.private_key)
    pfx = pkcs12.serialize_key_and_certificates(
        None, made.private_key, made.certificate, None, serialization.NoEncryption()
    )
    assert pfx_module.verify(pfx, "", made.thumbprint)
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
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), 1, now.not_valid_before_utc, now.not_valid_after_utc
    )
    elliptic = builder.sign(key, hashes.SHA256())
    pfx = pkcs12.serialize_key_and_certificates(
        None, key, elliptic, None, serialization.BestAvailableEncryption(b"correct horse")
    )
    assert "not an RSA key" in refusal(pfx, "correct horse", pfx_module.thumbprint_of(elliptic))


@pytest.mark.parametrize("bits", [1024, 1288, 1296, 2048])
def test_a_key_is_proved_however_short_it_is(certificate: TestCertificate, bits: int) -> None:
    key, like = rsa.generate_private_key(65537, bits), certificate.certificate
    builder = x509.CertificateBuilder(
        like.subject, like.subject, key.public_key(), 1, like.not_valid_before_utc, like.not_valid_after_utc
    )
    short = builder.sign(key, hashes.SHA256())
    encryption = serialization.BestAvailableEncryption(b"correct horse")
    pfx = pkcs12.serialize_key_and_certificates(None, key, short, None, encryption)
    assert pfx_module.verify(pfx, "correct horse", pfx_module.thumbprint_of(short)) == short.public_bytes(
        serialization.Encoding.DER
    )


@pytest.mark.parametrize("garbage", [b"", b"PFX", b"0" * 2000])
def test_garbage_is_refused(certificate: TestCertificate, garbage: bytes) -> None:
    assert "cannot be decrypted" in refusal(garbage, "correct horse", certificate.thumbprint)


@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_a_damaged_pfx_is_never_a_traceback(certificate: TestCertificate, place: float, change: int) -> None:
    pfx = bytearray(certificate.pfx)
    pfx[int(place * len(pfx))] ^= change
    try:
        der = pfx_module.verify(bytes(pfx), certificate.pfx_password, certificate.thumbprint)
    except AccessManagerError:
        return
    assert x509.load_der_x509_certificate(der) == certificate.certificate
