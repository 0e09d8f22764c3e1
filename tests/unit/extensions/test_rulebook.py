# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebook: ansible-rulebook's schema takes it, it knows the alerts that are documented, and passes nothing on."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
RULEBOOK = ROOT / "extensions/eda/rulebooks/access_manager_alerts.yml"


@pytest.fixture(scope="module")
def rulebook() -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = yaml.safe_load(RULEBOOK.read_text(encoding="utf-8"))
    return content


def schema() -> Any:
    package = importlib.util.find_spec("ansible_rulebook")
    if package is None or not package.submodule_search_locations:
        pytest.skip("ansible-rulebook is not installed")
    return json.loads((Path(package.submodule_search_locations[0]) / "schema/ruleset_schema.json").read_text())


def test_its_schema_takes_it_and_refuses_a_mistake(rulebook: list[dict[str, Any]]) -> None:
    known = schema()
    jsonschema.validate(rulebook, known)
    mistaken = copy.deepcopy(rulebook)
    mistaken[0]["rules"][0]["action"]["run_playbooks"] = {}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(mistaken, known)


def rules_by_action(rulebook: list[dict[str, Any]], action: str) -> list[dict[str, Any]]:
    return [rule for rule in rulebook[0]["rules"] if rule["action"].keys() == {action}]


def test_alerts_that_are_documented_are_answered_by_playbooks_that_are_there(rulebook: list[dict[str, Any]]) -> None:
    documented = set(re.findall(r"- alert: (\w+)", (ROOT / "docs/report.md").read_text(encoding="utf-8")))
    asked = set()
    for rule in rules_by_action(rulebook, "post_event"):
        alerts = set(re.findall(r'"(AccessManager\w+)"', rule["condition"]))
        assert alerts
        assert alerts <= documented
        asked.add(rule["action"]["post_event"]["event"]["access_manager"])
    answered = {}
    for rule in rules_by_action(rulebook, "run_playbook"):
        answered[rule["condition"]] = rule["action"]["run_playbook"]["name"]
    assert answered == {f'event.access_manager == "{name}"': f"lithnet.access_manager.{name}" for name in asked}
    assert all((ROOT / f"playbooks/{name}.yml").is_file() for name in asked)


def test_nothing_of_an_alert_reaches_a_playbook(rulebook: list[dict[str, Any]]) -> None:
    """ansible-rulebook gives a playbook the event that started it, and limits it to the host that the event names."""
    (source,) = rulebook[0]["sources"]
    assert source["ansible.eda.alertmanager"]["data_host_path"] == ""
    assert source["ansible.eda.alertmanager"]["skip_original_data"] is True
    rules = rules_by_action(rulebook, "post_event") + rules_by_action(rulebook, "run_playbook")
    assert len(rules) == len(rulebook[0]["rules"])
    for rule in rules_by_action(rulebook, "run_playbook"):
        assert "alert" not in rule["condition"]
    actions = json.dumps([rule["action"] for rule in rules])
    assert "event." not in actions
    assert "{{" not in actions
