# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup while it is being made: ROOT/HOST/.partial-ID.

A backup exists or it does not: everything is written and synced in the partial folder, which is then renamed.
Folders have mode 0700, files 0600.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import datetime
import hashlib
import io
import json
import os
import pathlib
import re
import time
import typing as t

from .. import _collection
from .._age.decryption import LARGEST
from .._ams.json_document import strict
from .._errors import AccessManagerError
from .._shape import checked
from .._signing.signer import Signer
from .._text import BACKUP_ID, timestamp
from . import artifact as artifact_module
from . import manifest as manifest_module
from .container import refuse_lost_with_container
from .folder import Folder, explained, sync
from .inventory import digest_of
from .manifest import MOST_VALUES, Manifest, PartRecord, Written
from .space import refuse_without_space
from .store import BackupStore, id_at, is_id

"""The parts of a backup, in the order of its manifest: each is made by one module, which leaves a record of it."""

STALE_SECONDS = 24 * 3600
NONCE_BYTES = 32
"""Random bytes that all parts of one backup share: they are known to those alone who can decrypt a part."""

_INCOMING, _NONCE = ".incoming", ".nonce"
_NAME = re.compile(rf"\.partial-{BACKUP_ID}")


class PartialBackup:
    """An unpublished backup of a host. C(path): for messages and results only."""

    def __init__(self, store: BackupStore, backup_id: str) -> None:
        if not is_id(backup_id):
            raise AccessManagerError(f"'{backup_id}' is not the id of a backup, such as 20261123T081500Z.")
        self.store = store
        self.id = backup_id
        self._name = f".partial-{backup_id}"
        self.path = store.folder / self._name

    @classmethod
    def begin(cls, store: BackupStore) -> PartialBackup:
        """Makes the folder of a new backup with its nonce.

        Its id is the time now in UTC, or the next second that is free.
        """
        with explained(store.folder), store.opened_root() as root, root.make_subfolder(store.host) as folder:
            begun = datetime.datetime.now(datetime.UTC)
            while True:
                partial = cls(store, id_at(begun))
                if not folder.has(partial.id):
                    with contextlib.suppress(FileExistsError), folder.new_subfolder(partial._name) as made:
                        with made.create_file(_NONCE) as file:
                            file.write(os.urandom(NONCE_BYTES))
                        return partial
                begun += datetime.timedelta(seconds=1)

    def nonce(self) -> bytes:
        """The random bytes that all parts of this backup share. They are gone when it is published."""
        path = self.path / _NONCE
        try:
            with self._opened() as folder:
                nonce = folder.read_file(_NONCE, NONCE_BYTES)
        except OSError as exc:
            raise AccessManagerError(f"'{path}' cannot be read: {exc.strerror}. Run the backup again.") from None
        if len(nonce) != NONCE_BYTES:
            raise AccessManagerError(f"'{path}' has {len(nonce)} bytes instead of {NONCE_BYTES}. Run the backup again.")
        return nonce

    def write(self, name: str, writer: c.Callable[[t.BinaryIO], None]) -> Written:
        """Writes an artifact; returns its name, size and SHA-256. Nothing is left of a failed one."""
        with self._opened() as folder, explained(self.path / name):
            file = folder.create_file(name)
            try:
                with file:
                    hashing = HashingWriter(file, self.path / name)
                    writer(t.cast(t.BinaryIO, hashing))
                    sync(file)
            except BaseException:
                folder.remove_file(name)
                raise
        return {"name": name, "size": hashing.size, "sha256": hashing.digest()}

    @contextlib.contextmanager
    def incoming(self) -> c.Iterator[io.BufferedRandom]:
        """A file for ciphertext on its way, open to write and to read; it is gone afterwards."""
        with self._opened() as folder, explained(self.path / _INCOMING):
            folder.remove_file(_INCOMING)
            with folder.create_file(_INCOMING) as file:
                try:
                    yield file
                finally:
                    folder.remove_file(_INCOMING)

    def save_record(self, part: str, record: PartRecord) -> None:
        """Keeps what the module of one part records of it, until the backup is committed."""
        name = _record_name(part)
        with self._opened() as folder, explained(self.path / name), folder.create_file(name) as file:
            file.write(json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass"))

    def records(self, parts: c.Sequence[str] = tuple(manifest_module.PARTS)) -> dict[str, PartRecord]:
        """The records by part. Raises AccessManagerError when one is missing or its artifact is damaged."""
        with self._opened() as folder:
            records = {part: self._record(folder, part) for part in parts}
            artifacts = [record["artifact"] for record in records.values() if "artifact" in record]
            damage = artifact_module.damage(folder, artifacts)
        if damage:
            raise AccessManagerError(" ".join(damage))
        return records

    def manifest(self, records: dict[str, PartRecord], now: datetime.datetime) -> Manifest:
        """The manifest of this backup, from the records of its parts."""
        inventory: dict[str, str] = {}
        for record in records.values():
            inventory |= record["inventory"]
        previous_id, previous = self.store.newest() or (None, None)
        return manifest_module.build(
            backup_id=self.id,
            host=self.store.host,
            created=timestamp(now),
            collection_version=_collection.version(),
            previous=previous,
            previous_id=previous_id,
            nonce_sha256=hashlib.sha256(self.nonce()).hexdigest(),
            records=records,
            content_digest=digest_of(inventory),
            inventory=inventory,
        )

    def publish(self, manifest: Manifest, signer: Signer | None = None) -> pathlib.Path:
        """Writes the manifest, signed if there is a signer, and gives the backup its name. Returns its path.

        Raises AccessManagerError when that manifest could not be read again.
        """
        files = {manifest_module.NAME: manifest_module.to_bytes(manifest)}
        self.store.parsed_manifest(self.id, files[manifest_module.NAME])
        if signer:
            signed = signer.sign(files[manifest_module.NAME])
            files[manifest_module.SIGNATURE] = signed.signature
            self.store.origins[self.id] = signed.origin
        with self._opened() as partial, explained(self.path):
            for name in (*map(_record_name, manifest_module.PARTS), _NONCE):
                partial.remove_file(name)
            for name, content in files.items():
                with partial.create_file(name) as file:
                    file.write(content)
                    sync(file)
            partial.sync()
            with self.store.opened() as folder:
                folder.rename(self._name, self.id)
                folder.sync()
            with self.store.opened_root() as root:
                root.sync()
        return self.store.folder / self.id

    def discard(self) -> bool:
        """Removes this backup, and the host's folder when it is empty then. Returns whether there was one."""
        with contextlib.suppress(FileNotFoundError), self.store.opened() as folder:
            if folder.has(self._name):
                with explained(self.path, "removed"):
                    folder.remove_tree(self._name)
                with contextlib.suppress(OSError), self.store.opened_root() as root:
                    root.remove_empty(self.store.host)
                return True
        return False

    def _opened(self) -> Folder:
        try:
            with self.store.opened() as folder:
                return folder.subfolder(self._name)
        except FileNotFoundError:
            raise AccessManagerError(
                f"No backup {self.id} of {self.store.host} is open: open one with backup_commit (state: opened)."
            ) from None
        except OSError as exc:
            raise AccessManagerError(f"The folder '{self.path}' cannot be used: {exc.strerror}.") from None

    def _record(self, folder: Folder, part: str) -> PartRecord:
        name = _record_name(part)
        try:
            return checked(strict(folder.read_file(name, manifest_module.SIZE_LIMIT), MOST_VALUES), PartRecord, part)
        except FileNotFoundError:
            raise AccessManagerError(
                f"Backup {self.id} of {self.store.host} has no part '{part}' yet: it is not committed."
            ) from None
        except (OSError, ValueError) as exc:
            raise AccessManagerError(
                f"'{self.path / name}' cannot be read: {exc}. The backup is not committed."
            ) from None


def refuse_unusable_root(store: BackupStore, expected_bytes: int, *, allow_unmounted: bool = False) -> None:
    """Raises AccessManagerError when no backup of that size can be written under the root, or would not last."""
    try:
        place = store.opened()
    except FileNotFoundError:
        place = store.opened_root()
    with place:
        _refuse_unusable(place, expected_bytes)
        if not allow_unmounted:
            refuse_lost_with_container(place)


def sweep(store: BackupStore) -> None:
    """Removes what runs left that were killed more than a day ago. What cannot be removed is left to the next run."""
    with contextlib.suppress(FileNotFoundError), store.opened() as folder:
        sweep_folder(folder)


def sweep_folder(folder: Folder) -> None:
    """The same, of what lies in an open folder."""
    for name in filter(_NAME.fullmatch, folder.entries()):
        with contextlib.suppress(OSError):  # another run may sweep too
            if time.time() - folder.status(name).st_mtime > STALE_SECONDS:
                folder.remove_tree(name)


def _refuse_unusable(folder: Folder, expected_bytes: int) -> None:
    if not folder.is_writable:
        raise AccessManagerError(
            f"The backup root is not writable: '{folder.path}' refuses this user. Correct its owner or mode."
        )
    refuse_without_space(folder.descriptor, expected_bytes, str(folder.path))


def _record_name(part: str) -> str:
    return f".{part}.record"


class HashingWriter(io.RawIOBase):
    """Passes on what is written while there is space, and keeps its size, its SHA-256 and in C(failure) what went
    wrong.
    """

    def __init__(self, file: t.BinaryIO, path: pathlib.Path) -> None:
        self._file, self._path = file, path
        self._digest = hashlib.sha256()
        self.size = 0
        self.failure: Exception | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: t.Any) -> int:
        try:
            refuse_without_space(self._file.fileno(), len(data), str(self._path.parent))
            if self.size + len(data) > LARGEST:
                raise AccessManagerError(
                    f"'{self._path}' would have more than {LARGEST // 1024**3} GiB: it is not written."
                )
            self._file.write(data)
        except (OSError, AccessManagerError) as exc:
            self.failure = exc
            raise
        self._digest.update(data)
        self.size += len(data)
        return len(data)

    def digest(self) -> str:
        return self._digest.hexdigest()
