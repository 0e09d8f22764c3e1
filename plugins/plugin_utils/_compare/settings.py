# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access Manager's JSON by meaning: settings by path, elements of lists by what names them, and what differs between
two.

The order of keys and of named elements, comments and spaces mean nothing. A secret's value is compared and never shown.
"""

from __future__ import annotations

import collections
import collections.abc as c
import dataclasses
import typing as t

from .._ams.constants import CLEAR_SECRETS, LIST_KEYS, PROTECTED_SECRETS, RIGHTS, is_secret_name, is_secret_value
from .._ams.json_document import Value
from .._text import encodable
from .._windows import sddl
from .._windows.sids import name_of, sid_of
from .changes import ADDED, CHANGED, REMOVED, GrantChanges, RightChange, SettingChange

DESCRIPTOR = "SecurityDescriptor"

Grant = tuple[str, str, str, str]
"""Access (allow or deny), trustee, right, condition."""

_SECRET_PLACES = frozenset(path.lower() for path in CLEAR_SECRETS)
_PROTECTED_PLACES = frozenset(path.lower() for path in PROTECTED_SECRETS)
_KEYS = {place.lower(): key for place, key in LIST_KEYS.items()}


@dataclasses.dataclass(frozen=True)
class Setting:
    """A value of the JSON that is no object. C(steps): its keys as they are written, elements of lists in brackets.

    C(secret): its value is never shown.
    """

    steps: tuple[str, ...]
    value: t.Any
    secret: bool = False

    @property
    def path(self) -> str:
        return "".join(step if step.startswith("[") else f".{step}" for step in self.steps).removeprefix(".")


Settings = dict[tuple[str, ...], Setting]
"""By their steps in lower case: Access Manager ignores the case of keys."""


def settings_of(node: Value, *, without: c.Container[str] = (), place: str = "") -> Settings:
    """The settings of a document or of a part of it that stands at C(place), such as
    C(Authorization.ComputerTargets[]).

    C(without): places in lower case that are left out, with all that is below. Known protected secrets always are.
    """
    found = _walk(node, place.lower(), (), without)
    return {tuple(map(str.lower, setting.steps)): setting for setting in found}


def elements_of(node: Value, key: str) -> dict[str, Value]:
    """The elements of a list by the value of a key; one that has no value of its own, by its number.

    No element hides another.
    """
    elements = node.value if isinstance(node.value, list) else []
    names = [element.text(key) or "" for element in elements]
    numbers = [f"#{number}" for number in range(len(elements))]
    taken = collections.Counter([name.lower() for name in names] + numbers + [""])
    return {
        number if taken[name.lower()] > 1 or not name else name: element
        for name, number, element in zip(names, numbers, elements, strict=True)
    }


def compare(before: Settings, after: Settings) -> list[SettingChange]:
    """A change for each setting that differs."""
    changes: list[SettingChange] = []
    for steps in sorted(before.keys() | after.keys()):
        old, new = before.get(steps), after.get(steps)
        if old and new and _same(old.value, new.value):
            continue
        known = t.cast(Setting, new or old)
        secret = any(one.secret for one in (old, new) if one)
        changes.append(
            {
                "change": kind_of(old, new),
                "path": known.path,
                "before": _shown(old, secret=secret),
                "after": _shown(new, secret=secret),
                "secret": secret,
            }
        )
    return changes


def _shown(setting: Setting | None, *, secret: bool) -> t.Any:
    return None if setting is None or secret else setting.value


def kind_of(before: object, after: object) -> str:
    """What happened to a thing that was or is None."""
    if before is None:
        return ADDED
    return REMOVED if after is None else CHANGED


# ---- rules ----


def grants_of(rule: Value) -> frozenset[Grant]:
    """What a rule gives and denies, to whom; nothing when it is disabled, or when a script decides."""
    grants: set[Grant] = set()
    for entry in sddl.rules(_descriptor_of(rule)):
        grants |= {(entry.access, sid_of(entry.trustee), right, entry.condition) for right in _rights(entry.mask)}
    return frozenset(grants)


def is_decoded(rule: Value) -> bool:
    """Whether C(grants_of) shows all that a rule gives and denies."""
    descriptor = _descriptor_of(rule)
    return not descriptor or sddl.is_decoded(descriptor)


def _descriptor_of(rule: Value) -> str:
    """The security descriptor that decides; empty when none does."""
    disabled, mode = rule.member("Disabled"), rule.text("AuthorizationMode")
    if (disabled and disabled[1].value is True) or (mode or DESCRIPTOR).lower() != DESCRIPTOR.lower():
        return ""
    return rule.text(DESCRIPTOR) or ""


def compare_grants(before: c.Set[Grant], after: c.Set[Grant]) -> GrantChanges:
    """What is gained and lost."""
    gained, lost = sorted(after - before, key=_order), sorted(before - after, key=_order)
    return {"gained": list(map(_described, gained)), "lost": list(map(_described, lost))}


def _order(grant: Grant) -> tuple[str, str, int, Grant]:
    """By trustee, and its rights as Access Manager lists them."""
    names = list(RIGHTS.values())
    return grant[0], grant[1], names.index(grant[2]) if grant[2] in names else len(names), grant


def _described(grant: Grant) -> RightChange:
    access, trustee, right, condition = grant
    described: RightChange = {"access": access, "trustee": trustee, "name": name_of(trustee), "right": right}
    if condition:
        described["condition"] = condition
    return described


def _rights(mask: int) -> c.Iterator[str]:
    for bit, name in RIGHTS.items():
        if mask & bit:
            yield name
    other = mask & ~sum(RIGHTS)
    if other and mask != sddl.EVERYTHING:
        yield f"rights 0x{other:x}"


# ---- walking ----


def _walk(node: Value, place: str, steps: tuple[str, ...], without: c.Container[str]) -> c.Iterator[Setting]:
    if place in without or (place in _PROTECTED_PLACES and node.member("Data")):
        return
    secret = place in _SECRET_PLACES or (node.member("Data") is not None and node.member("Salt") is not None)
    if isinstance(node.value, dict) and node.value and not secret:
        for name, member in node.value.items():
            inner = _walk(member, f"{place}.{name}".lower().removeprefix("."), (*steps, name), without)
            hidden = is_secret_name(name) or (name.lower() == "value" and _names_a_secret(node))
            yield from (_hidden(setting) for setting in inner) if hidden else inner
    elif _has_objects(node) and not secret:
        listed = f"{place}[]"
        for name, element in elements_of(node, _KEYS.get(listed, "Id")).items():
            yield from _walk(element, listed, (*steps, f"[{name}]"), without)
    else:
        value = plain(node)
        yield Setting(steps, value, secret or any(map(is_secret_value, value if isinstance(value, list) else [value])))


def _names_a_secret(node: Value) -> bool:
    """Whether an object is a pair of Name and Value, such as a header, whose name says that the value may be secret."""
    named = node.member("Name")
    name = named[1].value if named else None
    return isinstance(name, str) and (is_secret_name(name) or name.lower().endswith("authorization"))


def _hidden(setting: Setting) -> Setting:
    """A setting whose name says that it may be secret. A switch cannot be."""
    return (
        setting
        if setting.value is None or isinstance(setting.value, bool)
        else dataclasses.replace(setting, secret=True)
    )


def _has_objects(node: Value) -> bool:
    return isinstance(node.value, list) and any(isinstance(element.value, (dict, list)) for element in node.value)


def plain(node: Value) -> t.Any:
    """A value as data, without where it stands."""
    if isinstance(node.value, dict):
        return {name: plain(member) for name, member in node.value.items()}
    if isinstance(node.value, list):
        return [plain(element) for element in node.value]
    if isinstance(node.value, str):
        return encodable(node.value)
    return node.value


def _same(one: t.Any, other: t.Any) -> bool:
    """Whether two values are the same; true is not 1."""
    return type(one) is type(other) and one == other
