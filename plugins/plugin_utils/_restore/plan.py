# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a restore, as data: what has to change on a server, and what an administrator has to do."""

from __future__ import annotations

import dataclasses
import typing as t

from .._ams.description import Record
from .items import Item

_ON_CONTROLLER = "ansible-playbook "
RESTORABLE = ("config", "certificates", "registry", "external")


@dataclasses.dataclass(frozen=True)
class RestoreOptions:
    """What is to be restored, and how.

    C(files): only these, by their names in the backup in lower case; None for all.
    """

    parts: frozenset[str] = frozenset(RESTORABLE)
    files: frozenset[str] | None = None
    mirror: bool = True
    include_database: bool = False
    start: bool = False
    require_secrets: bool = True
    allow_version_mismatch: bool = False


@dataclasses.dataclass(frozen=True)
class Task:
    """What an administrator has to do. C(item): the thing of the plan's table to which it belongs, if any.

    C(commands): PowerShell, but for ansible-playbook.
    """

    item: Item | None
    text: str
    commands: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        here = [command for command in self.commands if command.startswith(_ON_CONTROLLER)]
        there = [command for command in self.commands if command not in here]
        runs = f" Run: {' ; '.join(there)}" if there else ""
        return self.text + runs + "".join(f" Then, on the controller: {command}" for command in here)


@dataclasses.dataclass
class Plan:
    """What has to change, as data for the target's half. C(tasks): what an administrator has to do.

    files: records with C(action) add, replace, set or remove, and C(set), what of a kept one is set.
    registry: C(set) and C(remove). http_sys: C(add) and C(remove), each of C(bindings) and C(reservations).
    certificates: C(thumbprint) and C(action) import, give_key or give_access. secrets: C(path), C(file) and C(action)
    keep, here (the server's own file has it, protected for this server already), protect, enter, clear or untested.
    configured: whether the server must be so afterwards. references: what names a file and is written with another
    path, as C(file), C(key), C(before) and C(after). usable_certificates: thumbprints of those whose keys the service
    must be able to read.
    """

    files: list[Record] = dataclasses.field(default_factory=list)
    registry: dict[str, list[Record]] = dataclasses.field(default_factory=lambda: {"set": [], "remove": []})
    http_sys: dict[str, dict[str, list[Record]]] = dataclasses.field(
        default_factory=lambda: {"add": _no_http(), "remove": _no_http()}
    )
    certificates: list[Record] = dataclasses.field(default_factory=list)
    secrets: list[Record] = dataclasses.field(default_factory=list)
    usable_certificates: list[str] = dataclasses.field(default_factory=list)
    references: list[Record] = dataclasses.field(default_factory=list)
    tasks: list[Task] = dataclasses.field(default_factory=list)
    configured: bool = False
    stop: bool = False
    start: bool = False

    @property
    def changes_server(self) -> bool:
        """Whether anything but certificates changes."""
        http_sys = any(any(kinds.values()) for kinds in self.http_sys.values())
        return bool(self.files or self.registry["set"] or self.registry["remove"] or http_sys)

    @property
    def changed(self) -> bool:
        return bool(self.changes_server or self.certificates or self.start)

    def add_task(self, text: str) -> None:
        """Leaves something to an administrator."""
        self.tasks.append(Task(None, text))

    def as_data(self) -> dict[str, t.Any]:
        """What the target needs of it."""
        return dataclasses.asdict(dataclasses.replace(self, tasks=[]))


def _no_http() -> dict[str, list[Record]]:
    return {"bindings": [], "reservations": []}
