# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an expiry of passwords did, and what remains after it: exactly what happened."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory import census, expiry_summary
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.census import Lost
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.expiry_summary import Expiry
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.password_expiry import ExpiryStatistics
from unit.actions import run

LOST, NEW = "A1" * 20, "B2" * 20
LIMIT = 2
SKIPPED = {"changed": False, "skipped": True}


def lost(current: int, history: int = 0) -> Lost:
    return {"thumbprints": [LOST], "current": current, "history": history}


def done(*, planned: bool = False, **statistics: Any) -> list[str]:
    return expiry_summary.done(ExpiryStatistics(**statistics), LIMIT, planned=planned)


def remaining(*, before: int, after: int, history: int = 0, planned: bool = False, **statistics: int) -> list[str]:
    expiry: Expiry = {
        "lost": statistics.get("lost", before),
        "expired": statistics.get("expired", 0),
        "expired_before": statistics.get("expired_before", 0),
        "planned": planned,
    }
    return expiry_summary.remaining(lost(before, history), lost(after, history), expiry)


# ---- what an expiry did ----


def test_what_an_expiry_did_is_said() -> None:
    failed = [{"computer": f"CN=PC{number}", "reason": "refused."} for number in range(2)]
    left = {"changed_meanwhile": 5, "remaining": 3, "history_gone": 6}
    assert done(expired=2, expired_before=1, history_deleted=4, failed=failed, **left) == [
        "2 passwords expire, 1 had before, 4 earlier ones are deleted, 5 had changed meanwhile, 2 failed.",
        "CN=PC0: refused.",
        "CN=PC1: refused.",
        "3 more computers were not reached, for the limit of 2: run this again.",
        "6 earlier passwords were gone already.",
    ]


def test_what_did_not_happen_has_no_sentence() -> None:
    assert done() == [
        "0 passwords expire, 0 had before, 0 earlier ones are deleted, 0 had changed meanwhile, 0 failed.",
    ]


def test_a_plan_is_said_to_be_one() -> None:
    assert done(planned=True, expired=5, history_deleted=1) == [
        "5 passwords are planned to expire, 0 had before, 1 earlier ones are planned to be deleted, "
        "0 had changed meanwhile, 0 failed."
    ]


# ---- what remains ----


def test_passwords_that_did_not_expire_are_not_said_to_be_renewed() -> None:
    assert remaining(before=8, after=8, expired=2) == [
        "8 current passwords still depend on the lost key.",
        "2 have expired: their agents make new ones within their interval, those of computers that are off later. "
        "Run this again to see what remains.",
        "6 have not expired, and their agents keep them.",
    ]


def test_those_that_expired_by_an_earlier_run_are_renewed_too() -> None:
    text = " ".join(remaining(before=8, after=8, expired=2, expired_before=6))
    assert "8 have expired: their agents make new ones" in text
    assert "have not expired" not in text


def test_a_plan_expires_nothing() -> None:
    text = " ".join(remaining(before=5, after=5, expired=5, planned=True))
    assert "5 have not expired" in text
    assert "their agents make new ones" not in text


def test_what_was_not_looked_at_is_said() -> None:
    assert remaining(before=5, after=5, lost=2, expired=2)[2:] == [
        "3 that the first census counted were not looked at: the search base or the filter leaves them out, "
        "or they have changed since.",
    ]


def test_the_end_is_said() -> None:
    assert remaining(before=5, after=0, lost=0) == ["No current password depends on the lost key any more."]


def test_earlier_passwords_that_nobody_can_read_are_said() -> None:
    assert remaining(before=5, after=0, history=7) == [
        "No current password depends on the lost key any more.",
        "7 earlier passwords depend on it, which nobody can read.",
    ]


def test_without_an_expiry_only_the_census_speaks() -> None:
    assert expiry_summary.remaining(lost(5), lost(4), None) == ["4 current passwords still depend on the lost key."]


def test_only_what_depends_on_lost_keys_is_counted() -> None:
    keys = [
        {"thumbprint": LOST, "current": 3, "history": 4},
        {"thumbprint": NEW, "current": 10, "history": 20},
        {"thumbprint": "C3" * 20, "current": 1, "history": 2},
    ]
    assert census.lost_of(keys, [LOST, "C3" * 20]) == {"thumbprints": [LOST, "C3" * 20], "current": 4, "history": 6}
    assert census.lost_of(keys, ["D4" * 20]) == {"thumbprints": ["D4" * 20], "current": 0, "history": 0}


EXPIRY = {"lost": 1, "expired": 1, "expired_before": 0, "planned": False}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"before": {"current": 1}}, "'before.thumbprints' is missing: before takes 'lost' of an earlier"),
        ({"before": lost(1) | {"current": "many"}}, "'before.current' is a text"),
        ({"before": lost(1), "expiry": SKIPPED}, "'expiry.lost' is missing: expiry takes the result of"),
        ({"expiry": EXPIRY}, "expiry needs before"),
    ],
)
def test_results_of_other_modules_are_refused_before_anything_is_asked(options: dict[str, Any], reason: str) -> None:
    result = run("directory_info", servers=["dc1.invalid"], bind_user="u", bind_password="not-needed", **options)
    assert result["failed"]
    assert reason in result["msg"]
