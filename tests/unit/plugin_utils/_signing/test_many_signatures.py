# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many signatures of one key: ssh-keygen decides once whether the key is allowed, and no wrong signature passes after
that.
"""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._signing import trust as trust_module
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._signing.signature import Signature
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._signing.trust import Origin, Trust, is_genuine
from hypothesis import given
from hypothesis import strategies as st
from unit.signers import SshKey, ssh_key

DATA, OTHER = b'{"id": "20261123T081500Z"}\n', b'{"id": "20261124T081500Z"}\n'
PLACE = "/srv/backup/ams1/20261123T081500Z/manifest.json"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SshKey:
    return ssh_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def signature(key: SshKey) -> bytes:
    return key.signature(DATA)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What ssh-keygen was run for."""
    made: list[str] = []
    real = trust_module.ssh_keygen

    def counted(*arguments: str, **options: object) -> object:
        made.append(arguments[1])
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(trust_module, "ssh_keygen", counted)
    return made


def trust_in(*allowed: str) -> Trust:
    return Trust.of({"allowed_signers": list(allowed)})


def origin(trust: Trust, signature: bytes, data: bytes = DATA) -> Origin:
    return trust.origin_of(data, signature, PLACE)


def armored(blob: bytes) -> bytes:
    return b"\n".join([b"-----BEGIN SSH SIGNATURE-----", base64.b64encode(blob), b"-----END SSH SIGNATURE-----\n"])


def blob_of(signature: bytes) -> bytes:
    return base64.b64decode(b"".join(signature.splitlines()[1:-1]))


def test_the_second_signature_of_an_ed25519_key_starts_no_process(key: SshKey, calls: list[str]) -> None:
    trust = trust_in(key.public)
    first = origin(trust, key.signature(DATA))
    assert (first.is_verified, calls) == (True, ["find-principals", "verify"])
    assert origin(trust, key.signature(OTHER), OTHER) == first
    assert len(calls) == 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_other_kinds_of_keys_are_verified_by_ssh_keygen_each_time(kind: str, tmp_path: Path, calls: list[str]) -> None:
    key = ssh_key(tmp_path, kind=kind)
    trust = trust_in(key.public)
    for data in (DATA, OTHER):
        assert origin(trust, key.signature(data), data).is_verified
    assert calls == ["find-principals", "verify", "verify"]


def test_a_key_that_is_not_allowed_stays_so_though_another_of_the_run_is(key: SshKey, tmp_path: Path) -> None:
    stranger = ssh_key(tmp_path, "stranger")
    trust = trust_in(key.public)
    assert origin(trust, key.signature(DATA)).is_verified
    for _again in range(2):
        assert not origin(trust, stranger.signature(DATA)).is_verified
        assert not origin(trust, key.signature(OTHER), DATA).is_verified
        assert not origin(trust, key.signature(DATA, namespace="git")).is_verified
    assert not origin(trust_in(stranger.public), key.signature(DATA)).is_verified


@given(place=st.integers(0, 10_000), letter=st.integers(0, 255))
def test_what_is_verified_without_ssh_keygen_is_what_ssh_keygen_verifies(
    place: int, letter: int, signature: bytes
) -> None:
    blob = bytearray(blob_of(signature))
    blob[place % len(blob)] = letter
    try:
        changed = Signature.parse(armored(bytes(blob)))
    except ValueError:
        return
    if changed.namespace == Signature.parse(signature).namespace:
        assert changed.is_by_ed25519(DATA) == is_genuine(DATA, changed)


def test_an_honest_signature_is_verified_by_both(signature: bytes) -> None:
    parsed = Signature.parse(signature)
    assert (parsed.is_by_ed25519(DATA), is_genuine(DATA, parsed)) == (True, True)
    assert (parsed.is_by_ed25519(OTHER), is_genuine(OTHER, parsed)) == (False, False)
