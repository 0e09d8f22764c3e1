# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a server is as its newest backup has it, so that no new one is made."""

from __future__ import annotations

from .manifest import Manifest, part_of

Encryption = dict[str, tuple[str, list[str]]]
"""How each part of a backup is encrypted, and for which recipients."""


def is_unchanged(manifest: Manifest, inventory: dict[str, str], encryption: Encryption) -> bool:
    """Whether a backup is what a new one would be: it holds the same, in parts that are encrypted for the same keys."""
    artifacts = manifest["artifacts"]
    encrypted = {part_of(artifact): (artifact["encryption"], artifact["recipients"]) for artifact in artifacts}
    return manifest["inventory"] == inventory and encrypted == encryption
