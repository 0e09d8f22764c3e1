# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Earlier restores whose result was not reported yet, as _EarlierRestore.psm1 finds them on a server."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import re
import typing as t

from .._ams import shapes
from .._ams.json_document import strict
from .._contents.source import Source
from .._shape import checked
from .._text import BACKUP_ID

_TIME = re.compile(BACKUP_ID)

T = t.TypeVar("T")


class Interruption(t.TypedDict):
    """What L(settled_by) asks of a restore that never ended."""

    run_id: str
    backup: str
    kept_at: str


class _About(t.TypedDict):
    controller: t.NotRequired[str]
    backup: t.NotRequired[str]
    begun: t.NotRequired[str]
    service: t.NotRequired[str | None]


class _Kept(t.TypedDict):
    """What a safety copy says of its restore."""

    about: _About


class _Result(t.TypedDict):
    """How a restore ended."""

    state: t.NotRequired[str]
    msg: t.NotRequired[str]


@dataclasses.dataclass(frozen=True)
class EarlierRestore:
    """A restore whose result was not reported yet. C(left_stopped): it found the service running, and never ended."""

    run_id: str
    ended: bool
    left_stopped: bool
    backup: str
    """The label of the backup that it restored."""
    kept_at: str
    """When its safety copy was taken, written as the id of a backup is; empty when that is not known."""
    sentence: str

    @classmethod
    def of(cls, record: shapes.EarlierRestore) -> EarlierRestore:
        kept, ended = _parsed(record["kept"], _Kept), bool(record["result"])
        about: _About = kept["about"] if kept else {}
        time = record["folder"].rpartition("\\")[2].partition("-")[0]
        return cls(
            run_id=record["run_id"],
            ended=ended,
            left_stopped=not ended and about.get("service") not in (None, "Stopped"),
            backup=about.get("backup", ""),
            kept_at=time if _TIME.fullmatch(time) else "",
            sentence=(
                f"The restore of backup {about.get('backup', 'unknown')} that "
                f"{about.get('controller', 'an unknown controller')} began at "
                f"{about.get('begun', 'an unknown time')} (run {record['run_id']}) {_end(record)}"
            ),
        )

    @property
    def interruption(self) -> Interruption:
        """What L(settled_by) asks of one that never ended."""
        return {"run_id": self.run_id, "backup": self.backup, "kept_at": self.kept_at}


def settled_by(source: Source, interruptions: c.Iterable[Interruption], *, by_time: bool = True) -> list[str]:
    """The ids of those interrupted restores whose half state is gone when all parts are as in a backup.

    That is so when the backup is the one that they restored, or was taken before they began: a later one may hold their
    half state. C(by_time): the clocks of controller and server agree, so that what was taken before is known.
    """
    backup_id = source.manifest["id"] if source.manifest else ""
    has_time = by_time and _TIME.fullmatch(backup_id)
    return [
        one["run_id"]
        for one in interruptions
        if one["backup"] and one["backup"] == source.label or (has_time and backup_id < one["kept_at"])
    ]


def problems(unended: c.Iterable[shapes.EarlierRestore]) -> list[str]:
    """A sentence for each restore that never ended: a backup may hold its half state."""
    return [EarlierRestore.of(one).sentence for one in unended]


def _end(record: shapes.EarlierRestore) -> str:
    if not record["result"]:
        return (
            f"never ended, so this server may be between two states. What it found is in "
            f"'{record['folder']}', and safety.json there "
            "says what belongs where. Restore all parts of a backup that was taken before it; or look at the server, "
            "and put an empty file 'reported' into that folder when all is as it should be."
        )
    result: _Result = _parsed(record["result"], _Result) or {}
    if result.get("state") == "restored":
        return "succeeded, and its controller did not read that."
    return f"failed, and its controller did not read why. {result.get('msg', '')}".rstrip()


def _parsed(text: str, shape: type[T]) -> T | None:
    """What a shape lists of JSON that the server kept; None when it is none, or has another shape."""
    try:
        return checked(strict(text.encode("utf-8", "surrogatepass")), shape)
    except ValueError:
        return None
