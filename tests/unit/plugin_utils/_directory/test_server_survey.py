# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server needs in the directory, where a test domain cannot be so: SPNs twice, group managed accounts."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.ldap import Entry
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.server_survey import Survey, Wanted

WEB, SPN = "ams.example.com", "HTTP/ams.example.com"
ACCOUNT = "S-1-5-21-1-2-3-4"
COMPUTER, GROUP = (b"\x01\x01\x00\x00\x00\x00\x00\x05" + struct.pack("<I", number) for number in (1001, 1002))


def descriptor(sid: bytes, mask: int = 0xF01FF) -> bytes:
    """A security descriptor that grants that to one account, as Windows writes it into msDS-GroupMSAMembership."""
    entry = struct.pack("<BBHI", 0, 0, 8 + len(sid), mask) + sid
    acl = struct.pack("<BBHHH", 2, 0, 8 + len(entry), 1, 0) + entry
    return struct.pack("<BBHIIII", 1, 0, 0x8004, 0, 0, 0, 20) + acl


def survey(owners: list[str], allowed: bytes | None = None, token: frozenset[bytes] = frozenset()) -> Survey:
    wanted: Wanted = {"computer": "AMS9", "service_account": ACCOUNT, "web_names": [WEB], "guessed_names": []}
    values = {"samaccountname": [b"ams$"], "objectclass": [b"top", b"msDS-GroupManagedServiceAccount"]}
    values |= {"msds-groupmsamembership": [allowed]} if allowed else {}
    return Survey(wanted, {WEB: owners}, token, Entry("CN=ams", values))


def test_an_spn_that_stands_twice_is_said_with_both_accounts() -> None:
    (sentence,) = survey(["AMS9$", "web"], descriptor(COMPUTER), frozenset({COMPUTER})).problems()
    assert f"The SPN {SPN} is on AMS9$ and web" in sentence
    assert sentence.endswith(f"Run: setspn -D {SPN} web; setspn -S {SPN} AMS9")


@pytest.mark.parametrize("owners", [[], ["EXCH01$"], ["AMS9$", "EXCH01$"]])
def test_an_spn_of_a_guessed_name_is_shown_and_never_moved(owners: list[str]) -> None:
    found = survey(owners, descriptor(COMPUTER), frozenset({COMPUTER}))
    found.wanted.update(web_names=[], guessed_names=[WEB])
    (sentence,) = found.problems()
    assert "is a guess" in sentence and sentence.endswith(f"See with: setspn -Q {SPN}")
    assert "setspn -D" not in sentence and "setspn -S" not in sentence


@pytest.mark.parametrize("sid", [COMPUTER, GROUP])
def test_a_computer_that_may_retrieve_the_password_itself_or_by_a_group_is_in_order(sid: bytes) -> None:
    assert survey(["AMS9$"], descriptor(sid), frozenset({COMPUTER, GROUP})).problems() == []


@pytest.mark.parametrize("allowed", [None, b"", b"\x01", descriptor(GROUP), descriptor(COMPUTER, mask=0x20000)])
def test_a_computer_that_may_not_is_said_with_the_command(allowed: bytes | None) -> None:
    (sentence,) = survey(["AMS9$"], allowed, frozenset({COMPUTER})).problems()
    assert "AMS9 may not retrieve the password of the group managed service account ams$" in sentence
    assert "Set-ADServiceAccount -Identity 'ams' -PrincipalsAllowedToRetrieveManagedPassword" in sentence
