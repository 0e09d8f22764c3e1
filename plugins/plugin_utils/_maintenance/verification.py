# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verification of the backups of a host: what can be known without a key, and what a decrypted backup shows."""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import datetime
import functools
import hashlib
import itertools
import pathlib
import typing as t

from .. import _progress
from .._age import header
from .._age.decryption import Decryptor
from .._age.encryption import SUFFIX
from .._copies.history import CopyAge
from .._errors import AccessManagerError
from .._signing.trust import Origin
from .._statuses import COMPLETE, DAMAGED, FULL, INTEGRITY, NONE
from .._store import artifact as artifact_module
from .._store import chain, drill_log, run_log
from .._store import manifest as manifest_module
from .._store.chain import Link
from .._store.drill_log import Drills
from .._store.folder import Folder
from .._store.inventory import digest_of
from .._store.manifest import PARTS, ArtifactRecord, CertificateRecord, Manifest, ManifestHead, part_of
from .._store.run_log import Runs
from .._store.store import BackupStore, is_in_future, time_of_id
from .._text import printable, time_of
from .._threads import in_threads
from . import content_verification

_LONGEST_BACKUP = datetime.timedelta(days=1)
_FOREIGN = frozenset({".ds_store", "@eadir", "desktop.ini", "ehthumbs.db", "thumbs.db"})
_REPORTED = ("files", "bytes", "stopped", "downtime_ms", "access_manager_version")

Result = dict[str, t.Any]


@dataclasses.dataclass
class Backup:
    """A backup as it lies in its folder. C(manifest): without its inventory, which is large; None when it cannot be
    read.

    C(problems): of its integrity. C(unverified): of its contents. C(whole): whether its files are as they were written.
    C(foreign): what file servers and file managers left in it. C(size): the bytes of its artifacts, once verified.
    """

    store: BackupStore
    id: str
    manifest: ManifestHead | None = None
    link: Link | None = None
    problems: list[str] = dataclasses.field(default_factory=list)
    unverified: list[str] = dataclasses.field(default_factory=list)
    contents_verified: bool = False
    whole: bool = True
    foreign: list[str] = dataclasses.field(default_factory=list)
    size: int | None = None

    @property
    def folder(self) -> pathlib.Path:
        return self.store.folder / self.id

    @functools.cached_property
    def origin(self) -> Origin:
        """Who made it, as far as the signature of its manifest shows. Found out when it is asked for."""
        if not self.store.trust.signers or self.link is None:
            return Origin()
        try:
            return self.store.origin_of(self.id, self.link.sha256)
        except AccessManagerError as exc:
            return Origin(problem=str(exc))

    @property
    def is_accepted(self) -> bool:
        """Whether this run uses backups of its origin."""
        return self.store.trust.accepts(self.origin)

    @property
    def is_there(self) -> bool:
        """Whether it still is: one may be pruned while it is verified."""
        return self.store.has(self.id)

    @property
    def status(self) -> str:
        """What the manifest says, or that it cannot be read."""
        return str(self.manifest["status"]) if self.manifest else DAMAGED

    @property
    def is_complete(self) -> bool:
        return self.status == COMPLETE

    @property
    def is_of_server(self) -> bool:
        """Whether it is of a server, which changes, and not of a forest's certificates."""
        return self.manifest is None or not manifest_module.holds_certificates_alone(self.manifest)

    @property
    def verified(self) -> str:
        if self.problems or self.unverified:
            return NONE
        return FULL if self.contents_verified else INTEGRITY


@dataclasses.dataclass
class Host:
    """The backups of a host, oldest first. C(unreadable): why they cannot be listed.

    C(now): when they are verified. C(runs): what is recorded of its last runs.
    C(lost): a sentence for each backup and run that this controller recorded and that is not there any more.
    C(copies): how old its copies elsewhere are. C(drills): what is recorded of its restore drills.
    C(beside): a sentence for each installer and attachment that is damaged or not accepted.
    C(attachments): the names of those that may be used.
    """

    store: BackupStore
    now: datetime.datetime
    backups: list[Backup] = dataclasses.field(default_factory=list)
    unreadable: str | None = None
    runs: Runs = dataclasses.field(default_factory=Runs)
    lost: list[str] = dataclasses.field(default_factory=list)
    copies: list[CopyAge] = dataclasses.field(default_factory=list)
    beside: list[str] = dataclasses.field(default_factory=list)
    attachments: list[str] = dataclasses.field(default_factory=list)
    drills: Drills = dataclasses.field(default_factory=Drills)

    @functools.cached_property
    def newest_complete(self) -> Backup | None:
        return newest_complete(self.backups, self.now)

    @property
    def in_future(self) -> list[str]:
        """The ids of the backups that nothing takes for the newest: the clock was ahead when they were made."""
        return [backup.id for backup in self.backups if is_in_future(backup.id, self.now)]

    @property
    def last_success(self) -> datetime.datetime | None:
        return run_log.success_of(self.runs, self.newest_complete.id if self.newest_complete else None)


def read_host(store: BackupStore, now: datetime.datetime) -> Host:
    """The backups of a host, and what is recorded of its runs.

    One whose folder is a link, or refuses to be listed, does not keep others from being verified.
    """
    try:
        host = Host(store, now, read(store))
        host.runs = run_log.read(store, host.newest_complete.id if host.newest_complete else None, now)
        host.drills = drill_log.read(store, now)
    except AccessManagerError as exc:
        return Host(store, now, unreadable=str(exc))
    return host


def read(store: BackupStore) -> list[Backup]:
    """The backups of a host, oldest first, with what their manifests and the chain of these say.

    Raises AccessManagerError when they cannot be listed.
    """
    backups = [_read_one(store, backup_id) for backup_id in store.ids()]
    pruned = store.pruned()
    broken = _broken_chain(backups, [], pruned)
    if broken and store.trust.is_required:
        in_threads(lambda backup: backup.is_accepted, backups)
        strangers = [backup for backup in backups if not backup.is_accepted]
        broken = _broken_chain([backup for backup in backups if backup.is_accepted], strangers, pruned)
    for backup in backups:
        backup.problems += broken.get(backup.id, [])
    return [backup for backup in backups if backup.manifest or backup.is_there]


def _broken_chain(
    backups: c.Sequence[Backup], strangers: c.Sequence[Backup], pruned: list[Link]
) -> dict[str, list[str]]:
    """What is wrong with the chain, by the id of the backup.

    C(strangers): what is there besides, and accuses no other.
    """
    reliable = [backup.link for backup in backups if backup.link and not backup.problems]
    unreliable = [backup.link for backup in backups if backup.link and backup.problems]
    others = [backup.link for backup in strangers if backup.link]
    return chain.problems(reliable, unreliable=unreliable, pruned=pruned, strangers=others)


def latest(host: Host) -> list[Backup]:
    """The newest complete backup of a host that is accepted, and what is newer than it."""
    newest = host.newest_complete
    return [backup for backup in host.backups if newest is None or backup.id >= newest.id]


def newest_complete(backups: c.Sequence[Backup], now: datetime.datetime) -> Backup | None:
    """The newest complete backup of those that is accepted, and not dated in the future."""
    past = (backup for backup in reversed(backups) if not is_in_future(backup.id, now))
    return next((backup for backup in past if backup.is_complete and backup.is_accepted), None)


def verify(backups: c.Sequence[Backup], decryptor: Decryptor) -> None:
    """Checks the integrity of backups, and then verifies the contents of those that are whole and can be decrypted."""
    check_integrity(backups)
    for backup in _progress.counted(backups, "decrypted", total=len(backups), unit=_progress.BACKUPS):
        if backup.manifest and backup.link and backup.whole and _is_decryptable(backup.manifest, decryptor):
            backup.unverified = content_verification.problems(backup.store, backup.id, backup.link.sha256, decryptor)
            backup.contents_verified = True


def check_integrity(backups: c.Sequence[Backup]) -> None:
    """Checks the files of backups, several backups at a time."""
    found = in_threads(_integrity, backups, shown_as="verified", unit=_progress.BACKUPS)
    for backup, problems in zip(backups, found, strict=True):
        backup.problems += problems
        backup.whole = not problems


def result_of_backup(backup: Backup) -> Result:
    """What the result of a verification says of a backup."""
    manifest: c.Mapping[str, t.Any] = backup.manifest or {}
    artifacts = manifest.get("artifacts", [])
    problems = [printable(problem) for problem in backup.problems + backup.unverified]
    size = size_of(backup) if backup.size is None else backup.size
    return {
        "host": backup.store.host,
        "id": backup.id,
        "path": str(backup.folder),
        "created": manifest.get("created"),
        "status": backup.status,
        "verified": backup.verified,
        "signer": backup.origin.signer,
        "problems": problems,
        "backup_problems": manifest.get("problems", []),
        "size": size,
        "recipients": manifest.get("recipients", []),
        "encryption": artifacts[0]["encryption"] if artifacts else None,
        "certificates": manifest.get("certificates", []),
        "secrets": manifest.get("secrets", []),
        "tls_certificates": manifest.get("tls_certificates", []),
        "health_warnings": manifest.get("health_warnings", []),
    } | {key: manifest.get(key) for key in _REPORTED}


# ---- one backup ----


def _read_one(store: BackupStore, backup_id: str) -> Backup:
    backup = Backup(store, backup_id)
    try:
        data = store.manifest_bytes(backup_id)
        backup.link = Link(backup_id, hashlib.sha256(data).hexdigest())
        manifest = store.parsed_manifest(backup_id, data)
    except AccessManagerError as exc:
        backup.problems.append(str(exc))
        return backup
    backup.problems += _inconsistencies(backup.folder / manifest_module.NAME, manifest)
    head = {key: value for key, value in manifest.items() if key != "inventory"}
    backup.manifest = t.cast(ManifestHead, head)
    backup.link = dataclasses.replace(backup.link, previous=manifest["previous"], previous_id=manifest["previous_id"])
    return backup


def _integrity(backup: Backup) -> list[str]:
    """What can be wrong with the files of a backup, and with its origin, without decrypting it."""
    if backup.manifest is None:
        return []
    found = [] if backup.is_accepted else [backup.origin.problem]
    try:
        with backup.store.backup(backup.id) as folder:
            records = backup.manifest["artifacts"]
            for record in records:
                found += _differences(folder, record)
            backup.size = _size_in(folder, {record["name"] for record in records})
            strangers = _strangers(folder, records)
            backup.foreign = list(filter(_is_foreign, strangers))
            for name in strangers:
                if not _is_foreign(name):
                    found.append(f"'{folder.path / name}' is not part of the backup: someone put it there.")
    except AccessManagerError as exc:
        found.append(str(exc))
    return found


def _inconsistencies(path: pathlib.Path, manifest: Manifest) -> c.Iterator[str]:
    """Where a manifest contradicts itself: one that was edited does."""
    recipients = set(itertools.chain.from_iterable(artifact["recipients"] for artifact in manifest["artifacts"]))
    checks = {
        "its checksum is another": manifest["checksum"] == manifest_module.checksum_of(manifest),
        "its content_digest is not of its inventory": manifest["content_digest"] == digest_of(manifest["inventory"]),
        "its status does not fit its problems": (manifest["status"] == COMPLETE)
        == (not manifest["problems"]),
        "its recipients are not those of its artifacts": set(manifest["recipients"]) == recipients,
        "its time created does not fit its id": _is_near(manifest["created"], manifest["id"]),
        "a time of its certificates is no time": all(map(_has_times, manifest.get("certificates", []))),
    }
    wrong = [sentence for sentence, holds in checks.items() if not holds]
    if wrong:
        yield f"'{path}' is not as it was written: {', and '.join(wrong)}."
    parts = set(map(part_of, manifest["artifacts"]))
    for part in manifest_module.parts_of(manifest):
        if part not in parts:
            yield f"'{path}' names no {PARTS[part]}."


def _is_near(created: str, backup_id: str) -> bool:
    """Whether a manifest was written when its id says, give or take the time that a backup takes and that a clock is
    set by.
    """
    time = time_of(created)
    return time is not None and abs(time - time_of_id(backup_id)) <= _LONGEST_BACKUP


def _has_times(certificate: CertificateRecord) -> bool:
    return all(map(time_of, (certificate["not_before"], certificate["not_after"])))


def _differences(folder: Folder, record: ArtifactRecord) -> c.Iterator[str]:
    """Where an artifact is not what its manifest says: its size, its hash, and the header that its encryption left."""
    path, encryption = folder.path / record["name"], record["encryption"]
    try:
        with folder.open_file(record["name"]) as file:
            if difference := artifact_module.difference(file, path, record):
                yield difference
            if (path.suffix == SUFFIX) == (encryption == "none"):
                yield f"'{path}' has a name that does not fit its encryption '{encryption}'."
            elif path.suffix == SUFFIX:
                yield from header.problems(file, path, encryption, record["recipients"])
    except OSError as exc:
        yield artifact_module.unreadable(path, exc)


def _strangers(folder: Folder, records: c.Iterable[ArtifactRecord]) -> list[str]:
    known = {record["name"] for record in records} | {manifest_module.NAME, manifest_module.SIGNATURE}
    return sorted(set(folder.entries()) - known)


def _is_foreign(name: str) -> bool:
    """Whether file servers and file managers leave files or folders of that name anywhere."""
    return name.lower() in _FOREIGN or name.startswith(("._", ".nfs"))


def _is_decryptable(manifest: ManifestHead, decryptor: Decryptor) -> bool:
    """Whether the contents are to be verified: something to decrypt them with was given, or nothing is needed."""
    return decryptor.has_key or all(not artifact["name"].endswith(SUFFIX) for artifact in manifest["artifacts"])


def size_of(backup: Backup) -> int:
    """The bytes of the artifacts that are there."""
    with contextlib.suppress(AccessManagerError, OSError), backup.store.backup(backup.id) as folder:
        known = {record["name"] for record in backup.manifest["artifacts"]} if backup.manifest else folder.entries()
        return _size_in(folder, known)
    return 0


def _size_in(folder: Folder, names: c.Iterable[str]) -> int:
    size = 0
    for name in set(names) - {manifest_module.NAME, manifest_module.SIGNATURE}:
        with contextlib.suppress(OSError):
            size += folder.status(name).st_size
    return size
