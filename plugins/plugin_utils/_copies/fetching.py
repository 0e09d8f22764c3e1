# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches a backup, or what lies beside backups, from a bucket into a folder of the controller, where every module can
use it.

Who may write to the bucket can hide objects, cover them with others, and write others before they are there: of each
object, the version is taken that its record names by its SHA-256, and of the record the one that an allowed signer has
signed. What the server refuses for one version, such as one that another key encrypts, keeps nobody from the rest.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
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
from .bucket import Bucket, RefusedError, Version
from .copied_folder import label_of
from .copied_kinds import BACKUPS, Kind, make_all
from .s3 import MOST_VERSIONS, covered_warning, versions_by_key

LATEST = "latest"
_USUAL = 1024 * 1024
"""As large are records at most but for very large servers: smaller ones are tried first."""

_MOST_SIGNATURES = 50
"""How many signatures are tried for a record: those that were written nearest to it."""

_SHOWN = 3

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


class _UnusableError(AccessManagerError):
    """The copy of a folder is not what it should be: that of another one may be."""


def fetch(bucket: Bucket, prefix: str, wanted: str, store: BackupStore) -> Fetched:
    """Fetches a backup of the store's host into the store, which decides by its trust what is accepted.

    C(wanted): C(latest) for the newest complete one, or an id. Raises AccessManagerError when there is none, when no
    version of one of its files is what its manifest says, or when the bucket does not answer any more.
    """
    start = _start(prefix, store, BACKUPS)
    below = start if wanted == LATEST else f"{start}{wanted}/"
    found = _by_name(bucket, start, BACKUPS, below)
    if not found:
        raise AccessManagerError(
            f"There is no copy of a backup of {store.host} in the bucket '{bucket.name}' below '{below}'."
        )
    refused: list[str] = []
    for backup_id in _candidates(found, wanted):
        try:
            fetched = _Fetch(bucket, store, BACKUPS, backup_id, found[backup_id], complete=wanted == LATEST).run()
        except _UnusableError as exc:
            refused.append(f"{backup_id}: {exc}")
        else:
            return dataclasses.replace(fetched, warnings=(*_passed_over(refused, fetched.name), *fetched.warnings))
    which = f"the backup '{wanted}'" if wanted != LATEST else "a complete backup"
    raise AccessManagerError(
        f"The bucket '{bucket.name}' has no usable copy of {which} of {store.host}. {' '.join(refused)}"
    )


def _passed_over(refused: list[str], taken: str) -> c.Iterator[str]:
    """What is said of newer copies that were not taken."""
    if refused:
        more = f" And {len(refused) - _SHOWN} more." if len(refused) > _SHOWN else ""
        yield f"The backup {taken} is not the newest one in the bucket. {' '.join(refused[:_SHOWN])}{more}"


def fetch_beside(bucket: Bucket, prefix: str, kind: Kind, store: BackupStore) -> tuple[list[Fetched], list[str]]:
    """Fetches all of a kind that the store does not have. Returns what was fetched, and a sentence for each other one.

    Raises AccessManagerError when the bucket holds some, and none of them is usable.
    """
    found, fetched, refused = _by_name(bucket, _start(prefix, store, kind), kind), [], list[str]()
    here = kind.names(store)
    for name in sorted(found.keys() - {*here}):
        try:
            fetched.append(_Fetch(bucket, store, kind, name, found[name]).run())
        except _UnusableError as exc:
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


def _by_name(bucket: Bucket, start: str, kind: Kind, below: str = "") -> dict[str, dict[str, list[Version]]]:
    """The versions of each file, the oldest first, by the name of its folder and its own. C(below): of a part alone."""
    found: dict[str, dict[str, list[Version]]] = {}
    for key, entries in versions_by_key(bucket, below or start).items():
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
    signatures: dict[str, bytes | None] = dataclasses.field(default_factory=dict)

    def run(self) -> Fetched:
        signed = self._signed()
        if self.complete and self.store.parsed_manifest(self.name, signed.data)["status"] != COMPLETE:
            raise _UnusableError("it is incomplete.")
        size = self._write(signed)
        return Fetched(self.name, size, signed.origin, tuple(self.warnings))

    def _signed(self) -> _Signed:
        """The record that this run accepts, the oldest first. Raises _UnusableError when there is none."""
        reasons: list[str] = []
        for version in self._versions(self.kind.record, self.kind.limit):
            try:
                data = self._read(version)
            except RefusedError as exc:
                reasons.append(str(exc))
                continue
            try:
                artifacts = self.kind.artifacts_of(self.store, self.name, data)
            except AccessManagerError as exc:
                reasons.append(str(exc))
                continue
            for signature in self._signatures(version):
                origin = self.store.trust.origin_of(data, signature, f"{self.name}/{self.kind.record}")
                if self.store.trust.accepts(origin):
                    self._note(self.kind.record, version)
                    return _Signed(artifacts, data, signature, origin)
                reasons.append(origin.problem)
        raise _UnusableError(" ".join(list(dict.fromkeys(reasons))[:_SHOWN]) or f"it has no {self.kind.record}.")

    def _signatures(self, record: Version) -> c.Iterator[bytes | None]:
        """Those that may be of a version of the record, with which its own was written; None when there is none."""
        versions = self._versions(self.kind.signature, LARGEST_SIGNATURE)
        found = False
        for version in sorted(versions, key=lambda one: abs(one.written - record.written))[:_MOST_SIGNATURES]:
            if (signature := self._signature(version)) is not None:
                found = True
                yield signature
        if not found:
            yield None

    def _signature(self, version: Version) -> bytes | None:
        """The bytes of a version of the signature, read once; None when the server refuses it."""
        if version.id not in self.signatures:
            self.signatures[version.id] = None
            with contextlib.suppress(RefusedError):
                self.signatures[version.id] = self._read(version)
        return self.signatures[version.id]

    def _write(self, signed: _Signed) -> int:
        """Writes all of it under another name, and then gives it its own. Returns its bytes."""
        unfinished, place = f".fetching-{self.name}", self.store.folder / self.kind.place(self.name)
        with explained(place), self.store.opened_root() as root, make_all(root, self._above) as above:
            above.lock()  # two runs must not write one unfinished folder
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
        versions = [one for one in self.files.get(name, []) if one.size == size <= LARGEST]
        for version in versions[:MOST_VERSIONS]:
            with contextlib.suppress(RefusedError):
                if self.bucket.sha256(version) in (sha256, None) and self._written(folder, name, version) == sha256:
                    self._note(name, version)
                    return
            if folder.has(name):
                folder.remove_file(name)
        raise _UnusableError(f"no version of '{name}' is what its {self.kind.record} says.")

    def _written(self, folder: Folder, name: str, version: Version) -> str:
        """Writes a version into a file, and returns its SHA-256."""
        with folder.create_file(name) as target:
            self.bucket.read(version, target)
            sync(target)
            target.seek(0)
            return hashlib.file_digest(target, "sha256").hexdigest()

    def _versions(self, name: str, largest: int) -> list[Version]:
        versions = [one for one in self.files.get(name, []) if one.size <= largest]
        return sorted(versions, key=lambda one: one.size > _USUAL)[:MOST_VERSIONS]

    def _read(self, version: Version) -> bytes:
        target = io.BytesIO()
        self.bucket.read(version, target)
        return target.getvalue()

    def _note(self, name: str, version: Version) -> None:
        """Warns of a file that a reader who names no version would not have found."""
        if not version.latest:
            label = label_of(self.store, self.kind, self.name)
            self.warnings.append(covered_warning(name, label, self.bucket.name))
