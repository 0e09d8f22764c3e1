# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups of a host are pruned, and why the others are not."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import datetime
import itertools

from .._age.decryption import Decryptor
from .._errors import AccessManagerError
from .._store import upgrade_marker
from .._store.chain import Link
from .._store.store import BackupStore, is_in_future, time_of_id
from .._text import printable
from .._threads import in_threads
from . import retention, verification
from .retention import Rules
from .verification import Backup

SUPERSEDED, NOT_KEPT = "incomplete, and a newer backup is complete", "no rule keeps it"


@dataclasses.dataclass
class Plan:
    """C(kept) and C(removed): the reasons for each backup. C(doubtful): what is wrong with those that are left alone.

    C(links), C(sizes): of the backups to remove; sizes in bytes.
    """

    kept: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    removed: dict[str, str] = dataclasses.field(default_factory=dict)
    doubtful: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    links: dict[str, Link] = dataclasses.field(default_factory=dict)
    sizes: dict[str, int] = dataclasses.field(default_factory=dict)


def plan(
    store: BackupStore, rules: Rules, *, now: datetime.datetime, decryptor: Decryptor, published: str | None
) -> Plan:
    """What to do with the backups of a host.

    Only complete backups count that are accepted, and that verification finds no problem with; with a key, it decrypts
    them. One with a problem is neither counted nor removed. C(published): the id of the one that this controller
    published last.
    """
    backups = _Verified(verification.read(store), decryptor)
    backups.flag_future_backups(now)
    backups.flag_unaccepted_backups()
    kept = _kept_by_rules(backups, rules, now)
    counted, newest = list(kept), max(kept, default="")
    removed = {}
    for backup in backups.sound():
        if backup.id in kept:
            continue
        if backup.is_complete:
            removed[backup.id] = NOT_KEPT
        elif backup.id < newest:
            removed[backup.id] = SUPERSEDED
        else:
            kept[backup.id] = ["incomplete, and no newer backup is complete"]
    for backup_id, thumbprints in _last_keys(backups, counted, removed).items():
        kept[backup_id] = [f"the last private key of certificate {printable(thumbprint)}" for thumbprint in thumbprints]
    protected = upgrade_marker.protected_id(store)
    for spared, reason in ((protected, "it protects an upgrade"), (published, "this controller published it last")):
        if spared in removed:
            kept.setdefault(spared, []).append(reason)
    doubtful = backups.doubtful()
    removed = {
        backup_id: why for backup_id, why in removed.items() if backup_id not in kept and backup_id not in doubtful
    }
    links = {backup_id: link for backup_id in removed if (link := backups[backup_id].link)}
    sizes = {backup_id: verification.size_of(backups[backup_id]) for backup_id in removed}
    return Plan(kept=dict(sorted(kept.items())), removed=removed, doubtful=doubtful, links=links, sizes=sizes)


def forgotten(store: BackupStore, ids: c.Collection[str]) -> list[Link]:
    """The links of backups that were deleted by hand, as the manifests after them name them.

    Raises AccessManagerError when a backup is there, or no manifest names it.
    """
    if not ids:
        return []
    backups = verification.read(store)
    links = [backup.link for backup in backups if backup.link and backup.is_accepted] + store.pruned()
    named = {link.previous_id: link.previous for link in links if link.previous}
    there = {backup.id for backup in backups}
    missing = []
    for backup_id in ids:
        if backup_id in there:
            raise AccessManagerError(
                f"The backup {backup_id} of {store.host} is there: only one that is missing can be forgotten."
            )
        if not named.get(backup_id):
            raise AccessManagerError(
                f"No manifest of {store.host} names a backup '{backup_id}' before it: there is nothing to forget."
            )
        missing.append(Link(backup_id, str(named[backup_id])))
    return missing


class _Verified:
    """The backups of a host, each verified once, when that is asked for."""

    def __init__(self, backups: c.Iterable[Backup], decryptor: Decryptor) -> None:
        self._backups = {backup.id: backup for backup in backups}
        self._decryptor = decryptor
        self._checked: set[str] = set()

    def __getitem__(self, backup_id: str) -> Backup:
        return self._backups[backup_id]

    def flag_future_backups(self, now: datetime.datetime) -> None:
        for backup in self._backups.values():
            if is_in_future(backup.id, now):
                backup.problems.append(f"The backup {backup.id} is dated in the future: check the controller's clock.")

    def flag_unaccepted_backups(self) -> None:
        in_threads(lambda backup: backup.is_accepted, self._backups.values())
        for backup in self._backups.values():
            if not backup.is_accepted:
                backup.problems.append(backup.origin.problem)

    def sound(self) -> list[Backup]:
        """Those that no problem is known of, oldest first."""
        return [backup for backup in self._backups.values() if not backup.problems]

    def doubtful(self) -> dict[str, list[str]]:
        return {
            backup.id: list(map(printable, backup.problems)) for backup in self._backups.values() if backup.problems
        }

    def are_sound(self, ids: c.Iterable[str]) -> bool:
        """Whether all files of these are as they were written, and, with a key, hold what their manifests say."""
        new = [self._backups[backup_id] for backup_id in ids if backup_id not in self._checked]
        verification.verify(new, self._decryptor)
        for backup in new:
            backup.problems += backup.unverified
        self._checked.update(backup.id for backup in new)
        return not any(self._backups[backup_id].problems for backup_id in ids)


def _kept_by_rules(backups: _Verified, rules: Rules, now: datetime.datetime) -> dict[str, list[str]]:
    """The backups that the rules keep, all of them sound: the rules are asked again without one that is not."""
    while True:
        complete = {time_of_id(backup.id): backup.id for backup in backups.sound() if backup.is_complete}
        kept = {complete[time]: reasons for time, reasons in retention.select(complete, rules, now=now).items()}
        if backups.are_sound(kept):
            return kept


def _last_keys(backups: _Verified, counted: c.Iterable[str], removed: c.Iterable[str]) -> dict[str, list[str]]:
    """Of the backups to remove, those that hold the last copy of a private key, with the thumbprints: the newest sound
    one of each.

    One that is found not to be sound counts as doubtful from then on.
    """
    held = set(itertools.chain.from_iterable(_keys_of(backups[backup_id]) for backup_id in counted))
    spared: dict[str, list[str]] = {}
    for backup_id in sorted(removed, reverse=True):
        missing = [thumbprint for thumbprint in _keys_of(backups[backup_id]) if thumbprint not in held]
        if missing and backups.are_sound([backup_id]):
            spared[backup_id] = missing
            held.update(missing)
    return spared


def _keys_of(backup: Backup) -> list[str]:
    """The thumbprints of the certificates whose private keys a backup holds."""
    certificates = backup.manifest.get("certificates", []) if backup.manifest else []
    return [certificate["thumbprint"] for certificate in certificates if certificate["exported"]]
