# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a backup as they are copied: the artifacts first, the manifest last, so that a copy with a manifest is
whole."""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import hashlib
import io
import typing as t

from .._signing.signature import LARGEST as LARGEST_SIGNATURE
from .._store import manifest as manifest_module
from .._store.folder import Folder, explained
from .._store.manifest import Manifest
from .._store.store import BackupStore


@dataclasses.dataclass(frozen=True)
class CopiedFile:
    """A file of a backup. C(size): in bytes. C(sha256): what the manifest says of an artifact, else of its bytes."""

    name: str
    size: int
    sha256: str
    open: c.Callable[[], contextlib.AbstractContextManager[t.BinaryIO]]

    @classmethod
    def of_bytes(cls, name: str, data: bytes) -> CopiedFile:
        """A file of which all bytes are known."""
        return cls(name, len(data), hashlib.sha256(data).hexdigest(), lambda: io.BytesIO(data))


@dataclasses.dataclass(frozen=True)
class BackupToCopy:
    """A published backup that this run accepts, with its files in the order in which they are copied."""

    store: BackupStore
    manifest: Manifest
    files: tuple[CopiedFile, ...]

    @property
    def id(self) -> str:
        return self.manifest["id"]

    @property
    def host(self) -> str:
        return self.store.host

    @property
    def label(self) -> str:
        return f"the backup {self.id} of {self.host}"

    @property
    def size(self) -> int:
        """In bytes, all its files together."""
        return sum(file.size for file in self.files)

    @classmethod
    def of(cls, store: BackupStore, backup_id: str) -> BackupToCopy:
        """Raises AccessManagerError when its manifest cannot be read, or is not accepted."""
        data = store.manifest_bytes(backup_id)
        manifest = store.accepted(backup_id, data)
        artifacts = [_artifact(store, backup_id, record) for record in manifest["artifacts"]]
        return cls(
            store,
            manifest,
            (*artifacts, *_signature(store, backup_id), CopiedFile.of_bytes(manifest_module.NAME, data)),
        )


def _artifact(store: BackupStore, backup_id: str, record: c.Mapping[str, t.Any]) -> CopiedFile:
    @contextlib.contextmanager
    def opened() -> c.Iterator[t.BinaryIO]:
        path = store.folder / backup_id / record["name"]
        with store.backup(backup_id) as folder, explained(path, "read"), folder.open_file(record["name"]) as file:
            yield file

    return CopiedFile(record["name"], record["size"], record["sha256"], opened)


def _signature(store: BackupStore, backup_id: str) -> c.Iterator[CopiedFile]:
    with store.backup(backup_id) as folder:
        if folder.has(manifest_module.SIGNATURE):
            yield CopiedFile.of_bytes(manifest_module.SIGNATURE, _read(folder))


def _read(folder: Folder) -> bytes:
    with explained(folder.path / manifest_module.SIGNATURE, "read"):
        return folder.read_file(manifest_module.SIGNATURE, LARGEST_SIGNATURE)
