# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs an action as Ansible does for one task: one that needs no target, or with a server that is not there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins import loader as plugins
from ansible.plugins.loader import action_loader, connection_loader
from ansible.template import Templar

HOST = "ams1"
_CONNECTIONS = Path(__file__).resolve().parents[1] / "support/connection_plugins"


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


def run_on(
    folder: Path, host: str, lies: Mapping[str, Any], module: str, /, **options: Any
) -> dict[str, Any]:
    """The result of a module for a server that answers as the connection plugin C(lying) does.

    C(lies): what it puts into its answers, by step. C(folder): where it is kept what it was asked: see `asked`.
    """
    connection_loader.add_directory(str(_CONNECTIONS))
    (folder / "lies.json").write_text(json.dumps({host: lies}))
    task = Task.load({f"lithnet.access_manager.{module}": options, "environment": [{}]})
    context, loader = PlayContext(), DataLoader()
    context.remote_addr = host
    variables = {"inventory_hostname": host, "ansible_user": "administrator", "ansible_password": "a password"}
    connection = connection_loader.get("lying", context)
    connection.set_options(var_options=variables)
    action = action_loader.get(
        task.action,
        task=task,
        connection=connection,
        play_context=context,
        loader=loader,
        templar=Templar(loader=loader),
        shared_loader_obj=plugins,
    )
    with mock.patch.dict(os.environ, TEST_SERVERS=str(folder)):
        result: dict[str, Any] = action.run(task_vars=variables)
    return result


def asked(folder: Path) -> list[str]:
    """The steps that were asked of servers, without those that follow a detached run and remove it."""
    calls = folder / "calls.jsonl"
    steps = [json.loads(line)["step"] for line in calls.read_text().splitlines()] if calls.exists() else []
    return [step for step in steps if not step.endswith((":collect", ":remove"))]
