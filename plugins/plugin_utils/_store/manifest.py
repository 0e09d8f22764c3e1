# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a backup, format 1: what may be known of it without a key. See docs/format.md."""

from __future__ import annotations

import collections.abc as c
import hashlib
import itertools
import json
import pathlib
import re
import typing as t

from .._age.decryption import LARGEST
from .._ams.json_document import strict
from .._errors import AccessManagerError
from .._statuses import COMPLETE, INCOMPLETE
from .._text import printable, shortened
from .folder import Folder

FORMAT = 1
NAME = "manifest.json"
SIGNATURE = f"{NAME}.sig"
SIZE_LIMIT = 64 * 1024 * 1024
MOST_VALUES = 500_000
"""Of a whole manifest: its inventory has one for each file, and each commas in its name."""

PARTS = {"config": "config.zip", "certificates": "certificates.zip", "secrets": "secrets.json"}
"""The parts of a server's backup, in the order of its manifest, and the files that hold them before encryption."""

CERTIFICATES_ALONE = "certificates"
"""The kind of a backup that holds certificates of a forest, and nothing of a server."""

MOST_LISTED = 10_000
"""How many entries a list of a manifest has at most."""


Manifest = dict[str, t.Any]

_REQUIRED = {
    "format": int,
    "id": str,
    "host": str,
    "status": str,
    "problems": list,
    "artifacts": list,
    "nonce_sha256": str,
    "content_digest": str,
    "inventory": dict,
}
_OPTIONAL: dict[str, type | tuple[type, ...]] = {
    "checksum": str,
    "kind": str,
    "created": str,
    "collection_version": str,
    "access_manager_version": str,
    "recipients": list,
    "files": int,
    "bytes": int,
    "stopped": bool,
    "downtime_ms": (int, type(None)),
    "previous": (str, type(None)),
    "previous_id": (str, type(None)),
    "certificates": list,
    "secrets": list,
    "directory": dict,
}
_LISTED: dict[str, dict[str, type]] = {
    "certificates": {"thumbprint": str, "subject": str, "not_before": str, "not_after": str, "exported": bool},
    "secrets": {"path": str, "exported": bool},
}
_TEXTS = ("problems", "recipients")
_ARTIFACT = {"name": str, "size": int, "sha256": str}
_ARTIFACT_NAME = re.compile(r"[a-z]+\.(zip|json)(\.age)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"[0-9]{4}-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9](\.[0-9]{1,7})?Z")


def build(
    *,
    backup_id: str,
    host: str,
    created: str,
    collection_version: str,
    previous: str | None,
    previous_id: str | None,
    nonce_sha256: str,
    records: c.Mapping[str, Manifest],
    content_digest: str,
    inventory: dict[str, str],
) -> Manifest:
    """The manifest of a backup from the records that its artifacts' modules left, in the order of C(records).

    A record without an artifact, such as that of a census, adds to the manifest only.
    """
    problems = [printable(shortened(problem)) for problem in _joined(records.values(), "problems")]
    artifacts = [record["artifact"] for record in records.values() if "artifact" in record]
    recipients = list(dict.fromkeys(_joined(artifacts, "recipients")))
    details: Manifest = {}
    for record in records.values():
        details |= record["manifest"]
    manifest = {
        "format": FORMAT,
        "id": backup_id,
        "host": host,
        "collection_version": collection_version,
        "created": created,
        "status": INCOMPLETE if problems else COMPLETE,
        "problems": _bounded(problems),
        "artifacts": artifacts,
        "nonce_sha256": nonce_sha256,
        "content_digest": content_digest,
        "inventory": inventory,
        "recipients": recipients,
        "previous": previous,
        "previous_id": previous_id,
    } | details
    return manifest | {"checksum": checksum_of(manifest)}


def _joined(records: c.Iterable[Manifest], key: str) -> c.Iterator[str]:
    return itertools.chain.from_iterable(record[key] for record in records)


def _bounded(problems: list[str]) -> list[str]:
    """As many problems as a manifest may list; the last entry says how many there are more."""
    if len(problems) <= MOST_LISTED:
        return problems
    return [*problems[: MOST_LISTED - 1], f"There are {len(problems) - MOST_LISTED + 1} more problems."]


def holds_certificates_alone(manifest: Manifest) -> bool:
    """Whether a backup is of a forest's certificates, and not of a server."""
    return manifest.get("kind") == CERTIFICATES_ALONE


def parts_of(manifest: Manifest) -> tuple[str, ...]:
    """The parts that a whole backup of its kind has."""
    return ("certificates",) if holds_certificates_alone(manifest) else tuple(PARTS)


def checksum_of(manifest: Manifest) -> str:
    """What C(checksum) must be: it shows a manifest that was edited or damaged, though not one that was forged."""
    content = {key: value for key, value in manifest.items() if key != "checksum"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def to_bytes(manifest: Manifest) -> bytes:
    return (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def read(folder: Folder) -> Manifest:
    """The manifest in the folder of a backup, checked for the shape that this collection relies on.

    Raises AccessManagerError when it cannot be read or is not a manifest of format 1.
    """
    return parse(read_bytes(folder), folder.path / NAME)


def read_bytes(folder: Folder) -> bytes:
    """The bytes of the manifest in a folder, of which C(previous) of the next one is the SHA-256."""
    try:
        return folder.read_file(NAME, SIZE_LIMIT)
    except OSError as exc:
        raise AccessManagerError(f"The manifest '{folder.path / NAME}' cannot be read: {exc.strerror}.") from None


def parse(data: bytes, path: pathlib.Path) -> Manifest:
    """The manifest that the bytes of a file are; C(path) names it in errors."""
    try:
        manifest = strict(data, MOST_VALUES)
    except ValueError as exc:
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
    if manifest["status"] not in (COMPLETE, INCOMPLETE):
        return f"its status is '{manifest['status']}'"
    if manifest.get("kind", CERTIFICATES_ALONE) != CERTIFICATES_ALONE:
        return f"its kind is '{manifest['kind']}'"
    for key, kinds in _OPTIONAL.items():
        if key in manifest and not isinstance(manifest[key], kinds):
            return f"'{key}' is of another type"
    if not _TIME.fullmatch(manifest.get("created", "2026-01-01T00:00:00Z")):
        return "'created' is not a time in UTC"
    if not _SHA256.fullmatch(manifest["nonce_sha256"]):
        return "'nonce_sha256' is not a SHA-256"
    return _wrong_list(manifest) or _wrong_artifact(manifest["artifacts"])


def _wrong_artifact(artifacts: list[t.Any]) -> str | None:
    parts = set()
    for artifact in artifacts:
        if not isinstance(artifact, dict) or not all(
            isinstance(artifact.get(key), kind) for key, kind in _ARTIFACT.items()
        ):
            return "an artifact is not described by name, size and sha256"
        if not _ARTIFACT_NAME.fullmatch(artifact["name"]):
            return f"it names an artifact '{artifact['name']}'"
        if isinstance(artifact["size"], bool) or not 0 <= artifact["size"] <= LARGEST:
            return f"'{artifact['name']}' has the size {artifact['size']}: it must be from 0 to {LARGEST}"
        if not _are_texts(artifact.get("recipients", [])):
            return "the 'recipients' of an artifact are not a list of texts"
        parts.add(artifact["name"].split(".")[0])
    return "it names two artifacts of one part" if len(parts) < len(artifacts) else None


def _wrong_list(manifest: Manifest) -> str | None:
    for key in ("artifacts", *_TEXTS, *_LISTED):
        if len(manifest.get(key, [])) > MOST_LISTED:
            return f"'{key}' has more than {MOST_LISTED} entries"
    for key in _TEXTS:
        if not _are_texts(manifest.get(key, [])):
            return f"'{key}' is not a list of texts"
    for key, shape in _LISTED.items():
        for record in manifest.get(key, []):
            if not isinstance(record, dict) or not all(
                isinstance(record.get(name), kind) for name, kind in shape.items()
            ):
                return f"an entry of '{key}' is not described by {', '.join(shape)}"
    return None


def _are_texts(value: t.Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)
