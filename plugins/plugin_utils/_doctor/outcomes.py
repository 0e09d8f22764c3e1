# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found on each host of a play, as lines for a terminal and as JSON."""

from __future__ import annotations

import collections.abc as c
import typing as t

from .._text import json_lines

FORMAT = 1
Result = c.Mapping[str, t.Any]
_KEYS = ("check", "state", "found", "advice")
_HEADING = ("HOST", "STATE", "CHECK", "FOUND")


def doctor_table(results: c.Mapping[str, Result]) -> list[str]:
    """A line for each check, and below it what to do. C(results): of each host; empty for one that has none."""
    rows = [_HEADING]
    for host, result in results.items():
        for finding in _findings(result):
            rows.append((host, finding["state"], finding["check"], finding["found"]))
            if finding["advice"]:
                rows.append(("", "", "", f"-> {finding['advice']}"))
    width = max(len(row[0]) for row in rows)
    checks = max(len(row[2]) for row in rows)
    return [f"{host:<{width}}  {state:<7}  {check:<{checks}}  {found}" for host, state, check, found in rows]


def doctor_report(results: c.Mapping[str, Result]) -> str:
    hosts = [
        {"host": host, "state": result.get("state", "failure"), "findings": _findings(result)}
        for host, result in results.items()
    ]
    return json_lines({"version": FORMAT, "hosts": hosts})


def _findings(result: Result) -> list[dict[str, str]]:
    """What was found; that nothing was is a finding too."""
    found = list(map(_strings, result.get("findings", [])))
    reason = str(result.get("msg", "The host left the play before it was examined."))
    advice = "Correct this, and run the doctor again."
    return found or [{"check": "doctor", "state": "failure", "found": reason, "advice": advice}]


def _strings(finding: Result) -> dict[str, str]:
    return {key: str(finding[key]) for key in _KEYS}
