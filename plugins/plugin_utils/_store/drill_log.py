# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of the restore drills of a host: .drills.jsonl in its folder, a line for each drill, failed ones too.

Each line names the SHA-256 of the line before it, and where there is a signing key, carries its own signature: none can
be changed, and none be removed but the oldest and the newest ones, without that being seen.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import typing as t

from .._ams.shapes import Sha256
from .._shape import Time, at_most, between, matching
from .._signing.signer import Signer
from .._text import BACKUP_ID
from .folder import explained
from .run_log import MOST_FOREIGN
from .signed_lines import is_accepted, lines_of, moment_of, parsed, signature_of, without_signature
from .store import CLOCKS_DIFFER, BackupStore

NAME = ".drills.jsonl"
SIZE_LIMIT = 4 * 1024 * 1024
KEPT = 100
PASSED, FAILED = "passed", "failed"
_LONGEST = 100 * 365 * 24 * 3600
MOST = 100

Text = t.Annotated[str, at_most(1000)]
Texts = t.Annotated[list[Text], at_most(MOST)]
Seconds = t.Annotated[float, between(0, _LONGEST)]


class Drill(t.TypedDict):
    """A line. C(scratch): the server to which the backup was restored. C(source): where the backup came from.

    C(by): the account on the controller. C(checks): the tests of health that were passed. C(keys): the certificates
    with which the server decrypted. C(seconds): how long the recovery took (RTO). C(lost_seconds): how old the last
    state is that the backup holds (RPO). C(silenced): the outgoing channels that were switched off.
    C(searched): whether a search found nothing left on the scratch server.
    """

    host: str
    started: Time
    finished: Time
    outcome: t.Literal["passed", "failed"]
    backup_id: t.Annotated[str, matching(BACKUP_ID, "the id of a backup")] | None
    scratch: Text
    controller: Text
    by: Text
    source: Text
    version: Text
    signer: Text
    checks: Texts
    keys: Texts
    seconds: Seconds | None
    lost_seconds: Seconds | None
    silenced: Texts
    searched: bool
    problems: Texts
    previous: Sha256 | None
    signature: t.NotRequired[str]


@dataclasses.dataclass(frozen=True)
class Drills:
    """C(last): the last drill, however it ended. C(success): the last that passed. C(begun): when that one and those
    after it began.

    C(problems): why the record, or a part of it, is not believed.
    """

    last: Drill | None = None
    success: Drill | None = None
    begun: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def read(store: BackupStore, now: datetime.datetime) -> Drills:
    """What the record of a host says. Lines that are no drill of this host, are dated in the future or are not accepted
    count for nothing, and are a problem."""
    path = str(store.folder / NAME)
    try:
        with store.opened() as folder:
            lines = folder.read_file(NAME, SIZE_LIMIT).splitlines()
    except FileNotFoundError:
        return Drills()
    except OSError as exc:
        return Drills(problems=(f"The record of drills '{path}' cannot be read: {exc.strerror}.",))
    drills = [parsed(line, Drill) for line in lines[-KEPT:]]
    good, foreign = _newest(drills, store, now)
    problems = [] if _is_chained(lines[-KEPT:], drills) else [_BROKEN.format(path=path)]
    problems += [_FOREIGN.format(path=path, count=foreign)] if foreign else []
    success = next((drill for drill in good if drill["outcome"] == PASSED), None)
    return Drills(next(iter(good), None), success, tuple(drill["started"] for drill in good), tuple(problems))


def _newest(drills: list[Drill | None], store: BackupStore, now: datetime.datetime) -> tuple[list[Drill], int]:
    """Those that count, the newest first, back to the last that passed; and how many in between do not."""
    good: list[Drill] = []
    foreign = 0
    for drill in reversed(drills):
        if drill is None or not _counts(drill, store, now):
            foreign += 1
        else:
            good.append(drill)
        if foreign == MOST_FOREIGN or (good and good[-1]["outcome"] == PASSED):
            break
    return good, foreign


def add(store: BackupStore, drill: Drill, signer: Signer | None) -> Drill:
    """Adds a drill behind the last one, and returns it as it was written.

    Raises AccessManagerError when it cannot be written or signed.
    """
    with explained(store.folder / NAME), store.opened_root() as root, root.make_subfolder(store.host) as folder:
        folder.lock()
        lines = lines_of(folder, NAME, SIZE_LIMIT)
        written: Drill = {**drill, "previous": hashlib.sha256(lines[-1]).hexdigest() if lines else None}
        if signer:
            written["signature"] = signature_of(written, signer)
        kept = [*lines[1 - KEPT :], json.dumps(written).encode()]
        folder.replace_file(NAME, b"".join(line + b"\n" for line in kept))
    return written


def days_ago(drill: Drill, now: datetime.datetime) -> float:
    return (now - moment_of(drill)).total_seconds() / 86400


def summary(drills: Drills, now: datetime.datetime) -> dict[str, t.Any]:
    """What results say of the drills of a host."""
    finished = seconds = days = None
    if drills.success:
        finished, seconds = drills.success["finished"], drills.success["seconds"]
        days = round(max(0.0, days_ago(drills.success, now)), 2)
    return {
        "last_drill": without_signature(drills.last) if drills.last else None,
        "last_drill_success": finished,
        "last_drill_success_seconds": seconds,
        "last_drill_success_age_days": days,
    }


_BROKEN = (
    "The record of drills '{path}' is not as it was written: a line was removed or changed. Find out who did that. "
    "Then move the file away: the next drill begins a new one."
)
_FOREIGN = (
    "The record of drills '{path}' has {count} line(s) that are no drill of this host, are dated in the future, or are "
    "not signed by an allowed signer: they count for nothing. Find out who wrote them, or whether they are from before "
    "signers were allowed. Then move the file away: the next drill begins a new one."
)


def _counts(drill: Drill, store: BackupStore, now: datetime.datetime) -> bool:
    is_past = drill["host"] == store.host and moment_of(drill) <= now + CLOCKS_DIFFER
    return is_past and is_accepted(drill, store.trust, str(store.folder / NAME))


def _is_chained(lines: list[bytes], drills: list[Drill | None]) -> bool:
    """Whether each line names the one before it. What the first one names may have been dropped since."""
    pairs = zip(lines, drills[1:], strict=False)
    return all(drill and drill["previous"] == hashlib.sha256(line).hexdigest() for line, drill in pairs)
