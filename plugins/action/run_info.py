# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what became of a run on the server."""

from __future__ import annotations

import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._target.answers import Collected, Failure
from ..plugin_utils._text import one_line


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        wait = self.params["wait_seconds"]
        question = {"step": "collect", "wait_seconds": wait, "start_seconds": wait}
        run = {key: self.params[key] for key in ("run_id", "staging_root")}
        found = self.target.call(run | question, Collected)
        left = self.target.decrypted(found.get("answer", "{}").encode("utf-8", "surrogatepass"), Failure)
        result = {"state": found["state"], "run_failed": left.get("failed", False)}
        return result | {"run_msg": self.target.censored(one_line(left.get("msg", "")))}
