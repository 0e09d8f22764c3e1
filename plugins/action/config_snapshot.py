# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages the configuration on the target, under the stop policy."""

from __future__ import annotations

import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._ams.constants import knowledge
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._target import interrupted_stops
from ..plugin_utils._target.answers import STAGED_OR_NOT, Staged, Unsteady
from ..plugin_utils._target.call import Run, new_run
from ..plugin_utils._target.run_with_stop import RunWithStop, keeps_changing, refuse_live_database


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        if self.params["state"] == "absent":
            return self._remove_named()
        if self.check_mode:
            return {"changed": True}
        result = self._take()
        stops = interrupted_stops.warn(result["interrupted_stops"], self.target.label)
        return result | {"interrupted_stops": stops}

    def _take(self) -> dict[str, t.Any]:
        """Takes the snapshot by the stop policy; the result says which way it was copied."""
        policy = self.params["stop_service"]
        refuse_live_database(policy, include_database=self.params["include_database"])
        if policy != "always" and not self.params["include_database"]:
            result = self._copy_live()
            if result["steady"]:
                return result | {"copied": "live"}
            if policy == "never":
                advice = "allow a stop with stop_service: auto."
                raise keeps_changing(self.target.label, result["attempts"], advice)
        return self._copy_stopped() | {"copied": "stopped"}

    def _copy_live(self) -> dict[str, t.Any]:
        def copy(arguments: Run) -> dict[str, t.Any]:
            return self._kept(
                arguments, self.target.call(arguments | {"step": "take"}, STAGED_OR_NOT, repeatable=False)
            )

        return self.target.retry_with_new_run(lambda: self._arguments(stop=False), copy)

    def _copy_stopped(self) -> dict[str, t.Any]:
        arguments = self._arguments(stop=True)
        with self.target.cleanup_on_failure(arguments):
            return self._kept(arguments, RunWithStop(self.target, arguments, Staged).result())

    def _kept(self, arguments: Run, result: Unsteady | Staged) -> dict[str, t.Any]:
        if not result["steady"]:
            self.target.remove_run(arguments)
        return {**result, "run_id": arguments["run_id"]}

    def _arguments(self, *, stop: bool) -> Run:
        options = ("include_database", "force_stop", "service_timeout", "lock_timeout")
        asked = {"stop": stop, "knowledge": knowledge()} | {option: self.params[option] for option in options}
        return new_run(self.params["staging_root"]) | asked

    def _remove_named(self) -> dict[str, t.Any]:
        if not self.params["run_id"]:
            raise AccessManagerError("run_id says which snapshot to remove: it is required when state is absent.")
        if self.check_mode:
            return {"changed": True}
        return {
            **self.target.remove_run({"run_id": self.params["run_id"], "staging_root": self.params["staging_root"]})
        }
