# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A switch of a role may come as text, from `-e switch=false` or an INI inventory: the text "false" must not count as
true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[3]
CONDITIONS = ("when", "that", "failed_when", "changed_when", "until")
EXPRESSION = re.compile(r"{{(.*?)}}|{%(.*?)%}", re.DOTALL)


def switches() -> set[str]:
    """The options of type bool of all roles."""
    found = set()
    for path in REPOSITORY.glob("roles/*/meta/argument_specs.yml"):
        for spec in yaml.safe_load(path.read_text())["argument_specs"].values():
            found |= {name for name, option in spec["options"].items() if option["type"] == "bool"}
    return found


SWITCHES = switches()
BARE = re.compile(rf"\b({'|'.join(sorted(SWITCHES))})\b(?!\s*\|\s*bool\b)")


def bare_in_template(text: str) -> Iterator[str]:
    """The switches that an expression uses as they come.

    One that is the whole text is passed on: a module's option converts it.
    """
    for match in EXPRESSION.finditer(text):
        expression = (match.group(1) or match.group(2)).strip()
        if not (expression in SWITCHES and match.group() == text.strip()):
            yield from BARE.findall(expression)


def bare_in_tasks(node: Any, condition: bool = False) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from bare_in_tasks(value, key in CONDITIONS)
    elif isinstance(node, list):
        for value in node:
            yield from bare_in_tasks(value, condition)
    elif isinstance(node, str):
        yield from BARE.findall(node) if condition else bare_in_template(node)


TASKS = [
    path
    for pattern in (
        "roles/*/tasks/*.yml",
        "roles/*/handlers/*.yml",
        "roles/*/vars/*.yml",
        "roles/*/defaults/*.yml",
        "playbooks/**/*.yml",
    )
    for path in sorted(REPOSITORY.glob(pattern))
]
TEMPLATES = sorted(REPOSITORY.glob("roles/*/templates/*.j2"))


@pytest.mark.parametrize("path", TASKS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_task_uses_a_switch_as_it_comes(path: Path) -> None:
    assert list(bare_in_tasks(yaml.safe_load(path.read_text()))) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_template_uses_a_switch_as_it_comes(path: Path) -> None:
    assert list(bare_in_template(path.read_text())) == []


@pytest.mark.parametrize(
    ("task", "bare"),
    [
        ({"when": "a == 1 and not backup_force"}, ["backup_force"]),
        ({"when": ["backup_force", "verify_latest_only | bool"]}, ["backup_force"]),
        ({"block": [{"x": {"that": "not (backup_force and y)"}}]}, ["backup_force"]),
        ({"x": {"y": "{{ 1 if backup_force else 2 }}"}}, ["backup_force"]),
        ({"x": {"y": "{{ backup_force }}", "msg": "Set backup_force."}, "when": "not backup_force | bool"}, []),
    ],
)
def test_a_bare_switch_is_found(task: dict[str, Any], bare: list[str]) -> None:
    assert list(bare_in_tasks([task])) == bare
