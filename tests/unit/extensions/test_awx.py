# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project for AWX: its objects have the options that infra.aap_configuration takes, and name each other rightly.

The option names in C(data/aap_configuration.json) are those of the tables in that collection's roles.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
AWX = ROOT / "extensions/awx"
BUILT_IN = {"Access Manager servers"}
"""Credentials that the administrator makes: the machine credential of the servers."""

BY_HAND = {"recover_certificate"}
"""Playbooks that nobody should start by a button: its runbook has decisions between its runs."""


class Loader(yaml.SafeLoader):
    """YAML with Ansible's C(!unsafe)."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


def load(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506


def role_options(role: str) -> dict[str, dict[str, Any]]:
    specs: dict[str, Any] = load(ROOT / f"roles/{role}/meta/argument_specs.yml")["argument_specs"]
    options: dict[str, dict[str, Any]] = specs["main"]["options"]
    return options


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    names: dict[str, Any] = json.loads((Path(__file__).parent / "data/aap_configuration.json").read_text())
    return names


@pytest.fixture(scope="module")
def configuration() -> dict[str, list[dict[str, Any]]]:
    merged: dict[str, list[dict[str, Any]]] = {}
    for path in (AWX / "configuration").glob("*.yml"):
        content = load(path)
        assert not merged.keys() & content.keys()
        merged |= content
    return merged


def test_each_object_has_known_options_and_all_that_are_required(
    configuration: dict[str, Any], known: dict[str, Any]
) -> None:
    assert configuration.keys() == known.keys() - {"source"}
    for kind, objects in configuration.items():
        options = known[kind]["options"]
        required = {name for name, option in options.items() if option["required"]}
        for one in objects:
            given = one.keys() - {"simplified_workflow_nodes"}
            assert required <= given <= options.keys(), (kind, one["name"])


def test_workflow_nodes_have_known_options_and_lead_to_each_other(
    configuration: dict[str, Any], known: dict[str, Any]
) -> None:
    (workflow,) = configuration["controller_workflows"]
    nodes = {node["identifier"]: node for node in workflow["simplified_workflow_nodes"]}
    assert list(nodes) == ["backup", "verify", "copy"]
    for node in nodes.values():
        assert node.keys() <= known["controller_workflows"]["nodes"].keys()
        following = node.get("success_nodes", []) + node.get("always_nodes", []) + node.get("failure_nodes", [])
        assert set(following) <= nodes.keys()


def test_names_lead_to_objects_that_are_there(configuration: dict[str, Any]) -> None:
    names = {kind: {one["name"] for one in objects} for kind, objects in configuration.items()}
    templates = names["controller_templates"]
    for template in configuration["controller_templates"]:
        assert template["project"] in names["controller_projects"]
        assert template["execution_environment"] in names["controller_execution_environments"]
        assert set(template.get("credentials", [])) <= names["controller_credentials"] | BUILT_IN
        assert (AWX / "project" / template["playbook"]).is_file()
    for credential in configuration["controller_credentials"]:
        assert credential["credential_type"] in names["controller_credential_types"]
    for node in configuration["controller_workflows"][0]["simplified_workflow_nodes"]:
        assert node["unified_job_template"] in templates
    for schedule in configuration["controller_schedules"]:
        assert schedule["unified_job_template"] in templates | names["controller_workflows"]
        assert re.fullmatch(
            r"DTSTART;TZID=[A-Za-z/]+:\d{8}T\d{6} RRULE:FREQ=[A-Z]+;INTERVAL=1[A-Z0-9;=]*", schedule["rrule"]
        )
        assert not re.search(r"BYDAY=\d", schedule["rrule"]), "AWX knows no number before a day"


def test_a_name_that_a_workflow_or_a_schedule_starts_is_that_of_one_object(configuration: dict[str, Any]) -> None:
    """AWX looks for it among templates, workflows and projects alike."""
    kinds = ("controller_templates", "controller_workflows", "controller_projects")
    names = Counter(one["name"] for kind in kinds for one in configuration[kind])
    assert set(names.values()) == {1}


def test_each_playbook_of_the_collection_but_one_has_a_wrapper_and_a_template(configuration: dict[str, Any]) -> None:
    wrappers = {path.stem for path in (AWX / "project/playbooks").glob("*.yml")}
    assert wrappers == {path.stem for path in (ROOT / "playbooks").glob("*.yml")} - BY_HAND
    for name in wrappers:
        (play,) = load(AWX / f"project/playbooks/{name}.yml")
        assert play["ansible.builtin.import_playbook"] == f"lithnet.access_manager.{name}"
    started = {Path(template["playbook"]).stem for template in configuration["controller_templates"]}
    assert started == wrappers


def test_surveys_ask_for_options_of_the_roles(configuration: dict[str, Any]) -> None:
    options = role_options("backup") | role_options("restore")
    surveys = [one["survey_spec"] for one in configuration["controller_templates"] if one.get("survey_enabled")]
    assert len(surveys) == 6
    for question in (question for survey in surveys for question in survey["spec"]):
        assert question["type"] in {"text", "password", "integer", "float", "multiplechoice", "multiselect"}
        assert question["variable"] in {"target", *options}
        allowed = options.get(question["variable"], {}).get("choices")
        assert allowed is None or set(question["choices"]) == set(allowed)
        assert "choices" not in question or set(question["default"].splitlines()) <= set(question["choices"])


def test_secrets_are_injected_as_files_only(configuration: dict[str, Any]) -> None:
    for kind in configuration["controller_credential_types"]:
        secrets = {field["id"] for field in kind["inputs"]["fields"] if field["secret"]}
        assert set(kind["inputs"]["required"]) <= secrets
        files = " ".join(kind["injectors"]["file"].values())
        elsewhere = json.dumps([kind["injectors"].get("env"), kind["injectors"].get("extra_vars")])
        for secret in secrets:
            assert re.search(rf"{{{{ {secret}\b", files)
            assert not re.search(rf"{{{{ {secret}\b", elsewhere)
        for name in re.findall(r"tower\.filename\.(\w+)", elsewhere):
            assert f"template.{name}" in kind["injectors"]["file"]


def test_private_keys_are_in_no_log_of_the_configuration() -> None:
    (play,) = load(AWX / "configure.yml")
    assert play["vars"]["controller_configuration_credentials_secure_logging"] is True


def test_the_project_sets_the_variables_that_credentials_give() -> None:
    variables = load(AWX / "project/playbooks/group_vars/all.yml")
    assert "ACCESS_MANAGER_IDENTITY_PASSPHRASE_FILE" in variables["identity_passphrase_file"]
    assert "access_manager_identity_passphrase" in variables
