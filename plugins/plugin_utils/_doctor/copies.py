# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the destinations of copies: whether nobody can delete there what a restore may need.

Nothing is written there, and nothing is deleted.
"""

from __future__ import annotations

import datetime
import functools
import itertools
import shutil
import typing as t

from .._copies.bucket import Bucket, DeniedError, Lock
from .._copies.command import CommandDestination
from .._copies.destinations import Destination, destinations_of
from .._copies.folder import FolderDestination
from .._copies.history import CopyHistory
from .._copies.s3 import S3Destination
from .._errors import AccessManagerError
from .._maintenance.retention import RULES, Rules
from .._store.store import BackupStore
from .verdict import Finding, Verdict, failure, finding, ok, warning, without_error

_MOST_SKEW = datetime.timedelta(minutes=5)
_ADVICE = "Correct it in access_manager_copies: docs/copies.md says how."
_RIGHTS = "Take s3:DeleteObjectVersion and s3:DeleteObject from it: docs/copies.md lists the rights that it needs."


class InBucket(t.NamedTuple):
    """A destination of kind s3, its lock (None where it has none), and the keep rules."""

    destination: S3Destination
    lock: Lock | None
    rules: Rules

    @property
    def bucket(self) -> Bucket:
        return self.destination.bucket

    @property
    def days(self) -> int:
        """For how many days each object is locked."""
        return self.destination.lock_days or (self.lock.days if self.lock else 0)


def findings(params: dict[str, t.Any], host: str) -> list[Finding]:
    """What is found of each destination."""
    if not params["destinations"]:
        return []
    try:
        store = BackupStore.of(params, host)
        rules = Rules.of({f"keep_{rule}": params["keep"].get(rule) for rule in (*RULES, "within")})
        destinations = destinations_of(params["destinations"], CopyHistory(store, params["state_dir"]), store.root)
    except AccessManagerError as exc:
        return [finding("copies", failure(str(exc), _ADVICE))]
    return list(itertools.chain.from_iterable(_of(one, store, rules) for one in destinations))


def _of(destination: Destination, store: BackupStore, rules: Rules) -> list[Finding]:
    name = f"copy {destination.name}"
    if isinstance(destination, S3Destination):
        return _of_bucket(name, destination, rules)
    if isinstance(destination, FolderDestination):
        return [finding(name, without_error(functools.partial(_folder, destination, store), _ADVICE))]
    return [finding(name, _command(t.cast(CommandDestination, destination)))]


def _folder(destination: FolderDestination, store: BackupStore) -> Verdict:
    destination.prepare()
    if store.root.is_dir() and destination.path.stat().st_dev == store.root.stat().st_dev:
        return warning(
            f"'{destination.path}' lies on the same file system as the backups: both are lost together.",
            "Name a folder on another disk, or a mount.",
        )
    return ok(f"'{destination.path}' is writable, and lies on another file system than the backups.")


def _command(destination: CommandDestination) -> Verdict:
    program = destination.command[0]
    if shutil.which(program) is None:
        return failure(f"There is no program '{program}' on the controller.", "Install it, or correct command.")
    return ok(f"'{program}' is there. What it may delete at the other side cannot be seen from here.")


# ---- a bucket ----


def _of_bucket(name: str, destination: S3Destination, rules: Rules) -> list[Finding]:
    """One finding where the bucket does not answer; else one for each check."""
    try:
        clock, locks = _clock(destination.bucket), _locks(destination, rules)
    except AccessManagerError as exc:
        return [finding(name, failure(str(exc), _ADVICE))]
    verdicts = locks | {"clock": clock, "rights": _rights(destination)}
    return [finding(f"{name}: {check}", verdict) for check, verdict in verdicts.items()]


def _locks(destination: S3Destination, rules: Rules) -> dict[str, Verdict]:
    """What the bucket's lock is worth. Raises AccessManagerError when the bucket does not answer."""
    try:
        found = InBucket(destination, destination.bucket.lock(), rules)
    except DeniedError:
        unknown = warning(
            f"Whether the bucket '{destination.bucket.name}' locks its objects is not known: its key may not ask.",
            "Give it s3:GetBucketObjectLockConfiguration.",
        )
        return {"lock": unknown}
    return {"lock": _lock(found), "lock against keep rules": _days(found)}


def _lock(found: InBucket) -> Verdict:
    name = found.bucket.name
    if found.lock is None:
        decide = failure if found.destination.require_lock else warning
        return decide(f"The bucket '{name}' has no object lock: its key can delete the copies.", _ADVICE)
    if found.destination.lock_days or (found.lock.mode == "COMPLIANCE" and found.lock.days):
        return ok(f"The bucket '{name}' locks each object in COMPLIANCE mode for {found.days} days.")
    if found.lock.mode:
        return warning(
            f"The bucket '{name}' locks in {found.lock.mode} mode, which its administrators can lift.",
            "Set its default retention to COMPLIANCE, or set lock_days.",
        )
    return warning(
        f"The bucket '{name}' has object lock, but no default retention: copies can be deleted.",
        "Give it a default retention in COMPLIANCE mode, or set lock_days.",
    )


def _days(found: InBucket) -> Verdict:
    if not found.rules:
        return ok(f"Objects are locked for {found.days} days; no keep rule is set (prune_keep).")
    longest = found.rules.longest_days
    if longest is not None and found.days >= longest:
        return ok(f"Objects are locked for {found.days} days, and no keep rule keeps a backup longer.")
    kept = "without end" if longest is None else f"for up to {longest:.0f} days"
    return warning(
        f"Objects are locked for {found.days} days, but the keep rules keep backups {kept}: a copy may be deleted "
        "before its backup is pruned.",
        "Raise the default retention of the bucket, or lock_days.",
    )


def _clock(bucket: Bucket) -> Verdict:
    skew = bucket.skew()
    seconds = round(abs(skew).total_seconds())
    if abs(skew) <= _MOST_SKEW:
        return ok(f"The clocks of the controller and of the bucket's server differ by {seconds} s.")
    way = "ahead of" if skew > datetime.timedelta() else "behind"
    return warning(
        f"The controller's clock is {seconds} s {way} that of the bucket's server, which refuses requests from 15 "
        "minutes on.",
        "Correct the clock of the controller (timedatectl).",
    )


def _rights(destination: S3Destination) -> Verdict:
    may_delete = destination.bucket.may_delete(f"{destination.prefix}/" if destination.prefix else "")
    if may_delete is None:
        return warning("Whether the key could delete copies is not known: the server does not say.", _RIGHTS)
    if may_delete:
        return warning("The key could delete copies: every version whose lock has ended.", _RIGHTS)
    return ok("The key may not delete versions of objects.")
