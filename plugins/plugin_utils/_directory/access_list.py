# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an account may read an attribute. The directory does not refuse it: it answers as if there were no value.

So the security descriptor of a computer is read as the server reads it: the first entry that grants or denies decides
(MS-DTYP 2.5.3.2).
"""

from __future__ import annotations

import collections.abc as c
import struct

READ_PROPERTY, CONTROL_ACCESS = 0x10, 0x100
CONFIDENTIAL = READ_PROPERTY | CONTROL_ACCESS
_ALLOWED = frozenset({0, 5})
_DENIED = frozenset({1, 6, 10, 12})
"""Kinds of entries. Those with a condition, which is not evaluated here, deny (10, 12) and never allow (9, 11)."""

_BY_OBJECT = frozenset({5, 6, 12})
_GENERIC_ALL, _GENERIC_READ = 0x10000000, 0x80000000
_INHERIT_ONLY = 0x08
_HAS_TYPE, _HAS_INHERITED_TYPE = 0x1, 0x2
_GUID_BYTES = 16


def may(rights: int, descriptor: bytes, token: c.Set[bytes], scopes: c.Set[bytes]) -> bool:
    """Whether the account whose SIDs are C(token) has all these rights on an attribute of an entry.

    C(descriptor): the entry's security descriptor. C(scopes): what an entry of its list can be about to concern the
    attribute: the schemaIDGUIDs of the attribute and the class, and the GUID of the property set. Raises ValueError
    when the descriptor is none.
    """
    try:
        return _granted(rights, descriptor, token, scopes)
    except (struct.error, IndexError):
        raise ValueError("the security descriptor is cut off") from None


def _granted(open_rights: int, descriptor: bytes, token: c.Set[bytes], scopes: c.Set[bytes]) -> bool:
    for kind, mask, scope, sid in _entries(descriptor):
        if sid not in token or (scope is not None and scope not in scopes):
            continue
        if kind in _DENIED and mask & open_rights:
            return False
        if kind in _ALLOWED:
            open_rights &= ~mask
        if not open_rights:
            return True
    return False


def _entries(descriptor: bytes) -> c.Iterator[tuple[int, int, bytes | None, bytes]]:
    """The entries of the access list that concern the object itself: kind, rights, the attribute that it is about, SID.
    """
    (offset,) = struct.unpack_from("<I", descriptor, 16)
    if not offset:
        return
    (count,) = struct.unpack_from("<H", descriptor, offset + 4)
    place = offset + 8
    for _number in range(count):
        kind, flags, size = struct.unpack_from("<BBH", descriptor, place)
        body, place = descriptor[place + 4 : place + size], place + size
        if size < 8 or flags & _INHERIT_ONLY or kind not in _ALLOWED | _DENIED:
            continue
        (mask,) = struct.unpack_from("<I", body)
        scope, sid = _scope(body[4:]) if kind in _BY_OBJECT else (None, body[4:])
        yield kind, _specific(mask), scope, sid[: 8 + 4 * sid[1]]


def _specific(mask: int) -> int:
    """A mask with what its generic rights mean for reading."""
    if mask & _GENERIC_ALL:
        return mask | CONFIDENTIAL
    return mask | READ_PROPERTY if mask & _GENERIC_READ else mask


def _scope(body: bytes) -> tuple[bytes | None, bytes]:
    """The attribute or right that an entry is about, and what follows it: the kind of child that inherits it comes
    between.
    """
    (present,) = struct.unpack_from("<I", body)
    scope = body[4 : 4 + _GUID_BYTES] if present & _HAS_TYPE else None
    length = 4 + _GUID_BYTES * (bool(present & _HAS_TYPE) + bool(present & _HAS_INHERITED_TYPE))
    return scope, body[length:]
