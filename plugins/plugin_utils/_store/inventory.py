# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a backup: a fingerprint of each thing that it holds."""

from __future__ import annotations

import collections.abc as c
import hashlib
import json
import typing as t

from .._ams.constants import SERVICE_SETTINGS
from .._ams.description import (
    DATABASE_FOLDER,
    MEANINGFUL_ATTRIBUTES,
    WRITTEN_BY_THE_SERVICE,
    inventory_name,
    own_http_configuration,
)
from .._ams.shapes import InventoriedServer, RegistryValue, State
from .._text import printable
from .._windows.sddl import normal_form

COMPUTER_NAME = "state/computer_name"


def inventory_of_server(described: InventoriedServer, *, include_database: bool) -> dict[str, str]:
    """A fingerprint for each file, folder and group of settings: what decides whether a server has changed.

    Names are printable here, as they are in results. No two become one: no name of Windows has a backslash.
    The database is a cache that changes by itself: only whether it is included counts.
    """
    state = described["state"]
    inventory = {
        printable(name): _fingerprint(
            record.get("sha256"), record["attributes"] & MEANINGFUL_ATTRIBUTES, normal_form(record["sddl"])
        )
        for record in described["records"]
        if record["kind"] != "link" and not (name := inventory_name(record)).startswith(DATABASE_FOLDER)
    }
    values = sorted(_configured_values(state), key=lambda value: (value["key"], value["name"]))
    permissions = sorted((one["key"].lower(), normal_form(one["sddl"])) for one in state["registry_permissions"])
    settings = {name: value for name, value in state["service"].items() if name in SERVICE_SETTINGS}
    return inventory | {
        COMPUTER_NAME: fingerprint_of_computer(state["computer_name"]),
        "state/version": _fingerprint(described["installation"]["version"]),
        "state/registry": _fingerprint(values),
        "state/registry_permissions": _fingerprint(permissions),
        "state/service": _fingerprint(settings),
        "state/http_sys": _fingerprint(own_http_configuration(state["http_sys"])),
        "state/firewall": _fingerprint(sorted(state["firewall"], key=lambda rule: rule["name"])),
        "state/database": _fingerprint(include_database),
    }


def fingerprint_of_computer(name: str) -> str:
    return _fingerprint(name.upper())


def _configured_values(state: State) -> list[RegistryValue]:
    """The registry values but for those that the service writes by itself."""
    return [
        value
        for value in state["registry"]
        if (value["key"].lower(), value["name"].lower()) not in WRITTEN_BY_THE_SERVICE
    ]


def inventory_of_certificates(certificates: c.Iterable[c.Mapping[str, t.Any]]) -> dict[str, str]:
    """A fingerprint for each certificate: its key, and who may read it."""
    keys: dict[str, list[list[t.Any]]] = {}
    for certificate in certificates:
        key = certificate["key"]
        seen = [certificate["store"], key["present"], key.get("exportable"), normal_form(key.get("sddl") or "")]
        keys.setdefault(f"certificates/{certificate['thumbprint']}", []).append(seen)
    return {name: _fingerprint(sorted(seen, key=lambda one: str(one[0]))) for name, seen in keys.items()}


def digest_of(inventory: dict[str, str]) -> str:
    """The content digest of a backup with this inventory."""
    return _fingerprint(inventory)


def compare_inventories(before: dict[str, str], after: dict[str, str]) -> dict[str, list[str]]:
    """The names that were added, changed and removed."""
    return {
        "added": sorted(after.keys() - before.keys()),
        "changed": sorted(name for name in after.keys() & before.keys() if after[name] != before[name]),
        "removed": sorted(before.keys() - after.keys()),
    }


def _fingerprint(*values: t.Any) -> str:
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
