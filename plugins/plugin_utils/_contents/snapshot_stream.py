# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream in which a target sends a snapshot, and the archive that the controller makes of it.

A snapshot stream is one line of JSON, the manifest, and then the bytes of each file in the manifest's order: see
modules/artifact_fetch.ps1. A target is not trusted: names, sizes and hashes are checked before they are used.
"""

from __future__ import annotations

import collections.abc as c
import datetime
import hashlib
import json
import re
import typing as t

from .._ams.constants import JSON_FILES
from .._ams.description import Described, files_of
from .._ams.inventory import inventory_name
from .._ams.json_document import parse
from .._errors import AccessManagerError
from .names import is_portable_name
from .zip_writer import Entry

MANIFEST_LIMIT = 256 * 1024 * 1024
CHUNK = 256 * 1024
_RECORD = {"path": str, "created": str, "modified": str, "attributes": int, "sddl": str, "size": int}
_MANIFEST = {"installation": dict, "state": dict, "documents": list, "references": list, "records": list, "taken": dict}

_LARGEST_JSON = 64 * 1024 * 1024
"""As much of a JSON file is read: no configuration has as much."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Bundle:
    """A snapshot as it arrives: its manifest at once, its files as the archive's entries are drawn."""

    def __init__(self, stream: t.BinaryIO) -> None:
        self._stream = stream
        self.described = self._read_manifest()
        self._check_names()
        self.unreadable: dict[str, str] = {}
        """Why a restore could not read a JSON file, of those whose entries were drawn."""

    def entries(self) -> c.Iterator[Entry]:
        """The entries of config.zip: what describes the backup first, then the folders and files.

        Raises AccessManagerError when a file is not what the manifest says.
        """
        now = datetime.datetime.now(datetime.UTC)
        state = {key: value for key, value in self.described.items() if key not in ("records", "taken")}
        yield Entry("state/installation.json", now, [_json(state)])
        yield Entry("files.json", now, [_json(self.list_of_files())])
        for record in self.described["records"]:
            if record["kind"] == "folder":
                yield Entry(inventory_name(record), _modified(record))
        for record in files_of(self.described):
            content, file = self._content(record), str(record["name"]).removeprefix("config/")
            content = self._read_along(file, content) if file in JSON_FILES else content
            yield Entry(inventory_name(record), _modified(record), content)
        if self._stream.read(1):
            raise AccessManagerError("The target sent more than its manifest names: the transfer is not used.")

    def list_of_files(self) -> dict[str, list[Described]]:
        """The content of files.json."""
        common = ("created", "modified", "attributes", "sddl")
        return {
            "files": [
                {
                    "path": inventory_name(record),
                    "source": record["path"],
                    "sha256": record["sha256"],
                    "size": record["size"],
                }
                | {key: record[key] for key in common}
                for record in files_of(self.described)
            ],
            "folders": [
                {"path": inventory_name(record), "source": record["path"]} | {key: record[key] for key in common}
                for record in self.described["records"]
                if record["kind"] == "folder"
            ],
        }

    def _read_manifest(self) -> Described:
        line = self._stream.readline(MANIFEST_LIMIT)
        if not line.endswith(b"\n"):
            raise AccessManagerError("The target sent no manifest, or one of more than 256 MiB: the transfer is not used.")
        try:
            manifest = json.loads(line)
        except (ValueError, RecursionError):
            raise AccessManagerError("The target sent a manifest that is not JSON: the transfer is not used.") from None
        if not isinstance(manifest, dict):
            raise AccessManagerError("The target sent a manifest that is not an object: the transfer is not used.")
        for key, kind in _MANIFEST.items():
            if not isinstance(manifest.get(key), kind):
                raise AccessManagerError(f"The target sent a manifest without a proper '{key}': the transfer is not used.")
        return t.cast(Described, manifest)

    def _check_names(self) -> None:
        seen: set[tuple[str, str]] = set()
        for record in self.described["records"]:
            wrong = _wrong_key(record)
            if wrong:
                raise AccessManagerError(f"The target describes a file without a proper '{wrong}': the transfer is not used.")
            name = record["name"]
            folded = (name.lower(), name.upper())
            if not is_portable_name(name) or folded in seen:
                raise AccessManagerError(f"The target names a file '{name}', which cannot be put into a backup.")
            seen.add(folded)
            if record["kind"] == "file" and not _SHA256.fullmatch(str(record.get("sha256"))):
                raise AccessManagerError(f"The target gives no SHA-256 of '{name}'.")

    def _content(self, record: Described) -> c.Iterator[bytes]:
        digest, left = hashlib.sha256(), int(record["size"])
        while left:
            chunk = self._stream.read(min(left, CHUNK))
            if not chunk:
                raise AccessManagerError(f"The transfer ended within '{record['name']}': it is not used.")
            left -= len(chunk)
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != record["sha256"]:
            raise AccessManagerError(f"'{record['name']}' arrived with another SHA-256 than it had on the target.")

    def _read_along(self, file: str, chunks: c.Iterable[bytes]) -> c.Iterator[bytes]:
        """The content of a JSON file, which is read as a restore would read it when all of it has passed."""
        whole = bytearray()
        for chunk in chunks:
            whole += chunk if len(whole) <= _LARGEST_JSON else b""
            yield chunk
        try:
            parse(bytes(whole))
        except ValueError as exc:
            self.unreadable[file] = str(exc)


def _wrong_key(record: t.Any) -> str | None:
    """What a record lacks or has of another type; None when it can be used."""
    if not isinstance(record, dict):
        return "name"
    for key in ("name", "kind"):
        if not isinstance(record.get(key), str):
            return key
    if record["kind"] == "link":
        return None
    for key, kind in _RECORD.items():
        if not isinstance(record.get(key), kind):
            return key
    try:
        _modified(record)
    except ValueError:
        return "modified"
    return "size" if record["size"] < 0 else None


def _modified(record: Described) -> datetime.datetime:
    """The time of last change; Windows gives seven digits of a second, Python takes six."""
    return datetime.datetime.fromisoformat(str(record["modified"])[:26] + "+00:00")


def _json(value: t.Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass")
