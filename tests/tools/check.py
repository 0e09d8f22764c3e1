#!/usr/bin/env python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the project's checks, and ends with what passed, failed and was skipped.

check.py fast       the quick units, and lint
check.py all        everything but the judges
check.py judges     the judges of the ecosystem that need tests/judges.txt
check.py STEP...    only these
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
WINE = "wine is not installed (apt-get install --no-install-recommends wine wine64)"


@dataclass
class Step:
    """A check. workers: it uses all processors, so it runs alone; the others run two at a time. again: what failed is
    run once more. judge: a check of the ecosystem that needs the tools of tests/judges.txt. part: of another step.
    """

    name: str
    command: list[str]
    workers: bool = False
    again: bool = False
    fast: bool = False
    needs_wine: bool = False
    judge: bool = False
    part: bool = False

    @property
    def groups(self) -> set[str]:
        """What it is run for, beside its own name."""
        kinds = {"fast": self.fast, "judges": self.judge, "all": not self.judge and not self.part}
        return {self.name, *(kind for kind, is_one in kinds.items() if is_one)}


@dataclass
class Outcome:
    """What became of a step."""

    step: Step
    outcome: str
    seconds: float


def target_code() -> list[str]:
    files = [*(ROOT / "plugins").rglob("*"), *(ROOT / "tests/windows").rglob("*")]
    return sorted(str(file.relative_to(ROOT)) for file in files if file.suffix in (".ps1", ".psm1", ".cs"))


INTEGRATION = "tests/integration"
WORKERS = ["--numprocesses=2"]
QUICK = ["-m", "not slow", "--hypothesis-profile=fast"]
FILES = ["--dist=loadfile", "--no-loadscope-reorder"]
"""Each worker takes whole files one after the other, in their order: without this the first takes an eighth of all unit
tests at once, in which nearly all playbooks are, and what the tests of a file share is made by both.
"""

KEPT_COMPILED = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": ""}
"""Environment in which nothing is compiled twice: the C# of lab hosts, for the tests that run actions themselves (see
tests/support/playbook.py), and the tests, which each process of pytest would prepare again.
"""

LAST_FAILED = ROOT / ".pytest_cache/v/cache/lastfailed"


def failed_files() -> list[str]:
    """The files of integration tests in which something failed, as pytest remembers."""
    names = json.loads(LAST_FAILED.read_text(encoding="utf-8")) if LAST_FAILED.exists() else {}
    return sorted({name.partition("::")[0] for name in names if name.startswith(INTEGRATION)})


REFERENCES = ["--check-extra-docs-refs", "--validate-collection-refs=all", "--disallow-unknown-collection-refs"]
"""What the documentation says of this and other collections must be there."""

# Of the steps that run two at a time, the longest come first. The integration tests wait for hosts and services, and
# two files at a time leave little of a small machine: one in which something failed is run once more, alone.
STEPS = [
    Step("sanity", ["tests/tools/sanity.sh"]),
    Step("floors", [sys.executable, "tests/tools/floors.py"]),
    Step("ansible-lint", ["tests/tools/lint.sh"]),
    Step("importer", ["tests/tools/nox.sh", "build-import-check"]),
    Step("docsite", ["tests/tools/docsite.sh"]),
    Step("rulebook", ["pytest", "tests/unit/extensions/test_rulebook.py"], judge=True),
    Step("molecule", ["molecule", "test"], judge=True, needs_wine=True),
    Step("nox", ["tests/tools/nox.sh", "license-check", "extra-checks"]),
    Step("workflows", ["tests/tools/workflows.sh"]),
    Step("ee", ["tests/tools/ee.sh"]),
    Step("docs", ["antsibull-docs", "lint-collection-docs", "--plugin-docs", *REFERENCES, "."]),
    Step("target-code", [sys.executable, "tests/windows_lab/windows_lab.py", "check", *target_code()], needs_wine=True),
    Step("mypy", ["mypy"], fast=True),
    Step("build", ["tests/tools/build.sh"]),
    Step("changelog", ["antsibull-changelog", "lint"]),
    Step("reuse", ["reuse", "lint", "--lines"]),
    Step("yamllint", ["yamllint", "--strict", "."], fast=True),
    Step("limits", [sys.executable, "tests/tools/limits.py"], fast=True),
    Step("ruff", ["ruff", "check", "."], fast=True),
    Step("role-readmes", [sys.executable, "tests/tools/role_readmes.py", "--check"], fast=True),
    Step("quick-unit", ["pytest", *WORKERS, *QUICK, "tests/unit"], workers=True, fast=True, part=True),
    Step("unit", ["pytest", *WORKERS, *FILES, "--durations=20", "tests/unit"], workers=True),
    Step(
        "integration",
        ["pytest", *WORKERS, *FILES, "--durations=20", INTEGRATION],
        workers=True,
        again=True,
        needs_wine=True,
    ),
]


def run(step: Step) -> Outcome:
    """Runs a step, and prints what it printed: at once when it runs alone, else when it has ended."""
    start = time.monotonic()
    if step.needs_wine and not shutil.which("wine"):
        print(f"\n==== {step.name}\nskipped: {WINE}", flush=True)
        return Outcome(step, "SKIPPED", 0)
    succeeded = _alone(step) if step.workers else _beside_another(step)
    return Outcome(step, succeeded, time.monotonic() - start)


def _alone(step: Step) -> str:
    print(f"\n==== {step.name}", flush=True)
    if not _execute(step.command).returncode:
        return "passed"
    files = failed_files() if step.again else []
    if not files:
        return "FAILED"
    print(f"\n==== {step.name} once more, alone: {', '.join(files)}", flush=True)
    return "FAILED" if _execute(["pytest", *files]).returncode else "passed, some alone"


def _beside_another(step: Step) -> str:
    done = _execute(step.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(f"\n==== {step.name}\n{done.stdout.decode(errors='replace')}", end="", flush=True)
    return "FAILED" if done.returncode else "passed"


def _execute(command: list[str], **output: int) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, **KEPT_COMPILED, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False, **output)


def run_all(steps: list[Step]) -> list[Outcome]:
    """Runs what uses one processor two at a time, then the rest one after the other."""
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(run, [step for step in steps if not step.workers]))
    return outcomes + [run(step) for step in steps if step.workers]


def main(wanted: list[str]) -> int:
    steps = [step for step in STEPS if step.groups.intersection(wanted)]
    if not steps:
        print(__doc__, file=sys.stderr)
        return 2

    start = time.monotonic()
    results = run_all(steps)

    print("\n==== summary")
    for one in results:
        print(f"{one.outcome:18} {one.step.name:14} {one.seconds:6.1f} s")
    failed = [one.step.name for one in results if one.outcome == "FAILED"]
    skipped = [one.step.name for one in results if one.outcome == "SKIPPED"]
    passed = len(results) - len(failed) - len(skipped)
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped, in {time.monotonic() - start:.0f} s")
    if skipped:
        print(f"SKIPPED, NOT TESTED: {', '.join(skipped).upper()}: {WINE.upper()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
