# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes of the answers of the target's halves, one for each step that is asked for: see _shape.py."""

from __future__ import annotations

import base64
import typing as t

from .._ams.shapes import (
    AbsentServer,
    Certificate,
    Count,
    DecryptedSecret,
    EarlierRestore,
    InterruptedStop,
    LoggedEvents,
    ProtectedSecret,
    Server,
    Thumbprint,
    UnreadableSecret,
)
from .._shape import Rule, Shape, Time, at_most


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True


Base64 = t.Annotated[str, Rule(_is_base64, "Base64")]
Name = t.Annotated[str, at_most(1000)]


class Failure(t.TypedDict):
    """What a module says of itself, whatever it does."""

    failed: t.NotRequired[bool]
    msg: t.NotRequired[str]


class Nothing(t.TypedDict):
    """An answer of which nothing is used."""


class Change(t.TypedDict):
    changed: bool


class Collected(t.TypedDict):
    """What became of a detached run; C(answer) is the JSON text that it left when it has finished."""

    state: t.Literal["unknown", "running", "ended", "finished"]
    answer: t.NotRequired[str]


class Header(t.TypedDict):
    """Of an envelope, in Base64 but for C(size). C(data) is there when the ciphertext comes with the
    answer."""

    key: str
    iv: str
    mac: str
    size: Count
    data: t.NotRequired[str]


class EncryptedCertificates(t.TypedDict):
    certificates: list[Certificate]
    envelope: Header


class Certificates(t.TypedDict):
    certificates: list[Certificate]


class EncryptedSecrets(t.TypedDict):
    """C(settings): the values by which the controller decides which secrets are in use, by their places."""

    secrets: list[ProtectedSecret]
    settings: dict[str, str]
    envelope: Header


class Secrets(t.TypedDict):
    secrets: list[ProtectedSecret]


@t.final
class ExportedKey(t.TypedDict):
    cer: Base64
    pfx: Base64
    password: str


@t.final
class UnexportedKey(t.TypedDict):
    """C(error) says why there is no PFX."""

    cer: Base64
    error: str


Export = ExportedKey | UnexportedKey
EXPORTS = Shape[dict[Thumbprint, Export]]()
"""What certificate_export sends encrypted."""


Secret = DecryptedSecret | UnreadableSecret
DECRYPTED_SECRETS = Shape[dict[str, Secret]]()
"""What secret_export sends encrypted, by the secrets' places in the configuration."""


class Unsteady(t.TypedDict):
    """The configuration changed each time that it was read."""

    steady: t.Literal[False]
    attempts: Count


class Sent(t.TypedDict):
    """C(path): the file of the ciphertext, empty when it came with the answer."""

    steady: t.Literal[True]
    attempts: t.NotRequired[Count]
    envelope: Header
    path: str


class Staged(t.TypedDict):
    steady: t.Literal[True]
    changed: bool
    attempts: Count
    consistent: bool
    stopped: bool
    downtime_ms: Count | None
    stop_ms: Count
    unlock_ms: Count
    start_ms: Count
    start_error: str
    files: Count
    bytes: Count
    interrupted_stops: list[InterruptedStop]


class Exported(t.TypedDict):
    """All parts of a backup of a server whose service runs."""

    steady: t.Literal[True]
    attempts: Count
    config: Sent
    certificates: EncryptedCertificates
    secrets: EncryptedSecrets


class ExportedWithStop(Staged):
    config: Sent
    certificates: EncryptedCertificates
    secrets: EncryptedSecrets


SENT_OR_NOT = Shape[Unsteady | Sent]()
STAGED_OR_NOT = Shape[Unsteady | Staged]()
EXPORTED_OR_NOT = Shape[Unsteady | Exported]()


class ServiceState(t.TypedDict):
    changed: bool
    status_before: str
    status: str
    stop_ms: Count
    unlock_ms: Count
    start_ms: Count
    interrupted_stops: t.NotRequired[list[InterruptedStop]]


class DescribedAbsentServer(AbsentServer):
    stale_runs: list[str]


class DescribedServer(Server):
    stale_runs: list[str]


class Busy(t.TypedDict):
    """Another run is at work on the server: C(busy) says which."""

    busy: t.Annotated[str, Rule(bool, "the name of a run")]


class Probe(t.TypedDict):
    path: str
    file: str
    decrypts: bool
    mark: str


class DomainSecret(t.TypedDict):
    path: str
    decrypts: bool


class Platform(t.TypedDict):
    """What version 2 needs beside itself. C(runtimes): the versions of .NET's shared runtimes, by their names."""

    build: int
    runtimes: dict[str, list[str]]
    sql_instances: list[str]


class MigrationLog(t.TypedDict):
    """C(text): the end of it; None when there is no such file."""

    path: str
    text: str | None


class Trouble(t.TypedDict):
    """C(level): of Windows: 1 critical, 2 error, 3 warning."""

    id: Count
    level: Count
    time: Time


class LoggedTrouble(t.TypedDict):
    """C(error): why the log cannot be read; empty when it can."""

    events: list[Trouble]
    error: str


class Health(t.TypedDict):
    """C(status): of HTTP; 0 with an C(error)."""

    url: str
    status: Count
    error: str


class MigratedServer(Server):
    """A server with version 2. C(logged): the events that are looked for. C(trouble): errors and warnings."""

    migration_log: MigrationLog | None
    logged: LoggedEvents
    trouble: LoggedTrouble
    health: list[Health]


class MarkedDrill(t.TypedDict):
    """What the mark on a scratch server says of the drill that put there what is there."""

    host: Name
    started: Time
    controller: Name


class AbsentRestoreTarget(AbsentServer):
    busy: t.Literal[""]
    earlier: list[EarlierRestore]


class RestoreTarget(Server):
    """A server beside a backup. C(drill): null when no drill is on it."""

    busy: t.Literal[""]
    drill: MarkedDrill | None
    earlier: list[EarlierRestore]
    missing_drives: list[str]
    probes: list[Probe]
    domain_secrets: list[DomainSecret]
    masked: dict[str, str]
    platform: Platform


DESCRIPTION = Shape[DescribedAbsentServer | DescribedServer]()
RESTORE_TARGET = Shape[Busy | AbsentRestoreTarget | RestoreTarget]()
MIGRATED = Shape[AbsentServer | MigratedServer]()


class Upload(t.TypedDict):
    path: str


class HealthCheck(t.TypedDict):
    name: str
    passed: bool
    reason: str


class Restored(t.TypedDict):
    state: t.Literal["restored", "rolled_back", "half_rolled_back"]
    checks: list[HealthCheck]
    failed_check: str
    rollback_errors: list[str]
    stopped: bool
    service_started: bool
    stop_ms: Count
    start_ms: Count
    downtime_ms: Count
    safety_copy: str
    service_events: LoggedEvents
    warnings: list[str]
    msg: str
