# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records in the folder of a host that have a line of JSON for each event, each with a signature of its own where there
is a signing key.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import datetime
import errno
import json
import typing as t

from .._ams.json_document import strict
from .._errors import AccessManagerError
from .._shape import checked
from .._signing.signer import Signer
from .._signing.trust import Trust
from .._text import time_of
from .folder import Folder

Line = c.Mapping[str, t.Any]
"""An event. C(finished): when it ended, in UTC. C(signature): of its other keys, in OpenSSH's format."""

T = t.TypeVar("T")


def lines_of(folder: Folder, name: str, limit: int) -> list[bytes]:
    """The lines of a record to which one is added: none of a file that is too large to be such a record."""
    try:
        return folder.read_file(name, limit).splitlines()
    except FileNotFoundError:
        return []
    except OSError as exc:
        if exc.errno == errno.EFBIG:
            return []
        raise


def parsed(text: bytes, shape: type[T]) -> T | None:
    """The event that a line is; None when it has another shape."""
    try:
        return checked(strict(text), shape)
    except ValueError:
        return None


def moment_of(line: Line) -> datetime.datetime:
    """When an event ended."""
    return t.cast(datetime.datetime, time_of(line["finished"]))


def without_signature(line: Line) -> dict[str, t.Any]:
    return {key: value for key, value in line.items() if key != "signature"}


def signature_of(line: Line, signer: Signer) -> str:
    return signer.sign(_signed(line)).signature.decode()


def is_accepted(line: Line, trust: Trust, path: str) -> bool:
    """Whether this run takes an event for true. C(path): of the record, for sentences."""
    if not trust.is_required:
        return True
    with contextlib.suppress(AccessManagerError, UnicodeEncodeError):
        return "signature" in line and trust.origin_of(_signed(line), line["signature"].encode(), path).is_verified
    return False


def _signed(line: Line) -> bytes:
    """What the signature of a line is of: its other keys, sorted, without spaces."""
    return json.dumps(without_signature(line), sort_keys=True, separators=(",", ":")).encode()
