# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON as Access Manager reads it, with the place of each value in its file.

Comments and trailing commas are let pass; a key that stands twice is not.
"""

from __future__ import annotations

import codecs
import collections.abc as c
import dataclasses
import itertools
import json
import math
import re
import typing as t
from json import decoder

from .._text import printable

MOST_VALUES = 2_500_000
"""As many values are read of one file: a list of 200,000 files has fewer. Commas within texts count too."""

MOST_BYTES = 16 * 1024**2
MOST_PLACED_VALUES = 500_000
"""The same of a file that Access Manager reads, whose values are kept with their places."""

_DEEPEST = 64
_SPACE = re.compile(r"(?:[ \t\r\n]++|//[^\r\n]*+|/\*.*?\*/)*+", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS: dict[str, t.Any] = {"true": True, "false": False, "null": None}
_LISTED = "[]"
_TOO_DEEP = f"it is nested more than {_DEEPEST} deep"


@dataclasses.dataclass(frozen=True, slots=True)
class Value:
    """A value, and where it stands: C(start) and C(end) in bytes of the file, quotes included.

    Members and elements are Values.
    """

    value: t.Any
    start: int
    end: int

    def member(self, name: str) -> tuple[str, Value] | None:
        """The member of that name whatever its capitals, with the name as it is written; None when there is none."""
        if isinstance(self.value, dict):
            for written, value in self.value.items():
                if written.lower() == name.lower():
                    return written, value
        return None

    def text(self, name: str) -> str | None:
        """The member of that name when it is a string that is not empty."""
        found = self.member(name)
        return found[1].value or None if found and isinstance(found[1].value, str) else None


def strict(data: bytes, most: int = MOST_VALUES) -> t.Any:
    """The content of a JSON file of this collection, in UTF-8, of at most so many values.

    Raises ValueError when it is none: NaN is no number, no key stands twice, and nothing is nested so deep that a
    program which is given the content would fail.
    """
    refuse_too_many_values(data, most)
    text = data.decode("utf-8", "surrogatepass")
    try:
        content = json.loads(text, parse_constant=_finite, parse_float=_finite, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if data.count(b"[") + data.count(b"{") > _DEEPEST and _is_deeper(content, _DEEPEST):
        raise ValueError(_TOO_DEEP)
    return content


def _unique(members: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    content = dict(members)
    if len(content) < len(members):
        raise ValueError(f"the key '{printable(_first_twice(members)[:40])}' stands twice")
    return content


def _first_twice(members: list[tuple[str, t.Any]]) -> str:
    seen = set[str]()
    for name, _value in members:
        if name in seen:
            return name
        seen.add(name)
    raise AssertionError("unreachable")


def _members(outer: dict[str, t.Any] | list[t.Any]) -> c.Iterable[t.Any]:
    return outer.values() if isinstance(outer, dict) else outer


def _is_deeper(content: t.Any, levels: int) -> bool:
    """Whether lists and objects lie in each other more levels deep than that."""
    level = [content] if isinstance(content, (dict, list)) else []
    for _level in range(levels):
        members = itertools.chain.from_iterable(map(_members, level))
        level = [member for member in members if isinstance(member, (dict, list))]
    return bool(level)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is not a number of JSON, or too large a one")
    return number


def refuse_too_many_values(data: bytes, most: int = MOST_VALUES) -> None:
    """Raises ValueError before they are made: each takes many times the memory of its two bytes."""
    if sum(data.count(mark) for mark in (b",", b"[", b"{")) > most:
        raise ValueError(f"it has more than {most} values")


def parse(data: bytes) -> Value:
    """The document in a file.

    Raises ValueError, in words, when it is not an object of JSON in UTF-8, or larger than any.
    """
    if len(data) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES // 1024**2} MiB")
    refuse_too_many_values(data, MOST_PLACED_VALUES)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError("it is UTF-16, not UTF-8")
    mark = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    try:
        text = data[mark:].decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    parser = _Parser(text, mark)
    document = parser.value(0)
    if parser.at != len(text):
        raise ValueError(f"something follows its end, in {parser.line()}")
    if not isinstance(document.value, dict):
        raise ValueError("it is not an object")
    return document


def with_changes(data: bytes, changes: c.Mapping[tuple[int, int], bytes]) -> bytes:
    """The bytes of a file with others at these places, each by its start and end, and nothing else changed."""
    for (start, end), text in sorted(changes.items(), reverse=True):
        data = data[:start] + text + data[end:]
    return data


def find(node: Value, path: str) -> c.Iterator[tuple[str, Value]]:
    """The values at a path such as C(A.B[].C), each with its place: names as they are written, elements by number."""
    yield from _find(node, path.split("."), "")


def _find(node: Value, steps: list[str], at: str) -> c.Iterator[tuple[str, Value]]:
    if not steps:
        yield at, node
        return
    found = node.member(steps[0].removesuffix(_LISTED))
    if found is None:
        return
    place = f"{at}.{found[0]}" if at else found[0]
    if not steps[0].endswith(_LISTED):
        yield from _find(found[1], steps[1:], place)
    elif isinstance(found[1].value, list):
        for number, element in enumerate(found[1].value):
            yield from _find(element, steps[1:], f"{place}[{number}]")


class _Parser:
    def __init__(self, text: str, mark: int) -> None:
        self._text = text
        self.at = 0
        self._counted, self._bytes = 0, mark

    def line(self) -> str:
        return f"line {self._text.count(chr(10), 0, self.at) + 1}"

    def value(self, depth: int) -> Value:
        if depth > _DEEPEST:
            raise ValueError(f"{_TOO_DEEP}, in {self.line()}")
        self._skip()
        start = self._place()
        content = self._content(depth)
        end = self._place()
        self._skip()
        return Value(content, start, end)

    def _content(self, depth: int) -> t.Any:
        character = self._text[self.at : self.at + 1]
        if character == "{":
            return self._object(depth)
        if character == "[":
            return self._list(depth)
        if character == '"':
            return self._string()
        for word, meaning in _WORDS.items():
            if self._text.startswith(word, self.at):
                self.at += len(word)
                return meaning
        number = _NUMBER.match(self._text, self.at)
        if not number:
            raise ValueError(f"there is no value where one must be, in {self.line()}")
        self.at = number.end()
        try:
            return int(number.group()) if number.group().lstrip("-").isdecimal() else _finite(number.group())
        except ValueError:
            raise ValueError(f"a number is too large, in {self.line()}") from None

    def _object(self, depth: int) -> dict[str, Value]:
        members: dict[str, Value] = {}
        folded = set()
        for _item in self._items("}"):
            name = self._string()
            if name.lower() in folded:
                raise ValueError(f"the key '{name}' stands twice, in {self.line()}")
            folded.add(name.lower())
            self._skip()
            self._take(":")
            members[name] = self.value(depth + 1)
        return members

    def _list(self, depth: int) -> list[Value]:
        return [self.value(depth + 1) for _item in self._items("]")]

    def _items(self, close: str) -> c.Iterator[None]:
        """Stops at each item of an object or a list, for the caller to read it."""
        self.at += 1
        self._skip()
        while self._text[self.at : self.at + 1] != close:
            yield
            self._skip()
            if self._text[self.at : self.at + 1] != close:
                self._take(",")
                self._skip()
        self.at += 1

    def _string(self) -> str:
        self._take('"')
        try:
            text, self.at = decoder.scanstring(  # type: ignore[attr-defined]
                self._text, self.at, True
            )
        except json.JSONDecodeError:
            raise ValueError(
                f"a string does not end or has a character that it may not have, in {self.line()}"
            ) from None
        return str(text)

    def _take(self, character: str) -> None:
        if self._text[self.at : self.at + 1] != character:
            raise ValueError(f"'{character}' is missing, in {self.line()}")
        self.at += 1

    def _skip(self) -> None:
        self.at = t.cast(re.Match[str], _SPACE.match(self._text, self.at)).end()

    def _place(self) -> int:
        """Where the parser stands, in bytes of the file."""
        self._bytes += len(self._text[self._counted : self.at].encode("utf-8", "surrogatepass"))
        self._counted = self.at
        return self._bytes
