# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A detached run is launched again only when the server never had it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._action import AccessManagerAction
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import EndedRunError, LostLineError

LOST = "lost"


class Action(AccessManagerAction):
    """Gets the given states, one by one, as answers of its target."""

    task_vars: dict[str, Any] = {"inventory_hostname": "ams1"}

    def __init__(self, *states: str) -> None:
        self.states, self.steps = list(states), list[str]()
        self._task = SimpleNamespace(async_val=0)

    def _call_once(self, arguments: dict[str, Any], *, detached: bool = False, module: str | None = None) -> dict[str, Any]:
        self.steps.append(arguments["step"])
        if detached:
            return {}
        state = self.states.pop(0)
        if state == LOST:
            raise LostLineError("The line was lost.")
        return {"state": state, "answer": json.dumps({"changed": True})}

    def _reconnect(self) -> None:
        pass

    def get_shell_option(self, option: str, default: Any = None) -> str:
        return "jobs"


def run(action: Action) -> dict[str, Any]:
    return action.run_detached({"run_id": "R"}, timeout=60)


def test_run_that_the_server_does_not_know_is_launched_again() -> None:
    action = Action(LOST, "unknown", "running", "finished")
    assert run(action) == {"changed": True}
    assert action.steps == ["take", "collect", "collect", "take", "collect", "collect"]


def test_run_that_was_seen_at_work_is_never_launched_again() -> None:
    action = Action("running", LOST, "unknown")
    with pytest.raises(EndedRunError, match="The run R was at work on ams1, and its folder is gone with its result"):
        run(action)
    assert action.steps == ["take", "collect", "collect", "collect"]
