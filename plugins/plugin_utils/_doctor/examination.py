# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examination of one host: the controller first, then the server, in as few calls as possible."""

from __future__ import annotations

import contextlib
import datetime
import time
import typing as t

from .._ams.constants import knowledge
from .._ams.description import files_of
from .._errors import AccessManagerError, UnreachableError
from .._target import clock
from .._target.call import Target, new_run_id
from .._target.health import Thresholds
from . import account, controller, copies, keys, platform, policies, run, service, throwaway
from .connection import connection
from .facts import Examined, Facts
from .verdict import Check, Finding, Verdict, failure, finding

_FULL_LANGUAGE = "FullLanguage"
_LANGUAGE_MODE = "$ExecutionContext.SessionState.LanguageMode"
ALWAYS: tuple[Check[Facts], ...] = (
    *account.CHECKS,
    *platform.CHECKS,
    Check("DPAPI", keys.data_protection),
    Check("installation", service.installation),
)


class Examination(t.NamedTuple):
    """All findings of a host. C(unreached): why there is no connection to it, which is a finding too."""

    findings: list[Finding]
    unreached: str = ""


def examine(target: Target, params: dict[str, t.Any], host: str, *, with_run: bool) -> Examination:
    """Examines the controller and a host. C(with_run): also by a detached run."""
    begun = time.monotonic()
    try:
        facts = _facts(target, params)
    except UnreachableError as exc:
        unreached = failure(str(exc), "Correct the connection in the inventory, and run this again.")
        return Examination([*_of_controller(params, host, 0), finding("connection", unreached)], str(exc))
    except AccessManagerError as exc:
        answered = finding("connection", connection(target, begun))
        return Examination([*_of_controller(params, host, 0), answered, _without_answer(target, exc)])
    found = [*_of_controller(params, host, _size(facts)), finding("connection", connection(target, begun))]
    found += [check.finding(facts) for check in ALWAYS]
    if "state" in facts.server:
        found += [check.finding(facts) for check in (*service.CHECKS, *keys.CHECKS)]
    if with_run:
        found += run.Examination(target, params, facts, _throwaways(params)).findings()
    return Examination(found)


def _throwaways(params: dict[str, t.Any]) -> list[throwaway.Throwaway]:
    """Keys for the probes; none on a controller that cannot make them, which is a finding of its own."""
    if not params["probes"]:
        return []
    with contextlib.suppress(AccessManagerError):
        return throwaway.make_for_each_provider()
    return []


def _of_controller(params: dict[str, t.Any], host: str, size: int) -> list[Finding]:
    asked = controller.Controller(params, host, size)
    return [*(check.finding(asked) for check in controller.CHECKS), *copies.findings(params, host)]


def _facts(target: Target, params: dict[str, t.Any]) -> Facts:
    question = {
        "step": "examine",
        "run_id": new_run_id(),
        "knowledge": knowledge(),
        "staging_root": params["staging_root"],
        "policies": [policy._asdict() for policy in policies.ALL],
    }

    def ask() -> dict[str, t.Any]:
        answer = target.call(question, Examined)
        return {**answer, "now": answer["server"]["now"]}

    answer, skew = clock.timed(ask)
    thresholds = Thresholds(params["tls_expiry_days"], params["certificate_expiry_days"])
    return Facts(answer["server"], answer["examination"], skew, datetime.datetime.now(datetime.UTC), thresholds)


def _size(facts: Facts) -> int:
    return sum(file["size"] for file in files_of(facts.server["records"])) if "records" in facts.server else 0


def _without_answer(target: Target, error: AccessManagerError) -> Finding:
    """Why the module did not answer. In another language mode than the full one, Ansible runs none of a collection."""
    mode = target.said(_LANGUAGE_MODE)
    if mode.endswith("Language") and mode != _FULL_LANGUAGE:
        return finding("language mode", platform.constrained(mode))
    return finding("server", _unanswered(error))


def _unanswered(error: AccessManagerError) -> Verdict:
    return failure(
        str(error), "Correct this on the server, and run this again: nothing else of it can be examined until then."
    )
