# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between the JSON files of two configurations: rules, notification channels, and settings."""

from __future__ import annotations

import typing as t

from .._ams.constants import CHANNELS, JSON_FILES, LIST_KEYS, RULES
from .._ams.json_document import Value, find
from .._contents.configuration import Configuration
from .changes import ElementChange, Permissions, SettingChange
from .settings import Settings, compare, compare_grants, elements_of, grants_of, is_decoded, kind_of, plain, settings_of

_AUTHENTICATION = "authentication."
_DETAILED = {"SecurityDescriptor".lower()}


class JsonChanges(t.TypedDict):
    rules: list[ElementChange]
    notification_channels: list[ElementChange]
    authentication: list[SettingChange]
    settings: list[SettingChange]


def json_changes(before: Configuration, after: Configuration) -> JsonChanges:
    changes: JsonChanges = {"rules": [], "notification_channels": [], "authentication": [], "settings": []}
    for file in JSON_FILES:
        if file in before.unreadable or file in after.unreadable:
            continue
        old, new = before.documents.get(file), after.documents.get(file)
        changes["rules"] += _elements(file, RULES, old, new)
        for place, kind in CHANNELS.items():
            changes["notification_channels"] += [
                {**change, "kind": kind} for change in _elements(file, place, old, new)
            ]
        for setting in compare(_other_settings(old), _other_settings(new)):
            setting["file"] = file
            is_authentication = setting["path"].lower().startswith(_AUTHENTICATION)
            changes["authentication" if is_authentication else "settings"].append(setting)
    return changes


def _other_settings(document: Value | None) -> Settings:
    """Those that are neither of rules nor of channels."""
    apart = {place.lower().removesuffix("[]") for place in (RULES, *CHANNELS)}
    return settings_of(document, without=apart) if document else {}


def _rights(before: Value | None, after: Value | None) -> Permissions:
    old = grants_of(before) if before else frozenset()
    grants = compare_grants(old, grants_of(after) if after else frozenset())
    return {**grants, "decoded": all(is_decoded(rule) for rule in (before, after) if rule)}


def _elements(file: str, place: str, before: Value | None, after: Value | None) -> list[ElementChange]:
    """A change for each element of a list that was added, removed or changed, with the rights of a rule."""
    old, new = _by_key(before, place), _by_key(after, place)
    changes: list[ElementChange] = []
    for key in sorted(old.keys() | new.keys()):
        one, other = old.get(key), new.get(key)
        rights = _rights(one, other) if place == RULES else None
        settings = compare(_settings_at(one, place), _settings_at(other, place))
        moved = rights is not None and bool(rights["gained"] or rights["lost"])
        if rights and moved and rights["decoded"]:
            settings = [setting for setting in settings if setting["path"].lower() not in _DETAILED]
        if settings or moved:
            change = _element(key, t.cast(Value, other or one), kind_of(one, other), settings, file)
            changes.append({**change, **rights} if rights else change)
    return changes


def _settings_at(element: Value | None, place: str) -> Settings:
    return settings_of(element, place=place) if element else {}


def _by_key(document: Value | None, place: str) -> dict[str, Value]:
    if document is None:
        return {}
    elements: dict[str, Value] = {}
    for _place, node in find(document, place.removesuffix("[]")):
        elements |= elements_of(node, LIST_KEYS[place])
    return {key.lower(): element for key, element in elements.items()}


def _element(key: str, element: Value, change: str, settings: list[SettingChange], file: str) -> ElementChange:
    def text(*names: str) -> str | None:
        return next(
            (plain(member[1]) for name in names if element.text(name) and (member := element.member(name))), None
        )

    return {
        "change": change,
        "id": text("Id") or key,
        "name": text("Description", "DisplayName"),
        "target": text("Target"),
        "settings": settings,
        "file": file,
    }
