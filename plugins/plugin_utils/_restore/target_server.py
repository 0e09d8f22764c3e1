# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server to restore to, beside the backup: what a plan is made from, and what is kept with a plan."""

from __future__ import annotations

import base64
import binascii
import json
import typing as t
import zlib

from .._ams.shapes import (
    Certificate,
    Cluster,
    Document,
    Installation,
    Item,
    Link,
    ProtectedSecret,
    Reference,
    Staging,
    State,
    Thumbprint,
)
from .._errors import AccessManagerError
from .._shape import Time
from .._target.answers import MarkedDrill
from .._target.earlier_restores import Interruption
from .._text import printable

_LARGEST = 64 * 1024 * 1024


class TargetServer(t.TypedDict):
    """C(decrypted_secrets): which protected secrets it decrypts, by path. C(same_documents): of each JSON file with
    secrets, whether it is the backup's but for how its secrets are protected. C(earlier): a sentence for each restore
    and stop that was not reported. C(left_stopped): whether one of them left the service stopped. C(given_secrets): the
    paths of the secrets whose values the plan was given.
    """

    installation: Installation
    administrator: bool
    computer_name: str
    framework_release: int
    state: State
    documents: list[Document]
    references: list[Reference]
    records: list[Link | Item]
    secrets: list[ProtectedSecret]
    certificates: list[Certificate]
    machine_certificates: dict[Thumbprint, Time]
    cluster: Cluster | None
    staging: Staging
    service_sid: str
    missing_drives: list[str]
    clock_skew_seconds: int
    decrypted_secrets: dict[str, bool]
    same_documents: dict[str, bool]
    given_secrets: list[str]
    earlier: list[str]
    ended_runs: list[str]
    interrupted_runs: list[Interruption]
    left_stopped: bool


def refuse_marked(name: str, drill: MarkedDrill | None) -> None:
    """Raises AccessManagerError when a drill is on the server: the next one would remove what is restored to it."""
    if drill:
        raise AccessManagerError(
            f"The drill of {printable(drill['host'])} that {printable(drill['controller'])} began {drill['started']} "
            f"is still on {name}, and the next drill would remove what is restored to it. Remove the drill first: run "
            "the playbook drill for this server with drill_clean_only=true, and with drill_clean_old=true when that is "
            "more than a day ago."
        )


def packed(server: t.Mapping[str, t.Any]) -> str:
    """A server as a text that Ansible can keep of each host: as JSON it would be most of what a play holds."""
    return base64.b64encode(zlib.compress(json.dumps(server).encode())).decode()


def unpacked(text: str) -> object:
    """The same of such a text. ValueError when it is none."""
    try:
        return json.loads(zlib.decompressobj().decompress(base64.b64decode(text, validate=True), _LARGEST))
    except (binascii.Error, zlib.error) as exc:
        raise ValueError(str(exc)) from None
