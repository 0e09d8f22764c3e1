# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the account of a connection may read of an entry, by the entry's own access list with what it inherits."""

from __future__ import annotations

import functools

from .._errors import AccessManagerError
from .access_list import READ_PROPERTY, may
from .ldap import Directory

SECURITY = "nTSecurityDescriptor"
_SCHEMA_ID, _PROPERTY_SET = "schemaIDGUID", "attributeSecurityGUID"
_CLASS = "objectClass"
_REMEMBERED = 4096
"""How many security descriptors are remembered: most entries of a container have the same."""


class AttributeRights:
    """Whether the account has rights on one attribute of entries of a class."""

    def __init__(self, directory: Directory, attribute: str, class_name: str, rights: int) -> None:
        self._rights, self._token = rights, directory.domain.token
        self._scopes = frozenset([*_identities(directory, attribute), *_identities(directory, class_name)])
        self._evaluated = functools.lru_cache(_REMEMBERED)(self._evaluate)

    def granted(self, descriptor: bytes | None) -> bool:
        """Whether this security descriptor grants them.

        One that is not seen, or that does not parse, grants nothing.
        """
        return descriptor is not None and self._evaluated(descriptor)

    def _evaluate(self, descriptor: bytes) -> bool:
        try:
            return may(self._rights, descriptor, self._token, self._scopes)
        except ValueError:
            return False


def may_read(directory: Directory, dn: str, attribute: str) -> bool:
    """Whether the account may read an attribute, that is not confidential, of this entry."""
    entry = directory.entry(dn, [SECURITY, _CLASS], security=True)
    class_name = entry.values.get(_CLASS.lower(), [b"top"])[-1].decode()
    return AttributeRights(directory, attribute, class_name, READ_PROPERTY).granted(entry.first(SECURITY))


def _identities(directory: Directory, name: str) -> list[bytes]:
    """By which GUIDs an access list names an attribute, its property set, or a class."""
    for entry in directory.search(directory.domain.schema, f"(lDAPDisplayName={name})", [_SCHEMA_ID, _PROPERTY_SET]):
        if identity := entry.first(_SCHEMA_ID):
            return [one for one in (identity, entry.first(_PROPERTY_SET)) if one]
    raise AccessManagerError(
        f"The forest of {directory.server} does not know {name}: no agent stores passwords in it. Access Manager's "
        "schema is not installed there, or this is another forest than you mean."
    )
