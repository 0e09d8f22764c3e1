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
import typing as t

from .._age.decryption import LARGEST
from .._ams.installer import Installer
from .._ams.json_document import strict
from .._ams.shapes import BoundCertificate, Count, Sha256
from .._errors import AccessManagerError
from .._shape import Rule, ShapeError, Time, at_most, between, conforming, matching
from .._statuses import COMPLETE, INCOMPLETE, Made
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

CERTIFICATES_ALONE: t.Final = "certificates"
"""The kind of a backup that holds certificates of a forest, and nothing of a server."""

MOST_LISTED = 10_000
"""How many entries a list of a manifest has at most."""


_LISTED = at_most(MOST_LISTED)
_ARTIFACT_NAME = matching(r"[a-z]+\.(zip|json)(\.age)?", "the name of an artifact, such as config.zip.age")


def part_of(artifact: ArtifactRecord) -> str:
    """The part that an artifact holds."""
    return artifact["name"].split(".")[0]


_ONE_EACH = Rule(
    lambda artifacts: len(set(map(part_of, artifacts))) == len(artifacts), "at most one artifact of each part"
)


class Written(t.TypedDict):
    """A file as it was written."""

    name: t.Annotated[str, _ARTIFACT_NAME]
    size: t.Annotated[int, between(0, LARGEST)]
    sha256: Sha256


class ArtifactRecord(Written):
    """An encrypted part. C(recipients): who can decrypt it, if that is by public keys."""

    encryption: t.Literal["recipients", "passphrase", "none"]
    recipients: t.Annotated[list[str], _LISTED]


class CertificateDetails(t.TypedDict):
    thumbprint: str
    subject: str
    not_before: str
    not_after: str


class CertificateRecord(CertificateDetails):
    """C(exported): whether its private key is in the backup."""

    exported: bool


class SecretRecord(t.TypedDict):
    """A protected secret. C(exported): whether its value is in the backup.

    C(needed): whether a complete backup must hold it. C(decryptable_by): the SIDs that can decrypt one of mode 3.
    C(certificate): the thumbprint of the certificate whose key in the configuration it protects; else empty.
    """

    path: str
    mode: int | str
    exported: bool
    needed: bool
    decryptable_by: t.Annotated[list[str], _LISTED]
    certificate: str


class CountedKey(t.TypedDict):
    """How many passwords in the directory depend on a key. C(covered): whether a backup holds it."""

    thumbprint: str
    current: Count
    history: Count
    oldest: str | None
    newest: str | None
    published: bool
    covered: bool


class Unparsable(t.TypedDict):
    current: Count
    history: Count


class Census(t.TypedDict):
    """On which keys the passwords in the directory depend."""

    computers: Count
    keys: list[CountedKey]
    unparsable: Unparsable


class Details(t.TypedDict):
    """What the records of the parts add to a manifest. C(kind): in a backup of a forest's certificates alone."""

    kind: t.NotRequired[t.Literal["certificates"]]
    access_manager_version: t.NotRequired[str]
    files: t.NotRequired[Count]
    bytes: t.NotRequired[Count]
    stopped: t.NotRequired[bool]
    downtime_ms: t.NotRequired[Count | None]
    certificates: t.NotRequired[t.Annotated[list[CertificateRecord], _LISTED]]
    installer: t.NotRequired[Installer]
    tls_certificates: t.NotRequired[t.Annotated[list[BoundCertificate], _LISTED]]
    health_warnings: t.NotRequired[t.Annotated[list[str], _LISTED]]
    secrets: t.NotRequired[t.Annotated[list[SecretRecord], _LISTED]]
    replaces: t.NotRequired[t.Annotated[list[str], _LISTED]]
    directory: t.NotRequired[Census]


class _Formatted(t.TypedDict):
    format: t.Literal[1]


class ManifestHead(_Formatted, Details):
    """All of a manifest but its inventory, which is large."""

    id: str
    host: str
    collection_version: str
    created: Time
    status: Made
    problems: t.Annotated[list[str], _LISTED]
    artifacts: t.Annotated[list[ArtifactRecord], _LISTED, _ONE_EACH]
    nonce_sha256: Sha256
    content_digest: str
    recipients: t.Annotated[list[str], _LISTED]
    previous: str | None
    previous_id: str | None
    checksum: str


class Manifest(ManifestHead):  # pylint: disable=duplicate-bases
    inventory: dict[str, str]


class PartRecord(t.TypedDict):
    """What the module of one part leaves for the manifest. One of a census has no artifact."""

    artifact: t.NotRequired[ArtifactRecord]
    problems: list[str]
    manifest: Details
    inventory: dict[str, str]


def build(
    *,
    backup_id: str,
    host: str,
    created: str,
    collection_version: str,
    previous: str | None,
    previous_id: str | None,
    nonce_sha256: str,
    records: c.Mapping[str, PartRecord],
    content_digest: str,
    inventory: dict[str, str],
) -> Manifest:
    """The manifest of a backup from the records that its artifacts' modules left, in the order of C(records).

    A record without an artifact, such as that of a census, adds to the manifest only.
    """
    found = itertools.chain.from_iterable(record["problems"] for record in records.values())
    problems = [printable(shortened(problem)) for problem in found]
    artifacts = [record["artifact"] for record in records.values() if "artifact" in record]
    recipients = dict.fromkeys(itertools.chain.from_iterable(artifact["recipients"] for artifact in artifacts))
    manifest: dict[str, t.Any] = {
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
        "recipients": list(recipients),
        "previous": previous,
        "previous_id": previous_id,
    }
    for record in records.values():
        manifest |= record["manifest"]
    return t.cast(Manifest, manifest | {"checksum": checksum_of(manifest)})


def _bounded(problems: list[str]) -> list[str]:
    """As many problems as a manifest may list; the last entry says how many there are more."""
    if len(problems) <= MOST_LISTED:
        return problems
    return [*problems[: MOST_LISTED - 1], f"There are {len(problems) - MOST_LISTED + 1} more problems."]


def holds_certificates_alone(manifest: ManifestHead) -> bool:
    """Whether a backup is of a forest's certificates, and not of a server."""
    return manifest.get("kind") == CERTIFICATES_ALONE


def parts_of(manifest: ManifestHead) -> tuple[str, ...]:
    """The parts that a whole backup of its kind has."""
    return ("certificates",) if holds_certificates_alone(manifest) else tuple(PARTS)


def checksum_of(manifest: c.Mapping[str, t.Any]) -> str:
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
    try:
        return conforming(manifest, Manifest)
    except ShapeError as exc:
        raise AccessManagerError(f"'{path}' is not a manifest of format {FORMAT}: {exc}.") from None
