# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishes an encryption certificate in the directory, once its private key is in a backup that was verified."""

from __future__ import annotations

import collections.abc as c
import datetime
import typing as t

from ..plugin_utils import _display
from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._age.decryption import Decryptor
from ..plugin_utils._age.encryption import Encryptor
from ..plugin_utils._directory import (
    certificate_backup,
    encryption_certificate,
    new_certificate,
    offline_changes,
    publication,
)
from ..plugin_utils._directory.ldap import Directory, connect
from ..plugin_utils._directory.new_certificate import EncryptionCertificate
from ..plugin_utils._errors import AccessManagerError, UnansweredChangeError, UnclearChangeError
from ..plugin_utils._signing.signer import Signer, refuse_without_key
from ..plugin_utils._signing.trust import OVERRIDE, Trust
from ..plugin_utils._store.high_water_mark import HighWaterMark
from ..plugin_utils._store.key_index import BackupRef, KeyIndex
from ..plugin_utils._store.manifest import CertificateDetails
from ..plugin_utils._store.store import BackupStore
from ..plugin_utils._windows import thumbprints

NEW = "new"
"""What stands for the thumbprint of a certificate that is to be made, whatever an earlier run may have left."""

Result = dict[str, t.Any]


class ActionModule(AccessManagerAction):
    changes: list[str]
    """What was changed so far."""

    encryptor: Encryptor
    decryptor: Decryptor
    now: datetime.datetime
    trust: Trust
    signer: Signer | None
    origin_trust: Trust
    """Which signer the backup of the certificate must have: this run's own, if it signs."""

    lost: list[str]
    wanted: str | None
    """The thumbprint of the certificate to publish; None for any."""

    def perform(self) -> Result:
        self.changes = list[str]()
        try:
            return self._perform()
        except AccessManagerError as exc:
            if not self.changes:
                raise
            return {
                "failed": True,
                "changed": True,
                "msg": f"{exc} This run has changed something: {', '.join(self.changes)}.",
            }

    def _perform(self) -> Result:
        self.encryptor, self.decryptor, self.now = (
            Encryptor.of(self.params),
            Decryptor.of(self.params),
            datetime.datetime.now(datetime.UTC),
        )
        self.trust, self.signer = Trust.of(self.params), Signer.of(self.params)
        self.origin_trust = self.signer.tried() if self.signer else self.trust
        self._check_options()
        backups = KeyIndex.of(self.params, self.trust)
        backups.refuse_held(self.lost, keys_lost=self.params["configuration_keys_lost"])
        with connect(self.params["server"], self.params) as directory:
            publication.refuse_without_entry(directory)
            seen = publication.read_der(directory)
            previous = publication.read(directory)
            store = BackupStore.of(self.params, self.params["host"] or directory.domain.forest, self.trust)
            result: Result = {
                "forest": directory.domain.forest,
                "previous": previous,
                "made": False,
                "verified": False,
                "files": [],
            }
            place, thumbprint = self._chosen(backups, store, previous)
            if place and previous and thumbprint == previous["thumbprint"]:
                return result | {"published": True, "certificate": previous, "backup": _backup_of(place)}
            if not place:
                refuse_without_key(self.trust, self.signer, "the backup of a new certificate")
                result |= {"made": True}
                if self.check_mode:
                    unknown = {"published": False, "certificate": None, "backup": None}
                    return result | self._change(previous, None) | unknown
                made = new_certificate.make(directory.domain.forest, self.now)
                place, thumbprint = self._backed_up(store, made), made.thumbprint
            der = self._verified(place, thumbprint, directory.domain.forest)
            certificate = encryption_certificate.description_of(der)
            result |= {"certificate": certificate, "backup": _backup_of(place), "verified": True}
            return result | self._change(previous, certificate) | self._published(directory, der, seen)

    def _check_options(self) -> None:
        offline_changes.refuse_unusable(self.params["publish_only_plan"])
        self.lost = thumbprints.parse(self.params["lost_certificates"])
        named = self.params["thumbprint"] if self.params["thumbprint"] != NEW else None
        self.wanted = thumbprints.parse([named])[0] if named else None
        if self.wanted in self.lost:
            raise AccessManagerError(
                f"The certificate {self.wanted} is to be published, and is named in lost_certificates: it can only be "
                "one of these."
            )
        if self.encryptor.encryption == "recipients" and not self.decryptor.identities:
            raise AccessManagerError(
                "A certificate is only published after its backup was decrypted: name the file of a private key that "
                "decrypts it in access_manager_identity_file."
            )

    def _chosen(
        self, backups: KeyIndex, store: BackupStore, previous: CertificateDetails | None
    ) -> tuple[BackupRef | None, str]:
        """The backup and the thumbprint of the certificate to publish; no backup when a new one has to be made."""
        if self.wanted:
            place = backups.find(self.wanted)
            if not place:
                raise AccessManagerError(self._nowhere(backups, self.wanted))
            return place, self.wanted
        if previous and previous["thumbprint"] not in self.lost:
            place = backups.find(previous["thumbprint"], preferred_host=store.host)
            if not place:
                raise AccessManagerError(
                    f"The forest publishes certificate {previous['thumbprint']} ({previous['subject']}), and no "
                    "backup holds its key. Back up the server that has it. If no server has it any more, name it in "
                    "lost_certificates."
                )
            return place, previous["thumbprint"]
        certificate_backup.refuse_folder_of_server(store)
        return (None, "") if self.params["thumbprint"] == NEW else self._left_by_an_earlier_run(backups, store)

    def _nowhere(self, backups: KeyIndex, thumbprint: str) -> str:
        """Why a certificate that was named is in no backup."""
        sentence = f"No whole backup in '{self.params['backup_root']}' holds the key of certificate {thumbprint}."
        place = backups.unaccepted(thumbprint)
        if not place:
            return sentence
        return (
            f"{sentence[:-1]} that an allowed signer signed. The backup {place.label} says that it does: if you know "
            f"where it comes from, allow it for one run with -e {OVERRIDE}=true."
        )

    def _left_by_an_earlier_run(self, backups: KeyIndex, store: BackupStore) -> tuple[BackupRef | None, str]:
        """The newest certificate of the forest's own folder, if it may be used: a run that was interrupted made it.

        Raises AccessManagerError when no signature shows that: who may write to the backups could have put it
        there.
        """
        for manifest, origin in certificate_backup.accepted(store, self.origin_trust):
            for certificate in manifest.get("certificates", []):
                thumbprint = certificate["thumbprint"]
                place = backups.find(thumbprint, preferred_host=store.host)
                if not place or thumbprint in self.lost or certificate["not_after"] <= self.now.isoformat():
                    continue
                if origin.is_verified:
                    return place, thumbprint
                raise AccessManagerError(
                    f"The backup {place.label} holds certificate {thumbprint}, which is not published. An interrupted "
                    "run may have made it, or someone else put it there: nothing shows its origin. If the output of "
                    f"your run or its plan names this thumbprint, publish it with thumbprint: {thumbprint} "
                    f"(-e recover_certificate_thumbprint={thumbprint}). Else make another one with thumbprint: {NEW}, "
                    "and see who may write to the backups."
                )
        return None, ""

    def _backed_up(self, store: BackupStore, made: EncryptionCertificate) -> BackupRef:
        allow_unmounted = self.params["allow_unmounted_root"]
        place, mark = certificate_backup.commit(
            store, self.encryptor, made, self.lost, self.now, self.signer, allow_unmounted=allow_unmounted
        )
        self.changes.append(f"certificate {made.thumbprint} was made, and is in the backup {place.label}")
        try:
            HighWaterMark(store, self.params["state_dir"]).advance(mark)
        except AccessManagerError as exc:
            _display.warn(f"A store that goes back in time would not be noticed: {exc}")
        return place

    def _verified(self, place: BackupRef, thumbprint: str, forest: str) -> bytes:
        der = certificate_backup.decrypted(place, self.decryptor, thumbprint).certificate
        refusal = encryption_certificate.problem(der, self.now)
        difference = encryption_certificate.difference(der, forest)
        if refusal or (difference and not self.wanted):
            raise AccessManagerError(f"Certificate {thumbprint} is not published: {refusal or difference}.")
        if difference:
            self.warnings.append(
                f"Certificate {thumbprint} was not made by Access Manager for this forest: {difference}. Agents and "
                "servers take it all the same, and the configuration tool does not show it."
            )
        return der

    def _published(self, directory: Directory, der: bytes, seen: bytes | None) -> Result:
        folder = self.params["publish_only_plan"]
        if folder:
            files, changed = offline_changes.write_publication(folder, directory, der, seen, check_mode=self.check_mode)
            return {"published": False, "files": files, "changed": changed}
        if not self.check_mode:
            self._publish(directory, der, seen)
        return {"published": not self.check_mode, "changed": True}

    def _publish(self, directory: Directory, der: bytes, seen: bytes | None) -> None:
        try:
            publication.publish(directory, der, seen)
        except UnansweredChangeError:
            self.changes.append("it may be published")
            raise
        except UnclearChangeError:
            self.changes.append("what the forest publishes was changed")
            raise

    def _change(self, previous: CertificateDetails | None, certificate: CertificateDetails | None) -> Result:
        new: c.Mapping[str, object] = certificate or {"thumbprint": "a new certificate"}
        return {"changed": True, "diff": {"before": _lines(previous), "after": _lines(new)}}


def _backup_of(place: BackupRef) -> Result:
    return {"host": place.store.host, "id": place.id}


def _lines(certificate: c.Mapping[str, object] | None) -> str:
    return "".join(f"{name}: {value}\n" for name, value in (certificate or {}).items())
