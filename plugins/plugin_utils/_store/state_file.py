# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this controller remembers of a host of a root, outside the store: STATE/KIND/HOST-DIGEST.json."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import stat
import typing as t

from .. import _collection
from .._ams.json_document import strict
from .._errors import AccessManagerError
from .._files import open_regular, replace_atomically
from .._shape import checked

FORMAT = 1
_NAME_LETTERS = 50
"""Of a host in the name of its file: four bytes each, with the digest, fit into a name."""

T = t.TypeVar("T")


@dataclasses.dataclass(frozen=True)
class StateFile:
    """C(kind): of what is remembered, a folder of the state. C(state_dir): the user's own when not given."""

    state_dir: str | None
    kind: str
    root: str
    host: str

    @functools.cached_property
    def real_root(self) -> str:
        return os.path.realpath(self.root)

    @property
    def _identity(self) -> dict[str, t.Any]:
        """The first keys of the document in it."""
        return {"format": FORMAT, "root": self.real_root, "host": self.host}

    @functools.cached_property
    def path(self) -> pathlib.Path:
        digest = hashlib.sha256(os.fsencode(f"{self.real_root}\0{self.host}")).hexdigest()[:16]
        return folder_of(self.state_dir, self.kind) / f"{self.host[:_NAME_LETTERS]}-{digest}.json"

    def write(self, content: c.Mapping[str, t.Any]) -> bool:
        """Writes a document of that content behind its identity. Returns whether it was another before.

        Raises AccessManagerError when it cannot be written.
        """
        try:
            self.path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as exc:
            raise AccessManagerError(f"The folder '{self.path.parent}' cannot be made: {exc.strerror}.") from None
        text = json.dumps({**self._identity, **content}, indent=1) + "\n"
        return replace_atomically(self.path, text.encode(), 0o600)

    def read(self, shape: type[T], limit: int) -> T | None:
        """The document in it; None when there is no file. Raises AccessManagerError when it cannot be used."""
        document = read_document(self.path, shape, limit)
        found = t.cast(dict[str, t.Any], document or self._identity)
        if any(found[key] != value for key, value in self._identity.items()):
            raise AccessManagerError(f"'{self.path}' is of {found['host']} in '{found['root']}': remove it.")
        return document


def folder_of(state_dir: str | None, kind: str) -> pathlib.Path:
    """Where the files of a kind lie. Raises AccessManagerError when that is not an absolute path."""
    folder = pathlib.Path(state_dir) if state_dir else _state_folder_of_user() / _collection.COLLECTION
    if not folder.is_absolute():
        raise AccessManagerError(
            f"The state folder '{folder}' is not an absolute path: set access_manager_state_dir to a folder on the "
            "controller."
        )
    return folder / kind


def read_document(path: pathlib.Path, shape: type[T], limit: int) -> T | None:
    """What a file says; None when there is none.

    Raises AccessManagerError when it cannot be read, is not of this format, or may be of another user.
    """
    try:
        with open_regular(path) as file:
            _refuse_writable(os.fstat(file.fileno()), path)
            return checked(strict(file.read(limit)), shape)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise AccessManagerError(f"'{path}' cannot be read: {exc.strerror}.") from None
    except ValueError as exc:
        raise AccessManagerError(
            f"'{path}' does not say what this controller did with backups ({exc}). Verify the backups, and remove that "
            "file."
        ) from None


def _refuse_writable(status: os.stat_result, path: pathlib.Path) -> None:
    """Raises AccessManagerError when a file can be written by others than this user and root: it may be theirs."""
    if status.st_uid not in (os.geteuid(), 0) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise AccessManagerError(
            f"'{path}' may be of someone else: its owner is {status.st_uid}, its mode "
            f"{stat.S_IMODE(status.st_mode):04o}. Keep the state folder to the user who runs Ansible, verify the "
            "backups, and remove that file."
        )


def _state_folder_of_user() -> pathlib.Path:
    given = pathlib.Path(os.environ.get("XDG_STATE_HOME", ""))
    try:
        return given if given.is_absolute() else pathlib.Path("~/.local/state").expanduser()
    except RuntimeError:  # there is no home
        raise AccessManagerError(
            "This user has no home for its state: set access_manager_state_dir to a folder."
        ) from None
