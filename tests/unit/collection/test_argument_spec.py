# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One place says what a module's options are: its documentation. And each module is whole."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import get_docstring
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._collection import argument_spec_of

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
ON_THE_CONTROLLER = {
    "attachment_extract",
    "backup_commit",
    "backup_copy",
    "backup_diff",
    "backup_fetch",
    "backup_info",
    "backup_metrics",
    "backup_prune",
    "backup_record",
    "backup_report",
    "backup_verify",
    "directory_certificate",
    "directory_info",
    "directory_password_expiry",
    "run_end",
    "upgrade_guard",
}  # backup_diff asks by the target halves of others


@functools.cache
def documentation(module: str) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """What the docs say, the examples, and what is returned."""
    path = str(ROOT / "plugins/modules" / f"{module}.py")
    docs, examples, returned, _metadata = get_docstring(
        path, fragment_loader, collection_name="lithnet.access_manager", plugin_type="module"
    )
    return docs, yaml.safe_load(examples), returned if isinstance(returned, dict) else yaml.safe_load(returned)


@pytest.mark.parametrize("module", MODULES)
def test_options_are_what_the_documentation_says(module: str) -> None:
    spec, options = argument_spec_of(module), documentation(module)[0]["options"]
    assert spec.keys() == options.keys()
    for name, option in options.items():
        assert option["description"], name
        for key in ("type", "required", "default", "elements", "choices"):
            assert spec[name].get(key) == option.get(key), (name, key)


@pytest.mark.parametrize("module", MODULES)
def test_only_passphrases_passwords_and_private_keys_are_secret(module: str) -> None:
    spec = argument_spec_of(module)
    keys = {"bind_password", "identity", "identity_passphrase", "passphrase", "secret_key", "secrets", "session_token"}
    assert {name for name, option in spec.items() if option["no_log"]} == spec.keys() & keys
    assert ("identity_file" in spec) == ("identity" in spec) == ("identity_passphrase" in spec)


def test_keys_of_accounts_are_secret_in_destinations_too() -> None:
    options = argument_spec_of("backup_copy")["destinations"]["options"]
    assert {name for name, option in options.items() if option["no_log"]} == {"secret_key", "session_token"}


@pytest.mark.parametrize("module", MODULES)
def test_examples_are_valid_tasks(module: str) -> None:
    _docs, examples, _returned = documentation(module)
    tasks = [
        task[f"lithnet.access_manager.{module}"] for task in examples if f"lithnet.access_manager.{module}" in task
    ]
    assert tasks
    spec = argument_spec_of(module)
    for task in tasks:
        arguments = {name: _literal(value, spec[name]["type"]) for name, value in (task or {}).items()}
        assert ArgumentSpecValidator(spec).validate(arguments).error_messages == []


def _literal(value: Any, kind: str) -> Any:
    """A value of that type where an example has a template."""
    values = {"list": [], "dict": {}, "bool": True, "int": 1}
    return values.get(kind, "text") if isinstance(value, str) and "{{" in value else value


@pytest.mark.parametrize("module", MODULES)
def test_the_documentation_is_whole(module: str) -> None:
    docs, _examples, returned = documentation(module)
    assert docs["module"] == module
    assert docs["short_description"]
    assert docs["version_added_collection"] == "lithnet.access_manager"
    assert docs["attributes"].keys() == {"action_group", "async", "check_mode", "diff_mode", "idempotent", "platform"}
    assert docs["seealso"]
    groups = _groups()
    memberships = {f"lithnet.access_manager.{group}" for group in groups if module in groups[group]}
    assert set(docs["attributes"]["action_group"]["membership"]) == memberships
    assert all({"description", "returned", "type"} <= value.keys() for value in returned.values())


def test_each_module_has_an_action_and_each_action_a_module() -> None:
    assert sorted(path.stem for path in (ROOT / "plugins/action").glob("*.py")) == MODULES


def test_each_target_half_lies_beside_its_documentation() -> None:
    halves = {path.stem for path in (ROOT / "plugins/modules").glob("*.ps1")}
    assert halves == set(MODULES) - ON_THE_CONTROLLER


def test_each_module_is_in_the_action_group() -> None:
    groups = _groups()
    assert groups["all"] == MODULES
    parts = [module for module in MODULES if {"backup_id", "recipients"} <= argument_spec_of(module).keys()]
    assert groups["parts"] == [part for part in parts if part not in ON_THE_CONTROLLER]


def _groups() -> dict[str, list[str]]:
    groups: dict[str, list[str]] = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]
    return groups


def test_each_role_is_described_for_galaxy_as_for_ansible_doc() -> None:
    for role in (ROOT / "roles").iterdir():
        specification = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]
        galaxy = yaml.safe_load((role / "meta/main.yml").read_text())["galaxy_info"]
        assert galaxy["description"] == specification["short_description"]


ALWAYS = {"attempts", "changed", "failed", "msg", "reachable", "skipped", "warnings", "results"}
"""What a registered result may have beside what its module documents."""


def registered() -> dict[tuple[Path, str], set[str]]:
    """The names under which roles and playbooks keep results of these modules, and the modules."""
    kept: dict[tuple[Path, str], set[str]] = {}
    for path in [*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/**/*.yml")]:
        for task in _tasks(yaml.safe_load(path.read_text())):
            modules = {name.rpartition(".")[2] for name in task if name.startswith("lithnet.access_manager.")}
            if "register" in task and modules & set(MODULES):
                kept.setdefault((ROOT / path.relative_to(ROOT).parts[0], task["register"]), set()).update(modules)
    return kept


def _tasks(content: Any) -> list[dict[str, Any]]:
    """All tasks in a file, those of blocks too."""
    found = [task for task in content or [] if isinstance(task, dict)]
    for task in list(found):
        for key in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks"):
            found += _tasks(task.get(key))
    return found


def test_roles_and_playbooks_use_no_key_of_a_result_that_its_module_does_not_document() -> None:
    kept = registered()
    assert len(kept) > 8
    used = 0
    for (folder, name), modules in kept.items():
        texts = [path.read_text() for path in folder.rglob("*") if path.suffix in (".yml", ".j2")]
        keys = set(re.findall(rf"\b{name}\.([a-z_]+)", "\n".join(texts)))
        documented = set().union(*(documentation(module)[2] for module in modules))
        used += len(keys)
        assert keys <= documented | ALWAYS, (name, keys - documented - ALWAYS)
    assert used > 20
