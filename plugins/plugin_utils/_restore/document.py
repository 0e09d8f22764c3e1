# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a restore as a document: what happens to each thing of Access Manager, what changes, and what a person has to do."""

from __future__ import annotations

import collections.abc as c
import json
import typing as t

from .._ams.description import Described
from .._contents.contents import Contents
from .._text import encodable, printable
from .manual_tasks import Task
from .outcome import KEPT, NOT_RESTORED, NOTHING, PERSON, REPROTECTED, RESTORED, REWRITTEN, found_here
from .plan import RESTORABLE, Plan
from .plan_text import lines_of

FORMAT = 1

Document = dict[str, t.Any]

ITEMS: tuple[tuple[str, str, str], ...] = (
    ("appsettings.json, appsecrets.json, apphost.json", RESTORED, REWRITTEN),
    ("references to files in the configuration folder", RESTORED, REWRITTEN),
    ("references to files elsewhere", RESTORED, REWRITTEN),
    ("files elsewhere", RESTORED, RESTORED),
    ("files on shares", PERSON, PERSON),
    ("logo, templates, scripts, other files", RESTORED, RESTORED),
    ("times, attributes, permissions", RESTORED, RESTORED),
    ("database", NOT_RESTORED, NOT_RESTORED),
    ("logs", NOT_RESTORED, NOT_RESTORED),
    ("registry: Path, Version", KEPT, KEPT),
    ("registry: BasePath", RESTORED, KEPT),
    ("registry: ConfigPath, LogPath", RESTORED, KEPT),
    ("registry: orders that are carried out once", RESTORED, KEPT),
    ("registry: other values", RESTORED, RESTORED),
    ("registry: Configured", RESTORED, RESTORED),
    ("registry: ring of data protection keys", NOT_RESTORED, NOT_RESTORED),
    ("service account", PERSON, PERSON),
    ("gMSA", KEPT, PERSON),
    ("KDS root key", KEPT, PERSON),
    ("service: program, start type, dependencies", KEPT, KEPT),
    ("event log", KEPT, KEPT),
    ("prerequisites: .NET, SQL LocalDB, PowerShell", KEPT, KEPT),
    ("modules that scripts load", KEPT, PERSON),
    ("environment variables", PERSON, PERSON),
    ("certificates", RESTORED, RESTORED),
    ("permissions of private keys", RESTORED, RESTORED),
    ("secrets of mode 0", RESTORED, PERSON),
    ("secrets of mode 1", RESTORED, REPROTECTED),
    ("secrets of mode 2", RESTORED, PERSON),
    ("secrets of mode 3", RESTORED, RESTORED),
    ("certificate synchronisation", RESTORED, REPROTECTED),
    ("client certificates: trusted issuers", RESTORED, RESTORED),
    ("web site: ports, host name, path, proxies", RESTORED, RESTORED),
    ("names of domains, directory servers and organizational units", RESTORED, RESTORED),
    ("security identifiers and descriptors of rules", RESTORED, RESTORED),
    ("TLS certificate", PERSON, PERSON),
    ("TLS binding", RESTORED, REWRITTEN),
    ("URL reservations", RESTORED, RESTORED),
    ("firewall", PERSON, PERSON),
    ("external SQL Server", KEPT, PERSON),
    ("licence", RESTORED, RESTORED),
    ("published certificates and passwords in Active Directory", KEPT, KEPT),
    ("SPN", KEPT, PERSON),
    ("DNS and load balancer", KEPT, PERSON),
    ("identity provider", KEPT, PERSON),
    ("mail and webhooks", KEPT, PERSON),
    ("failover cluster", KEPT, PERSON),
)
"""What happens to each thing: on the same server, and on another one."""


def document_of(
    contents: Contents,
    server: Described,
    plan: Plan,
    tasks: c.Sequence[Task],
    *,
    backup: Contents | None = None,
    parts: c.Container[str] = RESTORABLE,
) -> Document:
    """The plan as data. No secret is in it. C(tasks): those that are known with their commands, beside those of the plan.

    C(backup): as the old server made it, when this is another one. C(parts): those that are restored.
    """
    other_server = backup is not None
    here = _here(found_here(backup, contents, plan, parts), tasks) if backup else {}
    told = [{"item": task.item, "text": task.text, "commands": list(task.commands)} for task in tasks]
    sentences = {task.sentence for task in tasks}
    others = [{"item": "", "text": text, "commands": []} for text in plan.tasks if text not in sentences]
    return {
        "format": FORMAT,
        "backup": contents.source.label,
        "computer": server["computer_name"],
        "other_server": other_server,
        "backup_version": contents.configuration.described["installation"].get("version"),
        "server_version": server["installation"]["version"],
        "would_change": plan.changed,
        "configured": plan.configured,
        "items": [
            {"item": item, "same_server": same, "other_server": other, "this_run": here.get(item, same)}
            for item, same, other in ITEMS
        ],
        "references": plan.references,
        "certificates": census(contents, plan),
        "secrets": [{"path": secret["path"], "action": secret["action"]} for secret in plan.secrets],
        "changes": [line for line in lines_of(plan) if not line.startswith("!")],
        "tasks": told + others,
    }


def _here(found: dict[str, str], tasks: c.Sequence[Task]) -> dict[str, str]:
    """What becomes of each thing in a recovery: a person has something to do when a task says so, and not otherwise."""
    told = {task.item for task in tasks}
    general = {item: NOTHING if other == PERSON else other for item, _same, other in ITEMS}
    return general | found | {item: PERSON for item in told if item in general}


def census(contents: Contents, plan: Plan) -> list[dict[str, str]]:
    """Each certificate that the backup's manifest names, or that it holds without one: how the service comes by its key.

    C(state): here, import, give_key, give_access, or missing when neither the server nor the backup has the key.
    """
    actions = {one["thumbprint"]: one["action"] for one in plan.certificates}
    named = dict.fromkeys(contents.certificates or {}, "")
    named |= {one["thumbprint"]: one["subject"] for one in (contents.source.manifest or {}).get("certificates", [])}
    return [
        {
            "thumbprint": thumbprint,
            "subject": subject,
            "state": actions.get(thumbprint) or ("here" if thumbprint in plan.usable_certificates else "missing"),
        }
        for thumbprint, subject in named.items()
    ]


def to_json(document: Document) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def to_markdown(document: Document) -> bytes:
    lines = [
        f"# Restore of {_cell(document['backup'])} to {_cell(document['computer'])}",
        "",
        f"Access Manager {_cell(document['backup_version'])} in the backup, {_cell(document['server_version'])} on the server. "
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
        "## For a person",
        "",
        *([line for number, task in enumerate(document["tasks"], 1) for line in _task_lines(number, task)] or ["Nothing."]),
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


def _task_lines(number: int, task: dict[str, t.Any]) -> c.Iterator[str]:
    yield f"{number}. {_cell(task['text'])}"
    yield ""
    if task["commands"]:
        yield from (f"        {printable(command)}" for command in task["commands"])
        yield ""
