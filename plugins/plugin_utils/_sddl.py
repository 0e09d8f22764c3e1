# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security descriptors as SDDL: what they say beside what they inherit, whom they let read, and their access rules one by one."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import functools
import operator
import re

_PARTS = re.compile(r"([OGDS]):")
_FLAGS = re.compile(r"[A-Z_]*")
_INHERITED = "ID"
_ALLOWED = "A"
_READ_BITS = 0x1 | 0x10000000 | 0x80000000
"""FILE_READ_DATA, GENERIC_ALL, GENERIC_READ."""

_ONLY_FOR_CHILDREN = "IO"
_KINDS = {"A": "allow", "XA": "allow", "OA": "allow", "ZA": "allow", "D": "deny", "XD": "deny", "OD": "deny"}
_LETTERS = {
    **{pair: 1 << bit for bit, pair in enumerate(("CC", "DC", "LC", "SW", "RP", "WP", "DT", "LO", "CR"))},
    **{"SD": 0x10000, "RC": 0x20000, "WD": 0x40000, "WO": 0x80000},
    **{"GA": 0x10000000, "GX": 0x20000000, "GW": 0x40000000, "GR": 0x80000000},
    **{"FA": 0x1F01FF, "FR": 0x120089, "FW": 0x120116, "FX": 0x1200A0},
    **{"KA": 0xF003F, "KR": 0x20019, "KW": 0x20006, "KX": 0x20019},
}
"""The bits of each pair of letters that SDDL has for rights."""


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """A security descriptor. C(entries): the access rules that it does not inherit. C(protected): it inherits none."""

    owner: str
    group: str
    protected: bool
    entries: tuple[str, ...]


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
    return Descriptor(parts.get("O", ""), parts.get("G", ""), "P" in flags, own)


def same(one: str, other: str) -> bool:
    """Whether two descriptors say the same, whatever their parents give them."""
    return one == other or parse(one) == parse(other)


def with_own_rules(sddl: str) -> str:
    """The same access without a parent: the rules that it inherits become its own, and it inherits none."""
    if not list(entries(sddl)):
        return sddl
    own = [_without_inheritance(entry) for entry in entries(sddl)]
    own.sort(key=lambda entry: "D" not in entry.split(";")[0])
    told = parse(sddl)
    return f"O:{told.owner}G:{told.group}D:P{''.join(f'({entry})' for entry in own)}"


def _without_inheritance(entry: str) -> str:
    kind, flags, rest = entry.split(";", 2)
    own = [flags[place : place + 2] for place in range(0, len(flags), 2) if flags[place : place + 2] != _INHERITED]
    return f"{kind};{''.join(own)};{rest}"


def entries(sddl: str) -> c.Iterator[str]:
    """The access rules, each without its parentheses."""
    access = dict(_parts(sddl)).get("D", "")
    depth = start = 0
    for place, character in enumerate(access):
        if character == "(":
            depth += 1
            start = place + 1 if depth == 1 else start
        elif character == ")":
            depth -= 1
            if depth == 0 and access.count(";", start, place) >= 5:
                yield access[start:place]


def rules(sddl: str) -> c.Iterator[AccessRule]:
    """The access rules that apply to the thing itself, inherited ones too; of kinds that allow or deny."""
    for entry in entries(sddl):
        kind, flags, rights, _object, _inherited, trustee = entry.split(";")[:6]
        if kind in _KINDS and _ONLY_FOR_CHILDREN not in _pairs(flags):
            yield AccessRule(_KINDS[kind], mask_of(rights), trustee.upper(), ";".join(entry.split(";")[6:]))


def mask_of(rights: str) -> int:
    """The bits that SDDL writes as a number or as pairs of letters; unknown pairs count as none."""
    try:
        return int(rights, 16 if rights.lower().startswith("0x") else 10) & 0xFFFFFFFF
    except ValueError:
        return functools.reduce(operator.or_, (_LETTERS.get(pair, 0) for pair in _pairs(rights)), 0)


def may_read(sddl: str, *trustees: str) -> bool:
    """Whether a rule lets one of these trustees read; they are given as SDDL writes them, each under all its names."""
    for entry in entries(sddl):
        kind, _flags_, rights, _object, _inherited, trustee = entry.split(";")[:6]
        if kind == _ALLOWED and trustee in trustees and mask_of(rights) & _READ_BITS:
            return True
    return False


def _parts(sddl: str) -> c.Iterator[tuple[str, str]]:
    """Owner, group, and the two lists, by their letters. A list's entries may have such letters too: only those outside count."""
    outside = [(match.group(1), match.start(), match.end()) for match in _PARTS.finditer(sddl) if _is_outside(sddl, match.start())]
    for number, (letter, _start, end) in enumerate(outside):
        stop = outside[number + 1][1] if number + 1 < len(outside) else len(sddl)
        yield letter, sddl[end:stop]


def _is_outside(sddl: str, place: int) -> bool:
    return sddl.count("(", 0, place) == sddl.count(")", 0, place)


def _flags(access: str) -> set[str]:
    written = _FLAGS.match(access)
    return {"P"} if written and written.group().replace("AI", "").replace("AR", "").startswith("P") else set()


def _pairs(letters: str) -> set[str]:
    return {letters[place : place + 2] for place in range(0, len(letters), 2)}
