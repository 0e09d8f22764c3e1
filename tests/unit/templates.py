# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the templates of a role give, without a playbook."""

from __future__ import annotations

from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from support.playbook import REPOSITORY

try:
    from ansible.template import trust_as_template
except ImportError:  # before ansible-core 2.19

    def trust_as_template(value: str) -> str:
        return value


def rendered(text: str, variables: dict[str, Any]) -> Any:
    return Templar(loader=DataLoader(), variables=variables).template(trust_as_template(text))


def task_of_role(role: str, name: str, file: str = "main.yml") -> Any:
    """The task of that name in a file of a role, also where it is in a block."""
    left = yaml.safe_load((REPOSITORY / "roles" / role / "tasks" / file).read_text())
    while left:
        task = left.pop(0)
        if task["name"] == name:
            return task
        left += task.get("block", [])
    raise AssertionError(f"{role} has no task {name}")
