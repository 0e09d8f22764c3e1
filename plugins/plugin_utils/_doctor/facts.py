# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor knows of a server: the shapes of its answer, and the facts that checks read."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from .._ams.description import Described
from .._ams.shapes import AbsentServer, Count, Server
from .._target.health import Thresholds
from .policies import Policy


class Platform(t.TypedDict):
    powershell: str
    windows: str
    build: int
    is_64_bit: bool
    language_mode: str
    old_paths: bool


class Account(t.TypedDict):
    name: str
    sid: str
    elevated: bool
    privileges: list[str]


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
    """C(control), C(process): why the service, its process, cannot be opened as a stop does."""

    control: str
    process: str


class SecretFacts(t.TypedDict):
    path: str
    decrypts: bool


class Examination(t.TypedDict):
    """C(data_protection): why DPAPI does not work. The last two are there where Access Manager is installed."""

    platform: Platform
    account: Account
    policies: list[PolicyValue]
    code_integrity: bool | None
    leaves_job: bool
    data_protection: str
    drives: Drives
    service: t.NotRequired[ServiceFacts]
    secrets: t.NotRequired[list[SecretFacts]]


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
