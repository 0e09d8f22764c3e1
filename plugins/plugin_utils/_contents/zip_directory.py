# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory at the end of a zip file, counted before zipfile makes an object of each entry.

zipfile believes the directory's size and not its count, and finds it in several ways. Only what cannot be understood in
two ways is let through: no comment, the directory right before its end records, and as many entries as these say.
"""

from __future__ import annotations

import struct

from .._errors import AccessManagerError

MOST_ENTRIES = 200_000
LARGEST_DIRECTORY = 64 * 1024**2
_ENTRY, _ENTRY_BYTES = b"PK\x01\x02", 46
_LENGTHS, _LENGTHS_AT = struct.Struct("<HHH"), 28
_END = struct.Struct("<4sHHHHIIH")
_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_END_MARK, _LOCATOR_MARK, _END64_MARK = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"


def refuse_large_directory(data: bytes, label: str) -> None:
    """Raises AccessManagerError when a zip lists more than any backup has, or is none."""
    count, size, end = _end_record(data, label)
    if count > MOST_ENTRIES or size > LARGEST_DIRECTORY:
        raise AccessManagerError(
            f"{label} lists {count} entries in {size} bytes; with more than {MOST_ENTRIES} entries or "
            f"{LARGEST_DIRECTORY // 1024**2} MiB it is not opened."
        )
    if _counted(data, end - size, end, count) != count:
        raise AccessManagerError(
            f"{label} is not a zip archive as a backup has it: its directory is not what its end says."
        )


def _end_record(data: bytes, label: str) -> tuple[int, int, int]:
    """How many entries the end records name, the directory's size, and where it ends."""
    end = len(data) - _END.size
    if end < 0 or not data.startswith(_END_MARK, end):
        raise AccessManagerError(f"{label} is not a zip archive: it has no end record, or something follows it.")
    _mark, disk, first_disk, here, count, size, start, _comment = _END.unpack_from(data, end)
    locator = end - _LOCATOR.size
    if locator >= 0 and data.startswith(_LOCATOR_MARK, locator):
        end = locator - _END64.size
        if end < 0 or not data.startswith(_END64_MARK, end) or _LOCATOR.unpack_from(data, locator)[1:] != (0, end, 1):
            raise AccessManagerError(
                f"{label} is not a zip archive as a backup has it: its zip64 end record is elsewhere."
            )
        _mark, _size, _made, _needed, disk, first_disk, here, count, size, start = _END64.unpack_from(data, end)
    if (disk, first_disk, here, start) != (0, 0, count, end - size):
        raise AccessManagerError(
            f"{label} is not a zip archive as a backup has it: its end record does not fit its size."
        )
    return count, size, end


def _counted(data: bytes, at: int, end: int, most: int) -> int:
    """The entries of a directory that begins and ends there; -1 when something else is there, or more than most."""
    count = 0
    while at < end:
        if count == most or not data.startswith(_ENTRY, at) or at + _ENTRY_BYTES > end:
            return -1
        at += _ENTRY_BYTES + sum(_LENGTHS.unpack_from(data, at + _LENGTHS_AT))
        count += 1
    return count if at == end else -1
