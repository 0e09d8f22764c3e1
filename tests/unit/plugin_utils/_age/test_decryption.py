# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decryption: with keys from a file, or under a passphrase; the wrong ones are refused in a sentence."""

from __future__ import annotations

import functools
import io
import time
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age import header
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.decryption import LARGEST, Decryptor
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.artifact import Artifact
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.folder import Folder
from hypothesis import given
from hypothesis import strategies as st
from support.backups import KeyPair, age_key, ssh_key


def encrypted(folder: Path, data: bytes, recipient: str) -> Path:
    kind = pyrage.ssh.Recipient if recipient.startswith("ssh-") else pyrage.x25519.Recipient
    path = folder / "config.zip.age"
    path.write_bytes(pyrage.encrypt(data, [kind.from_str(recipient)]))
    return path


def key_file(folder: Path, content: str) -> str:
    (folder / "key.txt").write_text(content)
    return str(folder / "key.txt")


def open_with(decryptor: Decryptor, path: Path, recipients: tuple[str, ...] = ()) -> bytes:
    artifact = Artifact(path, functools.partial(Folder.at, path.parent))
    return decryptor.decrypt(path, artifact.read(LARGEST), recipients)


def refusal(path: Path, recipients: tuple[str, ...] = (), **params: str) -> str:
    with pytest.raises(AccessManagerError) as caught:
        open_with(Decryptor.of(params), path, recipients)
    return str(caught.value)


def test_an_age_key_between_comments_opens(tmp_path: Path) -> None:
    key, other = age_key(), age_key()
    identity = key_file(tmp_path, f"# created: today\n# public key: {key.public}\n{other.private}\n\n{key.private}\n")
    assert (
        open_with(Decryptor.of({"identity_file": identity}), encrypted(tmp_path, b"content", key.public)) == b"content"
    )


def test_an_ssh_key_opens(tmp_path: Path) -> None:
    key = ssh_key()
    decryptor = Decryptor.of({"identity_file": key_file(tmp_path, key.private)})
    assert open_with(decryptor, encrypted(tmp_path, b"content", key.public)) == b"content"


@pytest.mark.parametrize("kind", [age_key, ssh_key])
def test_a_key_with_a_byte_order_mark_opens(tmp_path: Path, kind: Callable[[], KeyPair]) -> None:
    key = kind()
    decryptor = Decryptor.of({"identity_file": key_file(tmp_path, f"\ufeff{key.private}")})
    assert open_with(decryptor, encrypted(tmp_path, b"content", key.public)) == b"content"


@pytest.mark.slow
def test_a_passphrase_opens(tmp_path: Path) -> None:
    path = tmp_path / "config.zip.age"
    path.write_bytes(pyrage.passphrase.encrypt(b"content", "correct horse"))
    assert open_with(Decryptor.of({"passphrase": "correct horse"}), path) == b"content"
    assert "cannot be decrypted with this passphrase" in refusal(path, passphrase="wrong")
    key = age_key()
    assert "encrypted with a passphrase" in refusal(path, identity_file=key_file(tmp_path, key.private))


def test_a_clear_file_needs_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.zip").write_bytes(b"content")
    assert open_with(Decryptor(), tmp_path / "config.zip") == b"content"


def test_the_wrong_key_is_reported_who_could_open_it(tmp_path: Path) -> None:
    key, other = age_key(), age_key()
    path = encrypted(tmp_path, b"content", key.public)
    sentence = refusal(path, (key.public,), identity_file=key_file(tmp_path, other.private))
    assert key.public in sentence
    assert other.private not in sentence
    assert key.public in refusal(path, (key.public,))
    assert "access_manager_identity_file" in refusal(path)
    assert "access_manager_identity_file" in refusal(path, passphrase="secret")


@pytest.mark.parametrize(
    "content", ["", "# only a comment\n", "age1notaprivatekey\n", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"]
)
def test_a_file_without_a_usable_key_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(AccessManagerError) as caught:
        Decryptor.of({"identity_file": key_file(tmp_path, content)})
    assert "key.txt" in str(caught.value)
    assert "private key" in str(caught.value)


def test_key_and_passphrase_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AccessManagerError, match="Both identity_file and passphrase"):
        Decryptor.of({"identity_file": "x", "passphrase": "y"})


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(AccessManagerError, match=r"identity file '.*no-key' cannot be read"):
        Decryptor.of({"identity_file": str(tmp_path / "no-key")})
    assert "cannot be read" in refusal(tmp_path / "no-backup")


def test_what_is_too_large_for_the_memory_is_not_read(tmp_path: Path) -> None:
    for name in ("config.zip", "config.zip.age"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(LARGEST + 1)
        assert f"'{tmp_path / name}' is not what was written: it is a sparse file" in refusal(tmp_path / name)


# ---- bounds ----


def with_header(path: Path, stanzas: bytes) -> Path:
    path.write_bytes(header.VERSION + stanzas + b"--- " + b"A" * 43 + b"\n" + bytes(48))
    return path


def nothing_decrypts(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, no file reaches age's library."""

    def reached(*_arguments: object) -> bytes:
        raise AssertionError("age's library was given this file")

    monkeypatch.setattr(pyrage, "decrypt", reached)
    monkeypatch.setattr(pyrage.passphrase, "decrypt", reached)


@pytest.mark.parametrize(
    ("stanzas", "found"),
    [
        (b"-> X25519 x\ny\n" * 600, "has 600 stanzas in its age header"),
        (b"-> x-grease x\ny\n" * 65, "has 65 stanzas"),
        (b"-> X25519 " + b"x" * 20_000 + b"\ny\n", "has an age header of 20"),
        (b"-> ssh-rsa abcd\n" + b"A" * 64 * 300 + b"\n", "has an age header of 19"),
        (b"-> scrypt c2FsdA 21\ny\n", "the work factor '21' of scrypt; above 20"),
        (b"-> X25519 x\ny\n-> scrypt c2FsdA 30\ny\n", "the work factor '30'"),
        (b"-> scrypt c2FsdA\ny\n", "the work factor 'c2FsdA'"),
        (b"-> scrypt\ny\n", "the work factor ''"),
        (b"-> scrypt c2FsdA -1\ny\n", "the work factor '-1'"),
        ("-> scrypt c2FsdA ٣\ny\n".encode(), "the work factor"),
        (b"-> X25519 x\n" * 200_000, "without an end"),
    ],
    ids=lambda value: value[:24].decode("ascii", "replace") if isinstance(value, bytes) else None,
)
def test_a_header_that_costs_more_than_any_backups_never_reaches_ages_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stanzas: bytes, found: str
) -> None:
    path = with_header(tmp_path / "config.zip.age", stanzas)
    nothing_decrypts(monkeypatch)
    for params in ({"identity_file": key_file(tmp_path, age_key().private)}, {"passphrase": "correct horse"}):
        assert found in refusal(path, **params)
    assert found in header.problems(io.BytesIO(path.read_bytes()), path, "recipients", [])[0]


def test_an_armored_file_does_not_get_around_the_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.zip.age"
    path.write_bytes(b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n")
    nothing_decrypts(monkeypatch)
    assert "is not an age file" in refusal(path, passphrase="correct horse")


def test_as_many_recipients_as_are_encrypted_to_open_soon(tmp_path: Path) -> None:
    key = age_key()
    path = tmp_path / "config.zip.age"
    path.write_bytes(
        pyrage.encrypt(b"content", [pyrage.x25519.Recipient.from_str(key.public)] * (header.MOST_STANZAS - 1))
    )
    before = time.process_time()
    assert open_with(Decryptor.of({"identity_file": key_file(tmp_path, key.private)}), path) == b"content"
    assert time.process_time() - before < 5


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda rest: header.VERSION + b"-> scrypt " + rest))
def test_any_bytes_are_opened_or_refused_in_a_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "config.zip.age").write_bytes(data)
    assert refusal(tmp_path / "config.zip.age", passphrase="correct horse")


@given(place=st.integers(0, 2000), change=st.integers(1, 255))
def test_a_changed_byte_never_opens_as_something_else(tmp_path: Path, place: int, change: int) -> None:
    key = age_key()
    path = encrypted(tmp_path, b"content" * 100, key.public)
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= change
    path.write_bytes(data)
    try:
        opened = open_with(Decryptor.of({"identity_file": key_file(tmp_path, key.private)}), path)
    except AccessManagerError:
        return
    assert opened == b"content" * 100
