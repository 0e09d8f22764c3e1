# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches a backup, or what lies beside backups, from a bucket into a folder of the controller, where every module can
use it.

Who may write to the bucket can hide objects and cover them with others: of each object, the version is taken that
its record names by its SHA-256, and of the record the one that an allowed signer has signed.
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
from .._store.folder import Folder, explained, sync
from .._store.manifest import ArtifactRecord
from .._store.store import BackupStore, is_in_future
from .._text import printable
from .bucket import Bucket, Version
from .copied_folder import label_of
from .kinds import BACKUPS, Kind, make_all
from .s3 import versions_by_key

LATEST = "latest"
_MOST_VERSIONS = 20
"""How many versions of one object are tried, the oldest first."""

_URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/(?P<prefix>.*))?")


@dataclasses.dataclass(frozen=True)
class Fetched:
    """What lies in a store now. C(warnings): what was done to its copy."""

    name: str
    bytes: int
    origin: Origin
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _Signed:
    artifacts: c.Sequence[ArtifactRecord]
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
    start = _start(prefix, store, BACKUPS)
    found = _by_name(bucket, start, BACKUPS)
    if not found:
        raise AccessManagerError(
            f"There is no copy of a backup of {store.host} in the bucket '{bucket.name}' below '{start}'."
        )
    refused = []
    for backup_id in _candidates(found, wanted):
        try:
            return _Fetch(bucket, store, BACKUPS, backup_id, found[backup_id], complete=wanted == LATEST).run()
        except AccessManagerError as exc:
            refused.append(f"{backup_id}: {exc}")
    which = f"the backup '{wanted}'" if wanted != LATEST else "a complete backup"
    raise AccessManagerError(
        f"The bucket '{bucket.name}' has no usable copy of {which} of {store.host}. {' '.join(refused)}"
    )


def fetch_beside(bucket: Bucket, prefix: str, kind: Kind, store: BackupStore) -> tuple[list[Fetched], list[str]]:
    """Fetches all of a kind that the store does not have. Returns what was fetched, and a sentence for each other one.

    Raises AccessManagerError when the bucket holds some, and none of them is usable.
    """
    found, fetched, refused = _by_name(bucket, _start(prefix, store, kind), kind), [], list[str]()
    here = kind.names(store)
    for name in sorted(found.keys() - {*here}):
        try:
            fetched.append(_Fetch(bucket, store, kind, name, found[name]).run())
        except AccessManagerError as exc:
            refused.append(f"{label_of(store, kind, name)} is not fetched: {exc}")
    if refused and not (fetched or here):
        raise AccessManagerError(
            f"The bucket '{bucket.name}' has no usable copy of the {kind.noun}s of {store.host}: {' '.join(refused)}"
        )
    return fetched, refused


def _start(prefix: str, store: BackupStore, kind: Kind) -> str:
    """How the keys of all of a kind begin."""
    return "".join(f"{part}/" for part in (prefix, store.host, kind.folder) if part)


def _candidates(found: c.Iterable[str], wanted: str) -> list[str]:
    if wanted != LATEST:
        return [backup_id for backup_id in found if backup_id == wanted]
    now = datetime.datetime.now(datetime.UTC)
    return sorted((backup_id for backup_id in found if not is_in_future(backup_id, now)), reverse=True)


def _by_name(bucket: Bucket, start: str, kind: Kind) -> dict[str, dict[str, list[Version]]]:
    """The versions of each file, the oldest first, by the name of its folder and its own."""
    found: dict[str, dict[str, list[Version]]] = {}
    for key, entries in versions_by_key(bucket, start).items():
        name, slash, file = key.removeprefix(start).partition("/")
        if slash and kind.is_name(name):
            found.setdefault(name, {})[file] = sorted(entries, key=lambda one: one.written)
    return found


@dataclasses.dataclass
class _Fetch:
    bucket: Bucket
    store: BackupStore
    kind: Kind
    name: str
    files: dict[str, list[Version]]
    complete: bool = False
    warnings: list[str] = dataclasses.field(default_factory=list)

    def run(self) -> Fetched:
        signed = self._signed()
        if self.complete and self.store.parsed_manifest(self.name, signed.data)["status"] != COMPLETE:
            raise AccessManagerError("it is incomplete.")
        size = self._write(signed)
        return Fetched(self.name, size, signed.origin, tuple(self.warnings))

    def _signed(self) -> _Signed:
        """The record that this run accepts, the oldest first. Raises AccessManagerError when there is none."""
        reasons: list[str] = []
        for version in self._versions(self.kind.record, self.kind.limit):
            data = self._read(version)
            try:
                artifacts = self.kind.artifacts_of(self.store, self.name, data)
            except AccessManagerError as exc:
                reasons.append(str(exc))
                continue
            for signature in self._signatures():
                origin = self.store.trust.origin_of(data, signature, f"{self.name}/{self.kind.record}")
                if self.store.trust.accepts(origin):
                    self._note(self.kind.record, version)
                    return _Signed(artifacts, data, signature, origin)
                reasons.append(origin.problem)
        raise AccessManagerError(" ".join(dict.fromkeys(reasons)) or f"it has no {self.kind.record}.")

    def _signatures(self) -> list[bytes | None]:
        versions = self._versions(self.kind.signature, LARGEST_SIGNATURE)
        return [self._read(version) for version in versions] or [None]

    def _write(self, signed: _Signed) -> int:
        """Writes all of it under another name, and then gives it its own. Returns its bytes."""
        unfinished, place = f".fetching-{self.name}", self.store.folder / self.kind.place(self.name)
        with explained(place), self.store.opened_root() as root, make_all(root, self._above) as above:
            if above.has(unfinished):
                above.remove_tree(unfinished)
            with above.new_subfolder(unfinished) as folder:
                for record in signed.artifacts:
                    self._download(folder, record["name"], record["size"], record["sha256"])
                if signed.signature is not None:
                    folder.replace_file(self.kind.signature, signed.signature)
                folder.replace_file(self.kind.record, signed.data)
            above.rename(unfinished, self.name)
        return len(signed.data) + sum(record["size"] for record in signed.artifacts)

    @property
    def _above(self) -> str:
        """The folder in which it is to lie, below the root."""
        return f"{self.store.host}/{self.kind.folder}"

    def _download(self, folder: Folder, name: str, size: int, sha256: str) -> None:
        """Writes the version of an artifact that the record names."""
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
        raise AccessManagerError(f"no version of '{name}' is what its {self.kind.record} says.")

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
                f"'{printable(name)}' of the {self.kind.noun} {self.name} was deleted or written over in the bucket "
                f"'{self.bucket.name}': the version was used that its {self.kind.record} names. Find out who holds a "
                "key of the bucket."
            )
