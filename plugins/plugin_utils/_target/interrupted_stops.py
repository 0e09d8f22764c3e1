# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that stopped the service and were ended before they started it again, as _InterruptedStop.psm1 finds them."""

from __future__ import annotations

import collections.abc as c

from .. import _display
from .._ams.shapes import InterruptedStop


def warn(runs: c.Iterable[InterruptedStop], host: str) -> list[str]:
    """A sentence for each run, after a warning with it."""
    sentences = [sentence(run) for run in runs]
    for one in sentences:
        _display.warn(f"{host}: {one}")
    return sentences


def stopped(runs: c.Iterable[InterruptedStop]) -> list[InterruptedStop]:
    """The runs after which the service was not started again yet."""
    return [run for run in runs if not run["started_at"]]


def sentence(run: InterruptedStop) -> str:
    by, at = run["controller"] or "an unknown controller", run["stopped_at"] or "an unknown time"
    return f"The run {run['run_id']} of {by} stopped the service at {at}, and did not start it again. {_since(run)}"


def _since(run: InterruptedStop) -> str:
    if run["error"]:
        return f"It could not be started since: {run['error']}"
    if not run["started_at"]:
        return "The next backup or restore does."
    if run["found"] == "Running":
        return f"It was found running at {run['started_at']}."
    return f"It was found {run['found']} and started again at {run['started_at']}."
