# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifications as backup_verify returns them, of fleets of any size."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
FOREST = {"thumbprint": "6E58119B945A2531B4C73C0CA088664648737510", "subject": "CN=forest.example"}


def rfc3339(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def certificate(days: int, exported: bool = True, **names: str) -> dict[str, Any]:
    """A certificate that is valid for that many days more."""
    ends = NOW + timedelta(days=days, hours=1)
    return (
        FOREST
        | names
        | {
            "not_before": "2021-01-01T00:00:00.0000000Z",
            "not_after": f"{ends:%Y-%m-%dT%H:%M:%S}.0000000Z",
            "exported": exported,
        }
    )


def tls_certificate(days: int) -> dict[str, Any]:
    """A certificate of the web site that is valid for that many days more."""
    named = {"thumbprint": "B2" * 20, "subject": "CN=ams.forest.example", "issuer": "CN=CA", "has_key": True}
    ends = rfc3339(NOW + timedelta(days=days, hours=1))
    return named | {"names": ["ams.forest.example"], "endpoints": ["0.0.0.0:443"], "not_after": ends}


def backup(host: str, made: datetime, **changes: Any) -> dict[str, Any]:
    backup_id = f"{made:%Y%m%dT%H%M%SZ}"
    return {
        "host": host,
        "id": backup_id,
        "path": f"/srv/backup/access-manager/{host}/{backup_id}",
        "created": rfc3339(made + timedelta(seconds=12)),
        "status": "complete",
        "verified": "integrity",
        "signer": {
            "principal": "access-manager-backup",
            "fingerprint": "SHA256:mVnu60xMvGtnSfvOaFr3DJX5Ih7MhhQ0wVCYgPZgdzY",
        },
        "problems": [],
        "backup_problems": [],
        "size": 245_760,
        "files": 34,
        "bytes": 1_495_786,
        "stopped": False,
        "downtime_ms": 0,
        "access_manager_version": "1.0.7945.0",
        "recipients": ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"],
        "encryption": "recipients",
        "tls_certificates": [tls_certificate(200)],
        "health_warnings": [],
        "certificates": [
            certificate(7100),
            certificate(-400, thumbprint="A1" * 20, subject="CN=forest.example (2004)"),
        ],
        "secrets": [{"path": "Authentication.Oidc.Secret", "mode": 1, "exported": True}],
    } | changes


def a_run(backup_id: str | None, outcome: str = "unchanged", problems: tuple[str, ...] = ()) -> dict[str, Any]:
    """A run of an hour ago."""
    return {
        "host": "ams1",
        "finished": rfc3339(NOW - timedelta(hours=1)),
        "outcome": outcome,
        "backup_id": backup_id,
        "seconds": 12.5,
        "downtime_ms": 250,
        "problems": list(problems),
        "health_warnings": [],
    }


def a_drill(**changes: Any) -> dict[str, Any]:
    """A drill of twelve days ago, which took 4 min 10 s."""
    moment = rfc3339(NOW - timedelta(days=12))
    return {
        "host": "ams1",
        "started": moment,
        "finished": moment,
        "outcome": "passed",
        "backup_id": "20261111T020000Z",
        "scratch": "scratch.example.com",
        "controller": "controller.example.com",
        "by": "backup",
        "source": "s3://access-manager-backups/production",
        "version": "1.0.7945.0",
        "signer": "",
        "checks": ["running", "http"],
        "keys": [FOREST["thumbprint"]],
        "seconds": 250.0,
        "lost_seconds": 3600.0,
        "silenced": ["Email.Host"],
        "searched": True,
        "problems": [],
        "previous": None,
    } | changes


def verification(host: str, backups: list[dict[str, Any]], problems: list[str] | None = None) -> dict[str, Any]:
    """What backup_verify returns of one host."""
    backups = sorted(backups, key=lambda one: one["id"], reverse=True)
    complete = next((one for one in backups if one["status"] == "complete"), None)
    age = None
    if complete:
        made = datetime.strptime(complete["id"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        age = (NOW - made).total_seconds() / 3600
    reported = {
        "host": host,
        "newest": backups[0]["id"] if backups else None,
        "newest_complete": complete["id"] if complete else None,
        "newest_complete_created": complete["created"] if complete else None,
        "age_hours": age,
        "last_success": rfc3339(NOW - timedelta(hours=1)) if complete else None,
        "last_success_age_hours": 1.0 if complete else None,
        "last_run": a_run(complete["id"]) if complete else None,
        "last_drill": a_drill() if complete else None,
        "last_drill_success": rfc3339(NOW - timedelta(days=12)) if complete else None,
        "last_drill_success_seconds": 250.0 if complete else None,
        "last_drill_success_age_days": 12.0 if complete else None,
        "copies": [
            {"destination": "vault", "last_success": rfc3339(NOW - timedelta(hours=2)), "age_hours": 2.0},
            {"destination": "nas", "last_success": None, "age_hours": None},
        ],
        "problems": problems or [],
    }
    return {"backups": backups, "hosts": [reported], "verified_at": rfc3339(NOW), "changed": False}


def healthy(host: str, days: int = 40, *, stops: bool = True, verified: str = "full") -> dict[str, Any]:
    """A host that is backed up every night, grows slowly, and is stopped now and then before an upgrade."""
    chance = random.Random(host)
    backups, size = [], 200_000 + chance.randrange(120_000)
    for day in range(days, -1, -1):
        size += chance.randrange(0, 2_500)
        stopped = stops and day % 13 == 5
        made = NOW.replace(hour=2, minute=chance.randrange(40)) - timedelta(days=day)
        changes: dict[str, Any] = {
            "size": size,
            "stopped": stopped,
            "downtime_ms": chance.randrange(2_000, 9_000) if stopped else 0,
        }
        backups.append(backup(host, made, verified=verified if day < 8 else "integrity", **changes))
    return verification(host, backups)


def troubled() -> list[dict[str, Any]]:
    """A host for each thing that can be wrong, and one that never was backed up."""
    late = healthy("ams-late.example.com", 30)
    late["backups"] = [one for one in late["backups"] if one["id"] < "20261115"]
    late = verification(
        "ams-late.example.com",
        late["backups"],
        ["The last successful backup run of ams-late.example.com was 197 hours ago; 26 are allowed."],
    )
    late["hosts"][0]["last_drill"] = a_drill(outcome="failed", problems=["The disk is full."])
    late["hosts"][0]["last_run"] = a_run(None, "failed", ("There is no connection.",))
    late["hosts"][0]["last_run"]["health_warnings"] = ["The service does not start with the server (manual)."]
    damaged = healthy("ams-damaged.example.com", 30)
    damaged["backups"][4] |= {
        "verified": "none",
        "health_warnings": ["The service lithnetams does not start with the server (manual)."],
        "problems": ["'config.zip.age' is not what was written: its size or SHA-256 is another."],
    }
    damaged["backups"][9] |= {
        "status": "damaged",
        "verified": "none",
        "created": None,
        "size": None,
        "files": None,
        "bytes": None,
    }
    damaged["backups"][9] |= {
        "downtime_ms": None,
        "certificates": [],
        "problems": ["The manifest cannot be read: it is not JSON."],
    }
    incomplete = healthy("ams-with-a-very-long-name.and.a.subdomain.forest.example.com", 30)
    for one in incomplete["backups"][:3]:
        sentence = (
            "Certificate 0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B (CN=forest.example) is not backed up: its private "
            "key is not exportable (provider 'nCipher Security World Key Storage Provider'). Keep its original PFX."
        )
        one |= {"status": "incomplete", "backup_problems": [sentence]}
        one["certificates"] = [certificate(19), certificate(300, False, thumbprint="0B" * 20)]
    incomplete = verification("ams-with-a-very-long-name.and.a.subdomain.forest.example.com", incomplete["backups"])
    expiring = healthy("ams-expiring.example.com", 30)
    for one in expiring["backups"]:
        one["certificates"] = [certificate(19, thumbprint="19" * 20), certificate(420, False, thumbprint="0B" * 20)]
    return [
        late,
        damaged,
        incomplete,
        expiring,
        verification("ams-new.example.com", [], ["There is no backup of ams-new.example.com."]),
    ]


def fleet(hosts: int) -> list[dict[str, Any]]:
    return [
        healthy(f"ams{number:02d}.example.com", 40 + 7 * (number % 4), stops=number % 3 != 0)
        for number in range(1, hosts + 1)
    ]
