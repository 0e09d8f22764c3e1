# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verification: whole backups are verified, and whatever was done to one is found and named."""

from __future__ import annotations

import datetime
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.decryption import Decryptor
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._maintenance import host_verdict, verification
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import manifest as manifest_module
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.inventory import digest_of
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._windows import pfx as pfx_module
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support.backups import KeyPair, age_key, ssh_key
from support.certificates import EXPIRED, TestCertificate, make_certificate, pfx_bytes
from unit.actions import run
from unit.encrypted_backups import certificates_zip, encrypt_to, make, reported_secret
from unit.opened_backups import config_zip, files, lists, protected, settings, state, zipped

IDS = ("20261120T020000Z", "20261121T020000Z", "20261122T020000Z", "20261123T020000Z")
NOW = datetime.datetime(2026, 11, 23, 14, tzinfo=datetime.UTC)
ARTIFACTS = ("config.zip.age", "certificates.zip.age", "secrets.json.age")


@pytest.fixture(scope="module")
def expired() -> TestCertificate:
    return make_certificate(EXPIRED)


@pytest.fixture
def decryptor(owner: KeyPair, tmp_path: Path) -> Decryptor:
    (tmp_path / "key.txt").write_text(owner.private)
    return Decryptor.of({"identity_file": str(tmp_path / "key.txt")})


@pytest.fixture
def four(store: BackupStore, owner: KeyPair, certificate: TestCertificate) -> BackupStore:
    """A store with four backups of different contents."""
    for number, backup_id in enumerate(IDS):
        content = files() | {"config/scripts/rule.ps1": f"exit {number}".encode()}
        make(store, backup_id, encrypt_to(owner.public), content=content, certificates=[certificate])
    return store


def verified(store: BackupStore, decryptor: Decryptor | None = None) -> list[dict[str, Any]]:
    """What a verification says of the backups of a host, oldest first."""
    backups = verification.read(store)
    verification.verify(backups, decryptor or Decryptor())
    return [verification.result_of_backup(backup) for backup in backups]


def problems(store: BackupStore, decryptor: Decryptor | None = None) -> dict[str, list[str]]:
    """The problems of a store's backups, by id, of those that have some."""
    return {one["id"]: one["problems"] for one in verified(store, decryptor) if one["problems"]}


def edit(store: BackupStore, backup_id: str, *, sum_up: bool = True, **changes: Any) -> None:
    """Changes a manifest as a forger does, who corrects its checksum."""
    path = store.folder / backup_id / "manifest.json"
    manifest = json.loads(path.read_bytes()) | changes
    if sum_up:
        manifest["checksum"] = manifest_module.checksum_of(manifest)
    path.write_bytes(manifest_module.to_bytes(manifest))


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1
    path.write_bytes(data)


# ---- whole backups ----


def test_whole_backups_have_no_problem_and_are_verified_with_a_key(four: BackupStore, decryptor: Decryptor) -> None:
    without, with_key = verified(four), verified(four, decryptor)
    assert [one["verified"] for one in without] == ["integrity"] * 4
    assert [one["verified"] for one in with_key] == ["full"] * 4
    assert not any(one["problems"] for one in without + with_key)


def test_a_backup_is_reported_as_the_report_needs_it(
    store: BackupStore, owner: KeyPair, certificate: TestCertificate
) -> None:
    make(store, IDS[0], encrypt_to(owner.public), certificates=[certificate], problems=["One file is missing."])
    (reported,) = verified(store)
    sizes = [(store.folder / IDS[0] / name).stat().st_size for name in ARTIFACTS]
    assert reported == {
        "host": "ams1",
        "id": IDS[0],
        "path": str(store.folder / IDS[0]),
        "created": "2026-11-20T02:00:00Z",
        "status": "incomplete",
        "verified": "integrity",
        "signer": None,
        "problems": [],
        "backup_problems": ["One file is missing."],
        "size": sum(sizes),
        "files": 4,
        "bytes": sum(map(len, files().values())),
        "stopped": False,
        "downtime_ms": 0,
        "access_manager_version": "1.0.8152.0",
        "recipients": [owner.public],
        "encryption": "recipients",
        "certificates": store.manifest(IDS[0])["certificates"],
        "secrets": store.manifest(IDS[0])["secrets"],
        "tls_certificates": [],
        "health_warnings": [],
    }


@pytest.mark.slow
def test_a_passphrase_verifies_and_a_clear_backup_needs_nothing_unless_there_is_a_key(
    store: BackupStore, certificate: TestCertificate, expired: TestCertificate
) -> None:
    make(store, IDS[0], encrypt_to(passphrase="correct horse"), certificates=[certificate, expired])
    make(store, IDS[1], encrypt_to(), certificates=[certificate], without_key=[expired])
    assert [one["verified"] for one in verified(store)] == ["integrity", "full"]
    assert [one["verified"] for one in verified(store, Decryptor(passphrase="correct horse"))] == ["full", "none"]
    in_clear = Decryptor(passphrase="correct horse", accepts_clear=True)
    assert [one["verified"] for one in verified(store, in_clear)] == ["full", "full"]


def test_several_recipients_of_all_kinds_are_compared_with_the_header(store: BackupStore, owner: KeyPair) -> None:
    one, two = ssh_key(), ssh_key()
    make(store, IDS[0], encrypt_to(owner.public, one.public, age_key().public, two.public))
    assert problems(store) == {}


def test_the_wrong_key_verifies_nothing_and_says_so(four: BackupStore, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text(age_key().private)
    reported = verified(four, Decryptor.of({"identity_file": str(tmp_path / "other.txt")}))
    assert [one["verified"] for one in reported] == ["none"] * 4
    assert all("cannot be decrypted with the keys in" in problem for one in reported for problem in one["problems"])


# ---- tampering: each thing is found and named ----


@pytest.mark.slow
@pytest.mark.parametrize("name", ARTIFACTS)
@pytest.mark.parametrize("place", [0, 100, -1])
def test_one_flipped_bit_is_found(four: BackupStore, decryptor: Decryptor, name: str, place: int) -> None:
    flip(four.folder / IDS[1] / name, place)
    for found in (problems(four), problems(four, decryptor)):
        assert list(found) == [IDS[1]]
        assert f"{IDS[1]}/{name}' is not what was written: its SHA-256 is another" in found[IDS[1]][0]
    assert verified(four)[1]["verified"] == "none"


@pytest.mark.parametrize("name", ARTIFACTS)
def test_a_truncated_artifact_is_found(four: BackupStore, name: str) -> None:
    path = four.folder / IDS[1] / name
    path.write_bytes(path.read_bytes()[:-1])
    size = path.stat().st_size
    assert f"{name}' is not what was written: it has {size} bytes instead of {size + 1}" in problems(four)[IDS[1]][0]


@pytest.mark.parametrize("name", ARTIFACTS)
def test_a_missing_artifact_is_found(four: BackupStore, name: str) -> None:
    (four.folder / IDS[1] / name).unlink()
    (found,) = problems(four)[IDS[1]]
    assert f"{name}' cannot be read: No such file" in found


@pytest.mark.parametrize("name", ARTIFACTS)
def test_artifacts_swapped_between_backups_are_found_in_both(four: BackupStore, name: str) -> None:
    one, two = (four.folder / backup_id / name for backup_id in IDS[1:3])
    one.rename(four.folder / "kept")
    two.rename(one)
    (four.folder / "kept").rename(two)
    found = problems(four)
    assert sorted(found) == list(IDS[1:3])
    assert all(name in sentences[0] for sentences in found.values())


def test_backups_swapped_whole_are_found(four: BackupStore) -> None:
    (four.folder / IDS[1]).rename(four.folder / "kept")
    (four.folder / IDS[2]).rename(four.folder / IDS[1])
    (four.folder / "kept").rename(four.folder / IDS[2])
    found = problems(four)
    assert f"is the manifest of another backup: {IDS[2]} of ams1" in found[IDS[1]][0]
    assert f"is the manifest of another backup: {IDS[1]} of ams1" in found[IDS[2]][0]


def test_a_backup_of_another_host_is_found(four: BackupStore, root: Path) -> None:
    shutil.copytree(four.folder / IDS[0], root / "ams2" / IDS[0])
    (sentences,) = problems(BackupStore(str(root), "ams2")).values()
    assert f"another backup: {IDS[0]} of ams1" in sentences[0]


@pytest.mark.slow
@pytest.mark.parametrize("place", range(0, 2600, 97))
def test_one_flipped_bit_of_a_manifest_is_found(four: BackupStore, place: int) -> None:
    path = four.folder / IDS[3] / "manifest.json"  # no later one vouches for it
    before = json.loads(path.read_bytes())
    flip(path, place)
    try:
        changed = json.loads(path.read_bytes()) != before
    except ValueError:
        changed = True
    if changed:
        assert list(problems(four)) == [IDS[3]]


@pytest.mark.parametrize(
    "changes",
    [
        {"access_manager_version": "1.0.0.0"},
        {"created": "2026-11-23T02:00:01Z"},
        {"certificates": []},
        {"stopped": True},
        {"inventory": {}},
        {"problems": ["One."]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_edited_manifest_is_found_and_named(four: BackupStore, changes: dict[str, Any]) -> None:
    edit(four, IDS[1], sum_up=False, **changes)
    found = problems(four)
    assert list(found) == [IDS[1]]
    assert "manifest.json' is not as it was written: its checksum is another" in " ".join(found[IDS[1]])


def test_a_manifest_without_its_checksum_is_found(four: BackupStore) -> None:
    path = four.folder / IDS[3] / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"checksum"', b'"checksul"'))
    assert "'checksum' is missing" in problems(four)[IDS[3]][0]


def test_a_forged_manifest_is_found_by_the_one_after_it(four: BackupStore) -> None:
    edit(four, IDS[1], created="2026-11-21T03:00:00Z")
    assert problems(four) == {
        IDS[1]: [f"The manifest of {IDS[1]} was changed: it is not the one after which {IDS[2]} was made."]
    }


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"recipients": ["age1other"]}, "its recipients are not those of its artifacts"),
        ({"recipients": []}, "its recipients are not those of its artifacts"),
        ({"created": "2026-11-25T02:00:00Z"}, "its time created does not fit its id"),
        ({"created": "2026-11-21T02:00:00Z"}, "its time created does not fit its id"),
        ({"created": "2026-99-99T99:99:99Z"}, "'created' is a text, '2026-99-99T99:99:99Z', and must be a time in UTC"),
    ],
)
def test_a_forged_manifest_that_contradicts_itself_is_found(
    four: BackupStore, changes: dict[str, Any], sentence: str
) -> None:
    edit(four, IDS[3], **changes)
    (found,) = problems(four)[IDS[3]]
    assert sentence in found


def test_a_backup_that_took_hours_fits_its_id(four: BackupStore) -> None:
    edit(four, IDS[3], created="2026-11-23T22:00:00Z")
    assert problems(four) == {}


def forged_certificate(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda manifest: {"certificates": [manifest["certificates"][0] | changes]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (forged_certificate(subject="CN=other.example"), "has another subject of certificate"),
        (forged_certificate(subject="CN=forest.example, O=other"), "has another subject of certificate"),
        (forged_certificate(subject="forest.example"), "has another subject of certificate"),
        (forged_certificate(not_before="2001-01-01T00:00:00.0000000Z"), "has another not_before of certificate"),
        (forged_certificate(not_after="2099-01-01T00:00:00.0000000Z"), "has another not_after of certificate"),
        (
            lambda manifest: {"secrets": [one | {"mode": 3} for one in manifest["secrets"]]},
            "has another mode of Email.Password than secrets.json",
        ),
        ({"files": 3}, "says that config.zip holds 3 files; it holds 4"),
        ({"bytes": 1}, "says that config.zip holds 1 bytes"),
        ({"access_manager_version": "1.0.0.0"}, "is of Access Manager 1.0.0.0; config.zip is of 1.0.8152.0"),
        ({"certificates": []}, "which the manifest does not name"),
        (forged_certificate(exported=False), "is in certificates.zip, though the manifest denies it"),
        ({"secrets": []}, "holds a secret Authentication.Oidc.Secret, which the manifest does not name"),
        ({"secrets": [reported_secret("Email.Other")]}, "holds no value of Email.Other"),
    ],
)
def test_a_forged_newest_manifest_is_found_with_a_key(
    four: BackupStore, decryptor: Decryptor, changes: Any, sentence: str
) -> None:
    edit(four, IDS[3], **(changes(four.manifest(IDS[3])) if callable(changes) else changes))
    assert problems(four) == {}  # nothing vouches for it but its contents
    assert sentence in " ".join(problems(four, decryptor)[IDS[3]])


def test_a_forged_inventory_is_found_with_a_key(four: BackupStore, decryptor: Decryptor) -> None:
    inventory = four.manifest(IDS[3])["inventory"] | {"config/apphost.json": "00" * 32}
    edit(four, IDS[3], inventory=inventory)
    assert "content_digest is not of its inventory" in problems(four)[IDS[3]][0]
    edit(four, IDS[3], content_digest=digest_of(inventory))
    assert problems(four) == {}
    assert "of something else than config.zip holds: config/apphost.json" in problems(four, decryptor)[IDS[3]][0]


def test_a_backup_deleted_from_the_middle_is_found_and_named(four: BackupStore) -> None:
    shutil.rmtree(four.folder / IDS[1])
    assert problems(four) == {
        IDS[2]: [
            f"The backup {IDS[1]}, which came before {IDS[2]}, is missing, and was not removed by backup_prune. "
            "Whether others right before it are missing too is not known. "
            "If it was deleted on purpose, name it once in forget of backup_prune (prune_forget of the playbook). If "
            "this is a copy, see that '.pruned.jsonl', the record of what was pruned, was copied too."
        ]
    }
    assert [one["verified"] for one in verified(four)] == ["integrity", "none", "integrity"]


def test_two_deleted_from_the_middle_are_found(four: BackupStore) -> None:
    for backup_id in IDS[1:3]:
        shutil.rmtree(four.folder / backup_id)
    assert f"The backup {IDS[2]}, which came before {IDS[3]}, is missing" in problems(four)[IDS[3]][0]


def test_the_oldest_deleted_is_found(four: BackupStore) -> None:
    shutil.rmtree(four.folder / IDS[0])
    assert f"The backup {IDS[0]}" in problems(four)[IDS[1]][0]


@pytest.mark.parametrize("key", ["previous_id", "previous", "checksum"])
def test_a_manifest_without_a_key_of_the_chain_is_found(four: BackupStore, key: str) -> None:
    path = four.folder / IDS[0] / "manifest.json"
    manifest = json.loads(path.read_bytes())
    del manifest[key]
    path.write_bytes(manifest_module.to_bytes(manifest))
    assert f"is not a manifest of format 1: '{key}' is missing" in problems(four)[IDS[0]][0]


def test_a_first_backup_that_is_not_the_oldest_is_found(four: BackupStore) -> None:
    edit(four, IDS[3], previous=None)
    assert f"says that it is the first of its host, but {IDS[0]} is older" in problems(four)[IDS[3]][0]


def test_a_clock_that_was_ahead_at_the_first_backup_breaks_no_chain(store: BackupStore, owner: KeyPair) -> None:
    first, *later = "20261125T020000Z", "20261120T020000Z", "20261121T020000Z", "20261126T020000Z"
    for backup_id in (first, *later):
        make(store, backup_id, encrypt_to(owner.public))
    assert problems(store) == {}
    edit(store, later[0], previous=None)
    assert (
        f"The backup {first} says that it is the first of its host, but {later[0]} is older." in problems(store)[first]
    )


@pytest.mark.parametrize("recipients", [0, 2], ids=["fewer", "more"])
def test_another_number_of_recipients_in_the_header_is_found(
    store: BackupStore, owner: KeyPair, recipients: int
) -> None:
    make(store, IDS[0], encrypt_to(owner.public, age_key().public))
    manifest = store.manifest(IDS[0])
    named = [owner.public] if recipients == 0 else [owner.public, age_key().public, age_key().public]
    artifacts = [artifact | {"recipients": named} for artifact in manifest["artifacts"]]
    edit(store, IDS[0], artifacts=artifacts, recipients=named)
    found = problems(store)[IDS[0]]
    assert len(found) == 3
    assert f"is encrypted to 2 age key(s); its manifest names {len(named)}" in found[0]


def test_another_ssh_key_in_the_header_is_found(store: BackupStore) -> None:
    one, other = ssh_key(), ssh_key()
    make(store, IDS[0], encrypt_to(one.public))
    artifacts = [artifact | {"recipients": [other.public]} for artifact in store.manifest(IDS[0])["artifacts"]]
    edit(store, IDS[0], artifacts=artifacts, recipients=[other.public])
    found = " ".join(problems(store)[IDS[0]])
    assert "is encrypted to 1 key(s) ssh-ed25519 with the tag" in found
    assert "is encrypted to no key(s) ssh-ed25519 with the tag" in found


@pytest.mark.slow
def test_a_passphrase_where_keys_are_named_is_found(store: BackupStore, owner: KeyPair) -> None:
    make(store, IDS[0], encrypt_to(passphrase="correct horse"))
    artifacts = [
        artifact | {"encryption": "recipients", "recipients": [owner.public]}
        for artifact in store.manifest(IDS[0])["artifacts"]
    ]
    edit(store, IDS[0], artifacts=artifacts, recipients=[owner.public])
    found = " ".join(problems(store)[IDS[0]])
    assert "is encrypted to 1 passphrase(s); its manifest names none" in found
    assert "is encrypted to no age key(s); its manifest names 1" in found


def test_what_somebody_put_into_a_backup_is_found(four: BackupStore) -> None:
    (four.folder / IDS[1] / "config.zip").write_bytes(config_zip())
    assert "config.zip' is not part of the backup" in problems(four)[IDS[1]][0]


# ---- contents that fail: found with a key ----


def broken_key(one: TestCertificate, other: TestCertificate) -> bytes:
    """A certificates.zip whose PFX holds the certificate with the key of another."""
    pfx = pfx_bytes(one.certificate, one.private_key, one.pfx_password)
    assert pfx
    entries = {f"{one.thumbprint}.cer": b"", f"{one.thumbprint}.pfx": other.pfx}
    return zipped(entries | {"passwords.json": json.dumps({one.thumbprint: other.pfx_password}).encode()})


Parts = Callable[[TestCertificate, TestCertificate], dict[str, bytes]]
CONTENTS: dict[str, tuple[Parts, str]] = {
    "file": (
        lambda one, two: {
            "config.zip": config_zip(files() | {"config/scripts/rule.ps1": b"exit 2"}, listed=lists(files()))
        },
        "'config/scripts/rule.ps1' in config.zip is not as it was backed up",
    ),
    "missing file": (
        lambda one, two: {"config.zip": config_zip(files(config__scripts__rule_dot_ps1=None), listed=lists(files()))},
        "'config/scripts/rule.ps1' in config.zip is not as it was backed up",
    ),
    "json": (
        lambda one, two: {"config.zip": config_zip(files() | {"config/apphost.json": b"{"})},
        "apphost.json in the backup is not JSON",
    ),
    "no zip": (lambda one, two: {"config.zip": b"PK"}, "config.zip is not a zip archive"),
    "state": (
        lambda one, two: {"config.zip": config_zip(described=state() | {"state": {}})},
        "'state/installation.json' in config.zip is not as a backup has it: 'state.registry' is missing",
    ),
    "other key": (lambda one, two: {"certificates.zip": broken_key(one, two)}, "holds another one"),
    "password": (
        lambda one, two: {
            "certificates.zip": zipped(
                {f"{one.thumbprint}.cer": b"", f"{one.thumbprint}.pfx": one.pfx, "passwords.json": b'{"x": "y"}'}
            )
        },
        "cannot be decrypted with its password",
    ),
    "no key": (
        lambda one, two: {"certificates.zip": certificates_zip([], [one])},
        "is not in certificates.zip, though the manifest says so",
    ),
    "other certificate": (
        lambda one, two: {"certificates.zip": certificates_zip([one, two])},
        "which the manifest does not name",
    ),
    "secret": (
        lambda one, two: {"secrets.json": b"{}"},
        "holds no value of Email.Password, though the manifest says so",
    ),
    "secrets": (lambda one, two: {"secrets.json": b"["}, "secrets.json is not JSON"),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_contents_that_do_not_hold_are_found_with_a_key(
    store: BackupStore,
    owner: KeyPair,
    decryptor: Decryptor,
    certificate: TestCertificate,
    expired: TestCertificate,
    kind: str,
) -> None:
    parts, sentence = CONTENTS[kind]
    make(store, IDS[0], encrypt_to(owner.public), certificates=[certificate], parts=parts(certificate, expired))
    assert problems(store) == {}
    (reported,) = verified(store, decryptor)
    assert reported["verified"] == "none"
    assert sentence in " ".join(reported["problems"])
    assert certificate.pfx_password not in json.dumps(reported)


def test_an_incomplete_backup_is_not_passed_off_as_complete(
    store: BackupStore, owner: KeyPair, decryptor: Decryptor
) -> None:
    records = {"Email.Password": {"mode": 3, "error": "x"}, "Authentication.Oidc.Secret": {"mode": 1, "value": "x"}}
    make(
        store, IDS[0], encrypt_to(owner.public), problems=["One."], parts={"secrets.json": json.dumps(records).encode()}
    )
    reported = [
        reported_secret(path, int(record["mode"]), exported="value" in record) for path, record in records.items()
    ]
    edit(store, IDS[0], secrets=reported)
    assert problems(store, decryptor) == {}
    edit(store, IDS[0], status="complete", problems=[])
    assert (
        "no value of Email.Password, though the manifest says that the backup is complete"
        in problems(store, decryptor)[IDS[0]][0]
    )
    edit(store, IDS[0], secrets=[reported[0] | {"needed": False}, reported[1]])
    assert problems(store, decryptor) == {}
    edit(store, IDS[0], secrets=reported[1:])
    assert "holds a secret Email.Password, which the manifest does not name" in " ".join(
        problems(store, decryptor)[IDS[0]]
    )


NAMES = (
    x509.Name(
        [x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"), x509.NameAttribute(NameOID.COMMON_NAME, "forest.example")]
    ),
    x509.Name([]),
    x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, 'Doe, "John" + Sons'),
            x509.NameAttribute(NameOID.COMMON_NAME, "x"),
        ]
    ),
    x509.Name(
        [
            x509.RelativeDistinguishedName(
                [x509.NameAttribute(NameOID.COMMON_NAME, "x"), x509.NameAttribute(NameOID.SERIAL_NUMBER, "7")]
            ),
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.DOMAIN_COMPONENT, " example ")]),
        ]
    ),
)
WRITTEN = ("CN=forest.example, C=DE", "", 'CN=x, O="Doe, ""John"" + Sons"', 'DC=" example ", CN=x + SERIALNUMBER=7')


@pytest.mark.parametrize(("name", "written"), list(zip(NAMES, WRITTEN, strict=True)))
def test_a_subject_as_windows_writes_it_is_that_of_its_certificate(name: x509.Name, written: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), 7, datetime.datetime(2026, 1, 1), datetime.datetime(2046, 1, 1)
    )
    der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    reported = {
        "thumbprint": "x",
        "not_before": "2026-01-01T00:00:00.0000000Z",
        "not_after": "2046-01-01T00:00:00.0000000Z",
    }
    assert list(pfx_module.differences(der, reported | {"subject": written})) == []
    for other in {"CN=other", *WRITTEN} - {written}:
        assert list(pfx_module.differences(der, reported | {"subject": other})) == ["subject"]


def test_a_certificate_under_another_name_is_found(
    store: BackupStore, owner: KeyPair, decryptor: Decryptor, certificate: TestCertificate, expired: TestCertificate
) -> None:
    entries = {f"{certificate.thumbprint}.cer": b"x", "passwords.json": b"{}"}
    make(
        store, IDS[0], encrypt_to(owner.public), without_key=[certificate], parts={"certificates.zip": zipped(entries)}
    )
    assert "is another certificate than its name says" in problems(store, decryptor)[IDS[0]][0]


def test_a_secret_of_the_configuration_that_was_not_exported_is_found(
    store: BackupStore, owner: KeyPair, decryptor: Decryptor
) -> None:
    content = files() | {"config/appsettings.json": json.dumps(settings(password=protected("bmV3"))).encode()}
    make(store, IDS[0], encrypt_to(owner.public), content=content, secrets={"authentication.oidc.secret": "x"})
    assert problems(store, decryptor) == {
        IDS[0]: ["appsettings.json has a secret Email.Password, of which the backup knows nothing."]
    }


# ---- hosts and their age ----


def of_host(store: BackupStore, check_age: float | None = None) -> dict[str, Any]:
    return host_verdict.result_of_host(verification.read_host(store, NOW), host_verdict.Limits(check_age))


def test_the_newest_complete_backup_is_reported_with_its_age(four: BackupStore, owner: KeyPair) -> None:
    make(four, "20261123T120000Z", encrypt_to(owner.public), problems=["One."])
    assert of_host(four) == {
        "host": "ams1",
        "counts": {"complete": 4, "incomplete": 1, "damaged": 0},
        "newest": "20261123T120000Z",
        "newest_complete": IDS[3],
        "newest_complete_created": "2026-11-23T02:00:00Z",
        "age_hours": 12.0,
        "last_success": "2026-11-23T02:00:00Z",
        "last_success_age_hours": 12.0,
        "last_run": None,
        "last_drill": None,
        "last_drill_success": None,
        "last_drill_success_seconds": None,
        "last_drill_success_age_days": None,
        "copies": [],
        "attachments": [],
        "problems": [],
    }
    assert of_host(four, 12)["problems"] == []
    assert of_host(four, 11.5)["problems"] == [
        "The last successful backup run of ams1 was 12.0 hours ago; 11.5 are allowed."
    ]


def test_a_host_without_a_backup_or_a_complete_one_is_a_problem(store: BackupStore, owner: KeyPair) -> None:
    assert "There is no backup of ams1" in of_host(store)["problems"][0]
    make(store, IDS[0], encrypt_to(owner.public), problems=["One."])
    assert "There is no complete backup of ams1" in of_host(store)["problems"][0]


def test_a_root_without_any_host_is_refused(root: Path) -> None:
    for options in ({}, {"check_age": 26}, {"fail_on_problems": False}):
        result = run("backup_verify", backup_root=str(root), **options)
        assert result["failed"]
        assert f"There is no backup of any host in '{root}', so nothing was verified" in result["msg"]
    (root / "lost+found").mkdir()
    assert run("backup_verify", backup_root=str(root))["failed"]
    result = run("backup_verify", backup_root=str(root), hosts=["ams1"], fail_on_problems=False)
    assert "There is no backup of ams1" in result["msg"]


def test_a_small_result_has_no_details_and_the_report_has_them(four: BackupStore, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    options = {"backup_root": str(four.root), "report": {"json": str(path)}}
    result = run("backup_verify", details=False, **options)
    assert not {"backups", "hosts"} & result.keys()
    assert (result["changed"], result["report"]["written"]) == (True, ["json"])
    assert result["report"]["summary"]["hosts"]["ok"] == 1
    (host,) = json.loads(path.read_text())["hosts"]
    assert [backup["verified"] for backup in host["backups"]] == ["integrity"] * 4
    assert len(run("backup_verify", **options)["backups"]) == 4


def test_a_report_that_cannot_be_written_fails_the_module_with_its_results(four: BackupStore, tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "report.json"
    result = run("backup_verify", backup_root=str(four.root), report={"json": str(path)}, fail_on_problems=False)
    assert result["failed"]
    assert f"'{path}' cannot be written: there is no folder" in result["msg"]
    assert len(result["backups"]) == 4
    unnamed = run("backup_verify", backup_root=str(four.root), report={"title": "No file"})
    assert "No file is named" in unnamed["msg"]
    none = run("backup_verify", backup_root=str(four.root), report={"json": "", "html": ""}, fail_on_problems=False)
    assert (none.get("failed", False), none["changed"], none["report"]["written"]) == (False, False, [])
    page = tmp_path / "a.html"
    assert run("backup_verify", check=True, backup_root=str(four.root), report={"html": str(page)})["changed"]
    assert not page.exists()


@pytest.mark.parametrize("name", ["Thumbs.db", "@eaDir", ".DS_Store"])
def test_what_a_file_server_leaves_in_a_backup_is_a_warning_and_hinders_nothing(
    store: BackupStore, owner: KeyPair, root: Path, name: str
) -> None:
    make(store, "20260101T000000Z", encrypt_to(owner.public))
    (store.folder / "20260101T000000Z" / name).mkdir()
    result = run("backup_verify", backup_root=str(root))
    [backup] = result["backups"]
    assert (backup["verified"], backup["problems"]) == ("integrity", [])
    assert any(f"holds {name}, which a file server" in warning for warning in result["warnings"])
    (store.folder / "20260101T000000Z" / "config.zip").touch()
    assert run("backup_verify", backup_root=str(root))["failed"]


def test_a_backup_in_the_future_is_passed_over_with_a_warning(four: BackupStore, owner: KeyPair) -> None:
    make(four, "20300101T000000Z", encrypt_to(owner.public))
    found = of_host(four, 13)
    assert (found["newest_complete"], found["age_hours"], found["problems"]) == (IDS[3], 12.0, [])
    (warning,) = host_verdict.warnings_of_host(verification.read_host(four, NOW))
    assert "The backup 20300101T000000Z of ams1 is dated in the future" in warning


def test_a_host_whose_only_backup_is_in_the_future_has_no_complete_one(store: BackupStore, owner: KeyPair) -> None:
    make(store, "20300101T000000Z", encrypt_to(owner.public))
    assert "There is no complete backup of ams1" in of_host(store)["problems"][0]


def latest_ids(store: BackupStore) -> list[str]:
    return [backup.id for backup in verification.latest(verification.read_host(store, NOW))]


def test_latest_is_the_newest_complete_one_and_what_is_newer(four: BackupStore, owner: KeyPair) -> None:
    make(four, "20261123T120000Z", encrypt_to(owner.public), problems=["One."])
    assert latest_ids(four) == [IDS[3], "20261123T120000Z"]
    (four.folder / IDS[3] / "manifest.json").write_text("{")
    assert latest_ids(four) == [IDS[2], IDS[3], "20261123T120000Z"]


def test_an_age_that_is_no_number_of_hours_is_refused(root: Path) -> None:
    for age in (0, "nan"):
        refused = run("backup_verify", backup_root=str(root), check_age=age)
        assert f"check_age is {age}: it must be a number of hours above zero" in refused["msg"]
    assert "cannot be negative" in run("backup_verify", backup_root=str(root), check_age=-1)["msg"]


# ---- a folder that an attacker prepared ----


def test_a_link_in_place_of_a_backup_is_not_followed(four: BackupStore, tmp_path: Path) -> None:
    (four.folder / IDS[3]).rename(tmp_path / IDS[3])
    (four.folder / IDS[3]).symlink_to(tmp_path / IDS[3])
    assert "is a link, which is not followed" in problems(four)[IDS[3]][0]


@pytest.mark.parametrize("name", ["manifest.json", "config.zip.age"])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file_is_neither_followed_nor_waited_for(
    four: BackupStore, tmp_path: Path, name: str, kind: str
) -> None:
    path = four.folder / IDS[3] / name
    path.rename(tmp_path / name)
    if kind == "link":
        path.symlink_to(tmp_path / name)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    (sentences,) = problems(four).values()
    assert f"{name}' cannot be read: it is " in sentences[0]


def test_a_link_in_place_of_a_host_is_reported_and_hides_no_other_host(
    four: BackupStore, root: Path, tmp_path: Path
) -> None:
    shutil.copytree(four.folder, tmp_path / "elsewhere")
    (root / "ams0").symlink_to(tmp_path / "elsewhere")
    (root / "ams2").symlink_to(tmp_path / "not-mounted")
    result = run("backup_verify", backup_root=str(root), fail_on_problems=False)
    assert [one["verified"] for one in result["backups"]] == ["integrity"] * 4
    found = {one["host"]: one["problems"] for one in result["hosts"]}
    assert found["ams1"] == []
    for host in ("ams0", "ams2"):
        assert f"'{root / host}' cannot be used: it is a link, which is not followed" in found[host][0]
    listed = run("backup_info", backup_root=str(root), all_hosts=True)
    assert {one["host"] for one in listed["backups"]} == {"ams1"}
    assert [warning.partition(" cannot be used")[0] for warning in listed["warnings"]] == [
        f"The folder '{root / host}'" for host in ("ams0", "ams2")
    ]
    for module, options in (
        ("backup_info", {}),
        ("backup_diff", {"after": "latest"}),
        ("backup_prune", {"keep_last": 1}),
    ):
        refusal = run(module, backup_root=str(root), host="ams0", **options)
        assert refusal["failed"]
        assert "is a link, which is not followed" in refusal["msg"]


def test_a_host_that_is_named_twice_is_verified_once(four: BackupStore, root: Path) -> None:
    result = run("backup_verify", backup_root=str(root), hosts=["ams1", "ams1"])
    assert (len(result["backups"]), len(result["hosts"])) == (4, 1)


def test_all_backups_are_counted_also_when_only_the_latest_is_verified(four: BackupStore, root: Path) -> None:
    (four.folder / IDS[0] / "manifest.json").write_text("{")
    result = run("backup_verify", backup_root=str(root), latest_only=True)
    assert [one["id"] for one in result["backups"]] == [IDS[3]]
    assert result["hosts"][0]["counts"] == {"complete": 3, "incomplete": 0, "damaged": 1}


def test_nothing_is_written(four: BackupStore, decryptor: Decryptor, root: Path) -> None:
    before = {path: path.lstat().st_mtime_ns for path in root.rglob("*")}
    verified(four, decryptor)
    assert {path: path.lstat().st_mtime_ns for path in root.rglob("*")} == before
