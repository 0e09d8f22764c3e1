# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every action of this collection does around its own steps."""

from __future__ import annotations

import collections.abc as c
import contextlib
import json
import re
import secrets
import socket
import time
import traceback
import typing as t

from ansible.errors import AnsibleAuthenticationFailure
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ._ams.constants import knowledge
from ._collection import COLLECTION, argument_spec_of
from ._errors import (
    AccessManagerError,
    EndedRunError,
    LostLineError,
    LostRunError,
    RefusedLogonError,
    UnansweredError,
    UnfinishedRunError,
    UnreachableError,
)
from ._target.connection_errors import is_line_fault

display = Display()

Result = t.TypeVar("Result")
Run = dict[str, t.Any]
"""The options of a call that belongs to a run: run_id, staging_root, and what its step needs."""

COLLECT_SECONDS = 120
"""How long one question for the result of a detached run waits on the target."""

LONGEST_RUN_SECONDS = 24 * 3600
"""When Ansible ends a detached run: never before the run's own time-outs, or the service could stay stopped."""

BEGIN_SECONDS = 20
"""How long a run whose launch was not answered may take to begin, before it is launched again. One that begins twice is refused."""

START_SECONDS = 60
"""How long Ansible waits for a detached run to start: its own 5 seconds are too few for a busy server."""

SILENT_SECONDS = 180
"""How long a run is asked for of which nothing was heard at all, not even an answer to its launch."""

LINE_ATTEMPTS = 3
_NUMBERS = frozenset(
    {"batch_pause", "health_seconds", "keep_safety_copies", "limit", "lock_timeout", "max_failures", "service_timeout", "timeout"}
)
_STATUS_401 = re.compile(r"(?<!\d)401(?!\d)")
_ANSIBLE_KEYS = ("invocation", "_ansible_parsed")
_NAMES_OF_A_RUN = ("run_id", "staging_root", "controller")
_LOST_RACE = re.compile(r'Unhandled exception while executing module.*"Create".*\bAnsible\b', re.DOTALL)
"""How a module fails that began beside another, the first on a server: both make the source "Ansible" in Windows' event log, before
anything else. One succeeds, the other has done nothing and may be called again. Windows says the rest in its own language."""

_UNPARSED = "module_stdout"
"""A result has this key when what a module wrote is no result."""


class AccessManagerAction(ActionBase):
    """Validates the options by the module's documentation, runs C(perform), and turns errors into sentences."""

    _supports_check_mode = True
    _supports_diff = True

    params: dict[str, t.Any]
    """The validated options."""

    def perform(self) -> dict[str, t.Any]:
        """What the module does; returns its result."""
        raise NotImplementedError

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        self.task_vars = task_vars or {}
        self._no_log_values: set[str] = set()
        try:
            self.params = self._validated()
            result = {"changed": False} | self.perform()
        except AccessManagerError as exc:
            result = {"failed": True, "changed": exc.changed, "msg": str(exc), "reachable": not isinstance(exc, UnreachableError)}
            if display.verbosity > 2:
                result["exception"] = traceback.format_exc()
        if not self._no_log_values:
            return result
        clean: dict[str, t.Any] = remove_values(result, self._no_log_values)
        return clean

    @property
    def check_mode(self) -> bool:
        return bool(self._task.check_mode)

    @property
    def module_name(self) -> str:
        """The name of this action without its collection."""
        return str(self._task.resolved_action or self._task.action).rsplit(".", 1)[-1]

    @property
    def host(self) -> str:
        """The name under which this host's backups lie."""
        return str(self.params.get("host") or self.task_vars["inventory_hostname"])

    # ---- the target ----

    def call_target(self, arguments: dict[str, t.Any], *, repeatable: bool = True, module: str | None = None) -> dict[str, t.Any]:
        """Runs the target's half, or that of another module, and returns its result.

        Without an answer it is tried again when the call may be made twice. Raises AccessManagerError with the target's own
        sentence when it failed, LostLineError when the line was lost, UnansweredError when its PowerShell ended without an answer.
        """
        if repeatable:
            return self.until_answered(lambda: self._call_once(arguments, module=module))
        return self._call_once(arguments, module=module)

    def until_answered(self, act: c.Callable[[], Result]) -> Result:
        """Does something anew when no answer came, three times in all. Raises LostLineError or UnansweredError after that."""
        for attempt in range(1, LINE_ATTEMPTS + 1):
            try:
                return act()
            except (LostLineError, UnansweredError) as exc:
                if attempt == LINE_ATTEMPTS:
                    raise
                display.warning(f"{exc} Trying again ({attempt} of {LINE_ATTEMPTS - 1}).")
                self._reconnect()
        raise AssertionError("unreachable")

    def until_run_answered(
        self, new_run: c.Callable[[], Run], act: c.Callable[[Run], Result], *, module: str | None = None
    ) -> Result:
        """Does something in a run of its own, anew in another run when no answer came; C(new_run) has the options that name one.

        What failed runs left on the target is removed at the end: in between it would only be one more call to lose.
        """
        failed: list[Run] = []

        def attempt() -> Result:
            failed.append(new_run())
            result = act(failed[-1])
            failed.pop()
            return result

        try:
            return self.until_answered(attempt)
        finally:
            with contextlib.suppress(AccessManagerError):
                for run in failed:
                    self.remove_run(run, module=module)

    def run_detached(self, arguments: dict[str, t.Any], *, timeout: int) -> dict[str, t.Any]:
        """Runs the target's half outside its shell, so that it ends by itself whatever happens to the line.

        Polls for its result for at most C(timeout) seconds, through lost lines. Raises AccessManagerError with the target's
        own sentence when it failed, EndedRunError when its process died, UnfinishedRunError when it has not ended in time, and
        LostRunError when nothing was heard of it.
        """
        deadline = time.monotonic() + timeout
        run_id = arguments["run_id"]
        collect = {key: arguments[key] for key in _NAMES_OF_A_RUN if key in arguments} | {
            "step": "collect",
            "wait_seconds": COLLECT_SECONDS,
            "start_seconds": BEGIN_SECONDS,
            "job_folder": self.get_shell_option("async_dir"),
        }
        launches = unanswered = 0
        failure: AccessManagerError | None = None
        state = "unknown"
        heard = seen = False
        silent = time.monotonic() + SILENT_SECONDS
        while time.monotonic() < deadline:
            if state == "unknown":
                self._refuse_another_launch(run_id, failure, launches=launches, seen=seen)
                failure = self._launch(arguments)
                heard = heard or not isinstance(failure, LostLineError)
                launches += 1
            try:
                answer = self._call_once(collect)
            except (LostLineError, UnansweredError) as exc:
                unanswered += isinstance(exc, UnansweredError)
                if unanswered == LINE_ATTEMPTS:
                    raise
                if not heard and time.monotonic() > silent:
                    goes_on = f"If the run {run_id} began there, it goes on, and brings the service back by itself."
                    raise LostRunError(f"{exc} {goes_on}") from None
                display.warning(f"{exc} Asking again what became of the run {run_id}.")
                self._reconnect()
                state = "unasked"
                continue
            state, heard = answer["state"], True
            seen = seen or state == "running"
            if state == "finished":
                return _finished(json.loads(answer["answer"]))
            if state == "ended":
                raise EndedRunError(
                    f"The run {run_id} was ended on {self.host_label} before it was done: the server went down, or its process "
                    "was killed. Look at the service there, and run this again."
                )
        became = "It goes on there" if state == "running" else "The line was lost, and if it is at work there, it goes on"
        raise (UnfinishedRunError if state == "running" else LostRunError)(
            f"The run {run_id} on {self.host_label} has not ended within {timeout} s. {became}, and "
            "brings the service back by itself; look at the server before you run this again."
        )

    def remove_run(self, run: Run, *, module: str | None = None) -> dict[str, t.Any]:
        """Removes the folder of a run on the target; C(run) has the options that name it."""
        return self.call_target(run | {"step": "remove"}, module=module)

    def remove_sent(self, run: Run, *, module: str | None = None) -> None:
        """Removes from the target what a run sent. When that fails, a warning says so, and a later run removes it."""
        try:
            self.remove_run(run, module=module)
        except AccessManagerError as exc:
            display.warning(f"{exc} What {self.host_label} sent stays there, encrypted, until a run after 24 hours removes it.")

    @contextlib.contextmanager
    def removed_on_failure(self, run: Run, *, module: str | None = None) -> c.Iterator[None]:
        """Leaves nothing on the target of a run that failed; one that goes on there, or was ended there, is let alone."""
        try:
            yield
        except (UnfinishedRunError, EndedRunError):
            raise
        except Exception:
            with contextlib.suppress(AccessManagerError):
                self.remove_run(run, module=module)
            raise

    @property
    def host_label(self) -> str:
        return str(self.task_vars.get("inventory_hostname", "the target"))

    @staticmethod
    def new_run_id() -> str:
        return secrets.token_hex(8)

    @staticmethod
    def controller_name() -> str:
        return socket.gethostname()

    @staticmethod
    def knowledge() -> dict[str, t.Any]:
        return knowledge()

    def _call_once(self, arguments: dict[str, t.Any], *, detached: bool = False, module: str | None = None) -> dict[str, t.Any]:
        if not getattr(self._connection._shell, "_IS_WINDOWS", False):
            raise AccessManagerError(
                f"{self.host_label} is not reached as a Windows host: its connection is '{self._connection.transport}'. "
                "Set ansible_connection to winrm or psrp."
            )
        for _attempt in range(LINE_ATTEMPTS):
            with self._explained_line():
                result = self._execute_module(
                    module_name=f"{COLLECTION}.{module or self.module_name}",
                    module_args=dict(arguments),
                    task_vars=self.task_vars | {"ansible_win_async_startup_timeout": START_SECONDS},
                    wrap_async=detached,
                )
            if not _LOST_RACE.search(str(result.get("msg", ""))):
                break
        for key in _ANSIBLE_KEYS:
            result.pop(key, None)
        if _UNPARSED in result:
            raise UnansweredError(f"The PowerShell on {self.host_label} ended without an answer: {result.get('msg')}")
        return _finished(result)

    def _refuse_another_launch(self, run_id: str, failure: AccessManagerError | None, *, launches: int, seen: bool) -> None:
        """Raises AccessManagerError unless a run of which the target knows nothing may be launched, or launched again."""
        if seen:
            raise EndedRunError(
                f"The run {run_id} was at work on {self.host_label}, and its folder is gone with its result: somebody removed it. "
                "It is not started again. Look at the server, and run this again."
            )
        if launches == LINE_ATTEMPTS:
            why = "" if failure is None or isinstance(failure, LostLineError) else f" {failure}"
            raise AccessManagerError(f"The run {run_id} did not start on {self.host_label}.{why}")

    def _launch(self, arguments: dict[str, t.Any]) -> AccessManagerError | None:
        """Starts a detached run; returns what went wrong.

        That does not say whether the run started: an answer may be lost, and a slow start is called a failure. The caller asks.
        """
        self._task.async_val = LONGEST_RUN_SECONDS
        try:
            self._call_once(arguments | {"step": "take"}, detached=True)
        except LostLineError as exc:
            display.warning(f"{exc} Asking whether the run {arguments['run_id']} started.")
            self._reconnect()
            return exc
        except AccessManagerError as exc:
            return exc
        finally:
            self._task.async_val = 0
        return None

    def _reconnect(self) -> None:
        time.sleep(1)
        with contextlib.suppress(Exception):
            self._connection.reset()

    @contextlib.contextmanager
    def _explained_line(self) -> c.Iterator[None]:
        """Tells apart a refused logon and a lost line, whatever library under the connection says so."""
        try:
            yield
        except Exception as exc:
            if not is_line_fault(exc):
                raise
            if isinstance(exc, AnsibleAuthenticationFailure) or _is_refused_logon(str(exc)):
                user = self._connection.get_option("remote_user")
                raise RefusedLogonError(
                    f"{self.host_label} refuses the logon of '{user}' over {self._connection.transport}: "
                    f"check ansible_user, ansible_password and the transport. {exc}"
                ) from None
            raise LostLineError(
                f"There is no connection to {self.host_label}, or it was lost: {exc}. If this stays so, check ansible_host, "
                "ansible_port and the server's WinRM listener."
            ) from None

    # ---- options ----

    def _validated(self) -> dict[str, t.Any]:
        validator = ArgumentSpecValidator(argument_spec_of(self.module_name))
        result = validator.validate(dict(self._task.args))
        self._no_log_values = set(result._no_log_values)
        for option in _NUMBERS.intersection(result.validated_parameters):
            if (result.validated_parameters[option] or 0) < 0:
                raise AccessManagerError(f"{option} is {result.validated_parameters[option]}: it cannot be negative.")
        if result.error_messages:
            raise AccessManagerError("; ".join(result.error_messages))
        validated: dict[str, t.Any] = result.validated_parameters
        return validated


def _finished(result: dict[str, t.Any]) -> dict[str, t.Any]:
    """A target's result, or its failure as an error."""
    if result.get("failed"):
        raise AccessManagerError(str(result.get("msg") or result))
    return result


def _is_refused_logon(message: str) -> bool:
    folded = message.lower()
    return "credentials were rejected" in folded or "failed to authenticate" in folded or _STATUS_401.search(folded) is not None
