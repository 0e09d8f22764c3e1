# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict of a check: ok, warning or failure, what was found, and what to do about it."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t

from .._errors import AccessManagerError

State = t.Literal["ok", "warning", "failure"]
STATES: tuple[State, ...] = ("ok", "warning", "failure")
"""From the best to the worst."""

F = t.TypeVar("F")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """C(found) is one sentence. C(advice) says what to do; it is empty only where all is well."""

    state: State
    found: str
    advice: str = ""


class Finding(t.TypedDict):
    """A verdict as results and reports have it."""

    check: str
    state: State
    found: str
    advice: str


@dataclasses.dataclass(frozen=True)
class Check(t.Generic[F]):
    """One decision about facts of the kind C(F)."""

    name: str
    decide: c.Callable[[F], Verdict]

    def finding(self, facts: F) -> Finding:
        return finding(self.name, self.decide(facts))


def ok(found: str) -> Verdict:
    return Verdict("ok", found)


def warning(found: str, advice: str) -> Verdict:
    return Verdict("warning", found, advice)


def failure(found: str, advice: str) -> Verdict:
    return Verdict("failure", found, advice)


def finding(check: str, verdict: Verdict) -> Finding:
    return {"check": check, "state": verdict.state, "found": verdict.found, "advice": verdict.advice}


def without_error(act: c.Callable[[], Verdict], advice: str) -> Verdict:
    """The verdict of something that may fail, with a sentence of its own."""
    try:
        return act()
    except AccessManagerError as exc:
        return failure(str(exc), advice)


def worst(findings: c.Iterable[Finding]) -> State:
    return max((one["state"] for one in findings), key=STATES.index, default="ok")
