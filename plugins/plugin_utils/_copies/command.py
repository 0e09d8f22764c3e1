# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy that a command of the user makes, such as rclone or rsync. No shell reads it."""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import os
import signal
import subprocess
import typing as t

from .._errors import AccessManagerError
from .._text import one_line
from .copied_folder import CopiedFolder, Verified

_LONGEST_OUTPUT = 2000
"""Letters of what a command says that failed: its end."""


@dataclasses.dataclass(frozen=True)
class CommandDestination:
    """C(command): a program and its arguments, in which C({source}), C({host}) and C({id}) stand for a folder, its
    host, and its place below the folder of the host. C(copied): the places, by host, of what it has copied already:
    nothing else can be asked.

    C(timeout): in seconds.
    """

    name: str
    command: tuple[str, ...]
    timeout: int
    copied: c.Callable[[str], c.Container[str]]

    def prepare(self) -> list[str]:
        return []

    def holds(self, folder: CopiedFolder) -> bool:
        return folder.place in self.copied(folder.host)

    def copy(self, folder: CopiedFolder) -> int:
        """Runs the command for a folder. Raises AccessManagerError unless it ends with 0 in time."""
        values = {"{source}": str(folder.store.folder / folder.place), "{host}": folder.host, "{id}": folder.place}
        try:
            code, output = _run([_filled(argument, values) for argument in self.command], self.timeout)
        except subprocess.TimeoutExpired:
            raise AccessManagerError(
                f"The command of the copies '{self.name}' did not end within {self.timeout} s for {folder.label}: it "
                "was stopped. Set its timeout higher, or see what it waits for."
            ) from None
        except OSError as exc:
            raise AccessManagerError(
                f"The command '{self.command[0]}' of the copies '{self.name}' cannot be run: {exc.strerror}."
            ) from None
        if code:
            said = one_line(output.decode(errors="replace")[-_LONGEST_OUTPUT:]).strip() or "nothing"
            raise AccessManagerError(
                f"The command of the copies '{self.name}' ended with {code} for {folder.label}. It said: {said}"
            )
        return folder.size

    def verify(self, folder: CopiedFolder) -> Verified:
        """Nothing but that the command was run for it can be known."""
        if self.holds(folder):
            return Verified([], is_known=False)
        return Verified([f"{folder.label[0].upper()}{folder.label[1:]} was not copied to '{self.name}' yet."])


def _run(command: list[str], timeout: int) -> tuple[int, bytes]:
    """Runs a program without a shell. Returns its exit code and what it said.

    Raises TimeoutExpired when it did not end in time: it was stopped then, with all that it started.
    """
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(
        command, stdin=nothing, stdout=pipe, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            output, _none = process.communicate(timeout=timeout)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, output


def _filled(argument: str, values: dict[str, t.Any]) -> str:
    """An argument with the values in place of their names, each replaced once: no value is read for names again."""
    for name, value in values.items():
        if name in argument:
            head, tail = argument.split(name, 1)
            others = {other: filling for other, filling in values.items() if other != name}
            return f"{_filled(head, others)}{value}{_filled(tail, values)}"
    return argument
