# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller with an inventory of servers that are not there: each answers as a server does, lies, or is dead."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.backups import KeyPair
from support.playbook import PlaybookRun, run_playbook

TESTS = Path(__file__).resolve().parents[1]
DEAD = {"*": {"no_connection": "timed out"}}
"""What a server says that does not answer."""


class Fleet:
    """C(root): where its backups lie."""

    def __init__(self, folder: Path, owner: KeyPair) -> None:
        self.folder, self.owner = folder, owner
        self.root = folder / "backups"
        self.root.mkdir(mode=0o700)
        self.variables: dict[str, Any] = {}
        (folder / "key.txt").write_text(owner.private)
        (folder / "key.txt").chmod(0o600)

    def run(
        self,
        playbook: str | Sequence[Mapping[str, Any]],
        servers: Mapping[str, Mapping[str, Any]],
        *args: str,
        env: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
        hosts: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> PlaybookRun:
        """Runs a playbook of the collection by its name, or plays. C(servers): the names of servers, and what each puts
        into its answers by step. C(hosts): variables of single ones.
        """
        (self.folder / "lies.json").write_text(json.dumps(servers))
        common = {
            "ansible_connection": "lying",
            "ansible_user": "administrator",
            "access_manager_backup_root": str(self.root),
            "access_manager_state_dir": str(self.folder / "state"),
            "access_manager_recipients": [self.owner.public],
            "access_manager_identity_file": str(self.folder / "key.txt"),
        }
        own = {name: {"ansible_password": "a password"} | dict((hosts or {}).get(name, {})) for name in servers}
        inventory = {"access_manager": {"hosts": own, "vars": common | self.variables}}
        (self.folder / "inventory.json").write_text(json.dumps(inventory))
        if not isinstance(playbook, str):
            (self.folder / "play.yml").write_text(json.dumps(playbook))
        more = {
            "ANSIBLE_CONNECTION_PLUGINS": str(TESTS / "support/connection_plugins"),
            "PYTHONPATH": str(TESTS),
            "TEST_SERVERS": str(self.folder),
        }
        name = playbook if isinstance(playbook, str) else self.folder / "play.yml"
        (self.folder / "results.jsonl").unlink(missing_ok=True)
        return run_playbook(
            name,
            self.folder / "inventory.json",
            args=args,
            env=more | dict(env or {}),
            extra_vars=extra,
            timeout=200,
            folder=self.folder,
        )

    def backups(self, host: str) -> list[Path]:
        return sorted(path.parent for path in self.root.glob(f"{host}/*/manifest.json"))


def play(role: str, **keywords: Any) -> dict[str, Any]:
    """A play of one's own with a role of the collection."""
    task = {"name": "The role", "ansible.builtin.import_role": {"name": f"lithnet.access_manager.{role}"}}
    return {"hosts": "access_manager", "gather_facts": False, "tasks": [task]} | keywords


def tasks_of_role(run: PlaybookRun, host: str, *, skipped: bool = False) -> set[str]:
    """The names of the tasks that a host carried out."""
    statuses = {"ok", "failed", "unreachable"} | ({"skipped"} if skipped else set())
    return {one.task.rpartition(" : ")[2] for one in run.results if one.host == host and one.status in statuses}
