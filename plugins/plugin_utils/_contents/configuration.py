# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a backup: its files, folders, references and secrets, each checked against files.json."""

from __future__ import annotations

import collections.abc as c
import copy
import dataclasses
import functools
import hashlib
import itertools
import ntpath
import typing as t

from .._ams.constants import CONFIG, FILE_REFERENCES, JSON_FILES, PROTECTED_SECRETS
from .._ams.json_document import Value, find, parse
from .._ams.secret_use import SETTINGS
from .._ams.shapes import Reference as RecordedReference
from .._errors import AccessManagerError
from .._store.manifest import PARTS
from .file_list import checked_lists
from .names import BINDING, FILES, STATE, may_stand_for, path_of
from .server_state import checked_state
from .zip_reader import Archive

_UNKNOWN_MODE = -1


@dataclasses.dataclass(frozen=True)
class Secret:
    """A protected secret of the configuration, and where its data and salt stand in its file."""

    file: str
    path: str
    mode: int
    data: str
    salt: str
    data_place: tuple[int, int]
    salt_place: tuple[int, int] | None


@dataclasses.dataclass(frozen=True)
class Reference:
    """A value of a JSON file that names a file. C(folder): where a bare name lies.

    C(path): where the file was on the server. C(name): of the file in the backup; None when it does not hold it.
    """

    file: str
    place: str
    value: Value
    folder: str
    path: str
    name: str | None = None


class Configuration:
    """What config.zip holds, each file checked against files.json.

    C(tolerant): a JSON file that does not parse is no error; C(unreadable) says why of each.
    """

    def __init__(self, data: bytes, *, tolerant: bool = False) -> None:
        self._archive = Archive(data, PARTS["config"])
        self._changed: dict[str, bytes] = {}
        self.described = checked_state(self._archive.json(STATE))
        self.files, self.folders = checked_lists(self._archive.json(FILES))
        self._check_names()
        for name in self.files:
            self._check_content(name)
        self.unreadable: dict[str, str] = {}
        self.documents = dict(self._documents(tolerant=tolerant))

    def chunks(self, name: str) -> c.Iterator[bytes]:
        return iter([self._changed[name]]) if name in self._changed else self._archive.chunks(name)

    def read(self, name: str) -> bytes:
        return self._changed[name] if name in self._changed else self._archive.read(name)

    def with_contents(self, changed: c.Mapping[str, bytes]) -> Configuration:
        """The same configuration with other contents of some of its JSON files, by their names in the backup."""
        other = copy.copy(self)
        other._changed = {**self._changed, **changed}
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in changed.items()}
        other.files = self.files | {
            name: {**self.files[name], "size": len(data), "sha256": digests[name]} for name, data in changed.items()
        }
        other.documents = dict(other._documents(tolerant=False))
        return other

    @property
    def secrets(self) -> list[Secret]:
        """The protected secrets; of a path that stands in two files, the one that Access Manager reads."""
        found: dict[str, Secret] = {}
        for file, document in self.documents.items():
            for path in PROTECTED_SECRETS:
                for place, value in find(document, path):
                    if secret := _secret(file, place, value):
                        found[place.lower()] = secret
        return list(found.values())

    @functools.cached_property
    def secret_settings(self) -> dict[str, str]:
        """The values by which it is decided which secrets are in use, by their places."""
        pairs = itertools.product(self.documents.values(), SETTINGS)
        found = itertools.chain.from_iterable(find(document, path) for document, path in pairs)
        return {place: str(value.value) for place, value in found}

    def names_external(self, name: str) -> bool:
        """Whether the JSON files name the file elsewhere that has that name in a backup."""
        return name in self._named

    @property
    def references(self) -> c.Iterator[Reference]:
        """The files that the JSON files name."""
        for file, document in self.documents.items():
            for path, folder in FILE_REFERENCES.items():
                for place, value in find(document, path):
                    if isinstance(value.value, str) and value.value:
                        yield self._reference(file, place, value, folder)

    @functools.cached_property
    def _named(self) -> set[str | None]:
        return {reference.name for reference in self.references}

    @functools.cached_property
    def _recorded(self) -> dict[tuple[str, str], RecordedReference]:
        return {(record["key"], record["value"]): record for record in self.described["references"]}

    def _reference(self, file: str, place: str, value: Value, folder: str) -> Reference:
        """What the server recorded of a value, where it can be of this value."""
        root = self.described["installation"]["config_path"]
        resolved = ntpath.normpath(ntpath.join(root, folder, value.value))
        record = self._recorded.get((place, value.value))
        if record is None or not may_stand_for(resolved, record["path"]):
            return Reference(file, place, value, folder, resolved)
        name = record["name"]
        held = name in self.files and path_of(name, root).lower() == record["path"].lower()
        return Reference(file, place, value, folder, record["path"], name if held else None)

    def _check_names(self) -> None:
        listed, held = self.files.keys() | self.folders.keys(), self._archive.names - {STATE, FILES, BINDING}
        for name in sorted(listed ^ held):
            where = (
                f"'{FILES}' describes it, but it is not there" if name in listed else f"'{FILES}' does not describe it"
            )
            raise AccessManagerError(f"'{name}' in {PARTS['config']} is not as it was backed up: {where}.")

    def _check_content(self, name: str) -> None:
        digest, size = hashlib.sha256(), 0
        for chunk in self._archive.chunks(name):
            digest.update(chunk)
            size += len(chunk)
        if (size, digest.hexdigest()) != (self.files[name]["size"], self.files[name]["sha256"]):
            raise AccessManagerError(
                f"'{name}' in {PARTS['config']} is not as it was backed up: its size or SHA-256 is another."
            )

    def _documents(self, *, tolerant: bool) -> c.Iterator[tuple[str, Value]]:
        for file in JSON_FILES:
            name = f"{CONFIG}{file}"
            if name in self.files:
                try:
                    yield file, parse(self.read(name))
                except ValueError as exc:
                    self.unreadable[file] = str(exc)
                    if tolerant:
                        continue
                    raise AccessManagerError(
                        f"{file} in the backup is not JSON in UTF-8 as a restore reads it: {exc}. "
                        "Use another backup, or restore this one by hand: docs/runbook_restore_by_hand.md."
                    ) from None


def _mode(value: t.Any) -> int:
    """The mode of a secret as the server's half reads it: 0 when it is not given, a number in a text too."""
    try:
        return round(float(value or 0))
    except (TypeError, ValueError, OverflowError):
        return _UNKNOWN_MODE


def _secret(file: str, place: str, value: Value) -> Secret | None:
    data, salt, mode = value.text("Data"), value.member("Salt"), value.member("Mode")
    if data is None:
        return None
    written = t.cast(tuple[str, Value], value.member("Data"))[1]
    salt_text, salt_place = "", None
    if salt and isinstance(salt[1].value, str):
        salt_text, salt_place = salt[1].value, (salt[1].start, salt[1].end)
    return Secret(
        file=file,
        path=place,
        mode=_mode(mode[1].value if mode else 0),
        data=data,
        salt=salt_text,
        data_place=(written.start, written.end),
        salt_place=salt_place,
    )
