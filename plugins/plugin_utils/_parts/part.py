# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of a backup share."""

from __future__ import annotations

import typing as t

from .._age.encryption import Encryptor
from .._contents import part_binding
from .._contents.part_binding import Binding
from .._store.manifest import PARTS, Details, PartRecord, Written
from .._store.partial import PartialBackup
from .._store.store import BackupStore
from .._target.call import Target
from .._target.envelope import CallKey, Envelope


class Part:
    """One part of the backup that is open, for one call of its server, whose answer C(receive) of the part takes.

    C(name): one of PARTS. C(context): of its envelope. C(key): of the call, to which the server encrypts the part.
    """

    name: t.ClassVar[str]
    context: t.ClassVar[str]

    def __init__(self, target: Target, backup: PartialBackup, encryptor: Encryptor, key: CallKey) -> None:
        self.target, self.backup, self.encryptor, self.key = target, backup, encryptor, key
        self.envelope = Envelope(self.context, key)

    def binding(self) -> Binding:
        """What the part says of itself, inside its encryption."""
        return part_binding.make(self.backup, self.name)

    def write(self, clear: t.BinaryIO) -> Written:
        """Writes the artifact, encrypted."""
        name = f"{PARTS[self.name]}{self.encryptor.suffix}"
        return self.backup.write(name, lambda encrypted: self.encryptor.write(clear, encrypted))

    def save(self, artifact: Written, *, problems: list[str], details: Details, inventory: dict[str, str]) -> None:
        """Leaves the record from which backup_commit makes the manifest."""
        record: PartRecord = {
            "artifact": {
                **artifact,
                "encryption": self.encryptor.encryption,
                "recipients": list(self.encryptor.recipients),
            },
            "problems": problems,
            "manifest": details,
            "inventory": inventory,
        }
        self.backup.save_record(self.name, record)


def open_backup(params: dict[str, t.Any], host: str) -> PartialBackup:
    """The backup of a host that the option C(backup_id) names, into which parts are written."""
    return PartialBackup(BackupStore.of(params, host), params["backup_id"])
