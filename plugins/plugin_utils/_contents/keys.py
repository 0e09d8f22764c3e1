# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private keys and clear secrets of a backup: each key is checked against its certificate."""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import hashlib
import re

from .._ams.shapes import DecryptedSecret, UnreadableSecret
from .._errors import AccessManagerError
from .._shape import Shape, ShapeError, checked
from .._store.manifest import PARTS
from .._text import THUMBPRINT
from .._windows import pfx as pfx_module
from .names import BINDING, PASSWORDS
from .zip_reader import Archive, json_object

_SECRET = Shape[DecryptedSecret | UnreadableSecret]()


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A certificate of a backup. C(pfx) and C(password): None when its key is not in the backup."""

    thumbprint: str
    certificate: bytes
    pfx: bytes | None = dataclasses.field(default=None, repr=False)
    password: str | None = dataclasses.field(default=None, repr=False)


def read_certificates(data: bytes) -> dict[str, Certificate]:
    """The certificates of certificates.zip by thumbprint, each key verified."""
    archive = Archive(data, PARTS["certificates"])
    passwords = read_passwords(archive)
    return {thumbprint: read_certificate(archive, passwords, thumbprint) for thumbprint in thumbprints_in(archive)}


def thumbprints_in(archive: Archive) -> list[str]:
    """The thumbprints of the certificates in certificates.zip.

    Raises AccessManagerError when something else is in it.
    """
    names = archive.names - {PASSWORDS, BINDING}
    for name in sorted(names):
        thumbprint, _dot, kind = name.partition(".")
        if not re.fullmatch(THUMBPRINT, thumbprint) or kind not in ("cer", "pfx"):
            raise AccessManagerError(
                f"{PARTS['certificates']} has an entry '{name}', which is no certificate: it is not used."
            )
    return sorted({name.partition(".")[0] for name in names})


def read_passwords(archive: Archive) -> dict[str, str]:
    """The passwords of the PFX files in certificates.zip, by thumbprint."""
    try:
        return checked(archive.json(PASSWORDS), dict[str, str])
    except ShapeError as exc:
        raise AccessManagerError(
            f"'{PASSWORDS}' in {PARTS['certificates']} is not as a backup has it: {exc}. It is not used."
        ) from None


def read_certificate(archive: Archive, passwords: c.Mapping[str, str], thumbprint: str) -> Certificate:
    """One certificate of certificates.zip. Raises AccessManagerError when it is another, or its key does not fit it."""
    certificate = archive.read(f"{thumbprint}.cer")
    if f"{thumbprint}.pfx" not in archive.names:
        return checked_certificate(thumbprint, certificate)
    return checked_certificate(
        thumbprint, certificate, archive.read(f"{thumbprint}.pfx"), passwords.get(thumbprint, "")
    )


def checked_certificate(
    thumbprint: str, certificate: bytes, pfx: bytes | None = None, password: str = ""
) -> Certificate:
    """A certificate, DER, and its key. Raises AccessManagerError when it is another, or its key does not fit it."""
    if pfx is None:
        if hashlib.sha1(certificate, usedforsecurity=False).hexdigest().upper() != thumbprint:
            raise AccessManagerError(
                f"'{thumbprint}.cer' in {PARTS['certificates']} is another certificate than its name says."
            )
        return Certificate(thumbprint, certificate)
    if pfx_module.verify(pfx, password, thumbprint) != certificate:
        raise AccessManagerError(f"'{thumbprint}.cer' in {PARTS['certificates']} is not the certificate of its PFX.")
    return Certificate(thumbprint, certificate, pfx, password)


def read_secret_records(data: bytes) -> dict[str, DecryptedSecret | UnreadableSecret]:
    """What secrets.json holds of each secret, by path. What describes none is left out."""
    records: dict[str, DecryptedSecret | UnreadableSecret] = {}
    for path, record in json_object(data, PARTS["secrets"]).items():
        with contextlib.suppress(ShapeError):
            records[path] = checked(record, _SECRET)
    return records


def read_secrets(data: bytes) -> dict[str, str]:
    """The values of secrets.json by path, without those that could not be decrypted."""
    records = read_secret_records(data)
    return {path: record["value"] for path, record in records.items() if "value" in record}
