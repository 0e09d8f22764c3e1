# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which private keys the backups under a root hold, as their manifests say and their files bear out."""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses

from .._errors import AccessManagerError
from .manifest import PARTS, Manifest
from .store import BackupStore, hosts


@dataclasses.dataclass(frozen=True)
class Place:
    """A backup that holds a key."""

    store: BackupStore
    id: str

    @property
    def label(self) -> str:
        return f"{self.id} of {self.store.host}"


class BackedUpKeys:
    """The keys in the backups of all hosts under a root. Each backup's certificates are hashed once, when they are asked for."""

    def __init__(self, root: str) -> None:
        self._places: dict[str, list[tuple[Place, Manifest]]] = {}
        self._whole: dict[Place, bool] = {}
        self._named: set[str] = set()
        for host in hosts(root):
            store = BackupStore(root, host)
            for backup_id in reversed(store.ids()):
                with contextlib.suppress(AccessManagerError):
                    self._add(Place(store, backup_id), store.manifest(backup_id))

    def find(self, thumbprint: str, *, preferred_host: str = "") -> Place | None:
        """The newest backup, of any host, that holds the private key and whose certificates are as they were written.

        One of the preferred host comes first.
        """
        found = sorted(
            self._places.get(thumbprint, []), key=lambda one: (one[0].store.host == preferred_host, one[0].id), reverse=True
        )
        for place, manifest in found:
            if place not in self._whole:
                self._whole[place] = not place.store.damage(manifest)
            if self._whole[place]:
                return place
        return None

    def names(self, thumbprint: str) -> bool:
        """Whether a manifest has this certificate, with its key or without, replaces it, or counted passwords under it."""
        return thumbprint in self._named

    def refuse_held(self, thumbprints: c.Iterable[str]) -> None:
        """Raises AccessManagerError when one of these keys, which are said to be lost, is in a backup."""
        for thumbprint in thumbprints:
            if place := self.find(thumbprint):
                raise AccessManagerError(
                    f"The private key of certificate {thumbprint} is not lost: the backup {place.label} in '{place.store.root}' "
                    f"holds it. Give it to the servers with certificate_import, host: {place.store.host} and backup_id: {place.id}."
                )

    def _add(self, place: Place, manifest: Manifest) -> None:
        slim = {
            "id": manifest["id"],
            "artifacts": [one for one in manifest["artifacts"] if one["name"].startswith(PARTS["certificates"])],
        }
        self._named |= {key["thumbprint"].upper() for key in manifest.get("directory", {}).get("keys", [])}
        self._named.update(manifest.get("replaces", []))
        for certificate in manifest.get("certificates", []):
            self._named.add(certificate["thumbprint"].upper())
            if certificate["exported"] and slim["artifacts"]:
                self._places.setdefault(certificate["thumbprint"].upper(), []).append((place, slim))
