# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a comparison finds, as the result of backup_diff has it. A value that is secret is None and marked."""

from __future__ import annotations

import typing as t

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
PROTECTED_AGAIN, UNKNOWN = "protected_again", "unknown"
"""Of secrets: the value is the same; it is protected again and its value is not known."""


class RightChange(t.TypedDict):
    """A right that a trustee gains or loses. C(access): allow, deny, or owner."""

    access: str
    trustee: str
    name: str | None
    right: str
    condition: t.NotRequired[str]


class GrantChanges(t.TypedDict):
    gained: list[RightChange]
    lost: list[RightChange]


class Permissions(GrantChanges):
    """C(decoded): whether the security descriptors were understood as a whole."""

    decoded: bool


class SettingChange(t.TypedDict):
    """A setting of the JSON files. C(file): none within an element of a list."""

    change: str
    path: str
    before: t.Any
    after: t.Any
    secret: bool
    file: t.NotRequired[str]


class NamedChange(t.TypedDict):
    """A registry value (C(key)), a thing of HTTP.sys (C(kind)), or a setting of the server."""

    change: str
    name: str
    before: t.Any
    after: t.Any
    secret: bool
    key: t.NotRequired[str]
    kind: t.NotRequired[str]


class ElementChange(t.TypedDict):
    """A rule, with the rights that change, or a notification channel, with its kind."""

    change: str
    id: str
    name: str | None
    target: str | None
    settings: list[SettingChange]
    file: str
    kind: t.NotRequired[str]
    gained: t.NotRequired[list[RightChange]]
    lost: t.NotRequired[list[RightChange]]
    decoded: t.NotRequired[bool]


class SecretChange(t.TypedDict):
    change: str
    path: str


class CertificateChange(t.TypedDict):
    change: str
    thumbprint: str
    subject: str
    not_before: str
    not_after: str
    exported: bool
    what: list[str]


class FileChange(Permissions):
    change: str
    path: str
    source: str | None
    what: list[str]


class Comparison(t.TypedDict):
    """The changes by group, in the order in which people want to read them; None where there was nothing to compare.

    C(basis): contents, or inventories alone.
    """

    basis: str
    rules: list[ElementChange] | None
    notification_channels: list[ElementChange] | None
    authentication: list[SettingChange] | None
    settings: list[SettingChange] | None
    secrets: list[SecretChange] | None
    registry: list[NamedChange] | None
    http_sys: list[NamedChange] | None
    certificates: list[CertificateChange] | None
    files: list[FileChange] | None
    server: list[NamedChange] | None
