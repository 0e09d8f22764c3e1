# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of files and folders in config.zip: its shape, names and times are checked before it is used."""

from __future__ import annotations

import re
import typing as t

from .._ams.constants import CONFIG
from .._ams.shapes import Count, Sha256
from .._errors import AccessManagerError
from .._shape import ShapeError, checked
from .._store.manifest import PARTS
from .._text import time_of
from .names import FILES, is_portable_name

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", re.ASCII)


class FolderRecord(t.TypedDict):
    """C(path): the name in the backup. C(source): the path on the server."""

    path: str
    source: str
    created: str
    modified: str
    attributes: int
    sddl: str


class FileRecord(FolderRecord):
    sha256: Sha256
    size: Count


class FileList(t.TypedDict):
    """The content of files.json."""

    files: list[FileRecord]
    folders: list[FolderRecord]


def checked_lists(content: object) -> tuple[dict[str, FileRecord], dict[str, FolderRecord]]:
    """The files and the folders that files.json lists, by their paths in the backup.

    Raises AccessManagerError when it cannot be that of a backup.
    """
    try:
        listed = checked(content, FileList)
    except ShapeError as exc:
        raise AccessManagerError(
            f"'{FILES}' in {PARTS['config']} is not as a backup has it: {exc}. The backup is not used."
        ) from None
    for record in [*listed["files"], *listed["folders"]]:
        _refuse_impossible(record)
    folders = {record["path"]: record for record in listed["folders"]}
    if CONFIG not in folders:
        raise AccessManagerError(f"{PARTS['config']} holds no configuration folder.")
    return {record["path"]: record for record in listed["files"]}, folders


def _refuse_impossible(record: FolderRecord) -> None:
    if not is_portable_name(record["path"].removesuffix("/")):
        raise AccessManagerError(f"'{FILES}' describes '{record['path']}', which cannot be a file of a backup.")
    for key, time in (("created", record["created"]), ("modified", record["modified"])):
        if not _TIME.fullmatch(time) or time_of(time) is None:
            raise AccessManagerError(
                f"'{FILES}' describes '{record['path']}', which cannot be a file of a backup: "
                f"its time '{time[:40]}' ({key}) is no time."
            )
