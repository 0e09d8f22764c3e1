# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an expiry did and what remains after it, in sentences."""

from __future__ import annotations

import typing as t

from .census import Lost
from .password_expiry import ExpiryStatistics


class Expiry(t.TypedDict):
    """What C(remaining) needs of the result of directory_password_expiry."""

    lost: int
    expired: int
    expired_before: int
    planned: bool


def done(statistics: ExpiryStatistics, limit: int, *, planned: bool) -> list[str]:
    """What a run did. C(limit): how many computers it was to change at most. C(planned): it changed no computer."""
    expire, deleted = ("are planned to expire", "are planned to be deleted") if planned else ("expire", "are deleted")
    sentences = [
        f"{statistics.expired} passwords {expire}, {statistics.expired_before} had before, "
        f"{statistics.history_deleted} earlier ones {deleted}, "
        f"{statistics.changed_meanwhile} had changed meanwhile, {len(statistics.failed)} failed.",
        *(f"{one['computer']}: {one['reason']}" for one in statistics.failed),
    ]
    if statistics.remaining:
        sentences.append(
            f"{statistics.remaining} more computers were not reached, for the limit of {limit}: run this again."
        )
    if statistics.history_gone:
        sentences.append(f"{statistics.history_gone} earlier passwords were gone already.")
    return sentences


def remaining(before: Lost, now: Lost, expiry: Expiry | None) -> list[str]:
    """What depends on lost keys after an expiry. C(before), C(now): by the census before it, and after it.

    C(expiry): None when no password was to expire yet.
    """
    sentences = ["No current password depends on the lost key any more."]
    if now["current"]:
        sentences = [f"{now['current']} current passwords still depend on the lost key."]
        sentences += _why(before, expiry) if expiry else []
    if now["history"]:
        sentences.append(f"{now['history']} earlier passwords depend on it, which nobody can read.")
    return sentences


def _why(before: Lost, expiry: Expiry) -> list[str]:
    """What becomes of the current passwords that still depend on a lost key."""
    expired = expiry["expired_before"] + (0 if expiry["planned"] else expiry["expired"])
    kept, unseen = expiry["lost"] - expired, before["current"] - expiry["lost"]
    sentences = []
    if expired:
        sentences.append(
            f"{expired} have expired: their agents make new ones within their interval, those of computers that are "
            "off later. Run this again to see what remains."
        )
    if kept > 0:
        sentences.append(f"{kept} have not expired, and their agents keep them.")
    if unseen > 0:
        sentences.append(
            f"{unseen} that the first census counted were not looked at: the search base or the filter leaves them "
            "out, or they have changed since."
        )
    return sentences
