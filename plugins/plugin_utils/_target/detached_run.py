# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of a target's half outside its shell: it ends by itself whatever happens to the connection, and is asked for
its result."""

from __future__ import annotations

import time
import typing as t

from .. import _display, _progress
from .._ams.json_document import strict
from .._errors import (
    AccessManagerError,
    ConnectionLostError,
    EndedRunError,
    LostRunError,
    RefusedRunError,
    UnansweredError,
    UnfinishedRunError,
)
from .answers import Collected
from .call import ATTEMPTS, FOLLOWER, NAMES_OF_A_RUN, Run, Target

T = t.TypeVar("T")

COLLECT_SECONDS = 120
"""How long one question for the result waits on the target."""

LONGEST_RUN_SECONDS = 24 * 3600
"""When Ansible ends a detached run: never before the run's own time-outs, or the service could stay stopped."""

BEGIN_SECONDS = 20
"""How long a run whose launch was not answered may take to begin, before it is launched again. One that begins twice is
refused."""

SILENT_SECONDS = 180
"""How long a run is asked for of which nothing was heard at all, not even an answer to its launch."""

LOST_SECONDS = 600
"""How long it is asked for after the last answer: it ends, and brings the service back, without being asked."""

_LIKELY_CAUSES = (
    "Likely causes are the attack surface reduction rule 'Block process creations originating from PSExec and WMI "
    "commands' (d1e49aac-8f56-4280-b9ba-993a6d77406c), endpoint protection (EDR) that ends such processes, or rights "
    "that were taken from the WMI namespace root\\cimv2. Nothing has been changed on the server."
)
_UNKNOWN, _RUNNING, _ENDED, _FINISHED = "unknown", "running", "ended", "finished"
_NOT_HEARD = "not heard"
"""The state of a run while the last question for it has no answer."""


class DetachedRun(t.Generic[T]):
    """One run, from its first launch to its result, which has the shape C(shape)."""

    def __init__(
        self,
        target: Target,
        arguments: Run,
        shape: type[T],
        *,
        timeout: int,
        follower: str | None = FOLLOWER,
        cut: bool = False,
    ) -> None:
        """C(follower): the module whose half is asked for the result; None for that which launched the run.

        C(cut): the shell is closed after the launch, as by a lost connection, to see that the run outlives it.
        """
        self._follower = follower
        self._target, self._arguments, self._shape, self._timeout, self._cut = target, arguments, shape, timeout, cut
        self._run_id = arguments["run_id"]
        self._names = {key: arguments[key] for key in NAMES_OF_A_RUN if key in arguments}
        self._question = self._names | {
            "step": "collect",
            "wait_seconds": COLLECT_SECONDS,
            "start_seconds": BEGIN_SECONDS,
            "job_folder": target.job_folder,
        }
        self._deadline = time.monotonic() + timeout
        self._silent_until = time.monotonic() + SILENT_SECONDS
        """When it is given up, unless the target answers before, to a launch or to a question."""
        self._state = _UNKNOWN
        self._launches = 0
        self._launch_failure: AccessManagerError | None = None
        self._unanswered_questions = 0
        self._was_seen_running = False
        self._answer: str | None = None
        self.was_started_by_task = False
        """Whether a scheduled task started it, because nothing else could."""

    def result(self) -> T:
        """Launches the run and asks for its result until it is there, through lost connections.

        Raises AccessManagerError with the target's own sentence when it failed, EndedRunError when its process died,
        UnfinishedRunError when it did not end in time, and LostRunError when nothing is known of it.
        """
        with _progress.shown(f"waiting for the run {self._run_id}"):
            return self._result()

    def _result(self) -> T:
        while time.monotonic() < self._deadline:
            if self._state == _UNKNOWN:
                self._launch()
            self._ask()
            if self._state == _FINISHED:
                return self._outcome()
            if self._state == _ENDED:
                raise EndedRunError(
                    f"The run {self._run_id} was ended on {self._target.label} before it left a result: the server "
                    "went down, its process was killed, or the drive of its staging folder is full. Look at the "
                    "service and at that drive, and run this again."
                )
        raise self._unfinished()

    def _launch(self) -> None:
        """Starts the run, of which the target knows nothing.

        An error does not say whether it started: an answer may be lost, and a slow start is called a failure. So it is
        asked for.
        """
        self._require_another_launch()
        self._launches += 1
        self._launch_failure = None
        try:
            self._start()
        except ConnectionLostError as exc:
            self._launch_failure = exc
            _display.warn(f"{exc} Asking whether the run {self._run_id} started.")
            self._target.reconnect()
            return
        except AccessManagerError as exc:
            self._launch_failure = exc
        else:
            if self._cut:
                self._target.reconnect()
        self._silent_until = time.monotonic() + LOST_SECONDS

    def _start(self) -> None:
        """Starts a process outside the shell: as Ansible does, and by a scheduled task where that is refused."""
        take = self._arguments | {"step": "take"}
        try:
            self._target.launch(take, longest_seconds=LONGEST_RUN_SECONDS)
        except ConnectionLostError:
            raise
        except AccessManagerError as exc:
            self._start_by_task(take, exc)

    def _start_by_task(self, take: Run, refusal: AccessManagerError) -> None:
        try:
            if self._target.launch_by_task(take, self._names):
                self._question["job_folder"] = ""
                self.was_started_by_task = True
        except ConnectionLostError:
            raise
        except AccessManagerError as exc:
            kind = AccessManagerError if isinstance(exc, UnansweredError) else RefusedRunError
            raise kind(f"{refusal} {exc} {_LIKELY_CAUSES}") from None
        _display.warn(
            f"{self._target.label} starts no process outside its shell for Ansible, so a scheduled task did: {refusal}"
        )

    def _require_another_launch(self) -> None:
        """Raises AccessManagerError when the run must not be launched again: it began, the target refuses it, or three
        launches were in vain."""
        if self._was_seen_running:
            raise EndedRunError(
                f"The run {self._run_id} was at work on {self._target.label}, and its folder is gone with its result: "
                "it was removed. It is not started again. Look at the server, and run this again."
            )
        failure = self._launch_failure
        if self._launches == ATTEMPTS or isinstance(failure, RefusedRunError):
            why = "" if failure is None or isinstance(failure, ConnectionLostError) else f" {failure}"
            raise AccessManagerError(f"The run {self._run_id} did not start on {self._target.label}.{why}")

    def _ask(self) -> None:
        """Asks the target what became of the run."""
        try:
            found = self._target.call_once(self._question, Collected, module=self._follower)
        except (ConnectionLostError, UnansweredError) as exc:
            self._bear_silence(exc)
            return
        self._state, self._answer = found["state"], found.get("answer")
        self._silent_until = time.monotonic() + LOST_SECONDS
        self._was_seen_running = self._was_seen_running or self._state == _RUNNING

    def _bear_silence(self, failure: ConnectionLostError | UnansweredError) -> None:
        """Goes on after a question without an answer, unless there were too many, or nothing is heard for too long."""
        self._unanswered_questions += isinstance(failure, UnansweredError)
        if self._unanswered_questions == ATTEMPTS:
            raise failure
        if time.monotonic() > self._silent_until:
            goes_on = f"If the run {self._run_id} began there, it goes on, and brings the service back by itself."
            raise LostRunError(f"{failure} {goes_on}")
        _display.warn(f"{failure} Asking again what became of the run {self._run_id}.")
        self._target.reconnect()
        self._state = _NOT_HEARD

    def _outcome(self) -> T:
        """The result of a run that has finished, or its failure as an error."""
        try:
            answer = strict((self._answer or "").encode("utf-8", "surrogatepass"))
        except ValueError:
            raise AccessManagerError(
                f"The run {self._run_id} ended on {self._target.label}, and its result is not JSON. Look at the "
                "server, and run this again."
            ) from None
        return self._target.checked(answer, self._shape)

    def _unfinished(self) -> AccessManagerError:
        is_running = self._state == _RUNNING
        became = "It goes on there" if is_running else "The connection was lost, and if it is at work there, it goes on"
        return (UnfinishedRunError if is_running else LostRunError)(
            f"The run {self._run_id} on {self._target.label} did not end within {self._timeout} s. {became}, and "
            "brings the service back by itself; look at the server before you run this again."
        )
