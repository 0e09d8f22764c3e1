# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes of what a server says of itself: see _shape.py. A key that is not here is not taken from an answer."""

from __future__ import annotations

import typing as t

from .._shape import Time, between, matching
from .._text import THUMBPRINT

RegistryData = int | list[str] | str | None


Thumbprint = t.Annotated[str, matching(THUMBPRINT, "a thumbprint, 40 hexadecimal digits")]
Sha256 = t.Annotated[str, matching("[0-9a-f]{64}", "a SHA-256, 64 hexadecimal digits")]
Count = t.Annotated[int, between(0, 2**62)]


class NoInstallation(t.TypedDict):
    exists: t.Literal[False]


class Installation(t.TypedDict):
    exists: bool
    version: str
    configured: bool
    install_path: str
    config_path: str
    config_exists: bool
    log_path: str


class InstalledProduct(t.TypedDict):
    """What Windows Installer knows of Access Manager.

    C(product_code): its digits in the order of Windows Installer. C(name): of the MSI that was run.
    """

    product_code: t.Annotated[str, matching("[0-9A-F]{32}", "the product code of an MSI")]
    version: str
    name: str


class InstallerRecord(InstalledProduct):
    """C(sha256): of the copy of the MSI that Windows Installer keeps; empty when there is none."""

    sha256: t.Annotated[str, matching("(?:[0-9a-f]{64})?", "a SHA-256, or empty")]


class RegistryValue(t.TypedDict):
    key: str
    name: str
    kind: str
    data: RegistryData


class Service(t.TypedDict):
    name: str
    status: str
    process_ids: list[int]
    account: RegistryData
    image_path: RegistryData
    start: RegistryData
    delayed_start: bool
    depends_on: list[str]
    sid_type: RegistryData
    managed: bool
    environment_variables: list[str]


@t.final
class Binding(t.TypedDict):
    """A TLS binding. C(other_values): the names of registry values that none of its parameters stands for."""

    kind: str
    endpoint: str
    thumbprint: str
    application_id: str
    store: str
    flags: int
    check_mode: int
    revocation_freshness: int
    revocation_timeout: int
    ctl_identifier: str
    ctl_store: str
    other_values: list[str]


@t.final
class Reservation(t.TypedDict):
    url: str
    sddl: str


class HttpSys(t.TypedDict):
    bindings: list[Binding]
    reservations: list[Reservation]


class FirewallRule(t.TypedDict):
    name: str
    rule: str


class RegistryPermission(t.TypedDict):
    key: str
    sddl: str


class TlsCertificate(t.TypedDict):
    """A certificate that HTTP.sys binds; C(certificate) is its DER in Base64."""

    thumbprint: Thumbprint
    certificate: str
    has_key: bool


class BoundCertificate(t.TypedDict):
    """What is kept of a certificate of the web site. C(names): its DNS names. C(endpoints): of its TLS bindings."""

    thumbprint: str
    subject: str
    issuer: str
    names: list[str]
    not_after: str
    has_key: bool
    endpoints: list[str]


class State(t.TypedDict):
    registry: list[RegistryValue]
    registry_permissions: list[RegistryPermission]
    service: Service
    http_sys: HttpSys
    tls_certificates: list[TlsCertificate]
    firewall: list[FirewallRule]
    computer_name: str


class Document(t.TypedDict):
    file: str
    valid: bool
    usn: str | None
    schema_version: str | None


class Reference(t.TypedDict):
    key: str
    value: str
    path: str
    place: t.Literal["share", "config", "external"]
    exists: bool
    name: str | None


class Link(t.TypedDict):
    """A link is not followed: nothing more is known of it."""

    name: str
    path: str
    kind: t.Literal["link"]


class Item(t.TypedDict):
    """A file or a folder. A file that cannot be read has C(error) in place of C(sha256)."""

    name: str
    path: str
    kind: t.Literal["file", "folder"]
    size: Count
    created: Time
    modified: Time
    attributes: int
    sddl: str
    sha256: t.NotRequired[Sha256]
    error: t.NotRequired[str]


class ProtectedSecret(t.TypedDict):
    """C(mode) is what stands in the file when that is no number."""

    path: str
    mode: int | str


@t.final
class MissingKey(t.TypedDict):
    present: t.Literal[False]
    reason: str


@t.final
class PresentKey(t.TypedDict):
    present: t.Literal[True]
    provider: str | None
    exportable: bool
    bits: int
    file: str
    sddl: str


class Certificate(t.TypedDict):
    """A certificate as the server describes it; its times and its subject are compared with the certificate itself."""

    store: str
    thumbprint: Thumbprint
    subject: str
    not_before: str
    not_after: str
    usages: list[str]
    key: MissingKey | PresentKey


class Cluster(t.TypedDict):
    resource: str
    owner: str
    owned: bool


class Staging(t.TypedDict):
    root: str
    free_bytes: Count


class EarlierRestore(t.TypedDict):
    """C(kept) and C(result) are JSON that the server kept, or empty."""

    run_id: str
    folder: str
    kept: str
    result: str


class InterruptedStop(t.TypedDict):
    run_id: str
    controller: str
    stopped_at: str
    found: str
    started_at: str
    error: str


class LoggedEvent(t.TypedDict):
    id: Count
    time: Time


class LoggedEvents(t.TypedDict):
    """C(error): why the log cannot be read; empty when it can."""

    events: list[LoggedEvent]
    error: str


class StartObstacle(t.TypedDict):
    """What would keep the service from starting again after a stop; C(text) is a sentence."""

    kind: t.Literal["start_type", "account", "configuration"]
    text: str


class AbsentServer(t.TypedDict):
    """A server without Access Manager."""

    installation: NoInstallation
    administrator: bool
    computer_name: str
    framework_release: int
    now: str


class Server(t.TypedDict):
    """A server with Access Manager.

    C(settings): the values of _ams/web_site_name.SETTINGS, by their places. C(service_events): what it logged lately.
    """

    installation: Installation
    administrator: bool
    computer_name: str
    framework_release: int
    now: str
    installer: InstalledProduct | None
    state: State
    documents: list[Document]
    settings: dict[str, str]
    references: list[Reference]
    records: list[Link | Item]
    secrets: list[ProtectedSecret]
    synchronised_certificates: list[Thumbprint]
    certificates: list[Certificate]
    machine_certificates: dict[Thumbprint, Time]
    cluster: Cluster | None
    staging: Staging
    service_sid: str
    service_events: LoggedEvents
    start_obstacles: list[StartObstacle]
    unended_restores: list[EarlierRestore]
    interrupted_stops: list[InterruptedStop]


class EnvironmentVariable(t.TypedDict):
    scope: str
    variable: str


class Taken(t.TypedDict):
    """How a snapshot was taken."""

    attempts: Count
    consistent: bool
    stopped: bool
    downtime_ms: Count | None
    start_error: str
    unended_restores: list[EarlierRestore]


class SentItem(Item):
    """As it stands in a snapshot: a time that is none makes the backup incomplete, and the rest is kept."""

    created: str
    modified: str


class BackedUpServer(t.TypedDict):
    """What a backup keeps of a server beside its files."""

    installation: Installation
    installer: InstallerRecord | None
    state: State
    environment: list[EnvironmentVariable]
    documents: list[Document]
    references: list[Reference]
    cluster: Cluster | None


class SnapshotManifest(BackedUpServer):
    """The first line of a snapshot's stream."""

    records: list[Link | SentItem]
    taken: Taken


class InventoriedServer(t.TypedDict):
    """What the inventory of a backup is made from."""

    installation: Installation
    state: State
    records: list[Link | Item]


@t.final
class DecryptedSecret(t.TypedDict):
    """C(protected): a secret of the domain as it stands in the configuration, in Base64."""

    mode: int | str
    value: str
    protected: t.NotRequired[str]


@t.final
class UnreadableSecret(t.TypedDict):
    """C(error) says why the server could not decrypt it. C(protected): see DecryptedSecret."""

    mode: int | str
    error: str
    protected: t.NotRequired[str]
