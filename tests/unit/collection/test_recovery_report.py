# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role recover_certificate prints: its plan, and at its end what the modules say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from unit.templates import rendered

TEMPLATES = Path(__file__).resolve().parents[3] / "roles" / "recover_certificate" / "templates"
LOST, NEW = "A1" * 20, "B2" * 20
NONE = {"changed": False, "skipped": True}


def printed(template: str, **variables: Any) -> list[str]:
    return str(rendered((TEMPLATES / template).read_text(), variables)).splitlines()


def report(*, published: bool = True, hosts: dict[str, dict[str, Any]] | None = None, **results: Any) -> list[str]:
    new = {"forest": "ad.lab.test", "certificate": {"thumbprint": NEW}, "backup": {"id": "1", "host": "ad.lab.test"}}
    variables = {
        "recover_certificate_new": new | {"published": published},
        "recover_certificate_publish_only_plan": "/srv/plan",
        "recover_certificate_expired": NONE,
        "recover_certificate_after": {"summary": []},
        "ansible_play_hosts": list(hosts or {}),
        "hostvars": hosts or {},
    }
    return printed("report.j2", **(variables | results))


def test_the_report_prints_what_the_modules_say() -> None:
    expired, after = {"summary": ["2 passwords expire.", "CN=PC1: refused."]}, {"summary": ["3 remain."]}
    assert report(recover_certificate_expired=expired, recover_certificate_after=after) == [
        f"ad.lab.test publishes {NEW}, in backup 1 of ad.lab.test.",
        "2 passwords expire.",
        "CN=PC1: refused.",
        "3 remain.",
    ]


def test_without_an_expiry_the_report_says_how_the_certificate_is_published() -> None:
    assert report(published=False, recover_certificate_after={"summary": ["3 remain."]}) == [
        f"Certificate {NEW} is in backup 1 of ad.lab.test, and not published yet. "
        "Have what is in '/srv/plan' carried out, and run this again.",
        "3 remain.",
    ]


def test_a_restart_is_said_with_its_reason() -> None:
    restarted = {"changed": True}
    imported, owed = {"changed": True}, {"changed": False}
    hosts = {
        "ams1": {"recover_certificate_restarted": restarted, "recover_certificate_imported": imported},
        "ams2": {"recover_certificate_restarted": restarted, "recover_certificate_imported": owed},
        "ams3": {"recover_certificate_restarted": NONE, "recover_certificate_imported": owed},
        "ams4": {},
    }
    text = "\n".join(report(hosts=hosts))
    assert "The service of ams1 was restarted, since it got the certificate." in text
    reason = "for an earlier run gave it the certificate and ended before that"
    assert f"The service of ams2 was restarted, {reason}." in text
    assert "ams3" not in text


@pytest.mark.parametrize(
    ("history", "remove", "last"),
    [
        (7, False, "No earlier passwords are deleted; 7 stay that nobody can read."),
        (0, False, "No earlier passwords are deleted."),
        (7, True, "7 earlier passwords are deleted."),
    ],
)
def test_the_plan_says_what_depends_on_which_key_and_what_will_be_done(history: int, remove: bool, last: str) -> None:
    place = {"host": "ams1", "id": "1"}
    keys = [
        {"thumbprint": LOST, "current": 5, "history": history, "published": True, "covered": False, "backup": None},
        {"thumbprint": NEW, "current": 2, "history": 1, "published": False, "covered": True, "backup": place},
        {"thumbprint": "C3" * 20, "current": 1, "history": 0, "published": False, "covered": False, "backup": None},
    ]
    forests = [
        {"forest": "one.test", "published": {"thumbprint": LOST}},
        {"forest": "two.test", "published": None},
        {"forest": "three.test", "published": {"thumbprint": NEW}},
    ]
    lost = {"thumbprints": [LOST], "current": 5, "history": history}
    counted = {"computers": 8, "keys": keys, "forests": forests, "lost": lost}
    assert printed("plan.j2", recover_certificate_census=counted, recover_certificate_remove_lost_history=remove) == [
        "8 computers have stored passwords.",
        f"{LOST}: 5 current, {history} earlier, published, lost",
        f"{NEW}: 2 current, 1 earlier, in backup 1 of ams1",
        f"{'C3' * 20}: 1 current, 0 earlier, in no backup",
        "one.test gets another certificate, which is backed up first.",
        "two.test gets another certificate, which is backed up first.",
        f"three.test publishes {NEW}, which stays.",
        f"5 current passwords are to expire, as far as they have not. {last}",
    ]
