# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which calls of docs/verified.md a run of `make test-windows` has proven, and on which Windows."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

VERIFIED = Path(__file__).resolve().parents[2] / "docs/verified.md"
NO_TEST, NOT_YET = "no test", "not yet"
"""In the column `on Windows` of docs/verified.md: no test here has the call, or none has passed on Windows."""


@dataclass(frozen=True)
class Windows:
    """The system of a server, as it shows itself."""

    product: str
    build: str
    wine: bool

    @property
    def name(self) -> str:
        return (
            f"Wine, which shows itself as {self.product} ({self.build})"
            if self.wine
            else f"{self.product} ({self.build})"
        )


@dataclass(frozen=True)
class Outcome:
    """What became of a test on a server: passed, failed, skipped or not run."""

    test: str
    windows: Windows
    result: str


def proven(outcomes: Iterable[Outcome], wine: bool) -> str:
    """Whether the tests of one call, on one Windows, have proven it."""
    outcomes = list(outcomes)
    failed = sorted({outcome.test for outcome in outcomes if outcome.result == "failed"})
    if failed:
        return f"no: {', '.join(failed)} failed"
    if any(outcome.result != "passed" for outcome in outcomes):
        return "no: not run"
    return "no: on Wine alone" if wine else "yes"


def table(outcomes: Mapping[str, Iterable[Outcome]]) -> str:
    """A Markdown table of the calls of docs/verified.md, in the order in which they stand there.

    outcomes: by the beginnings of first cells there.
    """
    lines = ["| call | Windows version | proven |", "|---|---|---|"]
    for call in rows():
        by_windows: dict[Windows, list[Outcome]] = {}
        for outcome in itertools.chain.from_iterable(outcomes[one] for one in outcomes if call.startswith(one)):
            by_windows.setdefault(outcome.windows, []).append(outcome)
        lines += [f"| {call} | {one.name} | {proven(found, one.wine)} |" for one, found in by_windows.items()]
    return "\n".join(lines) + "\n"


def rows(path: Path = VERIFIED, column: str = "on Windows") -> dict[str, str]:
    """The calls of docs/verified.md that run on a server: first cell -> cell of that column."""
    found: dict[str, str] = {}
    at = None
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or set(cells[0]) == {"-"}:
            at = at if line.startswith("|") else None
        elif at is None:
            at = cells.index(column) if column in cells else -1
        elif at >= 0:
            found[cells[0]] = cells[at]
    return found
