# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups that need no target."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import manifest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.partial import PartialBackup
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore

PARTS = ("config", "certificates", "secrets")
NAMES = {"config": "config.zip", "certificates": "certificates.zip", "secrets": "secrets.json"}


def fill(
    store: BackupStore,
    backup_id: str,
    *,
    parts: Sequence[str] = PARTS,
    problems: Sequence[str] = (),
    inventory: dict[str, str] | None = None,
    certificates: Sequence[dict[str, Any]] = (),
) -> None:
    """Writes the parts of an open backup in clear, as the modules of the parts do."""
    for part in parts:
        content = f"content of {part}".encode()
        artifact = PartialBackup(store, backup_id).write(
            NAMES[part], lambda file, content=content: file.write(content) and None
        )
        record: dict[str, Any] = {
            "artifact": artifact | {"encryption": "none", "recipients": []},
            "problems": list(problems) if part == "config" else [],
            "manifest": {"files": 2, "bytes": 20}
            if part == "config"
            else {part: list(certificates) if part == "certificates" else []},
            "inventory": (inventory or {}) if part == "config" else {},
        }
        PartialBackup(store, backup_id).save_record(part, record)


def build(store: BackupStore, backup_id: str) -> dict[str, Any]:
    previous_id, previous = store.newest() or (None, None)
    return manifest.build(
        backup_id=backup_id,
        host=store.host,
        created="2026-11-23T08:15:00Z",
        collection_version="1.0.0",
        previous=previous,
        previous_id=previous_id,
        nonce_sha256=hashlib.sha256(PartialBackup(store, backup_id).nonce()).hexdigest(),
        records=PartialBackup(store, backup_id).records(),
        content_digest="00" * 32,
        inventory={},
    )


def publish(store: BackupStore, *, problems: Sequence[str] = ()) -> str:
    """Makes a whole backup and returns its id."""
    backup_id = PartialBackup.begin(store).id
    fill(store, backup_id, problems=problems)
    PartialBackup(store, backup_id).publish(build(store, backup_id))
    return backup_id
