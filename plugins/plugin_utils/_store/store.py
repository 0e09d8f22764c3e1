# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backups of a host on the controller: ROOT/HOST/ID, and ROOT/HOST/.partial-ID while one is being made.

A backup exists or it does not: everything is written and synced in the partial folder, which is then renamed.
Folders have mode 0700, files 0600.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import datetime
import errno
import fcntl
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import stat
import time
import typing as t

from .. import _collection
from .._age.decryption import LARGEST
from .._errors import AccessManagerError
from .._files import open_regular
from .._signing.signature import LARGEST as LARGEST_SIGNATURE
from .._signing.signer import Signer
from .._signing.trust import Origin, Trust
from .._text import timestamp
from . import manifest as manifest_module
from . import prune_log
from .chain import Link
from .inventory import digest_of
from .manifest import Manifest
from .space import refuse_without_space

RECORDS = tuple(manifest_module.PARTS)
"""The parts of a backup, in the order of its manifest: each is made by one module, which leaves a record of it."""

NONCE_BYTES = 32
"""Random bytes that all parts of one backup share: they are known to those alone who can decrypt a part."""

LONGEST_NAME = 255
STALE_SECONDS = 24 * 3600
_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_PARTIAL = re.compile(r"\.partial-[0-9]{8}T[0-9]{6}Z")
_REMOVED = re.compile(r"\.removing-[0-9]{8}T[0-9]{6}Z")
_ID_FORMAT = "%Y%m%dT%H%M%SZ"
_FIRST_YEAR = 1970
"""Of an id: no clock says an earlier one, and such a time may have no local one."""

CLOCKS_DIFFER = datetime.timedelta(hours=1)
"""As far the clocks of two controllers may be apart."""

_LOST_AND_FOUND = "lost+found"
"""A folder that some file systems have at their root."""


class BackupStore:
    """The backups of one host under a root folder. C(trust): which of them are accepted; those of any origin when not given."""

    def __init__(self, root: str, host: str, trust: Trust | None = None) -> None:
        if not host or "/" in host or "\0" in host or host.startswith("."):
            raise AccessManagerError(f"'{host}' cannot name a folder of backups: it is empty, begins with a dot or has a slash.")
        if len(os.fsencode(host)) > LONGEST_NAME:
            raise AccessManagerError(f"'{host[:40]}...' cannot name a folder of backups: it has more than {LONGEST_NAME} bytes.")
        if not pathlib.Path(root).is_absolute():
            raise AccessManagerError(
                f"The backup root '{root}' is not an absolute path: set access_manager_backup_root to a folder on the controller."
            )
        self.root = pathlib.Path(root)
        self.host = host
        self.folder = self.root / host
        self.trust = trust or Trust()
        self.origins: dict[str, Origin] = {}
        """Who made the backups whose manifests were read, by id."""

    # ---- reading ----

    def ids(self) -> list[str]:
        """The ids of the published backups, oldest first. Raises AccessManagerError when they cannot be listed."""
        self.refuse_link()
        try:
            names = [entry.name for entry in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise AccessManagerError(f"The backups in '{self.folder}' cannot be listed: {exc.strerror}.") from None
        return sorted(name for name in names if is_id(name))

    def refuse_link(self) -> None:
        """Raises AccessManagerError when the host's folder is a link: nothing behind it is read, written or removed."""
        if self.folder.is_symlink():
            raise AccessManagerError(
                f"'{self.folder}' is a link, which is not followed: move the folder itself there, or mount it there (mount --bind)."
            )

    def manifest(self, backup_id: str) -> Manifest:
        """The manifest of a backup. Raises AccessManagerError when it cannot be read, belongs to another, or is not accepted."""
        data = self.manifest_bytes(backup_id)
        manifest = self.parsed_manifest(backup_id, data)
        self.origins[backup_id] = self.origin(backup_id, data)
        self.trust.refuse(self.origins[backup_id])
        return manifest

    def origin(self, backup_id: str, data: bytes) -> Origin:
        """Who made a backup whose manifest has these bytes, as far as its signature proves it."""
        return origin_in(self.folder / backup_id, data, self.trust)

    def manifest_bytes(self, backup_id: str) -> bytes:
        """The bytes of the manifest of a backup. Raises AccessManagerError when it cannot be read."""
        if (self.folder / backup_id).is_symlink():
            raise AccessManagerError(
                f"'{self.folder / backup_id}' is a link, which is not followed: a backup is a folder of its own."
            )
        return manifest_module.read_bytes(self.folder / backup_id / manifest_module.NAME)

    def parsed_manifest(self, backup_id: str, data: bytes) -> Manifest:
        """The manifest that these bytes are. Raises AccessManagerError when they are none, or that of another backup."""
        path = self.folder / backup_id / manifest_module.NAME
        manifest = manifest_module.parse(data, path)
        if (manifest["id"], manifest["host"]) != (backup_id, self.host):
            raise AccessManagerError(f"'{path}' is the manifest of another backup: {manifest['id']} of {manifest['host']}.")
        return manifest

    def latest_complete(self, *, before: str | None = None, only: str | None = None) -> Manifest | None:
        """The manifest of the newest complete backup whose artifacts are whole; those unreadable or not accepted are passed over.

        One of a time to come is passed over too. C(before): an id; only backups that are older count. C(only): the SHA-256 of the
        only manifest that counts.
        """
        now = datetime.datetime.now(datetime.UTC)
        for backup_id in reversed([one for one in self.ids() if before is None or one < before]):
            with contextlib.suppress(AccessManagerError):
                if only not in (None, hashlib.sha256(self.manifest_bytes(backup_id)).hexdigest()):
                    continue
                manifest = self.manifest(backup_id)
                complete = manifest["status"] == manifest_module.COMPLETE and not is_to_come(backup_id, now)
                if complete and not self.damage(manifest):
                    return manifest
        return None

    def damage(self, manifest: Manifest) -> list[str]:
        """A sentence for each artifact of a backup that is missing or not what its manifest says."""
        return self.damage_in(self.folder / manifest["id"], manifest)

    @staticmethod
    def damage_in(folder: pathlib.Path, manifest: Manifest) -> list[str]:
        """The same for a backup in any folder."""
        return _damaged(folder, manifest["artifacts"])

    # ---- making one ----

    def refuse_unusable_root(self, expected_bytes: int) -> None:
        """Raises AccessManagerError when no backup of that size can be written under the root."""
        if not self.root.is_dir():
            raise AccessManagerError(
                f"The backup root '{self.root}' is not a folder on the controller: create it (mode 0700), or mend backup_root."
            )
        self.refuse_link()
        place = self.folder if self.folder.is_dir() else self.root
        if not os.access(place, os.W_OK | os.X_OK):
            raise AccessManagerError(f"The backup root is not writable: '{place}' refuses this user. Mend its owner or mode.")
        descriptor = os.open(place, os.O_RDONLY)
        try:
            refuse_without_space(descriptor, expected_bytes, str(place))
        finally:
            os.close(descriptor)

    def open_partial(self) -> str:
        """Makes the folder of a new backup with its nonce, and returns its id: the time now in UTC, or the next free second."""
        with _explained(self.folder):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            backup_id = self._make_partial()
            with _create(self._nonce_path(backup_id)) as file:
                file.write(os.urandom(NONCE_BYTES))
        return backup_id

    def _make_partial(self) -> str:
        moment = datetime.datetime.now(datetime.UTC)
        while True:
            backup_id = moment.strftime(_ID_FORMAT)
            if not (self.folder / backup_id).exists():
                with contextlib.suppress(FileExistsError):
                    self._partial(backup_id).mkdir(mode=0o700)
                    return backup_id
            moment += datetime.timedelta(seconds=1)

    def nonce(self, backup_id: str) -> bytes:
        """The random bytes that all parts of an unpublished backup share. They are gone when it is published."""
        path = self._nonce_path(backup_id)
        self._opened(backup_id)
        try:
            nonce = path.read_bytes()
        except OSError as exc:
            raise AccessManagerError(f"'{path}' cannot be read: {exc.strerror}. Run the backup again.") from None
        if len(nonce) != NONCE_BYTES:
            raise AccessManagerError(f"'{path}' has {len(nonce)} bytes instead of {NONCE_BYTES}. Run the backup again.")
        return nonce

    def write(self, backup_id: str, name: str, writer: c.Callable[[t.BinaryIO], None]) -> Manifest:
        """Writes an artifact of an unpublished backup; returns its name, size and SHA-256. Nothing is left of a failed one."""
        path = self._opened(backup_id) / name
        with _explained(path):
            file = _create(path)
            try:
                with file:
                    hashing = _HashingWriter(file, path)
                    writer(t.cast(t.BinaryIO, hashing))
                    _sync(file)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        return {"name": name, "size": hashing.size, "sha256": hashing.digest()}

    @contextlib.contextmanager
    def incoming(self, backup_id: str) -> c.Iterator[pathlib.Path]:
        """A file in the partial folder for ciphertext on its way; it is gone afterwards."""
        path = self._opened(backup_id) / ".incoming"
        with _explained(path):
            path.unlink(missing_ok=True)
            _create(path).close()
            try:
                yield path
            finally:
                path.unlink(missing_ok=True)

    def save_record(self, backup_id: str, part: str, record: Manifest) -> None:
        """Keeps what the module of one part tells of it, until the backup is committed."""
        path = self._record_path(backup_id, part)
        with _explained(path), _create(path) as file:
            file.write(json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass"))

    def records(self, backup_id: str, parts: c.Sequence[str] = RECORDS) -> dict[str, Manifest]:
        """The records of an unpublished backup by part. Raises AccessManagerError when one is missing or its artifact damaged."""
        partial = self._opened(backup_id)
        records = {}
        for part in parts:
            path = self._record_path(backup_id, part)
            if not path.exists():
                raise AccessManagerError(f"Backup {backup_id} of {self.host} has no part '{part}' yet: it is not committed.")
            try:
                records[part] = json.loads(path.read_bytes())
            except (OSError, ValueError) as exc:
                raise AccessManagerError(f"'{path}' cannot be read: {exc}. The backup is not committed.") from None
        damage = _damaged(partial, [record["artifact"] for record in records.values()])
        if damage:
            raise AccessManagerError(" ".join(damage))
        return records

    def previous_digest(self) -> str | None:
        """The SHA-256 of the newest manifest; None before the first."""
        newest = self.newest_id()
        return hashlib.sha256(self.manifest_bytes(newest)).hexdigest() if newest else None

    def newest_id(self) -> str | None:
        """The id of the newest published backup; None before the first."""
        return max(self.ids(), default=None)

    def described(self, backup_id: str, records: dict[str, Manifest], now: datetime.datetime) -> Manifest:
        """The manifest of an open backup, from the records of its parts."""
        inventory = {name: mark for record in records.values() for name, mark in record["inventory"].items()}
        return manifest_module.build(
            backup_id=backup_id,
            host=self.host,
            created=timestamp(now),
            collection_version=_collection.version(),
            previous=self.previous_digest(),
            previous_id=self.newest_id(),
            nonce_sha256=hashlib.sha256(self.nonce(backup_id)).hexdigest(),
            records=records,
            content_digest=digest_of(inventory),
            inventory=inventory,
        )

    def publish(self, backup_id: str, manifest: Manifest, signer: Signer | None = None) -> pathlib.Path:
        """Writes the manifest, and its signature when there is who signs, and gives the backup its name.

        Raises AccessManagerError when that manifest could not be read again.
        """
        partial, final = self._opened(backup_id), self.folder / backup_id
        files = {manifest_module.NAME: manifest_module.to_bytes(manifest)}
        self.parsed_manifest(backup_id, files[manifest_module.NAME])
        if signer:
            signed = signer.sign(files[manifest_module.NAME])
            files[manifest_module.SIGNATURE] = signed.signature
            self.origins[backup_id] = signed.origin
        with _explained(partial):
            for part in RECORDS:
                self._record_path(backup_id, part).unlink(missing_ok=True)
            self._nonce_path(backup_id).unlink(missing_ok=True)
            for name, content in files.items():
                with _create(partial / name) as file:
                    file.write(content)
                    _sync(file)
            _sync_folder(partial)
            partial.rename(final)
            _sync_folder(self.folder)
            _sync_folder(self.root)
        return final

    def discard(self, backup_id: str) -> bool:
        """Removes an unpublished backup, and the host's folder when it is empty then. Returns whether there was one."""
        partial = self._partial(backup_id)
        if not partial.exists():
            return False
        with _explained(partial):
            shutil.rmtree(partial)
            with contextlib.suppress(OSError):
                self.folder.rmdir()
        return True

    # ---- removing ----

    @contextlib.contextmanager
    def alone(self) -> c.Iterator[None]:
        """Lets no other run remove backups of this host meanwhile, where the file system knows locks.

        Two runs with different rules could each remove what the other keeps as the last copy of a key.
        """
        if not os.path.lexists(self.folder):
            yield
            return
        with self._opened_folder() as folder:
            with contextlib.suppress(OSError):
                fcntl.flock(folder, fcntl.LOCK_EX)
            yield

    def prune(self, links: c.Sequence[Link], *, forgotten: c.Sequence[Link] = ()) -> None:
        """Removes published backups: they are recorded, then they lose their names, and then their files are deleted.

        The plan for it is to be made, and carried out, within C(alone).
        C(forgotten): backups that are missing already, which are recorded only. Nothing outside the host's folder is touched,
        whatever links lie in it. Raises AccessManagerError when a backup cannot be removed.
        """
        if not os.path.lexists(self.folder):
            return
        with self._opened_folder() as folder, _explained(self.folder, "changed"):
            _delete_removed(folder)
            if forgotten:
                prune_log.add(folder, forgotten)
            for link in links:
                prune_log.add(folder, [link])
                with contextlib.suppress(FileNotFoundError):  # where no lock holds, another run may prune too
                    if not stat.S_ISDIR(os.stat(link.id, dir_fd=folder, follow_symlinks=False).st_mode):
                        raise AccessManagerError(f"'{self.folder / link.id}' is no folder: it is not removed.")
                    os.rename(link.id, f".removing-{link.id}", src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
            _delete_removed(folder)

    @contextlib.contextmanager
    def _opened_folder(self) -> c.Iterator[int]:
        """The host's folder as a descriptor, by which everything in it is named: nobody can put another in its place."""
        try:
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as exc:
            reason = "it is a link, which is not followed" if self.folder.is_symlink() else exc.strerror
            raise AccessManagerError(f"Nothing is removed from '{self.folder}': {reason}.") from None
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _partial(self, backup_id: str) -> pathlib.Path:
        if not is_id(backup_id):
            raise AccessManagerError(f"'{backup_id}' is not the id of a backup, such as 20261123T081500Z.")
        return self.folder / f".partial-{backup_id}"

    def _opened(self, backup_id: str) -> pathlib.Path:
        partial = self._partial(backup_id)
        if not partial.is_dir():
            raise AccessManagerError(f"No backup {backup_id} of {self.host} is open: open one with backup_commit (state: opened).")
        return partial

    def _record_path(self, backup_id: str, part: str) -> pathlib.Path:
        return self._partial(backup_id) / f".{part}.record"

    def _nonce_path(self, backup_id: str) -> pathlib.Path:
        return self._partial(backup_id) / ".nonce"

    def sweep(self) -> None:
        """Removes what runs left that were killed more than a day ago. What cannot be removed is left to the next run."""
        for path in self.folder.glob(".partial-*"):
            with contextlib.suppress(OSError):  # another run may sweep too
                if _PARTIAL.fullmatch(path.name) and time.time() - path.lstat().st_mtime > STALE_SECONDS:
                    shutil.rmtree(path)


class _HashingWriter(io.RawIOBase):
    """Passes on what is written while there is space, and keeps its size, its SHA-256 and in C(failure) what went wrong."""

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
                raise AccessManagerError(f"'{self._path}' would have more than {LARGEST // 1024**3} GiB: it is not written.")
            self._file.write(data)
        except (OSError, AccessManagerError) as exc:
            self.failure = exc
            raise
        self._digest.update(data)
        self.size += len(data)
        return len(data)

    def digest(self) -> str:
        return self._digest.hexdigest()


def _delete_removed(folder: int) -> None:
    """Deletes the files of backups that have lost their names, also of those that a killed run left."""
    for name in filter(_REMOVED.fullmatch, os.listdir(folder)):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=folder)
    os.fsync(folder)


def origin_in(folder: pathlib.Path, data: bytes, trust: Trust) -> Origin:
    """Who made the backup in a folder, whose manifest has these bytes, as far as its signature proves it."""
    signature = None
    path = folder / manifest_module.SIGNATURE
    try:
        with open_regular(path) as file:
            signature = file.read(LARGEST_SIGNATURE + 1)
    except FileNotFoundError:
        pass
    except OSError as exc:
        return Origin(problem=f"'{path}' cannot be read: {exc.strerror}.")
    return trust.origin_of(data, signature, str(folder / manifest_module.NAME))


def is_id(name: str) -> bool:
    """Whether a folder of that name is a backup: it is a time in UTC, as YYYYMMDDThhmmssZ."""
    if not _ID.fullmatch(name):
        return False
    try:
        return moment_of(name).year >= _FIRST_YEAR
    except ValueError:
        return False


def moment_of(backup_id: str) -> datetime.datetime:
    """The time in UTC that an id is. Raises ValueError when there is no such day or hour."""
    return datetime.datetime.strptime(backup_id, _ID_FORMAT).replace(tzinfo=datetime.UTC)


def is_to_come(backup_id: str, now: datetime.datetime) -> bool:
    """Whether a backup is of a time to come, by more than clocks differ: no backup made since can be newer than it."""
    return moment_of(backup_id) > now + CLOCKS_DIFFER


def hosts(root: str) -> list[str]:
    """The hosts that have a folder of backups under a root, or a link in its place, also one that leads nowhere.

    Raises AccessManagerError when the root is no folder, or cannot be listed.
    """
    path = pathlib.Path(root)
    if not path.is_dir():
        raise AccessManagerError(f"The backup root '{root}' is not a folder on the controller.")
    try:
        names = [entry.name for entry in path.iterdir() if entry.is_dir() or not entry.exists()]
    except OSError as exc:
        raise AccessManagerError(f"The backup root '{root}' cannot be listed: {exc.strerror}.") from None
    return sorted(name for name in names if name != _LOST_AND_FOUND and not name.startswith("."))


def _damaged(folder: pathlib.Path, artifacts: c.Iterable[Manifest]) -> list[str]:
    return [sentence for artifact in artifacts if (sentence := _damage_of(folder / artifact["name"], artifact))]


def _damage_of(path: pathlib.Path, artifact: Manifest) -> str | None:
    try:
        with open_regular(path) as file:
            status = os.fstat(file.fileno())
            if status.st_size != artifact["size"]:
                return f"'{path}' is not what was written: it has {status.st_size} bytes instead of {artifact['size']}."
            if _is_sparse(file, status):
                return f"'{path}' is not what was written: it is a sparse file with {status.st_blocks * 512} bytes on the disk."
            if hashlib.file_digest(file, "sha256").hexdigest() != artifact["sha256"]:
                return f"'{path}' is not what was written: its SHA-256 is another."
    except OSError as exc:
        return f"'{path}' cannot be read: {exc.strerror}."
    return None


def _is_sparse(file: t.BinaryIO, status: os.stat_result) -> bool:
    """Whether a file has a hole, which nothing of a backup has. Few blocks alone prove none: some file systems count late."""
    if status.st_blocks * 512 >= status.st_size // 2:
        return False
    hole = os.lseek(file.fileno(), 0, os.SEEK_HOLE)
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    return hole < status.st_size


@contextlib.contextmanager
def _explained(path: pathlib.Path, verb: str = "written") -> c.Iterator[None]:
    """Turns what the file system refuses into a sentence."""
    try:
        yield
    except OSError as exc:
        reason = "the disk is full" if exc.errno in (errno.ENOSPC, errno.EDQUOT) else exc.strerror
        raise AccessManagerError(f"'{path}' cannot be {verb} on the controller: {reason}.") from exc


def _create(path: pathlib.Path, mode: str = "wb") -> t.BinaryIO:
    return t.cast(t.BinaryIO, open(path, mode.replace("w", "x"), opener=lambda name, flags: os.open(name, flags, 0o600)))


def _sync(file: t.BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
