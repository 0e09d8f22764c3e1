# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches a backup of a host, or what lies beside backups, from a bucket into a folder on the controller."""

from __future__ import annotations

import collections.abc as c
import itertools
import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._copies import fetching
from ..plugin_utils._copies.bucket import Bucket
from ..plugin_utils._copies.copied_kinds import ATTACHMENTS, BACKUPS, INSTALLERS, Kind
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._signing.trust import Trust
from ..plugin_utils._store import installers
from ..plugin_utils._store.attachment import Attachment
from ..plugin_utils._store.attachments import Attachments
from ..plugin_utils._store.installers import KeptInstaller
from ..plugin_utils._store.store import BackupStore

_KINDS = {"backup": BACKUPS, "attachments": ATTACHMENTS, "installers": INSTALLERS}


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        kinds = [_KINDS[name] for name in dict.fromkeys(self.params["include"])]
        if not kinds:
            raise AccessManagerError("include names nothing: give it backup, attachments or installers.")
        source, prefix = fetching.location_of(self.params["source"])
        bucket = Bucket.of({**self.params, "bucket": source})
        store = BackupStore.of(self.params, self.host, Trust.of(self.params))
        backup = self._backup(bucket, prefix, store) if BACKUPS in kinds else {}
        fetch_beside = self._beside_backup if backup else self._beside
        beside = [fetch_beside(bucket, prefix, kind, store) for kind in kinds if kind is not BACKUPS]
        return backup | {
            "changed": bool(backup) or any(beside),
            "host": self.host,
            "fetched": list(itertools.chain.from_iterable(beside)),
            "attachments": _listed(Attachments(store, None).all()),
            "installers": _listed(installers.kept(store)),
        }

    def _backup(self, bucket: Bucket, prefix: str, store: BackupStore) -> dict[str, t.Any]:
        fetched = fetching.fetch(bucket, prefix, self.params["backup_id"], store)
        self.warnings += fetched.warnings
        return {
            "backup_id": fetched.name,
            "bytes": fetched.bytes,
            "signer": fetched.origin.signer,
            "origin": fetched.origin.sentence,
        }

    def _beside_backup(self, bucket: Bucket, prefix: str, kind: Kind, store: BackupStore) -> list[str]:
        """As _beside; that none can be used takes nothing from the backup, and is a warning."""
        try:
            return self._beside(bucket, prefix, kind, store)
        except AccessManagerError as exc:
            self.warnings.append(str(exc))
            return []

    def _beside(self, bucket: Bucket, prefix: str, kind: Kind, store: BackupStore) -> list[str]:
        """The place of each that was fetched; one that cannot be used is a warning, and hides no other."""
        fetched, refused = fetching.fetch_beside(bucket, prefix, kind, store)
        self.warnings += itertools.chain.from_iterable(one.warnings for one in fetched)
        self.warnings += [f"{sentence[0].upper()}{sentence[1:]}" for sentence in refused]
        return [kind.place(one.name) for one in fetched]


def _listed(found: c.Sequence[Attachment | KeptInstaller]) -> list[dict[str, t.Any]]:
    return [one.as_data() for one in found]
