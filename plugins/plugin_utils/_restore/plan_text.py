# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a restore for an administrator: a line for each change and each task."""

from __future__ import annotations

import collections.abc as c
import itertools

from .._ams.constants import is_secret_name, is_secret_value
from .._ams.shapes import HttpSys, RegistryValue
from .._text import printable
from .._windows.tls_binding import words_of
from .plan import Plan, PlannedFile, PlannedValue

_CERTIFICATE_WORDS = {
    "import": "import it with its private key",
    "give_key": "give it its private key",
    "give_access": "let the service read its private key",
}
_SECRET_WORDS = {
    "protect": "protect it for this server",
    "enter": "an administrator has to enter it again",
    "untested": "restored as it is, without a test",
}
_MORE = "  and {more} files more, which the plan in a file names (restore_plan_json, restore_plan_markdown)"


def _file_lines(record: PlannedFile) -> c.Iterator[str]:
    sign = {"add": "+", "replace": "~", "set": "~", "remove": "-"}[record["action"]]
    how = ", ".join([*(["content"] if record["action"] == "replace" else []), *record["set"]])
    yield f"{sign} {record['path']}" + (f" ({how})" if how else "")


def _value_name(value: RegistryValue) -> str:
    return f"{value['key']}\\{value['name']}" if value["key"] else value["name"]


def _registry_line(value: PlannedValue) -> str:
    is_secret = is_secret_name(value["name"]) or any(map(is_secret_value, (value["before"], value["data"])))
    change = "not shown" if is_secret else f"{value['before']} -> {value['data']}"
    return f"{'+' if value['before'] is None else '~'} registry {_value_name(value)}: {change}"


def _http_lines(kinds: HttpSys) -> list[str]:
    lines = [f"TLS binding {record['endpoint']} of certificate {words_of(record)}" for record in kinds["bindings"]]
    return lines + [f"URL reservation {record['url']}" for record in kinds["reservations"]]


def lines_of(plan: Plan, most_files: int | None = None) -> list[str]:
    """The plan for an administrator: a line for each change and each task. C(most_files): that are named."""
    return [*changes_of(plan, most_files), *(printable(f"! {task.sentence}") for task in plan.tasks)]


def changes_of(plan: Plan, most_files: int | None = None) -> list[str]:
    """Its changes alone."""
    lines = list(itertools.chain.from_iterable(map(_file_lines, plan.files[:most_files])))
    if len(plan.files) > len(lines):
        lines.append(_MORE.format(more=len(plan.files) - len(lines)))
    lines += [f"~ {one['key']} in {one['file']}: {one['before']} -> {one['after']}" for one in plan.references]
    lines += [_registry_line(value) for value in plan.registry["set"]]
    lines += [f"- registry {_value_name(value)}" for value in plan.registry["remove"]]
    lines += [f"- {line}" for line in _http_lines(plan.http_sys["remove"])]
    lines += [f"+ {line}" for line in _http_lines(plan.http_sys["add"])]
    lines += certificate_lines_of(plan)
    lines += [
        f"~ secret {one['path']}: {_SECRET_WORDS[one['action']]}"
        for one in plan.secrets
        if one["action"] in _SECRET_WORDS
    ]
    if plan.stop:
        lines.append("* service: stop")
    if plan.start:
        lines.append("* service: start")
    return list(map(printable, lines))


def certificate_lines_of(plan: Plan) -> list[str]:
    return [f"+ certificate {one['thumbprint']}: {_CERTIFICATE_WORDS[one['action']]}" for one in plan.certificates]
