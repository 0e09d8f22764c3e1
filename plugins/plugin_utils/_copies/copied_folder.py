# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup, an attachment or an installer as it is copied: the artifacts first, and last the record that names them, so
that a copy with a record is whole."""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import hashlib
import io
import typing as t

from .._signing.signature import LARGEST as LARGEST_SIGNATURE
from .._store import artifact as artifact_module
from .._store.folder import Folder, explained
from .._store.manifest import ArtifactRecord
from .._store.store import BackupStore
from .copied_kinds import Kind, descend


class Verified(t.NamedTuple):
    """What is known of the copy of a folder. C(problems): a sentence for each file that is not as its record says.
    C(unread): bytes that did not have to be read. C(is_known): whether anything could be asked of the copy.
    """

    problems: c.Sequence[str]
    warnings: c.Sequence[str] = ()
    unread: int = 0
    is_known: bool = True


@dataclasses.dataclass(frozen=True)
class CopiedFile:
    """A file to copy. C(size): in bytes. C(sha256): what the record says of an artifact, else of its bytes."""

    name: str
    size: int
    sha256: str
    open: c.Callable[[], contextlib.AbstractContextManager[t.BinaryIO]]

    @classmethod
    def of_bytes(cls, name: str, data: bytes) -> CopiedFile:
        """A file of which all bytes are known."""
        return cls(name, len(data), hashlib.sha256(data).hexdigest(), lambda: io.BytesIO(data))


@dataclasses.dataclass(frozen=True)
class CopiedFolder:
    """What lies in one folder, and whose record this run accepts. C(files): in the order in which they are copied."""

    store: BackupStore
    kind: Kind
    name: str
    artifacts: c.Sequence[ArtifactRecord]
    files: tuple[CopiedFile, ...]

    @property
    def host(self) -> str:
        return self.store.host

    @property
    def place(self) -> str:
        """Where it lies below the folder of its host, here and in each copy."""
        return self.kind.place(self.name)

    @property
    def label(self) -> str:
        return label_of(self.store, self.kind, self.name)

    @property
    def size(self) -> int:
        """In bytes, all its files together."""
        return sum(file.size for file in self.files)

    @classmethod
    def of(cls, store: BackupStore, kind: Kind, name: str) -> CopiedFolder:
        """Raises AccessManagerError when its record cannot be read, or is not accepted."""
        path = store.folder / kind.place(name) / kind.record
        with explained(path, "read"), _opened(store, kind, name) as folder:
            data, signature = folder.read_file(kind.record, kind.limit), _signature(folder, kind)
        artifacts = kind.artifacts_of(store, name, data)
        store.trust.refuse(store.trust.origin_of(data, signature, str(path)))
        files = [_artifact(store, kind, name, record) for record in artifacts]
        files += [] if signature is None else [CopiedFile.of_bytes(kind.signature, signature)]
        return cls(store, kind, name, artifacts, (*files, CopiedFile.of_bytes(kind.record, data)))

    def damage(self) -> list[str]:
        """A sentence for each artifact that is missing, or not what the record says. Reads all of them."""
        with explained(self.store.folder / self.place, "read"), _opened(self.store, self.kind, self.name) as folder:
            return artifact_module.damage(folder, self.artifacts)


def label_of(store: BackupStore, kind: Kind, name: str) -> str:
    return f"the {kind.noun} {name} of {store.host}"


def _opened(store: BackupStore, kind: Kind, name: str) -> Folder:
    return descend(store.opened(), kind.place(name))


def _artifact(store: BackupStore, kind: Kind, name: str, record: ArtifactRecord) -> CopiedFile:
    @contextlib.contextmanager
    def opened() -> c.Iterator[t.BinaryIO]:
        path = store.folder / kind.place(name) / record["name"]
        with explained(path, "read"), _opened(store, kind, name) as folder, folder.open_file(record["name"]) as file:
            yield file

    return CopiedFile(record["name"], record["size"], record["sha256"], opened)


def _signature(folder: Folder, kind: Kind) -> bytes | None:
    try:
        return folder.read_file(kind.signature, LARGEST_SIGNATURE)
    except FileNotFoundError:
        return None
