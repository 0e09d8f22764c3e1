# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists the backups of a host or of all, and selects one."""

from __future__ import annotations

import re
import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._store import manifest as manifest_module
from ..plugin_utils._store.high_water_mark import HighWaterMark
from ..plugin_utils._store.store import BackupStore, hosts

LATEST = "latest"
_TIMES = ("not_before", "not_after")
_TIME = re.compile(r"[0-9]{4,8}|[0-9]{8}T([0-9]{0,6}|[0-9]{6}Z)")


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        self._warnings: list[str] = []
        self._refuse_what_makes_no_sense()
        found = {store: self._ids(store) for store in self._stores()}
        backups = [_described(store, backup_id) for store, ids in found.items() for backup_id in ids if self._wanted(backup_id)]
        if self.params["complete_only"]:
            backups = [backup for backup in backups if backup["status"] == manifest_module.COMPLETE]
        return {"backups": backups, "backup": self._selected(backups), "warnings": self._warnings}

    def _refuse_what_makes_no_sense(self) -> None:
        if self.params["all_hosts"] and (self.params["backup_id"] or self.params["host"]):
            raise AccessManagerError("all_hosts lists the backups of every host: give neither backup_id nor host with it.")
        for option in _TIMES:
            if self.params[option] is not None and not _TIME.fullmatch(self._time(option)):
                raise AccessManagerError(
                    f"{option} is '{self.params[option]}': it must be a time in UTC or the beginning of one, such as "
                    "20261123T081500Z, 2026-11-23 or 202611."
                )

    def _stores(self) -> list[BackupStore]:
        root = self.params["backup_root"]
        return [BackupStore(root, host) for host in (hosts(root) if self.params["all_hosts"] else [self.host])]

    def _ids(self, store: BackupStore) -> list[str]:
        """The ids of a host's backups. Among all hosts, one whose folder cannot be listed does not hide the others."""
        try:
            self._warnings += HighWaterMark(store, self.params["state_dir"]).problems()
            return store.ids()
        except AccessManagerError as exc:
            if not self.params["all_hosts"]:
                raise
            self._warnings.append(str(exc))
            return []

    def _wanted(self, backup_id: str) -> bool:
        first, last = (self._time(option) for option in _TIMES)
        return not (first and backup_id < first) and not (last and backup_id[: len(last)] > last)

    def _time(self, option: str) -> str:
        """A time as ids have it: without separators."""
        return str(self.params[option] or "").replace("-", "").replace(":", "")

    def _selected(self, backups: list[dict[str, t.Any]]) -> dict[str, t.Any] | None:
        """The backup that backup_id names among those listed; None when it names none."""
        wanted = self.params["backup_id"]
        if wanted is None:
            return None
        found = backups[-1:] if wanted == LATEST else [backup for backup in backups if backup["id"] == wanted]
        if not found:
            kind = "complete backup" if self.params["complete_only"] else "backup"
            name = "" if wanted == LATEST else f" '{wanted}'"
            raise AccessManagerError(f"There is no {kind}{name} of {self.host} in '{self.params['backup_root']}'.")
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
            "status": manifest_module.UNREADABLE,
            "problems": [str(exc)],
        }
    size = sum(artifact["size"] for artifact in manifest["artifacts"])
    return {key: value for key, value in manifest.items() if key != "inventory"} | {"path": path, "size": size}
