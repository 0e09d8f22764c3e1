# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded state of a server (registry, HTTP.sys, firewall): its shape is checked before it is used."""

from __future__ import annotations

import base64
import binascii
import re
import typing as t

from .._ams.description import Record, own_http_configuration
from .._errors import AccessManagerError
from .._windows import tls_binding
from .names import STATE

_STATE: dict[str, type] = {"installation": dict, "state": dict, "references": list}

_LISTS: dict[str, dict[str, type]] = {
    "registry": {"key": str, "name": str, "kind": str},
    "firewall": {"name": str, "rule": str},
    "registry_permissions": {"key": str, "sddl": str},
    "bindings": {
        **dict.fromkeys(
            ("kind", "endpoint", "thumbprint", "application_id", "store", "ctl_identifier", "ctl_store"), str
        ),
        **dict.fromkeys(tls_binding.NUMBERS, int),
        "other_values": list,
    },
    "reservations": {"url": str, "sddl": str},
    "environment": {"scope": str, "variable": str},
}
"""The lists of the state, and what their records have."""

_REFERENCE: dict[str, type] = {"key": str, "value": str, "path": str, "place": str, "exists": bool}

_ENDPOINTS = {
    tls_binding.ADDRESS: re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.%]+\]):\d{1,5}"),
    tls_binding.HOST_NAME: re.compile(r"[A-Za-z0-9*](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?:\d{1,5}"),
    tls_binding.CENTRAL_STORE: re.compile(r"\d{1,5}"),
}
"""What a TLS binding of each kind is for."""

_OWN_HTTP = {
    "bindings": {
        "kind": re.compile("|".join(_ENDPOINTS)),
        "thumbprint": re.compile(r"(?:[0-9A-Fa-f]{40})?"),
        "store": re.compile(r"[A-Za-z0-9]*"),
        "ctl_identifier": re.compile(r"[^\"\r\n]{0,256}"),
        "ctl_store": re.compile(r"[A-Za-z0-9]*"),
    },
    "reservations": {
        "url": re.compile(r"https?://(?:[^\s\"'/:\[\]]+|\[[0-9A-Fa-f:.%]+\]):\d{1,5}/[^\s\"']*"),
        "sddl": re.compile(r"[^\"\r\n]+"),
    },
}
"""What Access Manager's own records of HTTP.sys look like: a restore gives them to Windows."""

_TOO_LARGE = 2**32
_REGISTRY_KEYS = ("", "Parameters")


def checked_record(record: t.Any, shape: dict[str, type], label: str) -> Record:
    for key, kind in shape.items():
        if not isinstance(record, dict) or not isinstance(record.get(key), kind):
            raise AccessManagerError(f"{label} has no proper '{key}': the backup is not used.")
    return t.cast(Record, record)


def checked_state(content: Record) -> Record:
    """The state of a server as state/installation.json has it, with the lists that a comparison and a restore read."""
    described, label = checked_record(content, _STATE, f"'{STATE}'"), f"'{STATE}'"
    parts: dict[str, type] = {
        "registry": list,
        "registry_permissions": list,
        "service": dict,
        "http_sys": dict,
        "firewall": list,
    }
    state = checked_record(described["state"], parts, label)
    http_sys = checked_record(state["http_sys"], {"bindings": list, "reservations": list}, label)
    lists = checked_record(
        state | http_sys | {"environment": described.get("environment", [])}, dict.fromkeys(_LISTS, list), label
    )
    for name, shape in _LISTS.items():
        for record in lists[name]:
            checked_record(record, shape, f"A record of '{name}' in '{STATE}'")
    for reference in described["references"]:
        checked_record(reference, _REFERENCE, f"A record of 'references' in '{STATE}'")
        if not isinstance(reference.get("name", 0), str | None):
            raise AccessManagerError(
                f"A record of 'references' in '{STATE}' has no proper 'name': the backup is not used."
            )
    for value in state["registry"]:
        if value["key"] not in _REGISTRY_KEYS or not _is_registry_data(value["kind"], value.get("data")):
            raise AccessManagerError(
                f"The registry value '{value['name']}' in '{STATE}' cannot be one: the backup is not used."
            )
    for name, records in own_http_configuration(http_sys).items():
        for key, pattern in _OWN_HTTP[name].items():
            for record in records:
                if not pattern.fullmatch(record[key]):
                    raise AccessManagerError(
                        f"'{STATE}' has {name} of HTTP.sys with the {key} '{record[key]}': it cannot be one."
                    )
    for binding in own_http_configuration(http_sys)["bindings"]:
        _refuse_impossible(binding)
    return described


def _refuse_impossible(binding: Record) -> None:
    impossible = [] if _ENDPOINTS[binding["kind"]].fullmatch(binding["endpoint"]) else ["endpoint"]
    impossible += [name for name in tls_binding.NUMBERS if not 0 <= binding[name] < _TOO_LARGE]
    for name in impossible:
        raise AccessManagerError(
            f"'{STATE}' has bindings of HTTP.sys with the {name} '{binding[name]}': it cannot be one."
        )


def _is_registry_data(kind: str, data: t.Any) -> bool:
    """Whether a registry value of that kind can have that data, as JSON holds it."""
    if kind in ("String", "ExpandString"):
        return isinstance(data, str)
    if kind in ("DWord", "QWord"):
        bits = 32 if kind == "DWord" else 64
        return isinstance(data, int) and not isinstance(data, bool) and -(2 ** (bits - 1)) <= data < 2 ** (bits - 1)
    if kind in ("Binary", "None"):
        return isinstance(data, str) and _is_base64(data)
    return kind == "MultiString" and isinstance(data, list) and all(isinstance(line, str) for line in data)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
