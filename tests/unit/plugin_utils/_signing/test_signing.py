# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures: made and verified by the real ssh-keygen, with real keys and a real agent."""

from __future__ import annotations

import base64
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._signing.signature import Signature
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._signing.signer import Signer
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._signing.trust import Origin, Trust
from hypothesis import given
from hypothesis import strategies as st
from unit.signers import SshKey, add_to_agent, ssh_agent, ssh_key

DATA = b'{"id": "20261123T081500Z"}\n'
PLACE = "/srv/backup/ams1/20261123T081500Z/manifest.json"
PASSPHRASE = "correct horse battery staple"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SshKey:
    return ssh_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> SshKey:
    return ssh_key(tmp_path_factory.mktemp("stranger"), "stranger")


def trust_in(*allowed: str, **options: Any) -> Trust:
    return Trust.of({"allowed_signers": list(allowed)} | options)


def origin(trust: Trust, signature: bytes | None, data: bytes = DATA) -> Origin:
    return trust.origin_of(data, signature, PLACE)


def trial(path: Path | str, allowed: Any = None) -> Trust:
    """What a backup does with its key before anything else."""
    signer = Signer.of({"signing_key": str(path), "allowed_signers": allowed})
    assert signer
    return signer.tried()


def signing_refused(path: Path | str, *, allowed: Any = None) -> str:
    with pytest.raises(AccessManagerError) as caught:
        trial(path, allowed)
    return str(caught.value)


def signers_refused(allowed: Any) -> str:
    with pytest.raises(AccessManagerError) as caught:
        Trust.of({"allowed_signers": allowed})
    return str(caught.value)


# ---- what is accepted ----


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_signature_by_an_allowed_key_of_any_usual_kind_proves_who_made_it(kind: str, tmp_path: Path) -> None:
    key = ssh_key(tmp_path, kind=kind)
    signature = key.signer(key.public).sign(DATA).signature
    found = origin(trust_in(key.public), signature)
    assert found == Origin("backup@example.com", key.fingerprint, "")
    assert found.signer == {"principal": "backup@example.com", "fingerprint": key.fingerprint}
    assert found.sentence == f"Signed by backup@example.com ({key.fingerprint})."


def test_a_key_in_a_real_agent_signs_by_its_public_file_or_by_its_locked_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ssh_key(tmp_path, passphrase=PASSPHRASE)
    with ssh_agent(tmp_path) as socket:
        add_to_agent(key, socket, passphrase=PASSPHRASE)
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        assert origin(trust_in(key.public), key.signer().sign(DATA).signature).is_verified
        key.path.unlink()
        alone = Signer.of({"signing_key": str(key.public_path)})
        assert alone and origin(trust_in(key.public), alone.sign(DATA).signature).is_verified


def test_a_key_with_a_passphrase_and_no_agent_is_refused_at_once_and_nothing_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    helper = tmp_path / "askpass"
    helper.write_text(f"#!/bin/sh\ntouch {asked}\nprintf %s '{PASSPHRASE}'\n")
    helper.chmod(0o700)
    for name, value in {"SSH_ASKPASS": str(helper), "DISPLAY": ":0", "SSH_ASKPASS_REQUIRE": "force"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    key = ssh_key(tmp_path, passphrase=PASSPHRASE)
    begun = time.monotonic()
    sentence = signing_refused(key.path)
    assert time.monotonic() - begun < 30
    assert f"'{key.path}' (access_manager_signing_key) has a passphrase, which is never asked for" in sentence
    assert f"ssh-add '{key.path}'" in sentence
    assert not asked.exists()


def test_nothing_is_asked_on_the_terminal_of_who_runs_ansible(tmp_path: Path) -> None:
    key = ssh_key(tmp_path, passphrase=PASSPHRASE)
    program = (
        "from ansible_collections.lithnet.access_manager.plugins.plugin_utils._signing.signer import Signer\n"
        f"try:\n    Signer.of({{'signing_key': {str(key.path)!r}}}).tried()\nexcept Exception as exc:\n    print(exc)\n"
    )
    root, child = os.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"} | {
        "PYTHONPATH": str(Path(__file__).resolve().parents[4] / ".build")
    }
    command = ["setsid", "--ctty", "--wait", os.sys.executable, "-c", program]  # type: ignore[attr-defined]
    try:
        done = subprocess.run(
            command, stdin=child, capture_output=True, text=True, env=environment, timeout=30, check=True
        )
    finally:
        os.close(child)
        os.set_blocking(root, False)
        try:
            typed = os.read(root, 4096)
        except OSError:  # nothing was written there
            typed = b""
        os.close(root)
    assert "has a passphrase" in done.stdout
    assert typed == b""


def test_a_certificate_counts_when_its_authority_is_allowed(tmp_path: Path) -> None:
    authority, key = ssh_key(tmp_path, "authority"), ssh_key(tmp_path)
    command = ["ssh-keygen", "-q", "-s", str(authority.path), "-I", "backups", "-n", "backup", str(key.public_path)]
    subprocess.run(command, check=True, capture_output=True)
    certificate = tmp_path / "backup-cert.pub"
    allowed = f"backup cert-authority {' '.join(authority.public.split()[:2])}"
    signer = Signer.of({"signing_key": str(certificate), "allowed_signers": [allowed]})
    assert signer and origin(trust_in(allowed), signer.sign(DATA).signature).principal == "backup"
    assert "is a certificate: name its authority" in signing_refused(certificate)


def test_without_allowed_signers_the_origin_is_not_verified_and_nothing_is_refused(key: SshKey) -> None:
    trust = Trust.of({})
    for signature in (None, b"noise", key.signature(DATA)):
        found = origin(trust, signature)
        assert (found.is_verified, found.signer) == (False, None)
        assert found.sentence == (
            "The origin of the backups is not verified: no allowed signers are set (access_manager_allowed_signers)."
        )
        trust.refuse(found)


def test_allow_unsigned_accepts_what_the_signers_do_not_but_does_not_call_it_verified(
    key: SshKey, stranger: SshKey
) -> None:
    trust = trust_in(key.public, allow_unsigned=True)
    for signature in (None, stranger.signature(DATA)):
        found = origin(trust, signature)
        assert not found.is_verified
        trust.refuse(found)
    assert origin(trust, key.signature(DATA)).is_verified


# ---- what is not accepted ----


def test_each_wrong_signature_is_refused_with_a_sentence_of_its_own(key: SshKey, stranger: SshKey) -> None:
    trust, good = trust_in(key.public), key.signature(DATA)
    wrong = {
        "is not signed: there is no": None,
        f"is signed with the key {stranger.fingerprint}, which is not among the allowed signers": stranger.signature(
            DATA
        ),
        "is a signature for 'git', and not for 'backup@lithnet.access_manager'": key.signature(DATA, namespace="git"),
        "is not the signature of": key.signature(DATA + b" "),
        "is damaged: it is not a signature in OpenSSH's format": good[:-40],
    }
    for sentence, signature in wrong.items():
        found = origin(trust, signature)
        assert sentence in found.problem
        assert PLACE in found.problem
        with pytest.raises(AccessManagerError, match="It is not used.*-e access_manager_allow_unsigned=true"):
            trust.refuse(found)
    trust.refuse(origin(trust, good))


def test_a_key_that_is_allowed_for_something_else_or_no_more_is_refused(key: SshKey) -> None:
    bare = " ".join(key.public.split()[:2])
    signature = key.signature(DATA)
    for option in ('namespaces="git"', 'valid-before="20200101"'):
        found = origin(trust_in(f"backup {option} {bare}"), signature)
        assert not found.is_verified
        assert key.fingerprint in found.problem
    for option in ('namespaces="git,backup@lithnet.access_manager"', 'valid-after="20200101"'):
        assert origin(trust_in(f"backup {option} {bare}"), signature).is_verified


@pytest.fixture(scope="module")
def signature(key: SshKey) -> bytes:
    return key.signature(DATA)


@given(place=st.integers(0, 10_000), letter=st.integers(0, 255))
def test_no_change_of_a_signature_is_accepted_for_another_text(
    place: int, letter: int, key: SshKey, signature: bytes
) -> None:
    changed = bytearray(signature)
    changed[place % len(changed)] = letter
    found = origin(trust_in(key.public), bytes(changed), DATA.replace(b"23T", b"24T"))
    assert not found.is_verified
    assert "\n" not in found.problem


@given(noise=st.binary(max_size=400))
def test_noise_in_the_armor_of_a_signature_is_damaged_and_never_a_traceback(noise: bytes, key: SshKey) -> None:
    armored = b"-----BEGIN SSH SIGNATURE-----\n" + base64.b64encode(noise) + b"\n-----END SSH SIGNATURE-----\n"
    with_magic = armored.replace(base64.b64encode(noise), base64.b64encode(b"SSHSIG\0\0\0\1" + noise))
    for one in (noise, armored, with_magic):
        assert not origin(trust_in(key.public), one).is_verified


def test_a_forged_signature_that_names_a_genuine_key_does_not_make_the_key_unknown(
    key: SshKey, signature: bytes
) -> None:
    trust = trust_in(key.public)
    blob = base64.b64decode(b"".join(signature.splitlines()[1:-1]))
    for forged in (
        blob[:-8] + bytes(8),
        blob.replace(b"sha512", b"sha999"),
        blob.replace(b"\0\0\0\0\0\0\0\6sha512", bytes(8)),
    ):
        armored = b"\n".join(
            [b"-----BEGIN SSH SIGNATURE-----", base64.b64encode(forged), b"-----END SSH SIGNATURE-----\n"]
        )
        assert not origin(trust, armored).is_verified
    assert origin(trust, signature).is_verified


def test_what_a_hostile_signature_says_is_printed_without_its_escapes(key: SshKey) -> None:
    found = origin(trust_in(key.public), key.signature(DATA, namespace="\x1b[2J\u202egit"))
    with pytest.raises(AccessManagerError) as caught:
        trust_in(key.public).refuse(found)
    assert str(caught.value).isprintable()
    assert found.problem.isprintable()


def test_a_signature_as_ssh_keygen_makes_it_is_read_as_it_is(key: SshKey, signature: bytes) -> None:
    parsed = Signature.parse(signature)
    assert (parsed.fingerprint, parsed.namespace, parsed.key_type) == (
        key.fingerprint,
        "backup@lithnet.access_manager",
        "ssh-ed25519",
    )


# ---- the signing key ----


def test_a_key_whose_signature_this_run_would_not_accept_is_refused_before_anything(
    key: SshKey, stranger: SshKey
) -> None:
    sentence = signing_refused(key.path, allowed=[stranger.public])
    assert (
        f"'{key.path}' (access_manager_signing_key) would not be accepted afterwards: its key {key.fingerprint}"
        in sentence
    )
    assert "access_manager_allowed_signers" in sentence


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    key = ssh_key(tmp_path)
    for mode in (0o644, 0o640, 0o604):
        key.path.chmod(mode)
        assert (
            f"'{key.path}' (access_manager_signing_key) is open to others (mode {mode:04o}): chmod 600"
            in signing_refused(key.path)
        )
    key.path.chmod(0o400)
    assert key.signer().sign(DATA)


def test_a_key_that_is_missing_or_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    missing = tmp_path / "missing"
    assert f"'{missing}' (access_manager_signing_key) cannot be read: No such file or directory" in signing_refused(
        missing
    )
    other = tmp_path / "notes.txt"
    other.write_text("AGE-SECRET-KEY-1QQ\n")
    assert f"'{other}' (access_manager_signing_key) is not an SSH key" in signing_refused(other)
    half = tmp_path / "half"
    half.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n")
    half.chmod(0o600)
    assert f"Nothing can be signed with '{half}'" in signing_refused(half)
    alone = ssh_key(tmp_path)
    alone.path.unlink()
    assert f"'{alone.public_path}' (access_manager_signing_key): ssh-agent does not hold" in signing_refused(
        alone.public_path
    )


@pytest.fixture
def program_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are looked for."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_a_key_whose_passphrase_is_missing_is_added_by_its_private_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    key = ssh_key(tmp_path, passphrase=PASSPHRASE)
    assert f"ssh-add '{key.path}'" in signing_refused(key.public_path)


def test_an_empty_name_of_a_key_is_refused() -> None:
    with pytest.raises(AccessManagerError, match="access_manager_signing_key is empty"):
        Signer.of({"signing_key": ""})


def test_a_program_that_writes_no_signature_is_a_sentence(key: SshKey, program_folder: Path) -> None:
    (program_folder / "ssh-keygen").write_text("#!/bin/sh\necho signed\n")
    (program_folder / "ssh-keygen").chmod(0o755)
    assert "what ssh-keygen wrote is no signature" in signing_refused(key.path)


def test_a_missing_or_an_old_ssh_keygen_is_named(key: SshKey, program_folder: Path) -> None:
    assert "ssh-keygen is missing on the controller" in signing_refused(key.path)
    assert "OpenSSH 8.2 or newer" in signing_refused(key.path)
    assert "ssh-keygen is missing on the controller" in signers_refused([key.public])
    for name in ("ssh", "ssh-keygen"):
        program = program_folder / name
        program.write_text("#!/bin/sh\necho 'OpenSSH_8.1p1 Debian-5, OpenSSL 1.1.1d' >&2\n")
        program.chmod(0o755)
    assert (
        f"'{program_folder}/ssh-keygen' is of OpenSSH_8.1p1, and signatures of backups need OpenSSH 8.2"
        in signing_refused(key.path)
    )


# ---- the allowed signers ----


def test_signers_are_taken_as_keys_as_lines_as_a_text_or_from_a_file(
    key: SshKey, stranger: SshKey, tmp_path: Path
) -> None:
    bare = " ".join(key.public.split()[:2])
    file = tmp_path / "allowed_signers"
    file.write_text(f"# who makes backups\n\noperations@example.com {bare}\n")
    expected: dict[str, Any] = {
        "backup@example.com": [stranger.public, key.public],
        "signer": [bare],
        "backup": f"{stranger.public}\nbackup {bare}\n",
        "operations@example.com": str(file),
        "a@example.com": [f'"a@example.com,b@example.com" {bare} anything at all'],
    }
    for principal, allowed in expected.items():
        assert origin(Trust.of({"allowed_signers": allowed}), key.signature(DATA)).principal == principal
    assert origin(Trust.of({"allowed_signers": key.public}), key.signature(DATA)).is_verified


def test_signers_that_name_nobody_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "allowed_signers"
    empty.write_text("# nobody yet\n")
    for allowed in ([], "", [""], str(empty)):
        assert "access_manager_allowed_signers names no signer, so no backup could be accepted" in signers_refused(
            allowed
        )
    assert f"'{tmp_path}/missing' (access_manager_allowed_signers) cannot be read" in signers_refused(
        f"{tmp_path}/missing"
    )


def test_signers_that_are_no_public_keys_are_refused_with_the_entry(key: SshKey) -> None:
    kind, encoded = key.public.split()[:2]
    for entry in (
        "ssh-ed25519",
        f"{kind} {encoded[:-8]}!",
        f"ssh-rsa {encoded}",
        "age1qqqq",
        f"backup, {kind}",
        "name namespaces= x",
        f"name no-touch {kind} {encoded}",
    ):
        assert f"has an entry that is no public key: '{entry[:60]}" in signers_refused([key.public, entry])
    for wrong in ([7], {"backup": key.public}, [[key.public]]):
        assert "access_manager_allowed_signers" in signers_refused(wrong)


def test_a_private_key_among_the_signers_is_refused_and_not_repeated(key: SshKey) -> None:
    secret = key.path.read_text()
    for allowed in ([secret], secret, str(key.path)):
        sentence = signers_refused(allowed)
        assert "holds a private key" in sentence
        assert not any(line in sentence for line in secret.splitlines())


def test_signers_that_everybody_may_change_are_refused(key: SshKey, tmp_path: Path) -> None:
    file = tmp_path / "allowed_signers"
    file.write_text(key.public)
    file.chmod(0o666)
    assert f"Everybody may write to the allowed signers '{file}' (mode 0666)" in signers_refused(str(file))
