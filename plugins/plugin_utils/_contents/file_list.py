# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of files and folders in config.zip: its shape, names and times are checked before it is used."""

from __future__ import annotations

import collections.abc as c
import re
import typing as t

from .._ams.description import Record
from .._errors import AccessManagerError
from .._store.manifest import PARTS
from .._text import time_of
from .names import FILES, is_portable_name
from .server_state import checked_record

_FILE: dict[str, type] = {
    "path": str,
    "sha256": str,
    "size": int,
    "created": str,
    "modified": str,
    "attributes": int,
    "sddl": str,
}
_FOLDER: dict[str, type] = {key: _FILE[key] for key in ("path", "created", "modified", "attributes", "sddl")}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", re.ASCII)
_CONFIG = "config/"

Records = dict[str, Record]
"""Records of files or folders by their path in the backup."""


def checked_lists(content: Record) -> tuple[Records, Records]:
    """The files and the folders that files.json lists. Raises AccessManagerError when it cannot be that of a backup."""
    files = {record["path"]: record for record in _records(content.get("files"), _FILE)}
    folders = {record["path"]: record for record in _records(content.get("folders"), _FOLDER)}
    if _CONFIG not in folders:
        raise AccessManagerError(f"{PARTS['config']} holds no configuration folder.")
    return files, folders


def _records(records: t.Any, shape: dict[str, type]) -> c.Iterator[Record]:
    if not isinstance(records, list):
        raise AccessManagerError(f"'{FILES}' in {PARTS['config']} lists no files: the backup is not used.")
    for record in records:
        checked_record(record, shape, f"A file of '{FILES}'")
        if not is_portable_name(record["path"].removesuffix("/")):
            raise AccessManagerError(f"'{FILES}' describes '{record['path']}', which cannot be a file of a backup.")
        for key in ("created", "modified"):
            if not _TIME.fullmatch(record[key]) or time_of(record[key]) is None:
                raise AccessManagerError(
                    f"'{FILES}' describes '{record['path']}', which cannot be a file of a backup: "
                    f"its time '{record[key][:40]}' ({key}) is no time."
                )
        yield record
