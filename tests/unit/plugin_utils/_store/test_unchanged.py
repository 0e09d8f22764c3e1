# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a server is as its newest backup has it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.unchanged import is_unchanged


@pytest.mark.parametrize(
    ("inventory", "encryption", "unchanged"),
    [
        ({"a": "1"}, {"config": ("recipients", ["age1a"])}, True),
        ({"a": "2"}, {"config": ("recipients", ["age1a"])}, False),
        ({"a": "1"}, {"config": ("recipients", ["age1b"])}, False),
        ({"a": "1"}, {"config": ("passphrase", [])}, False),
        ({"a": "1"}, {"config": ("recipients", ["age1a"]), "secrets": ("recipients", ["age1a"])}, False),
    ],
)
def test_a_backup_is_unchanged_when_it_holds_the_same_for_the_same_keys(
    inventory: dict[str, str], encryption: dict[str, tuple[str, list[str]]], unchanged: bool
) -> None:
    artifact = {"name": "config.zip.age", "encryption": "recipients", "recipients": ["age1a"]}
    manifest: Any = {"inventory": {"a": "1"}, "artifacts": [artifact]}
    assert is_unchanged(manifest, inventory, encryption) is unchanged
