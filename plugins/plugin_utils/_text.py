# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts: a time as files and results have it, and what came from a server or a backup, made fit to be shown."""

from __future__ import annotations

import collections.abc as c
import datetime
import json
import re
import typing as t

BACKUP_ID = r"[0-9]{8}T[0-9]{6}Z"
"""The pattern of a backup's id, which is the time in UTC at which it was begun."""

THUMBPRINT = r"[0-9A-F]{40}"
"""The pattern of a certificate's thumbprint, as results have it: the SHA-1 of its DER."""

_LONGEST = 10_000
"""Letters of one sentence."""

_TIME = re.compile(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{{1,7}})?Z|{BACKUP_ID}", re.ASCII)


def timestamp(time: datetime.datetime) -> str:
    """A time in UTC, with its seconds, as ISO 8601 with a Z."""
    return time.astimezone(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def time_of(text: object, *, any_zone: bool = False) -> datetime.datetime | None:
    """The time in UTC that a text is: ISO 8601 with a Z, whose seconds may have seven digits, as Windows has them, or
    the id of a backup. None when it is none.

    C(any_zone): a time may have another zone, or none, which is UTC then.
    """
    if not isinstance(text, str) or not (any_zone or _TIME.fullmatch(text)):
        return None
    try:
        time = datetime.datetime.fromisoformat(text)
        return time.astimezone(datetime.UTC) if time.tzinfo else time.replace(tzinfo=datetime.UTC)
    except (ValueError, OverflowError):
        return None


def printable(text: str) -> str:
    """The text on one line: what controls a terminal, or changes the direction of text, is written as its code."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def shortened(text: str, longest: int = _LONGEST) -> str:
    """The text without its middle when it is very long: it may repeat a server, and its end says what to do."""
    return text if len(text) <= longest else f"{text[: longest // 2]} ... {text[-longest // 2 :]}"


def one_line(text: str) -> str:
    """A message of several lines on one: its line breaks become blanks, the rest is printable."""
    return printable(" ".join(text.splitlines()))


def printable_lines(text: str) -> str:
    """A text of several lines, each of them printable."""
    return "\n".join(printable(line) for line in text.replace("\r\n", "\n").split("\n"))


def printable_data(value: t.Any) -> t.Any:
    """Data as JSON has it, with every text in it printable, the names of members too."""
    return _each_text(value, printable)


def encodable_data(value: t.Any) -> t.Any:
    """Data as JSON has it, with every text in it as UTF-8 can have it."""
    return _each_text(value, encodable)


def _each_text(value: t.Any, change: c.Callable[[str], str]) -> t.Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(str(key)): _each_text(member, change) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_each_text(entry, change) for entry in value]
    return value


def json_lines(value: t.Any) -> str:
    """JSON in lines, for a file that people look at too: what controls a terminal stands in it as an escape of JSON."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return "\n".join(map(_escaped, text.split("\n"))) + "\n"


def json_line(value: t.Any) -> str:
    """JSON on one line, with what controls a terminal as an escape of JSON."""
    return _escaped(json.dumps(value, ensure_ascii=False))


def _escaped(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in line)


def encodable(text: str) -> str:
    """The text as UTF-8 can have it: half of a surrogate pair is written as its code."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
