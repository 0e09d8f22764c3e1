# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far work is that takes longer than ten seconds: one line every ten seconds, and none about what is quick."""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import threading
import time
import typing as t

from ansible import constants, context

from . import _display

VARIABLE = "access_manager_progress"
"""The variable that switches these lines off."""

MEGABYTES, BACKUPS, COMPUTERS = "MB", "backups", "computers"
_BYTES = {MEGABYTES: 1_000_000}
_SECONDS = 10
_UNITS = ((3600, "h"), (60, "min"), (1, "s"))
_QUIET_CALLBACKS = {"json", "jsonl", "minimal", "null", "oneline"}
"""Callbacks whose output is for programs, or is to be one line for each host."""


@dataclasses.dataclass
class Progress:
    """Work that goes on. C(what): words such as "received". C(total): 0 when it is not known.

    C(done): how much is done, which the work itself sets; of MB, in bytes.
    """

    what: str
    total: int = 0
    unit: str = ""
    done: int = 0
    _start: float = dataclasses.field(init=False)
    _done_before: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self._start, self._done_before = time.monotonic(), self.done

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    @property
    def line(self) -> str:
        """Such as "48 of 310 MB received, about 2 min left", "12000 computers read, 30 s", "waiting, 20 s"."""
        scale = _BYTES.get(self.unit, 1)
        amount = f"{self.done // scale} of {self.total // scale}" if self.total else f"{self.done // scale}"
        counted = f"{amount} {self.unit} {self.what}" if self.unit else self.what
        return f"{counted}, {self._left() or _duration(self.seconds)}"

    def _left(self) -> str:
        """How long it will take at the speed so far; empty when that is not known."""
        done = self.done - self._done_before
        if not self.total or done <= 0:
            return ""
        return f"about {_duration(self.seconds * max(0, self.total - self.done) / done)} left"


def _duration(seconds: float) -> str:
    largest = next((one for one in _UNITS if seconds >= 1.5 * one[0]), _UNITS[-1])
    return f"{round(seconds / largest[0])} {largest[1]}"


class _Lines:
    """The lines of this process: each task of Ansible has its own."""

    def __init__(self) -> None:
        self.label = ""
        self.active: list[Progress] = []

    def show_until(self, end: threading.Event) -> None:
        while not end.wait(_SECONDS):
            if self.active:
                _display.show(f"{self.label}: {self._telling().line}")

    def _telling(self) -> Progress:
        """Of work within other work, the innermost that is counted; else the outermost."""
        return next((one for one in reversed(self.active) if one.unit), self.active[0])


_lines = _Lines()


def set_label(label: str, *, wanted: bool) -> None:
    """Sets whose work this is, such as a host's; empty when no lines are wanted."""
    callback = str(constants.config.get_config_value("DEFAULT_STDOUT_CALLBACK"))
    is_quiet = callback.rpartition(".")[2] in _QUIET_CALLBACKS or "module_name" in context.CLIARGS
    _lines.label = label if wanted and not is_quiet else ""


@contextlib.contextmanager
def shown(what: str, *, total: int = 0, unit: str = "", done: int = 0) -> c.Iterator[Progress]:
    """Shows how far the work in the body is, when it takes long; the body sets C(done) of what it is given."""
    progress = Progress(what, total, unit, done)
    _lines.active.append(progress)
    end = threading.Event()
    if _lines.label and len(_lines.active) == 1:
        threading.Thread(target=_lines.show_until, args=[end], daemon=True).start()
    try:
        yield progress
    finally:
        end.set()
        _lines.active.remove(progress)


T = t.TypeVar("T")


def counted(items: c.Iterable[T], what: str, *, total: int = 0, unit: str = "") -> c.Iterator[T]:
    """Those items, one by one, while it shows how many were taken."""
    with shown(what, total=total, unit=unit) as progress:
        for item in items:
            yield item
            progress.done += 1
