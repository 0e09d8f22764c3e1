# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape that JSON must have which a server, a store or another program wrote.

A shape is a type as Python writes it: a TypedDict, C(list[X]), C(dict[str, X]), C(X | None), C(Literal["a", "b"]),
C(str), C(int), C(float), C(bool), and C(object) for what is never looked into. C(NotRequired) marks a key that may be
missing, and C(Annotated) adds a rule of this module: C(Annotated[int, between(0, 9)]). So what the reader and mypy see
is what is checked. Of several shapes that a value may have, the usual one stands last: what it is not is said.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import functools
import re
import types
import typing as t

from ._text import printable, time_of

_SHOWN = 60
"""As many letters of a name are shown that came from outside."""

_INT64 = 2**63

T = t.TypeVar("T")
Check = c.Callable[[t.Any], t.Any]
"""Returns what a shape keeps of a value; raises ShapeError with the place within that value."""


class Shape(t.Generic[T]):
    """A shape that is no class, for mypy: C(Shape[A | B]())."""

    @property
    def kind(self) -> t.Any:
        """The type between the brackets."""
        return t.get_args(self.__dict__["__orig_class__"])[0]


class ShapeError(ValueError):
    """The first value that is not as it must be: where it is, what it is, and what it must be. It shows no value
    without a rule."""

    def __init__(self, name: str, found: str, expected: str) -> None:
        self.name, self.found, self.expected = name, found, expected
        where = f"'{name}'" if name else "it"
        must = f", and must be {expected}" if expected else ""
        super().__init__(f"{where} is {found}{must}")

    def within(self, outer: str) -> ShapeError:
        """The same error, seen from the value that holds this one under that name."""
        between = "." if outer and self.name and not self.name.startswith("[") else ""
        return ShapeError(f"{outer}{between}{self.name}", self.found, self.expected)


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a value of the right type must fulfil besides. C(expected) says it: "a whole number from 0 to 9"."""

    holds: c.Callable[[t.Any], bool]
    expected: str


def between(least: int, most: int) -> Rule:
    """A number within these bounds."""
    return Rule(lambda value: least <= value <= most, f"a number from {least} to {most}")


def matching(pattern: str, expected: str) -> Rule:
    """A text that is as a whole what the pattern describes, which C(expected) says in words."""
    return Rule(lambda value: re.fullmatch(pattern, value) is not None, expected)


def at_most(count: int) -> Rule:
    """A text, list or object of no more letters, entries or keys than that."""
    return Rule(lambda value: len(value) <= count, f"of at most {count} entries or letters")


Time = t.Annotated[str, at_most(40), Rule(lambda text: time_of(text) is not None, "a time in UTC")]
"""A time as this collection and the target's half write it."""


def checked(value: object, shape: type[T] | Shape[T], name: str = "") -> T:
    """A copy of what the shape lists of a value: other keys are left out. Raises ShapeError when it has another shape.

    C(name): how the value is called in the error, if it has a name.
    """
    return t.cast(T, _named(value, shape, name))


def conforming(value: object, shape: type[T], name: str = "") -> T:
    """The value itself, with the keys that the shape does not list: where a checksum covers those too.

    Raises ShapeError when it has another shape.
    """
    _named(value, shape, name)
    return t.cast(T, value)


def readable(value: object, shape: type[T]) -> T:
    """What of a value has its shape: for a report of what may have been changed by hand.

    A member of another shape, or a missing one, is None where the shape has that, and false or empty otherwise. Such an
    entry of a list or an object is left out.
    """
    return t.cast(T, _read_or_empty(shape)(value))


def fault_of(value: object, shape: t.Any, name: str = "") -> str | None:
    """Why a value does not have that shape, in words; None when it has."""
    try:
        _named(value, shape, name)
    except ShapeError as exc:
        return str(exc)
    return None


def _named(value: object, shape: t.Any, name: str) -> t.Any:
    try:
        return _check_of(shape)(value)
    except ShapeError as exc:
        raise exc.within(name) from None


@functools.cache
def _check_of(shape: t.Any, *, lenient: bool = False) -> Check:
    """The check of a shape, made once. C(lenient): as C(readable) takes it."""
    if isinstance(shape, Shape):
        shape = shape.kind
    if shape in (object, t.Any):
        return lambda value: value
    if t.is_typeddict(shape):
        return _readable_members(shape) if lenient else _members(shape)
    origin, arguments = t.get_origin(shape), t.get_args(shape)
    if origin in (t.Required, t.NotRequired):
        return _check_of(arguments[0], lenient=lenient)
    if origin is t.Annotated:
        return _ruled(_check_of(arguments[0], lenient=lenient), t.cast(list[Rule], shape.__metadata__))
    if origin is t.Literal:
        return _one_of(arguments)
    if origin in (t.Union, types.UnionType):
        return _any_of([_check_of(one, lenient=lenient) for one in arguments])
    if origin is list:
        return _readable_entries(arguments[0]) if lenient else _entries(_check_of(arguments[0]))
    if origin is dict and lenient:
        return _readable_values(arguments[1])
    if origin is dict:
        return _values(_check_of(arguments[0]), _check_of(arguments[1]))
    if shape in _SCALARS:
        return _scalar(shape)
    raise TypeError(f"{shape} is no shape of JSON")


# ---- one kind of value each ----


_SCALARS: dict[type, tuple[str, c.Callable[[t.Any], bool]]] = {
    str: ("a text", lambda value: isinstance(value, str)),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("a whole number of 64 bits", lambda value: _is_number(value, int) and -_INT64 <= value < _INT64),
    float: ("a number", lambda value: _is_number(value, (int, float)) and abs(value) < _INT64),
    dict: ("an object", lambda value: isinstance(value, dict)),
    list: ("a list", lambda value: isinstance(value, list)),
    types.NoneType: ("null", lambda value: value is None),
}


def _is_number(value: t.Any, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _scalar(kind: type) -> Check:
    expected, holds = _SCALARS[kind]

    def check(value: t.Any) -> t.Any:
        if not holds(value):
            raise ShapeError("", _kind_of(value), expected)
        return value

    return check


_object, _list = _scalar(dict), _scalar(list)


def _members(shape: t.Any) -> Check:
    hints = t.get_type_hints(shape, include_extras=True)
    optional = {key for key, hint in hints.items() if t.get_origin(hint) is t.NotRequired}
    checks = {key: _check_of(hint) for key, hint in hints.items()}

    def check(value: t.Any) -> t.Any:
        _object(value)
        kept = {}
        for key, member in checks.items():
            if key in value:
                try:
                    kept[key] = member(value[key])
                except ShapeError as exc:
                    raise exc.within(key) from None
            elif key not in optional:
                raise ShapeError(key, "missing", "")
        return kept

    return check


def _entries(entry: Check) -> Check:
    def check(value: t.Any) -> t.Any:
        _list(value)
        kept: list[t.Any] = []
        try:
            for one in value:
                kept.append(entry(one))  # noqa: PERF401 - of how many there are the error makes its place
        except ShapeError as exc:
            raise exc.within(f"[{len(kept)}]") from None
        return kept

    return check


def _values(key: Check, member: Check) -> Check:
    def check(value: t.Any) -> t.Any:
        _object(value)
        kept = {}
        for name, content in value.items():
            try:
                kept[key(name)] = member(content)
            except ShapeError as exc:
                raise exc.within(_short(name)) from None
        return kept

    return check


def _one_of(choices: tuple[t.Any, ...]) -> Check:
    expected = " or ".join(f"'{choice}'" if isinstance(choice, str) else str(choice) for choice in choices)

    def check(value: t.Any) -> t.Any:
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            raise ShapeError("", _shown(value), expected)
        return value

    return check


def _any_of(checks: c.Sequence[Check]) -> Check:
    def check(value: t.Any) -> t.Any:
        errors = []
        for one in checks:
            try:
                return one(value)
            except ShapeError as exc:
                errors.append(exc)
        deeper = next((error for error in reversed(errors) if error.name), None)
        expected = " or ".join(dict.fromkeys(error.expected for error in errors))
        raise deeper or ShapeError("", errors[0].found, expected)

    return check


def _ruled(inner: Check, rules: c.Iterable[Rule]) -> Check:
    def check(value: t.Any) -> t.Any:
        kept = inner(value)
        for rule in rules:
            if not rule.holds(kept):
                raise ShapeError("", _shown(kept), rule.expected)
        return kept

    return check


# ---- what can be read ----


def _read_or_empty(shape: t.Any) -> Check:
    check, empty = _check_of(shape, lenient=True), _empty_of(shape)

    def read(value: t.Any) -> t.Any:
        try:
            return check(value)
        except ShapeError:
            return empty()

    return read


def _empty_of(shape: t.Any) -> c.Callable[[], t.Any]:
    """What makes the value that stands for one of another shape."""
    origin, arguments = t.get_origin(shape), t.get_args(shape)
    if t.is_typeddict(shape):
        return functools.partial(_check_of(shape, lenient=True), {})
    if origin in (t.NotRequired, t.Annotated):
        return _empty_of(arguments[0])
    if types.NoneType in arguments:
        return lambda: None
    return t.cast(c.Callable[[], t.Any], origin or shape)


def _readable_members(shape: t.Any) -> Check:
    readers = {key: _read_or_empty(hint) for key, hint in t.get_type_hints(shape, include_extras=True).items()}

    def read(value: t.Any) -> t.Any:
        _object(value)
        return {key: member(value.get(key)) for key, member in readers.items()}

    return read


def _readable_entries(shape: t.Any) -> Check:
    check = _check_of(shape, lenient=True)

    def read(value: t.Any) -> t.Any:
        _list(value)
        kept: list[t.Any] = []
        for one in value:
            with contextlib.suppress(ShapeError):
                kept.append(check(one))
        return kept

    return read


def _readable_values(shape: t.Any) -> Check:
    check = _check_of(shape, lenient=True)

    def read(value: t.Any) -> t.Any:
        _object(value)
        kept: dict[str, t.Any] = {}
        for name, content in value.items():
            with contextlib.suppress(ShapeError):
                kept[name] = check(content)
        return kept

    return read


# ---- words ----


def _kind_of(value: t.Any) -> str:
    if _is_number(value, (int, float)):
        return "a number"
    return next((words for words, holds in _SCALARS.values() if holds(value)), "of no type of JSON")


def _shown(value: t.Any) -> str:
    """A value that broke a rule: its kind, and itself when it is short."""
    if isinstance(value, (dict, list)):
        return f"{_kind_of(value)} of {len(value)} entries"
    text = str(value)
    return (
        f"{_kind_of(value)} of {len(text)} letters" if len(text) > _SHOWN else f"{_kind_of(value)}, '{printable(text)}'"
    )


def _short(key: t.Any) -> str:
    name = str(key)
    return printable(name if len(name) <= _SHOWN else f"{name[: _SHOWN - 3]}...")
