# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller does of a detached run, by what the target answers: each answer is one that a lab host has given."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants
from ansible_collections.lithnet.access_manager.plugins.plugin_utils import _action
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._action import AccessManagerAction
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import (
    AccessManagerError,
    EndedRunError,
    LostLineError,
    LostRunError,
    UnfinishedRunError,
    UnreachableError,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.action import RestoreAction

LOST = LostLineError("There is no connection to ams1, or it was lost.")
Answer = dict[str, Any] | AccessManagerError


class Asking(AccessManagerAction):
    """An action whose target gives these answers, the last of them again and again."""

    def __init__(self, launches: list[Answer], questions: list[Answer]) -> None:
        self.task_vars = {"inventory_hostname": "ams1"}
        self._task = SimpleNamespace(async_val=0)
        self.asked: list[str] = []
        self._answers = {"take": launches, "collect": questions}

    def _call_once(self, arguments: dict[str, Any], **_how: Any) -> dict[str, Any]:
        step = arguments["step"]
        self.asked.append(step)
        answers = self._answers[step]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, AccessManagerError):
            raise answer
        return answer

    def _reconnect(self) -> None:
        pass

    def get_shell_option(self, option: str, default: Any = None) -> Any:
        return default


def run(launches: list[Answer], questions: list[Answer], timeout: int = 60) -> tuple[Asking, dict[str, Any] | AccessManagerError]:
    action = Asking(launches, questions)
    try:
        return action, action.run_detached({"run_id": "0123456789abcdef"}, timeout=timeout)
    except AccessManagerError as exc:
        return action, exc


FINISHED = {"state": "finished", "answer": '{"changed": true}'}


def test_run_whose_launch_was_not_answered_is_asked_for_and_not_launched_again() -> None:
    action, result = run([LOST], [LOST, {"state": "running"}, FINISHED])
    assert result == {"changed": True}
    assert action.asked == ["take", "collect", "collect", "collect"]


def test_run_that_never_began_is_launched_three_times() -> None:
    action, result = run([LOST], [{"state": "unknown"}])
    assert str(result) == "The run 0123456789abcdef did not start on ams1."
    assert action.asked == ["take", "collect"] * 3


def test_launch_that_failed_is_made_again_while_the_target_knows_no_run() -> None:
    failure = AccessManagerError("CreateProcessW() failed")
    action, result = run([failure, {}], [{"state": "unknown"}, FINISHED])
    assert result == {"changed": True}
    assert action.asked == ["take", "collect"] * 2
    assert str(run([failure], [{"state": "unknown"}])[1]).endswith("did not start on ams1. CreateProcessW() failed")


def test_why_a_run_could_not_begin_is_told() -> None:
    refusal = AccessManagerError("The folder 'C:\\ProgramData\\lithnet.access_manager' is a link.")
    action, result = run([{}], [refusal])
    assert result is refusal
    assert action.asked == ["take", "collect"]


def test_host_that_never_answers_is_given_up_and_called_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_action, "SILENT_SECONDS", -1)
    action, result = run([LOST], [LOST])
    assert isinstance(result, LostRunError)
    assert isinstance(result, UnreachableError)
    assert str(result).startswith(str(LOST))
    assert "If the run 0123456789abcdef began there, it goes on" in str(result)
    assert result.changed
    assert action.asked == ["take", "collect"]


def test_host_that_answered_once_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_action, "SILENT_SECONDS", -1)
    assert run([{}], [LOST, LOST, FINISHED])[1] == {"changed": True}
    assert run([LOST], [{"state": "running"}, LOST, LOST, FINISHED])[1] == {"changed": True}


def test_run_that_does_not_end_in_time_may_have_changed_something() -> None:
    _action_of_it, result = run([{}], [{"state": "running"}], timeout=1)
    assert isinstance(result, UnfinishedRunError)
    assert not isinstance(result, UnreachableError)
    assert result.changed
    assert "It goes on there" in str(result)


def test_run_that_was_ended_may_have_changed_something() -> None:
    _action_of_it, result = run([{}], [{"state": "ended"}])
    assert isinstance(result, EndedRunError)
    assert result.changed


@pytest.mark.parametrize(
    ("debug", "keep", "named"),
    [
        (True, False, "ANSIBLE_DEBUG"),
        (False, True, "ANSIBLE_KEEP_REMOTE_FILES"),
        (True, True, "ANSIBLE_DEBUG and ANSIBLE_KEEP_REMOTE_FILES"),
        (False, False, None),
    ],
)
def test_secrets_are_not_sent_where_ansible_keeps_what_it_sends(
    monkeypatch: pytest.MonkeyPatch, debug: bool, keep: bool, named: str | None
) -> None:
    monkeypatch.setattr(constants, "DEFAULT_DEBUG", debug)
    monkeypatch.setattr(constants, "DEFAULT_KEEP_REMOTE_FILES", keep)
    action = RestoreAction.__new__(RestoreAction)
    action.task_vars = {"inventory_hostname": "ams1"}
    if named is None:
        action.refuse_kept_arguments()
        return
    with pytest.raises(AccessManagerError, match=f"Ansible runs with {named}: .* on ams1"):
        action.refuse_kept_arguments()


# ---- two modules that are the first on a server ----

RACES = (
    'Unhandled exception while executing module: Exception calling "Create" with "2" argument(s): '
    '"Source Ansible already exists on the local computer."',
    'Unhandled exception while executing module: Ausnahme beim Aufrufen von "Create" mit 2 Argument(en): '
    '"Die Quelle Ansible ist auf dem lokalen Computer bereits vorhanden."',
)


class Executing(AccessManagerAction):
    """An action whose modules end with these results, the last of them again and again."""

    def __init__(self, *results: dict[str, Any]) -> None:
        self.task_vars = {"inventory_hostname": "ams1"}
        self._task = SimpleNamespace(async_val=0, resolved_action="lithnet.access_manager.service", action="service")
        self._connection = SimpleNamespace(_shell=SimpleNamespace(_IS_WINDOWS=True), transport="winrm")
        self.results = list(results)
        self.executed = 0

    def _execute_module(self, **_how: Any) -> dict[str, Any]:
        self.executed += 1
        return dict(self.results.pop(0) if len(self.results) > 1 else self.results[0])


@pytest.mark.parametrize("message", RACES)
def test_a_module_that_lost_the_race_for_the_event_source_is_called_again(message: str) -> None:
    action = Executing({"failed": True, "msg": message}, {"changed": True})
    assert action.call_target({}, repeatable=False) == {"changed": True}
    assert action.executed == 2


def test_a_race_that_is_always_lost_and_any_other_failure_are_told() -> None:
    action = Executing({"failed": True, "msg": RACES[0]})
    with pytest.raises(AccessManagerError, match="Source Ansible already exists"):
        action.call_target({}, repeatable=False)
    assert action.executed == 3
    action = Executing({"failed": True, "msg": 'Unhandled exception while executing module: "Stop" failed'})
    with pytest.raises(AccessManagerError, match="failed"):
        action.call_target({}, repeatable=False)
    assert action.executed == 1
