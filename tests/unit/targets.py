# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A target that gives the answers of a test, in place of a server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target.answers import Change
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target.call import Target
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target.detached_run import DetachedRun
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["state", "answer", "changed", "failed", "msg"]), inner)
    ),
    max_leaves=8,
)
"""Answers of odd shapes."""

Answer = Any
"""What a server says: data, or an error that the call of it raises."""


class AnsweringTarget(Target):
    """Gives these answers to launches, to questions and to scheduled tasks, the last of them again and again."""

    def __init__(self, launches: list[Answer], questions: list[Answer], tasks: list[Answer] | None = None) -> None:
        action = SimpleNamespace(_task=SimpleNamespace(async_val=0), get_shell_option=lambda _name: "jobs")
        super().__init__(action, "service", {"inventory_hostname": "ams1"})
        self.asked: list[str] = []
        self.job_folders: list[str] = []
        self._answers = {
            "take": launches,
            "collect": questions,
            "start": tasks or [AccessManagerError("No task starts.")],
        }

    def payload(self, arguments: dict[str, Any]) -> str:
        assert arguments["step"] == "take"
        return ""

    def call_once(self, arguments: dict[str, Any], shape: Any, **_how: Any) -> Any:
        step = arguments["step"]
        self.asked.append(step)
        self.job_folders += [arguments["job_folder"]] if "job_folder" in arguments else []
        answers = self._answers[step]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, AccessManagerError):
            raise answer
        return self.checked(answer, shape)

    def reconnect(self) -> None:
        pass


def run_detached(target: Target, timeout: int = 60) -> Change:
    """The result of a run on that target."""
    return DetachedRun(target, {"run_id": "0123456789abcdef"}, Change, timeout=timeout).result()
