# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records on the controller how a backup run of a host ended, and fails again when the run failed."""

from __future__ import annotations

import datetime
import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._shape import checked
from ..plugin_utils._signing.signer import Signer
from ..plugin_utils._signing.trust import Trust
from ..plugin_utils._statuses import FAILED, SUCCESSFUL, UNCHANGED
from ..plugin_utils._store import run_log
from ..plugin_utils._store.high_water_mark import LAST_RUN, HighWaterMark
from ..plugin_utils._store.run_log import Run
from ..plugin_utils._store.signed_lines import without_signature
from ..plugin_utils._store.store import BackupStore, id_at
from ..plugin_utils._text import time_of, timestamp

_CONTROLLER = "localhost"
"""Where a record may be written for any server: it lies there."""


class ActionModule(AccessManagerAction):
    now: datetime.datetime
    started: datetime.datetime | None

    def perform(self) -> dict[str, t.Any]:
        self.now = datetime.datetime.now(datetime.UTC)
        self.started = time_of(self.params["started"] or "")
        run = self._run()
        result: dict[str, t.Any] = {"run": without_signature(run), "changed": False}
        try:
            result |= self._recorded(run)
        except AccessManagerError as exc:
            self.warnings.append(f"How the backup run of {self.host} ended is not recorded: {exc}")
        if self.params["failure"] is not None:
            result |= {"failed": True, "msg": self.params["failure"], "reachable": self.params["reachable"]}
        return result

    def _recorded(self, run: Run) -> dict[str, t.Any]:
        """Writes the record; returns what it says of the host now."""
        if self._task.delegate_to != _CONTROLLER:
            self.target.refuse_delegation()
        store = BackupStore.of(self.params, self.host, Trust.of(self.params))
        if not self.check_mode:
            run_log.add(store, run, Signer.of(self.params), replaces=self.params["replaces"])
            HighWaterMark(store, self.params["state_dir"]).record(LAST_RUN, run["finished"])
        newest = run["backup_id"] if run["outcome"] in SUCCESSFUL else _newest_complete(store)
        return {"newest_complete": newest} | run_log.ages(run_log.read(store, newest, self.now), newest, self.now)

    def _run(self) -> Run:
        """The run, from the results of the steps that it came to."""
        committed, opened, failure = self._committed(), self.params["opened"] or {}, self.params["failure"]
        problems = [*committed.get("problems", []), *([] if failure is None else [failure])]
        run: dict[str, t.Any] = {
            "host": self.host,
            "finished": timestamp(self.now),
            "outcome": FAILED,
            "backup_id": None,
            "seconds": self._seconds(),
            "downtime_ms": committed.get("downtime_ms"),
            "problems": run_log.bounded(problems),
            "health_warnings": run_log.bounded([*self.params["event_warnings"], *self._health_warnings(committed)]),
        }
        if committed.get("id"):
            run |= {"outcome": committed["status"], "backup_id": committed["id"]}
        elif failure is None and opened.get("unchanged"):
            run |= {"outcome": UNCHANGED, "backup_id": opened["latest"]["id"], "downtime_ms": 0}
        return checked(run, Run)

    def _health_warnings(self, committed: dict[str, t.Any]) -> list[str]:
        found: list[str] = committed.get("health_warnings", self.params["health_warnings"])
        return found

    def _committed(self) -> dict[str, t.Any]:
        """The backup that this run made; empty when it made none, though an earlier run of the same play did."""
        committed = self.params["committed"] or {}
        is_earlier = self.started is not None and committed.get("id", "") < id_at(self.started)
        return {} if is_earlier else committed

    def _seconds(self) -> float | None:
        """How long the run took; None when nobody knows when it began, or a clock was set back since."""
        seconds = (self.now - self.started).total_seconds() if self.started else -1
        return round(seconds, 1) if seconds >= 0 else None


def _newest_complete(store: BackupStore) -> str | None:
    manifest = store.latest_complete()
    return str(manifest["id"]) if manifest else None
