# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible keeps of a server for a whole play, and shows in an event, is small."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target.call import Target
from support.connection_plugins.lying import honest
from unit.actions import run
from unit.target_side import file_record

USUAL, LARGE = 34, 2000
KIBIBYTE = 1024


def result_with(count: int, monkeypatch: pytest.MonkeyPatch, **options: Any) -> dict[str, Any]:
    """What is registered of a server with that many files."""
    described = copy.deepcopy(honest("installation_info", {}))
    described["records"] += [
        file_record(f"config/scripts/bulk/{number // 100:02}/Rule-{number:04}.ps1", b"") for number in range(count)
    ]
    monkeypatch.setattr(Target, "call", lambda *_arguments, **_options: described)
    result = run("installation_info", **options)
    assert not result.get("failed"), result["msg"]
    return result


@pytest.mark.parametrize(("count", "most"), [(USUAL, 16 * KIBIBYTE), (LARGE, 256 * KIBIBYTE)])
def test_what_a_backup_keeps_of_a_server_is_small(count: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    small = result_with(count, monkeypatch, details=False)
    whole = result_with(count, monkeypatch)
    assert len(json.dumps(small)) < most
    assert len(json.dumps(small)) < len(json.dumps(whole)) / 2
    for key in ("files", "bytes", "inventory", "problems"):
        assert small[key] == whole[key]
    assert len(whole["records"]) > count
