# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private keys from a variable, under a passphrase, and in the hands of an age plugin; post-quantum recipients."""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path
from typing import Any

import pyrage
import pytest
from ansible.parsing.vault import VaultLib, VaultSecret, VaultSecretsContext
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age import header
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.decryption import Decryptor
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.encryption import Encryptor
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from support.backups import age_key, ssh_key

ARTIFACT = Path("config.zip.age")
CLEAR = b"content"
PASSPHRASE = "correct horse"
RECIPIENT, IDENTITY = "age1test1qypqxpqhuqytu", "AGE-PLUGIN-TEST-1PG9SCRG4YANY9"
"""Keys of the plugin for tests; what they encode is not used."""

DATA = Path(__file__).parent / "data"
needs_tags = pytest.mark.skipif(not hasattr(pyrage, "tagpq"), reason="this pyrage is older than 1.4")


def encrypted(*recipients: str) -> bytes:
    output = io.BytesIO()
    Encryptor.of({"encryption": "age", "recipients": list(recipients)}).write(io.BytesIO(CLEAR), output)
    return output.getvalue()


def opened(data: bytes, **params: str) -> bytes:
    return Decryptor.of(params).decrypt(ARTIFACT, data)


def refusal(data: bytes, **params: str) -> str:
    with pytest.raises(AccessManagerError) as caught:
        opened(data, **params)
    return str(caught.value)


def armored(data: bytes) -> str:
    body = base64.encodebytes(data).decode()
    return f"-----BEGIN AGE ENCRYPTED FILE-----\n{body}-----END AGE ENCRYPTED FILE-----\n"


# ---- a variable ----


@pytest.mark.parametrize("make", [age_key, ssh_key])
def test_an_identity_from_a_variable_opens(make: Any) -> None:
    key = make()
    assert opened(encrypted(key.public), identity=key.private.strip()) == CLEAR  # as a lookup returns it


def test_an_identity_from_a_variable_is_in_no_message() -> None:
    key, other = age_key(), age_key()
    for message in (
        refusal(encrypted(key.public), identity=other.private),
        refusal(encrypted(key.public), identity=other.private[:-2]),
    ):
        assert "access_manager_identity" in message
        assert other.private[:30] not in message
    assert other.private not in repr(Decryptor.of({"identity": other.private, "identity_passphrase": PASSPHRASE}))
    assert PASSPHRASE not in repr(Decryptor.of({"identity": other.private, "identity_passphrase": PASSPHRASE}))


@pytest.mark.parametrize("make", [age_key, ssh_key])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_file_as_windows_writes_it_opens(make: Any, encoding: str, tmp_path: Path) -> None:
    key, path = make(), tmp_path / "key.txt"
    path.write_bytes(key.private.encode(encoding))
    assert opened(encrypted(key.public), identity_file=str(path)) == CLEAR


def test_a_file_that_ansible_vault_encrypted_opens_with_the_passwords_that_ansible_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, path = age_key(), tmp_path / "key.txt"
    secrets = [("default", VaultSecret(PASSPHRASE.encode()))]
    path.write_bytes(VaultLib(secrets).encrypt(key.private))
    monkeypatch.setattr(VaultSecretsContext, "_current", VaultSecretsContext(secrets))
    assert opened(encrypted(key.public), identity_file=str(path)) == CLEAR
    for others in (VaultSecretsContext([("default", VaultSecret(b"another"))]), None):
        monkeypatch.setattr(VaultSecretsContext, "_current", others)
        message = refusal(encrypted(key.public), identity_file=str(path))
        assert f"'{path}' is encrypted by Ansible Vault, and no password that was given decrypts it" in message


def test_lines_that_are_no_private_keys_are_passed_over_beside_one_and_named_without_their_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    key, half = age_key(), age_key().private.strip()[:40]
    text = f"# comment\n{key.public}\n{half}\n{key.private}\n"
    assert opened(encrypted(key.public), identity=text) == CLEAR
    said = " ".join(capsys.readouterr().err.split())
    assert "line 2 is a public key, line 3 is a damaged private key" in said
    message = refusal(encrypted(key.public), identity=f"{half}\nhello")
    assert "line 1 is a damaged private key, line 2 is none of age's lines" in message
    assert half[:30] not in said + message


def test_an_identity_and_a_file_together_are_refused() -> None:
    assert "Both identity and identity_file" in refusal(b"", identity=age_key().private, identity_file="key.txt")


# ---- under a passphrase ----


# The files in C(data) are what age wrote for keys of these tests, with a small work factor, under PASSPHRASE.


def identity_of(kind: str) -> bytes:
    return base64.b64decode((DATA / f"{kind}_identity.age.b64").read_bytes())


@pytest.mark.parametrize("kind", ["age", "ssh"])
def test_an_identity_that_age_encrypted_under_a_passphrase_opens(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "identity.age"
    file.write_bytes(identity_of(kind))
    data = encrypted((DATA / f"{kind}_identity.pub").read_text().strip())
    assert opened(data, identity_file=str(file), identity_passphrase=PASSPHRASE) == CLEAR
    assert opened(data, identity=armored(file.read_bytes()), identity_passphrase=PASSPHRASE) == CLEAR


def test_an_encrypted_identity_without_its_passphrase_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "identity.age").write_bytes(identity_of("age"))
    file = str(tmp_path / "identity.age")
    assert "give it in access_manager_identity_passphrase" in refusal(b"", identity_file=file)
    message = refusal(b"", identity_file=file, identity_passphrase="wrong")
    assert "cannot be decrypted with access_manager_identity_passphrase" in message


def test_an_encrypted_identity_is_bounded_like_a_backup() -> None:
    slow = header.VERSION + b"-> scrypt c2FsdA 30\ny\n--- x"
    assert "the work factor '30'" in refusal(b"", identity=armored(slow), identity_passphrase=PASSPHRASE)
    to_a_key = pyrage.encrypt(b"x", [pyrage.x25519.Recipient.from_str(age_key().public)])
    assert "only a passphrase" in refusal(b"", identity=armored(to_a_key), identity_passphrase=PASSPHRASE)
    broken = "-----BEGIN AGE ENCRYPTED FILE-----\n%%%\n"
    assert "is not Base64" in refusal(b"", identity=broken, identity_passphrase=PASSPHRASE)


# ---- plugins ----


@pytest.fixture
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installs the plugin for tests, and is the file of the PINs that it was given."""
    program = tmp_path / "age-plugin-test"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).parent / "age_plugin.py"}" "$@"\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("AGE_PLUGIN_PINS", str(tmp_path / "pins"))
    return tmp_path / "pins"


def test_a_plugin_encrypts_without_its_token_and_decrypts_with_its_pin(pins: Path) -> None:
    data = encrypted(RECIPIENT)
    assert not pins.exists()
    assert opened(data, identity=IDENTITY, identity_passphrase="1234") == CLEAR
    assert pins.read_text() == "1234\n"


def test_the_other_key_of_a_backup_opens_it_without_the_plugin(pins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = age_key()
    data = encrypted(RECIPIENT, key.public)
    monkeypatch.setenv("PATH", "/nowhere")
    assert opened(data, identity=key.private) == CLEAR
    assert not pins.exists()


def test_a_wrong_pin_is_given_once_and_never_again(pins: Path) -> None:
    decryptor = Decryptor.of({"identity": IDENTITY, "identity_passphrase": "9999"})
    for _file in range(3):
        with pytest.raises(AccessManagerError, match="cannot be decrypted"):
            decryptor.decrypt(ARTIFACT, encrypted(RECIPIENT))
    assert pins.read_text() == "9999\n"


def test_a_plugin_that_is_not_asked_for_its_pin_keeps_it_for_the_next_file(pins: Path) -> None:
    decryptor = Decryptor.of({"identity": IDENTITY, "identity_passphrase": "1234"})
    with pytest.raises(AccessManagerError):
        decryptor.decrypt(ARTIFACT, encrypted(age_key().public))
    assert decryptor.decrypt(ARTIFACT, encrypted(RECIPIENT)) == CLEAR


@pytest.mark.usefixtures("pins")
def test_the_header_of_a_plugin_is_compared_by_presence() -> None:
    key = age_key()
    data = encrypted(RECIPIENT, key.public)

    def problems(*recipients: str) -> list[str]:
        return header.problems(io.BytesIO(data), ARTIFACT, "recipients", recipients)

    assert problems(RECIPIENT, key.public) == []
    assert "key(s) of a plugin; its manifest names none" in problems(key.public)[0]
    assert "encrypted to no" in header.problems(
        io.BytesIO(encrypted(key.public)), ARTIFACT, "recipients", [RECIPIENT, key.public]
    )[0]


def test_a_plugin_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(AccessManagerError, match="Could not find 'age-plugin-test' on the PATH"):
        Encryptor.of({"encryption": "age", "recipients": [RECIPIENT]})
    assert "Could not find 'age-plugin-test'" in refusal(encrypted(age_key().public), identity=IDENTITY)


# ---- hardware and post-quantum recipients that need no plugin to encrypt ----


@needs_tags
def test_a_post_quantum_recipient_is_encrypted_to_and_its_header_is_known() -> None:
    recipient = (DATA / "tagpq_recipient.txt").read_text().strip()
    data = encrypted(recipient)
    assert b"\n-> mlkem768p256tag " in data
    assert header.problems(io.BytesIO(data), ARTIFACT, "recipients", [recipient]) == []
    assert "encrypted to no" in header.problems(io.BytesIO(data), ARTIFACT, "recipients", [age_key().public])[0]
    message = refusal(data, identity=age_key().private)
    assert "cannot be decrypted" in message


@needs_tags
def test_a_post_quantum_recipient_beside_another_is_refused_as_age_does() -> None:
    recipient = (DATA / "tagpq_recipient.txt").read_text().strip()
    with pytest.raises(AccessManagerError, match="labels 'postquantum' alongside"):
        Encryptor.of({"encryption": "age", "recipients": [recipient, age_key().public]})


def test_a_recipient_that_needs_a_newer_library_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pyrage, "tagpq", raising=False)
    with pytest.raises(AccessManagerError, match=r"need pyrage 1\.4"):
        Encryptor.of({"encryption": "age", "recipients": ["age1tagpq1qqqq"]})
