# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is verified of a decrypted backup: that everything in it is what its manifest says, and that its keys are the
certificates'.
"""

from __future__ import annotations

import collections.abc as c
import typing as t

from .._age.decryption import Decryptor
from .._ams.shapes import InventoriedServer, Item, Link
from .._contents.configuration import Configuration
from .._contents.file_list import FolderRecord
from .._contents.keys import read_certificate, read_passwords, read_secret_records, thumbprints_in
from .._contents.part_binding import PartReader
from .._contents.source import source_of
from .._contents.zip_reader import Archive
from .._errors import AccessManagerError
from .._statuses import COMPLETE
from .._store.inventory import inventory_of_server
from .._store.manifest import PARTS, Manifest
from .._store.store import BackupStore
from .._windows import pfx

_CERTIFICATES = "certificates/"
_DATABASE = "state/database"


def problems(store: BackupStore, backup_id: str, sha256: str, decryptor: Decryptor) -> list[str]:
    """Decrypts each part of a backup in memory and verifies what is in it. Returns a sentence for each thing that is
    wrong.

    C(sha256): of its manifest, as it was verified.
    """
    try:
        manifest = store.parsed_manifest(backup_id, store.manifest_bytes(backup_id, sha256))
        source = source_of(store, manifest)
    except AccessManagerError as exc:
        return [str(exc)]
    found: list[str] = []
    parts = PartReader(source, decryptor)
    for part, problems_of in _PROOFS.items():
        if part in source.parts:
            try:
                found += problems_of(parts.read(part), manifest)
            except AccessManagerError as exc:
                found.append(str(exc))
    return found


def _configuration(data: bytes, manifest: Manifest) -> c.Iterator[str]:
    configuration = Configuration(data)
    sizes = [record["size"] for record in configuration.files.values()]
    for what, expected, there in (
        ("files", manifest.get("files"), len(sizes)),
        ("bytes", manifest.get("bytes"), sum(sizes)),
    ):
        if expected != there:
            yield f"The manifest says that {PARTS['config']} holds {expected} {what}; it holds {there}."
    yield from _inventory(configuration, manifest)
    recorded_secrets = {secret["path"].lower() for secret in manifest.get("secrets", [])}
    for secret in configuration.secrets:
        if secret.path.lower() not in recorded_secrets:
            yield f"{secret.file} has a secret {secret.path}, of which the backup knows nothing."


def _inventory(configuration: Configuration, manifest: Manifest) -> c.Iterator[str]:
    """Whether the manifest's fingerprints are of this content. Those of keys and of the database's option are not."""
    described = configuration.described
    version = described["installation"]["version"]
    server: InventoriedServer = {
        "installation": described["installation"],
        "state": described["state"],
        "records": _records(configuration),
    }
    there = inventory_of_server(server, include_database=False)
    if manifest.get("access_manager_version") != version:
        yield (
            f"The manifest is of Access Manager {manifest.get('access_manager_version')}; {PARTS['config']} is of "
            f"{version}."
        )
    expected = {
        name: mark
        for name, mark in manifest["inventory"].items()
        if not name.startswith(_CERTIFICATES) and name != _DATABASE
    }
    there.pop(_DATABASE)
    differing = sorted(name for name in expected.keys() | there.keys() if expected.get(name) != there.get(name))
    if differing:
        yield f"The inventory in the manifest is of something else than {PARTS['config']} holds: {_some(differing)}."


def _records(configuration: Configuration) -> list[Link | Item]:
    """The files and folders as a server describes them, where a folder's name has no slash at its end."""
    records: list[Link | Item] = [
        _item("file", record) | {"sha256": record["sha256"]} for record in configuration.files.values()
    ]
    return records + [_item("folder", record) for record in configuration.folders.values()]


def _item(kind: t.Literal["file", "folder"], record: FolderRecord) -> Item:
    return {
        "name": record["path"].removesuffix("/"),
        "path": record["source"],
        "kind": kind,
        "size": 0,
        "created": record["created"],
        "modified": record["modified"],
        "attributes": record["attributes"],
        "sddl": record["sddl"],
    }


def _certificates(data: bytes, manifest: Manifest) -> c.Iterator[str]:
    archive = Archive(data, PARTS["certificates"])
    passwords = read_passwords(archive)
    expected = {certificate["thumbprint"]: certificate for certificate in manifest.get("certificates", [])}
    exported = {thumbprint: certificate["exported"] for thumbprint, certificate in expected.items()}
    there = {}
    for thumbprint in thumbprints_in(archive):
        there[thumbprint] = f"{thumbprint}.pfx" in archive.names
        try:
            certificate = read_certificate(archive, passwords, thumbprint)
            differing = pfx.differences(certificate.certificate, expected[thumbprint]) if thumbprint in expected else ()
            for key in differing:
                yield f"The manifest has another {key} of certificate {thumbprint} than the certificate."
        except AccessManagerError as exc:
            yield str(exc)
    for thumbprint in sorted(expected.keys() | there.keys()):
        if thumbprint not in expected:
            yield f"{PARTS['certificates']} holds certificate {thumbprint}, which the manifest does not name."
        elif exported[thumbprint] and not there.get(thumbprint):
            yield (
                f"The private key of certificate {thumbprint} is not in {PARTS['certificates']}, though the manifest "
                "says so."
            )
        elif there.get(thumbprint) and not exported[thumbprint]:
            yield (
                f"The private key of certificate {thumbprint} is in {PARTS['certificates']}, though the manifest "
                "denies it."
            )


def _secrets(data: bytes, manifest: Manifest) -> c.Iterator[str]:
    records = read_secret_records(data)
    there = {path for path, record in records.items() if isinstance(record.get("value"), str)}
    expected = {secret["path"]: secret for secret in manifest.get("secrets", [])}
    for path in sorted(expected.keys() | records.keys()):
        if path not in expected:
            yield f"{PARTS['secrets']} holds a secret {path}, which the manifest does not name."
        elif expected[path]["exported"] and path not in there:
            yield f"{PARTS['secrets']} holds no value of {path}, though the manifest says so."
        elif path in there and not expected[path]["exported"]:
            yield f"{PARTS['secrets']} holds a value of {path}, though the manifest says that it does not."
        elif path in records and expected[path].get("mode") != records[path].get("mode"):
            yield f"The manifest has another mode of {path} than {PARTS['secrets']}."
        elif path not in there and expected[path]["needed"] and manifest["status"] == COMPLETE:
            yield f"{PARTS['secrets']} holds no value of {path}, though the manifest says that the backup is complete."


def _some(names: list[str], most: int = 5) -> str:
    """Some names of a list, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


_PROOFS: dict[str, c.Callable[[bytes, Manifest], c.Iterator[str]]] = {
    "config": _configuration,
    "certificates": _certificates,
    "secrets": _secrets,
}
