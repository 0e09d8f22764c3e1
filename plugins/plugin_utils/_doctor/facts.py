# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor knows of a server: the shapes of its answer, and the facts that checks read."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from .._ams.description import Described
from .._ams.shapes import AbsentServer, Count, Server, Thumbprint
from .._target.health import Thresholds
from .policies import Policy


class Platform(t.TypedDict):
    powershell: str
    windows: str
    build: int
    is_64_bit: bool
    culture: str
    language_mode: str
    old_paths: bool


class Account(t.TypedDict):
    """C(logon): how it logged on, as Windows names it. C(user_names): why it does not see whose a process is."""

    name: str
    sid: str
    logon: str
    elevated: bool
    privileges: list[str]
    user_names: str


class PolicyValue(t.TypedDict):
    key: str
    name: str
    data: int | str | None


class Drive(t.TypedDict):
    name: str
    free_bytes: Count


class Drives(t.TypedDict):
    safety: Drive


class ServiceFacts(t.TypedDict):
    """C(control), C(process): why the service, its process, cannot be opened as a stop does.

    C(recovery): what Windows does when the service fails, as the registry has it, in Base64.
    """

    control: str
    process: str
    recovery: str


class Volume(t.TypedDict):
    """Of the configuration folder. C(linked), C(streamed): its files with further names, or with further streams."""

    format: str
    linked: list[str]
    streamed: list[str]


class Database(t.TypedDict):
    """C(versions): of SQL LocalDB. C(files): those of the database in the configuration folder."""

    versions: list[str]
    files: list[str]


class Site(t.TypedDict):
    """Why each address of the web site does not serve; empty when it does."""

    http: t.NotRequired[str]
    https: t.NotRequired[str]


class ExportFacts(t.TypedDict):
    """C(error): why a certificate does not leave its store with its key, in memory."""

    thumbprint: Thumbprint
    error: str


class SecretFacts(t.TypedDict):
    path: str
    mode: int
    decrypts: bool


class Examination(t.TypedDict):
    """C(data_protection): why DPAPI does not work. What comes after C(drives) is there where Access Manager is.

    C(user_store): why CurrentUser\\My of the service's account cannot be read; empty when it can. C(site) is null where
    the service does not run: then nothing is known of it.
    """

    platform: Platform
    account: Account
    policies: list[PolicyValue]
    code_integrity: bool | None
    leaves_job: bool
    data_protection: str
    drives: Drives
    service: t.NotRequired[ServiceFacts]
    secrets: t.NotRequired[list[SecretFacts]]
    exports: t.NotRequired[list[ExportFacts]]
    user_store: t.NotRequired[str]
    volume: t.NotRequired[Volume]
    database: t.NotRequired[Database]
    site: t.NotRequired[Site | None]


class Examined(t.TypedDict):
    server: AbsentServer | Server
    examination: Examination


@dataclasses.dataclass(frozen=True)
class Facts:
    """C(skew): by how many seconds the server's clock is ahead. C(now): the controller's time.

    C(thresholds): how long before their end certificates are warned of.
    """

    server: Described
    examination: Examination
    skew: int
    now: datetime.datetime
    thresholds: Thresholds = Thresholds()

    def policy(self, policy: Policy) -> int | str | None:
        """The data of a policy's value; None when it is not set."""
        values = self.examination["policies"]
        return next((one["data"] for one in values if (one["key"], one["name"]) == policy), None)

    def is_on(self, policy: Policy) -> bool:
        return self.policy(policy) in (1, "1")
