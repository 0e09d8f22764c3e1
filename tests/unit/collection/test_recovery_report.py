# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role recover_certificate says at its end: exactly what happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

try:
    from ansible.template import trust_as_template
except ImportError:  # before ansible-core 2.19

    def trust_as_template(value: str) -> str:
        return value


TEMPLATE = Path(__file__).resolve().parents[3] / "roles" / "recover_certificate" / "templates" / "report.j2"
LOST, NEW = "A1" * 20, "B2" * 20
NONE = {"changed": False, "skipped": True}


def told(*, before: int, after: int, hosts: dict[str, dict[str, Any]] | None = None, **expired: Any) -> str:
    counts = {
        "lost": before,
        "expired": 0,
        "expired_before": 0,
        "history_deleted": 0,
        "history_gone": 0,
        "changed_meanwhile": 0,
    }
    more = {"remaining": 0, "failed_computers": [], "files": [], "changed": True}
    variables = {
        "recover_certificate_thumbprints": [LOST],
        "recover_certificate_new": {
            "published": True,
            "forest": "ad.lab.test",
            "certificate": {"thumbprint": NEW},
            "backup": {"id": "1", "host": "ad.lab.test"},
        },
        "recover_certificate_limit": 2,
        "recover_certificate_census": {"keys": [{"thumbprint": LOST, "current": before, "history": 0}]},
        "recover_certificate_expired": counts | more | expired,
        "recover_certificate_after": {"keys": [{"thumbprint": LOST, "current": after, "history": 0}]},
        "ansible_play_hosts": list(hosts or {}),
        "hostvars": hosts or {},
    }
    return str(Templar(loader=DataLoader(), variables=variables).template(trust_as_template(TEMPLATE.read_text())))


def test_passwords_that_did_not_expire_are_not_said_to_be_renewed() -> None:
    failed = [{"computer": f"CN=PC{number}", "reason": "refused."} for number in range(3)]
    text = told(before=8, after=8, expired=2, remaining=3, failed_computers=failed)
    assert "2 passwords expire, 0 had before" in text
    assert "3 more computers were not reached, for the limit of 2" in text
    assert "8 current passwords still depend on the lost key." in text
    assert "2 have expired: their agents make new ones" in text
    assert "6 have not expired, and their agents keep them." in text


def test_a_plan_expires_nothing() -> None:
    text = told(before=5, after=5, expired=5, files=["expire.ldif"])
    assert "5 passwords are planned to expire" in text
    assert "5 have not expired" in text
    assert "their agents make new ones" not in text


def test_what_was_not_looked_at_is_said() -> None:
    text = told(before=5, after=5, lost=2, expired=2)
    assert "3 that the first census counted were not looked at" in text
    assert "have not expired" not in text


def test_the_end_is_said() -> None:
    text = told(before=5, after=0, lost=0)
    assert "No current password depends on the lost key any more." in text


def test_a_restart_is_said_with_its_reason() -> None:
    restarted = {"changed": True}
    imported, owed = {"changed": True}, {"changed": False}
    hosts = {
        "ams1": {"recover_certificate_restarted": restarted, "recover_certificate_imported": imported},
        "ams2": {"recover_certificate_restarted": restarted, "recover_certificate_imported": owed},
        "ams3": {"recover_certificate_restarted": NONE, "recover_certificate_imported": owed},
        "ams4": {},
    }
    text = told(before=1, after=1, expired=1, hosts=hosts)
    assert "The service of ams1 was restarted, since it got the certificate." in text
    assert (
        "The service of ams2 was restarted, for an earlier run gave it the certificate and ended before that." in text
    )
    assert "ams3" not in text
