# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream in which a target sends a snapshot, and the archive that the controller makes of it.

A snapshot stream is one line of JSON, the manifest, and then the bytes of each file in the manifest's order: see
modules/artifact_fetch.ps1. A target is not trusted: names, sizes and hashes are checked before they are used.
"""

from __future__ import annotations

import collections
import collections.abc as c
import datetime
import hashlib
import json
import typing as t

from .._age.decryption import LARGEST
from .._ams.constants import CONFIG, JSON_FILES
from .._ams.description import files_of, inventory_name
from .._ams.json_document import MOST_BYTES, Value, parse, refuse_too_many_values
from .._ams.shapes import Item, SnapshotManifest
from .._errors import AccessManagerError
from .._shape import ShapeError, conforming
from .._text import time_of
from .configuration_review import Review
from .file_list import FileList, FileRecord, FolderRecord, checked_lists
from .names import FILES, STATE, is_name_of_backup, left_out
from .server_state import checked_state
from .zip_directory import MOST_ENTRIES
from .zip_reader import json_object
from .zip_writer import Entry

MANIFEST_LIMIT = 64 * 1024 * 1024
CHUNK = 256 * 1024
_SCRIPT, _LONGEST_SCRIPT = ".ps1", 1024 * 1024
_NO_TIME = datetime.datetime(1980, 1, 1, tzinfo=datetime.UTC)


class SnapshotStream:
    """A snapshot as it arrives: its manifest at once, its files as the archive's entries are drawn.

    C(most): bytes of its files together.
    """

    def __init__(self, stream: t.BinaryIO, most: int = LARGEST) -> None:
        self._stream = stream
        self.described = self._read_manifest()
        self._check_records()
        self._refuse_too_much(most)
        self._sent = files_of(self.described["records"])
        self.left_out = self._leave_out()
        """Why the backup holds some files and folders not, in sentences."""

        self.unreadable: dict[str, str] = {}
        """Why a restore could not read a JSON file, of those whose entries were drawn."""

        self.refused: list[str] = []
        """Why no restore reads the configuration, when its entries were drawn."""

        self.review = Review()
        """What is to be looked at in the configuration, of the entries that were drawn."""

    @property
    def documents(self) -> dict[str, Value]:
        """The JSON files of the entries that were drawn; a later one overrides an earlier one."""
        return {file: self.review.documents[file] for file in JSON_FILES if file in self.review.documents}

    def entries(self) -> c.Iterator[Entry]:
        """The entries of config.zip: what describes the backup first, then the folders and files.

        Raises AccessManagerError when a file is not what the manifest says.
        """
        now = datetime.datetime.now(datetime.UTC)
        state = {key: value for key, value in self.described.items() if key not in ("records", "taken")}
        yield Entry(STATE, now, [self._read_back(STATE, state, checked_state)])
        yield Entry(FILES, now, [self._read_back(FILES, self.list_of_files(), checked_lists)])
        for record in self.described["records"]:
            if record["kind"] == "folder":
                yield Entry(inventory_name(record), _modified(record))
        kept = {record["name"] for record in files_of(self.described["records"])}
        for record in self._sent:
            content, file = self._content(record), str(record["name"]).removeprefix(CONFIG)
            if record["name"] not in kept:
                collections.deque(content, maxlen=0)  # it is in the stream all the same
                continue
            yield Entry(inventory_name(record), _modified(record), self._passed(record["name"], file, content))
        if self._stream.read(1):
            raise AccessManagerError("The target sent more than its manifest names: the transfer is not used.")

    def list_of_files(self) -> FileList:
        """The content of files.json."""
        folders = [record for record in self.described["records"] if record["kind"] == "folder"]
        files = files_of(self.described["records"])
        return {"files": list(map(_listed_file, files)), "folders": list(map(_listed, folders))}

    def _read_manifest(self) -> SnapshotManifest:
        line = self._stream.readline(MANIFEST_LIMIT)
        if not line.endswith(b"\n"):
            raise AccessManagerError(
                f"The target sent no manifest, or one of more than {MANIFEST_LIMIT // 1024**2} MiB: the transfer is "
                "not used."
            )
        try:
            refuse_too_many_values(line)
            manifest = json.loads(line)
        except (ValueError, RecursionError):
            raise AccessManagerError("The target sent a manifest that is not JSON: the transfer is not used.") from None
        try:
            return conforming(manifest, SnapshotManifest)
        except ShapeError as exc:
            raise AccessManagerError(f"The target sent a manifest that is not used: {exc}.") from None

    def _refuse_too_much(self, most: int) -> None:
        files = files_of(self.described["records"])
        count, size = len(self.described["records"]), sum(file["size"] for file in files)
        if count > MOST_ENTRIES or size > most:
            raise AccessManagerError(
                f"The target announces {count} files and folders with {size} bytes: more than {MOST_ENTRIES}, or than "
                f"{most // 1024**2} MiB, are not taken. Move out of the configuration folder what is not Access "
                "Manager's."
            )
        names = [record["name"] for record in self.described["records"]]
        if len(set(names)) < len(names):
            raise AccessManagerError("The target describes two files of one name: the transfer is not used.")

    def _leave_out(self) -> list[str]:
        """Takes out of the records what a backup cannot hold; returns a sentence for each that is not in a folder of
        them.

        Links are in no backup: whatever their names are, that they are links is said.
        """
        records = self.described["records"]
        why = left_out(record["name"] for record in records if record["kind"] != "link")
        gone = [record for record in records if record["name"] in why]
        self.described["records"] = [record for record in records if record["name"] not in why]
        return [
            f"'{record['path']}' is not backed up: {reason}. Rename or remove it on the server, and back up again."
            for record in gone
            if (reason := why[record["name"]])
        ]

    def _read_back(self, name: str, content: object, check: c.Callable[[object], object]) -> bytes:
        """The bytes of an entry, which are read as a restore would read them.

        They are kept also when it would refuse them.
        """
        try:
            data = _json(content)
        except RecursionError:
            raise AccessManagerError(
                f"The target sent a manifest that cannot be written as '{name}': it is nested too deep."
            ) from None
        try:
            check(json_object(data, f"'{name}'"))
        except AccessManagerError as exc:
            self.refused.append(str(exc))
        return data

    def _check_records(self) -> None:
        for record in self.described["records"]:
            name = record["name"]
            if not is_name_of_backup(name):
                raise AccessManagerError(
                    f"The target names a file '{name}', which cannot be put into a backup: it is no name below the "
                    "configuration folder or a drive. The transfer is not used."
                )
            if record["kind"] == "file" and "sha256" not in record:
                raise AccessManagerError(f"The target gives no SHA-256 of '{name}'.")

    def _content(self, record: Item) -> c.Iterator[bytes]:
        digest, left = hashlib.sha256(), record["size"]
        while left:
            chunk = self._stream.read(min(left, CHUNK))
            if not chunk:
                raise AccessManagerError(f"The transfer ended within '{record['name']}': it is not used.")
            left -= len(chunk)
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != record["sha256"]:
            raise AccessManagerError(f"'{record['name']}' arrived with another SHA-256 than it had on the target.")

    def _passed(self, name: str, file: str, content: c.Iterable[bytes]) -> c.Iterable[bytes]:
        """The content of a file. JSON files and scripts are read when all of them has passed."""
        if file in JSON_FILES:
            return _read_along(content, MOST_BYTES, lambda data: self._read_document(file, data))
        if name.lower().endswith(_SCRIPT):
            return _read_along(content, _LONGEST_SCRIPT, lambda data: self._read_script(name, data))
        return content

    def _read_document(self, file: str, data: bytes) -> None:
        """Reads a JSON file as a restore would read it."""
        try:
            self.review.documents[file] = parse(data)
        except ValueError as exc:
            self.unreadable[file] = str(exc)

    def _read_script(self, name: str, data: bytes) -> None:
        self.review.scripts[name] = data.decode("utf-8", "replace")


def _read_along(chunks: c.Iterable[bytes], most: int, read: c.Callable[[bytes], None]) -> c.Iterator[bytes]:
    """The chunks; afterwards C(read) is given what they were together, up to so many bytes and a chunk."""
    whole = bytearray()
    for chunk in chunks:
        whole += chunk if len(whole) <= most else b""
        yield chunk
    read(bytes(whole))


def _listed(record: Item) -> FolderRecord:
    """What files.json says of a file or folder."""
    return {
        "path": inventory_name(record),
        "source": record["path"],
        "created": record["created"],
        "modified": record["modified"],
        "attributes": record["attributes"],
        "sddl": record["sddl"],
    }


def _listed_file(record: Item) -> FileRecord:
    return {**_listed(record), "sha256": record["sha256"], "size": record["size"]}


def _modified(record: Item) -> datetime.datetime:
    """The time of last change, for the zip; files.json has it as the server wrote it."""
    return time_of(record["modified"]) or _NO_TIME


def _json(value: t.Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass")
