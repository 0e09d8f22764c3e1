# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches a backup of a host from a bucket into a folder on the controller."""

from __future__ import annotations

import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._copies import fetching
from ..plugin_utils._copies.bucket import Bucket
from ..plugin_utils._signing.trust import Trust
from ..plugin_utils._store.store import BackupStore


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        bucket, prefix = fetching.location_of(self.params["source"])
        store = BackupStore.of(self.params, self.host, Trust.of(self.params))
        fetched = fetching.fetch(Bucket.of({**self.params, "bucket": bucket}), prefix, self.params["backup_id"], store)
        self.warnings += fetched.warnings
        return {
            "changed": True,
            "host": self.host,
            "backup_id": fetched.id,
            "bytes": fetched.bytes,
            "signer": fetched.origin.signer,
            "origin": fetched.origin.sentence,
        }
