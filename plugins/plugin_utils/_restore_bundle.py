# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundle of a restore: gzip, one line of JSON, and then the bytes of each file that the plan adds or replaces, in its order."""

from __future__ import annotations

import collections.abc as c
import contextlib
import gzip
import json
import os
import typing as t

from ._contents import Contents, Record
from ._plan import Plan

_KEYS = ("name", "path", "kind", "action", "before", "created", "modified", "attributes", "sddl", "sha256", "size")
_CHANGE = ("add", "replace")


def task_of(contents: Contents, plan: Plan) -> dict[str, t.Any]:
    """The first line: the plan, and what the target has to know of the secrets. No secret is in it in clear."""
    secrets = {secret.path: secret for secret in contents.configuration.secrets}
    registry = contents.configuration.described["state"]["registry"]
    data = plan.as_data()
    data["files"] = [{key: record.get(key) for key in _KEYS} for record in plan.files]
    for record in data["files"]:
        record["size"] = record["size"] or 0
    return {
        "backup": contents.source.label,
        "plan": data,
        "configured": any(value["name"].lower() == "configured" and value["data"] == 1 for value in registry),
        "touches_database": any(record["name"].startswith("config/db/") and record["kind"] == "file" for record in plan.files),
        "secrets": [
            one
            | {
                "data": secrets[one["path"]].data,
                "salt": secrets[one["path"]].salt,
                "data_place": secrets[one["path"]].data_place,
                "salt_place": secrets[one["path"]].salt_place,
            }
            for one in plan.secrets
        ],
    }


def write(contents: Contents, plan: Plan, file: t.BinaryIO) -> None:
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed:
        packed.write(json.dumps(task_of(contents, plan)).encode() + b"\n")
        for record in plan.files:
            if _has_content(record):
                for chunk in contents.configuration.chunks(record["name"]):
                    packed.write(chunk)


@contextlib.contextmanager
def in_memory(contents: Contents, plan: Plan) -> c.Iterator[str]:
    """The path of a file that holds the bundle, in memory alone: nothing of it is on the controller's disk."""
    descriptor = os.memfd_create("bundle")
    with os.fdopen(descriptor, "w+b") as file:
        write(contents, plan, file)
        file.flush()
        yield f"/proc/self/fd/{descriptor}"


def _has_content(record: Record) -> bool:
    return record["kind"] == "file" and record["action"] in _CHANGE
