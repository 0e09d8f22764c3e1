# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists the backups of a host or of all, and selects one."""

from __future__ import annotations

import collections.abc as c
import datetime
import itertools
import re
import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._signing.trust import Origin, Trust
from ..plugin_utils._statuses import COMPLETE, UNREADABLE
from ..plugin_utils._store import installers
from ..plugin_utils._store.attachment import Attachment
from ..plugin_utils._store.attachments import Attachments
from ..plugin_utils._store.high_water_mark import HighWaterMark
from ..plugin_utils._store.store import BackupStore, hosts, is_in_future
from ..plugin_utils._threads import in_threads

T = t.TypeVar("T")
LATEST = "latest"
_TIMES = ("not_before", "not_after")
_TIME = re.compile(r"[0-9]{4,8}|[0-9]{8}T([0-9]{0,6}|[0-9]{6}Z)")


class ActionModule(AccessManagerAction):
    _trust: Trust
    _origins: dict[str, Origin]
    """By the path of a backup."""

    def perform(self) -> dict[str, t.Any]:
        self._trust = Trust.of(self.params)
        self._origins = {}
        self._check_options()
        stores = self._stores()
        places = itertools.chain.from_iterable(map(self._places, stores))
        backups = in_threads(lambda place: self._described(*place), places)
        if self.params["complete_only"]:
            backups = [backup for backup in backups if backup["status"] == COMPLETE]
        installers = [one.as_data() for one in itertools.chain.from_iterable(map(self._installers, stores))]
        attachments = [one.as_data() for one in itertools.chain.from_iterable(map(self._attachments, stores))]
        return {
            "backups": backups,
            "backup": self._selected(backups),
            "installers": installers,
            "attachments": attachments,
        }

    def _check_options(self) -> None:
        if self.params["all_hosts"] and (self.params["backup_id"] or self.params["host"]):
            raise AccessManagerError(
                "all_hosts lists the backups of every host: give neither backup_id nor host with it."
            )
        for option in _TIMES:
            if self.params[option] is not None and not _TIME.fullmatch(self._time(option)):
                raise AccessManagerError(
                    f"{option} is '{self.params[option]}': it must be a time in UTC or the beginning of one, such as "
                    "20261123T081500Z, 2026-11-23 or 202611."
                )

    def _stores(self) -> list[BackupStore]:
        root, check_owner = self.params["backup_root"], self.params["check_backup_owner"]
        wanted = hosts(root, check_owner=check_owner) if self.params["all_hosts"] else [self.host]
        return [BackupStore.of(self.params, host, self._trust) for host in wanted]

    def _places(self, store: BackupStore) -> list[tuple[BackupStore, str]]:
        """The backups of a host that are wanted."""
        return [(store, backup_id) for backup_id in self._ids(store) if self._wanted(backup_id)]

    def _ids(self, store: BackupStore) -> list[str]:
        """The ids of a host's backups. Among all hosts, one whose folder cannot be listed does not hide the others."""
        try:
            ids = store.ids()
        except AccessManagerError as exc:
            if not self.params["all_hosts"]:
                raise
            self.warnings.append(str(exc))
            return []
        self.warnings += HighWaterMark(store, self.params["state_dir"]).problems()
        return ids

    def _installers(self, store: BackupStore) -> list[installers.KeptInstaller]:
        """The installers beside a host's backups."""
        return self._listed(lambda: installers.kept(store))

    def _attachments(self, store: BackupStore) -> list[Attachment]:
        """The attachments beside a host's backups."""
        return self._listed(Attachments(store, self.params["state_dir"]).all)

    def _listed(self, listing: c.Callable[[], list[T]]) -> list[T]:
        """What a listing finds. What is wrong with a folder hides no backup."""
        try:
            return listing()
        except AccessManagerError as exc:
            self.warnings += [] if str(exc) in self.warnings else [str(exc)]
            return []

    def _wanted(self, backup_id: str) -> bool:
        first, last = (self._time(option) for option in _TIMES)
        return not (first and backup_id < first) and not (last and backup_id[: len(last)] > last)

    def _time(self, option: str) -> str:
        """A time as ids have it: without separators."""
        return str(self.params[option] or "").replace("-", "").replace(":", "")

    def _selected(self, backups: list[dict[str, t.Any]]) -> dict[str, t.Any] | None:
        """The backup that backup_id names among those listed; None when it names none.

        One that is not accepted is refused.
        """
        wanted = self.params["backup_id"]
        if wanted is None:
            return None
        if wanted == LATEST:
            now = datetime.datetime.now(datetime.UTC)
            found = [backup for backup in backups if backup["accepted"] and not is_in_future(backup["id"], now)][-1:]
        else:
            found = [backup for backup in backups if backup["id"] == wanted]
        if not found:
            kind = "complete backup" if self.params["complete_only"] else "backup"
            name = "" if wanted == LATEST else f" '{wanted}'"
            raise AccessManagerError(
                f"There is no {kind}{name} of {self.host} in '{self.params['backup_root']}'{self._trust.restriction}."
            )
        self._trust.refuse(self._origins[found[0]["path"]])
        return found[0]

    def _described(self, store: BackupStore, backup_id: str) -> dict[str, t.Any]:
        """The manifest of a backup without its inventory, and who made it; one whose manifest cannot be read has that
        status.
        """
        try:
            data = store.manifest_bytes(backup_id)
            manifest, origin = store.parsed_manifest(backup_id, data), store.origin(backup_id, data)
            size = sum(artifact["size"] for artifact in manifest["artifacts"])
            described = {key: value for key, value in manifest.items() if key != "inventory"} | {"size": size}
        except AccessManagerError as exc:
            origin = Origin(problem=str(exc))
            described = {
                "id": backup_id,
                "host": store.host,
                "status": UNREADABLE,
                "problems": [str(exc)],
            }
        path = str(store.folder / backup_id)
        self._origins[path] = origin
        return described | {
            "path": path,
            "signer": origin.signer,
            "origin": origin.sentence,
            "accepted": self._trust.accepts(origin),
        }
