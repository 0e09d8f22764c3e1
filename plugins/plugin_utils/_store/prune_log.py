# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of pruned backups: .pruned.jsonl in a host's folder. A run adds one line before it removes anything.

Where there is a signing key, each line carries its own signature: what others add, or a crash leaves half written,
spoils none.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import io
import itertools
import json
import os
import pathlib
import typing as t

from .._ams.json_document import strict
from .._ams.shapes import Sha256
from .._errors import AccessManagerError
from .._shape import at_most, checked, matching
from .._signing.signer import Signer
from .._signing.trust import Trust
from .._text import BACKUP_ID
from .._threads import in_threads
from .chain import Link
from .folder import Folder, explained

NAME = ".pruned.jsonl"
SIZE_LIMIT = 64 * 1024 * 1024
MOST_FOREIGN = 500
"""Lines with a signature that is not accepted: each costs a run of ssh-keygen or two, so anybody could add hours of
them.
"""

_AT_A_TIME = 250
_MOST_LINKS = 100_000
_Id = t.Annotated[str, matching(BACKUP_ID, "the id of a backup")]


class _Link(t.TypedDict):
    id: _Id
    sha256: Sha256
    previous: Sha256 | None
    previous_id: _Id | None


class _Line(t.TypedDict):
    host: str
    pruned: t.Annotated[list[_Link], at_most(_MOST_LINKS)]
    signature: t.NotRequired[str]


def read(folder: Folder, host: str, trust: Trust) -> list[Link]:
    """The links of a host's pruned backups. What is not a line, of this host, and accepted, is passed over: it excuses
    nothing.

    Raises AccessManagerError when the record is there, and cannot be read, or is full of lines that others signed.
    """
    try:
        lines = folder.read_file(NAME, SIZE_LIMIT).splitlines()
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise AccessManagerError(
            f"The record of pruned backups '{folder.path / NAME}' cannot be read: {exc.strerror}."
        ) from None
    found = [line for text in lines if (line := _line(text)) and line["host"] == host]
    if trust.is_required:
        found = _accepted([line for line in found if "signature" in line], trust, folder.path / NAME)
    links = itertools.chain.from_iterable(line["pruned"] for line in found)
    return [Link(**link) for link in links]


def line_of(host: str, links: c.Iterable[Link], signer: Signer | None) -> bytes:
    """The line that records backups as pruned. Raises AccessManagerError when it cannot be signed."""
    line: _Line = {"host": host, "pruned": [t.cast(_Link, dataclasses.asdict(link)) for link in links]}
    if signer:
        line["signature"] = signer.sign(_signed(line)).signature.decode()
    return (json.dumps(line) + "\n").encode()


def add(folder: Folder, line: bytes) -> None:
    """Appends a line to the record in a host's folder, and waits until it is on the disk.

    Raises AccessManagerError, also when the record is no file of its own: nothing else is ever written to.
    """
    with explained(folder.path / NAME):
        with folder.append_file(NAME) as file:
            file.write(_line_end(file) + line)
            os.fsync(file.fileno())
        folder.sync()


def _line_end(file: io.FileIO) -> bytes:
    """What ends a line that a crash left half written."""
    size = os.fstat(file.fileno()).st_size
    return b"\n" if size and os.pread(file.fileno(), 1, size - 1) != b"\n" else b""


def _line(text: bytes) -> _Line | None:
    try:
        return checked(strict(text), _Line)
    except ValueError:
        return None


def _signed(line: _Line) -> bytes:
    """What the signature of a line is of: its other keys, sorted, without spaces."""
    rest = {key: value for key, value in line.items() if key != "signature"}
    return json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()


def _accepted(lines: list[_Line], trust: Trust, path: pathlib.Path) -> list[_Line]:
    """The lines that an allowed signer signed."""
    found: list[_Line] = []
    for start in range(0, len(lines), _AT_A_TIME):
        some = lines[start : start + _AT_A_TIME]
        found += itertools.compress(some, in_threads(lambda line: _is_signed(line, trust, str(path)), some))
        if start + len(some) - len(found) > MOST_FOREIGN:
            raise AccessManagerError(
                f"The record of pruned backups '{path}' has more than {MOST_FOREIGN} lines that no allowed signer "
                "signed, so it is not read on: find out who wrote them, and remove them."
            )
    return found


def _is_signed(line: _Line, trust: Trust, place: str) -> bool:
    signature = line.get("signature")
    try:
        return signature is not None and trust.origin_of(_signed(line), signature.encode(), place).is_verified
    except (AccessManagerError, UnicodeEncodeError):
        return False
