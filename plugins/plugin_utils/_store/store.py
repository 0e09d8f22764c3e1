# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backups of a host on the controller: ROOT/HOST/ID."""

from __future__ import annotations

import collections.abc as c
import contextlib
import datetime
import functools
import hashlib
import os
import pathlib
import re
import stat
import typing as t

from .._errors import AccessManagerError
from .._signing.signature import LARGEST as LARGEST_SIGNATURE
from .._signing.trust import Origin, Trust
from .._statuses import COMPLETE
from .._text import BACKUP_ID, time_of
from . import artifact as artifact_module
from . import manifest as manifest_module
from . import prune_log
from .artifact import Artifact
from .chain import Link
from .folder import Folder, explained
from .manifest import ArtifactRecord, Manifest

LONGEST_NAME = 255
_ID = re.compile(BACKUP_ID)
_ID_FORMAT = "%Y%m%dT%H%M%SZ"
_FIRST_YEAR = 1970
"""Of an id: no clock says an earlier one, and such a time may have no local one."""

CLOCKS_DIFFER = datetime.timedelta(hours=1)
"""As far the clocks of two controllers may be apart."""

_LOST_AND_FOUND = "lost+found"
"""A folder that some file systems have at their root, for root alone."""

_RECORDS = (prune_log.NAME, ".pre-upgrade.json", ".runs.jsonl", ".drills.jsonl")
_OURS = (*_RECORDS, ".partial-", "attachments", "installers")
"""How the names begin of what lies beside backups in the folder of a host."""


class BackupStore:
    """The backups of one host under a root folder. Everything in it is read and written through an open Folder.

    C(folder): the path of the host's folder, for messages and results only.
    C(trust): which backups are accepted; those of any origin when not given.
    C(check_owner): whether folders must belong to the user who runs Ansible, or to root.
    """

    def __init__(self, root: str, host: str, trust: Trust | None = None, *, check_owner: bool = True) -> None:
        if not host or "/" in host or "\0" in host or host.startswith("."):
            raise AccessManagerError(
                f"'{host}' cannot name a folder of backups: it is empty, begins with a dot or has a slash."
            )
        if len(os.fsencode(host)) > LONGEST_NAME:
            raise AccessManagerError(
                f"'{host[:40]}...' cannot name a folder of backups: it has more than {LONGEST_NAME} bytes."
            )
        if not pathlib.Path(root).is_absolute():
            raise AccessManagerError(
                f"The backup root '{root}' is not an absolute path: set access_manager_backup_root to a folder on the "
                "controller."
            )
        self.root = pathlib.Path(root)
        self.host = host
        self.folder = self.root / host
        self.trust = trust or Trust()
        self.check_owner = check_owner
        self.origins: dict[str, Origin] = {}
        """Who made the backups whose manifests were read, by id."""

    @classmethod
    def of(cls, params: dict[str, t.Any], host: str, trust: Trust | None = None) -> BackupStore:
        """The backups of a host under the root that the options C(backup_root) and C(check_backup_owner) name."""
        return cls(params["backup_root"], host, trust, check_owner=params["check_backup_owner"])

    def opened_root(self) -> Folder:
        """Raises AccessManagerError when there is none, or it cannot be used."""
        return _opened_root(self.root, check_owner=self.check_owner)

    def opened(self) -> Folder:
        """The host's folder. Raises FileNotFoundError when there is none, AccessManagerError when it cannot be used."""
        with self.opened_root() as root:
            try:
                return root.subfolder(self.host)
            except FileNotFoundError:
                raise
            except OSError as exc:
                raise AccessManagerError(f"The folder '{self.folder}' cannot be used: {exc.strerror}.") from None

    def backup(self, backup_id: str) -> Folder:
        """The folder of a backup. Raises AccessManagerError when there is none, or it cannot be used."""
        with explained(self.folder / backup_id, "read"), self.opened() as folder:
            return folder.subfolder(backup_id)

    def has(self, backup_id: str) -> bool:
        """Whether there is a backup of that id, or anything in its place."""
        with contextlib.suppress(FileNotFoundError), self.opened() as folder:
            return folder.has(backup_id)
        return False

    def ids(self) -> list[str]:
        """The ids of the published backups, oldest first. Raises AccessManagerError when they cannot be listed."""
        try:
            with self.opened() as folder:
                return sorted(filter(is_id, folder.entries()))
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise AccessManagerError(f"The backups in '{self.folder}' cannot be listed: {exc.strerror}.") from None

    def future_warnings(self) -> list[str]:
        """A sentence for each backup that is dated in the future."""
        now = datetime.datetime.now(datetime.UTC)
        return [future_warning(self.host, backup_id) for backup_id in self.ids() if is_in_future(backup_id, now)]

    def pruned(self) -> list[Link]:
        """The links of the backups that were removed by the rules, as far as that record is accepted.

        Raises AccessManagerError when it is no file.
        """
        try:
            with self.opened() as folder:
                return prune_log.read(folder, self.host, self.trust)
        except FileNotFoundError:
            return []

    # ---- one backup ----

    def manifest(self, backup_id: str) -> Manifest:
        """The manifest of a backup.

        Raises AccessManagerError when it cannot be read, is another's, or is not accepted.
        """
        return self.accepted(backup_id, self.manifest_bytes(backup_id))

    def origin(self, backup_id: str, data: bytes, trust: Trust | None = None) -> Origin:
        """Who made a backup whose manifest has these bytes, as far as its signature says to this or another trust."""
        with self.backup(backup_id) as folder:
            return origin_in(folder, data, trust or self.trust)

    def manifest_bytes(self, backup_id: str, sha256: str | None = None) -> bytes:
        """The bytes of the manifest of a backup. C(sha256): theirs, when it was read before.

        Raises AccessManagerError when it cannot be read, or was changed since.
        """
        with self.backup(backup_id) as folder:
            return _manifest_bytes(folder, sha256)

    def origin_of(self, backup_id: str, sha256: str) -> Origin:
        """Who made a backup whose manifest was read before, when it had that SHA-256; raises as manifest_bytes."""
        with self.backup(backup_id) as folder:
            return origin_in(folder, _manifest_bytes(folder, sha256), self.trust)

    def parsed_manifest(self, backup_id: str, data: bytes) -> Manifest:
        """The manifest that these bytes are.

        Raises AccessManagerError when they are none, or that of another backup.
        """
        path = self.folder / backup_id / manifest_module.NAME
        manifest = manifest_module.parse(data, path)
        if (manifest["id"], manifest["host"]) != (backup_id, self.host):
            raise AccessManagerError(
                f"'{path}' is the manifest of another backup: {manifest['id']} of {manifest['host']}."
            )
        return manifest

    def newest(self) -> tuple[str, str] | None:
        """The id of the newest backup, and the SHA-256 of its manifest; None before the first.

        Those that are unreadable or not accepted are passed over: they may be anybody's, and gone when the next one is
        verified.
        """
        for backup_id in reversed(self.ids()):
            with contextlib.suppress(AccessManagerError):
                data = self.manifest_bytes(backup_id)
                self.accepted(backup_id, data)
                return backup_id, hashlib.sha256(data).hexdigest()
        return None

    def latest_complete(self, *, before: str | None = None, only: str | None = None) -> Manifest | None:
        """The manifest of the newest complete backup whose artifacts are whole.

        Those that are unreadable, not accepted or dated in the future are passed over. C(before): an id; only backups
        that are older count. C(only): the SHA-256 of the only manifest that counts.
        """
        now = datetime.datetime.now(datetime.UTC)
        for backup_id in reversed([one for one in self.ids() if before is None or one < before]):
            with contextlib.suppress(AccessManagerError):
                data = self.manifest_bytes(backup_id)
                if only not in (None, hashlib.sha256(data).hexdigest()):
                    continue
                manifest = self.accepted(backup_id, data)
                complete = manifest["status"] == COMPLETE and not is_in_future(backup_id, now)
                if complete and not self.damage(backup_id, manifest["artifacts"]):
                    return manifest
        return None

    def accepted(self, backup_id: str, data: bytes) -> Manifest:
        """The manifest of a backup that these bytes are.

        Raises AccessManagerError when it is another's, or is not accepted.
        """
        manifest = self.parsed_manifest(backup_id, data)
        self.origins[backup_id] = self.origin(backup_id, data)
        self.trust.refuse(self.origins[backup_id])
        return manifest

    def damage(self, backup_id: str, artifacts: c.Iterable[ArtifactRecord]) -> list[str]:
        """A sentence for each of these artifacts of a backup that is missing or not what its record says."""
        try:
            with self.backup(backup_id) as folder:
                return artifact_module.damage(folder, artifacts)
        except AccessManagerError as exc:
            return [str(exc)]

    def artifact(self, backup_id: str, record: ArtifactRecord) -> Artifact:
        """The artifact of a backup that its manifest describes so."""
        return Artifact(self.folder / backup_id / record["name"], functools.partial(self.backup, backup_id), record)


def _manifest_bytes(folder: Folder, sha256: str | None) -> bytes:
    data = manifest_module.read_bytes(folder)
    if sha256 not in (None, hashlib.sha256(data).hexdigest()):
        raise AccessManagerError(f"'{folder.path / manifest_module.NAME}' was changed while it was verified.")
    return data


def origin_in(folder: Folder, data: bytes, trust: Trust) -> Origin:
    """Who made the backup in a folder, whose manifest has these bytes, as far as its signature shows."""
    try:
        signature = folder.read_file(manifest_module.SIGNATURE, LARGEST_SIGNATURE)
    except FileNotFoundError:
        signature = None
    except OSError as exc:
        return Origin(problem=f"'{folder.path / manifest_module.SIGNATURE}' cannot be read: {exc.strerror}.")
    return trust.origin_of(data, signature, str(folder.path / manifest_module.NAME))


def is_id(name: str) -> bool:
    """Whether a folder of that name is a backup: it is a time in UTC, as YYYYMMDDThhmmssZ."""
    time = time_of(name) if _ID.fullmatch(name) else None
    return time is not None and time.year >= _FIRST_YEAR


def time_of_id(backup_id: str) -> datetime.datetime:
    """The time in UTC that an id is. Raises ValueError when there is no such day or hour."""
    time = time_of(backup_id)
    if time is None:
        raise ValueError(f"'{backup_id}' is no id of a backup")
    return time


def is_in_future(backup_id: str, now: datetime.datetime) -> bool:
    """Whether a backup is dated in the future, by more than clocks differ: no backup made since can be newer."""
    return time_of_id(backup_id) > now + CLOCKS_DIFFER


def future_warning(host: str, backup_id: str) -> str:
    """What is said of a backup that is dated in the future."""
    return (
        f"The backup {backup_id} of {host} is dated in the future: the controller's clock was ahead. Nothing takes "
        "it for the newest one. Remove it when its clock was wrong: docs/verify.md says how."
    )


def id_at(time: datetime.datetime) -> str:
    """The id of a backup that is made at a time in UTC."""
    return time.strftime(_ID_FORMAT)


def hosts(root: str, *, check_owner: bool = True) -> list[str]:
    """The hosts that have a folder with something of ours under a root, or anything else than a file in its place.

    File servers keep folders of their own there. Raises AccessManagerError when the root is no folder or cannot be
    used.
    """
    with _opened_root(pathlib.Path(root), check_owner=check_owner) as folder, explained(folder.path, "listed"):
        names = [name for name in folder.entries() if not name.startswith(".")]
        return sorted(name for name in names if _is_host(folder, name))


def _is_host(root: Folder, name: str) -> bool:
    mode = root.status(name).st_mode
    if not stat.S_ISDIR(mode):
        return not stat.S_ISREG(mode)
    try:
        with root.subfolder(name) as folder:
            return any(is_id(entry) or entry.startswith(_OURS) for entry in folder.entries())
    except OSError:
        return name != _LOST_AND_FOUND  # a host's, as far as one can see


def _opened_root(path: pathlib.Path, *, check_owner: bool) -> Folder:
    try:
        return Folder.at(path, check_owner=check_owner)
    except FileNotFoundError:
        raise AccessManagerError(
            f"The backup root '{path}' is not a folder on the controller: create it (mode 0700), or correct "
            "backup_root."
        ) from None
    except OSError as exc:
        raise AccessManagerError(f"The backup root '{path}' cannot be used: {exc.strerror}.") from None
