# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes for Prometheus how the last backup runs of all hosts under a root ended."""

from __future__ import annotations

import datetime
import pathlib
import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._copies.history import CopyHistory
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._files import mode_of, replace_atomically
from ..plugin_utils._report import prometheus
from ..plugin_utils._signing.trust import Trust
from ..plugin_utils._store import run_log
from ..plugin_utils._store.signed_lines import without_signature
from ..plugin_utils._store.store import BackupStore, hosts


class ActionModule(AccessManagerAction):
    trust: Trust
    now: datetime.datetime

    def perform(self) -> dict[str, t.Any]:
        mode = mode_of(self.params["mode"])
        self.trust, self.now = Trust.of(self.params), datetime.datetime.now(datetime.UTC)
        there = hosts(self.params["backup_root"], check_owner=self.params["check_backup_owner"])
        found = [self._described(host) for host in sorted({*there, *self.params["hosts"]})]
        text = prometheus.text_of_runs(found)
        path = pathlib.Path(self.params["prometheus"])
        return {"changed": replace_atomically(path, text.encode(), mode, check_mode=self.check_mode), "hosts": found}

    def _described(self, host: str) -> dict[str, t.Any]:
        """What is recorded of a host; nothing, and a warning, when its folder cannot be used."""
        unknown: dict[str, t.Any] = dict.fromkeys(("newest_complete", "last_success", "last_run"))
        unknown |= {"host": host, "copies": []}
        try:
            store = BackupStore.of(self.params, host, self.trust)
            latest = store.latest_complete()
            newest = latest["id"] if latest else None
            runs = run_log.read(store, newest, self.now)
        except AccessManagerError as exc:
            self.warnings.append(str(exc))
            return unknown
        self.warnings += filter(None, [runs.problem])
        known = run_log.ages(runs, newest, self.now)
        return unknown | {
            "newest_complete": newest,
            "last_success": known["last_success"],
            "last_run": without_signature(runs.last) if runs.last else None,
            "copies": CopyHistory(store, self.params["state_dir"]).ages(None, self.now),
        }
