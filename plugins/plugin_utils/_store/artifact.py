# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The artifacts of a backup, compared with what its manifest says. What is compared is what is used: one open file."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import hashlib
import io
import os
import pathlib

from .._errors import AccessManagerError
from .folder import Folder, explained
from .manifest import ArtifactRecord

_CHUNK = 256 * 1024


@dataclasses.dataclass(frozen=True)
class Artifact:
    """An artifact where it lies. C(open_folder): opens its folder. C(record): None in a backup without a manifest."""

    path: pathlib.Path
    open_folder: c.Callable[[], Folder]
    record: ArtifactRecord | None = None

    @property
    def is_there(self) -> bool:
        with self.open_folder() as folder:
            return folder.has(self.path.name)

    @property
    def damage(self) -> str | None:
        """How it differs from its record, or that it cannot be read, in a sentence."""
        with self.open_folder() as folder:
            return _damage_of(folder, self.record) if self.record else None

    def read(self, limit: int) -> bytes:
        """Its bytes, which are those that were hashed.

        Raises AccessManagerError when it cannot be read, has more than C(limit) bytes, or is not what its manifest
        says.
        """
        with self.open_folder() as folder, explained(self.path, "read"), folder.open_file(self.path.name) as file:
            if sentence := _holes(file, self.path):
                raise AccessManagerError(sentence)
            size = _size(file)
            if size > limit:
                raise AccessManagerError(
                    f"'{self.path}' has {size} bytes: more than {limit // 1024**3} GiB are not decrypted, which is "
                    "done in memory. age itself can decrypt it."
                )
            data = file.read(size)
        if self.record and (
            difference := _difference(self.path, self.record, len(data), hashlib.sha256(data).hexdigest)
        ):
            raise AccessManagerError(difference)
        return data


def damage(folder: Folder, records: c.Iterable[ArtifactRecord]) -> list[str]:
    """A sentence for each artifact in a folder that is missing or not what its record says."""
    return [sentence for record in records if (sentence := _damage_of(folder, record))]


def difference(file: io.BufferedReader, path: pathlib.Path, record: ArtifactRecord) -> str | None:
    """How an open artifact differs from its record, in a sentence. Leaves the file at its end."""
    size = _size(file)
    if size == record["size"] and (sentence := _holes(file, path)):
        return sentence
    return _difference(path, record, size, lambda: _digest(file, size))


def _damage_of(folder: Folder, record: ArtifactRecord) -> str | None:
    path = folder.path / record["name"]
    try:
        with folder.open_file(record["name"]) as file:
            return difference(file, path, record)
    except OSError as exc:
        return unreadable(path, exc)


def unreadable(path: pathlib.Path, exc: OSError) -> str:
    return f"'{path}' cannot be read: {exc.strerror}."


def _difference(path: pathlib.Path, record: ArtifactRecord, size: int, digest: c.Callable[[], str]) -> str | None:
    if size != record["size"]:
        return f"'{path}' is not what was written: it has {size} bytes instead of {record['size']}."
    if digest() != record["sha256"]:
        return f"'{path}' is not what was written: its SHA-256 is another."
    return None


def _holes(file: io.BufferedReader, path: pathlib.Path) -> str | None:
    """Why a file with a hole, which nothing of a backup has, is not used; None when it has none.

    Few blocks alone are no evidence: some file systems count late.
    """
    status = os.fstat(file.fileno())
    if status.st_blocks * 512 >= status.st_size // 2:
        return None
    hole = os.lseek(file.fileno(), 0, os.SEEK_HOLE)
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    if hole >= status.st_size:
        return None
    return f"'{path}' is not what was written: it is a sparse file with {status.st_blocks * 512} bytes on the disk."


def _size(file: io.BufferedReader) -> int:
    return os.fstat(file.fileno()).st_size


def _digest(file: io.BufferedReader, size: int) -> str:
    """The SHA-256 of the bytes that a file had when it was opened: one that grows meanwhile is not read for ever."""
    digest, buffer, left = hashlib.sha256(), memoryview(bytearray(min(size, _CHUNK))), size
    while left and (count := file.readinto(buffer[: min(left, _CHUNK)])):
        digest.update(buffer[:count])
        left -= count
    return digest.hexdigest()
