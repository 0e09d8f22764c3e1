# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this collection says of itself."""

from __future__ import annotations

import pathlib

import yaml


def version() -> str:
    """The version of this collection, from the file that a build puts into it, or from the source's."""
    root = pathlib.Path(__file__).parents[2]
    manifest = root / "MANIFEST.json"
    if manifest.exists():
        return str(yaml.safe_load(manifest.read_text())["collection_info"]["version"])
    return str(yaml.safe_load((root / "galaxy.yml").read_text())["version"])
