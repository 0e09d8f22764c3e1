# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server says of itself, as the controller reads it."""

from __future__ import annotations

import collections.abc as c
import typing as t

from .constants import ACCESS_MANAGER_APPLICATION, CONFIG, SERVICE_SID
from .shapes import HttpSys, Item, Link

Described = c.Mapping[str, t.Any]
"""What a server says of itself that may be without Access Manager."""

DATABASE_FOLDER = f"{CONFIG}db/"

MEANINGFUL_ATTRIBUTES = 0x1 | 0x2 | 0x4
"""Read-only, hidden and system: the attributes that people set and that a restore sets again."""


WRITTEN_BY_THE_SERVICE: frozenset[tuple[str, str]] = frozenset(
    ("parameters", name)
    for name in ("lastnotifiedversion", "lastnotifiedcertificatekey", "resetscheduler", "resetmaintenancetaskschedules")
)
"""Registry values in which Access Manager remembers what it did: no configuration. Key and name, in lower case."""


def is_on(settings: c.Mapping[str, str], setting: str) -> bool:
    """Whether a setting of a server's JSON files, which are given as text by their places, is true."""
    return any(place.lower() == setting.lower() and value.lower() == "true" for place, value in settings.items())


def files_of(records: c.Iterable[Link | Item]) -> list[Item]:
    return [record for record in records if record["kind"] == "file"]


def own_http_configuration(http_sys: HttpSys) -> HttpSys:
    """Of a server's HTTP.sys configuration, what is Access Manager's."""
    bindings = [binding for binding in http_sys["bindings"] if binding["application_id"] == ACCESS_MANAGER_APPLICATION]
    reservations = [reservation for reservation in http_sys["reservations"] if SERVICE_SID in reservation["sddl"]]
    return {
        "bindings": sorted(bindings, key=lambda binding: binding["endpoint"]),
        "reservations": sorted(reservations, key=lambda reservation: reservation["url"]),
    }


def inventory_name(record: Link | Item) -> str:
    """The name of a file or folder in a backup: a folder's ends with a slash."""
    return f"{record['name']}/" if record["kind"] == "folder" else record["name"]
