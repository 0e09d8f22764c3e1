# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy on another disk or mount: a folder of the same form as the backup root, which every module can read."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import pathlib
import typing as t

from .._errors import AccessManagerError
from .._store.folder import Folder, explained, sync
from .copied_folder import CopiedFile, CopiedFolder, Verified
from .copied_kinds import descend, make_all

_CHUNK = 1024 * 1024
_UNFINISHED = ".copying-"


@dataclasses.dataclass(frozen=True)
class FolderDestination:
    """C(path): of a folder that exists, such as a mount. All lies in it as under the backup root."""

    name: str
    path: pathlib.Path
    check_owner: bool = True

    def prepare(self) -> list[str]:
        """Raises AccessManagerError when the folder is not there, or is not only its owner's to write to."""
        with self._opened() as folder:
            if not folder.is_writable:
                raise AccessManagerError(f"The folder '{self.path}' of the copies '{self.name}' is not writable.")
        return []

    def holds(self, copied: CopiedFolder) -> bool:
        try:
            with self._opened() as root, self._there(root, copied) as folder:
                return all(folder.status(file.name).st_size == file.size for file in copied.files)
        except FileNotFoundError:
            return False
        except OSError as exc:
            raise AccessManagerError(f"'{self._path_of(copied)}' cannot be used: {exc.strerror}.") from exc

    def copy(self, copied: CopiedFolder) -> int:
        """Writes a folder under another name, reads each file again, and then gives it its own. Returns the bytes
        written."""
        path, unfinished = self._path_of(copied), _UNFINISHED + copied.name
        with explained(path), self._opened() as root, make_all(root, f"{copied.host}/{copied.kind.folder}") as host:
            host.lock()  # two runs must not write one unfinished copy
            if host.has(unfinished):
                host.remove_tree(unfinished)
            if host.has(copied.name):
                raise AccessManagerError(
                    f"'{path}' is not the copy of {copied.label}: it is not replaced. Find out who wrote it, and "
                    "move it away."
                )
            with host.new_subfolder(unfinished) as folder:
                for file in copied.files:
                    _write(folder, file)
                folder.sync()
            host.rename(unfinished, copied.name)
            host.sync()
        return copied.size

    def verify(self, copied: CopiedFolder) -> Verified:
        """A problem is each file that is missing, or not what the record says. Reads all of them."""
        try:
            with self._opened() as root, self._there(root, copied) as folder:
                return Verified([sentence for file in copied.files if (sentence := _damage(folder, file))])
        except OSError as exc:
            return Verified([f"'{self._path_of(copied)}' cannot be read: {exc.strerror}."])

    def _path_of(self, copied: CopiedFolder) -> pathlib.Path:
        return self.path / copied.host / copied.place

    @staticmethod
    def _there(root: Folder, copied: CopiedFolder) -> Folder:
        return descend(root.subfolder(copied.host), copied.place)

    @contextlib.contextmanager
    def _opened(self) -> t.Iterator[Folder]:
        try:
            root = Folder.at(self.path, check_owner=self.check_owner)
        except OSError as exc:
            raise AccessManagerError(
                f"The folder '{self.path}' of the copies '{self.name}' cannot be used: {exc.strerror}. Mount it, or "
                "create it with mode 0700."
            ) from None
        with root:
            yield root


def _write(folder: Folder, file: CopiedFile) -> None:
    with file.open() as source, folder.create_file(file.name) as target:
        while chunk := source.read(_CHUNK):
            target.write(chunk)
        sync(target)
    if sentence := _damage(folder, file):
        raise AccessManagerError(f"{sentence} The copy is not complete.")


def _damage(folder: Folder, file: CopiedFile) -> str | None:
    path = folder.path / file.name
    try:
        with folder.open_file(file.name) as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as exc:
        return f"'{path}' cannot be read: {exc.strerror}."
    return None if digest == file.sha256 else f"'{path}' is not what its record says: its SHA-256 is another."
