# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zip archives written as a stream, one entry after the other, without a temporary file."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import datetime
import io
import itertools
import typing as t
import zipfile
import zlib

_EARLIEST = (1980, 1, 1, 0, 0, 0)
_LATEST = (2107, 12, 31, 23, 59, 58)
_VERSION_OF_64_BITS = 45
"""What a reader must know. Python before 3.11.4 names an older one."""

_LEAST_GAIN = 0.05
"""By which share the beginning of a file must become smaller for the file to be compressed."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file of an archive, or a folder when its name ends with a slash."""

    name: str
    modified: datetime.datetime
    content: c.Iterable[bytes] = ()

    def zip_info(self, beginning: bytes) -> zipfile.ZipInfo:
        """What the archive says of it; C(beginning): of its content."""
        time = min(max(self.modified.timetuple()[:6], _EARLIEST), _LATEST)
        info = zipfile.ZipInfo(self.name, time)
        info.compress_type = zipfile.ZIP_DEFLATED if _is_compressible(beginning) else zipfile.ZIP_STORED
        info.extract_version = _VERSION_OF_64_BITS
        info.external_attr = (0o40700 << 16) | 0x10 if self.name.endswith("/") else 0o100600 << 16
        return info


def zip_chunks(entries: c.Iterable[Entry]) -> c.Iterator[bytes]:
    """The bytes of an archive of these entries. Names are UTF-8; sizes may exceed 4 GiB."""
    sink = _Sink()
    with zipfile.ZipFile(t.cast(t.IO[bytes], sink), "w") as archive:
        for entry in entries:
            content = iter(entry.content)
            beginning = next(content, b"")
            with archive.open(entry.zip_info(beginning), "w", force_zip64=True) as member:
                for chunk in itertools.chain([beginning], content):
                    member.write(chunk)
                    yield sink.take()
            yield sink.take()
    yield sink.take()


def _is_compressible(beginning: bytes) -> bool:
    return len(zlib.compress(beginning, 1)) < (1 - _LEAST_GAIN) * len(beginning)


class ChunkReader(io.RawIOBase, t.BinaryIO):
    """A stream of what an iterator yields. Keeps in C(failure) what the iterator raised."""

    def __init__(self, chunks: c.Iterator[bytes]) -> None:
        self._chunks = chunks
        self._pending = b""
        self.failure: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        while not self._pending:
            try:
                self._pending = next(self._chunks)
            except StopIteration:
                return 0
            except Exception as exc:
                self.failure = exc
                raise
        count = min(len(buffer), len(self._pending))
        buffer[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count


class _Sink:
    """Where ZipFile writes: no seeking, and what was written is taken away."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: t.Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)
