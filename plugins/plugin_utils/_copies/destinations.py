# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The destinations of copies that the options name."""

from __future__ import annotations

import collections.abc as c
import pathlib
import typing as t

from .._errors import AccessManagerError
from .bucket import Bucket
from .command import CommandDestination
from .copied_folder import CopiedFolder, Verified
from .folder import FolderDestination
from .history import CopyHistory
from .s3 import S3Destination

Options = c.Mapping[str, t.Any]

MOST_DAYS = 36_500
"""As many days S3 locks an object at most."""


class Destination(t.Protocol):
    """A place for copies. Every method raises AccessManagerError when the place does not answer or refuses.

    C(prepare): before anything is copied; returns warnings. C(holds): whether a folder is there, as far as that is
    cheap to see. C(copy): returns the bytes sent.
    """

    @property
    def name(self) -> str: ...

    def prepare(self) -> list[str]: ...

    def holds(self, folder: CopiedFolder) -> bool: ...

    def copy(self, folder: CopiedFolder) -> int: ...

    def verify(self, folder: CopiedFolder) -> Verified: ...


def destinations_of(options: c.Sequence[Options], history: CopyHistory, root: pathlib.Path) -> list[Destination]:
    """The destinations of the option C(destinations).

    Raises AccessManagerError when two have one name, or one lacks what its kind needs.
    """
    names = [one["name"] for one in options]
    for name in names:
        if names.count(name) > 1:
            raise AccessManagerError(f"Two destinations of copies have the name '{name}': give each its own.")
    return [_destination(one, history, root) for one in options]


def _destination(options: Options, history: CopyHistory, root: pathlib.Path) -> Destination:
    needed = _NEEDED[options["kind"]]
    if not options.get(needed):
        raise AccessManagerError(
            f"The destination '{options['name']}' of kind {options['kind']} has no {needed}: give it one."
        )
    return KINDS[options["kind"]](options, history, root)


def _folder(options: Options, _history: CopyHistory, root: pathlib.Path) -> Destination:
    path = pathlib.Path(options["path"]).expanduser()
    if not path.is_absolute():
        raise AccessManagerError(f"The path '{path}' of the destination '{options['name']}' is not absolute.")
    if path.resolve() == root.resolve():
        raise AccessManagerError(f"The destination '{options['name']}' is the backup root itself: name another folder.")
    return FolderDestination(options["name"], path, options["check_owner"])


def _s3(options: Options, history: CopyHistory, _root: pathlib.Path) -> Destination:
    days = options.get("lock_days")
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise AccessManagerError(
            f"lock_days of the destination '{options['name']}' is {days}: give from 1 to {MOST_DAYS} days, or leave it "
            "out for the default of the bucket."
        )
    prefix, bucket = (options.get("prefix") or "").strip("/"), Bucket.of(options)
    return S3Destination(
        options["name"], bucket, prefix, options.get("lock_days"), options["require_lock"], _copied(options, history)
    )


def _command(options: Options, history: CopyHistory, _root: pathlib.Path) -> Destination:
    command = tuple(options["command"])
    return CommandDestination(options["name"], command, options["timeout"], _copied(options, history))


def _copied(options: Options, history: CopyHistory) -> c.Callable[[str], c.Container[str]]:
    return lambda _host: history.ids(options["name"])


KINDS: dict[str, c.Callable[[Options, CopyHistory, pathlib.Path], Destination]] = {
    "s3": _s3,
    "folder": _folder,
    "command": _command,
}
_NEEDED = {"s3": "bucket", "folder": "path", "command": "command"}
