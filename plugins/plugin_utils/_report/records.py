# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report takes of a verification's result. C(readable) leaves out what is of another type: a result may have
gone through files, and it repeats manifests.
"""

from __future__ import annotations

import typing as t

from .._shape import Time, between
from .._statuses import Outcome, Status, Verified

_HUGE = 10**15
Number = t.Annotated[float, between(-_HUGE, _HUGE)]
"""One that other programs can use."""


class Verification(t.TypedDict):
    """A result as a whole, before its entries are looked at."""

    hosts: list[object]
    backups: list[object]
    verified_at: Time


class Certificate(t.TypedDict):
    thumbprint: str | None
    subject: str | None
    not_before: str | None
    not_after: str | None
    exported: bool


class TlsCertificate(t.TypedDict):
    thumbprint: str | None
    subject: str | None
    issuer: str | None
    not_after: str | None
    names: list[str]
    endpoints: list[str]


class Secret(t.TypedDict):
    path: str | None
    mode: Number | None
    exported: bool


class Signer(t.TypedDict):
    principal: str | None
    fingerprint: str | None


class Backup(t.TypedDict):
    host: str
    id: str
    path: str | None
    created: str | None
    status: Status | None
    verified: Verified | None
    signer: Signer
    problems: list[str]
    backup_problems: list[str]
    size: Number | None
    files: Number | None
    bytes: Number | None
    stopped: bool
    downtime_ms: Number | None
    access_manager_version: str | None
    recipients: list[str]
    encryption: str | None
    certificates: list[Certificate]
    tls_certificates: list[TlsCertificate]
    health_warnings: list[str]
    secrets: list[Secret]


class Run(t.TypedDict):
    finished: str | None
    outcome: Outcome | None
    backup_id: str | None
    seconds: Number | None
    downtime_ms: Number | None
    problems: list[str]
    health_warnings: list[str]


class Drill(t.TypedDict):
    started: str | None
    finished: str | None
    outcome: t.Literal["passed", "failed"] | None
    backup_id: str | None
    scratch: str | None
    source: str | None
    by: str | None
    seconds: Number | None
    lost_seconds: Number | None
    checks: list[str]
    keys: list[str]
    silenced: list[str]
    searched: bool
    problems: list[str]


class Copy(t.TypedDict):
    destination: str | None
    last_success: str | None
    age_hours: Number | None


class Host(t.TypedDict):
    host: str
    counts: dict[str, Number]
    newest: str | None
    newest_complete: str | None
    newest_complete_created: str | None
    age_hours: Number | None
    last_success: str | None
    last_success_age_hours: Number | None
    last_run: Run | None
    last_drill: Drill | None
    last_drill_success: str | None
    last_drill_success_seconds: Number | None
    last_drill_success_age_days: Number | None
    copies: list[Copy]
    attachments: list[str]
    problems: list[str]
