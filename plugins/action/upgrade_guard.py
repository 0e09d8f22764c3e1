# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Marks the backup that protects an upgrade, and refuses an upgrade that none protects."""

from __future__ import annotations

import datetime
import math
import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._ams.shapes import Installation
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._shape import ShapeError, checked
from ..plugin_utils._signing.trust import Trust
from ..plugin_utils._store import installers, upgrade_marker
from ..plugin_utils._store.high_water_mark import HighWaterMark
from ..plugin_utils._store.store import BackupStore


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        store = BackupStore.of(self.params, self.host, Trust.of(self.params))
        now = datetime.datetime.now(datetime.UTC)
        self.warnings += HighWaterMark(store, self.params["state_dir"]).problems()
        changed = self.params["state"] == "marked"
        marker = self._mark(store, now) if changed else self._require(store, now)
        return {
            "changed": changed,
            "marker": marker,
            "upgrade_warnings": [
                *self._places(),
                *upgrade_marker.UPGRADE_WARNINGS,
                *self._installer(store, marker["backup_id"]),
            ],
        }

    def _places(self) -> list[str]:
        """What to know of where Access Manager is installed, if that was given."""
        if self.params["installation"] is None:
            return []
        try:
            installation = checked(self.params["installation"], Installation)
        except ShapeError as exc:
            raise AccessManagerError(
                f"installation is not what installation_info returns as installation: {exc}"
            ) from None
        return list(filter(None, [upgrade_marker.warning_of_places(installation)]))

    @staticmethod
    def _installer(store: BackupStore, backup_id: str) -> list[str]:
        """With which MSI a rollback begins."""
        sentence = installers.sentence_of(store, store.manifest(backup_id).get("installer"))
        return [f"A rollback begins with the installer. {sentence}"] if sentence else []

    def _mark(self, store: BackupStore, now: datetime.datetime) -> upgrade_marker.Marker:
        for option in ("backup_id", "verification"):
            if self.params[option] is None:
                raise AccessManagerError(f"{option} is required when state is marked.")
        verification = self.params["verification"]
        return upgrade_marker.mark(store, self.params["backup_id"], verification, now=now, check_mode=self.check_mode)

    def _require(self, store: BackupStore, now: datetime.datetime) -> upgrade_marker.Marker:
        max_age, version = self.params["max_age"], self.params["access_manager_version"]
        if max_age is not None and not 0 < max_age < math.inf:
            raise AccessManagerError(f"max_age is {max_age:g}: it must be a number of hours above zero.")
        return upgrade_marker.required(store, now=now, max_age=max_age, version=version)
