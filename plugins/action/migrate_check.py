# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells what version 2 has imported of a configuration of version 1, and what is left."""

from __future__ import annotations

import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._ams.constants import ACCESS_MANAGER_APPLICATION, knowledge
from ..plugin_utils._restore import migration_result
from ..plugin_utils._target.answers import MIGRATED


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        question = {
            "knowledge": knowledge(),
            "staging_root": self.params["staging_root"] or "",
            "application": ACCESS_MANAGER_APPLICATION,
            "events": list(migration_result.EVENTS),
            "trouble": migration_result.condition_of_trouble(self.params["events_hours"]),
            "urls": self.params["urls"],
        }
        answer = self.target.call(question, MIGRATED)
        findings, lines = migration_result.findings_of(answer)
        problems = [one["found"] for one in findings if one["state"] == migration_result.PROBLEM]
        return {
            "findings": findings,
            "table": migration_result.table_of(findings),
            "log_problems": lines,
            "events": migration_result.trouble_of(answer),
            "failed": bool(problems) and self.params["fail_on_problems"],
            "msg": " ".join(problems) or "No problem was found.",
        }
