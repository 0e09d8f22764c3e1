# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of a comparison: a backup, decrypted if there is a key, and a server as it describes itself."""

from __future__ import annotations

import dataclasses

from .._age.decryption import Decryptor
from .._ams.shapes import Server
from .._contents.configuration import Configuration, Secret
from .._contents.keys import read_secrets
from .._contents.part_binding import PartReader
from .._contents.source import LATEST, Source, select
from .._errors import AccessManagerError
from .._store.inventory import inventory_of_certificates, inventory_of_server
from .._store.manifest import Manifest
from .._store.store import BackupStore
from .comparison import ComparedState, KnownCertificate

LIVE, PREVIOUS = "live", "previous"


@dataclasses.dataclass(frozen=True)
class DecryptedBackup:
    """A state that is a backup, and the values of its secrets by path in lower case; empty when they are not decrypted.
    """

    state: ComparedState
    values: dict[str, str] = dataclasses.field(repr=False)

    def same_secret(self, other: DecryptedBackup, before: Secret, after: Secret) -> bool | None:
        """Whether a secret of this backup has the same value in another; None when either was not kept in clear."""
        old, new = self.value_of(before), other.value_of(after)
        return None if old is None or new is None else old == new

    def value_of(self, secret: Secret) -> str | None:
        return self.values.get(secret.path.lower())


def choose(store: BackupStore, before: str, after: str) -> tuple[Source, Source | None]:
    """The backups that the options C(before) and C(after) name; None for the live server."""
    new = None if after == LIVE else select(store, after)
    if before != PREVIOUS:
        return select(store, before), new
    if new is None:
        return select(store, LATEST), None
    if new.manifest is None:
        raise AccessManagerError(
            f"'{new.label}' has no manifest, so there is none before it: name a backup in 'before'."
        )
    manifest = store.latest_complete(before=new.manifest["id"])
    if manifest is None:
        raise AccessManagerError(
            f"There is no complete backup of {store.host} before {new.manifest['id']} in '{store.folder}'."
        )
    return select(store, manifest["id"]), new


def of_backup(source: Source, decryptor: Decryptor) -> DecryptedBackup:
    """Raises AccessManagerError when a key is given that does not decrypt it."""
    manifest = source.manifest
    may_decrypt = decryptor.may_decrypt(source.parts["config"].path)
    parts = PartReader(source, decryptor)
    configuration = Configuration(parts.read("config"), tolerant=True) if may_decrypt else None
    inventory = manifest["inventory"] if manifest else None
    certificates = _certificates_of(manifest) if manifest and "certificates" in manifest else None
    state = ComparedState(f"backup {source.label}", configuration, inventory, certificates)
    values = read_secrets(parts.read("secrets")) if may_decrypt and "secrets" in source.parts else {}
    return DecryptedBackup(state, {path.lower(): value for path, value in values.items()})


def of_server(described: Server, label: str, configuration: Configuration | None) -> ComparedState:
    """The state that is a server. C(described): as installation_info returns it."""
    fingerprints = inventory_of_certificates(described["certificates"])
    found: dict[str, KnownCertificate] = {}
    for certificate in described["certificates"]:
        thumbprint, key = certificate["thumbprint"], certificate["key"]
        known = thumbprint in found and found[thumbprint]["exported"]
        found[thumbprint] = {
            "thumbprint": thumbprint,
            "subject": certificate["subject"],
            "not_before": certificate["not_before"],
            "not_after": certificate["not_after"],
            "exported": known or bool(key["present"] and key.get("exportable")),
            "fingerprint": fingerprints[f"certificates/{thumbprint}"],
        }
    inventory = inventory_of_server(described, include_database=False) | fingerprints
    return ComparedState(f"{label} now", configuration, inventory, found)


def _certificates_of(manifest: Manifest) -> dict[str, KnownCertificate]:
    """The certificates that a manifest lists, by thumbprint, each with its fingerprint in the inventory."""
    fingerprints = manifest["inventory"]
    return {
        one["thumbprint"]: {**one, "fingerprint": fingerprints.get(f"certificates/{one['thumbprint']}")}
        for one in manifest.get("certificates", [])
    }
