# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate that a forest publishes, to which agents encrypt, and its publication."""

from __future__ import annotations

import collections.abc as c

from .._ams.constants import CONFIGURATION_ENTRY, PUBLISHED_CERTIFICATE
from .._errors import AccessManagerError, DirectoryError, NoSuchEntryError, UnclearChangeError, ValueChangedError
from .._store.key_index import KeyIndex
from .._store.manifest import CertificateDetails
from . import encryption_certificate
from .attribute_rights import may_read
from .ldap import Directory

_CLASS = "objectClass"
"""An attribute that every entry has."""


def read(directory: Directory) -> CertificateDetails | None:
    """What results say of the certificate that the server's forest publishes; None when there is none."""
    der = read_der(directory)
    if der is None:
        return None
    try:
        return encryption_certificate.description_of(der)
    except ValueError as exc:
        raise DirectoryError(
            f"What the forest {directory.domain.forest} publishes as its certificate is none: {exc}."
        ) from None


def read_der(directory: Directory) -> bytes | None:
    """The published certificate as DER; None when there is none, or the account may not see the entry for it.

    Raises DirectoryError when the account may not read it: to such an account, the directory shows an entry without it.
    And when there are several: which of them an agent takes is not known.
    """
    try:
        entry = directory.entry(entry_of(directory), [PUBLISHED_CERTIFICATE, _CLASS])
    except NoSuchEntryError:
        return None
    values = entry.values.get(PUBLISHED_CERTIFICATE.lower(), [])
    if len(values) > 1:
        names = ", ".join(_name(value) for value in values)
        raise DirectoryError(
            f"The forest {directory.domain.forest} publishes {len(values)} certificates, where agents look for one: "
            f"{names}. Which of them an agent takes is not known, so nothing is changed. Remove all but the right one "
            f"from '{PUBLISHED_CERTIFICATE}' of '{entry.dn}', with ADSI Edit for instance, and run this again."
        )
    if not values and (entry.first(_CLASS) is None or not may_read(directory, entry.dn, PUBLISHED_CERTIFICATE)):
        raise DirectoryError(
            f"The account may not read '{entry.dn}' on {directory.server}, where the certificate is published."
        )
    return entry.first(PUBLISHED_CERTIFICATE)


def refuse_unless_another(directory: Directory, lost: c.Collection[str], backups: KeyIndex | None) -> None:
    """Raises AccessManagerError unless the forest is seen to publish a certificate that is none of the lost ones.

    With C(backups), one of them must hold its key.
    """
    published, forest = read(directory), directory.domain.forest
    if published is None:
        raise AccessManagerError(
            f"No published certificate is seen in the forest {forest}: there is none, or this account may not see "
            f"'{entry_of(directory)}'. A password that expires now may be encrypted to the lost key again. Publish "
            "another certificate (directory_certificate), or use an account that may read it."
        )
    thumbprint = published["thumbprint"]
    if thumbprint in lost:
        raise AccessManagerError(
            f"The forest {forest} still publishes the lost certificate {thumbprint}: agents would encrypt to it "
            "again. Publish another one first (directory_certificate)."
        )
    if backups and not backups.find(thumbprint):
        raise AccessManagerError(
            f"The forest {forest} publishes certificate {thumbprint} ({published['subject']}), and no backup holds "
            "its key: new passwords would depend on it. Back up the server that has it first."
        )


def refuse_without_entry(directory: Directory) -> None:
    """Raises AccessManagerError when the forest has no entry to publish a certificate in."""
    try:
        directory.entry(entry_of(directory), [_CLASS])
    except NoSuchEntryError:
        raise _missing_entry(directory) from None


def publish(directory: Directory, der: bytes, seen: bytes | None) -> None:
    """Publishes a certificate in place of the one that was seen, and reads it back.

    Raises AccessManagerError when another was published meanwhile, the entry is missing, or the account may not write
    it, and UnclearChangeError when it may be published nevertheless.
    """
    entry = entry_of(directory)
    try:
        directory.modify(entry, changes(der, seen))
    except ValueChangedError:
        raise AccessManagerError(
            f"Another certificate was published in the forest {directory.domain.forest} meanwhile: look at it, and "
            "run this again."
        ) from None
    except NoSuchEntryError:
        raise _missing_entry(directory) from None
    try:
        found = read_der(directory)
    except AccessManagerError as exc:
        raise UnclearChangeError(
            f"{directory.server} took the certificate, and then could not be asked for it: {exc}"
        ) from None
    if found != der:
        raise UnclearChangeError(
            f"{directory.server} took the certificate, but does not publish it: look at '{entry}'."
        )


def changes(der: bytes, seen: bytes | None) -> list[tuple[str, str, list[bytes]]]:
    """The change that publishes a certificate if the published one is still the one that was seen."""
    removed = [("delete", PUBLISHED_CERTIFICATE, [seen])] if seen is not None else []
    return [*removed, ("add", PUBLISHED_CERTIFICATE, [der])]


def _missing_entry(directory: Directory) -> AccessManagerError:
    return AccessManagerError(
        f"There is no '{entry_of(directory)}' in the forest {directory.domain.forest}, or this account may not see "
        "it. If nothing was ever published there, publish a first certificate with the configuration tool."
    )


def _name(der: bytes) -> str:
    try:
        return str(encryption_certificate.description_of(der)["thumbprint"])
    except ValueError:
        return "one that is no certificate"


def entry_of(directory: Directory) -> str:
    """The distinguished name of the entry with the certificate."""
    return f"{CONFIGURATION_ENTRY},{directory.domain.configuration}"
