# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as a file for the textfile collector of Prometheus' node exporter."""

from __future__ import annotations

import collections.abc as c
import itertools
import typing as t

from .._statuses import LEVELS, NONE, STATUSES, SUCCESSFUL
from .._text import printable, time_of
from .report import Report

PREFIX = "lithnet_access_manager"
Sample = tuple[dict[str, str], int | float | None]


def text_of(report: Report) -> str:
    """The report in Prometheus' text format. What is not known has no sample."""
    return "".join(_family(name, help_text, samples) for name, help_text, samples in _families(report))


def text_of_runs(hosts: c.Sequence[Report]) -> str:
    """The last runs of hosts, as backup_metrics reads them. No name of a metric is one of a verification's."""
    families = [(name, help_text, _samples(hosts, value)) for name, help_text, value in _RUN_METRICS]
    families.append(
        (
            "run_copy_last_success_timestamp_seconds",
            "When a destination of copies had every backup of a host for the last time.",
            _copies(hosts),
        )
    )
    return "".join(_family(*family) for family in families)


def _samples(hosts: c.Sequence[Report], value: c.Callable[[Report], int | float | None]) -> list[Sample]:
    return [({"host": host["host"]}, value(host)) for host in hosts]


def _families(report: Report) -> c.Iterator[tuple[str, str, list[Sample]]]:
    """Each metric: its name without the prefix, what it says, and its samples. All are gauges."""
    verified_at = _seconds(report["verified_at"])
    yield "verification_timestamp_seconds", "When the backups were verified.", [({}, verified_at)]
    for name, help_text, value in _HOST_METRICS:
        yield name, help_text, _samples(report["hosts"], value)
    yield (
        "backups",
        "Backups by host and status, whether they were verified or not.",
        list(itertools.chain.from_iterable(map(_counts, report["hosts"]))),
    )
    yield (
        "copy_last_success_timestamp_seconds",
        "When a destination of copies had every backup of a host for the last time.",
        _copies(report["hosts"]),
    )
    for kind, metrics in (("certificates", _CERTIFICATE_METRICS), ("tls_certificates", _TLS_METRICS)):
        found = list(itertools.chain.from_iterable(_certificates(host, kind) for host in report["hosts"]))
        for name, help_text, measure in metrics:
            yield name, help_text, [(_certificate_labels(host, one), measure(one, verified_at)) for host, one in found]


def _counts(host: Report) -> list[tuple[dict[str, str], int]]:
    return [({"host": host["host"], "status": status}, host["counts"][status]) for status in STATUSES]


def _copies(hosts: c.Sequence[Report]) -> list[Sample]:
    return list(itertools.chain.from_iterable(map(_copies_of, hosts)))


def _copies_of(host: Report) -> list[Sample]:
    return [
        ({"host": host["host"], "destination": one["destination"] or ""}, _seconds(one["last_success"]))
        for one in host["copies"]
    ]


def _certificates(host: Report, kind: str) -> list[tuple[str, Report]]:
    return [(host["host"], certificate) for certificate in host[kind]]


def _certificate_labels(host: str, certificate: Report) -> dict[str, str]:
    return {
        "host": host,
        "thumbprint": certificate["thumbprint"] or "",
        "subject": certificate["subject"] or "",
    }


def _newest(host: Report) -> Report:
    """The newest complete backup of a host; an empty one when there is none."""
    return next((backup for backup in host["backups"] if backup["id"] == host["newest_complete"]), {})


def _newest_value(name: str, scale: float = 1) -> c.Callable[[Report], int | float | None]:
    def value(host: Report) -> int | float | None:
        found = _newest(host).get(name)
        return found if found is None or scale == 1 else found * scale

    return value


def _seconds(text: t.Any) -> int | None:
    time = time_of(text)
    return int(time.timestamp()) if time else None


def _of_run(host: Report, value: c.Callable[[Report], int]) -> int | None:
    return value(host["last_run"]) if host["last_run"] else None


def _run(host: Report) -> Report:
    """The last run of a host; an empty one when none is known."""
    return host["last_run"] or {}


def _scaled(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _left(certificate: Report, verified_at: int | None) -> int | None:
    ends = _seconds(certificate["not_after"])
    return None if ends is None or verified_at is None else ends - verified_at


_HOST_METRICS: tuple[tuple[str, str, c.Callable[[Report], int | float | None]], ...] = (
    (
        "backup_last_success_timestamp_seconds",
        "When a run last made the newest complete backup, or found the server as it is in it.",
        lambda host: _seconds(host["last_success"] or host["newest_complete"]),
    ),
    (
        "backup_last_run_timestamp_seconds",
        "When the last backup run ended, however it did.",
        lambda host: _seconds(_run(host).get("finished")),
    ),
    (
        "drill_last_success_timestamp_seconds",
        "When the last restore drill that passed ended.",
        lambda host: _seconds(host["last_drill_success"]),
    ),
    (
        "drill_seconds",
        "How long the recovery took in the last restore drill that passed.",
        lambda host: host["last_drill_success_seconds"],
    ),
    (
        "backup_content_timestamp_seconds",
        "When the newest complete backup was begun, as its id says.",
        lambda host: _seconds(host["newest_complete"]),
    ),
    (
        "backup_age_seconds",
        "Age of the newest complete backup when it was verified.",
        lambda host: None if host["age_hours"] is None else round(host["age_hours"] * 3600),
    ),
    ("backup_size_bytes", "Size of the newest complete backup on disk.", _newest_value("size")),
    ("backup_content_bytes", "Size of the server's files in the newest complete backup.", _newest_value("bytes")),
    ("backup_files", "Files of the server in the newest complete backup.", _newest_value("files")),
    (
        "backup_downtime_seconds",
        "How long the newest complete backup stopped the service.",
        _newest_value("downtime_ms", 0.001),
    ),
    (
        "backup_verified_level",
        "How far the newest complete backup is verified: 0 not, 1 its integrity, 2 all of it with its key.",
        lambda host: LEVELS.index(_newest(host).get("verified", NONE)),
    ),
    (
        "warnings",
        "What a person should look at on a host before it hurts, as the report lists it.",
        lambda host: len(host["warnings"]),
    ),
    (
        "backup_problems",
        "Problems of a host and of its backups that were verified.",
        lambda host: host["problem_count"],
    ),
)

_RUN_METRICS: tuple[tuple[str, str, c.Callable[[Report], int | float | None]], ...] = (
    ("run_timestamp_seconds", "When the last backup run ended.", lambda host: _seconds(_run(host).get("finished"))),
    (
        "run_success",
        "Whether it made a complete backup, or found the server as it is in the newest one.",
        lambda host: _of_run(host, lambda run: int(run["outcome"] in SUCCESSFUL)),
    ),
    ("run_duration_seconds", "How long it took.", lambda host: _run(host).get("seconds")),
    ("run_downtime_seconds", "How long it stopped the service.", lambda host: _scaled(_run(host).get("downtime_ms"))),
    ("run_problems", "What was wrong with it.", lambda host: _of_run(host, lambda run: len(run["problems"]))),
    (
        "run_last_success_timestamp_seconds",
        "When the last successful backup run ended.",
        lambda host: _seconds(host["last_success"]),
    ),
    (
        "run_content_timestamp_seconds",
        "When the newest complete backup was begun, as its id says.",
        lambda host: _seconds(host["newest_complete"]),
    ),
)

_CERTIFICATE_METRICS: tuple[tuple[str, str, c.Callable[[Report, int | None], int | float | None]], ...] = (
    (
        "certificate_expiry_timestamp_seconds",
        "When a certificate of the newest complete backup expires.",
        lambda certificate, _now: _seconds(certificate["not_after"]),
    ),
    (
        "certificate_remaining_seconds",
        "How long a certificate was still valid when its backup was verified.",
        _left,
    ),
    (
        "certificate_exported",
        "Whether the private key of a certificate is in the newest complete backup.",
        lambda certificate, _now: int(certificate["exported"]),
    ),
)


_TLS_METRICS: tuple[tuple[str, str, c.Callable[[Report, int | None], int | float | None]], ...] = (
    (
        "tls_certificate_expiry_timestamp_seconds",
        "When the TLS certificate of the web site expires, as the newest complete backup says.",
        lambda certificate, _now: _seconds(certificate["not_after"]),
    ),
    (
        "tls_certificate_remaining_seconds",
        "How long that certificate was still valid when the backup was verified.",
        _left,
    ),
)


def _family(name: str, help_text: str, samples: list[Sample]) -> str:
    name = f"{PREFIX}_{name}"
    series = {_labels(labels): value for labels, value in samples if value is not None}
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} gauge"]
    lines += [f"{name}{labels} {_number(value)}" for labels, value in series.items()]
    return "\n".join(lines) + "\n"


def _number(value: int | float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def _labels(labels: dict[str, str]) -> str:
    """Labels in braces; nothing of a value ends its quotes or its line."""
    written = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{written}}}" if written else ""


def _escaped(value: str) -> str:
    return printable(value).replace("\\", "\\\\").replace('"', '\\"')
