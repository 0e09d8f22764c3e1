# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a restore, as data: what has to change on a server, and what an administrator has to do."""

from __future__ import annotations

import dataclasses
import typing as t

from .._ams.secret_use import signs_in
from .._ams.shapes import HttpSys, RegistryData, RegistryValue
from .items import Item

_ON_CONTROLLER = "ansible-playbook "
RESTORABLE = ("config", "certificates", "registry", "external")


@dataclasses.dataclass(frozen=True)
class RestoreOptions:
    """What is to be restored, and how.

    C(files): only these, by their names in the backup in lower case; None for all. C(tls_thumbprint): of the
    certificate that was asked for by name, which is bound whenever it ends.
    """

    parts: frozenset[str] = frozenset(RESTORABLE)
    files: frozenset[str] | None = None
    mirror: bool = True
    include_database: bool = False
    start: bool = False
    require_secrets: bool = True
    allow_version_mismatch: bool = False
    tls_thumbprint: str | None = None


@dataclasses.dataclass(frozen=True)
class Task:
    """What an administrator has to do. C(item): the thing of the plan's table to which it belongs, if any.

    C(commands): PowerShell, but for ansible-playbook. C(secret): the path of one that the service may not open until
    this is done.
    """

    item: Item | None
    text: str
    commands: tuple[str, ...] = ()
    secret: str = ""

    @property
    def sentence(self) -> str:
        here = [command for command in self.commands if command.startswith(_ON_CONTROLLER)]
        there = [command for command in self.commands if command not in here]
        runs = f" Run: {' ; '.join(there)}" if there else ""
        return self.text + runs + "".join(f" Then, on the controller: {command}" for command in here)


KeyAction = t.Literal["import", "give_key", "give_access"]
SecretAction = t.Literal["keep", "here", "protect", "enter", "clear", "untested"]


class WantedFile(t.TypedDict):
    """A file or folder of the backup, under its name there and at its path on the server."""

    name: str
    path: str
    kind: t.Literal["file", "folder"]
    created: str
    modified: str
    attributes: int
    sddl: str
    sha256: t.NotRequired[str]
    size: t.NotRequired[int]


class FileChange(t.TypedDict):
    """C(set): what of a kept one is set. C(before), C(size_before): of what is there now."""

    action: t.Literal["add", "replace", "set", "remove"]
    set: list[str]
    before: str | None
    size_before: int


class PlannedFile(FileChange):
    """A file or folder. One that is removed has no more than its name, path and kind."""

    name: str
    path: str
    kind: t.Literal["file", "folder"]
    created: t.NotRequired[str]
    modified: t.NotRequired[str]
    attributes: t.NotRequired[int]
    sddl: t.NotRequired[str]
    sha256: t.NotRequired[str]
    size: t.NotRequired[int]


class PlannedValue(RegistryValue):
    """C(before): the data that the value has now."""

    before: RegistryData


class PlannedRegistry(t.TypedDict):
    set: list[PlannedValue]
    remove: list[RegistryValue]


class PlannedHttpSys(t.TypedDict):
    add: HttpSys
    remove: HttpSys


class PlannedCertificate(t.TypedDict):
    thumbprint: str
    action: KeyAction


class PlannedSecret(t.TypedDict):
    """C(action): C(here) when the server's own file has it, protected for this server already."""

    path: str
    file: str
    action: SecretAction


class PlannedReference(t.TypedDict):
    """What names a file, and is written with another path."""

    file: str
    key: str
    before: str
    after: str


@dataclasses.dataclass
class Plan:
    """What has to change, as data for the target's half. C(tasks): what an administrator has to do.

    configured: whether the server must be so afterwards. imported: whether its service imports the JSON files, and puts
    them aside. usable_certificates: thumbprints of those whose keys the
    service must be able to read.
    """

    files: list[PlannedFile] = dataclasses.field(default_factory=list)
    registry: PlannedRegistry = dataclasses.field(default_factory=lambda: PlannedRegistry(set=[], remove=[]))
    http_sys: PlannedHttpSys = dataclasses.field(
        default_factory=lambda: PlannedHttpSys(add=_no_http(), remove=_no_http())
    )
    certificates: list[PlannedCertificate] = dataclasses.field(default_factory=list)
    secrets: list[PlannedSecret] = dataclasses.field(default_factory=list)
    usable_certificates: list[str] = dataclasses.field(default_factory=list)
    references: list[PlannedReference] = dataclasses.field(default_factory=list)
    tasks: list[Task] = dataclasses.field(default_factory=list)
    configured: bool = False
    imported: bool = False
    stop: bool = False
    start: bool = False

    @property
    def changes_server(self) -> bool:
        """Whether anything but certificates changes."""
        http_sys = [*self.http_sys["add"].values(), *self.http_sys["remove"].values()]
        return bool(self.files or any(self.registry.values()) or any(http_sys))

    @property
    def changed(self) -> bool:
        return bool(self.changes_server or self.certificates or self.start)

    @property
    def announced(self) -> list[str]:
        """The secrets without which nobody can sign in, and of which a task says that the service may not open them."""
        return sorted({task.secret for task in self.tasks if signs_in(task.secret)})

    def add_task(self, text: str, *, secret: str = "") -> None:
        """Leaves something to an administrator."""
        self.tasks.append(Task(None, text, secret=secret))

    def as_data(self) -> dict[str, t.Any]:
        """What the target needs of it."""
        return dataclasses.asdict(dataclasses.replace(self, tasks=[]))


def _no_http() -> HttpSys:
    return {"bindings": [], "reservations": []}
