# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A comparison for people, line by line.

What came from a server or a backup is shown without its control characters.
"""

from __future__ import annotations

import collections.abc as c
import itertools
import json
import typing as t

from .._ams.constants import JSON_FILES
from .._text import printable
from .._windows.sids import name_of
from .changes import (
    CertificateChange,
    Comparison,
    ElementChange,
    FileChange,
    NamedChange,
    RightChange,
    SecretChange,
    SettingChange,
)

SIGNS = {"added": "+", "removed": "-", "changed": "~", "protected_again": "=", "unknown": "?"}
LONGEST = 120
"""Letters of a value that are shown."""

_SECRETS = {
    "added": "is new",
    "removed": "is gone",
    "changed": "has another value",
    "protected_again": "has the same value, protected again",
    "unknown": "is protected again; whether its value changed is not known",
}
_UNDECODED = "its security descriptor cannot be decoded: accounts may have more or fewer rights than is shown here"
_CERTIFICATES = {
    "exported": {True: "its private key can be backed up now", False: "its private key can no longer be backed up"},
    "key": "its key, its store, or who may read the key, is another",
}


def lines_of(comparison: Comparison) -> list[str]:
    """The comparison in lines: a heading for each group in which something differs, and its changes below."""
    lines: list[str] = []
    groups: c.Mapping[str, t.Any] = comparison
    for group, (heading, write) in _WRITERS.items():
        if changes := groups[group]:
            lines.append(heading)
            lines += [f"  {line}" for line in itertools.chain.from_iterable(map(write, changes))]
    return lines


def shown(value: t.Any) -> str:
    """A value on one line: no control characters, nothing that changes the direction of text, and not without end.

    A well-known SID is shown with its name.
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    name = name_of(text) if text.startswith("S-1-") else None
    if name:
        return f"{name} ({text})"
    clean = printable(text)
    return clean if len(clean) <= LONGEST else f"{clean[:LONGEST]}..."


# ---- one change ----


def _element(change: ElementChange) -> c.Iterator[str]:
    """A rule or a channel: what it is, and what is other with it."""
    names = [f'"{shown(change["name"])}"' if change["name"] else "", f"({shown(change['id'])})"]
    kind = f"{change['kind']} " if "kind" in change else ""
    yield f"{SIGNS[change['change']]} {kind}{' '.join(name for name in names if name)}"
    if change["target"]:
        yield f"    on {shown(change['target'])}"
    yield from (f"    {line}" for line in _grants(change))
    if not change.get("decoded", True):
        yield f"    ? {_UNDECODED}"
    if change["change"] == "changed" or not change.get("decoded", True):
        yield from (f"    {line}" for line in itertools.chain.from_iterable(map(_setting, change["settings"])))


def _grants(change: ElementChange | FileChange) -> c.Iterator[str]:
    """A line for each trustee that gains or loses: its rights together."""
    sides = (("+", "gained", change.get("gained", [])), ("-", "lost", change.get("lost", [])))
    for sign, kind, gained_or_lost in sides:
        rights: dict[tuple[str, ...], list[str]] = {}
        for one in gained_or_lost:
            rights.setdefault((one["access"], _trustee(one), one.get("condition", "")), []).append(one["right"])
        for (access, name, condition), granted in rights.items():
            verb = _VERBS[access][kind]
            yield f"{sign} {name} {verb}: {', '.join(granted)}" + (f" (if {shown(condition)})" if condition else "")


_VERBS = {
    "allow": {"gained": "gains", "lost": "loses"},
    "deny": {"gained": "is now denied", "lost": "is no longer denied"},
    "owner": {"gained": "is now", "lost": "is no longer"},
}


def _trustee(grant: RightChange) -> str:
    return f"{grant['name']} ({grant['trustee']})" if grant["name"] else shown(grant["trustee"])


def _setting(change: SettingChange | NamedChange) -> c.Iterator[str]:
    file = str(change.get("file", JSON_FILES[0]))
    where = f"{file}: " if file != JSON_FILES[0] else ""
    before, after = change["before"], change["after"]
    head = f"{SIGNS[change['change']]} {where}{shown(change.get('path') or change.get('name'))}"
    if before is None and after is None and not change["secret"] and change["change"] == "changed":
        yield head
    elif change["secret"]:
        yield f"{head}: {_SECRETS[change['change']]}"
    elif isinstance(before, list) and isinstance(after, list):
        yield f"{head}:"
        yield from (f"    {line}" for line in _list(before, after))
    elif change["change"] == "changed":
        yield f"{head}: {shown(before)} -> {shown(after)}"
    else:
        yield f"{head}: {shown(after if change['change'] == 'added' else before)}"


def _by_content(values: list[t.Any]) -> dict[str, t.Any]:
    return {json.dumps(value, sort_keys=True): value for value in values}


def _list(before: list[t.Any], after: list[t.Any]) -> c.Iterator[str]:
    """What a list gains and loses; or its order, when that is all that differs."""
    old, new = _by_content(before), _by_content(after)
    yield from (f"+ {shown(one)}" for key, one in new.items() if key not in old)
    yield from (f"- {shown(one)}" for key, one in old.items() if key not in new)
    if old.keys() == new.keys():
        yield f"~ {shown(before)} -> {shown(after)}"


def _secret(change: SecretChange) -> c.Iterator[str]:
    yield f"{SIGNS[change['change']]} {shown(change['path'])} {_SECRETS[change['change']]}"


def _registry(change: NamedChange) -> c.Iterator[str]:
    name = f"{change['key']}\\{change['name']}" if change["key"] else change["name"]
    yield from _setting(change | {"name": name})


def _http_sys(change: NamedChange) -> c.Iterator[str]:
    names = {"binding": "TLS binding", "reservation": "URL reservation"}
    yield from _setting(change | {"name": f"{names[change['kind']]} {change['name']}"})


def _certificate(change: CertificateChange) -> c.Iterator[str]:
    yield (
        f"{SIGNS[change['change']]} {shown(change['thumbprint'])} ({shown(change['subject'])}), valid until "
        f"{shown(str(change['not_after'])[:10])}{_certificate_detail(change)}"
    )


def _certificate_detail(change: CertificateChange) -> str:
    if change["change"] == "added":
        return "" if change["exported"] else ": its private key cannot be backed up"
    details = {"exported": _CERTIFICATES["exported"][bool(change["exported"])], "key": _CERTIFICATES["key"]}  # type: ignore[index]
    return "".join(f": {details[what]}" for what in change["what"])


def _file(change: FileChange) -> c.Iterator[str]:
    what = f" ({', '.join(change['what'])})" if change["what"] else ""
    yield f"{SIGNS[change['change']]} {shown(change['source'] or change['path'])}{what}"
    yield from (f"    {line}" for line in _grants(change))
    if not change["decoded"]:
        yield f"    ? {_UNDECODED}"


_WRITERS: dict[str, tuple[str, c.Callable[[t.Any], c.Iterator[str]]]] = {
    "rules": ("Rules", _element),
    "notification_channels": ("Notification channels", _element),
    "authentication": ("Authentication", _setting),
    "settings": ("Other settings", _setting),
    "secrets": ("Secrets", _secret),
    "certificates": ("Certificates", _certificate),
    "files": ("Files", _file),
    "registry": ("Registry", _registry),
    "http_sys": ("HTTP.sys", _http_sys),
    "server": ("Server", _setting),
}
