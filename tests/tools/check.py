#!/usr/bin/env python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the project's checks one after another, and ends with what passed, failed and was skipped.

check.py fast       units and lint
check.py all        everything
check.py STEP...    only these
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
WINE = "wine is not installed (apt-get install --no-install-recommends wine wine64)"


@dataclass
class Step:
    name: str
    command: list[str]
    again: bool = False
    fast: bool = False
    needs_wine: bool = False


def target_code() -> list[str]:
    files = [file for folder in ("plugins", "tests/windows") for file in (ROOT / folder).rglob("*")]
    return sorted(str(file.relative_to(ROOT)) for file in files if file.suffix in (".ps1", ".psm1", ".cs"))


INTEGRATION = "tests/integration"
LAST_FAILED = ROOT / ".pytest_cache/v/cache/lastfailed"


def failed_files() -> list[str]:
    """The files of integration tests in which something failed, as pytest remembers."""
    names = json.loads(LAST_FAILED.read_text(encoding="utf-8")) if LAST_FAILED.exists() else {}
    return sorted({name.partition("::")[0] for name in names if name.startswith(INTEGRATION)})


# Cheap ones first. The integration tests wait for hosts and services, and two files at a time leave little of a small
# machine: one
# in which something failed is run once more, without another beside it.
STEPS = [
    Step("ruff", ["ruff", "check", "."], fast=True),
    Step("yamllint", ["yamllint", "--strict", "."], fast=True),
    Step("mypy", ["mypy"], fast=True),
    Step("unit", ["pytest", "--numprocesses=2", "tests/unit"], fast=True),
    Step("limits", [sys.executable, "tests/tools/limits.py"], fast=True),
    Step("role-readmes", [sys.executable, "tests/tools/role_readmes.py", "--check"], fast=True),
    Step("floors", [sys.executable, "tests/tools/floors.py"]),
    Step("reuse", ["reuse", "lint", "--lines"]),
    Step("changelog", ["antsibull-changelog", "lint"]),
    Step("build", ["tests/tools/build.sh"]),
    Step("docs", ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "."]),
    Step("ansible-lint", ["ansible-lint", "--profile", "production", "--offline", "--strict", "--nocolor"]),
    Step("target-code", [sys.executable, "tests/windows_lab/windows_lab.py", "check", *target_code()], needs_wine=True),
    Step("sanity", ["tests/tools/sanity.sh"]),
    Step("integration", ["pytest", "--numprocesses=2", "--dist=loadfile", INTEGRATION], again=True, needs_wine=True),
]


def run(step: Step) -> str:
    if step.needs_wine and not shutil.which("wine"):
        print(f"skipped: {WINE}")
        return "SKIPPED"
    if _succeeds(step.command):
        return "passed"
    files = failed_files() if step.again else []
    if not files:
        return "FAILED"
    print(f"\n==== {step.name} once more, alone: {', '.join(files)}", flush=True)
    return "passed, some alone" if _succeeds(["pytest", *files]) else "FAILED"


def _succeeds(command: list[str]) -> bool:
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode == 0


def main(wanted: list[str]) -> int:
    steps = [s for s in STEPS if "all" in wanted or s.name in wanted or (s.fast and "fast" in wanted)]
    if not steps:
        print(__doc__, file=sys.stderr)
        return 2

    results = []
    for step in steps:
        print(f"\n==== {step.name}", flush=True)
        start = time.monotonic()
        results.append((step, run(step), time.monotonic() - start))

    print("\n==== summary")
    for step, outcome, seconds in results:
        print(f"{outcome:18} {step.name:14} {seconds:6.1f} s")
    failed = [step.name for step, outcome, _seconds in results if outcome == "FAILED"]
    skipped = [step.name for step, outcome, _seconds in results if outcome == "SKIPPED"]
    print(f"{len(results) - len(failed) - len(skipped)} passed, {len(failed)} failed, {len(skipped)} skipped")
    if skipped:
        print(f"SKIPPED, NOT TESTED: {', '.join(skipped).upper()}: {WINE.upper()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
