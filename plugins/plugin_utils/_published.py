# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate that a forest publishes, to which agents encrypt, and its publication."""

from __future__ import annotations

import typing as t

from . import _encryption_certificate
from ._access_manager import CONFIGURATION_ENTRY, PUBLISHED_CERTIFICATE
from ._errors import AccessManagerError, DirectoryError, NoSuchEntryError, ValueChangedError
from ._ldap import Directory

_CLASS = "objectClass"
"""An attribute that every entry has."""


def read(directory: Directory) -> dict[str, t.Any] | None:
    """What is told of the certificate that the server's forest publishes; None when there is none."""
    der = read_der(directory)
    if der is None:
        return None
    try:
        return _encryption_certificate.told(der)
    except ValueError as exc:
        raise DirectoryError(f"What the forest {directory.domain.forest} publishes as its certificate is none: {exc}.") from None


def read_der(directory: Directory) -> bytes | None:
    """The published certificate as DER; None when there is none.

    Raises DirectoryError when the account may not read it: to such an account, the directory shows an entry without anything in it.
    """
    try:
        entry = directory.entry(entry_of(directory), [PUBLISHED_CERTIFICATE, _CLASS])
    except NoSuchEntryError:
        return None
    if entry.first(_CLASS) is None:
        raise DirectoryError(f"The account may not read '{entry.dn}' on {directory.server}, where the certificate is published.")
    return entry.first(PUBLISHED_CERTIFICATE)


def refuse_without_entry(directory: Directory) -> None:
    """Raises AccessManagerError when the forest has no entry to publish a certificate in."""
    try:
        directory.entry(entry_of(directory), [_CLASS])
    except NoSuchEntryError:
        raise _missing_entry(directory) from None


def publish(directory: Directory, der: bytes, seen: bytes | None) -> None:
    """Publishes a certificate in place of the one that was seen, and reads it back.

    Raises AccessManagerError when another was published meanwhile, the entry is missing, or the account may not write it.
    """
    entry = entry_of(directory)
    try:
        directory.modify(entry, changes(der, seen))
    except ValueChangedError:
        raise AccessManagerError(
            f"Another certificate was published in the forest {directory.domain.forest} meanwhile: look at it, and run this again."
        ) from None
    except NoSuchEntryError:
        raise _missing_entry(directory) from None
    if read_der(directory) != der:
        raise AccessManagerError(f"{directory.server} took the certificate, but does not publish it: look at '{entry}'.")


def changes(der: bytes, seen: bytes | None) -> list[tuple[str, str, list[bytes]]]:
    """The change that publishes a certificate if the published one is still the one that was seen."""
    removed = [("delete", PUBLISHED_CERTIFICATE, [seen])] if seen is not None else []
    return [*removed, ("add", PUBLISHED_CERTIFICATE, [der])]


def _missing_entry(directory: Directory) -> AccessManagerError:
    return AccessManagerError(
        f"There is no '{entry_of(directory)}' in the forest {directory.domain.forest}: nothing was ever published there. Publish a "
        "first certificate with the configuration tool."
    )


def entry_of(directory: Directory) -> str:
    """The distinguished name of the entry with the certificate."""
    return f"{CONFIGURATION_ENTRY},{directory.domain.configuration}"
