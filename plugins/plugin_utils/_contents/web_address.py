# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the web site is: its ports and its path, as the JSON files say, its name, and how users sign in."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import re
import typing as t

from .._ams.description import own_http_configuration
from .._ams.json_document import Value, find
from .._ams.shapes import BackedUpServer
from .._ams.web_site_name import (
    HOSTNAME,
    IWA,
    MODE,
    REALM,
    SETTINGS,
    configured_names,
    mode_of,
    name_in,
    name_of,
)
from .._windows.tls_certificate import certificates_of

HTTP, HTTPS = 80, 443
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]{1,64}){0,8}")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_HIGHEST_PORT = 65535


class Configured(t.Protocol):
    """A configuration: its JSON files that could be read, by their names, and what its server said of itself."""

    @property
    def documents(self) -> c.Mapping[str, Value]: ...

    @property
    def described(self) -> BackedUpServer: ...


@dataclasses.dataclass(frozen=True)
class WebAddress:
    """What does not look like a port, name or path is left out.

    C(name): None when neither the files nor the certificate name one. C(is_guessed): whether it does not stand in
    Hosting.HttpSys.Hostname. C(path): with its slash.
    """

    http_port: int
    https_port: int
    name: str | None
    is_guessed: bool
    path: str

    @property
    def tls_endpoint(self) -> str:
        """Where Access Manager binds its certificate."""
        return f"0.0.0.0:{self.https_port}"

    def address(self, name: str) -> str:
        """How users reach the web site by that name."""
        return f"https://{name}" + ("" if self.https_port == HTTPS else f":{self.https_port}") + self.path


def web_address_of(configuration: Configured) -> WebAddress:
    given = _name_among(map(name_of, reversed(texts(configuration, HOSTNAME))))
    path = "/" + _last(configuration, "Hosting.HttpSys.Path").strip("/")
    return WebAddress(
        http_port=_port(_last(configuration, "Hosting.HttpSys.HttpPort"), HTTP),
        https_port=_port(_last(configuration, "Hosting.HttpSys.HttpsPort"), HTTPS),
        name=given or _name_among(_guesses(configuration)),
        is_guessed=given is None,
        path=path if path != "/" and _PATH.fullmatch(path) else "",
    )


def authentication_of(configuration: Configured) -> str:
    """How users sign in, one of MODES."""
    return mode_of(_last(configuration, MODE))


def names_in_settings(configuration: Configured) -> dict[str, str]:
    """The names that the settings give the web site, by these settings."""
    return configured_names({setting: _last(configuration, setting) for setting in SETTINGS})


def names_with_spn(configuration: Configured) -> dict[str, list[str]]:
    """The name of the web site that needs an SPN: by which list directory_info takes it, as it is sure or a guess."""
    address = web_address_of(configuration)
    found = [address.name] if address.name and authentication_of(configuration) == IWA else []
    return {"web_names": [], "guessed_names": []} | {"guessed_names" if address.is_guessed else "web_names": found}


def _name_among(candidates: c.Iterable[str | None]) -> str | None:
    """The first that is a name with its domain; the first name when none has one."""
    names = [name for name in candidates if name]
    whole = [name for name in names if "." in name]
    return next(iter([*whole, *names]), None)


def _guesses(configuration: Configured) -> c.Iterator[str | None]:
    """The names of the certificate that was bound, and that of the realm of WS-Federation."""
    state = configuration.described["state"]
    bound = {binding["thumbprint"].upper() for binding in own_http_configuration(state["http_sys"])["bindings"]}
    for thumbprint, certificate in certificates_of(state["tls_certificates"]).items():
        yield from map(name_of, certificate.names if thumbprint in bound else ())
    yield from map(name_in, reversed(texts(configuration, REALM)))


def texts(configuration: Configured, path: str) -> list[str]:
    """The strings and numbers at a path of the JSON files that are not empty; those of a later file come later."""
    return [str(value) for value in values_at(configuration, path) if _is_given(value)]


def _is_given(value: t.Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool) and value != ""


def values_at(configuration: Configured, path: str) -> c.Iterator[t.Any]:
    """The values at a path of the JSON files; those of a later file come later."""
    for document in configuration.documents.values():
        yield from (value.value for _place, value in find(document, path))


def _last(configuration: Configured, path: str) -> str:
    return (texts(configuration, path) or [""])[-1]


def _port(text: str, otherwise: int) -> int:
    return int(text) if _PORT.fullmatch(text) and int(text) <= _HIGHEST_PORT else otherwise
