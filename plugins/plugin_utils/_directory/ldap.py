# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to a directory server by LDAP, on which nothing readable passes: TLS with a verified certificate, or
Kerberos.

Referrals are not followed: each domain is asked for by a server of its own.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import itertools
import re
import typing as t

from .._errors import (
    AccessManagerError,
    DirectoryError,
    DirectoryLibraryError,
    DirectoryLostError,
    NoSuchEntryError,
    UnansweredChangeError,
    ValueChangedError,
)
from .._text import printable
from .deadline import Deadline, DeadlineExceededError
from .logon import KERBEROS, PORTS, STRENGTH, Logon, is_host, message_of
from .pages import Pages

try:
    import ldap
    import ldap.sasl
    from ldap.controls import RequestControl, SimplePagedResultsControl
except ImportError:
    ldap = None

PAGE = 500
RANGE = 1500
"""How many values of an attribute are asked for at once: what Active Directory answers at most."""

_MOST_VALUES = 1_000_000
"""Of an attribute: a server that sends more does not end."""

_MOST_REFERRALS = 1000
"""In an answer, besides its entries."""

_LARGEST_ANSWER = 256 * 1024**2
"""Bytes of an answer: a page, or an entry."""

_SD_FLAGS = "1.2.840.113556.1.4.801"
_OWNER_GROUP_DACL = b"\x30\x03\x02\x01\x07"
_CONTEXTS = ("defaultNamingContext", "rootDomainNamingContext", "configurationNamingContext", "schemaNamingContext")
_TOKEN = "tokenGroups"
_LONGEST_NAME = 255
_RANGE = re.compile(r"(?P<name>[^;]+);range=(?P<first>\d+)-(?P<last>\d+|\*)", re.IGNORECASE)

Change = tuple[str, str, list[bytes]]
"""An operation (add, delete, replace), an attribute, and its values."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """An entry of the directory.

    C(values): by the attribute's name in lower case; a part of many has C(;range=) in its name.
    """

    dn: str
    values: dict[str, list[bytes]]

    def first(self, attribute: str) -> bytes | None:
        found = self.values.get(attribute.lower())
        return found[0] if found else None


@dataclasses.dataclass(frozen=True)
class Domain:
    """What a server says of its domain. C(token): the SIDs, as bytes, of the account and its groups."""

    base: str
    root: str
    configuration: str
    schema: str
    token: frozenset[bytes]

    @property
    def name(self) -> str:
        return dns_name(self.base)

    @property
    def forest(self) -> str:
        return dns_name(self.root)


class Directory:
    """A bound connection. Made by C(connect)."""

    def __init__(self, connection: t.Any, server: str, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline
        self.server = server
        top = self.entry("", [*_CONTEXTS, _TOKEN])
        texts = [(top.first(name) or b"").decode("utf-8", "replace") for name in _CONTEXTS]
        if not all(texts):
            raise DirectoryError(
                f"{server} does not say which domain it serves: it is no domain controller of Active Directory."
            )
        base, root, configuration, schema = texts
        self.domain = Domain(base, root, configuration, schema, frozenset(top.values.get(_TOKEN.lower(), [])))
        for name in (self.domain.name, self.domain.forest):
            if not is_host(name) or len(name) > _LONGEST_NAME:
                shown = printable(name[:_LONGEST_NAME])
                raise DirectoryError(f"{server} says that it serves '{shown}', which cannot be the name of a domain.")

    def search(
        self,
        base: str,
        search_filter: str,
        attributes: c.Sequence[str],
        *,
        page_size: int = PAGE,
        security: bool = False,
    ) -> c.Iterator[Entry]:
        """The entries below C(base) that match, in pages.

        C(security): ask for security descriptors without their SACL.
        """
        page = SimplePagedResultsControl(True, size=page_size, cookie="")
        controls = [page, *_controls(security=security)]
        pages = Pages(self.server, base)
        while True:
            with self._translated_errors(f"the search below '{printable(base)}'"):
                search = (base, ldap.SCOPE_SUBTREE, search_filter, list(attributes))
                found, answered = self._deadline.call(self._answer, page_size, search, controls)
            pages.refuse_endless([dn for dn, _values in found if dn is not None])
            yield from (_entry(dn, values) for dn, values in found if dn is not None)
            cookies = [control.cookie for control in answered if control.controlType == page.controlType]
            if not cookies or not cookies[0]:
                return
            page.cookie = cookies[0]

    def entry(self, dn: str, attributes: c.Sequence[str], *, security: bool = False) -> Entry:
        """One entry. Raises NoSuchEntryError when there is none."""
        with self._translated_errors(f"reading '{printable(dn)}'"):
            search = (dn, ldap.SCOPE_BASE, "(objectClass=*)", list(attributes))
            found, _answered = self._deadline.call(self._answer, 1, search, _controls(security=security))
        entries = [_entry(name, values) for name, values in found if name is not None]
        if not entries:
            raise NoSuchEntryError(
                f"There is no '{printable(dn)}' in the directory of {self.server}, or this account may not see it."
            )
        return entries[0]

    def all_values(self, entry: Entry, attribute: str) -> c.Iterator[bytes]:
        """All values of an attribute of which C(entry) has the first; the others are fetched in parts."""
        values, following = _part(entry, attribute)
        yield from values
        while following is not None:
            asked = following
            values, following = _part(self.entry(entry.dn, [ranged(attribute, asked)]), attribute)
            if following is not None and not asked + len(values) == following <= _MOST_VALUES:
                raise DirectoryError(
                    f"{self.server} does not end the values of {attribute} of '{printable(entry.dn)}': after {asked} "
                    f"of them it sends {len(values)} and says that {following} is next. They are not used."
                )
            yield from values

    def modify(self, dn: str, changes: c.Sequence[Change]) -> None:
        """Makes all these changes of an entry, or none.

        Raises ValueChangedError when a value to delete is not there, NoSuchEntryError when the entry is not,
        UnansweredChangeError when no answer came, DirectoryError when the server refuses.
        """
        operations = {"add": ldap.MOD_ADD, "delete": ldap.MOD_DELETE, "replace": ldap.MOD_REPLACE}
        with self._translated_errors(f"changing '{printable(dn)}'"):
            made = [(operations[operation], attribute, values) for operation, attribute, values in changes]
            try:
                self._deadline.call(self._connection.modify_s, dn, made)
            except (DeadlineExceededError, ldap.TIMEOUT, ldap.SERVER_DOWN, ldap.CONNECT_ERROR) as exc:
                raise UnansweredChangeError(
                    f"{self.server} went away during changing '{printable(dn)}', before it answered "
                    f"({message_of(exc)}). Whether this "
                    "change was made is not known. Run this again when the server is back."
                ) from None

    def _answer(self, most: int, search: tuple[t.Any, ...], controls: list[t.Any]) -> tuple[list[t.Any], list[t.Any]]:
        """The entries that a search finds, at most so many, and the controls at their end.

        They are counted as they arrive.
        """
        message = self._connection.search_ext(*search, serverctrls=controls)
        found: list[t.Any] = []
        size = 0
        while True:
            kind, arrived, _id, answered = self._connection.result3(message, all=0)
            if kind == ldap.RES_SEARCH_RESULT:
                return found, answered
            found += arrived
            size += sum(map(_size, arrived))
            if len(found) > most + _MOST_REFERRALS or size > _LARGEST_ANSWER:
                raise DirectoryError(
                    f"{self.server} does not end its answer to a search below '{printable(search[0])}': {most} "
                    f"entries were asked for, and it sent {len(found)} with {size} bytes, and more. They are not used."
                )

    @contextlib.contextmanager
    def _translated_errors(self, doing: str) -> c.Iterator[None]:
        try:
            yield
        except ldap.NO_SUCH_ATTRIBUTE:
            raise ValueChangedError(f"{self.server}: a value has changed before {doing}.") from None
        except ldap.NO_SUCH_OBJECT:
            raise NoSuchEntryError(
                f"{doing[0].upper()}{doing[1:]} is not possible: {self.server} knows no such entry, or this account "
                "may not see it."
            ) from None
        except (DeadlineExceededError, ldap.TIMEOUT):
            raise DirectoryLostError(
                f"{self.server} went away during {doing}: no answer came within {self._deadline.seconds:g} seconds. "
                "Run this again when it is back."
            ) from None
        except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.UNAVAILABLE, ldap.BUSY) as exc:
            raise DirectoryLostError(
                f"{self.server} went away during {doing}: {message_of(exc)}. Run this again when it is back."
            ) from None
        except ldap.INSUFFICIENT_ACCESS:
            raise DirectoryError(
                f"{self.server} refuses {doing}: the account lacks the right. docs/security.md lists the rights."
            ) from None
        except ldap.FILTER_ERROR:
            raise DirectoryError(
                f"{self.server} does not understand the filter of {doing}: it must be an LDAP filter in parentheses."
            ) from None
        except ldap.REFERRAL:
            raise DirectoryError(
                f"{self.server} does not hold what {doing} needs, and refers to another server: name a server of that "
                "domain."
            ) from None
        except ldap.LDAPError as exc:
            raise DirectoryError(f"{self.server} refuses {doing}: {message_of(exc)}.") from None


@contextlib.contextmanager
def connect(server: str, params: c.Mapping[str, t.Any]) -> c.Iterator[Directory]:
    """A bound connection to a domain controller, by the options of the fragment C(directory).

    Raises DirectoryLibraryError without python-ldap, DirectoryLostError when the server does not answer or is not the
    one that its certificate names, DirectoryError when it refuses the logon. Nothing waits longer than the option
    C(timeout).
    """
    if ldap is None:
        raise DirectoryLibraryError
    transport, user, password = params["transport"], params.get("bind_user"), params.get("bind_password")
    if transport != KERBEROS and not (user and password):
        raise AccessManagerError(
            f"With the transport {transport}, bind_user and bind_password are needed: a logon without them reads "
            "nothing."
        )
    if transport == KERBEROS and (user or password):
        raise AccessManagerError(
            "With the transport kerberos, the account is that of the ticket (kinit): give no bind_user and no "
            "bind_password."
        )
    logon = Logon(server, params.get("port") or PORTS[transport], params)
    connection = logon.open()
    deadline = Deadline(params["timeout"])
    try:
        with logon.explained():
            deadline.call(logon.bind, connection)
        if transport == KERBEROS and connection.get_option(ldap.OPT_X_SASL_SSF) < STRENGTH:
            raise DirectoryError(f"{server} does not encrypt what passes over Kerberos: use the transport ldaps.")
        yield Directory(connection, server, deadline)
    finally:
        with contextlib.suppress(ldap.LDAPError, DeadlineExceededError):
            deadline.call(connection.unbind_s)


def refuse_one_domain_twice(servers: c.Sequence[str], params: c.Mapping[str, t.Any]) -> None:
    """Raises AccessManagerError when two of these servers serve the same domain, whose computers would come twice."""
    asked = dict[str, str]()
    for server in servers if len(servers) > 1 else ():
        with connect(server, params) as directory:
            name = directory.domain.name
        if name in asked:
            raise AccessManagerError(
                f"{asked[name]} and {server} both serve the domain {name}: name a single server of each domain in "
                "servers."
            )
        asked[name] = server


def ranged(attribute: str, first: int = 0) -> str:
    """The name by which a part of an attribute's values is asked for."""
    return f"{attribute};range={first}-{first + RANGE - 1}"


def dns_name(dn: str) -> str:
    """The DNS name of a domain, from its distinguished name."""
    return ".".join(part.partition("=")[2] for part in dn.split(",") if part.strip().upper().startswith("DC="))


def _controls(*, security: bool) -> list[t.Any]:
    return [RequestControl(_SD_FLAGS, True, _OWNER_GROUP_DACL)] if security else []


def _entry(dn: str, values: c.Mapping[str, list[bytes]]) -> Entry:
    return Entry(dn, {name.lower(): list(found) for name, found in values.items()})


def _size(arrived: tuple[str | None, t.Any]) -> int:
    """The bytes of the values of an entry; none of a referral."""
    dn, values = arrived
    return sum(map(len, itertools.chain.from_iterable(values.values()))) if dn is not None else 0


def _part(entry: Entry, attribute: str) -> tuple[list[bytes], int | None]:
    """The values of an attribute that an entry brought, and the number of the next one; None when there is none."""
    name = attribute.lower()
    for key, values in entry.values.items():
        matched = _RANGE.fullmatch(key)
        if matched and matched["name"] == name and values:
            return values, None if matched["last"] == "*" else int(matched["last"]) + 1
    return entry.values.get(name, []), None
