# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outgoing channels of a configuration: mail, webhooks and scripts by which Access Manager notifies others.

For a drill they are switched off in the JSON before it is sent, so that a restored server reports to nobody.
"""

from __future__ import annotations

import collections.abc as c
import json
import typing as t
import urllib.parse

from .._ams.constants import CHANNELS
from .._ams.json_document import Value, find, parse, with_changes
from .._contents.configuration import Configuration

_NOWHERE = "drill.invalid"
"""A name that no server ever has (RFC 2606)."""

_HOST, _PORT, _URL = "Email.Host", "Email.Port", "Auditing.NotificationChannels.Webhooks[].Url"
_PLACES = {_HOST: _NOWHERE, _URL: f"https://{_NOWHERE}/"}
"""What is written in the place of each value that says where something is sent."""

_MAIL_PORT = 25
_PORTS = {"http": 80, "https": 443}
Edit = tuple[int, int, str]


def silenced(data: bytes) -> tuple[bytes, list[str]]:
    """A JSON file with every outgoing channel switched off, and the places of what was changed in it."""
    document = parse(data)
    edits = {place: edit for place, edit in _edits(document) if edit}
    changes = {(start, end): text.encode() for start, end, text in edits.values()}
    return with_changes(data, changes), list(edits)


def _edits(document: Value) -> c.Iterator[tuple[str, Edit | None]]:
    for path, instead in _PLACES.items():
        for place, value in find(document, path):
            yield place, (value.start, value.end, json.dumps(instead)) if value.value else None
    for channel in CHANNELS:
        for place, value in find(document, channel):
            yield f"{place}.Enabled", _disabled(value)


def _disabled(channel: Value) -> Edit | None:
    """The edit that switches a channel off; one that says nothing of it gets that as its first member."""
    if not isinstance(channel.value, dict):
        return None
    found = channel.member("Enabled")
    if found is None:
        comma = "," if channel.value else ""
        return channel.start + 1, channel.start + 1, f'"Enabled":false{comma}'
    return None if found[1].value is False else (found[1].start, found[1].end, "false")


class Endpoint(t.NamedTuple):
    """Where something is sent. C(what): mail or webhook."""

    what: str
    host: str
    port: int

    @property
    def place(self) -> str:
        return f"{self.host}:{self.port}"


def endpoints_of(configuration: Configuration) -> list[Endpoint]:
    """The servers of mail and webhooks that a configuration names, each once."""
    found: dict[Endpoint, None] = {}
    for document in configuration.documents.values():
        found |= dict.fromkeys((*_mail(document), *_webhooks(document)))
    return list(found)


def _mail(document: Value) -> c.Iterator[Endpoint]:
    ports = [value.value for _place, value in find(document, _PORT) if isinstance(value.value, int)]
    for _place, value in find(document, _HOST):
        if isinstance(value.value, str) and value.value:
            yield Endpoint("mail", value.value, (ports or [_MAIL_PORT])[-1])


def _webhooks(document: Value) -> c.Iterator[Endpoint]:
    for _place, value in find(document, _URL):
        if isinstance(value.value, str) and (endpoint := _endpoint(value.value)):
            yield endpoint


def _endpoint(url: str) -> Endpoint | None:
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return Endpoint("webhook", parts.hostname, port) if parts.hostname and port else None
