# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption: who can decrypt, and what is refused before anything is."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.decryption import Decryptor
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.encryption import Encryptor
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.zip_writer import ChunkReader
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.partial import PartialBackup
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import example, given
from hypothesis import strategies as st
from unit.faults import largest_file

CLEAR = "clear text of a backup: Grüße\n".encode() * 100


def params(**changes: Any) -> dict[str, Any]:
    return {"encryption": "age", "recipients": [], "passphrase": None} | changes


def encrypted(encryptor: Encryptor, clear: bytes = CLEAR) -> bytes:
    output = io.BytesIO()
    encryptor.write(io.BytesIO(clear), output)
    return output.getvalue()


def ssh_pair(key: Any) -> tuple[str, pyrage.ssh.Identity]:
    """The public key as a line, and the identity that opens."""
    encoding, public = serialization.Encoding, serialization.PublicFormat
    private = key.private_bytes(encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    return key.public_key().public_bytes(encoding.OpenSSH, public.OpenSSH).decode(), pyrage.ssh.Identity.from_buffer(
        private
    )


def refusal(**options: Any) -> str:
    with pytest.raises(AccessManagerError) as caught:
        Encryptor.of(params(**options))
    return str(caught.value)


# ---- who opens ----


def test_each_recipient_alone_opens() -> None:
    identities = [pyrage.x25519.Identity.generate() for _number in range(3)]
    output = encrypted(Encryptor.of(params(recipients=[str(identity.to_public()) for identity in identities])))
    assert CLEAR[:20] not in output
    for identity in identities:
        assert pyrage.decrypt(output, [identity]) == CLEAR


def test_nobody_else_opens(recipient: str) -> None:
    output = encrypted(Encryptor.of(params(recipients=[recipient])))
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(output, [pyrage.x25519.Identity.generate()])


@pytest.mark.parametrize(
    "make",
    [ed25519.Ed25519PrivateKey.generate, lambda: rsa.generate_private_key(65537, 2048)],
    ids=["ed25519", "rsa"],
)
@pytest.mark.parametrize("comment", ["", " admin@example.org"])
def test_an_ssh_recipient_opens(make: Any, comment: str) -> None:
    public, identity = ssh_pair(make())
    assert pyrage.decrypt(encrypted(Encryptor.of(params(recipients=[public + comment]))), [identity]) == CLEAR


def test_age_and_ssh_recipients_mix(identity: pyrage.x25519.Identity, recipient: str) -> None:
    public, ssh = ssh_pair(ed25519.Ed25519PrivateKey.generate())
    output = encrypted(Encryptor.of(params(recipients=[recipient, public])))
    assert pyrage.decrypt(output, [identity]) == pyrage.decrypt(output, [ssh]) == CLEAR


def test_spaces_around_a_recipient_do_no_harm(identity: pyrage.x25519.Identity, recipient: str) -> None:
    assert pyrage.decrypt(encrypted(Encryptor.of(params(recipients=[f"  {recipient}\n"]))), [identity]) == CLEAR


@pytest.mark.slow
def test_the_passphrase_opens() -> None:
    output = encrypted(Encryptor.of(params(passphrase="correct horse")))
    assert pyrage.passphrase.decrypt(output, "correct horse") == CLEAR


def test_none_writes_clear() -> None:
    assert encrypted(Encryptor.of(params(encryption="none"))) == CLEAR


@pytest.mark.skipif(not shutil.which("age"), reason="the age program is not installed")
def test_the_age_program_opens(tmp_path: Path, identity: pyrage.x25519.Identity, recipient: str) -> None:
    (tmp_path / "key.txt").write_text(f"{identity}\n")
    output = encrypted(Encryptor.of(params(recipients=[recipient])))
    age = subprocess.run(["age", "-d", "-i", tmp_path / "key.txt"], input=output, capture_output=True, check=True)
    assert age.stdout == CLEAR


@given(st.binary(max_size=300_000))
@example(b"")
@example(b"x" * 65536)
@example(b"x" * 65537)
def test_any_content_comes_back(identity: pyrage.x25519.Identity, recipient: str, clear: bytes) -> None:
    assert pyrage.decrypt(encrypted(Encryptor.of(params(recipients=[recipient])), clear), [identity]) == clear


def test_names_of_encrypted_artifacts_end_with_age(recipient: str) -> None:
    assert (
        Encryptor.of(params(recipients=[recipient])).suffix
        == Encryptor.of(params(passphrase="correct horse")).suffix
        == ".age"
    )
    assert Encryptor.of(params(encryption="none")).suffix == ""


def test_a_passphrase_is_not_shown() -> None:
    assert "correct horse" not in repr(Encryptor.of(params(passphrase="correct horse")))


# ---- refusals ----


@pytest.mark.parametrize("nothing", [params(), params(passphrase="")], ids=["neither", "empty passphrase"])
def test_no_recipient_is_refused_with_what_to_do(nothing: dict[str, Any]) -> None:
    message = refusal(**nothing)
    assert "No recipient" in message
    assert "access_manager_recipients" in message
    assert "none" in message


@pytest.mark.parametrize(
    "given_by_mistake",
    [
        "admin@example.org",
        "age1short",
        "ssh-ed25519 AAAA",
        "ssh-rsa not-base64",
        "-----BEGIN CERTIFICATE-----",
        "",
        "ssh-dss AAAAB3Nz",
    ],
)
def test_what_is_not_a_key_is_refused_and_named(recipient: str, given_by_mistake: str) -> None:
    message = refusal(recipients=[recipient, given_by_mistake])
    assert f"'{given_by_mistake}'" in message
    assert "age1" in message


@pytest.mark.slow
@pytest.mark.parametrize("bits", [1024, 8192])
def test_a_whole_key_that_age_does_not_take_is_not_said_to_be_none(recipient: str, bits: int) -> None:
    public, _identity = ssh_pair(rsa.generate_private_key(65537, bits))
    message = refusal(recipients=[recipient, public])
    assert "that can be used. SSH keys may be whole ones of Ed25519, or of RSA with 2048 to 4096 bits" in message


def test_a_key_of_age_that_is_not_known_is_not_said_to_lack_its_beginning(recipient: str) -> None:
    message = refusal(recipients=[recipient, "age1pq1qqqqqqqqqq"])
    assert "'age1pq1qqqqqqqqqq'" in message
    assert message.endswith("so it was mistyped or cut, or the installed pyrage does not know its kind.")


def test_a_mistyped_age_key_is_refused(recipient: str) -> None:
    other = "q" if recipient[-1] != "q" else "p"
    assert recipient[:-1] + other in refusal(recipients=[recipient[:-1] + other])


@pytest.mark.parametrize("beginning", ["AGE-SECRET-KEY-", "SECRET-KEY-", "KEY-", ""])
def test_a_private_key_without_its_beginning_is_not_shown(beginning: str) -> None:
    body = str(pyrage.x25519.Identity.generate()).removeprefix("AGE-SECRET-KEY-")
    assert body[:12] not in refusal(recipients=[beginning + body])


@pytest.mark.parametrize(
    ("passphrase", "length"), [("  ", 0), ("a", 1), ("elevenchars", 11), ("   elevenchars   ", 11)]
)
def test_a_short_passphrase_is_refused_without_being_shown(passphrase: str, length: int) -> None:
    message = refusal(passphrase=passphrase)
    assert f"has {length} characters: at least 12 are needed" in message
    assert "elevenchars" not in message


@pytest.mark.slow
def test_a_passphrase_of_twelve_characters_encrypts_and_a_short_one_still_decrypts(tmp_path: Path) -> None:
    assert (
        pyrage.passphrase.decrypt(encrypted(Encryptor.of(params(passphrase="twelve chars"))), "twelve chars") == CLEAR
    )
    (tmp_path / "config.zip.age").write_bytes(pyrage.passphrase.encrypt(CLEAR, "a"))
    assert (
        Decryptor.of({"passphrase": "a"}).decrypt(
            tmp_path / "config.zip.age", (tmp_path / "config.zip.age").read_bytes()
        )
        == CLEAR
    )


@pytest.mark.parametrize("count", [64, 100])
def test_more_recipients_than_are_decrypted_are_refused(recipient: str, count: int) -> None:
    message = refusal(recipients=[recipient] * count)
    assert f"{count} recipients are too many" in message
    assert "with more than 64 it is not decrypted" in message
    assert Encryptor.of(params(recipients=[recipient] * 60))


@pytest.mark.slow
def test_a_work_factor_that_would_not_be_decrypted_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    encrypted = pyrage.passphrase.encrypt(CLEAR, "correct horse")
    salt, factor = encrypted.split(b"\n")[1].split()[2:]
    slow = encrypted.replace(salt + b" " + factor, salt + b" 21")
    monkeypatch.setattr(pyrage.passphrase, "encrypt", lambda *_arguments: slow)
    output = io.BytesIO()
    with pytest.raises(AccessManagerError, match="the work factor '21' of scrypt"):
        Encryptor.of(params(passphrase="correct horse")).write(io.BytesIO(CLEAR), output)
    assert output.getvalue() == b""


@given(st.text(max_size=200))
def test_no_text_gives_anything_but_an_encryptor_or_a_sentence(text: str) -> None:
    with contextlib.suppress(AccessManagerError):
        Encryptor.of(params(recipients=[text]))


def private_keys() -> Iterator[Any]:
    secret = str(pyrage.x25519.Identity.generate())
    yield pytest.param(secret, id="age")
    yield pytest.param(secret.lower(), id="age, lower case")
    yield pytest.param(f"# public key: age1...\n{secret}", id="age key file")
    formats, nothing = serialization.PrivateFormat, serialization.NoEncryption()
    for name, kind in {"OpenSSH": formats.OpenSSH, "PKCS #8": formats.PKCS8}.items():
        pem = ed25519.Ed25519PrivateKey.generate().private_bytes(serialization.Encoding.PEM, kind, nothing)
        yield pytest.param(pem.decode(), id=f"PEM, {name}")


@pytest.mark.parametrize("key", list(private_keys()))
@pytest.mark.parametrize("before", [[], ["age1"]], ids=["alone", "after another mistake"])
def test_a_private_key_is_refused_without_being_repeated(key: str, before: list[str]) -> None:
    message = refusal(recipients=[key, *before])
    assert "private key" in message
    assert "public" in message
    body = [line for line in key.splitlines() if not line.startswith(("-----", "#"))]
    assert not [line for line in body if line[:20] in message]


def test_recipients_and_a_passphrase_are_refused_together(recipient: str) -> None:
    message = refusal(recipients=[recipient], passphrase="correct horse")
    assert "recipients" in message
    assert "passphrase" in message
    assert "correct horse" not in message


@pytest.mark.parametrize(
    "too_much", [{"recipients": ["age1"]}, {"passphrase": "correct horse"}], ids=["recipients", "passphrase"]
)
def test_none_is_refused_together_with_a_key(too_much: dict[str, Any]) -> None:
    message = refusal(encryption="none", **too_much)
    assert "'none'" in message
    assert "correct horse" not in message


# ---- failures while encrypting ----


@pytest.fixture(params=["recipients", "passphrase", "none"])
def any_encryptor(request: pytest.FixtureRequest, recipient: str) -> Encryptor:
    options = {
        "recipients": {"recipients": [recipient]},
        "passphrase": {"passphrase": "correct horse"},
        "none": {"encryption": "none"},
    }
    return Encryptor.of(params(**options[request.param]))


def test_a_failure_of_the_source_is_reported_in_its_own_words(any_encryptor: Encryptor) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise AccessManagerError("'config/a.json' arrived with another SHA-256.")

    with pytest.raises(AccessManagerError, match=r"^'config/a\.json' arrived with another SHA-256\.$"):
        any_encryptor.write(ChunkReader(chunks()), io.BytesIO())


@pytest.mark.parametrize("room", [0, 100, 100_000])
@pytest.mark.parametrize("encryption", ["age", "none"])
def test_a_disk_that_takes_no_more_is_reported_in_a_sentence_and_nothing_is_left(
    root: Path, recipient: str, encryption: str, room: int
) -> None:
    encryptor = Encryptor.of(params(encryption=encryption, recipients=[recipient] if encryption == "age" else []))
    store = BackupStore(str(root), "ams1")
    backup_id = PartialBackup.begin(store).id
    sentence = r"config\.zip\.age' cannot be written on the controller: File too large"
    with pytest.raises(AccessManagerError, match=sentence), largest_file(room):
        PartialBackup(store, backup_id).write(
            "config.zip.age", lambda encrypted: encryptor.write(io.BytesIO(CLEAR * 1000), encrypted)
        )
    assert list((root / "ams1" / f".partial-{backup_id}").iterdir()) == [
        root / "ams1" / f".partial-{backup_id}" / ".nonce"
    ]
