# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security descriptors as SDDL: what they say beside what they inherit, whom they let read, and their access rules one
by one.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import functools
import operator
import re

_TOKENS = re.compile(r'"[^"]*"|[()]|([OGDS]):')
"""The letters at which entries begin and end. A condition's texts, in quotes, may have such letters too."""

_FLAGS = re.compile(r"[A-Z_]*")
_KNOWN_FLAGS = re.compile(r"\s*(?:P|AR|AI)*\s*")
_NO_LIST = re.compile(r"\s*(?:P|AR|AI)*NO_ACCESS_CONTROL\s*")
_NUMBER = re.compile(r"0[xX](?P<hexadecimal>[0-9A-Fa-f]{1,8})|(?P<octal>0[0-7]{0,11})|(?P<decimal>[1-9][0-9]{0,9})")
_TRUSTEE = re.compile(r"[A-Z]{2}|S-1(?:-[0-9]+|-0X[0-9A-F]+)+")
_INHERITED = "ID"
_ALLOWED = "A"
_FIELDS = 6
"""Of an entry: kind, flags, rights, two GUIDs, trustee. A conditional one has its condition after them."""

_READ_BITS = 0x1 | 0x10000000 | 0x80000000
"""FILE_READ_DATA, GENERIC_ALL, GENERIC_READ."""

_ONLY_FOR_CHILDREN = "IO"
_INHERITANCE = {"OI", "CI", "NP", _ONLY_FOR_CHILDREN, _INHERITED, "SA", "FA", "CR", "TP"}
_CONDITIONAL = {"XA", "XD", "ZA"}
_KINDS = {"A": "allow", "XA": "allow", "OA": "allow", "ZA": "allow", "D": "deny", "XD": "deny", "OD": "deny"}
_LETTERS = {
    **{pair: 1 << bit for bit, pair in enumerate(("CC", "DC", "LC", "SW", "RP", "WP", "DT", "LO", "CR"))},
    **{"SD": 0x10000, "RC": 0x20000, "WD": 0x40000, "WO": 0x80000},
    **{"GA": 0x10000000, "GX": 0x20000000, "GW": 0x40000000, "GR": 0x80000000},
    **{"FA": 0x1F01FF, "FR": 0x120089, "FW": 0x120116, "FX": 0x1200A0},
    **{"KA": 0xF003F, "KR": 0x20019, "KW": 0x20006, "KX": 0x20019},
}
"""The bits of each pair of letters that SDDL has for rights."""

EVERYTHING = 0xFFFFFFFF
"""The mask of the rule that stands for a missing access list: Windows lets everyone do everything then."""


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """A security descriptor. C(entries): the access rules that it does not inherit. C(protected): it inherits none.

    C(open_to_all): it has no access list, so nobody is kept from anything.
    """

    owner: str
    group: str
    protected: bool
    entries: tuple[str, ...]
    open_to_all: bool = False


@dataclasses.dataclass(frozen=True)
class AccessRule:
    """One access rule. C(access): allow or deny. C(mask): its bits. C(trustee): a SID, or SDDL's two letters for one.

    C(condition): the expression under which it applies; empty when it always does.
    """

    access: str
    mask: int
    trustee: str
    condition: str = ""


def parse(sddl: str) -> Descriptor:
    parts = dict(_parts(sddl))
    flags = _flags(parts.get("D", ""))
    own = tuple(entry for entry in entries(sddl) if _INHERITED not in _pairs(entry.split(";")[1]))
    return Descriptor(parts.get("O", ""), parts.get("G", ""), "P" in flags, own, _is_open_to_all(parts))


def same(one: str, other: str) -> bool:
    """Whether two descriptors say the same, whatever their parents give them.

    One that cannot be decoded is only like itself.
    """
    return normal_form(one) == normal_form(other)


def normal_form(sddl: str) -> str:
    """What a descriptor says by itself, in one form: without what its parents give it, and the flags that setting it
    changes.

    One that cannot be decoded stays as it is written.
    """
    if not is_decoded(sddl):
        return sddl
    said = parse(sddl)
    access = "NO_ACCESS_CONTROL" if said.open_to_all else "".join(f"({entry})" for entry in said.entries)
    return f"O:{said.owner}G:{said.group}D:{'P' if said.protected else ''}{access}"


def is_decoded(sddl: str) -> bool:
    """Whether all that a descriptor says of access is in C(rules): else accounts may have more or less than these show.
    """
    parts = list(_parts(sddl))
    sections = dict(parts)
    first = _TOKENS.search(sddl)
    return (
        len(sections) == len(parts) > 0
        and first is not None
        and not sddl[: first.start()].strip()
        and all(_TRUSTEE.fullmatch(sections[letter].strip().upper()) for letter in "OG" if letter in sections)
        and _is_decoded_list(sections.get("D", ""))
    )


def _is_decoded_list(access: str) -> bool:
    if _NO_LIST.fullmatch(access):
        return True
    found = list(_entries(access))
    outside, after = "", 0
    for start, end in found:
        outside += access[after : start - 1]
        after = end + 1
    outside += access[after:]
    return bool(_KNOWN_FLAGS.fullmatch(outside)) and all(_is_decoded_entry(access[start:end]) for start, end in found)


def _is_decoded_entry(entry: str) -> bool:
    fields = [field.strip() for field in entry.split(";")]
    if len(fields) < _FIELDS or (len(fields) > _FIELDS) != (fields[0] in _CONDITIONAL):
        return False
    kind, flags, rights, *_objects, trustee = fields[:_FIELDS]
    return (
        kind in _KINDS
        and _pairs(flags) <= _INHERITANCE
        and (_NUMBER.fullmatch(rights) is not None or _pairs(rights.upper()) <= _LETTERS.keys())
        and _TRUSTEE.fullmatch(trustee.upper()) is not None
    )


def with_own_rules(sddl: str) -> str:
    """The same access without a parent: the rules that it inherits become its own, and it inherits none."""
    if not list(entries(sddl)):
        return sddl
    own = [_without_inheritance(entry) for entry in entries(sddl)]
    own.sort(key=lambda entry: "D" not in entry.split(";")[0])
    descriptor = parse(sddl)
    return f"O:{descriptor.owner}G:{descriptor.group}D:P{''.join(f'({entry})' for entry in own)}"


def _without_inheritance(entry: str) -> str:
    kind, flags, rest = entry.split(";", 2)
    own = [flags[place : place + 2] for place in range(0, len(flags), 2) if flags[place : place + 2] != _INHERITED]
    return f"{kind};{''.join(own)};{rest}"


def entries(sddl: str) -> c.Iterator[str]:
    """The access rules, each without its parentheses."""
    access = dict(_parts(sddl)).get("D", "")
    for start, end in _entries(access):
        if access.count(";", start, end) >= _FIELDS - 1:
            yield access[start:end]


def _entries(access: str) -> c.Iterator[tuple[int, int]]:
    """Where the entries of a list begin and end, without their parentheses."""
    depth = start = 0
    for token in _TOKENS.finditer(access):
        if token.group() == "(":
            depth += 1
            start = token.end() if depth == 1 else start
        elif token.group() == ")":
            depth -= 1
            if depth == 0:
                yield start, token.start()


def rules(sddl: str, *, own: bool = False) -> c.Iterator[AccessRule]:
    """The access rules that apply to the thing itself, of kinds that allow or deny. C(own): without those that it
    inherits.

    A descriptor without an access list lets everyone do everything, and is shown so.
    """
    if _is_open_to_all(dict(_parts(sddl))):
        yield AccessRule("allow", EVERYTHING, "WD")
    for entry in entries(sddl):
        kind, flags, rights, _object, _inherited, trustee = (field.strip() for field in entry.split(";")[:_FIELDS])
        if kind in _KINDS and _ONLY_FOR_CHILDREN not in _pairs(flags) and not (own and _INHERITED in _pairs(flags)):
            yield AccessRule(_KINDS[kind], mask_of(rights), trustee.upper(), ";".join(entry.split(";")[_FIELDS:]))


def _is_open_to_all(parts: dict[str, str]) -> bool:
    return bool(parts) and ("D" not in parts or _NO_LIST.fullmatch(parts["D"]) is not None)


def mask_of(rights: str) -> int:
    """The bits that SDDL writes as a number or as pairs of letters; unknown pairs count as none."""
    number = _NUMBER.fullmatch(rights)
    if number:
        bases = {"hexadecimal": 16, "octal": 8, "decimal": 10}
        return next(int(digits, bases[kind]) for kind, digits in number.groupdict().items() if digits) & EVERYTHING
    return functools.reduce(operator.or_, (_LETTERS.get(pair, 0) for pair in _pairs(rights.upper())), 0)


def may_read(sddl: str, *trustees: str) -> bool:
    """Whether a rule lets one of these trustees read; they are given as SDDL writes them, each under all its names."""
    for entry in entries(sddl):
        kind, _flags_, rights, _object, _inherited, trustee = entry.split(";")[:6]
        if kind == _ALLOWED and trustee in trustees and mask_of(rights) & _READ_BITS:
            return True
    return False


def _parts(sddl: str) -> c.Iterator[tuple[str, str]]:
    """Owner, group, and the two lists, by their letters.

    A list's entries may have such letters too: only those outside count.
    """
    depth, letter, start = 0, "", 0
    for token in _TOKENS.finditer(sddl):
        depth += {"(": 1, ")": -1}.get(token.group(), 0)
        if token.group(1) and depth == 0:
            if letter:
                yield letter, sddl[start : token.start()]
            letter, start = token.group(1), token.end()
    if letter:
        yield letter, sddl[start:]


def _flags(access: str) -> set[str]:
    written = _FLAGS.match(access)
    return {"P"} if written and written.group().replace("AI", "").replace("AR", "").startswith("P") else set()


def _pairs(letters: str) -> set[str]:
    return {letters[place : place + 2] for place in range(0, len(letters), 2)}
