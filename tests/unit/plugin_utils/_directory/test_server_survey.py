# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server needs in the directory, where a test domain cannot be so: SPNs twice, group managed accounts."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.ldap import Domain, Entry
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.server_survey import (
    Group,
    Membership,
    Survey,
    Wanted,
)

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
    member = Membership("example.com", frozenset({"cn=ams"}), frozenset())
    return Survey(wanted, {WEB: owners}, token, Entry("CN=ams", values), member)


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


# ---- the groups of each domain ----

AUTHORIZATION, ASSISTANCE = "S-1-5-32-560", "S-1-5-32-579"
ALL = {"example.com": [AUTHORIZATION, ASSISTANCE], "sub.example.com": [AUTHORIZATION, ASSISTANCE]}


def groups(members: dict[str, list[str]], name: str = "cn=ams", sid: bytes = b"") -> list[Group]:
    """The groups of both domains; in those of C(members) somebody is."""
    return [
        Group(domain, one, one, frozenset({name} if one in members.get(domain, []) else ()), frozenset({sid} - {b""}))
        for domain, ids in ALL.items()
        for one in ids
    ]


def lacking(found: list[Group]) -> list[str]:
    one = survey(["AMS9$"], descriptor(COMPUTER), frozenset({COMPUTER}))
    one.groups += found
    return one.problems()


def test_an_account_that_is_in_the_groups_of_each_domain_is_in_order() -> None:
    assert lacking(groups(ALL)) == []


def test_the_groups_of_a_domain_that_does_not_hold_the_account_are_looked_at_too() -> None:
    authorization, assistance = lacking(groups({"example.com": ALL["example.com"]}))
    assert "'S-1-5-32-560' of sub.example.com" in authorization
    assert assistance.endswith(
        "Run: Add-ADGroupMember -Server 'sub.example.com' -Identity 'S-1-5-32-579' -Members "
        "(Get-ADObject -Server 'example.com' -Filter \"sAMAccountName -eq 'ams$'\")"
    )
    (own,) = lacking(groups(ALL | {"example.com": [AUTHORIZATION]}))
    assert own.endswith("Run: Add-ADGroupMember -Identity 'S-1-5-32-579' -Members 'ams$'")


class OneDomain:
    """A domain controller of one domain: what it finds, by a part of the filter."""

    def __init__(self, name: str, found: dict[str, Entry]) -> None:
        self.domain = Domain(f"DC={name}", "", "", "", frozenset())
        self.found = found

    def search(self, _base: str, search_filter: str, _attributes: Sequence[str]) -> Iterator[Entry]:
        return (entry for part, entry in self.found.items() if part in search_filter)

    def entry(self, dn: str, _attributes: Sequence[str]) -> Entry:
        return next(entry for entry in self.found.values() if entry.dn == dn)

    def all_values(self, entry: Entry, attribute: str) -> Iterator[bytes]:
        yield from entry.values.get(attribute, [])


def escaped(value: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in value)


def alias(number: int) -> bytes:
    """The SID of a built-in group."""
    return b"\x01\x02\x00\x00\x00\x00\x00\x05" + struct.pack("<II", 32, number)


def home() -> OneDomain:
    """The domain of the account AMS$, which is in its group Readers, and in that of a SID alone."""
    account = Entry("CN=ams,DC=home", {"samaccountname": [b"ams"], "objectsid": [COMPUTER], "tokengroups": [GROUP]})
    return OneDomain(
        "home",
        {
            f"objectSid={escaped(COMPUTER)}": account,
            f"member:1.2.840.113556.1.4.1941:={escaped(b'CN=ams,DC=home')}": Entry("CN=Readers,DC=home", {}),
            escaped(alias(560)): Entry("CN=Authorization,DC=home", {"member": [b"CN=AMS,DC=home"]}),
            escaped(alias(579)): Entry("CN=Assistance,DC=home", {}),
            escaped(b"CN=Assistance,DC=home"): Entry("CN=Inner,DC=home", {"objectsid": [GROUP]}),
        },
    )


def other(*, nested: bool) -> OneDomain:
    """A domain that has the group Readers in one of its groups, and a group of that SID in one within the other."""
    inside = {escaped(b"CN=Assistance,DC=other"): Entry("CN=Foreign,DC=other", {"objectsid": [GROUP]})}
    return OneDomain(
        "other",
        {
            escaped(alias(560)): Entry("CN=Authorization,DC=other", {"member": [b"cn=readers,DC=HOME"]}),
            escaped(alias(579)): Entry("CN=Assistance,DC=other", {}),
        }
        | (inside if nested else {}),
    )


@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_who_is_in_a_group_of_another_domain_is_seen_by_name_and_by_sid(is_first: bool, nested: bool) -> None:
    found = Survey.of({"computer": "AMS9", "service_account": "S-1-5-1001", "web_names": [], "guessed_names": []})
    domains = [home(), other(nested=nested)]
    for domain in reversed(domains) if is_first else domains:
        found.look(cast(Any, domain))
    assert ["Access Control Assistance Operators' of other" in one for one in found.problems()] == [True] * (not nested)
