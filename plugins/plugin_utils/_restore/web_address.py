# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the JSON files say that the web site is: its ports, its name and its path."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import re
import typing as t

from .._ams.json_document import find
from .._contents.configuration import Configuration

HTTP, HTTPS = 80, 443
HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]{1,64}){0,8}")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_HIGHEST_PORT = 65535


@dataclasses.dataclass(frozen=True)
class WebAddress:
    """What does not look like a port, name or path is left out.

    C(name): None when the files name none. C(path): with its slash.
    """

    http_port: int
    https_port: int
    name: str | None
    path: str

    @property
    def tls_endpoint(self) -> str:
        """Where Access Manager binds its certificate."""
        return f"0.0.0.0:{self.https_port}"

    def address(self, name: str) -> str:
        """How users reach the web site by that name."""
        return f"https://{name}" + ("" if self.https_port == HTTPS else f":{self.https_port}") + self.path


def web_address_of(configuration: Configuration) -> WebAddress:
    named = [
        *texts(configuration, "Hosting.HttpSys.Hostname"),
        *texts(configuration, "ForwardedHeaders.AllowedHosts[]"),
    ]
    path = "/" + _last(configuration, "Hosting.HttpSys.Path").strip("/")
    return WebAddress(
        http_port=_port(_last(configuration, "Hosting.HttpSys.HttpPort"), HTTP),
        https_port=_port(_last(configuration, "Hosting.HttpSys.HttpsPort"), HTTPS),
        name=next((name for name in named if HOST_NAME.fullmatch(name)), None),
        path=path if path != "/" and _PATH.fullmatch(path) else "",
    )


def texts(configuration: Configuration, path: str) -> list[str]:
    """The strings and numbers at a path of the JSON files that are not empty; those of a later file come later."""
    return [str(value) for value in values_at(configuration, path) if _is_given(value)]


def _is_given(value: t.Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool) and value != ""


def values_at(configuration: Configuration, path: str) -> c.Iterator[t.Any]:
    """The values at a path of the JSON files; those of a later file come later."""
    for document in configuration.documents.values():
        yield from (value.value for _place, value in find(document, path))


def _last(configuration: Configuration, path: str) -> str:
    return (texts(configuration, path) or [""])[-1]


def _port(text: str, otherwise: int) -> int:
    return int(text) if _PORT.fullmatch(text) and int(text) <= _HIGHEST_PORT else otherwise
