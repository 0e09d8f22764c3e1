# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of pruned backups: .pruned.jsonl in a host's folder, one line for each, written before the backup is removed."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import io
import json
import os
import re
import typing as t

from .._errors import AccessManagerError
from .chain import Link
from .folder import Folder, explained

NAME = ".pruned.jsonl"
SIZE_LIMIT = 64 * 1024 * 1024
_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PATTERNS = (_ID, _SHA256, _SHA256, _ID)
"""Of the values of a link, in its order; the first two must be there."""


def read(folder: Folder) -> list[Link]:
    """The links of a host's pruned backups. What is not a link is passed over: a line only ever excuses an absence.

    Raises AccessManagerError when the record is there, and cannot be read.
    """
    try:
        lines = folder.read_file(NAME, SIZE_LIMIT).splitlines()
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise AccessManagerError(f"The record of pruned backups '{folder.path / NAME}' cannot be read: {exc.strerror}.") from None
    return [link for line in lines if (link := _link(line))]


def add(folder: Folder, links: c.Iterable[Link]) -> None:
    """Appends links to the record in a host's folder, and waits until they are on the disk.

    Raises AccessManagerError, also when the record is no file of its own: nothing else is ever written to.
    """
    with explained(folder.path / NAME):
        with folder.append_file(NAME) as file:
            lines = "".join(json.dumps(dataclasses.asdict(link)) + "\n" for link in links)
            file.write((_line_end(file) + lines).encode())
            os.fsync(file.fileno())
        folder.sync()


def _line_end(file: io.FileIO) -> str:
    """What ends a line that a crash left half written."""
    size = os.fstat(file.fileno()).st_size
    return "\n" if size and os.pread(file.fileno(), 1, size - 1) != b"\n" else ""


def _link(line: bytes) -> Link | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    values: list[t.Any] = [record.get(field.name) for field in dataclasses.fields(Link)]
    return Link(*values) if all(map(_matches, _PATTERNS, values)) and None not in values[:2] else None


def _matches(pattern: re.Pattern[str], value: t.Any) -> bool:
    return value is None or (isinstance(value, str) and pattern.fullmatch(value) is not None)
