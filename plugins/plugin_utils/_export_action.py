# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules share that make one part of a backup each."""

from __future__ import annotations

from ._action import AccessManagerAction
from ._age.encryption import Encryptor
from ._contents import binding
from ._contents.binding import Binding
from ._store.manifest import Details, PartRecord, Written
from ._store.partial import PartialBackup
from ._store.store import BackupStore


class ExportAction(AccessManagerAction):
    """An action that writes one encrypted artifact into the backup that is open, and its record for the manifest."""

    part: str
    """The name of the part, one of PARTS."""

    def encryptor(self) -> Encryptor:
        return Encryptor.of(self.params)

    def backup(self) -> PartialBackup:
        """The backup that is open."""
        return PartialBackup(BackupStore.of(self.params, self.host), self.params["backup_id"])

    def binding(self) -> Binding:
        """What the part says of itself, inside its encryption."""
        return binding.make(self.backup(), self.part)

    def save(
        self,
        encryptor: Encryptor,
        artifact: Written,
        *,
        problems: list[str],
        details: Details,
        inventory: dict[str, str],
    ) -> None:
        """Leaves the record from which backup_commit makes the manifest."""
        record: PartRecord = {
            "artifact": {**artifact, "encryption": encryptor.encryption, "recipients": list(encryptor.recipients)},
            "problems": problems,
            "manifest": details,
            "inventory": inventory,
        }
        self.backup().save_record(self.part, record)
