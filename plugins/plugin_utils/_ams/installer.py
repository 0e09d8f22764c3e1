# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From which MSI a server was installed: the vendor offers those of version 1 no more."""

from __future__ import annotations

import typing as t

from .._text import printable
from .shapes import InstalledProduct, InstallerRecord

_PARTS = (8, 4, 4)
"""How many digits the first parts of a product code have, which Windows Installer keeps in reverse."""


class Installer(t.TypedDict):
    """C(product_code): as an MSI has it, in braces. C(name): of the file that was run, empty when it is not known.

    C(sha256): of the copy that Windows Installer keeps; empty when there is none.
    """

    product_code: str
    version: str
    name: str
    sha256: str


def installer_of(record: InstallerRecord) -> Installer:
    """What a manifest says of it."""
    return {
        "product_code": product_code_of(record),
        "version": printable(record["version"]),
        "name": printable(record["name"]),
        "sha256": record["sha256"],
    }


def product_code_of(product: InstalledProduct) -> str:
    """The product code as an MSI has it.

    Windows Installer keeps the first three parts in reverse, and the others with the digits of each byte exchanged.
    """
    rest, parts = product["product_code"], []
    for length in _PARTS:
        parts.append(rest[:length][::-1])
        rest = rest[length:]
    last = "".join(rest[at : at + 2][::-1] for at in range(0, len(rest), 2))
    return f"{{{'-'.join([*parts, last[:4], last[4:]])}}}"
