# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the directory is as a server needs it: the SPN of its web site, the groups of its service's account, and its
right to the password of a group managed service account.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import struct
import typing as t

from .._ams.web_site_name import HOST_NAME, name_of
from .._errors import AccessManagerError
from .._text import printable
from . import access_list
from .ldap import Directory, Entry

_GROUPS = {
    "S-1-5-32-560": "Windows Authorization Access Group",
    "S-1-5-32-579": "Access Control Assistance Operators",
}
"""In which the service's account must be: it computes the rights of users."""

_OF_THE_COMPUTER = re.compile(r"S-1-5-(?:18|20|80-.*)|LocalSystem|NT (?:AUTHORITY|SERVICE)\\.*", re.IGNORECASE)
"""Accounts that are the computer's own in the directory: LocalSystem, NetworkService, those of services."""

_EVERY_ACCOUNT = ("S-1-1-0", "S-1-5-11")
_SID = re.compile(r"S-1-[0-9]{1,15}(?:-[0-9]{1,10}){1,15}")
_ACCOUNT = re.compile(r"[A-Za-z0-9._-]{1,63}\\([A-Za-z0-9._-]{1,63}\$?)")
_COMPUTER = re.compile(r"[A-Za-z0-9_-]{1,63}")
_IN_CHAIN = "1.2.840.113556.1.4.1941"
_QUOTES = re.compile("['\u2018-\u201b]")
"""What ends a text in single quotes for PowerShell."""

_PRINCIPALS = "PrincipalsAllowedToRetrieveManagedPassword"
_NAME, _MAY_RETRIEVE, _MANAGED = "sAMAccountName", "msDS-GroupMSAMembership", b"msDS-GroupManagedServiceAccount"


class Wanted(t.TypedDict):
    """The server: its name, its service's account (a SID, or DOMAIN\\NAME), and the names of its web site.

    C(guessed_names): those that nobody has set.
    """

    computer: str
    service_account: str
    web_names: list[str]
    guessed_names: list[str]


@dataclasses.dataclass(frozen=True)
class Group:
    """A group of a domain, and who is in it, also by other groups.

    C(names): distinguished names in lower case.
    """

    domain: str
    sid: str
    title: str
    names: frozenset[str]
    sids: frozenset[bytes]


@dataclasses.dataclass(frozen=True)
class Membership:
    """The service's account and its groups, as a Group names who is in it. C(domain): of the account."""

    domain: str
    names: frozenset[str]
    sids: frozenset[bytes]

    def is_in(self, group: Group) -> bool:
        return bool(self.names & group.names or self.sids & group.sids)


@dataclasses.dataclass
class Survey:
    """What the directory servers say.

    C(owners): of each SPN. C(token): the SIDs of the computer and its groups. C(groups): of each domain, those in which
    the account must be.
    """

    wanted: Wanted
    owners: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    token: frozenset[bytes] = frozenset()
    account: Entry | None = None
    membership: Membership | None = None
    groups: list[Group] = dataclasses.field(default_factory=list)

    @classmethod
    def of(cls, wanted: Wanted) -> Survey:
        """Raises AccessManagerError for what is no computer or account."""
        if not _COMPUTER.fullmatch(wanted["computer"]):
            raise AccessManagerError(f"server names '{printable(wanted['computer'])}', which is no name of a computer.")
        account = wanted["service_account"]
        if not any(pattern.fullmatch(account) for pattern in (_SID, _ACCOUNT, _OF_THE_COMPUTER)):
            raise AccessManagerError(
                f"'{printable(account)}' is no account of a service: give its SID or DOMAIN\\NAME."
            )
        names, guessed = _web_names(wanted["web_names"]), _web_names(wanted["guessed_names"])
        return cls({**wanted, "web_names": names, "guessed_names": guessed}, {name: [] for name in [*names, *guessed]})

    def look(self, directory: Directory) -> None:
        """Asks the server of one domain."""
        self.groups += _groups(directory)
        base, computer = directory.domain.base, self.wanted["computer"]
        for name, owners in self.owners.items():
            found = directory.search(base, f"(servicePrincipalName=HTTP/{name})", [_NAME])
            owners += [_name_of(entry) for entry in found]
        machine = _first(directory, f"(&(objectCategory=computer)({_NAME}={computer}$))", ["objectSid"])
        if machine:
            self.token = frozenset(_token(directory, machine))
        account = machine
        if not self._is_computers():
            account = _first(directory, _of_account(self.wanted["service_account"]), _ASKED)
        if account:
            self.account = directory.entry(account.dn, _ASKED)
            self.membership = _membership(directory, self.account)

    def problems(self) -> list[str]:
        """A sentence for each thing that an administrator of the domain has to correct, with the command."""
        found = [sentence for name, owners in self.owners.items() if (sentence := self._spn(name, owners))]
        if self.account is None or self.membership is None:
            return [
                *found,
                f"The account of the service ({self.wanted['service_account']}) is in none of these domains, so its "
                "groups are not known.",
            ]
        account = _name_of(self.account)
        found += [_lacking(account, self.membership, one) for one in self.groups if not self.membership.is_in(one)]
        return found + ([self._managed(account)] if self._may_not_retrieve() else [])

    def _is_computers(self) -> bool:
        return _OF_THE_COMPUTER.fullmatch(self.wanted["service_account"]) is not None

    def _spn(self, name: str, owners: list[str]) -> str:
        computer, spn = self.wanted["computer"], f"HTTP/{name}"
        wrong = [one for one in owners if one.lower() != f"{computer}$".lower()]
        if owners and not wrong:
            return ""
        if name not in self.wanted["web_names"]:
            where = f"is on {' and '.join(owners)}" if owners else "is on no account"
            return (
                f"The SPN {spn} {where}. That {name} is the name of the web site is a guess: where users sign in by it "
                f"with Integrated Windows authentication, {computer} alone needs that SPN. See with: setspn -Q {spn}"
            )
        if not owners:
            return (
                f"The SPN {spn} is on no account, and Integrated Windows authentication needs it on {computer}. Run: "
                f"setspn -S {spn} {computer}"
            )
        moved = "".join(f"setspn -D {spn} {one.removesuffix('$')}; " for one in wrong)
        return (
            f"The SPN {spn} is on {' and '.join(owners)}, and Integrated Windows authentication needs it on {computer} "
            f"alone. Run: {moved}setspn -S {spn} {computer}"
        )

    def _may_not_retrieve(self) -> bool:
        """Whether the account is a group managed one whose password this computer may not retrieve."""
        if self.account is None or _MANAGED not in self.account.values.get("objectclass", []):
            return False
        descriptor = self.account.first(_MAY_RETRIEVE)
        token = self.token | set(map(_bytes_of, _EVERY_ACCOUNT))
        try:
            return not descriptor or not access_list.may(access_list.READ_PROPERTY, descriptor, token, frozenset())
        except ValueError:
            return True

    def _managed(self, account: str) -> str:
        computer, name = self.wanted["computer"], account.removesuffix("$")
        return (
            f"{computer} may not retrieve the password of the group managed service account {account}. Run: "
            f"Set-ADServiceAccount -Identity '{name}' -{_PRINCIPALS} (@((Get-ADServiceAccount -Identity '{name}' "
            f"-Properties {_PRINCIPALS}).{_PRINCIPALS}) + (Get-ADComputer -Identity '{computer}').DistinguishedName)"
        )


_ASKED = (_NAME, "objectClass", "objectSid", _MAY_RETRIEVE)
_MEMBERS = ("objectSid", "member")


def _web_names(names: list[str]) -> list[str]:
    return [name for one in names if HOST_NAME.fullmatch(one) and (name := name_of(one))]


def _first(directory: Directory, search_filter: str, attributes: t.Sequence[str]) -> Entry | None:
    return next(directory.search(directory.domain.base, search_filter, attributes), None)


def _token(directory: Directory, machine: Entry) -> list[bytes]:
    entry = directory.entry(machine.dn, ["tokenGroups", "objectSid"])
    return [*entry.values.get("tokengroups", []), *entry.values.get("objectsid", [])]


def _lacking(account: str, membership: Membership, group: Group) -> str:
    server, member = "", f"'{account}'"
    if group.domain != membership.domain:
        server = f"-Server '{group.domain}' "
        member = f"(Get-ADObject -Server '{membership.domain}' -Filter \"sAMAccountName -eq '{account}'\")"
    return (
        f"The service's account {account} is not in '{group.title}' of {group.domain} (also by other groups), where it "
        f"must be to compute the rights of users. Run: Add-ADGroupMember {server}-Identity '{group.sid}' -Members "
        f"{member}"
    )


def _groups(directory: Directory) -> t.Iterator[Group]:
    """Those of a domain in which the account must be. One that a domain does not have is none."""
    for sid, title in _GROUPS.items():
        group = _first(directory, _by_sid(sid), _MEMBERS)
        if group:
            kinds = "(|(objectClass=group)(objectClass=foreignSecurityPrincipal))"
            search_filter = f"(&{kinds}(memberOf:{_IN_CHAIN}:={_escaped(group.dn.encode())}))"
            inside = [group, *directory.search(directory.domain.base, search_filter, _MEMBERS)]
            members = itertools.chain.from_iterable(directory.all_values(one, "member") for one in inside)
            sids = itertools.chain.from_iterable(one.values.get("objectsid", []) for one in inside)
            yield Group(directory.domain.name, sid, title, frozenset(map(_folded, members)), frozenset(sids))


def _membership(directory: Directory, account: Entry) -> Membership:
    """Of an account of this domain."""
    search_filter = f"(member:{_IN_CHAIN}:={_escaped(account.dn.encode())})"
    groups = directory.search(directory.domain.base, search_filter, [_NAME])
    names = {account.dn.lower(), *(group.dn.lower() for group in groups)}
    return Membership(directory.domain.name, frozenset(names), frozenset(_token(directory, account)))


def _folded(name: bytes) -> str:
    return name.decode("utf-8", "replace").lower()


def _of_account(account: str) -> str:
    """The filter that finds an account by its SID or its name."""
    named = _ACCOUNT.fullmatch(account)
    return f"({_NAME}={named[1]})" if named else _by_sid(account)


def _by_sid(sid: str) -> str:
    return f"(objectSid={_escaped(_bytes_of(sid))})"


def _bytes_of(sid: str) -> bytes:
    _s, revision, authority, *parts = sid.split("-")
    numbers = struct.pack(f"<{len(parts)}I", *(int(part) & 0xFFFFFFFF for part in parts))
    return bytes([int(revision), len(parts)]) + int(authority).to_bytes(6, "big") + numbers


def _escaped(value: bytes) -> str:
    """A value as a filter takes any byte."""
    return "".join(f"\\{byte:02x}" for byte in value)


def _name_of(entry: Entry) -> str:
    """The name of an account as it may stand in a command; its distinguished name, without quotes, when it may not."""
    name = (entry.first(_NAME) or b"").decode("utf-8", "replace")
    return name if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}\$?", name) else _QUOTES.sub("", printable(entry.dn))
