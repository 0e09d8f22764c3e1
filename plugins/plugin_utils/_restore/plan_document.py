# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a restore as a document: what happens to each thing of Access Manager, what changes, and the manual
tasks.
"""

from __future__ import annotations

import collections.abc as c
import itertools
import typing as t

from .._contents.contents import Contents
from .._text import encodable, json_lines, printable
from .item_outcomes import outcome_of_items
from .items import OUTCOMES, Item, Outcome
from .plan import RESTORABLE, Plan, Task
from .plan_text import lines_of
from .target_server import TargetServer

FORMAT = 1

Document = dict[str, t.Any]


def document_of(
    contents: Contents,
    server: TargetServer,
    plan: Plan,
    *,
    backup: Contents | None = None,
    parts: c.Container[str] = RESTORABLE,
) -> Document:
    """The plan as data. No secret is in it. Tasks that belong to a thing of the table come first.

    C(backup): as the old server made it, when this is another one. C(parts): those that are restored.
    """
    other_server = backup is not None
    here = _here(outcome_of_items(backup, contents, plan, parts), plan.tasks) if backup else {}
    tasks = sorted(plan.tasks, key=lambda task: task.item is None)
    return {
        "format": FORMAT,
        "backup": contents.source.label,
        "computer": server["computer_name"],
        "other_server": other_server,
        "backup_version": contents.configuration.described["installation"]["version"],
        "server_version": server["installation"]["version"],
        "would_change": plan.changed,
        "configured": plan.configured,
        "items": [
            {
                "item": item.value,
                "same_server": same.value,
                "other_server": other.value,
                "this_run": here.get(item, same).value,
            }
            for item, (same, other) in OUTCOMES.items()
        ],
        "references": plan.references,
        "certificates": census(contents, plan),
        "secrets": [{"path": secret["path"], "action": secret["action"]} for secret in plan.secrets],
        "changes": [line for line in lines_of(plan) if not line.startswith("!")],
        "tasks": [
            {"item": task.item.value if task.item else "", "text": task.text, "commands": list(task.commands)}
            for task in tasks
        ],
    }


def _here(found: dict[Item, Outcome], tasks: c.Iterable[Task]) -> dict[Item, Outcome]:
    """What becomes of each thing in a recovery: an administrator has something to do when a task says so, and not
    otherwise.
    """
    general = {item: _without_task(other) for item, (_same, other) in OUTCOMES.items()}
    return general | found | {task.item: Outcome.MANUAL for task in tasks if task.item is not None}


def _without_task(outcome: Outcome) -> Outcome:
    return Outcome.NOTHING if outcome is Outcome.MANUAL else outcome


def census(contents: Contents, plan: Plan) -> list[dict[str, str]]:
    """Each certificate that the backup's manifest names, or that it holds without one: how the service comes by its
    key.

    C(state): here, import, give_key, give_access, or missing when neither the server nor the backup has the key.
    """
    actions = {one["thumbprint"]: one["action"] for one in plan.certificates}
    named = dict.fromkeys(contents.certificates or {}, "")
    named |= {one["thumbprint"]: one["subject"] for one in contents.source.certificates}
    return [
        {
            "thumbprint": thumbprint,
            "subject": subject,
            "state": actions.get(thumbprint) or ("here" if thumbprint in plan.usable_certificates else "missing"),
        }
        for thumbprint, subject in named.items()
    ]


def to_json(document: Document) -> bytes:
    return json_lines(document).encode()


def to_markdown(document: Document) -> bytes:
    lines = [
        f"# Restore of {_cell(document['backup'])} to {_cell(document['computer'])}",
        "",
        f"Access Manager {_cell(document['backup_version'])} in the backup, {_cell(document['server_version'])} on "
        "the server. "
        + ("The server takes the place of another." if document["other_server"] else "It is the same server."),
        "",
        "## What happens to each thing",
        "",
        *_table(
            ("Thing", "Same server", "Another server", "This run", "To do here"),
            [_item_row(item, document) for item in document["items"]],
        ),
        "",
        "## Changes",
        "",
        *([f"    {printable(line)}" for line in document["changes"]] or ["None."]),
        "",
        "## Certificates",
        "",
        *_table(("Thumbprint", "Subject", "Key"), [list(one.values()) for one in document["certificates"]]),
        "",
        "## Secrets",
        "",
        *_table(("Secret", "Action"), [list(one.values()) for one in document["secrets"]]),
        "",
        "## Manual tasks",
        "",
        *(_tasks_lines(document["tasks"]) if document["tasks"] else ["Nothing."]),
    ]
    return encodable("\n".join(lines).rstrip() + "\n").encode()


def _item_row(item: dict[str, str], document: Document) -> list[str]:
    numbers = [str(number) for number, task in enumerate(document["tasks"], 1) if task["item"] == item["item"]]
    return [*item.values(), ", ".join(numbers)]


def _table(heads: c.Sequence[str], rows: c.Sequence[c.Sequence[t.Any]]) -> c.Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(_cell(cell) for cell in row)} |"


def _cell(text: t.Any) -> str:
    """A text that is one cell, and no markup."""
    return "".join(f"\\{letter}" if letter in "\\|*_`[]<>#" else letter for letter in printable(str(text)))


def _tasks_lines(tasks: list[dict[str, t.Any]]) -> c.Iterator[str]:
    return itertools.chain.from_iterable(map(_task_lines, itertools.count(1), tasks))


def _task_lines(number: int, task: dict[str, t.Any]) -> c.Iterator[str]:
    yield f"{number}. {_cell(task['text'])}"
    yield ""
    if task["commands"]:
        yield from (f"        {printable(command)}" for command in task["commands"])
        yield ""
