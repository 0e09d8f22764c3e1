# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a fleet, report format 1, from what backup_verify returned. See docs/report.md.

Manifests are in it as they are, so nothing of them is trusted: what is not of its type is left out (C(records)).
"""

from __future__ import annotations

import collections
import collections.abc as c
import contextlib
import datetime
import itertools
import math
import typing as t

from .._errors import AccessManagerError
from .._shape import ShapeError, checked, readable
from .._statuses import COMPLETE, DAMAGED, FAILED, NONE, STATUSES
from .._text import encodable, encodable_data, time_of
from . import records

FORMAT = 1
OK, WARNING, CRITICAL = "ok", "warning", "critical"
STATES = (OK, WARNING, CRITICAL)
EXPIRY_WARNING_DAYS = 30
DAY = datetime.timedelta(days=1)

Report = dict[str, t.Any]


def build(
    verifications: c.Sequence[object], expected: c.Sequence[str] = (), expiry_days: int = EXPIRY_WARNING_DAYS
) -> Report:
    """The report. C(expected): hosts that it must include, whether they were verified or not.

    C(expiry_days): how long before its end a certificate is a warning.

    When several verifications report the same backup or host, the latest of them counts.
    Raises AccessManagerError when one of the verifications is none.
    """
    results = sorted(_verifications(verifications), key=_verified_at)
    verified_at = _verified_at(results[-1])
    backups = _backups_by_host(results)
    listed = {host["host"]: readable(host, records.Host) for host in _named(results, "hosts")}
    names = sorted({*listed, *map(encodable, expected), *backups})
    hosts = [_host(name, listed.get(name), backups.get(name, []), verified_at, expiry_days) for name in names]
    return {
        "report_format": FORMAT,
        "verified_at": verified_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "summary": _summary(hosts),
        "hosts": hosts,
    }


def _verifications(given: c.Sequence[object]) -> list[records.Verification]:
    """Raises AccessManagerError when there is none, or one is no result of a verification."""
    found: list[records.Verification] = []
    with contextlib.suppress(ShapeError):
        found = checked(encodable_data(given), list[records.Verification])
    if not found:
        raise AccessManagerError(
            "There is nothing to report: 'verifications' must be a list of what lithnet.access_manager.backup_verify "
            "returned, each with hosts, backups and verified_at."
        )
    return found


def _verified_at(verification: records.Verification) -> datetime.datetime:
    return t.cast(datetime.datetime, time_of(verification["verified_at"]))


def _summary(hosts: list[Report]) -> Report:
    states = collections.Counter(host["state"] for host in hosts)
    statuses: collections.Counter[str] = collections.Counter()
    for host in hosts:
        statuses.update(host["counts"])
    return {
        "hosts": dict.fromkeys(STATES, 0) | states,
        "backups": dict.fromkeys(STATUSES, 0) | statuses,
        "problems": sum(host["problem_count"] for host in hosts),
    }


def _backups_by_host(verifications: c.Sequence[records.Verification]) -> dict[str, list[Report]]:
    """Each backup once, as the last verification of it says."""
    found = [_backup(record) for record in _named(verifications, "backups") if isinstance(record.get("id"), str)]
    hosts: dict[str, list[Report]] = {}
    for backup in {(backup["host"], backup["id"]): backup for backup in found}.values():
        hosts.setdefault(backup["host"], []).append(backup)
    return hosts


def _named(
    verifications: c.Sequence[records.Verification], key: t.Literal["hosts", "backups"]
) -> c.Iterator[Report]:
    """The entries of all verifications that name a host."""
    for entry in itertools.chain.from_iterable(verification[key] for verification in verifications):
        if isinstance(entry, dict) and isinstance(entry.get("host"), str):
            yield entry


def problems_of(backup: Report) -> list[str]:
    """What is wrong with a backup: what the verification found, and what the backup itself says."""
    return [*backup["problems"], *backup["backup_problems"]]


# ---- hosts ----


def _host(
    name: str, found: records.Host | None, backups: list[Report], verified_at: datetime.datetime, expiry_days: int
) -> Report:
    summary = found or readable({}, records.Host)
    backups = sorted(backups, key=lambda backup: str(backup["id"]), reverse=True)
    newest = _find(backups, summary["newest_complete"])
    known = newest or readable({}, records.Backup)
    problems = summary["problems"] if found else ["This host was not verified."]
    last_run = _run(summary["last_run"])
    certificates = [_certificate(one, verified_at) for one in known["certificates"]]
    tls = [_certificate(one, verified_at) for one in known["tls_certificates"]]
    warnings = [_expires_soon(one) for one in certificates if _is_expiring(one, expiry_days)]
    warnings += [_tls_expires(one) for one in tls if _is_expiring(one, expiry_days) or _has_expired(one)]
    warnings += [f"When it was backed up: {one}" for one in known["health_warnings"]]
    since = last_run["health_warnings"] if last_run else []
    warnings += [f"In the last backup run: {one}" for one in since if one not in known["health_warnings"]]
    if certificates and all(_has_expired(one) for one in certificates):
        warnings.append(_NONE_VALID)
    if last_run and last_run["outcome"] == FAILED:
        warnings.append(" ".join([f"The last backup run, of {last_run['finished']}, failed.", *last_run["problems"]]))
    drill = _drill(summary["last_drill"])
    if drill and drill["outcome"] == FAILED:
        warnings.append(" ".join([f"The last restore drill, of {drill['finished']}, failed.", *drill["problems"]]))
    return {
        "host": name,
        "state": _state(problems, warnings, newest, backups),
        "counts": _counts(summary["counts"], backups),
        "newest": summary["newest"],
        "newest_complete": newest["id"] if newest else None,
        "newest_complete_created": summary["newest_complete_created"],
        "age_hours": summary["age_hours"],
        "last_success": summary["last_success"],
        "last_success_age_hours": summary["last_success_age_hours"],
        "last_run": last_run,
        "last_drill": drill,
        "last_drill_success": summary["last_drill_success"],
        "last_drill_success_seconds": summary["last_drill_success_seconds"],
        "last_drill_success_age_days": summary["last_drill_success_age_days"],
        "copies": summary["copies"],
        "attachments": summary["attachments"],
        "problems": problems,
        "warnings": warnings,
        "problem_count": len(problems) + sum(len(problems_of(backup)) for backup in backups),
        "certificates": certificates,
        "tls_certificates": tls,
        "backups": backups,
    }


def _state(problems: list[str], warnings: list[str], newest: Report | None, backups: list[Report]) -> str:
    """Critical: there may be nothing to restore from. Warning: something needs an administrator."""
    if problems or newest is None or newest["verified"] == NONE:
        return CRITICAL
    return (
        WARNING if warnings or any(problems_of(backup) or backup["status"] != COMPLETE for backup in backups) else OK
    )


def _counts(counts: dict[str, float], backups: list[Report]) -> dict[str, int]:
    """How many backups of each status there are, also of those that were not verified; never less than are reported."""
    reported = collections.Counter(backup["status"] for backup in backups)
    return {status: max(reported[status], int(counts.get(status, 0))) for status in STATUSES}


def _has_expired(certificate: Report) -> bool:
    return certificate["days_left"] is not None and certificate["days_left"] < 0


def _is_expiring(certificate: Report, days: int) -> bool:
    return certificate["days_left"] is not None and 0 <= certificate["days_left"] < days


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def _expires_soon(certificate: Report) -> str:
    days = certificate["days_left"]
    when = f"in {_days(days)}" if days else "in less than a day"
    return (
        f"Certificate {certificate['thumbprint']} ({certificate['subject']}) expires {when}: "
        "make a new one in the configuration tool, back it up, and publish it."
    )


def _tls_expires(certificate: Report) -> str:
    days = certificate["days_left"]
    when = "has expired" if days < 0 else f"expires in {_days(days)}"
    return (
        f"TLS certificate {certificate['thumbprint']} ({certificate['subject']}) of the web site {when}: renew it, and "
        "set the new one in the configuration tool."
    )


_NONE_VALID = (
    "Every certificate of the newest complete backup has expired: make a new one in the configuration tool, back it "
    "up, and publish it. Keep the old ones: passwords that were encrypted with them need them."
)


def _find(backups: list[Report], backup_id: str | None) -> Report | None:
    return next((backup for backup in backups if backup_id and backup["id"] == backup_id), None)


# ---- backups ----


def _backup(record: object) -> Report:
    backup = readable(record, records.Backup)
    status, verified = backup["status"] or DAMAGED, backup["verified"] or NONE
    return {**backup, "status": status, "verified": verified}


def _run(run: records.Run | None) -> records.Run | None:
    """The last run of a host; None when none is recorded."""
    return run if run and run["outcome"] else None


def _drill(drill: records.Drill | None) -> records.Drill | None:
    """The last drill of a host; None when none is recorded."""
    return drill if drill and drill["outcome"] else None


def _certificate(
    certificate: records.Certificate | records.TlsCertificate, verified_at: datetime.datetime
) -> Report:
    """A certificate with the whole days that are left of it; less than none when it has expired."""
    ends = time_of(certificate["not_after"])
    return {**certificate, "days_left": math.floor((ends - verified_at) / DAY) if ends else None}
