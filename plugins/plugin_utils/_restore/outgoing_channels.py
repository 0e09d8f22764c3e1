# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a configuration has its server do to others: mail, webhooks and scripts by which Access Manager notifies them,
and the groups for just-in-time access that it makes and deletes in Active Directory.

For a drill all of it is switched off in the JSON before it is sent: a restored server reports to nobody, and leaves the
directory as it is.
"""

from __future__ import annotations

import collections.abc as c
import itertools
import json
import typing as t
import urllib.parse

from .._ams.constants import CHANNELS
from .._ams.json_document import Value, find, parse, with_changes
from .._contents.configuration import Configuration
from .._errors import AccessManagerError
from .._text import printable

_NOWHERE = "drill.invalid"
"""A name that no server ever has (RFC 2606)."""

_HOST, _PORT, _URL = "Email.Host", "Email.Port", "Auditing.NotificationChannels.Webhooks[].Url"
_PLACES = {_HOST: _NOWHERE, _URL: f"https://{_NOWHERE}/"}
"""What is written in the place of each value that says where something is sent."""

_SWITCHES = ("JitConfiguration.EnableJitGroupCreation", "JitConfiguration.JitGroupMappings[].EnableJitGroupDeletion")
"""What lets the service make groups in Active Directory, and delete those that it does not expect."""

_SECTIONS = frozenset({"email", "auditing", "jitconfiguration"})
_LISTS = ("JitConfiguration.JitGroupMappings", *(channel.removesuffix("[]") for channel in CHANNELS))

_MAIL_PORT = 25
_LONGEST_PORT = 5
_PORTS = {"http": 80, "https": 443}
Edit = tuple[int, int, str]


def silenced(data: bytes) -> tuple[bytes, list[str]]:
    """A JSON file with all of that switched off, and the places of what was changed in it.

    Raises AccessManagerError when it is written otherwise than by the configuration tool: nothing may be overlooked.
    """
    document = parse(data)
    if place := next(_unusual(document), None):
        raise AccessManagerError(
            f"'{printable(place)}' in the configuration cannot be switched off for a drill: it is a name with a colon, "
            "or an object in the place of a list. Write it as the configuration tool does, and back up."
        )
    edits = {place: edit for place, edit in _edits(document) if edit}
    changes = {(start, end): text.encode() for start, end, text in edits.values()}
    return with_changes(data, changes), list(edits)


def _unusual(document: Value) -> c.Iterator[str]:
    """The places of settings that .NET reads as those above, though they are written in another way."""
    for path in _LISTS:
        yield from (place for place, value in find(document, path) if isinstance(value.value, dict))
    for name, value in document.value.items():
        if name.partition(":")[0].lower() in _SECTIONS:
            yield from _with_colons(name, name, value)


def _with_colons(place: str, name: str, value: Value) -> c.Iterator[str]:
    if ":" in name:
        yield place
    if isinstance(value.value, list):
        for number, element in enumerate(value.value):
            yield from _with_colons(f"{place}[{number}]", "", element)
    if isinstance(value.value, dict):
        for inner, member in value.value.items():
            yield from _with_colons(f"{place}.{inner}", inner, member)


def _edits(document: Value) -> c.Iterator[tuple[str, Edit | None]]:
    for path, instead in _PLACES.items():
        for place, value in find(document, path):
            yield place, (value.start, value.end, json.dumps(instead)) if value.value else None
    for switch in _SWITCHES:
        for place, value in find(document, switch):
            yield place, _off(value)
    for channel in CHANNELS:
        for place, value in find(document, channel):
            yield f"{place}.Enabled", _disabled(value)


def _off(switch: Value) -> Edit | None:
    return None if switch.value is False else (switch.start, switch.end, "false")


def _disabled(channel: Value) -> Edit | None:
    """The edit that switches a channel off; one that says nothing of it gets that as its first member."""
    if not isinstance(channel.value, dict):
        return None
    found = channel.member("Enabled")
    if found is None:
        comma = "," if channel.value else ""
        return channel.start + 1, channel.start + 1, f'"Enabled":false{comma}'
    return _off(found[1])


class Endpoint(t.NamedTuple):
    """Where something is sent. C(what): mail or webhook."""

    what: str
    host: str
    port: int

    @property
    def place(self) -> str:
        return f"{self.host}:{self.port}"


def endpoints_of(configuration: Configuration) -> list[Endpoint]:
    """The servers of mail and webhooks that a configuration names, each once: a part may stand in each of its files."""
    documents = list(configuration.documents.values())
    return list(dict.fromkeys((*_mail(documents), *_webhooks(documents))))


def _mail(documents: list[Value]) -> c.Iterator[Endpoint]:
    ports = [port for value in _values(documents, _PORT) if (port := _port(value))]
    for host in _values(documents, _HOST):
        if isinstance(host, str) and host:
            yield Endpoint("mail", host, (ports or [_MAIL_PORT])[-1])


def _webhooks(documents: list[Value]) -> c.Iterator[Endpoint]:
    for url in _values(documents, _URL):
        if isinstance(url, str) and (endpoint := _endpoint(url)):
            yield endpoint


def _values(documents: list[Value], path: str) -> list[t.Any]:
    """What stands at a path in the files, the one last that overrides the others."""
    found = itertools.chain.from_iterable(find(document, path) for document in documents)
    return [value.value for _place, value in found]


def _port(value: object) -> int | None:
    """A port, as a number or as text: .NET takes both."""
    text = str(value).strip() if isinstance(value, (int, str)) else ""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_PORT else 0
    return number if 0 < number < 2**16 else None


def _endpoint(url: str) -> Endpoint | None:
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return Endpoint("webhook", parts.hostname, port) if parts.hostname and port else None
