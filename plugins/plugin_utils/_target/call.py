# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One call of a Windows server: it is made once, again after a lost connection, or again in a new run; its answer is
data.

Ansible acts on some keys of what a module returns: on facts, on hosts to add, on its own internal ones. So an answer is
put aside unread where it arrives, and then checked against the shape that the caller expects. Nothing else of it is
used, or seen by Ansible.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import json
import re
import secrets
import socket
import time
import typing as t

from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.json_utils import _filter_non_json_lines

from .. import _display, _progress
from .._ams.json_document import strict
from .._collection import COLLECTION
from .._errors import (
    AccessManagerError,
    ConnectionLostError,
    EndedRunError,
    UnansweredError,
    UnfinishedRunError,
)
from .._shape import Shape, ShapeError, checked, fault_of
from .._text import one_line
from . import connection_errors
from .answers import Change, Failure, Nothing
from .task_payload import task_payload

T = t.TypeVar("T")
Run = dict[str, t.Any]
"""The options of a call that belongs to a run: run_id, staging_root, and what its step needs."""

ATTEMPTS = 3
RETRY_SECONDS = 300
"""After how long nothing is tried again, counted from the first answer that a task missed: a connection that loses
something in each call would keep a run busy for hours else."""

START_SECONDS = 60
"""How long Ansible waits for a detached run to start: its own 5 seconds are too few for a busy server."""

NAMES_OF_A_RUN = ("run_id", "staging_root", "controller")
"""The options that name a run to every step of it."""

FOLLOWER = "run_info"
"""The module whose half follows and removes runs, whichever module launched them: it is small."""

_ANSWER, _EXIT_CODE = "answer", "exit_code"
_SHORTEST_HIDDEN = 6
"""Letters of a secret that is hidden: a shorter text stands in many others."""

_LOST_RACE = re.compile(r'Unhandled exception while executing module.*"Create".*\bAnsible\b', re.DOTALL)
"""How a module fails that began beside another, the first on a server: both make the source "Ansible" in Windows' event
log, before anything else. One succeeds, the other has done nothing and may be called again. Windows says the rest in
its own language."""

_SSH = {"paramiko", "paramiko_ssh", "ssh"}


def put_aside(output: c.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The output of a module, with the answer as one text under a key of ours: Ansible's own reader sees no other."""
    return {
        **output,
        "stdout": json.dumps({_ANSWER: str(output.get("stdout", "")), _EXIT_CODE: str(output.get("rc", ""))}),
    }


def _parsed(text: str) -> t.Any:
    """The answer in the output of a module. Raises ValueError when it is not one object of JSON."""
    answer, _warnings = _filter_non_json_lines(text, objects_only=True)
    return strict(answer.encode("utf-8", "surrogatepass"))


def new_run_id() -> str:
    return secrets.token_hex(8)


def controller_name() -> str:
    return socket.gethostname()


def new_run(staging_root: str | None) -> Run:
    """The names of a run that begins."""
    return {"run_id": new_run_id(), "staging_root": staging_root, "controller": controller_name()}


class Target:
    """The Windows server of a task. C(action) runs modules and has the connection; its output of modules passes
    C(put_aside)."""

    def __init__(self, action: t.Any, module: str, task_vars: dict[str, t.Any]) -> None:
        self._action, self._module, self._task_vars = action, module, task_vars
        self._first_loss: float | None = None
        self.hidden: set[str] = set()
        """The secrets that the server was given, which it may repeat."""

    @property
    def label(self) -> str:
        """The name of the host in messages."""
        return str(self._task_vars.get("inventory_hostname", "the target"))

    @property
    def connection(self) -> t.Any:
        return self._action._connection

    @property
    def job_folder(self) -> t.Any:
        """Where Ansible keeps the results of detached modules on the host."""
        return self._action.get_shell_option("async_dir")

    def call(
        self, arguments: Run, shape: type[T] | Shape[T], *, repeatable: bool = True, module: str | None = None
    ) -> T:
        """Runs the target's half, or that of another module, and returns what C(shape) lists of its answer.

        Without an answer it is tried again when the call may be made twice. Raises AccessManagerError with the target's
        own sentence when it failed, ConnectionLostError when the connection was lost, and UnansweredError when its
        PowerShell ended without an answer.
        """
        if repeatable:
            return self.retry(lambda: self.call_once(arguments, shape, module=module))
        return self.call_once(arguments, shape, module=module)

    def call_once(
        self, arguments: Run, shape: type[T] | Shape[T], *, detached: bool = False, module: str | None = None
    ) -> T:
        self._refuse_other_ways()
        for _attempt in range(ATTEMPTS):
            answer = self._answer(arguments, detached=detached, module=module)
            if not _lost_race(answer):
                break
        return self.checked(answer, shape)

    def refuse_delegation(self) -> None:
        """Raises AccessManagerError where a task for one server reaches another."""
        delegated = self._action._task.delegate_to
        if delegated and delegated != self.label:
            raise AccessManagerError(
                f"A task for {self.label} is delegated to {delegated}: the backups of both would lie under one name. "
                f"Leave delegate_to out, and let {delegated} be a host of the play."
            )

    def _refuse_other_ways(self) -> None:
        """Raises AccessManagerError where a task would reach another server, or by another account, than its host
        says."""
        self.refuse_delegation()
        if self.connection.become is not None:
            raise AccessManagerError(
                f"become is set for {self.label}, and is not supported: set ansible_become to false, and "
                "ansible_user to an account that is an administrator there."
            )
        transport = self.connection.transport
        if transport in _SSH:
            raise AccessManagerError(
                f"{self.label} is reached over SSH, which is not supported: that a stop of the service outlives a lost "
                "connection is not known there. Set ansible_connection to psrp or winrm."
            )
        if not getattr(self.connection._shell, "_IS_WINDOWS", False):
            raise AccessManagerError(
                f"{self.label} is not reached as a Windows host: its connection is '{transport}'. "
                "Set ansible_connection to psrp or winrm."
            )

    def _answer(self, arguments: Run, *, detached: bool, module: str | None) -> t.Any:
        """What the target's half says, as JSON has it and unchecked."""
        name = module or self._module
        with self.translated_errors(), _progress.shown(f"waiting for {name}"):
            result = self._action._execute_module(
                module_name=f"{COLLECTION}.{name}",
                module_args=dict(arguments),
                task_vars=self._task_vars | {"ansible_win_async_startup_timeout": START_SECONDS},
                wrap_async=detached,
            )
        try:
            return _parsed(str(result.get(_ANSWER, "")))
        except ValueError:
            code = result.get(_EXIT_CODE)
            raise UnansweredError(
                f"The PowerShell on {self.label} ended without an answer (exit code {code})."
            ) from None

    def said(self, script: str) -> str:
        """What a piece of PowerShell prints that needs no module; empty where it does not run."""
        if not getattr(self.connection._shell, "_IS_WINDOWS", False):
            return ""
        with contextlib.suppress(AccessManagerError), self.translated_errors():
            return str(self._action._low_level_execute_command(script, sudoable=False).get("stdout", "")).strip()
        return ""

    def launch(self, arguments: Run, *, longest_seconds: int) -> None:
        """Starts the target's half outside its shell, for at most that long."""
        task = self._action._task
        task.async_val = longest_seconds
        try:
            self.call_once(arguments, Nothing, detached=True)
        finally:
            task.async_val = 0

    def launch_by_task(self, arguments: Run, names: Run) -> bool:
        """Has a scheduled task of SYSTEM start the target's half; C(names): the options that name its run.

        Returns False when the run had begun already: a launch that seemed to fail may only have been slow.
        """
        start = names | {"step": "start", "payload": self.payload(arguments)}
        return self.call_once(start, Change, module=FOLLOWER)["changed"]

    def payload(self, arguments: Run) -> str:
        """The target's half as a scheduled task runs it."""
        return task_payload(self._action, f"{COLLECTION}.{self._module}", arguments, self._task_vars)

    def checked(self, answer: object, shape: type[T] | Shape[T]) -> T:
        """What a shape lists of an answer. Raises AccessManagerError when it reports a failure, or has another
        shape."""
        try:
            said = checked(answer, Failure)
            if not said.get("failed"):
                return checked(answer, shape)
        except ShapeError as exc:
            raise AccessManagerError(f"The answer of {self.label} is not used: {exc}.") from None
        reason = self.censored(one_line(said.get("msg", "")))
        raise AccessManagerError(reason or f"The module failed on {self.label}, and does not say why.")

    def hide(self, secrets: c.Iterable[str]) -> None:
        """Has no result, error or warning repeat these secrets, which the server is about to be given."""
        self.hidden |= {secret for secret in secrets if len(secret) >= _SHORTEST_HIDDEN}

    def censored(self, text: str) -> str:
        """A text of the server without the secrets that it was given."""
        return str(remove_values(text, self.hidden))

    def decrypted(self, data: bytes, shape: type[T] | Shape[T]) -> T:
        """What a shape lists of JSON that the server sent encrypted, or left in a file."""
        try:
            return checked(strict(data), shape)
        except ValueError as exc:
            raise AccessManagerError(f"What {self.label} sent is not used: {exc}.") from None

    # ---- again, and away ----

    def retry(self, act: c.Callable[[], T]) -> T:
        """Does something again when no answer came, three times in all, unless the task's time for that is over. Raises
        what the last time raises.

        A lost connection is worth a warning when it came back; else the failure says enough.
        """
        lost: list[AccessManagerError] = []
        while True:
            try:
                result = act()
            except (ConnectionLostError, UnansweredError) as exc:
                lost.append(exc)
                if len(lost) == ATTEMPTS or self._has_retried_too_long():
                    raise
                _display.debug(f"{exc} Trying again ({len(lost)} of {ATTEMPTS - 1}).")
                self.reconnect()
            else:
                for one in lost:
                    _display.warn(f"{one} It was tried again, and answered.")
                return result

    def _has_retried_too_long(self) -> bool:
        now = time.monotonic()
        self._first_loss = now if self._first_loss is None else self._first_loss
        return now - self._first_loss > RETRY_SECONDS

    def retry_with_new_run(self, new_run: c.Callable[[], Run], act: c.Callable[[Run], T]) -> T:
        """Does something in a run of its own, again in another run when no answer came; C(new_run) has the options that
        name one.

        What failed runs left on the target is removed at the end: in between it would only be one more call to lose.
        """
        failed: list[Run] = []

        def attempt() -> T:
            run = new_run()
            failed.append(run)
            result = act(run)
            failed.remove(run)
            return result

        try:
            return self.retry(attempt)
        finally:
            with contextlib.suppress(AccessManagerError):
                for run in failed:
                    self.remove_run(run)

    def remove_run(self, run: Run) -> Change:
        """Removes the folder of a run on the target; C(run) has the options that name it."""
        names = {key: run[key] for key in NAMES_OF_A_RUN if key in run}
        return self.call(names | {"step": "remove"}, Change, module=FOLLOWER)

    def remove_sent(self, run: Run) -> None:
        """Removes from the target what a run left. When that fails, a warning says so, and a later run removes it."""
        try:
            self.remove_run(run)
        except AccessManagerError as exc:
            _display.warn(
                f"{exc} What the run left on {self.label} stays there, for administrators only, until a run after 24 "
                "hours removes it."
            )

    @contextlib.contextmanager
    def cleanup_on_failure(self, run: Run) -> c.Iterator[None]:
        """Leaves nothing on the target of a failed run; one that goes on there, or was ended there, is left alone."""
        try:
            yield
        except (UnfinishedRunError, EndedRunError):
            raise
        except Exception:
            with contextlib.suppress(AccessManagerError):
                self.remove_run(run)
            raise

    def reconnect(self) -> None:
        time.sleep(1)
        with contextlib.suppress(Exception):
            self.connection.reset()

    @contextlib.contextmanager
    def translated_errors(self) -> c.Iterator[None]:
        """Distinguishes a refused logon and a lost connection, whatever library under the connection says so."""
        try:
            yield
        except Exception as exc:
            if not connection_errors.is_connection_error(exc):
                raise
            raise connection_errors.explained(exc, self.label, self.connection) from None


def _lost_race(answer: t.Any) -> bool:
    return fault_of(answer, Failure) is None and _LOST_RACE.search(str(answer.get("msg", ""))) is not None
