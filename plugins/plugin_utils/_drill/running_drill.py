# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process of this controller drills on a scratch server: STATE/drilling/HOST-DIGEST.json. The mark on the server
does not say whether its drill is at work or was interrupted.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import typing as t

from .._errors import AccessManagerError
from .._store.state_file import StateFile

_SIZE_LIMIT = 4096
_START_FIELD = 19
"""When a process began, among what follows its name in /proc/PID/stat."""


class _Document(t.TypedDict):
    format: t.Literal[1]
    root: str
    host: str
    process: int
    begun: str


class RunningDrill:
    """The process that drills on one scratch server: ansible-playbook, of which each task is a child."""

    def __init__(self, scratch: str, root: str, state_dir: str | None) -> None:
        self._scratch = scratch
        self._file = StateFile(state_dir, "drilling", root, scratch)

    def refuse_another(self) -> None:
        """Raises AccessManagerError when another process drills there. A file that cannot be used says nothing."""
        known = None
        with contextlib.suppress(AccessManagerError):
            known = self._file.read(_Document, _SIZE_LIMIT)
        if known and known["process"] != os.getppid() and _begun(known["process"]) == known["begun"]:
            raise AccessManagerError(
                f"A drill is at work on {self._scratch}: process {known['process']} of this controller. One drill runs "
                "at a time on a scratch server: run again when it has ended."
            )

    def take(self) -> None:
        """Says that this process drills there. Raises AccessManagerError when that cannot be written."""
        self._file.write({"process": os.getppid(), "begun": _begun(os.getppid())})


def _begun(process: int) -> str | None:
    """When a process began, as far as the system says; None when there is none."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    try:
        stat = pathlib.Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[_START_FIELD]
