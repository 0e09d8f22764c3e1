# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole backups in a store, encrypted, with real archives and keys: as the modules of a backup make them, without a
server.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.encryption import Encryptor
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents import part_binding
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._signing.signer import Signer
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import manifest as manifest_module
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.inventory import (
    digest_of,
    inventory_of_server,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.partial import PartialBackup
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from cryptography.hazmat.primitives import serialization
from support.certificates import TestCertificate
from unit.opened_backups import SECRET_PATHS, bound, config_zip, files, lists, state, zipped

SECRETS = dict.fromkeys(SECRET_PATHS, "opened")


def encrypt_to(*recipients: str, passphrase: str | None = None) -> Encryptor:
    """An encryptor to these recipients, with a passphrase, or none."""
    encryption = "age" if recipients or passphrase else "none"
    return Encryptor.of({"encryption": encryption, "recipients": list(recipients), "passphrase": passphrase})


def make(
    store: BackupStore,
    backup_id: str,
    encryptor: Encryptor,
    *,
    content: Mapping[str, bytes] | None = None,
    certificates: Sequence[TestCertificate] = (),
    without_key: Sequence[TestCertificate] = (),
    secrets: Mapping[str, str] | None = None,
    problems: Sequence[str] = (),
    parts: Mapping[str, bytes] | None = None,
    signer: Signer | None = None,
    installer: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Makes and publishes a backup of this id; returns its manifest.

    secrets: SECRETS unless others are given. certificates: with their keys. installer: what the manifest says of the
    MSI. parts: other bytes for config.zip, certificates.zip or secrets.json.
    """
    secrets = SECRETS if secrets is None else secrets
    content = content if content is not None else files()
    clear = {
        "config.zip": config_zip(content),
        "certificates.zip": certificates_zip(certificates, without_key),
        "secrets.json": _secrets_json(secrets),
    } | dict(parts or {})
    inventory = inventory_of_server(state() | {"records": _records(lists(content))}, include_database=False)
    open_as(store, backup_id)
    manifests: dict[str, dict[str, Any]] = {
        "config": _config_details(content, installer),
        "certificates": {"certificates": [*map(_with_key, certificates), *map(_without_key, without_key)]},
        "secrets": {"secrets": list(map(reported_secret, secrets))},
    }
    for part, name in (("config", "config.zip"), ("certificates", "certificates.zip"), ("secrets", "secrets.json")):
        data = bound(clear[name], part_binding.make(PartialBackup(store, backup_id), part))
        artifact = PartialBackup(store, backup_id).write(
            name + encryptor.suffix, lambda file, data=data: encryptor.write(io.BytesIO(data), file)
        )
        record = {
            "artifact": artifact | {"encryption": encryptor.encryption, "recipients": list(encryptor.recipients)},
            "problems": list(problems) if part == "config" else [],
            "manifest": manifests[part],
            "inventory": {},
        }
        PartialBackup(store, backup_id).save_record(part, record)
    previous_id, previous = store.newest() or (None, None)
    manifest = manifest_module.build(
        backup_id=backup_id,
        host=store.host,
        created=f"{datetime.strptime(backup_id, '%Y%m%dT%H%M%SZ').isoformat()}Z",
        collection_version="1.0.0",
        previous=previous,
        previous_id=previous_id,
        nonce_sha256=hashlib.sha256(PartialBackup(store, backup_id).nonce()).hexdigest(),
        records=PartialBackup(store, backup_id).records(),
        content_digest=digest_of(inventory),
        inventory=inventory,
    )
    PartialBackup(store, backup_id).publish(manifest, signer)
    return manifest


def _secrets_json(secrets: Mapping[str, str]) -> bytes:
    return json.dumps({path: {"mode": 1, "value": value} for path, value in secrets.items()}).encode()


def _config_details(content: Mapping[str, bytes], installer: Mapping[str, str] | None) -> dict[str, Any]:
    details = {
        "access_manager_version": state()["installation"]["version"],
        "files": len(content),
        "bytes": sum(map(len, content.values())),
        "stopped": False,
        "downtime_ms": 0,
    }
    return details | ({"installer": dict(installer)} if installer else {})


def _with_key(certificate: TestCertificate) -> dict[str, Any]:
    return _reported(certificate, True)


def _without_key(certificate: TestCertificate) -> dict[str, Any]:
    return _reported(certificate, False)


def open_as(store: BackupStore, backup_id: str) -> None:
    """Opens a backup under this id, whenever that was."""
    store.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    (store.folder / f".partial-{PartialBackup.begin(store).id}").rename(store.folder / f".partial-{backup_id}")


def certificates_zip(with_key: Sequence[TestCertificate], without_key: Sequence[TestCertificate] = ()) -> bytes:
    """A certificates.zip as certificate_export makes it."""
    entries = {
        f"{one.thumbprint}.cer": one.certificate.public_bytes(serialization.Encoding.DER)
        for one in [*with_key, *without_key]
    }
    entries |= {f"{one.thumbprint}.pfx": one.pfx for one in with_key}
    return zipped(
        entries | {"passwords.json": json.dumps({one.thumbprint: one.pfx_password for one in with_key}).encode()}
    )


def reported_secret(path: str, mode: int = 1, *, exported: bool = True) -> dict[str, Any]:
    """What a manifest says of a secret that Access Manager uses."""
    return {"path": path, "mode": mode, "exported": exported, "needed": True, "decryptable_by": [], "certificate": ""}


def _reported(one: TestCertificate, exported: bool) -> dict[str, Any]:
    dates = (one.certificate.not_valid_before_utc, one.certificate.not_valid_after_utc)
    not_before, not_after = (f"{date:%Y-%m-%dT%H:%M:%S}.0000000Z" for date in dates)
    subject = one.certificate.subject.rfc4514_string()
    return {
        "thumbprint": one.thumbprint,
        "subject": subject,
        "not_before": not_before,
        "not_after": not_after,
        "exported": exported,
    }


def _records(listed: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The files and folders of files.json, as a server describes them."""
    described = [record | {"kind": "file", "name": record["path"]} for record in listed["files"]]
    return described + [record | {"kind": "folder", "name": record["path"].rstrip("/")} for record in listed["folders"]]
