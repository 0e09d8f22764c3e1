# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening what is sealed: with keys from a file, or under a passphrase; the wrong ones are refused in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.decryption import LARGEST, Opener
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from hypothesis import given
from hypothesis import strategies as st
from support.backups import KeyPair, age_key, ssh_key


def sealed(folder: Path, data: bytes, recipient: str) -> Path:
    kind = pyrage.ssh.Recipient if recipient.startswith("ssh-") else pyrage.x25519.Recipient
    path = folder / "config.zip.age"
    path.write_bytes(pyrage.encrypt(data, [kind.from_str(recipient)]))
    return path


def key_file(folder: Path, content: str) -> str:
    (folder / "key.txt").write_text(content)
    return str(folder / "key.txt")


def refusal(path: Path, recipients: tuple[str, ...] = (), **params: str) -> str:
    with pytest.raises(AccessManagerError) as caught:
        Opener.of(params).open(path, recipients)
    return str(caught.value)


def test_an_age_key_between_comments_opens(tmp_path: Path) -> None:
    key, other = age_key(), age_key()
    identity = key_file(tmp_path, f"# created: today\n# public key: {key.public}\n{other.private}\n\n{key.private}\n")
    assert Opener.of({"identity_file": identity}).open(sealed(tmp_path, b"content", key.public)) == b"content"


def test_an_ssh_key_opens(tmp_path: Path) -> None:
    key = ssh_key()
    opener = Opener.of({"identity_file": key_file(tmp_path, key.private)})
    assert opener.open(sealed(tmp_path, b"content", key.public)) == b"content"


@pytest.mark.parametrize("kind", [age_key, ssh_key])
def test_a_key_with_a_byte_order_mark_opens(tmp_path: Path, kind: Callable[[], KeyPair]) -> None:
    key = kind()
    opener = Opener.of({"identity_file": key_file(tmp_path, f"\ufeff{key.private}")})
    assert opener.open(sealed(tmp_path, b"content", key.public)) == b"content"


def test_a_passphrase_opens(tmp_path: Path) -> None:
    path = tmp_path / "config.zip.age"
    path.write_bytes(pyrage.passphrase.encrypt(b"content", "correct horse"))
    assert Opener.of({"passphrase": "correct horse"}).open(path) == b"content"
    assert "does not open with this passphrase" in refusal(path, passphrase="wrong")
    key = age_key()
    assert "sealed under a passphrase" in refusal(path, identity_file=key_file(tmp_path, key.private))


def test_a_clear_file_needs_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.zip").write_bytes(b"content")
    assert Opener.of({}).open(tmp_path / "config.zip") == b"content"


def test_the_wrong_key_is_told_who_could_open_it(tmp_path: Path) -> None:
    key, other = age_key(), age_key()
    path = sealed(tmp_path, b"content", key.public)
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
        Opener.of({"identity_file": key_file(tmp_path, content)})
    assert "key.txt" in str(caught.value)
    assert "private key" in str(caught.value)


def test_key_and_passphrase_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AccessManagerError, match="Both identity_file and passphrase"):
        Opener.of({"identity_file": "x", "passphrase": "y"})


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(AccessManagerError, match=r"identity file '.*no-key' cannot be read"):
        Opener.of({"identity_file": str(tmp_path / "no-key")})
    assert "cannot be read" in refusal(tmp_path / "no-backup")


def test_what_is_too_large_for_the_memory_is_not_read(tmp_path: Path) -> None:
    for name in ("config.zip", "config.zip.age"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(LARGEST + 1)
        assert f"'{tmp_path / name}' has {LARGEST + 1} bytes: more than 4 GiB are not opened" in refusal(tmp_path / name)


@given(place=st.integers(0, 2000), change=st.integers(1, 255))
def test_a_changed_byte_never_opens_as_something_else(tmp_path: Path, place: int, change: int) -> None:
    key = age_key()
    path = sealed(tmp_path, b"content" * 100, key.public)
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= change
    path.write_bytes(data)
    try:
        opened = Opener.of({"identity_file": key_file(tmp_path, key.private)}).open(path)
    except AccessManagerError:
        return
    assert opened == b"content" * 100
