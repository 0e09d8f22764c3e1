# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller does of a detached run, by what the target answers: each answer is one that a lab host has given.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._action import AccessManagerAction
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import (
    AccessManagerError,
    ConnectionLostError,
    EndedRunError,
    LostRunError,
    UnansweredError,
    UnfinishedRunError,
    UnreachableError,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.action import RestoreAction
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target import call, detached_run
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target.answers import Change
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target.call import put_aside
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target.detached_run import DetachedRun
from hypothesis import given
from unit.targets import JSON, Answer, AnsweringTarget, run_detached

LOST = ConnectionLostError("There is no connection to ams1, or it was lost.")


def run(
    launches: list[Answer], questions: list[Answer], timeout: int = 60
) -> tuple[AnsweringTarget, Change | AccessManagerError]:
    target = AnsweringTarget(launches, questions)
    try:
        return target, run_detached(target, timeout)
    except AccessManagerError as exc:
        return target, exc


NOT_JSON = "The run 0123456789abcdef ended on ams1, and its result is not JSON."
FINISHED = {"state": "finished", "answer": '{"changed": true}'}


def test_run_whose_launch_was_not_answered_is_asked_for_and_not_launched_again() -> None:
    target, result = run([LOST], [LOST, {"state": "running"}, FINISHED])
    assert result == {"changed": True}
    assert target.asked == ["take", "collect", "collect", "collect"]


def test_run_that_the_server_does_not_know_is_launched_again() -> None:
    target, result = run([{}], [LOST, {"state": "unknown"}, {"state": "running"}, FINISHED])
    assert result == {"changed": True}
    assert target.asked == ["take", "collect", "collect", "take", "collect", "collect"]


def test_run_that_was_seen_at_work_is_never_launched_again() -> None:
    target, result = run([{}], [{"state": "running"}, LOST, {"state": "unknown"}])
    assert isinstance(result, EndedRunError)
    assert str(result).startswith(
        "The run 0123456789abcdef was at work on ams1, and its folder is gone with its result"
    )
    assert target.asked == ["take", "collect", "collect", "collect"]


def test_run_that_never_began_is_launched_three_times() -> None:
    target, result = run([LOST], [{"state": "unknown"}])
    assert str(result) == "The run 0123456789abcdef did not start on ams1."
    assert target.asked == ["take", "collect"] * 3


def test_launch_that_failed_without_an_answer_is_made_again_while_the_target_knows_no_run() -> None:
    failure = UnansweredError("The PowerShell ended without an answer.")
    target = AnsweringTarget([failure, {}], [{"state": "unknown"}, FINISHED], [failure])
    assert run_detached(target) == {"changed": True}
    assert target.asked == ["take", "start", "collect", "take", "collect"]


def test_run_that_the_target_refuses_in_each_way_is_asked_for_once_and_not_launched_again() -> None:
    failure = AccessManagerError("CreateProcessW() failed.")
    target, result = run([failure, {}], [{"state": "unknown"}, FINISHED])
    assert isinstance(result, AccessManagerError)
    assert target.asked == ["take", "start", "collect"]
    assert "did not start on ams1. CreateProcessW() failed. No task starts. Likely causes are" in str(result)
    assert "d1e49aac-8f56-4280-b9ba-993a6d77406c" in str(result)


def test_refused_run_that_began_nevertheless_is_not_lost() -> None:
    target, result = run([AccessManagerError("timeout")], [{"state": "running"}, FINISHED])
    assert result == {"changed": True}
    assert target.asked == ["take", "start", "collect", "collect"]


def test_where_no_process_starts_outside_the_shell_a_scheduled_task_starts_the_run() -> None:
    target = AnsweringTarget(
        [AccessManagerError("Access denied")], [{"state": "running"}, FINISHED], [{"changed": True}]
    )
    assert run_detached(target) == {"changed": True}
    assert target.asked == ["take", "start", "collect", "collect"]
    assert target.job_folders == ["", ""]


def test_run_that_began_although_its_launch_failed_is_not_started_by_a_task() -> None:
    target = AnsweringTarget([AccessManagerError("timeout")], [FINISHED], [{"changed": False}])
    assert run_detached(target) == {"changed": True}
    assert target.job_folders == ["jobs"]


def test_connection_lost_while_a_task_starts_the_run_is_asked_for() -> None:
    target = AnsweringTarget(
        [AccessManagerError("Access denied")], [{"state": "unknown"}, FINISHED], [LOST, {"changed": True}]
    )
    assert run_detached(target) == {"changed": True}
    assert target.asked == ["take", "start", "collect", "take", "start", "collect"]


def test_run_that_is_to_outlive_its_shell_is_asked_for_over_another_connection() -> None:
    class Cut(AnsweringTarget):
        def reconnect(self) -> None:
            self.asked.append("reconnect")

    for cut in (True, False):
        target = Cut([{}], [FINISHED])
        assert DetachedRun(target, {"run_id": "0123456789abcdef"}, Change, timeout=60, cut=cut).result()
        assert target.asked == ["take", *["reconnect"] * cut, "collect"]


def test_why_a_run_could_not_begin_is_said() -> None:
    refusal = AccessManagerError("The folder 'C:\\ProgramData\\lithnet.access_manager' is a link.")
    target, result = run([{}], [refusal])
    assert result is refusal
    assert target.asked == ["take", "collect"]


def test_host_that_never_answers_is_given_up_and_called_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detached_run, "SILENT_SECONDS", -1)
    target, result = run([LOST], [LOST])
    assert isinstance(result, LostRunError)
    assert isinstance(result, UnreachableError)
    assert str(result).startswith(str(LOST))
    assert "If the run 0123456789abcdef began there, it goes on" in str(result)
    assert result.changed
    assert target.asked == ["take", "collect"]


def test_host_that_answered_once_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detached_run, "SILENT_SECONDS", -1)
    assert run([{}], [LOST, LOST, FINISHED])[1] == {"changed": True}
    assert run([LOST], [{"state": "running"}, LOST, LOST, FINISHED])[1] == {"changed": True}


def test_host_that_falls_silent_is_given_up_long_before_the_run_must_have_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(detached_run, "LOST_SECONDS", -1)
    target, result = run([{}], [{"state": "running"}, LOST], timeout=3600)
    assert isinstance(result, LostRunError)
    assert "it goes on, and brings the service back by itself" in str(result)
    assert target.asked == ["take", "collect", "collect"]


@pytest.mark.slow
def test_run_that_does_not_end_in_time_may_have_changed_something() -> None:
    _target, result = run([{}], [{"state": "running"}], timeout=1)
    assert isinstance(result, UnfinishedRunError)
    assert not isinstance(result, UnreachableError)
    assert result.changed
    assert "It goes on there" in str(result)


def test_run_that_was_ended_may_have_changed_something() -> None:
    _target, result = run([{}], [{"state": "ended"}])
    assert isinstance(result, EndedRunError)
    assert result.changed


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"state": "asleep"}, "The answer of ams1 is not used: 'state' is a text, 'asleep', and must be 'unknown' or"),
        ({"state": 7}, "The answer of ams1 is not used: 'state' is a number, '7', and must be"),
        ([], "The answer of ams1 is not used: it is a list, and must be an object."),
        (
            {"state": "finished", "answer": {}},
            "The answer of ams1 is not used: 'answer' is an object, and must be a text.",
        ),
        ({"state": "finished"}, NOT_JSON),
        ({"state": "finished", "answer": "[[[["}, NOT_JSON),
        ({"state": "finished", "answer": "[" * 10**6}, NOT_JSON),
        ({"state": "finished", "answer": "{}"}, "The answer of ams1 is not used: 'changed' is missing."),
        (
            {"state": "finished", "answer": '{"changed": NaN}'},
            NOT_JSON,
        ),
        ({"state": "finished", "answer": '{"failed": true}'}, "The module failed on ams1, and does not say why."),
        (
            {"state": "finished", "answer": '{"failed": true, "msg": "\\u001b[2Jno\\nok: [ams2]"}'},
            "\\x1b[2Jno ok: [ams2]",
        ),
        ({"failed": True, "msg": {}}, "The answer of ams1 is not used: 'msg' is an object, and must be a text."),
    ],
)
def test_odd_answers_are_sentences(answer: Any, sentence: str) -> None:
    _target, result = run([{}], [answer])
    assert isinstance(result, AccessManagerError)
    assert str(result).startswith(sentence)


@given(JSON)
def test_whatever_a_run_leaves_is_a_change_or_a_sentence(left: Any) -> None:
    for answer in ({"state": "finished", "answer": json.dumps(left)}, {"state": "finished", "answer": left}, left):
        _target, result = run([{}], [answer], timeout=1)
        assert isinstance(result, AccessManagerError) or result == {"changed": result["changed"]}


def test_of_what_a_run_leaves_its_shape_alone_is_taken() -> None:
    left = {"changed": True, "ansible_facts": {"x": 1}, "add_host": {"host_name": "ams2"}, "_ansible_no_log": False}
    assert run([{}], [{"state": "finished", "answer": json.dumps(left), "ansible_facts": {}}])[1] == {"changed": True}


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
    action.target = AnsweringTarget([], [])
    if named is None:
        action.refuse_kept_arguments()
        return
    with pytest.raises(AccessManagerError, match=f"Ansible runs with {named}: .* on ams1"):
        action.refuse_kept_arguments()


# ---- calls that are made again ----


def test_a_lost_call_is_made_three_times_unless_the_task_has_tried_again_for_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for longest, calls in ((call.RETRY_SECONDS, 3), (-1, 1)):
        monkeypatch.setattr(call, "RETRY_SECONDS", longest)
        target = AnsweringTarget([LOST], [{"state": "unknown"}])
        with pytest.raises(ConnectionLostError):
            target.call({"step": "take"}, Change)
        assert len(target.asked) == calls
    target = AnsweringTarget([LOST, {"changed": True}], [{"state": "unknown"}])
    monkeypatch.setattr(call, "RETRY_SECONDS", 300)
    assert target.call({"step": "take"}, Change) == {"changed": True}


# ---- two modules that are the first on a server ----

RACES = (
    'Unhandled exception while executing module: Exception calling "Create" with "2" argument(s): '
    '"Source Ansible already exists on the local computer."',
    'Unhandled exception while executing module: Ausnahme beim Aufrufen von "Create" mit 2 Argument(en): '
    '"Die Quelle Ansible ist auf dem lokalen Computer bereits vorhanden."',
)


class Executing(AccessManagerAction):
    """An action whose modules write these results, the last of them again and again."""

    def __init__(self, *results: dict[str, Any]) -> None:
        self.task_vars = {"inventory_hostname": "ams1"}
        name = "lithnet.access_manager.service"
        self._task = SimpleNamespace(async_val=0, resolved_action=name, action="service", delegate_to=None)
        self._connection = SimpleNamespace(_shell=SimpleNamespace(_IS_WINDOWS=True), transport="winrm", become=None)
        self.results = list(results)
        self.executed = 0

    def _execute_module(self, **_how: Any) -> dict[str, Any]:
        self.executed += 1
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        written: dict[str, Any] = json.loads(put_aside({"stdout": json.dumps(result), "rc": 0})["stdout"])
        return written


@pytest.mark.parametrize("message", RACES)
def test_a_module_that_lost_the_race_for_the_event_source_is_called_again(message: str) -> None:
    action = Executing({"failed": True, "msg": message}, {"changed": True})
    assert action.target.call({}, Change, repeatable=False) == {"changed": True}
    assert action.executed == 2


@pytest.mark.parametrize(
    ("task", "connection", "words"),
    [
        ({}, {"transport": "ssh"}, "is reached over SSH, which is not supported"),
        ({}, {"become": object()}, "become is set for ams1, and is not supported"),
        ({"delegate_to": "ams2"}, {}, "A task for ams1 is delegated to ams2"),
        ({}, {"_shell": SimpleNamespace()}, "is not reached as a Windows host"),
    ],
)
def test_other_ways_to_a_server_are_refused_before_it_is_called(
    task: dict[str, Any], connection: dict[str, Any], words: str
) -> None:
    action = Executing({"changed": True})
    assert action.target.call({}, Change) == {"changed": True}
    vars(action._task).update(task)
    vars(action._connection).update(connection)
    with pytest.raises(AccessManagerError, match=words):
        action.target.call({}, Change)
    assert action.executed == 1


def test_a_race_that_is_always_lost_and_any_other_failure_are_reported() -> None:
    action = Executing({"failed": True, "msg": RACES[0]})
    with pytest.raises(AccessManagerError, match="Source Ansible already exists"):
        action.target.call({}, Change, repeatable=False)
    assert action.executed == 3
    action = Executing({"failed": True, "msg": 'Unhandled exception while executing module: "Stop" failed'})
    with pytest.raises(AccessManagerError, match="failed"):
        action.target.call({}, Change, repeatable=False)
    assert action.executed == 1
