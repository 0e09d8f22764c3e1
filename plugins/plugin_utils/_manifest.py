# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a backup, format 1: what may be known of it without a key. See docs/format.md."""

from __future__ import annotations

import collections.abc as c
import json
import pathlib
import re
import typing as t

from ._errors import AccessManagerError

FORMAT = 1
NAME = "manifest.json"
SIZE_LIMIT = 64 * 1024 * 1024
COMPLETE, INCOMPLETE, UNREADABLE = "complete", "incomplete", "unreadable"

Manifest = dict[str, t.Any]

_REQUIRED = {
    "format": int,
    "id": str,
    "host": str,
    "status": str,
    "problems": list,
    "artifacts": list,
    "content_digest": str,
    "inventory": dict,
}
_ARTIFACT = {"name": str, "size": int, "sha256": str}
_ARTIFACT_NAME = re.compile(r"[a-z]+\.(zip|json)(\.age)?")


def build(
    *,
    backup_id: str,
    host: str,
    created: str,
    collection_version: str,
    previous: str | None,
    records: c.Mapping[str, Manifest],
    content_digest: str,
    inventory: dict[str, str],
) -> Manifest:
    """The manifest of a backup from the records that its artifacts' modules left, in the order of C(records)."""
    problems = [problem for record in records.values() for problem in record["problems"]]
    recipients = [recipient for record in records.values() for recipient in record["artifact"]["recipients"]]
    told = {key: value for record in records.values() for key, value in record["manifest"].items()}
    return {
        "format": FORMAT,
        "id": backup_id,
        "host": host,
        "collection_version": collection_version,
        "created": created,
        "status": INCOMPLETE if problems else COMPLETE,
        "problems": problems,
        "artifacts": [record["artifact"] for record in records.values()],
        "content_digest": content_digest,
        "inventory": inventory,
        "recipients": list(dict.fromkeys(recipients)),
        "previous": previous,
    } | told


def to_bytes(manifest: Manifest) -> bytes:
    return (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def read(path: pathlib.Path) -> Manifest:
    """The manifest in a file, checked for the shape that this collection relies on.

    Raises AccessManagerError when it cannot be read or is not a manifest of format 1.
    """
    try:
        with path.open("rb") as file:
            text = file.read(SIZE_LIMIT + 1)
        if len(text) > SIZE_LIMIT:
            raise AccessManagerError(f"'{path}' is larger than any manifest: it is not read.")
        manifest = json.loads(text)
    except (OSError, ValueError, RecursionError) as exc:
        raise AccessManagerError(f"The manifest '{path}' cannot be read: {exc}") from None
    wrong = _wrong_key(manifest)
    if wrong:
        raise AccessManagerError(f"'{path}' is not a manifest of format {FORMAT}: {wrong}.")
    return t.cast(Manifest, manifest)


def _wrong_key(manifest: t.Any) -> str | None:
    """What keeps a document from being a manifest; None when nothing does."""
    if not isinstance(manifest, dict):
        return "it is not an object"
    for key, kind in _REQUIRED.items():
        if not isinstance(manifest.get(key), kind):
            return f"'{key}' is missing or of another type"
    if manifest["format"] != FORMAT:
        return f"its format is {manifest['format']}"
    for artifact in manifest["artifacts"]:
        if not isinstance(artifact, dict) or not all(isinstance(artifact.get(key), kind) for key, kind in _ARTIFACT.items()):
            return "an artifact is not described by name, size and sha256"
        if not _ARTIFACT_NAME.fullmatch(artifact["name"]):
            return f"it names an artifact '{artifact['name']}'"
    return None
