# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The computers of a domain with the passwords that are stored on them, one after the other, and which of these cannot be read."""

from __future__ import annotations

import collections.abc as c
import dataclasses

from ._access_manager import EXPIRY, HISTORY, PASSWORD
from ._directory_rights import may_read_confidential
from ._errors import AccessManagerError
from ._ldap import PAGE, Directory, Entry, ranged

_SECURITY = "nTSecurityDescriptor"
_SCHEMA_ID = "schemaIDGUID"
_SHOWN = 5
_MANAGED = f"(|({PASSWORD}=*)({HISTORY}=*)({EXPIRY}=*))"


@dataclasses.dataclass(frozen=True)
class Computer:
    """A computer on which an agent stored something. C(password), C(expiry): as they are in the directory, or None.

    C(hidden): the attributes of which this account sees nothing, though there may be something.
    """

    dn: str
    password: bytes | None
    expiry: bytes | None
    entry: Entry = dataclasses.field(repr=False)
    directory: Directory = dataclasses.field(repr=False)
    hidden: tuple[str, ...] = ()

    def history(self) -> c.Iterator[bytes]:
        """The earlier passwords, fetched in parts when there are many."""
        return self.directory.all_values(self.entry, HISTORY)


def read(
    directory: Directory, *, search_base: str | None = None, search_filter: str | None = None, page_size: int = PAGE
) -> c.Iterator[Computer]:
    """The computers below C(search_base), or of the whole domain, that match C(search_filter) too.

    Raises AccessManagerError when the forest does not know Access Manager's attributes.
    """
    rights = _Rights(directory)
    base = search_base or directory.domain.base
    wanted = f"(&(objectCategory=computer){_MANAGED}{search_filter or ''})"
    for entry in directory.search(base, wanted, [PASSWORD, ranged(HISTORY), EXPIRY], page_size=page_size):
        yield Computer(
            dn=entry.dn,
            password=entry.first(PASSWORD),
            expiry=entry.first(EXPIRY),
            entry=entry,
            directory=directory,
            hidden=tuple(name for name in (PASSWORD, HISTORY) if not _is_there(entry, name) and rights.lack(entry.dn, name)),
        )


def refuse_hidden(count: int, names: c.Sequence[str]) -> None:
    """Raises AccessManagerError when there are computers whose passwords this account may not read."""
    if count:
        raise AccessManagerError(
            f"The account may not read the passwords of {count} computer(s): {', '.join(names[:_SHOWN])}. They are "
            "confidential: the directory answers as if there were none. Grant the account control access to "
            f"{PASSWORD} and {HISTORY} (docs/security.md has the commands), or use another account."
        )


class _Rights:
    """What the account may read, asked where nothing came back.

    Rights are inherited, so a container is asked about once. Where the account may read, computers without a password, which are
    few, are asked about one by one: each may have rights of its own.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._attributes = {attribute: _schema_id(directory, attribute) for attribute in (PASSWORD, HISTORY)}
        self._known: dict[tuple[str, str], bool] = {}

    def lack(self, dn: str, attribute: str) -> bool:
        place = (_parent(dn), attribute)
        if place not in self._known:
            self._known[place] = self._lack(dn, attribute)
            return self._known[place]
        return self._known[place] or (attribute == PASSWORD and self._lack(dn, attribute))

    def _lack(self, dn: str, attribute: str) -> bool:
        descriptor = self._directory.entry(dn, [_SECURITY], security=True).first(_SECURITY)
        if descriptor is None:
            return True
        try:
            return not may_read_confidential(descriptor, self._directory.domain.token, self._attributes[attribute])
        except ValueError:
            return True


def _schema_id(directory: Directory, attribute: str) -> bytes:
    for entry in directory.search(directory.domain.schema, f"(lDAPDisplayName={attribute})", [_SCHEMA_ID]):
        if found := entry.first(_SCHEMA_ID):
            return found
    raise AccessManagerError(
        f"The forest of {directory.server} does not know the attribute {attribute}: no agent stores passwords in it. "
        "Access Manager's schema is not installed there, or this is another forest than you mean."
    )


def _is_there(entry: Entry, attribute: str) -> bool:
    return any(name.partition(";")[0] == attribute.lower() and values for name, values in entry.values.items())


def _parent(dn: str) -> str:
    """The distinguished name without its first part; a comma behind a backslash does not end one."""
    place = 0
    while place < len(dn) and dn[place] != ",":
        place += 2 if dn[place] == "\\" else 1
    return dn[place + 1 :]
