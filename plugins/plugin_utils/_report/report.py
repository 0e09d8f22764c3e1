# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a fleet, report format 1, from what backup_verify returned. See docs/report.md.

Manifests are in it as they are, so nothing of them is trusted: what is not of its type is left out.
"""

from __future__ import annotations

import collections
import collections.abc as c
import datetime
import itertools
import math
import re
import typing as t

from .._errors import AccessManagerError
from .._statuses import COMPLETE, DAMAGED, LEVELS, NONE, RUN_OUTCOMES, STATUSES
from .._text import BACKUP_ID, encodable

FORMAT = 1
OK, WARNING, CRITICAL = "ok", "warning", "critical"
STATES = (OK, WARNING, CRITICAL)
EXPIRY_WARNING_DAYS = 30
DAY = datetime.timedelta(days=1)

_ID = re.compile(BACKUP_ID)

Report = dict[str, t.Any]


def build(
    verifications: c.Sequence[Report], expected: c.Sequence[str] = (), expiry_days: int = EXPIRY_WARNING_DAYS
) -> Report:
    """The report. C(expected): hosts that it must include, whether they were verified or not.

    C(expiry_days): how long before its end a certificate is a warning.

    When several verifications report the same backup or host, the latest of them counts.
    Raises AccessManagerError when one of the verifications is none.
    """
    times = [time for one in verifications if (time := time_of(one.get("verified_at")))]
    if not times or not all(map(_is_verification, verifications)):
        raise AccessManagerError(
            "There is nothing to report: 'verifications' must be a list of what lithnet.access_manager.backup_verify "
            "returned, each with hosts, backups and verified_at."
        )
    verified_at = max(times)
    verifications = sorted(verifications, key=lambda one: time_of(one.get("verified_at")) or verified_at)
    backups = _backups_by_host(verifications)
    listed = {encodable(host["host"]): host for host in _listed(verifications, "hosts") if _is_host(host)}
    names = sorted({*listed, *map(encodable, expected), *backups})
    hosts = [_host(name, listed.get(name), backups.get(name, []), verified_at, expiry_days) for name in names]
    return {
        "report_format": FORMAT,
        "verified_at": verified_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "summary": _summary(hosts),
        "hosts": hosts,
    }


def _summary(hosts: list[Report]) -> Report:
    states = collections.Counter(host["state"] for host in hosts)
    statuses: collections.Counter[str] = collections.Counter()
    for host in hosts:
        statuses.update(host["counts"])
    return {
        "hosts": {state: states[state] for state in STATES},
        "backups": {status: statuses[status] for status in STATUSES},
        "problems": sum(host["problem_count"] for host in hosts),
    }


def _backups_by_host(verifications: c.Sequence[Report]) -> dict[str, list[Report]]:
    """Each backup once, as the last verification of it says."""
    found = [_backup(record) for record in _listed(verifications, "backups") if _is_backup(record)]
    hosts: dict[str, list[Report]] = {}
    for backup in {(backup["host"], backup["id"]): backup for backup in found}.values():
        hosts.setdefault(backup["host"], []).append(backup)
    return hosts


def _listed(verifications: c.Sequence[Report], key: str) -> c.Iterator[t.Any]:
    return itertools.chain.from_iterable(verification[key] for verification in verifications)


def _is_verification(record: Report) -> bool:
    return isinstance(record.get("hosts"), list) and isinstance(record.get("backups"), list)


def time_of(text: t.Any) -> datetime.datetime | None:
    """A time as RFC 3339 has it, in UTC; None when it is none."""
    try:
        return datetime.datetime.fromisoformat(text).astimezone(datetime.UTC) if isinstance(text, str) else None
    except (ValueError, OverflowError):
        return None


def time_of_id(backup_id: str) -> datetime.datetime | None:
    """When a backup was begun; None when that is no id."""
    return time_of(backup_id) if _ID.fullmatch(backup_id) else None


def problems_of(backup: Report) -> list[str]:
    """What is wrong with a backup: what the verification found, and what the backup itself says."""
    return [*backup["problems"], *backup["backup_problems"]]


# ---- hosts ----


def _host(
    name: str, summary: Report | None, backups: list[Report], verified_at: datetime.datetime, expiry_days: int
) -> Report:
    backups = sorted(backups, key=lambda backup: str(backup["id"]), reverse=True)
    newest = _find(backups, (summary or {}).get("newest_complete"))
    problems = _texts((summary or {}).get("problems")) if summary else ["This host was not verified."]
    last_run = _run((summary or {}).get("last_run"))
    certificates = [_certificate(one, verified_at) for one in _dicts((newest or {}).get("certificates"))]
    tls = [_certificate(one, verified_at) for one in _dicts((newest or {}).get("tls_certificates"))]
    warnings = [_expires_soon(one) for one in certificates if _is_expiring(one, expiry_days)]
    warnings += [_tls_expires(one) for one in tls if _is_expiring(one, expiry_days) or _has_expired(one)]
    warnings += [f"When it was backed up: {one}" for one in _texts((newest or {}).get("health_warnings"))]
    if certificates and all(_has_expired(one) for one in certificates):
        warnings.append(_NONE_VALID)
    if last_run and last_run["outcome"] == "failed":
        warnings.append(" ".join([f"The last backup run, of {last_run['finished']}, failed.", *last_run["problems"]]))
    return {
        "host": name,
        "state": _state(problems, warnings, newest, backups),
        "counts": _counts((summary or {}).get("counts"), backups),
        "newest": _text((summary or {}).get("newest")),
        "newest_complete": newest["id"] if newest else None,
        "newest_complete_created": _text((summary or {}).get("newest_complete_created")),
        "age_hours": _number((summary or {}).get("age_hours")),
        "last_success": _text((summary or {}).get("last_success")),
        "last_success_age_hours": _number((summary or {}).get("last_success_age_hours")),
        "last_run": last_run,
        "copies": list(map(_copy, _dicts((summary or {}).get("copies")))),
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


def _counts(record: t.Any, backups: list[Report]) -> dict[str, int]:
    """How many backups of each status there are, also of those that were not verified; never less than are reported."""
    reported = collections.Counter(backup["status"] for backup in backups)
    counts = record if isinstance(record, dict) else {}
    return {status: max(reported[status], int(_number(counts.get(status)) or 0)) for status in STATUSES}


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


def _find(backups: list[Report], backup_id: t.Any) -> Report | None:
    return next((backup for backup in backups if backup_id and backup["id"] == backup_id), None)


# ---- backups ----


def _certificate_record(record: Report) -> Report:
    texts = {name: _text(record.get(name)) for name in ("thumbprint", "subject", "not_before", "not_after")}
    return {**texts, "exported": record.get("exported") is True}


def _tls_record(record: Report) -> Report:
    texts = {name: _text(record.get(name)) for name in ("thumbprint", "subject", "issuer", "not_after")}
    return {**texts, "names": _texts(record.get("names")), "endpoints": _texts(record.get("endpoints"))}


def _backup(record: Report) -> Report:
    status = record.get("status")
    verified = record.get("verified")
    return {
        "host": encodable(record["host"]),
        "id": encodable(record["id"]),
        "path": _text(record.get("path")),
        "created": _text(record.get("created")),
        "status": status if status in STATUSES else DAMAGED,
        "verified": verified if verified in LEVELS else NONE,
        "signer": _signer(record.get("signer")),
        "problems": _texts(record.get("problems")),
        "backup_problems": _texts(record.get("backup_problems")),
        "size": _number(record.get("size")),
        "files": _number(record.get("files")),
        "bytes": _number(record.get("bytes")),
        "stopped": record.get("stopped") is True,
        "downtime_ms": _number(record.get("downtime_ms")),
        "access_manager_version": _text(record.get("access_manager_version")),
        "recipients": _texts(record.get("recipients")),
        "encryption": _text(record.get("encryption")),
        "certificates": list(map(_certificate_record, _dicts(record.get("certificates")))),
        "tls_certificates": list(map(_tls_record, _dicts(record.get("tls_certificates")))),
        "health_warnings": _texts(record.get("health_warnings")),
        "secrets": [
            {"path": _text(one.get("path")), "mode": _number(one.get("mode")), "exported": one.get("exported") is True}
            for one in _dicts(record.get("secrets"))
        ],
    }


def _run(record: t.Any) -> Report | None:
    """The last run of a host; None when none is recorded."""
    if not isinstance(record, dict) or record.get("outcome") not in RUN_OUTCOMES:
        return None
    return {
        "finished": _text(record.get("finished")),
        "outcome": record["outcome"],
        "backup_id": _text(record.get("backup_id")),
        "seconds": _number(record.get("seconds")),
        "downtime_ms": _number(record.get("downtime_ms")),
        "problems": _texts(record.get("problems")),
    }


def _copy(record: Report) -> Report:
    """When a destination had every backup of a host for the last time."""
    texts = {name: _text(record.get(name)) for name in ("destination", "last_success")}
    return texts | {"age_hours": _number(record.get("age_hours"))}


def _signer(record: t.Any) -> Report:
    """Who signed a backup, as the verification found."""
    known = record if isinstance(record, dict) else {}
    return {name: _text(known.get(name)) for name in ("principal", "fingerprint")}


def _certificate(certificate: Report, verified_at: datetime.datetime) -> Report:
    """A certificate with the whole days that are left of it; less than none when it has expired."""
    ends = time_of(certificate["not_after"])
    return certificate | {"days_left": math.floor((ends - verified_at) / DAY) if ends else None}


# ---- what is not trusted ----


def _is_backup(record: t.Any) -> bool:
    return isinstance(record, dict) and isinstance(record.get("host"), str) and isinstance(record.get("id"), str)


def _is_host(record: t.Any) -> bool:
    return isinstance(record, dict) and isinstance(record.get("host"), str)


def _text(value: t.Any) -> str | None:
    return encodable(value) if isinstance(value, str) else None


def _texts(value: t.Any) -> list[str]:
    return [encodable(one) for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _dicts(value: t.Any) -> list[Report]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _number(value: t.Any) -> int | float | None:
    """A number that a program can use; huge ones, such as a manifest may have, are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if abs(value) < 1e15 else None
