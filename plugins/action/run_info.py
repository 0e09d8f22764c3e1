# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what became of a run on the server."""

from __future__ import annotations

import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._target.answers import Collected


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        question = {key: self.params[key] for key in ("run_id", "staging_root", "wait_seconds")}
        return {"state": self.target.call(question | {"step": "collect"}, Collected)["state"]}
