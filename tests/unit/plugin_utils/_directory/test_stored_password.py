# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stored password shows without a key."""

from __future__ import annotations

import base64
import contextlib
import datetime
import json

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.stored_password import LONGEST, parse
from hypothesis import given
from hypothesis import strategies as st

THUMBPRINTS = st.binary(min_size=20, max_size=20)


def item(thumbprint: bytes, *, version: int = 2, rest: bytes = b"x", **more: object) -> bytes:
    data = version.to_bytes(4, "little") + thumbprint + rest
    return json.dumps({"data": base64.b64encode(data).decode(), **more}).encode()


@given(THUMBPRINTS, st.sampled_from([1, 2]), st.binary(min_size=1, max_size=600))
def test_the_thumbprint_stands_before_the_ciphertext(thumbprint: bytes, version: int, rest: bytes) -> None:
    password = parse(item(thumbprint, version=version, rest=rest, created="2026-11-23T08:15:00.1234567Z", retired=None))
    assert (password.thumbprint, password.version) == (thumbprint.hex().upper(), version)
    assert password.created == datetime.datetime(2026, 11, 23, 8, 15, 0, 123456, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2026-11-23T08:15:00+02:00", datetime.datetime(2026, 11, 23, 6, 15, tzinfo=datetime.UTC)),
        ("2026-11-23T08:15:00", datetime.datetime(2026, 11, 23, 8, 15, tzinfo=datetime.UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        (17, None),
        (None, None),
    ],
)
def test_a_time_is_utc_or_not_reported(created: object, expected: datetime.datetime | None) -> None:
    assert parse(item(bytes(20), created=created)).created == expected


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_anything_else_is_reported_as_such(value: bytes) -> None:
    """No value stops a census with another error."""
    with contextlib.suppress(ValueError):
        assert len(parse(value).thumbprint) == 40


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b"[]", "no text 'data'"),
        (b'{"data": 1}', "no text 'data'"),
        (b'{"data": "not base64!"}', "not Base64"),
        (b'{"data": "AgAAAA=="}', "4 bytes only"),
        (item(bytes(20), rest=b""), "24 bytes only"),
        (item(bytes(20), version=3), "version 3"),
        (item(bytes(20), rest=b"x" * LONGEST), "bytes"),
    ],
)
def test_what_no_agent_wrote_is_refused_with_the_reason(value: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(value)
