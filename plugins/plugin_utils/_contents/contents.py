# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contents of a backup, decrypted in memory.

A backup is not trusted: names, sizes, hashes and keys are checked before use.
"""

from __future__ import annotations

import dataclasses

from .._age.decryption import Decryptor
from .._errors import AccessManagerError
from .configuration import Configuration
from .keys import Certificate, read_certificates, read_secrets
from .part_binding import PartReader
from .source import Source


@dataclasses.dataclass(frozen=True)
class Rewrite:
    """What a string of a JSON file said on the old server, and what it says on the new one.

    C(was_inside): whether the file that it names lay in the configuration folder.
    """

    file: str
    place: str
    before: str
    after: str
    was_inside: bool


@dataclasses.dataclass(frozen=True)
class Contents:
    """A decrypted backup. C(certificates) is None when it was not asked for, or has none.

    C(held): the configuration; None when the backup holds certificates alone. C(rewrites): when it was made for another
    server. C(given): the paths of the secrets whose values an administrator gave for this restore. C(installer): which
    MSI installs the version that was backed up. C(silenced): the outgoing channels that were switched off for it.
    """

    source: Source
    held: Configuration | None
    certificates: dict[str, Certificate] | None
    secrets: dict[str, str] = dataclasses.field(repr=False)
    rewrites: tuple[Rewrite, ...] = ()
    given: frozenset[str] = frozenset()
    installer: str = ""
    silenced: tuple[str, ...] = ()

    @property
    def configuration(self) -> Configuration:
        """Raises AccessManagerError when the backup holds certificates alone."""
        if self.held is None:
            raise AccessManagerError(f"The backup {self.source.label} holds certificates alone.")
        return self.held


def open_contents(source: Source, decryptor: Decryptor, *, certificates: bool) -> Contents:
    """Decrypts and checks a backup, all that a restore of it needs."""
    if certificates and "certificates" not in source.parts and source.manifest:
        raise AccessManagerError(f"The backup {source.label} has no certificates.zip.")
    parts = PartReader(source, decryptor)
    wanted = source.parts.keys() if certificates else source.parts.keys() - {"certificates"}
    held = Configuration(parts.read("config")) if "config" in wanted else None
    keys = read_certificates(parts.read("certificates")) if "certificates" in wanted else None
    secrets = read_secrets(parts.read("secrets")) if "secrets" in wanted else {}
    return Contents(source, held, keys, secrets)
