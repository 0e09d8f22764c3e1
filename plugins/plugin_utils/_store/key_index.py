# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which private keys the backups under a root hold, as their manifests say and their files bear out."""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import typing as t

from .._errors import AccessManagerError
from .._signing.trust import Trust
from .._windows.domain_secret import words_of
from .manifest import ArtifactRecord, Manifest, SecretRecord, part_of
from .store import BackupStore, hosts


@dataclasses.dataclass(frozen=True)
class BackupRef:
    """A backup that holds a key."""

    store: BackupStore
    id: str

    @property
    def label(self) -> str:
        return f"{self.id} of {self.store.host}"


_Held = tuple[BackupRef, list[ArtifactRecord]]
"""A backup that says that it holds a key, and the artifacts in which that is."""


_WHEN_IMPORTED = (
    "When it starts, Access Manager imports the certificates of its configuration, if certificate synchronisation is "
    "on (DataProtection.EnableCertificateSynchronization is true) and the server has a valid Enterprise licence."
)


def wrapped_advice(readers: list[str]) -> str:
    """How Access Manager itself imports a key that its configuration holds, and what to say when it cannot.

    C(readers): who may decrypt the secret in which it is wrapped, as a manifest says; none where that is not known.
    """
    by = words_of(readers) if readers else "the server that made it"
    return (
        f"It can be decrypted by {by}. Where the service's account is among these, restore that configuration there "
        f"and start the service once. {_WHEN_IMPORTED} Then back up. When nobody can decrypt or import it any more, "
        "say so with configuration_keys_lost: true (-e recover_certificate_configuration_keys_lost=true)."
    )


class KeyIndex:
    """The keys in the backups of all hosts under a root. Each backup's certificates are hashed once, when they are
    asked for.

    C(trust): which backups are accepted. Of the others only a warning is taken: that a key may not be lost.
    """

    def __init__(self, root: str, trust: Trust | None = None, *, check_owner: bool = True) -> None:
        self._places: dict[str, list[_Held]] = {}
        self._unaccepted: dict[str, list[_Held]] = {}
        self._whole: dict[BackupRef, bool] = {}
        self._named: set[str] = set()
        self._wrapped: dict[str, tuple[BackupRef, SecretRecord, bool]] = {}
        for host in hosts(root, check_owner=check_owner):
            store = BackupStore(root, host, trust, check_owner=check_owner)
            for backup_id in reversed(store.ids()):
                with contextlib.suppress(AccessManagerError):
                    self._read(BackupRef(store, backup_id))

    @classmethod
    def of(cls, params: dict[str, t.Any], trust: Trust) -> KeyIndex:
        """Those under the root that the options C(backup_root) and C(check_backup_owner) name."""
        return cls(params["backup_root"], trust, check_owner=params["check_backup_owner"])

    def find(self, thumbprint: str, *, preferred_host: str = "") -> BackupRef | None:
        """The newest backup, of any host, that holds the private key and whose certificates are as they were written.

        One of the preferred host comes first.
        """
        found = self._places.get(thumbprint, [])
        return self._first_whole(
            sorted(found, key=lambda one: (one[0].store.host == preferred_host, one[0].id), reverse=True)
        )

    def unaccepted(self, thumbprint: str) -> BackupRef | None:
        """A backup that says that it holds the private key, and is not accepted."""
        return self._first_whole(self._unaccepted.get(thumbprint, []))

    def names(self, thumbprint: str) -> bool:
        """Whether a manifest has this certificate, with its key or without, replaces it, or counted passwords under it.
        """
        return thumbprint in self._named

    def refuse_held(self, thumbprints: c.Iterable[str], *, keys_lost: bool) -> None:
        """Raises AccessManagerError when one of these keys, which are said to be lost, is in a backup.

        C(keys_lost): whether a person says that those which a configuration holds cannot be decrypted.
        """
        for thumbprint in thumbprints:
            if thumbprint in self._wrapped and not keys_lost:
                self._refuse_wrapped(thumbprint, *self._wrapped[thumbprint])
            if place := self.find(thumbprint):
                raise AccessManagerError(
                    f"The private key of certificate {thumbprint} is not lost: the backup {place.label} in "
                    f"'{place.store.root}' "
                    f"holds it. Give it to the servers with certificate_import, host: {place.store.host} and "
                    f"backup_id: {place.id}."
                )
            if place := self.unaccepted(thumbprint):
                raise AccessManagerError(
                    f"The private key of certificate {thumbprint} may not be lost: the backup {place.label} in "
                    f"'{place.store.root}' says that it holds it, and no allowed signer signed that backup. If it is "
                    "yours, give "
                    f"the key to the servers with certificate_import, host: {place.store.host}, backup_id: {place.id} "
                    "and allow_unsigned: true. If it is not, remove it."
                )

    @staticmethod
    def _refuse_wrapped(thumbprint: str, place: BackupRef, secret: SecretRecord, accepted: bool) -> None:
        origin = "" if accepted else "No allowed signer signed that backup: see whether it is yours. "
        raise AccessManagerError(
            f"The private key of certificate {thumbprint} may not be lost: the configuration in the backup "
            f"{place.label} holds it, and {secret['path']} decrypts it. {origin}"
            f"{wrapped_advice(secret['decryptable_by'])}"
        )

    def _first_whole(self, places: c.Iterable[_Held]) -> BackupRef | None:
        for place, artifacts in places:
            if place not in self._whole:
                self._whole[place] = not place.store.damage(place.id, artifacts)
            if self._whole[place]:
                return place
        return None

    def _read(self, place: BackupRef) -> None:
        store = place.store
        data = store.manifest_bytes(place.id)
        manifest = store.parsed_manifest(place.id, data)
        accepted = store.trust.accepts(store.origin(place.id, data))
        for secret in manifest.get("secrets", []):
            if thumbprint := secret["certificate"].upper():
                self._wrapped.setdefault(thumbprint, (place, secret, accepted))
        if accepted:
            self._name(manifest)
        self._add(place, manifest, self._places if accepted else self._unaccepted)

    def _name(self, manifest: Manifest) -> None:
        if "directory" in manifest:
            self._named |= {key["thumbprint"].upper() for key in manifest["directory"]["keys"]}
        self._named.update(manifest.get("replaces", []))
        self._named |= {certificate["thumbprint"].upper() for certificate in manifest.get("certificates", [])}

    @staticmethod
    def _add(place: BackupRef, manifest: Manifest, places: dict[str, list[_Held]]) -> None:
        artifacts = [one for one in manifest["artifacts"] if part_of(one) == "certificates"]
        for certificate in manifest.get("certificates", []):
            if certificate["exported"] and artifacts:
                places.setdefault(certificate["thumbprint"].upper(), []).append((place, artifacts))
