# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an account may read a confidential attribute, by the security descriptor alone."""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.access_list import CONFIDENTIAL, may
from hypothesis import given
from hypothesis import strategies as st

READ, CONTROL = 0x10, 0x100
PASSWORD, OTHER, PROPERTY_SET, COMPUTER = b"P" * 16, b"O" * 16, b"S" * 16, b"C" * 16
SCOPES = frozenset([PASSWORD, PROPERTY_SET, COMPUTER])
ALICE, BOB = (bytes([1, 1, 0, 0, 0, 0, 0, 5]) + struct.pack("<I", number) for number in (1001, 1002))


@dataclass(frozen=True)
class Ace:
    sid: bytes
    mask: int
    attribute: bytes | None = None
    child: bytes | None = None
    deny: bool = False
    flags: int = 0
    conditional: bool = False

    @property
    def data(self) -> bytes:
        by_object = self.attribute is not None or self.child is not None
        body = struct.pack("<I", self.mask)
        if by_object:
            present = (self.attribute is not None) | (self.child is not None) << 1
            body += struct.pack("<I", present) + (self.attribute or b"") + (self.child or b"")
        body += self.sid
        kind = self.deny + (9 + 2 * by_object if self.conditional else 5 * by_object)
        return struct.pack("<BBH", kind, self.flags, 4 + len(body)) + body


def descriptor(*aces: Ace) -> bytes:
    body = b"".join(ace.data for ace in aces)
    return (
        struct.pack("<BBHIIII", 1, 0, 0x8004, 0, 0, 0, 20)
        + struct.pack("<BBHHH", 4, 0, 8 + len(body), len(aces), 0)
        + body
    )


def readable(*aces: Ace) -> bool:
    return may(CONFIDENTIAL, descriptor(*aces), frozenset([ALICE]), SCOPES)


def test_reading_and_control_are_both_needed_in_whatever_entries() -> None:
    assert readable(Ace(ALICE, READ | CONTROL))
    assert readable(Ace(ALICE, READ), Ace(ALICE, CONTROL, PASSWORD))
    assert readable(Ace(ALICE, 0xF01FF))
    assert not readable(Ace(ALICE, READ))
    assert not readable(Ace(ALICE, CONTROL))
    assert not readable()


def test_only_entries_for_the_account_and_the_attribute_count() -> None:
    assert not readable(Ace(BOB, READ | CONTROL))
    assert not readable(Ace(ALICE, READ), Ace(ALICE, CONTROL, OTHER))
    assert not readable(Ace(ALICE, READ | CONTROL, flags=0x08))
    assert readable(Ace(ALICE, READ | CONTROL, PASSWORD, child=OTHER))
    assert readable(Ace(ALICE, READ | CONTROL, child=OTHER, flags=0x10))


def test_entries_for_the_property_set_or_the_class_concern_the_attribute() -> None:
    for scope in (PROPERTY_SET, COMPUTER):
        assert readable(Ace(ALICE, READ), Ace(ALICE, CONTROL, scope))
        assert not readable(Ace(ALICE, CONTROL, scope, deny=True), Ace(ALICE, READ | CONTROL))


def test_generic_rights_mean_the_specific_ones() -> None:
    assert readable(Ace(ALICE, 0x10000000))
    assert not readable(Ace(ALICE, 0x80000000))
    assert readable(Ace(ALICE, 0x80000000), Ace(ALICE, CONTROL, PASSWORD))
    assert not readable(Ace(ALICE, 0x80000000, deny=True), Ace(ALICE, READ | CONTROL))


def test_a_condition_that_is_not_evaluated_denies_and_never_allows() -> None:
    for attribute in (None, PASSWORD):
        assert not readable(Ace(ALICE, READ | CONTROL, attribute, conditional=True))
        assert not readable(Ace(ALICE, CONTROL, attribute, deny=True, conditional=True), Ace(ALICE, READ | CONTROL))


def test_the_first_entry_decides() -> None:
    assert not readable(Ace(ALICE, CONTROL, deny=True), Ace(ALICE, READ | CONTROL))
    assert readable(Ace(ALICE, READ | CONTROL), Ace(ALICE, CONTROL, deny=True))
    assert not readable(Ace(ALICE, READ), Ace(ALICE, CONTROL, PASSWORD, deny=True), Ace(ALICE, CONTROL))
    assert readable(Ace(ALICE, CONTROL, OTHER, deny=True), Ace(ALICE, READ | CONTROL))


def test_without_an_access_list_nothing_is_readable() -> None:
    assert not may(CONFIDENTIAL, struct.pack("<BBHIIII", 1, 0, 0x8004, 0, 0, 0, 0), frozenset([ALICE]), SCOPES)


ACES = st.builds(
    Ace,
    st.sampled_from([ALICE, BOB]),
    st.integers(0, 0xFFFFFFFF),
    st.sampled_from([None, PASSWORD, OTHER]),
    st.sampled_from([None, OTHER]),
    st.booleans(),
    st.sampled_from([0, 0x08, 0x10]),
)


@given(st.lists(ACES, max_size=6), st.integers(0, 400))
def test_a_cut_descriptor_is_refused_or_answers(aces: list[Ace], length: int) -> None:
    with contextlib.suppress(ValueError):
        assert may(CONFIDENTIAL, descriptor(*aces)[:length], frozenset([ALICE]), SCOPES) in (True, False)


def test_what_is_cut_off_is_said() -> None:
    with pytest.raises(ValueError, match="cut off"):
        may(CONFIDENTIAL, descriptor(Ace(ALICE, READ | CONTROL))[:30], frozenset([ALICE]), SCOPES)
