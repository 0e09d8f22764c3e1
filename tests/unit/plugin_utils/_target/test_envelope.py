# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The envelope: what a target encrypted for this call is decrypted, and nothing else does."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import os
import tempfile
import tracemalloc
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target.envelope import (
    LARGEST_ANSWER,
    CallKey,
    Envelope,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from unit.target_side import encrypt, protect

CONTEXT = "artifact_fetch"
KEY = CallKey()
SENTENCE = "it is not used"


@pytest.fixture(scope="module")
def envelope() -> Envelope:
    return Envelope(CONTEXT, KEY)


@pytest.fixture(scope="module")
def encrypted() -> dict[str, Any]:
    return protect(b"PFX password: correct horse", KEY.public, CONTEXT)


def decrypted_stream(envelope: Envelope, header: dict[str, Any]) -> Any:
    return envelope.decrypted_stream(header, io.BytesIO(base64.b64decode(header["data"])))


@given(st.binary(max_size=5000))
@example(b"")
@example("Grüße".encode() * 50_000)
def test_what_a_target_encrypted_is_decrypted(envelope: Envelope, clear: bytes) -> None:
    assert envelope.decrypt(protect(clear, KEY.public, CONTEXT)) == clear


@settings(max_examples=200)
@given(
    part=st.sampled_from(["data", "iv", "mac", "key"]),
    place=st.floats(0, 1, exclude_max=True),
    change=st.integers(1, 255),
)
def test_no_changed_byte_passes(
    envelope: Envelope, encrypted: dict[str, Any], part: str, place: float, change: int
) -> None:
    changed = bytearray(base64.b64decode(encrypted[part]))
    changed[int(place * len(changed))] ^= change
    with pytest.raises(AccessManagerError, match=SENTENCE):  # at once: not when it is read
        decrypted_stream(envelope, encrypted | {part: base64.b64encode(changed).decode()})


@pytest.mark.parametrize("part", ["data", "mac", "key", "iv"])
@pytest.mark.parametrize("kept", [0, 1, 16, -16, -1])
def test_nothing_cut_short_passes(envelope: Envelope, encrypted: dict[str, Any], part: str, kept: int) -> None:
    cut = base64.b64decode(encrypted[part])[:kept]
    if cut != base64.b64decode(encrypted[part]):
        with pytest.raises(AccessManagerError, match=SENTENCE):
            decrypted_stream(envelope, encrypted | {part: base64.b64encode(cut).decode()})


def test_nothing_appended_passes(envelope: Envelope, encrypted: dict[str, Any]) -> None:
    longer = base64.b64decode(encrypted["data"]) + bytes(16)
    with pytest.raises(AccessManagerError, match=SENTENCE):
        decrypted_stream(envelope, encrypted | {"data": base64.b64encode(longer).decode()})


def test_the_check_of_a_transfer_takes_the_whole_ciphertext_alone(
    envelope: Envelope, encrypted: dict[str, Any]
) -> None:
    is_intact, whole = envelope.check(encrypted), base64.b64decode(encrypted["data"])
    assert is_intact(io.BytesIO(whole))
    for other in (whole[:-1], whole + b"x", whole[::-1], b""):
        assert not is_intact(io.BytesIO(other))


def test_a_header_for_another_call_is_refused_before_anything_is_transferred(
    envelope: Envelope, encrypted: dict[str, Any]
) -> None:
    other = protect(b"x", CallKey().public, CONTEXT)
    for header in (other, encrypted | {"iv": "AAAA"}, encrypted | {"mac": "?"}):
        with pytest.raises(AccessManagerError, match=SENTENCE):
            envelope.check(header)


@pytest.mark.parametrize("length", [8, 12, 32])
def test_a_shifted_border_of_iv_and_ciphertext_does_not_pass(
    envelope: Envelope, encrypted: dict[str, Any], length: int
) -> None:
    whole = base64.b64decode(encrypted["iv"]) + base64.b64decode(encrypted["data"])
    shifted = {"iv": base64.b64encode(whole[:length]).decode(), "data": base64.b64encode(whole[length:]).decode()}
    with pytest.raises(AccessManagerError, match=SENTENCE):
        decrypted_stream(envelope, encrypted | shifted)


@pytest.mark.parametrize("part", ["data", "iv", "mac", "key"])
@pytest.mark.parametrize("garbage", ["not base64!", "AAA", "Ünicode"])
def test_what_is_not_base64_is_refused_in_a_sentence(
    envelope: Envelope, encrypted: dict[str, Any], part: str, garbage: str
) -> None:
    with pytest.raises(AccessManagerError, match=SENTENCE):
        envelope.decrypt(encrypted | {part: garbage})


@pytest.mark.parametrize("part", ["data", "iv", "mac", "key"])
def test_an_answer_without_a_part_is_refused_in_a_sentence(
    envelope: Envelope, encrypted: dict[str, Any], part: str
) -> None:
    with pytest.raises(AccessManagerError):
        envelope.decrypt({key: value for key, value in encrypted.items() if key != part})


PACKED = gzip.compress(os.urandom(1000))


@pytest.mark.parametrize(
    "packed",
    [b"no gzip", PACKED[:-500], PACKED[:-4], PACKED[:500] + bytes(500)],
    ids=["other", "half", "without length", "zeros"],
)
def test_what_does_not_unpack_is_refused_in_a_sentence(envelope: Envelope, packed: bytes) -> None:
    header = protect(packed, KEY.public, CONTEXT, compress=False)
    with pytest.raises(AccessManagerError, match=SENTENCE):
        envelope.decrypt(header)
    with pytest.raises(AccessManagerError, match=SENTENCE):
        decrypted_stream(envelope, header).read()


def test_an_answer_of_another_step_does_not_pass(envelope: Envelope) -> None:
    with pytest.raises(AccessManagerError, match=SENTENCE):
        envelope.decrypt(protect(b"clear", KEY.public, "secret_export"))


def test_an_answer_to_another_call_does_not_pass(encrypted: dict[str, Any]) -> None:
    with pytest.raises(AccessManagerError, match="not encrypted to this call's key"):
        Envelope(CONTEXT, CallKey()).decrypt(encrypted)


def test_each_call_has_its_own_key() -> None:
    assert CallKey().public["modulus"] != CallKey().public["modulus"]


def test_a_large_stream_takes_little_memory(envelope: Envelope) -> None:
    clear = os.urandom(8 * 1024**2)
    header, ciphertext = encrypt(clear, KEY.public, CONTEXT)
    with tempfile.TemporaryFile() as file:
        file.write(ciphertext)
        tracemalloc.start()
        try:
            stream, size = envelope.decrypted_stream(header, file), 0
            while chunk := stream.read(64 * 1024):
                size += len(chunk)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert size == len(clear)
    assert peak < 2 * 1024**2


# ---- bounds ----


@pytest.mark.parametrize("most", [0, 1, 1000, 1024**2])
def test_a_stream_ends_in_a_sentence_at_its_bound(envelope: Envelope, most: int) -> None:
    whole, larger = (protect(bytes(size), KEY.public, CONTEXT) for size in (most, most + 1))
    ciphertext = io.BytesIO(base64.b64decode(whole["data"]))
    assert len(envelope.decrypted_stream(whole, ciphertext, most).read()) == most
    ciphertext = io.BytesIO(base64.b64decode(larger["data"]))
    with pytest.raises(AccessManagerError, match=f"unpacks to more than {most} bytes"):
        envelope.decrypted_stream(larger, ciphertext, most).read()


@pytest.mark.slow
def test_a_bomb_is_not_unpacked(envelope: Envelope) -> None:
    clear = gzip.compress(bytes(64 * 1024**2)) * 64  # 4 GiB in 4 MiB
    header = protect(clear, KEY.public, CONTEXT, compress=False)
    tracemalloc.start()
    try:
        with pytest.raises(AccessManagerError, match=f"unpacks to more than {LARGEST_ANSWER} bytes"):
            envelope.decrypt(header)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * LARGEST_ANSWER


def test_an_answer_at_the_bound_opens(envelope: Envelope) -> None:
    assert len(envelope.decrypt(protect(bytes(LARGEST_ANSWER), KEY.public, CONTEXT))) == LARGEST_ANSWER


@settings(max_examples=100)
@given(st.binary(max_size=500))
def test_any_bytes_unpack_or_are_refused_in_a_sentence(envelope: Envelope, packed: bytes) -> None:
    for data in (packed, PACKED[:10] + packed):
        with contextlib.suppress(AccessManagerError):
            envelope.decrypt(protect(data, KEY.public, CONTEXT, compress=False))
