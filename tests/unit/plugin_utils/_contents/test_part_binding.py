# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can write to the store and has no key cannot pass off a part for another: each is as it was made, or is refused.

The attacker here knows the public keys, and writes manifests that fit what they put there, checksums and all.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.decryption import Decryptor
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._compare import state_sources
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.contents import Contents, open_contents
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.source import select
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory import (
    certificate_backup,
    new_certificate,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._maintenance import verification
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import manifest as manifest_module
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.partial import PartialBackup
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from hypothesis import assume, given
from hypothesis import strategies as st
from support.backups import KeyPair
from support.certificates import TestCertificate
from unit.actions import run
from unit.encrypted_backups import bound, config_zip, encrypt_to, make
from unit.opened_backups import files

ID, OTHER_ID = "20261123T010000Z", "20261123T020000Z"
HOSTS, IDS = ("ams1", "ams2"), (ID, OTHER_ID)
NAMES = {"config": "config.zip", "certificates": "certificates.zip", "secrets": "secrets.json"}
PASSPHRASE = "correct horse battery staple"
EVIL = {"config/scripts/rule.ps1": b"Invoke-Evil"}

Says = dict[str, str]


class Place(NamedTuple):
    """Where a part lies."""

    host: str
    id: str
    part: str

    def path(self, root: Path, suffix: str = ".age") -> Path:
        return root / self.host / self.id / (NAMES[self.part] + suffix)


PLACES = [Place(host, backup_id, part) for host in HOSTS for backup_id in IDS for part in NAMES]


@pytest.fixture(scope="module")
def decryptor(owner: KeyPair, tmp_path_factory: pytest.TempPathFactory) -> Decryptor:
    key = tmp_path_factory.mktemp("key") / "key.txt"
    key.write_text(owner.private)
    return Decryptor.of({"identity_file": str(key)})


@pytest.fixture(scope="module")
def honest(owner: KeyPair, certificate: TestCertificate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two backups of each of two servers, all of the same content, under a root that no test changes."""
    root = tmp_path_factory.mktemp("honest")
    for host in HOSTS:
        for backup_id in IDS:
            make(BackupStore(str(root), host), backup_id, encrypt_to(owner.public), certificates=[certificate])
    return root


@pytest.fixture
def root(honest: Path, tmp_path: Path) -> Path:
    """A copy of the honest root."""
    return Path(shutil.copytree(honest, tmp_path / "backups"))


def forge_manifest(folder: Path, **changes: Any) -> None:
    """Makes the manifest say of the files in its folder what they are, and what else the attacker wants."""
    manifest = json.loads((folder / "manifest.json").read_bytes()) | changes
    for artifact in manifest["artifacts"]:
        data = (folder / artifact["name"]).read_bytes()
        artifact |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    write_manifest(folder, manifest)


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    manifest = {key: value for key, value in manifest.items() if key != "checksum"}
    content = manifest | {"checksum": manifest_module.checksum_of(manifest)}
    (folder / "manifest.json").write_bytes(manifest_module.to_bytes(content))


def exchange(root: Path, stolen: Place, put: Place) -> None:
    """Puts a part in the place of another."""
    shutil.copyfile(stolen.path(root), put.path(root))
    forge_manifest(put.path(root).parent)


def problems_of(root: Path, host: str, backup_id: str, decryptor: Decryptor) -> list[str]:
    """What a verification finds in a backup."""
    (backup,) = [one for one in verification.read(BackupStore(str(root), host)) if one.id == backup_id]
    verification.verify([backup], decryptor)
    return verification.result_of_backup(backup)["problems"]


def contents_of(root: Path, host: str, backup_id: str, decryptor: Decryptor) -> Contents:
    """What a restore of a backup works with."""
    return open_contents(select(BackupStore(str(root), host), backup_id), decryptor, certificates=True)


def refusal(root: Path, host: str, backup_id: str, decryptor: Decryptor) -> str:
    """Why a restore refuses a backup."""
    with pytest.raises(AccessManagerError) as caught:
        contents_of(root, host, backup_id, decryptor)
    return str(caught.value)


def said_in(data: bytes) -> Says:
    """What the clear bytes of a part say of it, as people read it by hand."""
    if data.startswith(b"{"):
        says: Says = json.loads(data)["backup"]
    else:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            says = json.loads(archive.read("backup.json"))
    return says


# ---- honest backups ----


@pytest.mark.slow
def test_honest_backups_are_verified_restored_and_compared(honest: Path, decryptor: Decryptor) -> None:
    for host in HOSTS:
        for backup_id in IDS:
            assert problems_of(honest, host, backup_id, decryptor) == []
            contents = contents_of(honest, host, backup_id, decryptor)
            assert contents.configuration.files.keys() == files().keys()
            assert "backup" not in contents.secrets
            assert contents.certificates
            source = select(BackupStore(str(honest), host), backup_id)
            assert state_sources.of_backup(source, decryptor).state.configuration


def test_a_copy_of_a_backup_elsewhere_is_honest(root: Path, tmp_path: Path, decryptor: Decryptor) -> None:
    copy = shutil.copytree(root / "ams1" / ID, tmp_path / "usb stick")
    for place in (copy, copy / "config.zip.age"):
        source = select(BackupStore(str(root), "ams9"), str(place))
        assert open_contents(source, decryptor, certificates=False).configuration.files
    (copy / "manifest.json").unlink()
    assert open_contents(select(BackupStore(str(root), "ams9"), str(copy)), decryptor, certificates=True).certificates


def test_each_part_says_whose_it_is_and_all_share_what_the_manifest_has_the_hash_of(
    honest: Path, owner: KeyPair
) -> None:
    nonces = set()
    for place in PLACES:
        says = said_in(owner.open(place.path(honest).read_bytes()))
        manifest = json.loads((place.path(honest).parent / "manifest.json").read_bytes())
        assert (says["host"], says["id"], says["part"]) == (place.host, place.id, NAMES[place.part])
        assert hashlib.sha256(bytes.fromhex(says["nonce"])).hexdigest() == manifest["nonce_sha256"]
        nonces.add(says["nonce"])
    assert len(nonces) == len(HOSTS) * len(IDS)
    assert all(len(bytes.fromhex(nonce)) == 32 for nonce in nonces)


def test_nothing_of_what_binds_the_parts_lies_in_a_published_backup(honest: Path, owner: KeyPair) -> None:
    for place in PLACES:
        nonce = said_in(owner.open(place.path(honest).read_bytes()))["nonce"]
        for path in place.path(honest).parent.iterdir():
            assert path.name in {"manifest.json", *(f"{name}.age" for name in NAMES.values())}
            assert nonce.encode() not in path.read_bytes()
            assert bytes.fromhex(nonce) not in path.read_bytes()


def test_until_then_it_is_for_the_user_alone(root: Path) -> None:
    store = BackupStore(str(root), "ams1")
    (nonce,) = (root / "ams1" / f".partial-{PartialBackup.begin(store).id}").iterdir()
    assert (nonce.stat().st_mode & 0o777, nonce.stat().st_size) == (0o600, 32)


def test_without_it_a_part_cannot_be_made(root: Path) -> None:
    store = BackupStore(str(root), "ams1")
    backup_id = PartialBackup.begin(store).id
    for damage in (lambda path: path.write_bytes(b"short"), lambda path: path.unlink()):
        damage(root / "ams1" / f".partial-{backup_id}" / ".nonce")
        with pytest.raises(AccessManagerError, match=r"\.nonce' .*Run the backup again"):
            PartialBackup(store, backup_id).nonce()


@pytest.mark.slow
def test_the_certificates_of_a_forest_are_bound_too(tmp_path: Path, owner: KeyPair, decryptor: Decryptor) -> None:
    made = [new_certificate.make("forest.example", verification.time_of_id(one)) for one in IDS]
    places = []
    for number, one in enumerate(made):
        store = BackupStore(str(tmp_path), f"forest{number}.example")
        places.append(
            certificate_backup.commit(store, encrypt_to(owner.public), one, [], verification.time_of_id(ID))[0]
        )
        assert certificate_backup.decrypted(places[-1], decryptor, one.thumbprint).pfx == one.pfx
    theirs, ours = (place.store.folder / place.id for place in places)
    shutil.copyfile(theirs / "certificates.zip.age", ours / "certificates.zip.age")
    forge_manifest(ours)
    with pytest.raises(
        AccessManagerError, match=rf"is certificates\.zip of the backup {places[0].id} of forest0\.example"
    ):
        certificate_backup.decrypted(places[1], decryptor, made[0].thumbprint)


# ---- parts that were exchanged ----


@pytest.mark.slow
@given(stolen=st.sampled_from(PLACES), put=st.sampled_from(PLACES))
def test_any_exchange_of_two_parts_is_found(honest: Path, decryptor: Decryptor, stolen: Place, put: Place) -> None:
    assume(stolen != put)
    whole = {path: path.read_bytes() for path in (put.path(honest), put.path(honest).parent / "manifest.json")}
    try:
        exchange(honest, stolen, put)
        found, refused = problems_of(honest, put.host, put.id, decryptor), refusal(honest, put.host, put.id, decryptor)
    finally:
        for path, data in whole.items():
            path.write_bytes(data)
    assert any(NAMES[put.part] in problem for problem in found)
    assert NAMES[put.part] in refused


@pytest.mark.parametrize("part", NAMES)
def test_a_part_of_another_backup_is_named_with_where_it_is_from(root: Path, decryptor: Decryptor, part: str) -> None:
    stolen, put = Place("ams2", ID, part), Place("ams1", OTHER_ID, part)
    exchange(root, stolen, put)
    sentence = refusal(root, "ams1", OTHER_ID, decryptor)
    assert f"is not {NAMES[part]} of the backup {OTHER_ID} of ams1" in sentence
    assert f"it is {NAMES[part]} of the backup {ID} of ams2" in sentence
    assert "It is not used." in sentence
    assert sentence in problems_of(root, "ams1", OTHER_ID, decryptor)


def test_a_renamed_part_is_found(root: Path, decryptor: Decryptor) -> None:
    exchange(root, Place("ams1", ID, "certificates"), Place("ams1", ID, "config"))
    assert "it is certificates.zip of the backup" in refusal(root, "ams1", ID, decryptor)


def test_a_redated_backup_is_found(root: Path, decryptor: Decryptor) -> None:
    later = "20261124T030000Z"
    (root / "ams1" / ID).rename(root / "ams1" / later)
    forge_manifest(root / "ams1" / later, id=later, created="2026-11-24T03:00:00Z")
    assert f"it is config.zip of the backup {ID} of ams1" in refusal(root, "ams1", "latest", decryptor)
    assert len(problems_of(root, "ams1", later, decryptor)) >= 3


def test_a_whole_backup_of_another_server_is_found(root: Path, decryptor: Decryptor) -> None:
    shutil.rmtree(root / "ams1" / OTHER_ID)
    shutil.copytree(root / "ams2" / OTHER_ID, root / "ams1" / OTHER_ID)
    forge_manifest(root / "ams1" / OTHER_ID, host="ams1")
    assert f"of the backup {OTHER_ID} of ams2" in refusal(root, "ams1", OTHER_ID, decryptor)


def test_parts_without_a_manifest_must_be_of_one_backup(root: Path, tmp_path: Path, decryptor: Decryptor) -> None:
    copy = shutil.copytree(root / "ams1" / ID, tmp_path / "copy")
    (copy / "manifest.json").unlink()
    shutil.copyfile(Place("ams1", OTHER_ID, "secrets").path(root), copy / "secrets.json.age")
    assert f"it is secrets.json of the backup {OTHER_ID} of ams1" in refusal(root, "ams1", str(copy), decryptor)


# ---- parts that were forged ----


def evil(part: str, says: Says | None) -> bytes:
    """The clear bytes of a part as an attacker wants it."""
    clear = {"config": config_zip(files() | EVIL), "secrets": b'{"Email.Password": {"mode": 1, "value": "evil"}}'}[part]
    return clear if says is None else bound(clear, says)


FORGERIES: dict[str, tuple[Callable[[Says], Says | None], str]] = {
    "says nothing": (lambda says: None, "does not say to which backup it belongs"),
    "guesses the nonce": (lambda says: says | {"nonce": "00" * 32}, "one of them is forged"),
    "takes the hash for the nonce": (lambda says: says | {"nonce": says["sha256"]}, "one of them is forged"),
    "nonce too short": (lambda says: says | {"nonce": "00"}, "does not say to which backup it belongs"),
    "no nonce": (
        lambda says: {key: says[key] for key in ("host", "id", "part")},
        "does not say to which backup it belongs",
    ),
    "of another host": (lambda says: says | {"nonce": "00" * 32, "host": "\x1b[2Jams2"}, r"of \x1b[2Jams2"),
}


@pytest.mark.parametrize("part", ["config", "secrets"])
@pytest.mark.parametrize("kind", FORGERIES)
def test_a_part_that_was_encrypted_by_who_knows_the_public_key_alone_is_refused(
    root: Path, owner: KeyPair, decryptor: Decryptor, part: str, kind: str
) -> None:
    """All that stands in clear in the store is known to the forger: names, times, and the nonce's hash."""
    change, sentence = FORGERIES[kind]
    place = Place("ams1", OTHER_ID, part)
    manifest = json.loads((place.path(root).parent / "manifest.json").read_bytes())
    known = {"host": "ams1", "id": OTHER_ID, "part": NAMES[part], "sha256": manifest["nonce_sha256"]}
    with place.path(root).open("wb") as file:
        encrypt_to(owner.public).write(io.BytesIO(evil(part, change(known))), file)
    forge_manifest(place.path(root).parent)
    refused = refusal(root, "ams1", "latest", decryptor)
    assert sentence in refused
    assert "\x1b" not in refused
    assert any(sentence in problem for problem in problems_of(root, "ams1", OTHER_ID, decryptor))


def test_a_forged_part_with_a_manifest_that_fits_it_is_betrayed_by_the_others(
    root: Path, owner: KeyPair, decryptor: Decryptor
) -> None:
    place = Place("ams1", OTHER_ID, "config")
    says = {"host": "ams1", "id": OTHER_ID, "part": "config.zip", "nonce": "11" * 32}
    with place.path(root).open("wb") as file:
        encrypt_to(owner.public).write(io.BytesIO(evil("config", says)), file)
    forge_manifest(place.path(root).parent, nonce_sha256=hashlib.sha256(bytes.fromhex("11" * 32)).hexdigest())
    assert "one of them is forged" in refusal(root, "ams1", OTHER_ID, decryptor)
    assert any("one of them is forged" in problem for problem in problems_of(root, "ams1", OTHER_ID, decryptor))


# ---- a stripped encryption ----


@pytest.fixture(params=["key", "passphrase"])
def given_by(request: pytest.FixtureRequest, owner: KeyPair, tmp_path: Path) -> dict[str, str]:
    """What an operator decrypts with."""
    (tmp_path / "key.txt").write_text(owner.private)
    return {"identity_file": str(tmp_path / "key.txt")} if request.param == "key" else {"passphrase": PASSPHRASE}


@pytest.fixture
def stripped(tmp_path: Path, owner: KeyPair, given_by: dict[str, str]) -> Path:
    """A root with an encrypted backup, and a newer one in clear that calls itself so: it needs no key to be forged."""
    root = tmp_path / "backups"
    encryptor = encrypt_to(owner.public) if "identity_file" in given_by else encrypt_to(passphrase=PASSPHRASE)
    make(BackupStore(str(root), "ams1"), ID, encryptor)
    make(BackupStore(str(root), "ams1"), OTHER_ID, encrypt_to(), content=files() | EVIL)
    return root


@pytest.mark.slow
def test_parts_in_clear_are_refused_when_there_is_a_key(stripped: Path, given_by: dict[str, str]) -> None:
    decryptor = Decryptor.of(given_by)
    refused = refusal(stripped, "ams1", "latest", decryptor)
    assert "config.zip' is not encrypted, though" in refused
    assert "encryption to 'none'" in refused
    assert PASSPHRASE not in refused
    assert contents_of(stripped, "ams1", ID, decryptor).configuration.read("config/scripts/rule.ps1") == b"exit"
    source = select(BackupStore(str(stripped), "ams1"), OTHER_ID)
    with pytest.raises(AccessManagerError, match="is not encrypted"):
        state_sources.of_backup(source, decryptor)


@pytest.mark.slow
def test_a_single_part_in_clear_is_refused_too(stripped: Path, given_by: dict[str, str]) -> None:
    folder = stripped / "ams1" / ID
    (folder / "secrets.json.age").unlink()
    shutil.copyfile(stripped / "ams1" / OTHER_ID / "secrets.json", folder / "secrets.json")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["artifacts"][2] |= {"name": "secrets.json", "encryption": "none", "recipients": []}
    write_manifest(folder, manifest)
    forge_manifest(folder)
    assert "secrets.json' is not encrypted" in refusal(stripped, "ams1", ID, Decryptor.of(given_by))


@pytest.mark.slow
def test_what_was_asked_for_by_name_is_opened(stripped: Path, given_by: dict[str, str]) -> None:
    for decryptor in (Decryptor.of({}), Decryptor.of(given_by | {"encryption": "none"})):
        assert (
            contents_of(stripped, "ams1", OTHER_ID, decryptor).configuration.read("config/scripts/rule.ps1")
            == b"Invoke-Evil"
        )
    both = Decryptor.of(given_by | {"encryption": "none"})
    assert contents_of(stripped, "ams1", ID, both).configuration.read("config/scripts/rule.ps1") == b"exit"


@pytest.mark.slow
def test_the_modules_refuse_and_report_it_unless_it_was_asked_for(stripped: Path, given_by: dict[str, str]) -> None:
    common: dict[str, Any] = {"backup_root": str(stripped), **given_by}
    verified = run("backup_verify", **common)
    assert verified["failed"]
    reported = {one["id"]: one["verified"] for one in verified["backups"]}
    assert reported == {ID: "full", OTHER_ID: "none"}
    assert "config.zip' is not encrypted" in verified["msg"]
    assert "is not encrypted" in run("config_restore", state="planned", **common)["msg"]
    assert "is not encrypted" in run("certificate_import", **common)["msg"]
    assert "is not encrypted" in run("backup_diff", before=ID, after=OTHER_ID, **common)["msg"]
    asked = common | {"encryption": "none"}
    assert [one["verified"] for one in run("backup_verify", **asked)["backups"]] == ["full", "full"]
    assert run("backup_diff", before=ID, after=OTHER_ID, **asked)["differs"]
