# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts, stops or restarts the service, and waits until it is done."""

from __future__ import annotations

import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._ams.constants import knowledge
from ..plugin_utils._target import interrupted_stops
from ..plugin_utils._target.answers import ServiceState
from ..plugin_utils._target.call import new_run
from ..plugin_utils._target.detached_run import DetachedRun

_WAITS_OF_A_RUN = 10


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        timeout = self.params["service_timeout"]
        run = new_run(self.params["staging_root"])
        arguments = run | {
            "knowledge": knowledge(),
            "state": self.params["state"],
            "service_timeout": timeout,
            "force_stop": self.params["force_stop"],
            "lock_timeout": self.params["lock_timeout"],
        }
        if self.params["state"] == "recovered":
            return self._reported(self.target.call(arguments | {"step": "take"}, ServiceState))
        if self.check_mode:
            return {**self.target.call(arguments | {"step": "take"}, ServiceState)}
        with self.target.cleanup_on_failure(run):
            waits = self.params["lock_timeout"] + _WAITS_OF_A_RUN * timeout
            result = DetachedRun(self.target, arguments, ServiceState, timeout=waits).result()
        self.target.remove_run(run)
        return self._reported(result)

    def _reported(self, result: ServiceState) -> dict[str, t.Any]:
        """The result, with a sentence for each run that left the service stopped, after a warning with it."""
        stops = interrupted_stops.warn(result.get("interrupted_stops", []), self.target.label)
        return {**result, "interrupted_stops": stops}
