# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What binds the parts of a backup together: inside its encryption, each says whose part it is, and holds the nonce of
them all.

The manifest has the nonce's SHA-256 alone. Who cannot decrypt a part cannot make another that fits: a part that was
exchanged, renamed, re-dated or forged is found when it is decrypted.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import pathlib
import typing as t

from .._age.decryption import Decryptor
from .._errors import AccessManagerError
from .._shape import ShapeError, checked, matching
from .._store.manifest import PARTS
from .._store.partial import NONCE_BYTES, PartialBackup
from .._text import printable
from .names import BINDING, BINDING_KEY
from .source import Source
from .zip_reader import Archive, json_object
from .zip_writer import Entry

_LOOK = "Find out who changed the store, and use another backup, or a copy of this one that nobody could write to."


class Binding(t.TypedDict):
    """What a part says of itself. C(part): its name without .age."""

    host: str
    id: str
    part: str
    nonce: t.Annotated[str, matching(rf"[0-9a-f]{{{2 * NONCE_BYTES}}}", f"{2 * NONCE_BYTES} hexadecimal digits")]


def make(backup: PartialBackup, part: str) -> Binding:
    """What a part of an unpublished backup says of itself."""
    return {"host": backup.store.host, "id": backup.id, "part": PARTS[part], "nonce": backup.nonce().hex()}


def entry(binding: Binding) -> Entry:
    """The entry of a zip that says it."""
    return Entry(
        BINDING, datetime.datetime.now(datetime.UTC), [json.dumps(binding, indent=1, ensure_ascii=False).encode()]
    )


@dataclasses.dataclass(frozen=True)
class _Backup:
    """The backup to which a part belongs."""

    host: str
    id: str
    nonce_sha256: str

    @property
    def label(self) -> str:
        return printable(f"the backup {self.id} of {self.host}")


class PartReader:
    """Decrypts the parts of a backup, and checks that each is what its name and the manifest say.

    Where there is no manifest, the parts must belong to one backup, whichever it is.
    """

    def __init__(self, source: Source, decryptor: Decryptor) -> None:
        self._source, self._decryptor = source, decryptor
        self._backup: _Backup | None = None
        if manifest := source.manifest:
            self._backup = _Backup(manifest["host"], manifest["id"], manifest["nonce_sha256"])

    def read(self, part: str) -> bytes:
        """The clear bytes of a part.

        Raises AccessManagerError when it does not decrypt, or is not that part of this backup.
        """
        path, data = self._source.parts[part].path, self._source.open(part, self._decryptor)
        binding = _binding_in(data, part, path)
        found = _Backup(binding["host"], binding["id"], hashlib.sha256(bytes.fromhex(binding["nonce"])).hexdigest())
        wanted = self._backup or found
        if (binding["part"], found.host, found.id) != (PARTS[part], wanted.host, wanted.id):
            raise AccessManagerError(
                f"'{path}' is not {PARTS[part]} of {wanted.label}: it is {printable(binding['part'])} of "
                f"{found.label}, which was moved, renamed or re-dated. It is not used. {_LOOK}"
            )
        if found.nonce_sha256 != wanted.nonce_sha256:
            raise AccessManagerError(
                f"'{path}' calls itself {PARTS[part]} of {wanted.label}, but was not made together with its other "
                f"parts and its manifest: one of them is forged. It is not used. {_LOOK}"
            )
        self._backup = wanted
        return data


def _binding_in(data: bytes, part: str, path: pathlib.Path) -> Binding:
    """What the clear bytes of a part say of it."""
    name = PARTS[part]
    try:
        if not name.endswith(".zip"):
            return checked(json_object(data, name).get(BINDING_KEY), Binding, BINDING_KEY)
        archive = Archive(data, name)
        return checked(archive.json(BINDING) if BINDING in archive.names else None, Binding, BINDING)
    except ShapeError as exc:
        raise AccessManagerError(
            f"'{path}' does not say to which backup it belongs, so this collection did not make it: {exc}. It is not "
            f"used. {_LOOK}"
        ) from None
