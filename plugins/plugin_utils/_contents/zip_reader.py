# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A zip file that is not trusted, read in memory: names, sizes and counts are bounded before anything is unpacked."""

from __future__ import annotations

import collections.abc as c
import io
import typing as t
import zipfile
import zlib

from .._age.decryption import LARGEST
from .._ams.json_document import strict
from .._errors import AccessManagerError
from .names import twins
from .zip_directory import refuse_large_directory

LARGEST_DOCUMENT = 128 * 1024**2
CHUNK = 256 * 1024
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Archive:
    """A zip in memory, of bounded size and with each name once."""

    def __init__(self, data: bytes, label: str) -> None:
        self._label = label
        refuse_large_directory(data, label)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as exc:
            raise AccessManagerError(f"{label} is not a zip archive: {exc}.") from None
        entries = self._zip.infolist()
        if any(entry.compress_type not in _COMPRESSIONS for entry in entries):
            raise AccessManagerError(f"{label} is compressed in a way that no backup is: it is not opened.")
        if sum(entry.file_size for entry in entries) > LARGEST:
            raise AccessManagerError(f"{label} unpacks to more than {LARGEST // 1024**3} GiB: it is not opened.")
        self._sizes = {entry.filename: entry.file_size for entry in entries}
        if same := twins(entry.filename.removesuffix("/") for entry in entries):
            raise AccessManagerError(
                f"{label} has two entries of one name, '{same[0]}' and '{same[1]}': it is not used."
            )

    @property
    def names(self) -> c.Set[str]:
        return self._sizes.keys()

    def chunks(self, name: str) -> c.Iterator[bytes]:
        """The content of an entry, never more than the archive's list says.

        Raises AccessManagerError when it does not unpack.
        """
        left = self._sizes[name]
        try:
            with self._zip.open(name) as member:
                while left and (chunk := member.read(min(left, CHUNK))):
                    left -= len(chunk)
                    yield chunk
                if left or member.read(1):
                    raise AccessManagerError(f"'{name}' in {self._label} has another size than its list says.")
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            ValueError,
            NotImplementedError,
            RuntimeError,
            OSError,
        ) as exc:
            raise AccessManagerError(f"'{name}' in {self._label} does not unpack: {exc}.") from None

    def read(self, name: str) -> bytes:
        """The content of an entry, whole: one that is larger than any document or certificate is refused."""
        if name not in self._sizes:
            raise AccessManagerError(f"{self._label} has no '{name}': it is not used.")
        if self._sizes[name] > LARGEST_DOCUMENT:
            raise AccessManagerError(
                f"'{name}' in {self._label} unpacks to more than {LARGEST_DOCUMENT // 1024**2} MiB: it is not opened."
            )
        return b"".join(self.chunks(name))

    def json(self, name: str) -> dict[str, t.Any]:
        return json_object(self.read(name), f"'{name}' in {self._label}")


def json_object(data: bytes, label: str) -> dict[str, t.Any]:
    try:
        content = strict(data)
    except ValueError as exc:
        raise AccessManagerError(f"{label} is not JSON as a backup has it: {exc}.") from None
    if not isinstance(content, dict):
        raise AccessManagerError(f"{label} is not an object.")
    return content
