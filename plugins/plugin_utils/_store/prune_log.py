# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of pruned backups: .pruned.jsonl in a host's folder, one line for each, written before the backup is removed."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import errno
import json
import os
import pathlib
import re
import stat
import typing as t

from .._files import open_regular
from .chain import Link

NAME = ".pruned.jsonl"
SIZE_LIMIT = 64 * 1024 * 1024
_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PATTERNS = (_ID, _SHA256, _SHA256, _ID)
"""Of the values of a link, in its order; the first two must be there."""


def read(folder: pathlib.Path) -> list[Link]:
    """The links of a host's pruned backups. What is not a link is passed over: a line only ever excuses an absence."""
    try:
        with open_regular(folder / NAME) as file:
            lines = file.read(SIZE_LIMIT).splitlines()
    except OSError:
        return []
    return [link for line in lines if (link := _link(line))]


def add(folder: int, links: c.Iterable[Link]) -> None:
    """Appends links to the record in a folder, an open descriptor, and waits until they are on the disk.

    Raises OSError, also when the record is no file of its own: nothing else is ever written to.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(NAME, flags, 0o600, dir_fd=folder), "ab+", buffering=0) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise OSError(errno.EMLINK, f"its {NAME} has another name too (a hard link): put a copy in its place", NAME)
        lines = "".join(json.dumps(dataclasses.asdict(link)) + "\n" for link in links)
        file.write((_line_end(file) + lines).encode())
        os.fsync(file.fileno())
    os.fsync(folder)


def _line_end(file: t.Any) -> str:
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
