# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists the backups of a host, and selects one."""

from __future__ import annotations

import typing as t

from ansible_collections.lithnet.access_manager.plugins.plugin_utils import _manifest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._action import AccessManagerAction
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import BackupStore

LATEST = "latest"


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        store = BackupStore(self.params["backup_root"], self.host)
        backups = [_described(store, backup_id) for backup_id in store.ids() if self._wanted(backup_id)]
        if self.params["complete_only"]:
            backups = [backup for backup in backups if backup["status"] == _manifest.COMPLETE]
        return {"backups": backups, "backup": self._selected(store, backups)}

    def _wanted(self, backup_id: str) -> bool:
        not_before, not_after = self.params["not_before"], self.params["not_after"]
        return not (not_before and backup_id < not_before) and not (not_after and backup_id[: len(not_after)] > not_after)

    def _selected(self, store: BackupStore, backups: list[dict[str, t.Any]]) -> dict[str, t.Any] | None:
        """The backup that backup_id names among those listed; None when it names none."""
        wanted = self.params["backup_id"]
        if wanted is None:
            return None
        found = backups[-1:] if wanted == LATEST else [backup for backup in backups if backup["id"] == wanted]
        if not found:
            kind = "complete backup" if self.params["complete_only"] else "backup"
            name = "" if wanted == LATEST else f" '{wanted}'"
            raise AccessManagerError(f"There is no {kind}{name} of {self.host} in '{store.folder}'.")
        return found[0]


def _described(store: BackupStore, backup_id: str) -> dict[str, t.Any]:
    """The manifest of a backup without its inventory; an unreadable one is told as such."""
    path = str(store.folder / backup_id)
    try:
        manifest = store.manifest(backup_id)
    except AccessManagerError as exc:
        return {
            "id": backup_id,
            "host": store.host,
            "path": path,
            "status": _manifest.UNREADABLE,
            "problems": [str(exc)],
        }
    size = sum(artifact["size"] for artifact in manifest["artifacts"])
    return {key: value for key, value in manifest.items() if key != "inventory"} | {"path": path, "size": size}
