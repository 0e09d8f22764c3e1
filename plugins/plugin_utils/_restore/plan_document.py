# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a restore as a document: what happens to each thing of Access Manager, what changes, and the manual
tasks.
"""

from __future__ import annotations

import collections.abc as c
import typing as t

from .._contents.contents import Contents
from .._text import json_lines
from .item_outcomes import outcome_of_items
from .items import OUTCOMES, Item, Outcome
from .plan import RESTORABLE, Plan, PlannedReference, Task
from .plan_text import changes_of
from .target_server import TargetServer

FORMAT = 1


class PlannedItem(t.TypedDict):
    """What becomes of a thing of Access Manager, as item_outcomes.py says."""

    item: str
    same_server: str
    other_server: str
    this_run: str


class DocumentedCertificate(t.TypedDict):
    """C(state): here, import, give_key, give_access, or missing when neither the server nor the backup has the key."""

    thumbprint: str
    subject: str
    state: str


class DocumentedSecret(t.TypedDict):
    path: str
    action: str


class DocumentedTask(t.TypedDict):
    """C(item): the thing of the table to which it belongs; empty for others."""

    item: str
    text: str
    commands: list[str]


class Document(t.TypedDict):
    """The plan as data. No secret is in it. Tasks that belong to a thing of the table come first."""

    format: int
    backup: str
    computer: str
    other_server: bool
    backup_version: str
    server_version: str
    installer: str
    would_change: bool
    configured: bool
    items: list[PlannedItem]
    references: list[PlannedReference]
    certificates: list[DocumentedCertificate]
    secrets: list[DocumentedSecret]
    changes: list[str]
    tasks: list[DocumentedTask]


def document_of(
    contents: Contents,
    server: TargetServer,
    plan: Plan,
    *,
    backup: Contents | None = None,
    parts: c.Container[str] = RESTORABLE,
) -> Document:
    """The document of a plan.

    C(backup): as the old server made it, when this is another one. C(parts): those that are restored.
    """
    other_server = backup is not None
    here = _here(outcome_of_items(backup, contents, plan, parts), plan.tasks) if backup else {}
    secrets: list[DocumentedSecret] = [{"path": one["path"], "action": one["action"]} for one in plan.secrets]
    return {
        "format": FORMAT,
        "backup": contents.source.label,
        "computer": server["computer_name"],
        "other_server": other_server,
        "backup_version": contents.configuration.described["installation"]["version"],
        "server_version": server["installation"]["version"],
        "installer": contents.installer,
        "would_change": plan.changed,
        "configured": plan.configured,
        "items": list(_items(here)),
        "references": plan.references,
        "certificates": certificates_of(contents, plan),
        "secrets": secrets,
        "changes": changes_of(plan),
        "tasks": list(_tasks(plan.tasks)),
    }


def _items(here: dict[Item, Outcome]) -> c.Iterator[PlannedItem]:
    for item, (same, other) in OUTCOMES.items():
        this_run = here.get(item, same).value
        yield {"item": item.value, "same_server": same.value, "other_server": other.value, "this_run": this_run}


def _tasks(tasks: c.Iterable[Task]) -> c.Iterator[DocumentedTask]:
    """Those of things that the document lists come first."""
    for task in sorted(tasks, key=lambda task: task.item is None):
        item = task.item.value if task.item else ""
        yield {"item": item, "text": task.text, "commands": list(task.commands)}


def _here(found: dict[Item, Outcome], tasks: c.Iterable[Task]) -> dict[Item, Outcome]:
    """What becomes of each thing in a recovery: an administrator has something to do when a task says so, and not
    otherwise.
    """
    general = {item: _without_task(other) for item, (_same, other) in OUTCOMES.items()}
    return general | found | {task.item: Outcome.MANUAL for task in tasks if task.item is not None}


def _without_task(outcome: Outcome) -> Outcome:
    return Outcome.NOTHING if outcome is Outcome.MANUAL else outcome


def certificates_of(contents: Contents, plan: Plan) -> list[DocumentedCertificate]:
    """Each certificate that the backup's manifest names, or that it holds without one: how the service comes by its
    key.
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
