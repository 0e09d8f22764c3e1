# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to a directory server by LDAP, on which nothing readable passes: TLS with a verified certificate, or Kerberos.

Referrals are not followed: each domain is asked for by a server of its own.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import os
import re
import socket
import typing as t

from ._errors import (
    AccessManagerError,
    DirectoryError,
    DirectoryLibraryError,
    DirectoryLostError,
    NoSuchEntryError,
    ValueChangedError,
)
from ._text import printable

try:
    import ldap
    import ldap.sasl
    from ldap.controls import RequestControl, SimplePagedResultsControl
except ImportError:
    ldap = None

LDAPS, STARTTLS, KERBEROS = "ldaps", "starttls", "kerberos"
PORTS = {LDAPS: 636, STARTTLS: 389, KERBEROS: 389}
PAGE = 500
RANGE = 1500
"""How many values of an attribute are asked for at once: what Active Directory answers at most."""

_STRENGTH = 128
"""Bits of encryption that Kerberos must bring."""

_SD_FLAGS = "1.2.840.113556.1.4.801"
_OWNER_GROUP_DACL = b"\x30\x03\x02\x01\x07"
_CONTEXTS = ("defaultNamingContext", "rootDomainNamingContext", "configurationNamingContext", "schemaNamingContext")
_TOKEN = "tokenGroups"
_REFUSALS = {
    "525": "there is no such user",
    "52e": "the user or the password is wrong",
    "530": "the account may not log on at this time",
    "531": "the account may not log on from here",
    "532": "the password has expired",
    "533": "the account is disabled",
    "701": "the account has expired",
    "773": "the password must be changed first",
    "775": "the account is locked",
}
"""What Active Directory means by the code in its refusal of a logon."""

_CODE = re.compile(r"data ([0-9a-f]{3}),")
_RANGE = re.compile(r"(?P<name>[^;]+);range=(?P<first>\d+)-(?P<last>\d+|\*)", re.IGNORECASE)

Change = tuple[str, str, list[bytes]]
"""An operation (add, delete, replace), an attribute, and its values."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """An entry of the directory. C(values): by the attribute's name in lower case; a part of many has C(;range=) in its name."""

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

    def __init__(self, connection: t.Any, server: str) -> None:
        self._connection = connection
        self.server = server
        top = self.entry("", [*_CONTEXTS, _TOKEN])
        texts = [(top.first(name) or b"").decode() for name in _CONTEXTS]
        if not all(texts):
            raise DirectoryError(f"{server} does not say which domain it serves: it is no domain controller of Active Directory.")
        base, root, configuration, schema = texts
        self.domain = Domain(base, root, configuration, schema, frozenset(top.values.get(_TOKEN.lower(), [])))

    def search(
        self, base: str, search_filter: str, attributes: c.Sequence[str], *, page_size: int = PAGE, security: bool = False
    ) -> c.Iterator[Entry]:
        """The entries below C(base) that match, in pages. C(security): ask for security descriptors without their SACL."""
        page = SimplePagedResultsControl(True, size=page_size, cookie="")
        controls = [page, *_controls(security=security)]
        while True:
            with self._explained(f"the search below '{printable(base)}'"):
                message = self._connection.search_ext(
                    base, ldap.SCOPE_SUBTREE, search_filter, list(attributes), serverctrls=controls
                )
                _kind, found, _id, answered = self._connection.result3(message)
            yield from (_entry(dn, values) for dn, values in found if dn is not None)
            cookies = [control.cookie for control in answered if control.controlType == page.controlType]
            if not cookies or not cookies[0]:
                return
            page.cookie = cookies[0]

    def entry(self, dn: str, attributes: c.Sequence[str], *, security: bool = False) -> Entry:
        """One entry. Raises NoSuchEntryError when there is none."""
        with self._explained(f"reading '{printable(dn)}'"):
            found = self._connection.search_ext_s(
                dn, ldap.SCOPE_BASE, "(objectClass=*)", list(attributes), serverctrls=_controls(security=security)
            )
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
            values, following = _part(self.entry(entry.dn, [ranged(attribute, following)]), attribute)
            yield from values

    def modify(self, dn: str, changes: c.Sequence[Change]) -> None:
        """Makes all these changes of an entry, or none.

        Raises ValueChangedError when a value to delete is not there, NoSuchEntryError when the entry is not, DirectoryLostError
        when no answer came, DirectoryError when the server refuses.
        """
        operations = {"add": ldap.MOD_ADD, "delete": ldap.MOD_DELETE, "replace": ldap.MOD_REPLACE}
        with self._explained(f"changing '{printable(dn)}'"):
            self._connection.modify_s(dn, [(operations[operation], attribute, values) for operation, attribute, values in changes])

    @contextlib.contextmanager
    def _explained(self, doing: str) -> c.Iterator[None]:
        try:
            yield
        except ldap.NO_SUCH_ATTRIBUTE:
            raise ValueChangedError(f"{self.server}: a value has changed before {doing}.") from None
        except ldap.NO_SUCH_OBJECT:
            raise NoSuchEntryError(
                f"{doing[0].upper()}{doing[1:]} is not possible: {self.server} knows no such entry, or this account may not see it."
            ) from None
        except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT, ldap.UNAVAILABLE, ldap.BUSY) as exc:
            raise DirectoryLostError(
                f"{self.server} went away during {doing}: {_told(exc)}. Run this again when it is back."
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
                f"{self.server} does not hold what {doing} needs, and refers to another server: name a server of that domain."
            ) from None
        except ldap.LDAPError as exc:
            raise DirectoryError(f"{self.server} refuses {doing}: {_told(exc)}.") from None


@contextlib.contextmanager
def connect(server: str, params: c.Mapping[str, t.Any]) -> c.Iterator[Directory]:
    """A bound connection to a domain controller, by the options of the fragment C(directory).

    Raises DirectoryLibraryError without python-ldap, DirectoryLostError when the server does not answer or is not the one that its
    certificate names, DirectoryError when it refuses the logon.
    """
    if ldap is None:
        raise DirectoryLibraryError
    transport, user, password = params["transport"], params.get("bind_user"), params.get("bind_password")
    if transport != KERBEROS and not (user and password):
        raise AccessManagerError(
            f"With the transport {transport}, bind_user and bind_password are needed: a logon without them reads nothing."
        )
    if transport == KERBEROS and (user or password):
        raise AccessManagerError(
            "With the transport kerberos, the account is that of the ticket (kinit): give no bind_user and no bind_password."
        )
    port = params.get("port") or PORTS[transport]
    connection = _opened(server, port, params)
    try:
        with _explained_logon(server, port, transport, user):
            if transport == STARTTLS:
                connection.start_tls_s()
            if transport == KERBEROS:
                connection.sasl_interactive_bind_s("", ldap.sasl.gssapi(""))
            else:
                connection.simple_bind_s(user, password)
        if transport == KERBEROS and connection.get_option(ldap.OPT_X_SASL_SSF) < _STRENGTH:
            raise DirectoryError(f"{server} does not encrypt what passes over Kerberos: use the transport ldaps.")
        yield Directory(connection, server)
    finally:
        with contextlib.suppress(ldap.LDAPError):
            connection.unbind_s()


def ranged(attribute: str, first: int = 0) -> str:
    """The name by which a part of an attribute's values is asked for."""
    return f"{attribute};range={first}-{first + RANGE - 1}"


def dns_name(dn: str) -> str:
    """The DNS name of a domain, from its distinguished name."""
    return ".".join(part.partition("=")[2] for part in dn.split(",") if part.strip().upper().startswith("DC="))


def _opened(server: str, port: int, params: c.Mapping[str, t.Any]) -> t.Any:
    transport = params["transport"]
    host = f"[{server}]" if ":" in server else server
    scheme = "ldaps" if transport == LDAPS else "ldap"
    connection = ldap.initialize(f"{scheme}://{host}:{port}")
    connection.protocol_version = ldap.VERSION3
    connection.set_option(ldap.OPT_REFERRALS, 0)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, params["timeout"])
    connection.set_option(ldap.OPT_TIMEOUT, params["timeout"])
    if transport == KERBEROS:
        connection.set_option(ldap.OPT_X_SASL_NOCANON, 1)
        connection.set_option(ldap.OPT_X_SASL_SECPROPS, f"minssf={_STRENGTH}")
        return connection
    connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    ca_file = params.get("ca_file")
    if ca_file and not os.access(ca_file, os.R_OK):
        raise AccessManagerError(f"The file '{ca_file}' of ca_file cannot be read on the controller.")
    if ca_file:
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, str(ca_file))
    with _explained_logon(server, port, transport, None):
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    return connection


@contextlib.contextmanager
def _explained_logon(server: str, port: int, transport: str, user: str | None) -> c.Iterator[None]:
    try:
        yield
    except ldap.INVALID_CREDENTIALS as exc:
        code = _CODE.search(_told(exc))
        reason = _REFUSALS.get(code.group(1), "the user or the password is wrong") if code else "the user or the password is wrong"
        raise DirectoryError(f"{server} refuses the logon of '{user}': {reason}.") from None
    except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT) as exc:
        if transport != KERBEROS and _listens(server, port):
            raise DirectoryLostError(
                f"The TLS certificate of {server} is not accepted ({_told(exc)}). Name the file of its authority in ca_file, and "
                "the server as its certificate does."
            ) from None
        raise DirectoryLostError(
            f"{server} does not answer over {transport} on port {port}: {_told(exc)}. Check the name, the port and the firewall."
        ) from None
    except ldap.LOCAL_ERROR as exc:
        raise DirectoryError(
            f"There is no Kerberos ticket for {server} ({_told(exc)}). Run kinit as the user who runs Ansible, and name the server "
            "by its full DNS name."
        ) from None
    except ldap.LDAPError as exc:
        raise DirectoryError(f"{server} refuses the logon over {transport}: {_told(exc)}.") from None


def _listens(server: str, port: int) -> bool:
    """Whether a program answers there at all: then it is its certificate that was refused."""
    try:
        socket.create_connection((server, port), timeout=5).close()
    except OSError:
        return False
    return True


def _controls(*, security: bool) -> list[t.Any]:
    return [RequestControl(_SD_FLAGS, True, _OWNER_GROUP_DACL)] if security else []


def _entry(dn: str, values: c.Mapping[str, list[bytes]]) -> Entry:
    return Entry(dn, {name.lower(): list(found) for name, found in values.items()})


def _part(entry: Entry, attribute: str) -> tuple[list[bytes], int | None]:
    """The values of an attribute that an entry brought, and the number of the next one; None when there is none."""
    name = attribute.lower()
    for key, values in entry.values.items():
        matched = _RANGE.fullmatch(key)
        if matched and matched["name"] == name and values:
            return values, None if matched["last"] == "*" else int(matched["last"]) + 1
    return entry.values.get(name, []), None


def _told(exc: Exception) -> str:
    """What LDAP says of an error, on one line."""
    about = exc.args[0] if exc.args and isinstance(exc.args[0], dict) else {}
    parts = [str(about[key]).strip() for key in ("desc", "info") if about.get(key)]
    return printable(": ".join(parts) or type(exc).__name__)
