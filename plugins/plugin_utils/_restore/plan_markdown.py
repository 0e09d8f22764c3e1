# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document of a plan as Markdown, for a change request or a runbook."""

from __future__ import annotations

import collections.abc as c
import itertools
import typing as t

from .._text import encodable, printable
from .plan_document import Document, DocumentedTask, PlannedItem


def to_markdown(document: Document) -> bytes:
    items = [_item_row(item, document) for item in document["items"]]
    certificates = [(one["thumbprint"], one["subject"], one["state"]) for one in document["certificates"]]
    secrets = [(one["path"], one["action"]) for one in document["secrets"]]
    changes = [f"    {printable(line)}" for line in document["changes"]]
    sections: dict[str, c.Iterable[str]] = {
        "What happens to each thing": _table(
            ("Thing", "Same server", "Another server", "This run", "To do here"), items
        ),
        "Changes": changes or ["None."],
        "Certificates": _table(("Thumbprint", "Subject", "Key"), certificates),
        "Secrets": _table(("Secret", "Action"), secrets),
        "Manual tasks": list(_tasks_lines(document["tasks"])) or ["Nothing."],
    }
    lines = list(_introduction(document))
    for title, content in sections.items():
        lines += ["", f"## {title}", "", *content]
    return encodable("\n".join(lines).rstrip() + "\n").encode()


def _introduction(document: Document) -> c.Iterator[str]:
    yield f"# Restore of {_cell(document['backup'])} to {_cell(document['computer'])}"
    yield ""
    which = "The server takes the place of another." if document["other_server"] else "It is the same server."
    before, after = _cell(document["backup_version"]), _cell(document["server_version"])
    yield f"Access Manager {before} in the backup, {after} on the server. {which}"
    if document["installer"]:
        yield ""
        yield _cell(document["installer"])


def _item_row(item: PlannedItem, document: Document) -> list[str]:
    numbers = [str(number) for number, task in enumerate(document["tasks"], 1) if task["item"] == item["item"]]
    outcomes = [item["same_server"], item["other_server"], item["this_run"]]
    return [item["item"], *outcomes, ", ".join(numbers)]


def _table(heads: c.Sequence[str], rows: c.Sequence[c.Sequence[t.Any]]) -> c.Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(_cell(cell) for cell in row)} |"


def _cell(text: t.Any) -> str:
    """A text that is one cell, and no markup."""
    return "".join(f"\\{letter}" if letter in "\\|*_`[]<>#" else letter for letter in printable(str(text)))


def _tasks_lines(tasks: list[DocumentedTask]) -> c.Iterator[str]:
    return itertools.chain.from_iterable(map(_task_lines, itertools.count(1), tasks))


def _task_lines(number: int, task: DocumentedTask) -> c.Iterator[str]:
    yield f"{number}. {_cell(task['text'])}"
    yield ""
    if task["commands"]:
        yield from (f"        {printable(command)}" for command in task["commands"])
        yield ""
