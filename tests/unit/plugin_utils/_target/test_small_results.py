# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible keeps of a server for a whole play, and shows in an event, is small."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.target_server import packed
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target.call import Target
from support.certificates import TestCertificate
from support.connection_plugins.lying import honest
from unit import encrypted_backups
from unit.actions import run
from unit.opened_backups import files
from unit.servers import target_server
from unit.target_side import file_record

USUAL, LARGE = 34, 2000
MOST_FILES = 200
KIBIBYTE = 1024


def bulk_of(count: int) -> list[str]:
    return [f"config/scripts/bulk/{number // 100:02}/Rule-{number:04}.ps1" for number in range(count)]


def result_with(count: int, monkeypatch: pytest.MonkeyPatch, **options: Any) -> dict[str, Any]:
    """What is registered of a server with that many files."""
    described = copy.deepcopy(honest("installation_info", {}))
    described["records"] += [file_record(name, name.encode()) for name in bulk_of(count)]
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


@pytest.mark.slow
@pytest.mark.parametrize(("count", "most"), [(USUAL, 64 * KIBIBYTE), (LARGE, 256 * KIBIBYTE)])
def test_what_a_restore_keeps_of_a_server_is_small_and_its_file_names_everything(
    count: int, most: int, store: BackupStore, certificate: TestCertificate
) -> None:
    """Each file is another than in the backup, which is the most that a plan may say."""
    names = bulk_of(count)
    content = files() | dict.fromkeys(names, b"of the backup")
    encrypted_backups.make(
        store, "20261123T081500Z", encrypted_backups.encrypt_to(), content=content, certificates=[certificate]
    )
    records = [file_record(name, name.encode()) for name in names]
    server = target_server() | {"decrypted_secrets": {}, "records": records}
    document = store.root / "plan.json"
    options: dict[str, Any] = {"backup_root": str(store.root), "state": "planned", "plan_json": str(document)}
    result = run("config_restore", **options, installation=packed(server), require_secrets=False)
    assert not result.get("failed"), result["msg"]
    assert len(json.dumps(result)) < most
    again = run("config_restore", **options, installation=result["installation"], require_secrets=False)
    assert again["plan"] == result["plan"]
    named = [line for line in json.loads(document.read_text())["changes"] if "Rule-" in line]
    shown = [line for line in result["plan"] if "Rule-" in line]
    assert len(named) == count
    assert len(shown) == count if count < MOST_FILES else MOST_FILES // 2 < len(shown) <= MOST_FILES
    assert any("files more" in line for line in result["plan"]) == (count > MOST_FILES)
