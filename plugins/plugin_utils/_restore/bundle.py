# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundle of a restore, in gzip: the plan as JSON behind its length, then the bytes of each file that it adds or
replaces.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import gzip
import itertools
import json
import os
import struct
import typing as t

from .._ams.description import DATABASE_FOLDER
from .._contents.contents import Contents
from .plan import Plan, PlannedFile

_KEYS = ("name", "path", "kind", "action", "before", "created", "modified", "attributes", "sddl", "sha256")
_CHANGE = ("add", "replace")
_LENGTH = struct.Struct("<i")
"""How many bytes the plan has, as .NET's BinaryReader reads a number: the target takes them at once."""


def plan_of(contents: Contents, plan: Plan) -> dict[str, t.Any]:
    """The plan, and what the target has to know beside it. No secret is in it in clear."""
    root = contents.configuration.described["installation"]["config_path"]
    secrets = {secret.path: secret for secret in contents.configuration.secrets}
    files = [_file(record) for record in plan.files]
    size = sum(record["size_before"] + 2 * record.get("size", 0) for record in plan.files)
    return plan.as_data() | {
        "backup": contents.source.label,
        "changes_server": plan.changes_server,
        "announced": plan.announced,
        "files": files,
        "secrets": [one | dataclasses.asdict(secrets[one["path"]]) for one in plan.secrets],
        "database": f"{root}\\db",
        "bytes": size,
    }


def _file(record: PlannedFile) -> dict[str, t.Any]:
    return dict.fromkeys(_KEYS) | {key: value for key, value in record.items() if key in _KEYS} | {
        "size": record.get("size", 0),
        "has_content": _has_content(record),
        "is_database": _is_database(record),
    }


def write(contents: Contents, plan: Plan, file: t.BinaryIO) -> None:
    names = [record["name"] for record in plan.files if _has_content(record)]
    pack(plan_of(contents, plan), itertools.chain.from_iterable(map(contents.configuration.chunks, names)), file)


def pack(plan: dict[str, t.Any], content: c.Iterable[bytes], file: t.BinaryIO) -> None:
    """Writes a bundle of a plan and the content of its files, one after the other."""
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed:
        head = json.dumps(plan).encode()
        packed.write(_LENGTH.pack(len(head)) + head)
        for chunk in content:
            packed.write(chunk)


@contextlib.contextmanager
def in_memory(contents: Contents, plan: Plan) -> c.Iterator[str]:
    """The path of a file that holds the bundle, in memory alone: nothing of it is on the controller's disk."""
    descriptor = os.memfd_create("bundle")
    with os.fdopen(descriptor, "w+b") as file:
        write(contents, plan, file)
        file.flush()
        yield f"/proc/self/fd/{descriptor}"


def _is_database(record: PlannedFile) -> bool:
    return record["kind"] == "file" and record["name"].startswith(DATABASE_FOLDER)


def _has_content(record: PlannedFile) -> bool:
    return record["kind"] == "file" and record["action"] in _CHANGE
