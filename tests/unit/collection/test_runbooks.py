# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbooks as texts: the inventory that they use, and what they say that is said when a step fails."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager
from support.playbook import REPOSITORY
from support.runbooks import INVENTORY, Runbook, documented_inventory, failures, names

SETTINGS = {"ansible_connection", "access_manager_backup_root", "access_manager_recipients"}
FARTHEST = 300
"""How many letters `...` stands for at the most."""


@pytest.fixture
def inventory(tmp_path: Path) -> InventoryManager:
    (tmp_path / INVENTORY).write_text(documented_inventory(), encoding="utf-8")
    return InventoryManager(loader=DataLoader(), sources=[str(tmp_path / INVENTORY)])


# ---- the inventory ----


@pytest.mark.parametrize("name", ["ams1.example.com", "ams2.example.com"])
def test_each_server_of_the_inventory_has_the_settings(inventory: InventoryManager, name: str) -> None:
    variables = VariableManager(loader=DataLoader(), inventory=inventory)
    assert variables.get_vars(host=inventory.get_host(name)).keys() >= SETTINGS


def test_the_playbooks_run_on_a_new_server_only_when_it_is_named(inventory: InventoryManager) -> None:
    assert [str(host) for host in inventory.get_hosts("access_manager")] == ["ams1.example.com"]
    assert [str(host) for host in inventory.get_hosts("access_manager_new")] == ["ams2.example.com"]


def test_the_runbook_of_a_new_server_shows_the_inventory_of_the_readme() -> None:
    assert Runbook.read("new_server").files[INVENTORY] == documented_inventory()


# ---- what is printed, and what is said when a step fails ----


@pytest.mark.parametrize("name", names())
def test_each_command_has_what_it_prints(name: str) -> None:
    silent = [
        step.command for step in Runbook.read(name).steps if not step.printed and not step.command.startswith("cp ")
    ]
    assert silent == []


@functools.cache
def messages() -> tuple[str, ...]:
    """The texts in what the product consists of: each string of actions and what they use, and each other file whole.
    """
    found: list[str] = []
    for path in sorted((REPOSITORY / "plugins").glob("[ap]*/**/*.py")):
        found += {text for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if (text := literal(node))}
    for folder, kinds in {"plugins": (".ps1", ".psm1"), "roles": (".yml", ".j2"), "playbooks": (".yml",)}.items():
        found += [path.read_text(encoding="utf-8") for path in (REPOSITORY / folder).rglob("*") if path.suffix in kinds]
    return tuple(" ".join(text.split()) for text in found)


def literal(node: ast.AST) -> str:
    """The text of a string; where something is put in, nothing that a runbook can quote."""
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "\0" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def is_said(quote: str) -> bool:
    pattern = re.compile(rf".{{0,{FARTHEST}}}?".join(re.escape(part.strip()) for part in quote.split("...")))
    return any(pattern.search(text) for text in messages())


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_what_is_said_when_a_step_fails_is_what_the_product_says(name: str) -> None:
    rows = failures(name)
    assert len(rows) >= 3
    assert [row for row in rows if not row] == []
    assert [quote for row in rows for quote in row if not is_said(quote)] == []
