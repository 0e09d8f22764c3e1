# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of `make bench compare`: this collection beside stock playbooks, as ratios, goals, JSON and a page."""

from __future__ import annotations

import datetime
import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import jinja2

PLAYBOOKS = Path(__file__).parent / "bench"
LIVE, STOP, BULK = "this collection, live", "this collection, with a stop", "this collection, 64 MiB"
ZIP, LOOP, FETCH = "stop, zip, fetch", "loop of fetches", "fetch of 64 MiB"
NOTHING = "a module that does nothing"
"""What Ansible, the connection and one PowerShell cost: no call of a server takes less."""

OURS = frozenset({LIVE, STOP, BULK})
MOST_OF_ZIP = {0: 1 / 2, 100: 1 / 4}
"""The seconds of a live backup as a share of those of the zip, by the latency in ms."""

MOST_DOWNTIME = 1 / 20
LEAST_BULK = {"winrm": 8.0, "psrp": 1.0}
"""How many times as fast as the stock fetch a file of 64 MiB comes."""


@dataclass(frozen=True)
class Measured:
    """One run. C(latency): milliseconds a request. C(downtime): milliseconds."""

    what: str
    connection: str
    latency: int
    seconds: float
    processes: int
    bytes: int
    downtime: int


@dataclass(frozen=True)
class Goal:
    """A ratio, and what it should be: at most the limit, or at least."""

    name: str
    measured: float
    sense: str
    limit: float

    @property
    def reached(self) -> bool:
        return self.measured <= self.limit if self.sense == "at most" else self.measured >= self.limit


def goals(runs: list[Measured]) -> Iterator[Goal]:
    """The ratios that are promised, from runs of one bench."""
    for (connection, latency), those in _situations(runs):
        where = f"{connection}, {latency} ms"
        if LIVE in those and ZIP in those:
            ratio = those[LIVE].seconds / those[ZIP].seconds
            yield Goal(f"seconds, live to zip ({where})", ratio, "at most", MOST_OF_ZIP[latency])
        if STOP in those and ZIP in those:
            ratio = those[STOP].downtime / those[ZIP].downtime
            yield Goal(f"downtime, ours to zip ({where})", ratio, "at most", MOST_DOWNTIME)
        if BULK in those:
            ratio = those[FETCH].seconds / those[BULK].seconds
            yield Goal(f"64 MiB, fetch to ours ({where})", ratio, "at least", LEAST_BULK[connection])


def least(runs: list[Measured]) -> Iterator[str]:
    """How near to nothing the zip is: below these ratios no playbook comes that asks a server anything."""
    for (connection, latency), those in _situations(runs):
        if NOTHING in those and ZIP in those:
            ratio = those[NOTHING].seconds / those[ZIP].seconds
            yield f"seconds, {NOTHING} to zip ({connection}, {latency} ms): {ratio:.2f}"


def _situations(runs: list[Measured]) -> Iterator[tuple[tuple[str, int], dict[str, Measured]]]:
    def situation(run: Measured) -> tuple[str, int]:
        return run.connection, run.latency

    for key, group in itertools.groupby(sorted(runs, key=situation), situation):
        yield key, {run.what: run for run in group}


def write(runs: list[Measured], folder: Path) -> list[Path]:
    """Writes the figures as JSON, and as a page with bars."""
    found = list(goals(runs))
    figures = {
        "runs": [asdict(run) for run in runs],
        "goals": [asdict(goal) | {"reached": goal.reached} for goal in found],
    }
    data, page = folder / "compare.json", folder / "compare.html"
    data.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((PLAYBOOKS / "page.html.j2").read_text(encoding="utf-8"))
    made = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"
    page.write_text(template.render(made=made, goals=found, charts=list(_charts(runs))), encoding="utf-8")
    return [data, page]


def _charts(runs: list[Measured]) -> Iterator[tuple[str, str, list[tuple[str, str, float, bool]]]]:
    """The charts of the page: title, unit, and the bars with name, value, share of the longest and whose it is."""
    for (connection, latency), those in _situations(runs):
        where = f"over {connection}" + (f", {latency} ms a request" if latency else "")
        yield f"Seconds {where}", "s", _bars(those, "seconds", "%.1f")
        stops = {name: run for name, run in those.items() if run.downtime}
        if stops:
            yield f"Downtime {where}", "ms", _bars(stops, "downtime", "%d")


def _bars(runs: dict[str, Measured], figure: str, form: str) -> list[tuple[str, str, float, bool]]:
    values = {name: float(getattr(run, figure)) for name, run in runs.items()}
    longest = max(values.values())
    return [(name, form % value, round(100 * value / longest, 1), name in OURS) for name, value in values.items()]
