# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The computers of a domain with the passwords that are stored on them, one after the other, and which of these cannot
be read.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses

from .._ams.constants import EXPIRY, HISTORY, PASSWORD
from .._errors import AccessManagerError
from .access_list import CONFIDENTIAL
from .attribute_rights import SECURITY, AttributeRights
from .ldap import PAGE, Directory, Entry, ranged

_CLASS = "computer"
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

    def history_now(self) -> c.Iterator[bytes]:
        """Those that are in the directory by now."""
        return self.directory.all_values(self.directory.entry(self.dn, [ranged(HISTORY)]), HISTORY)


def read(
    directory: Directory, *, search_base: str | None = None, search_filter: str | None = None, page_size: int = PAGE
) -> c.Iterator[Computer]:
    """The computers below C(search_base), or of the whole domain, that match C(search_filter) too.

    Raises AccessManagerError when the forest does not know Access Manager's attributes.
    """
    rights = {name: AttributeRights(directory, name, _CLASS, CONFIDENTIAL) for name in (PASSWORD, HISTORY)}
    base = search_base or directory.domain.base
    wanted = f"(&(objectCategory=computer){_MANAGED}{search_filter or ''})"
    asked = [PASSWORD, ranged(HISTORY), EXPIRY, SECURITY]
    for entry in directory.search(base, wanted, asked, page_size=page_size, security=True):
        yield Computer(
            dn=entry.dn,
            password=entry.first(PASSWORD),
            expiry=entry.first(EXPIRY),
            entry=entry,
            directory=directory,
            hidden=tuple(
                name
                for name in (PASSWORD, HISTORY)
                if not _is_there(entry, name) and not _may_read(entry, rights[name])
            ),
        )


def refuse_hidden(count: int, names: c.Sequence[str]) -> None:
    """Raises AccessManagerError when there are computers whose passwords this account may not read."""
    if count:
        raise AccessManagerError(
            f"The account may not read the passwords of {count} computer(s): {', '.join(names[:_SHOWN])}. They are "
            "confidential: the directory answers as if there were none. Grant the account control access to "
            f"{PASSWORD} and {HISTORY} (docs/security.md has the commands), or use another account."
        )


def _may_read(entry: Entry, rights: AttributeRights) -> bool:
    return rights.granted(entry.first(SECURITY))


def _is_there(entry: Entry, attribute: str) -> bool:
    return any(name.partition(";")[0] == attribute.lower() and values for name, values in entry.values.items())
