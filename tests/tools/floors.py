#!/usr/bin/env python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the unit tests that use the libraries, with the oldest versions of them and of ansible-core that the collection
names.

The versions are those of meta/ee-requirements.txt and meta/runtime.yml. The virtual environment is .venv-floors.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv-floors"
TESTS = [
    "_age",
    "_windows",
    "_signing/test_signed_backups.py",
    "_contents/test_contents.py",
    "_target/test_envelope.py",
    "_target/test_lying_exports.py",
    "_target/test_transfer.py",
]
"""The unit tests that use these libraries."""

FLOOR = re.compile(r"([a-z][a-z0-9-]*) *>= *([0-9.]+)")


def floors() -> list[str]:
    """What pip is to install: each library at its oldest version."""
    libraries = FLOOR.findall((ROOT / "meta/ee-requirements.txt").read_text(encoding="utf-8"))
    ansible = re.search(r"requires_ansible: '>=([0-9.]+)'", (ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))
    if not libraries or not ansible:
        raise SystemExit("meta/ee-requirements.txt or meta/runtime.yml names no oldest version.")
    return [f"{name}=={version}" for name, version in [*libraries, ("ansible-core", ansible[1])]]


def main() -> int:
    wanted = floors()
    stamp = VENV / "installed"
    print(" ".join(wanted), flush=True)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != "\n".join(wanted):
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        pip = [VENV / "bin/pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *wanted, "pytest >= 8.0", "hypothesis >= 6.100"], check=True)
        stamp.write_text("\n".join(wanted), encoding="utf-8")
    tests = [f"tests/unit/plugin_utils/{name}" for name in TESTS]
    return subprocess.run([VENV / "bin/python", "-m", "pytest", "-q", *tests], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
