# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On a real domain controller: a certificate that a stranger put among the backups is never published; an honest run
goes on.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory import (
    certificate_backup,
    new_certificate,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from cryptography.hazmat.primitives import serialization
from support.backups import age_key
from support.certificates import CURRENT, make_certificate
from support.domain import Domain, available
from support.recovery import Recovery, census
from unit.actions import run
from unit.encrypted_backups import encrypt_to
from unit.encrypted_backups import make as make_backup
from unit.signers import SshKey, ssh_key

FOREST = "ad.lab.test"
LOST = make_certificate(replace(CURRENT, subject=FOREST))
STRANGERS = new_certificate.make(FOREST, datetime.datetime.now(datetime.UTC))
"""A certificate like any other of the forest, whose private key a stranger has."""


@pytest.fixture(scope="session", autouse=True)
def lab() -> None:
    """These tests need no Windows host."""
    missing = available()
    if missing:
        pytest.skip(f"no domain controller: {missing}")


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Domain]:
    domain = Domain.start(tmp_path_factory.mktemp("domain") / "dc")
    domain.seed(0, ["A1" * 20])
    yield domain
    domain.remove()


@pytest.fixture
def recovery(domain: Domain, tmp_path: Path) -> Recovery:
    """A forest that publishes a certificate whose key is lost."""
    owner, root, key_file = age_key(), tmp_path / "backups", tmp_path / "key.txt"
    root.mkdir(mode=0o700)
    key_file.write_text(owner.private)
    domain.clean()
    domain.publish(LOST.certificate.public_bytes(serialization.Encoding.DER))
    return Recovery(domain, root, owner, key_file)


@pytest.fixture
def key(tmp_path: Path) -> SshKey:
    return ssh_key(tmp_path)


def recover(recovery: Recovery, **options: Any) -> dict[str, Any]:
    return recovery.publish(lost_certificates=[LOST.thumbprint], **options)


def interrupted(recovery: Recovery, **options: Any) -> str:
    """A run that ends between the backup of a new certificate and its publication; returns the thumbprint."""
    refused = recover(recovery, user=recovery.domain.account("nobody"), **options)
    assert "lacks the right" in refused["msg"], refused
    (backup,) = run("backup_info", backup_root=str(recovery.root), host=FOREST)["backups"]
    thumbprint = str(backup["certificates"][0]["thumbprint"])
    assert thumbprint in refused["msg"]
    return thumbprint


def planted(recovery: Recovery, host: str = FOREST) -> str:
    """A stranger's certificate in the store: who may write there encrypts its key to the public key of the backups."""
    encryptor = encrypt_to(recovery.owner.public)
    place, _mark = certificate_backup.commit(
        BackupStore(str(recovery.root), host),
        encryptor,
        STRANGERS,
        [LOST.thumbprint],
        datetime.datetime.now(datetime.UTC),
    )
    return place.id


# ---- without signers ----


@pytest.mark.parametrize("check", [False, True])
def test_a_strangers_certificate_is_not_published(recovery: Recovery, check: bool) -> None:
    backup_id = planted(recovery)
    refused = recover(recovery, check=check)
    assert refused["failed"]
    assert refused["changed"] is False
    assert f"The backup {backup_id} of {FOREST} holds certificate {STRANGERS.thumbprint}" in refused["msg"]
    assert f"recover_certificate_thumbprint={STRANGERS.thumbprint}" in refused["msg"]
    assert recovery.published() == LOST.thumbprint


def test_another_one_is_made_beside_it_when_that_is_asked_for(recovery: Recovery) -> None:
    planted(recovery)
    made = recover(recovery, thumbprint="new")
    assert (made["made"], made["published"]) == (True, True), made
    assert made["certificate"]["thumbprint"] not in (STRANGERS.thumbprint, LOST.thumbprint)
    assert recovery.published() == made["certificate"]["thumbprint"]
    again = recover(recovery, thumbprint="new")
    assert (again["changed"], again["certificate"]) == (False, made["certificate"])


def test_an_interrupted_run_goes_on_when_its_certificate_is_named(recovery: Recovery) -> None:
    thumbprint = interrupted(recovery)
    unnamed = recover(recovery)
    assert unnamed["failed"]
    assert f"thumbprint: {thumbprint}" in unnamed["msg"]
    assert recovery.published() == LOST.thumbprint
    went_on = recover(recovery, thumbprint=thumbprint)
    assert (went_on["made"], went_on["published"], went_on["verified"]) == (False, True, True)
    assert recovery.published() == thumbprint


# ---- with a signing key ----


def test_an_interrupted_run_goes_on_by_itself_when_it_signed(recovery: Recovery, key: SshKey) -> None:
    thumbprint = interrupted(recovery, signing_key=str(key.path))
    went_on = recover(recovery, signing_key=str(key.path))
    assert (went_on["made"], went_on["published"]) == (False, True), went_on
    assert recovery.published() == thumbprint


def test_the_backup_of_a_new_certificate_is_signed(recovery: Recovery, key: SshKey) -> None:
    made = recover(recovery, signing_key=str(key.path))
    folder = recovery.root / FOREST / made["backup"]["id"]
    assert (folder / "manifest.json.sig").read_bytes().startswith(b"-----BEGIN SSH SIGNATURE-----")
    verified = run("backup_verify", backup_root=str(recovery.root), allowed_signers=[key.public])
    assert verified["msg"] == "No problem was found.", verified


def test_a_strangers_certificate_is_passed_over_when_signers_are_set(recovery: Recovery, key: SshKey) -> None:
    planted(recovery)
    made = recover(recovery, signing_key=str(key.path), allowed_signers=[key.public])
    assert (made["made"], made["published"]) == (True, True), made
    assert recovery.published() == made["certificate"]["thumbprint"] != STRANGERS.thumbprint


def test_a_signature_of_a_stranger_shows_nothing(recovery: Recovery, key: SshKey, tmp_path: Path) -> None:
    stranger = ssh_key(tmp_path, "stranger")
    folder = recovery.root / FOREST / planted(recovery)
    (folder / "manifest.json.sig").write_bytes(stranger.signature((folder / "manifest.json").read_bytes()))
    assert recover(recovery, check=True, signing_key=str(key.path), allowed_signers=[key.public])["made"] is True
    assert recover(recovery, check=True, signing_key=str(key.path))["failed"]


def test_with_signers_a_named_certificate_must_be_signed_or_allowed_by_name(recovery: Recovery, key: SshKey) -> None:
    thumbprint, signers = interrupted(recovery), [key.public]
    refused = recover(recovery, thumbprint=thumbprint, allowed_signers=signers)
    assert f"holds the key of certificate {thumbprint} that an allowed signer signed" in refused["msg"]
    assert "access_manager_allow_unsigned=true" in refused["msg"]
    assert recovery.published() == LOST.thumbprint
    allowed = recover(recovery, thumbprint=thumbprint, allowed_signers=signers, allow_unsigned=True)
    assert allowed["published"], allowed
    assert recovery.published() == thumbprint


def test_allowing_unsigned_backups_still_publishes_none_that_is_not_named(recovery: Recovery, key: SshKey) -> None:
    planted(recovery)
    refused = recover(recovery, allowed_signers=[key.public], allow_unsigned=True)
    assert f"thumbprint: {STRANGERS.thumbprint}" in refused["msg"]
    assert recovery.published() == LOST.thumbprint


def test_a_certificate_that_nobody_would_accept_afterwards_is_not_made(recovery: Recovery, key: SshKey) -> None:
    refused = recover(recovery, allowed_signers=[key.public])
    assert "the backup of a new certificate must be signed" in refused["msg"]
    assert "access_manager_signing_key" in refused["msg"]
    assert (refused["changed"], recovery.backups(), recovery.published()) == (False, [], LOST.thumbprint)


# ---- what else a stranger's word could do ----


def test_the_word_of_an_unsigned_backup_covers_no_key(recovery: Recovery, key: SshKey) -> None:
    store = BackupStore(str(recovery.root), "ams1")
    make_backup(store, "20261123T081500Z", encrypt_to(recovery.owner.public), certificates=[LOST])
    options: dict[str, Any] = {"backup_root": str(recovery.root)}
    assert census(recovery.domain, **options)["forests"][0]["published"]["covered"] is True
    assert (
        census(recovery.domain, **options, allowed_signers=[key.public])["forests"][0]["published"]["covered"] is False
    )


def test_a_key_that_an_unsigned_backup_may_hold_is_not_given_up(recovery: Recovery, key: SshKey) -> None:
    store = BackupStore(str(recovery.root), "ams1")
    make_backup(store, "20261123T081500Z", encrypt_to(recovery.owner.public), certificates=[LOST])
    refused = recover(recovery, allowed_signers=[key.public])
    assert "may not be lost: the backup 20261123T081500Z of ams1" in refused["msg"]
    assert "allow_unsigned: true" in refused["msg"]
    assert recovery.published() == LOST.thumbprint
