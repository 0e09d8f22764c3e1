# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs an action that needs no target, as Ansible does for one task."""

from __future__ import annotations

from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import action_loader, connection_loader
from ansible.template import Templar

HOST = "ams1"


def run(
    module: str, *, check: bool = False, task_vars: dict[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    """The result of a module with these options, for the host ams1. C(task_vars): its other variables."""
    task = Task.load({f"lithnet.access_manager.{module}": options, "check_mode": check})
    context, loader = PlayContext(), DataLoader()
    action = action_loader.get(
        task.action,
        task=task,
        connection=connection_loader.get("ansible.builtin.local", context),
        play_context=context,
        loader=loader,
        templar=Templar(loader=loader),
        shared_loader_obj=None,
    )
    result: dict[str, Any] = action.run(task_vars={"inventory_hostname": HOST} | (task_vars or {}))
    return result
