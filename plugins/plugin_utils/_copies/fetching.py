# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches a backup from a bucket into a folder of the controller, where every module can use it.

Who may write to the bucket can hide objects and cover them with others: of each object, the version is taken that
the manifest names by its SHA-256, and of the manifest the one that an allowed signer has signed.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import datetime
import hashlib
import io
import re

from .._age.decryption import LARGEST
from .._errors import AccessManagerError
from .._signing.signature import LARGEST as LARGEST_SIGNATURE
from .._signing.trust import Origin
from .._statuses import COMPLETE
from .._store import manifest as manifest_module
from .._store.folder import Folder, explained, sync
from .._store.manifest import Manifest
from .._store.store import BackupStore, is_id, is_in_future
from .._text import printable
from .bucket import Bucket, Version
from .s3 import versions_by_key

LATEST = "latest"
_MOST_VERSIONS = 20
"""How many versions of one object are tried, the oldest first."""

_URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/(?P<prefix>.*))?")


@dataclasses.dataclass(frozen=True)
class Fetched:
    """A backup that lies in a store now. C(warnings): what was done to its copy."""

    id: str
    bytes: int
    origin: Origin
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _Signed:
    manifest: Manifest
    data: bytes
    signature: bytes | None
    origin: Origin


def location_of(url: str) -> tuple[str, str]:
    """The bucket and the prefix of C(s3://BUCKET/PREFIX). Raises AccessManagerError when it is no such address."""
    match = _URL.fullmatch(url)
    if not match:
        raise AccessManagerError(f"'{url}' is not the address of copies: give s3://BUCKET or s3://BUCKET/PREFIX.")
    return match["bucket"], (match["prefix"] or "").strip("/")


def fetch(bucket: Bucket, prefix: str, wanted: str, store: BackupStore) -> Fetched:
    """Fetches a backup of the store's host into the store, which decides by its trust what is accepted.

    C(wanted): C(latest) for the newest complete one, or an id. Raises AccessManagerError when there is none, or when
    no version of one of its files is what its manifest says.
    """
    start = f"{prefix}/{store.host}/" if prefix else f"{store.host}/"
    found = _by_backup(versions_by_key(bucket, start), start)
    if not found:
        raise AccessManagerError(
            f"There is no copy of a backup of {store.host} in the bucket '{bucket.name}' below '{start}'."
        )
    refused = []
    for backup_id in _candidates(found, wanted):
        try:
            return _Fetch(bucket, store, backup_id, found[backup_id], wanted).run()
        except AccessManagerError as exc:
            refused.append(f"{backup_id}: {exc}")
    which = f"the backup '{wanted}'" if wanted != LATEST else "a complete backup"
    raise AccessManagerError(
        f"The bucket '{bucket.name}' has no usable copy of {which} of {store.host}. {' '.join(refused)}"
    )


def _candidates(found: c.Iterable[str], wanted: str) -> list[str]:
    if wanted != LATEST:
        return [backup_id for backup_id in found if backup_id == wanted]
    now = datetime.datetime.now(datetime.UTC)
    return sorted((backup_id for backup_id in found if not is_in_future(backup_id, now)), reverse=True)


def _by_backup(versions: dict[str, list[Version]], start: str) -> dict[str, dict[str, list[Version]]]:
    """The versions of each file, the oldest first, by the id of its backup and its name."""
    found: dict[str, dict[str, list[Version]]] = {}
    for key, entries in versions.items():
        backup_id, slash, name = key.removeprefix(start).partition("/")
        if slash and is_id(backup_id):
            found.setdefault(backup_id, {})[name] = sorted(entries, key=lambda one: one.written)
    return found


@dataclasses.dataclass
class _Fetch:
    bucket: Bucket
    store: BackupStore
    id: str
    files: dict[str, list[Version]]
    wanted: str
    warnings: list[str] = dataclasses.field(default_factory=list)

    def run(self) -> Fetched:
        signed = self._signed()
        if self.wanted == LATEST and signed.manifest["status"] != COMPLETE:
            raise AccessManagerError("it is incomplete.")
        size = self._write(signed)
        return Fetched(self.id, size, signed.origin, tuple(self.warnings))

    def _signed(self) -> _Signed:
        """The manifest that this run accepts, the oldest first. Raises AccessManagerError when there is none."""
        reasons: list[str] = []
        for version in self._versions(manifest_module.NAME, manifest_module.SIZE_LIMIT):
            data = self._read(version)
            try:
                manifest = self.store.parsed_manifest(self.id, data)
            except AccessManagerError as exc:
                reasons.append(str(exc))
                continue
            for signature in self._signatures():
                origin = self.store.trust.origin_of(data, signature, f"{self.id}/{manifest_module.NAME}")
                if self.store.trust.accepts(origin):
                    self._note(manifest_module.NAME, version)
                    return _Signed(manifest, data, signature, origin)
                reasons.append(origin.problem)
        raise AccessManagerError(" ".join(dict.fromkeys(reasons)) or "it has no manifest.")

    def _signatures(self) -> list[bytes | None]:
        versions = self._versions(manifest_module.SIGNATURE, LARGEST_SIGNATURE)
        return [self._read(version) for version in versions] or [None]

    def _write(self, signed: _Signed) -> int:
        """Writes the backup under its name when all of it is there. Returns its bytes."""
        unfinished = f".fetching-{self.id}"
        with (
            self.store.opened_root() as root,
            explained(self.store.folder),
            root.make_subfolder(self.store.host) as host,
        ):
            if host.has(unfinished):
                host.remove_tree(unfinished)
            with host.new_subfolder(unfinished) as folder:
                for record in signed.manifest["artifacts"]:
                    self._download(folder, record["name"], record["size"], record["sha256"])
                if signed.signature is not None:
                    folder.replace_file(manifest_module.SIGNATURE, signed.signature)
                folder.replace_file(manifest_module.NAME, signed.data)
            host.rename(unfinished, self.id)
        return len(signed.data) + sum(int(record["size"]) for record in signed.manifest["artifacts"])

    def _download(self, folder: Folder, name: str, size: int, sha256: str) -> None:
        """Writes the version of an artifact that its manifest names."""
        for version in self._versions(name, LARGEST):
            if version.size != size or self.bucket.sha256(version) not in (sha256, None):
                continue
            with folder.create_file(name) as target:
                self.bucket.read(version, target)
                sync(target)
                target.seek(0)
                digest = hashlib.file_digest(target, "sha256").hexdigest()
            if digest == sha256:
                self._note(name, version)
                return
            folder.remove_file(name)
        raise AccessManagerError(f"no version of '{name}' is what its manifest says.")

    def _versions(self, name: str, largest: int) -> list[Version]:
        return [one for one in self.files.get(name, []) if one.size <= largest][:_MOST_VERSIONS]

    def _read(self, version: Version) -> bytes:
        target = io.BytesIO()
        self.bucket.read(version, target)
        return target.getvalue()

    def _note(self, name: str, version: Version) -> None:
        """Warns of a file that a reader who names no version would not have found."""
        if not version.latest:
            self.warnings.append(
                f"'{printable(name)}' of the backup {self.id} was deleted or written over in the bucket "
                f"'{self.bucket.name}': the version was used that its manifest names. Find out who holds a key of it."
            )
