# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Examines whether a server and the controller are ready for backups and restores."""

from __future__ import annotations

import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._doctor.examination import examine
from ..plugin_utils._doctor.verdict import STATES, Finding, State, worst

_NEVER = "never"


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        findings, unreached = examine(self.target, self.params, self.host, with_run=not self.check_mode)
        state = worst(findings)
        return {
            "state": state,
            "findings": findings,
            "failed": self._fails(state),
            "reachable": not unreached,
            "msg": unreached or _summary(findings),
        }

    def _fails(self, state: str) -> bool:
        limit = self.params["fail_on"]
        return limit != _NEVER and STATES.index(state) >= STATES.index(limit)


def _summary(findings: list[Finding]) -> str:
    parts = [part for state in reversed(STATES[1:]) if (part := _counted(findings, state))]
    return f"{len(findings)} checks: {', '.join(parts) or 'all ok'}."


def _counted(findings: list[Finding], state: State) -> str:
    names = [one["check"] for one in findings if one["state"] == state]
    return f"{len(names)} {state}s ({', '.join(names)})" if names else ""
