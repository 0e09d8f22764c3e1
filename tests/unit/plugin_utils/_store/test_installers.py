# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installers beside the backups: kept once for each version, verified, listed, and removed with the last backup."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._ams.installer import installer_of, product_code_of
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import installers
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from hypothesis import given
from hypothesis import strategies as st
from unit import encrypted_backups
from unit.actions import run
from unit.servers import PACKED_PRODUCT_CODE, PRODUCT_CODE, server
from unit.signers import ssh_key

VERSION = "1.0.8152.0"
MSI = bytes.fromhex("D0CF11E0A1B11AE1") + b"x" * (1024 * 1024 - 20) + PRODUCT_CODE.encode() + b"y"
"""The product code lies across two of the chunks in which a file is read."""

INSTALLED = {key: value for key, value in server()["installer"].items() if key != "sha256"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "Lithnet.AccessManager.Service.msi"
    path.write_bytes(MSI)
    return path


def opened(store: BackupStore, source: Path, **more: Any) -> dict[str, Any]:
    options = {"backup_root": str(store.root), "encryption": "none", "inventory": {}, "installed": INSTALLED}
    return run("backup_commit", state="opened", installer=str(source), **options | more)


def listed(store: BackupStore, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run("backup_info", backup_root=str(store.root), **more)["installers"]
    return found


def test_an_installer_is_kept_once_for_each_version_and_listed(store: BackupStore, source: Path) -> None:
    assert opened(store, source)["installer_problem"] == ""
    kept = store.folder / "installers" / VERSION / "installer.msi"
    assert (kept.read_bytes(), kept.stat().st_mode & 0o777) == (MSI, 0o600)
    before = kept.stat().st_ino
    source.write_bytes(MSI + b"another of the same version")
    opened(store, source)
    assert kept.stat().st_ino == before
    (one,) = listed(store)
    assert (one["version"], one["path"], one["problem"]) == (VERSION, str(kept), "")
    assert (one["product_code"], one["sha256"]) == (PRODUCT_CODE, hashlib.sha256(MSI).hexdigest())
    assert installers.damage(store) == []


def test_one_that_was_damaged_is_kept_again(store: BackupStore, source: Path) -> None:
    opened(store, source)
    kept = store.folder / "installers" / VERSION / "installer.msi"
    kept.write_bytes(MSI[:-1])
    assert "its size is another" in listed(store)[0]["problem"]
    opened(store, source)
    assert kept.read_bytes() == MSI


def test_what_was_changed_is_a_problem_of_the_verification(store: BackupStore, source: Path) -> None:
    encrypted_backups.make(store, "20261123T081500Z", encrypted_backups.encrypt_to())
    opened(store, source)
    options = {"backup_root": str(store.root), "fail_on_problems": False, "encryption": "none"}
    assert run("backup_verify", **options)["problem_count"] == 0
    (store.folder / "installers" / VERSION / "installer.msi").write_bytes(MSI[:-1] + b"z")
    result = run("backup_verify", **options)
    assert "its SHA-256 is another" in str(result["hosts"][0]["problems"])


def test_a_record_that_no_allowed_signer_signed_is_not_used(store: BackupStore, source: Path, tmp_path: Path) -> None:
    key = ssh_key(tmp_path)
    options = {"allowed_signers": [key.public]}
    assert opened(store, source, signing_key=str(key.path), **options)["installer_problem"] == ""
    assert listed(store, **options)[0]["signer"]["principal"]
    record = store.folder / "installers" / VERSION / "record.json"
    forged = json.loads(record.read_bytes()) | {"sha256": "00" * 32}
    record.write_text(json.dumps(forged))
    (found,) = listed(store, **options)
    assert "is not the signature of" in found["problem"]
    assert found["signer"] is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"MZ a program", "is no MSI"),
        (MSI.replace(b"E1F0DE7E", b"00000000"), "is not the MSI of what is installed"),
        (None, "cannot be read"),
    ],
)
def test_another_file_is_not_kept_and_the_backup_is_made(
    store: BackupStore, source: Path, content: bytes | None, words: str
) -> None:
    source.unlink() if content is None else source.write_bytes(content)
    result = opened(store, source)
    assert words in result["installer_problem"]
    assert result["installer_problem"] in result["warnings"]
    assert result["backup_id"]
    assert listed(store) == []


def test_of_a_server_without_windows_installers_record_none_is_kept(store: BackupStore, source: Path) -> None:
    assert "does not know Access Manager" in opened(store, source, installed=None)["installer_problem"]


def test_check_mode_keeps_none(store: BackupStore, source: Path) -> None:
    options = {"backup_root": str(store.root), "encryption": "none", "inventory": {}, "installed": INSTALLED}
    run("backup_commit", check=True, state="opened", installer=str(source), **options)
    assert not (store.folder / "installers").exists()


def test_an_installer_goes_with_the_last_backup_of_its_version(store: BackupStore, source: Path) -> None:
    installer = installer_of(server()["installer"])
    for number, version in enumerate((VERSION, "1.0.9000.0", "1.0.9000.0")):
        made = {**installer, "version": version}
        encrypted_backups.make(store, f"2026112{number}T081500Z", encrypted_backups.encrypt_to(), installer=made)
    opened(store, source)
    options = {"backup_root": str(store.root), "keep_last": 2}
    would = run("backup_prune", check=True, **options)
    assert would["removed_installers"] == [VERSION]
    assert len(listed(store)) == 1
    assert run("backup_prune", **options | {"keep_last": 3})["removed_installers"] == []
    assert len(listed(store)) == 1
    assert run("backup_prune", **options)["removed_installers"] == [VERSION]
    assert listed(store) == []


def test_a_sentence_says_with_what_a_version_is_installed(store: BackupStore, source: Path) -> None:
    installer = installer_of(server()["installer"])
    assert "None is kept" in installers.sentence_of(store, installer)
    opened(store, source)
    sentence = installers.sentence_of(store, installer)
    assert f"'ams.msi', product code {PRODUCT_CODE}, SHA-256 {'cd' * 32}" in sentence
    assert f"{store.folder}/installers/{VERSION}/installer.msi" in sentence
    assert installers.sentence_of(store, None) == ""


def test_a_link_in_the_place_of_the_folder_is_not_followed(store: BackupStore, source: Path, tmp_path: Path) -> None:
    encrypted_backups.make(store, "20261123T081500Z", encrypted_backups.encrypt_to())
    (store.folder / "installers").symlink_to(tmp_path)
    assert "link" in opened(store, source)["installer_problem"]
    assert "None is kept" in installers.sentence_of(store, installer_of(server()["installer"]))
    result = run("backup_verify", backup_root=str(store.root), fail_on_problems=False, encryption="none")
    assert "link" in str(result["hosts"][0]["problems"])


@given(st.text("0123456789ABCDEF", min_size=32, max_size=32))
def test_a_product_code_has_all_its_digits_and_another_order(packed: str) -> None:
    code = product_code_of({"product_code": packed, "version": "1", "name": ""})
    assert sorted(code.replace("-", "")[1:-1]) == sorted(packed)
    assert [len(part) for part in code.strip("{}").split("-")] == [8, 4, 4, 4, 12]


def test_the_product_code_of_the_vendor_is_read_as_it_is() -> None:
    product = {"product_code": PACKED_PRODUCT_CODE, "version": VERSION, "name": ""}
    assert product_code_of(product) == PRODUCT_CODE
