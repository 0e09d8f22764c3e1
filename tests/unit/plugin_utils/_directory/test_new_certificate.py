# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New certificates, as Access Manager makes its own, and their backups."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from pathlib import Path

import pyrage
import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.decryption import Decryptor
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.identities import Identities
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory import (
    certificate_backup,
    encryption_certificate,
    new_certificate,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.new_certificate import (
    EncryptionCertificate,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.key_index import KeyIndex
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._windows import pfx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from unit.actions import run
from unit.backups import publish
from unit.encrypted_backups import encrypt_to

pytest.importorskip("pyasn1_modules", reason="python-ldap, which brings it, is not installed")

NOW = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC)
FOREST = "forest.example"


@pytest.fixture(scope="module")
def made() -> EncryptionCertificate:
    return new_certificate.make(FOREST, NOW)


def test_it_is_like_access_managers_own(made: EncryptionCertificate) -> None:
    certificate = x509.load_der_x509_certificate(made.der)
    assert certificate.subject.rfc4514_string() == f"CN={FOREST},OU=Access Manager,O=Lithnet"
    assert certificate.issuer == certificate.subject
    assert isinstance(key := certificate.public_key(), rsa.RSAPublicKey)
    assert key.key_size == 4096
    assert (certificate.not_valid_before_utc, certificate.not_valid_after_utc) == (NOW, NOW.replace(year=2044))
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert usages.critical
    assert [usage.dotted_string for usage in usages.value] == ["1.3.6.1.4.1.55989.2.1.1"]
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_encipherment
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA384)
    assert isinstance(certificate.signature_algorithm_parameters, padding.PSS)
    certificate.verify_directly_issued_by(certificate)


def test_its_pfx_opens_and_names_the_provider_of_windows(made: EncryptionCertificate) -> None:
    assert pfx.verify(made.pfx, made.password, made.thumbprint) == made.der
    with pytest.raises(AccessManagerError, match="cannot be decrypted"):
        pfx.verify(made.pfx, f"{made.password}x", made.thumbprint)
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    command = ["openssl", "pkcs12", "-info", "-nokeys", "-legacy", "-passin", f"pass:{made.password}"]
    reported = subprocess.run(command, input=made.pfx, capture_output=True, check=True)
    shown = (reported.stdout + reported.stderr).decode()
    assert "MAC: sha1" in shown
    command[3] = "-nocerts"
    reported = subprocess.run([*command, "-nodes"], input=made.pfx, capture_output=True, check=True)
    assert "Microsoft CSP Name: Microsoft Software Key Storage Provider" in reported.stdout.decode()


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        (NOW, None),
        (NOW - datetime.timedelta(seconds=1), "valid from"),
        (NOW.replace(year=2045, day=28), "valid from"),
    ],
)
def test_what_agents_could_not_use_is_said(
    made: EncryptionCertificate, moment: datetime.datetime, reason: str | None
) -> None:
    problem = encryption_certificate.problem(made.der, moment)
    assert problem is None if reason is None else reason in str(problem)


def own_certificate(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, *usages: str) -> bytes:
    """A certificate of another issuer, for a server, with these usages."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hsm.forest.example")])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW.replace(year=2044))
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(map(x509.ObjectIdentifier, usages))), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_a_certificate_of_ones_own_can_be_used_and_the_difference_is_said(made: EncryptionCertificate) -> None:
    own = own_certificate(rsa.generate_private_key(65537, 2048))
    assert encryption_certificate.problem(own, NOW) is None
    assert "not of the forest forest.example" in str(encryption_certificate.difference(own, FOREST))
    assert "(extended key usage)" in str(encryption_certificate.difference(own, "hsm.forest.example"))
    assert "not of the forest other.example" in str(encryption_certificate.difference(made.der, "other.example"))
    assert encryption_certificate.difference(made.der, FOREST.upper()) is None


def test_a_certificate_to_which_agents_cannot_encrypt_is_refused() -> None:
    own = own_certificate(ec.generate_private_key(ec.SECP256R1()))
    assert "no RSA key" in str(encryption_certificate.problem(own, NOW))


@pytest.mark.slow
def test_a_backup_of_it_is_whole_opens_and_verifies(
    made: EncryptionCertificate, root: Path, identity: pyrage.x25519.Identity, recipient: str, tmp_path: Path
) -> None:
    store = BackupStore(str(root), FOREST)
    place, _mark = certificate_backup.commit(
        store, encrypt_to(recipient), made, ["A1" * 20], datetime.datetime.now(datetime.UTC)
    )
    assert made.password.encode() not in b"".join(file.read_bytes() for file in root.rglob("*") if file.is_file())
    key = tmp_path / "key.txt"
    key.write_text(str(identity))
    assert certificate_backup.decrypted(place, Decryptor(Identities((identity,))), made.thumbprint).pfx == made.pfx
    verified = run("backup_verify", backup_root=str(root), identity_file=str(key), check_age=0.0001)
    assert verified.get("failed", False) is False, verified
    assert [one["verified"] for one in verified["backups"]] == ["full"]
    found = KeyIndex(str(root)).find(made.thumbprint)
    assert found and found.label == place.label


def test_its_key_counts_as_backed_up_while_the_file_is_whole(made: EncryptionCertificate, root: Path) -> None:
    place, _mark = certificate_backup.commit(BackupStore(str(root), FOREST), encrypt_to(), made, [], NOW)
    with pytest.raises(AccessManagerError, match=f"is not lost: the backup {place.label}"):
        KeyIndex(str(root)).refuse_held([made.thumbprint], keys_lost=False)
    (place.store.folder / place.id / "certificates.zip").write_bytes(b"damaged")
    assert KeyIndex(str(root)).find(made.thumbprint) is None


def test_it_never_stands_among_the_backups_of_a_server(made: EncryptionCertificate, root: Path) -> None:
    store = BackupStore(str(root), "ams1")
    publish(store)
    with pytest.raises(AccessManagerError, match="holds backups of a server"):
        certificate_backup.commit(store, encrypt_to(), made, [], NOW)
    assert len(store.ids()) == 1


def test_nothing_but_certificates_can_be_restored_or_compared(made: EncryptionCertificate, root: Path) -> None:
    place, _mark = certificate_backup.commit(BackupStore(str(root), FOREST), encrypt_to(), made, [], NOW)
    compared = run("backup_diff", backup_root=str(root), host=FOREST, before=place.id, after=place.id)
    assert "holds certificates alone" in compared["msg"]
