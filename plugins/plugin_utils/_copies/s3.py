# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy in an S3 bucket with object lock, which nobody can delete before its time, the keys of this controller
included.

Each file is one object, C(PREFIX/HOST/PLACE/NAME). The server itself verifies what arrives against the SHA-256 of the
record, and answers for it later without a download.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import datetime

from .._errors import AccessManagerError
from .._text import printable
from .bucket import Bucket, DeniedError, ObjectTakenError, RefusedError, Version
from .copied_folder import CopiedFile, CopiedFolder, Verified

MARKER = "lithnet.access_manager.txt"
"""The object that says whose a prefix is."""

_MARKER_TEXT = b"Copies of backups of Lithnet Access Manager, made by the Ansible collection lithnet.access_manager.\n"
MOST_VERSIONS = 1000
"""How many versions of one object are looked at, the oldest first. Who may write makes as many as he likes."""


@dataclasses.dataclass
class S3Destination:
    """C(lock_days): for how long each object is locked in COMPLIANCE mode; None leaves that to the bucket's default.

    C(copied): the places, by host, of what was copied already: for a key that may not list.
    """

    name: str
    bucket: Bucket
    prefix: str
    lock_days: int | None
    require_lock: bool
    copied: c.Callable[[str], c.Container[str]]
    _listed: dict[str, dict[str, list[Version]] | None] = dataclasses.field(default_factory=dict)

    def prepare(self) -> list[str]:
        """Raises AccessManagerError when the bucket cannot be used, has no object lock, or holds other things.

        Returns what a user should know besides.
        """
        warnings = list(self._lock_warnings())
        self._claim()
        return warnings

    def holds(self, folder: CopiedFolder) -> bool:
        """Whether each file is there in any version: of what was copied before, with its size, as one listing says; of
        all else with its SHA-256."""
        is_copied = folder.place in self.copied(folder.host)
        if self._versions_of(folder.host) is None:
            return is_copied
        is_there = self._candidates if is_copied else self._intact
        return all(is_there(folder, file) for file in folder.files)

    def copy(self, folder: CopiedFolder) -> int:
        """Uploads the files that are not there yet. Returns the bytes sent."""
        sent = sum(self._put(folder, file) for file in folder.files)
        self._listed.pop(folder.host, None)
        return sent

    def verify(self, folder: CopiedFolder) -> Verified:
        """A problem is each file of which no version has the SHA-256 that the record says. Downloads nothing."""
        intact = {file.name: self._intact(folder, file) for file in folder.files}
        problems = [self._problem(folder, file) for file in folder.files if not intact[file.name]]
        covered = [name for name, version in intact.items() if version and not version.latest]
        warnings = [covered_warning(name, folder.label, self.bucket.name) for name in covered]
        return Verified(problems, warnings, unread=0 if problems else folder.size)

    # ---- the bucket ----

    def _lock_warnings(self) -> c.Iterator[str]:
        try:
            lock = self.bucket.lock()
        except DeniedError:
            yield f"Whether the bucket '{self.bucket.name}' locks its objects is not known: its key may not ask."
            return
        if lock is None and self.require_lock:
            raise AccessManagerError(
                f"The bucket '{self.bucket.name}' has no object lock: its key can delete the copies. Create a bucket "
                "with object lock, or set require_lock to false for this destination."
            )
        if lock and not lock.mode and not self.lock_days:
            yield (
                f"The bucket '{self.bucket.name}' has object lock, but no default retention: give it one, or set "
                "lock_days. Until then, copies can be deleted."
            )
        if lock and lock.mode == "GOVERNANCE" and not self.lock_days:
            yield f"The bucket '{self.bucket.name}' locks in GOVERNANCE mode, which its administrators can lift."

    def _claim(self) -> None:
        """Puts the marker where nothing is yet. Raises AccessManagerError when the prefix belongs to something else."""
        try:
            marked = self.bucket.first_key(self._key(MARKER))
            other = None if marked else self.bucket.first_key(self.prefix and f"{self.prefix}/")
        except DeniedError:
            marked = other = None
        if other is not None:
            raise AccessManagerError(
                f"The bucket '{self.bucket.name}' holds other things below '{self.prefix}', such as "
                f"'{printable(other)}', and no copies of this collection: give the destination '{self.name}' a prefix "
                "of its own."
            )
        if not marked:
            try:
                self._write(MARKER, CopiedFile.of_bytes(MARKER, _MARKER_TEXT), replace=False)
            except ObjectTakenError:
                return

    def _put(self, folder: CopiedFolder, file: CopiedFile) -> int:
        """Uploads a file unless a version of it is there; returns the bytes sent. Where something else has its name, it
        is written as a version of its own: so does a key that may not list, to which any object of that name may be
        another's."""
        if self._intact(folder, file):
            return 0
        path = _path_of(folder, file)
        try:
            self._write(path, file, replace=False)
        except ObjectTakenError:
            self._write(path, file, replace=True)
        return file.size

    def _write(self, path: str, file: CopiedFile, *, replace: bool) -> None:
        now = datetime.datetime.now(datetime.UTC)
        until = now + datetime.timedelta(days=self.lock_days) if self.lock_days else None
        with file.open() as body:
            self.bucket.put(self._key(path), body, file.size, file.sha256, replace=replace, until=until)

    def _problem(self, folder: CopiedFolder, file: CopiedFile) -> str:
        """Why no version of a file is intact."""
        key = self._key(_path_of(folder, file))
        if self._versions_of(folder.host) is None:
            return f"'{key}' cannot be verified: the key of the bucket '{self.bucket.name}' may not list it."
        if (self._versions_of(folder.host) or {}).get(key):
            return f"'{key}' is not what its record says: no version of it has its SHA-256."
        return f"'{key}' is missing from the bucket '{self.bucket.name}'."

    def _intact(self, folder: CopiedFolder, file: CopiedFile) -> Version | None:
        """The version of a file that has its SHA-256. One that the server refuses to show is another's: encrypted with
        his key, or archived."""
        for version in self._candidates(folder, file)[:MOST_VERSIONS]:
            with contextlib.suppress(RefusedError):
                if self.bucket.sha256(version) == file.sha256:
                    return version
        return None

    def _candidates(self, folder: CopiedFolder, file: CopiedFile) -> list[Version]:
        """The versions of a file that have its size, the oldest first: who covers a file writes later."""
        key = self._key(_path_of(folder, file))
        versions = (self._versions_of(folder.host) or {}).get(key, [])
        return sorted((one for one in versions if one.size == file.size), key=lambda one: one.written)

    def _versions_of(self, host: str) -> dict[str, list[Version]] | None:
        """The versions of a host's objects by key; None when the key may not list them."""
        if host not in self._listed:
            try:
                self._listed[host] = versions_by_key(self.bucket, self._key(f"{host}/"))
            except DeniedError:
                self._listed[host] = None
        return self._listed[host]

    def _key(self, path: str) -> str:
        return f"{self.prefix}/{path}" if self.prefix else path


def _path_of(folder: CopiedFolder, file: CopiedFile) -> str:
    """Where a file lies below the prefix."""
    return f"{folder.host}/{folder.place}/{file.name}"


def covered_warning(name: str, label: str, bucket: str) -> str:
    """What is said of a file that a reader who names no version would not find. C(label): of the folder it is of."""
    return (
        f"'{printable(name)}' of {label} was deleted or written over in the bucket '{bucket}': the version was used "
        "that its record names. Find out who holds a key of the bucket."
    )


def versions_by_key(bucket: Bucket, prefix: str) -> dict[str, list[Version]]:
    """All versions of the objects below a prefix, by their keys."""
    found: dict[str, list[Version]] = {}
    for version in bucket.versions(prefix):
        found.setdefault(version.key, []).append(version)
    return found
