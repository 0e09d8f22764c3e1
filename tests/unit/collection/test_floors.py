# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oldest versions of the libraries: named alike everywhere, and none with a hole that is known."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FLOOR = re.compile(r"\b(cryptography|pyrage|pypsrp|pywinrm)(?:\[kerberos\])? *>= *([0-9.]+)")


def floors(path: Path) -> dict[str, str]:
    return dict(FLOOR.findall(path.read_text(encoding="utf-8")))


def test_modules_and_documents_name_the_versions_that_are_required() -> None:
    required = floors(ROOT / "meta/ee-requirements.txt")
    assert required.keys() == {"cryptography", "pyrage", "pypsrp", "pywinrm"}
    assert floors(ROOT / "meta/ee-python.txt") == required
    documents = [*ROOT.glob("plugins/modules/*.py"), *ROOT.glob("docs/**/*.md"), ROOT / "README.md"]
    named = {path: floors(path) for path in documents}
    assert sum(map(bool, named.values())) >= 4
    assert [path for path, versions in named.items() if not versions.items() <= required.items()] == []


def test_versions_with_known_holes_are_not_allowed() -> None:
    """CVE-2024-0727: a prepared PFX ends the process.

    GHSA-4fg7-vxc8-qx5w: a prepared name of a plugin runs a program.
    """
    required = {
        name: tuple(map(int, version.split("."))) for name, version in floors(ROOT / "meta/ee-requirements.txt").items()
    }
    assert required["cryptography"] >= (42, 0, 4)
    assert required["pyrage"] >= (1, 2, 3)
