# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded state of a server (registry, HTTP.sys, firewall): its shape is checked before it is used."""

from __future__ import annotations

import base64
import binascii
import re
import typing as t

from .._ams.description import own_http_configuration
from .._ams.shapes import BackedUpServer
from .._errors import AccessManagerError
from .._shape import ShapeError, between, checked, conforming, matching
from .._store.manifest import PARTS
from .._text import THUMBPRINT
from .._windows import tls_binding
from .names import STATE

_ENDPOINTS = {
    tls_binding.ADDRESS: re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.%]+\]):\d{1,5}"),
    tls_binding.HOST_NAME: re.compile(r"[A-Za-z0-9*](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?:\d{1,5}"),
    tls_binding.CENTRAL_STORE: re.compile(r"\d{1,5}"),
}
"""What a TLS binding of each kind is for."""

_Number = t.Annotated[int, between(0, 2**32 - 1)]
_StoreName = t.Annotated[str, matching("[A-Za-z0-9]*", "the name of a certificate store, or empty")]


class _OwnBinding(t.TypedDict):
    kind: t.Literal["address", "host_name", "central_store"]
    endpoint: str
    thumbprint: t.Annotated[str, matching(f"(?i:{THUMBPRINT})?", "a thumbprint, 40 hexadecimal digits, or empty")]
    store: _StoreName
    flags: _Number
    check_mode: _Number
    revocation_freshness: _Number
    revocation_timeout: _Number
    ctl_identifier: t.Annotated[str, matching(r"[^\"\r\n]{0,256}", "a text of at most 256 letters without quotes")]
    ctl_store: _StoreName


class _OwnReservation(t.TypedDict):
    url: t.Annotated[
        str, matching(r"https?://(?:[^\s\"'/:\[\]]+|\[[0-9A-Fa-f:.%]+\]):\d{1,5}/[^\s\"']*", "a URL of HTTP.sys")
    ]
    sddl: t.Annotated[str, matching(r"[^\"\r\n]+", "permissions in SDDL")]


class _OwnHttpSys(t.TypedDict):
    """What Access Manager's own records of HTTP.sys look like: a restore gives them to Windows."""

    bindings: list[_OwnBinding]
    reservations: list[_OwnReservation]


_REGISTRY_KEYS = ("", "Parameters")


def checked_state(content: object) -> BackedUpServer:
    """The state of a server as state/installation.json has it.

    Raises AccessManagerError when it cannot be that of a server, or holds what no restore may give to Windows.
    """
    try:
        described = conforming(content, BackedUpServer)
        own = checked(own_http_configuration(described["state"]["http_sys"]), _OwnHttpSys, "state.http_sys")
    except ShapeError as exc:
        raise AccessManagerError(
            f"'{STATE}' in {PARTS['config']} is not as a backup has it: {exc}. The backup is not used."
        ) from None
    for binding in own["bindings"]:
        if not _ENDPOINTS[binding["kind"]].fullmatch(binding["endpoint"]):
            raise AccessManagerError(
                f"'{STATE}' has a TLS binding of Access Manager with the endpoint '{binding['endpoint']}', which "
                f"cannot be one of the kind '{binding['kind']}': the backup is not used."
            )
    for value in described["state"]["registry"]:
        if value["key"] not in _REGISTRY_KEYS or not _is_registry_data(value["kind"], value["data"]):
            raise AccessManagerError(
                f"The registry value '{value['name']}' in '{STATE}' cannot be one: the backup is not used."
            )
    return described


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
