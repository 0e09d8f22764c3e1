# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run that leaves its shell, as each stop and each restore does.

It does nothing but the probes that are asked for.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import typing as t

from .._ams.constants import knowledge
from .._ams.shapes import Sha256
from .._errors import AccessManagerError, UnreachableError
from .._target.call import Target, new_run
from .._target.detached_run import DetachedRun
from . import probes
from .facts import Facts
from .probes import Probe
from .throwaway import Throwaway
from .verdict import Finding, Verdict, failure, finding, ok, warning

_NAME = "detached run"
_LONGEST_SECONDS = 300
_BALLAST = 5 * 1024**2 // 2
"""As many bytes more as the largest launch of a restore has are sent with one that has probes."""


class Answer(t.TypedDict):
    """C(ballast): the SHA-256 of what was sent. C(in_job): whether Windows may end the run with others."""

    ballast: Sha256
    in_job: bool
    probes: list[Probe]


@dataclasses.dataclass(frozen=True)
class Examination:
    """One run. C(throwaways): the keys for its probes."""

    target: Target
    params: dict[str, t.Any]
    facts: Facts
    throwaways: list[Throwaway]

    def findings(self) -> list[Finding]:
        ballast = os.urandom(_BALLAST // 2).hex() if self.params["probes"] else ""
        timeout = _LONGEST_SECONDS + self.params["lock_timeout"]
        probed = self.params["probes"]
        run = DetachedRun(
            self.target, self._arguments(ballast), Answer, timeout=timeout, follower=None, cut=probed
        )  # its own half removes the run with the answer
        try:
            answer = run.result()
        except UnreachableError as exc:
            return [finding(_NAME, failure(str(exc), "See that the connection is stable, and run this again."))]
        except AccessManagerError as exc:
            return [
                finding(_NAME, failure(str(exc), "Neither a stop nor a restore is possible there until a run starts."))
            ]
        if answer["ballast"] != hashlib.sha256(ballast.encode()).hexdigest():
            changed = failure(
                "What is sent with a run does not arrive as it was sent.",
                "Look for a proxy between controller and server.",
            )
            return [finding(_NAME, changed)]
        leaves_job = self.facts.examination["leaves_job"]
        verdict = started(leaves_job, run.was_started_by_task, in_job=answer["in_job"], cut=probed)
        return [finding(_NAME, verdict), *probes.findings(answer["probes"], self.throwaways)]

    def _arguments(self, ballast: str) -> dict[str, t.Any]:
        return new_run(self.params["staging_root"]) | {
            "lock_timeout": self.params["lock_timeout"],
            "knowledge": knowledge(),
            "probes": self.params["probes"],
            "ballast": ballast,
            "certificates": [one.sent for one in self.throwaways],
            **(probes.sent() if self.params["probes"] else {}),
        }


def started(leaves_job: bool, by_task: bool, *, in_job: bool = False, cut: bool = False) -> Verdict:
    """The verdict of a run that started, by the way in which it did.

    C(cut): its shell was closed meanwhile.
    """
    if by_task:
        return warning(
            "A run starts only by a scheduled task of SYSTEM: its shell holds it, and WMI starts no process.",
            "That is enough. To have the usual way, allow WMI processes (ASR rule d1e49aac, EDR, rights on "
            "root\\cimv2).",
        )
    way = "leaves the job of its shell (breakaway)" if leaves_job else "is started by WMI (Win32_Process.Create)"
    place = "in a job of Windows' own" if in_job else "in no job"
    survives = ", also when its shell is closed" if cut else ""
    return ok(f"A run {way}, is {place}, and its result comes back{survives}.")
