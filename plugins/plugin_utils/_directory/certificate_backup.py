# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a forest's certificates alone, in a folder of the forest's name: made, decrypted and verified."""

from __future__ import annotations

import collections.abc as c
import datetime
import json

from .._age.decryption import Decryptor
from .._age.encryption import Encryptor
from .._contents import part_binding
from .._contents.keys import Certificate, read_certificates
from .._contents.names import PASSWORDS
from .._contents.part_binding import PartReader
from .._contents.source import select
from .._contents.zip_writer import ChunkReader, Entry, zip_chunks
from .._errors import AccessManagerError
from .._signing.signer import Signer
from .._signing.trust import Origin, Trust
from .._store import manifest
from .._store.high_water_mark import Mark
from .._store.inventory import inventory_of_certificates
from .._store.key_index import BackupRef
from .._store.manifest import CERTIFICATES_ALONE, PARTS, Manifest, PartRecord
from .._store.partial import PartialBackup, refuse_unusable_root
from .._store.store import BackupStore
from .encryption_certificate import description_of
from .new_certificate import EncryptionCertificate

_PART = "certificates"


def accepted(store: BackupStore, trust: Trust) -> c.Iterator[tuple[Manifest, Origin]]:
    """The backups of a folder that are accepted, newest first, each with what C(trust) says of its origin."""
    for backup_id in reversed(store.ids()):
        data = store.manifest_bytes(backup_id)
        found = store.parsed_manifest(backup_id, data)
        if store.trust.accepts(store.origin(backup_id, data)):
            yield found, store.origin(backup_id, data, trust)


def refuse_folder_of_server(store: BackupStore) -> None:
    """Raises AccessManagerError when the folder holds backups of a server, among which this one would be the newest."""
    for found, _origin in accepted(store, store.trust):
        if not manifest.holds_certificates_alone(found):
            raise AccessManagerError(
                f"'{store.folder}' holds backups of a server: a forest's certificates are kept in a folder of their "
                "own. Give another host."
            )


def commit(
    store: BackupStore,
    encryptor: Encryptor,
    certificate: EncryptionCertificate,
    replaces: c.Sequence[str],
    now: datetime.datetime,
    signer: Signer | None = None,
    *,
    allow_unmounted: bool = False,
) -> tuple[BackupRef, Mark]:
    """Encrypts a new certificate with its key, and publishes the backup of it.

    C(replaces): the thumbprints of lost ones.
    """
    refuse_folder_of_server(store)
    refuse_unusable_root(store, len(certificate.pfx), allow_unmounted=allow_unmounted)
    backup = PartialBackup.begin(store)
    try:
        _write(backup, encryptor, certificate, replaces, now)
        made = backup.manifest(backup.records((_PART,)), now)
        backup.publish(made, signer)
    except BaseException:
        backup.discard()
        raise
    return BackupRef(store, backup.id), Mark.of(made, manifest.to_bytes(made))


def decrypted(place: BackupRef, decryptor: Decryptor, thumbprint: str) -> Certificate:
    """A certificate from a backup, decrypted as it lies on the disk, with its key verified.

    Raises AccessManagerError when it is not decrypted, or the key is not there or not the certificate's.
    """
    source = select(place.store, place.id, certificates_alone=True)
    held = read_certificates(PartReader(source, decryptor).read(_PART)).get(thumbprint)
    if held is None or held.pfx is None:
        raise AccessManagerError(f"The backup {place.label} does not hold the private key of certificate {thumbprint}.")
    return held


def _write(
    backup: PartialBackup,
    encryptor: Encryptor,
    certificate: EncryptionCertificate,
    replaces: c.Sequence[str],
    now: datetime.datetime,
) -> None:
    bound = part_binding.entry(part_binding.make(backup, _PART))
    clear = ChunkReader(zip_chunks([bound, *_entries(certificate, now)]))
    artifact = backup.write(f"{PARTS[_PART]}{encryptor.suffix}", lambda encrypted: encryptor.write(clear, encrypted))
    key = {"present": True, "exportable": True}
    record: PartRecord = {
        "artifact": {**artifact, "encryption": encryptor.encryption, "recipients": list(encryptor.recipients)},
        "problems": [],
        "manifest": {
            "kind": CERTIFICATES_ALONE,
            "certificates": [{**description_of(certificate.der), "exported": True}],
            "replaces": list(replaces),
        },
        "inventory": inventory_of_certificates([{"thumbprint": certificate.thumbprint, "store": "", "key": key}]),
    }
    backup.save_record(_PART, record)


def _entries(certificate: EncryptionCertificate, now: datetime.datetime) -> list[Entry]:
    passwords = json.dumps({certificate.thumbprint: certificate.password}, indent=1).encode()
    contents = {
        f"{certificate.thumbprint}.cer": certificate.der,
        f"{certificate.thumbprint}.pfx": certificate.pfx,
        PASSWORDS: passwords,
    }
    return [Entry(name, now, [data]) for name, data in contents.items()]
