# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One attachment as it lies in the store: its record, and its content."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import pathlib
import typing as t

from .._age.decryption import Decryptor
from .._ams.json_document import strict
from .._ams.shapes import Sha256
from .._errors import AccessManagerError
from .._shape import Rule, ShapeError, at_most, between, checked
from .._signing.trust import Origin
from .._text import printable
from .artifact import Artifact
from .manifest import ArtifactRecord
from .store import BackupStore, is_id

FOLDER: t.Final = "attachments"
RECORD, SIGNATURE = "record.json", "record.json.sig"
RECORD_LIMIT: t.Final = 1024 * 1024
LARGEST: t.Final = 256 * 1024**2
"""Bytes of an attachment in clear: it is read in memory."""

_CONTENT = "attachment"

_LONGEST_NAME, _MOST_RECIPIENTS = 255, 10_000


def is_name(name: str) -> bool:
    """Whether an attachment may have that name: it is that of a file, and a terminal shows it as it is."""
    return (
        bool(name)
        and len(name.encode("utf-8", "surrogatepass")) <= _LONGEST_NAME
        and name.isprintable()
        and not name.startswith(".")
        and not set(name) & set('/\\:*?"<>|')
    )


Id = t.Annotated[str, Rule(is_id, "the id of an attachment")]


class Record(t.TypedDict):
    """What is known of an attachment. C(bytes): in clear. C(mark): its HMAC-SHA256 under a key of the controller.

    C(size), C(sha256): of the file in the store.
    """

    format: t.Literal[1]
    host: str
    id: Id
    name: t.Annotated[str, Rule(is_name, "the name of a file")]
    bytes: t.Annotated[int, between(0, LARGEST)]
    mark: Sha256
    size: t.Annotated[int, between(0, 2 * LARGEST)]
    sha256: Sha256
    encryption: t.Literal["recipients", "passphrase", "none"]
    recipients: t.Annotated[list[str], at_most(_MOST_RECIPIENTS)]


def parsed(store: BackupStore, attachment_id: str, data: bytes) -> Record:
    """The record of an attachment that these bytes are.

    Raises AccessManagerError when they are none, or that of another attachment.
    """
    path = store.folder / FOLDER / attachment_id / RECORD
    try:
        record = checked(strict(data), Record)
    except (ValueError, ShapeError) as exc:
        raise AccessManagerError(f"'{path}' is no record of an attachment: {exc}.") from None
    if (record["host"], record["id"]) != (store.host, attachment_id):
        raise AccessManagerError(f"'{path}' is the record of another attachment.")
    return record


def artifact_of(record: Record) -> ArtifactRecord:
    """The content of an attachment, as its record has it."""
    return {
        "name": content_name(record["encryption"]),
        "size": record["size"],
        "sha256": record["sha256"],
        "encryption": record["encryption"],
        "recipients": record["recipients"],
    }


def artifacts_of(store: BackupStore, attachment_id: str, data: bytes) -> list[ArtifactRecord]:
    """The content of the attachment whose record has these bytes. Raises AccessManagerError as parsed."""
    return [artifact_of(parsed(store, attachment_id, data))]


def content_name(encryption: str) -> str:
    return _CONTENT if encryption == "none" else f"{_CONTENT}.age"


@dataclasses.dataclass(frozen=True)
class Attachment:
    """An attachment in the store. C(record): None when it cannot be read. C(problem): why it is not used, or empty."""

    id: str
    path: pathlib.Path
    record: Record | None
    sha256: str
    origin: Origin
    problem: str
    artifact: Artifact | None

    def as_data(self) -> dict[str, t.Any]:
        shown = ("host", "name", "bytes", "size", "sha256", "encryption", "recipients")
        known: dict[str, t.Any] = {key: value for key, value in (self.record or {}).items() if key in shown}
        return known | {
            "id": self.id,
            "path": str(self.path),
            "signer": self.origin.signer,
            "problem": printable(self.problem),
        }

    @property
    def name(self) -> str | None:
        return self.record["name"] if self.record else None

    def is_same(self, mark: str, encryption: str, recipients: c.Sequence[str]) -> bool:
        """Whether it holds what is marked so, encrypted as it would be now."""
        record = self.record
        known = record and (record["mark"], record["encryption"], record["recipients"])
        return known == (mark, encryption, list(recipients))

    def damage(self, decryptor: Decryptor) -> str:
        """What is wrong with an accepted one; with a key, also that it does not decrypt. Reads all of it."""
        artifact = t.cast(Artifact, self.artifact)
        try:
            if not (decryptor.has_key and decryptor.may_decrypt(artifact.path)):
                return artifact.damage or ""
            self.content(decryptor)
        except AccessManagerError as exc:
            return str(exc)
        return ""

    def content(self, decryptor: Decryptor) -> bytes:
        """What an accepted one holds. Raises AccessManagerError when it is damaged or not decrypted."""
        artifact, record = t.cast(Artifact, self.artifact), t.cast(Record, self.record)
        data = decryptor.decrypt(artifact.path, artifact.read(2 * LARGEST), record["recipients"])
        if len(data) != record["bytes"]:
            raise AccessManagerError(
                f"'{artifact.path}' holds {len(data)} bytes, and its record says {record['bytes']}."
            )
        return data
