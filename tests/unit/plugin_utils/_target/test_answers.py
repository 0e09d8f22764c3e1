# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of a server with one odd value in them: each is used or is a sentence, whatever reads it afterwards."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.action import config_restore, installation_info
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._action import AccessManagerAction
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._ams.checks import (
    problems_of_certificates,
    problems_of_configuration,
    refuse_clustered_stop,
    refuse_without_rights,
    require_supported_version,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._collection import returns_of
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.inventory import (
    inventory_of_certificates,
    inventory_of_server,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target import (
    answers,
    earlier_restores,
    interrupted_stops,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target.call import Target
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target.envelope import CallKey
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._text import json_lines
from hypothesis import given, settings
from hypothesis import strategies as st
from support.connection_plugins import lying
from unit.actions import run
from unit.servers import certificate
from unit.targets import JSON

TARGET = Target(SimpleNamespace(), "installation_info", {"inventory_hostname": "ams1"})
LEFT = dict.fromkeys(("run_id", "controller", "stopped_at", "found", "started_at", "error"), "")
EARLIER = {"run_id": "r", "folder": "f", "kept": '{"about": {"backup": "b", "service": "Running"}}', "result": ""}


def description() -> dict[str, Any]:
    """An honest answer in which each list has an entry."""
    described = lying.honest("installation_info", {})
    described["certificates"] = [certificate()]
    reference = {"key": "k", "value": "v", "path": "p", "place": "config", "exists": True, "name": "config/p"}
    described["references"] = [reference]
    described["interrupted_stops"], described["unended_restores"] = [LEFT], [EARLIER]
    described["stale_runs"] = ["0123456789abcdef"]
    described["cluster"] = {"resource": "r", "owner": "o", "owned": True}
    return copy.deepcopy(described)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in an answer."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield (*path, key)
        yield from places(member, (*path, key))


PLACES = sorted(places(description()), key=str)


def read(described: dict[str, Any]) -> None:
    """All that a backup and a restore read of a description."""
    require_supported_version(described)
    refuse_without_rights(described)
    inventory_of_server(described, include_database=False)
    inventory_of_certificates(described["certificates"])
    problems_of_configuration(described)
    problems_of_certificates(described["certificates"])
    earlier_restores.problems(described["unended_restores"])
    for left in described["interrupted_stops"]:
        interrupted_stops.sentence(left)
    refuse_clustered_stop(described)


def test_an_honest_answer_is_taken_whole() -> None:
    described = description()
    assert TARGET.checked(described | {"add_host": {}}, answers.DESCRIPTION) == described
    described["cluster"] = None
    read(described)


@pytest.mark.slow
@settings(max_examples=400)
@given(st.sampled_from(PLACES), JSON, st.booleans())
def test_one_odd_value_is_a_sentence_or_does_no_harm(place: tuple[Any, ...], odd: Any, missing: bool) -> None:
    described = description()
    *path, last = place
    holder: Any = described
    for step in path:
        holder = holder[step]
    if missing:
        del holder[last]
    else:
        holder[last] = odd
    try:
        read(TARGET.checked(described, answers.DESCRIPTION))
    except AccessManagerError as exc:
        assert str(exc).isprintable()
        assert len(str(exc)) < 1500


KEY = CallKey().public
HONEST: dict[str, tuple[Any, Any]] = {
    "artifact_fetch": (lying.honest("artifact_fetch", {"public_key": KEY}), answers.SENT_OR_NOT),
    "backup_export": (
        lying.honest("backup_export", {"stop": False, "public_key": KEY}),
        answers.EXPORTED_OR_NOT,
    ),
    "certificate_export": (lying.honest("certificate_export", {"public_key": KEY}), answers.EncryptedCertificates),
    "secret_export": (lying.honest("secret_export", {"public_key": KEY}), answers.EncryptedSecrets),
    "config_snapshot": (lying.left("config_snapshot"), answers.Staged),
    "service": (lying.left("service"), answers.ServiceState),
    "config_restore": (
        lying.honest("config_restore", {}) | {"earlier": [EARLIER], "probes": []},
        answers.RESTORE_TARGET,
    ),
}


@pytest.mark.parametrize("module", HONEST)
@given(st.data())
def test_each_half_is_taken_whole_or_its_first_wrong_value_is_named(module: str, data: st.DataObject) -> None:
    honest, shape = HONEST[module]
    assert TARGET.checked(honest, shape) == honest
    changed = copy.deepcopy(honest)
    *path, last = data.draw(st.sampled_from(sorted(places(honest), key=str)))
    holder: Any = changed
    for step in path:
        holder = holder[step]
    holder[last] = data.draw(JSON)
    try:
        TARGET.checked(changed, shape)
    except AccessManagerError as exc:
        assert str(exc).startswith("The answer of ams1 is not used: '") or "failed" in changed


@pytest.mark.parametrize("module", ["installation_info", "backup_verify", "service"])
def test_a_result_has_the_documented_keys_alone(module: str) -> None:
    action = AccessManagerAction.__new__(AccessManagerAction)
    action._task = SimpleNamespace(resolved_action=f"lithnet.access_manager.{module}", action=module)
    orders = {"ansible_facts": {"x": 1}, "add_host": {}, "_ansible_no_log": False, "exception": "e", "invocation": {}}
    documented = dict.fromkeys(returns_of(module), "a\x1bb\nc")
    visible = action._visible(
        documented | orders | {"changed": True, "diff": {"prepared": "+ \x1b[2J\n- b\n", "other": 1}}
    )
    assert visible.keys() == documented.keys() | {"changed", "diff"}
    assert visible["diff"] == {"prepared": "+ \\x1b[2J\n- b\n"}
    assert {value for key, value in visible.items() if key in documented} == {"a\\x1bb\\nc"}


def test_a_nested_result_has_the_documented_keys_alone() -> None:
    action = AccessManagerAction.__new__(AccessManagerAction)
    action._task = SimpleNamespace(resolved_action="lithnet.access_manager.backup_verify", action="backup_verify")
    visible = action._visible({"backups": [{"id": "i", "ansible_facts": {}, "problems": ["\x1b"]}]})
    assert visible == {"backups": [{"id": "i", "problems": ["\\x1b"]}]}


ORDERS: dict[str, Any] = {
    "ansible_facts": {"x": 1},
    "add_host": {"host_name": "new"},
    "add_group": "new",
    "_ansible_no_log": False,
    "_ansible_tags": ["x"],
    "__ansible_unsafe": "x",
    "Ansible_Facts": {"x": 1},
    "ansible_facts ": {"x": 1},
    "warnings": ["of the server"],
    "deprecations": [{"msg": "of the server"}],
    "exception": "of the server",
    "invocation": {"of": "the server"},
    "results": [{"ansible_facts": {"x": 1}}],
    "ansible_job_id": "1.1",
    "stdout_lines": ["of the server"],
    "skipped": True,
    "unreachable": True,
}


def test_a_module_that_forgets_everything_passes_nothing_on_that_ansible_acts_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(installation_info.ActionModule, "perform", lambda self: ORDERS | {"computer_name": "ams1\x1b"})
    assert run("installation_info") == {"changed": False, "computer_name": "ams1\\x1b", "warnings": []}


def test_a_warning_of_an_action_is_shown_with_its_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def perform(self: Any) -> dict[str, Any]:
        self.warnings.append("noticed\x1b")
        raise AccessManagerError("failed")

    monkeypatch.setattr(installation_info.ActionModule, "perform", perform)
    assert (run("installation_info")["msg"], run("installation_info")["warnings"]) == ("failed", ["noticed\\x1b"])


def target() -> Target:
    return Target(SimpleNamespace(), "config_restore", {"inventory_hostname": "ams1"})


def test_a_server_that_repeats_a_secret_that_it_was_given_has_it_shown_to_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def perform(self: Any) -> dict[str, Any]:
        self.target.hide(["password of the PFX"])
        return {"computer_name": "the password of the PFX is mine", "problems": ["password of the PFX"]}

    monkeypatch.setattr(installation_info.ActionModule, "perform", perform)
    assert "password of the PFX" not in str(run("installation_info"))
    given = target()
    given.hide(["password of the PFX", "false"])
    with pytest.raises(AccessManagerError) as raised:
        given.checked({"failed": True, "msg": "not the password of the PFX\nfalse"}, answers.Nothing)
    assert str(raised.value) == "not the ******** false"


def test_what_a_restore_gives_a_server_is_hidden() -> None:
    held = SimpleNamespace(pfx=b"bytes of a PFX", password="password of the PFX")
    contents: Any = SimpleNamespace(certificates={"A": held}, secrets={"Email.Password": "secret of the mail"})
    plan: Any = SimpleNamespace(
        certificates=[{"thumbprint": "A", "action": "import"}],
        secrets=[{"path": "Email.Password", "action": "protect"}],
    )
    action: Any = config_restore.ActionModule.__new__(config_restore.ActionModule)
    action.target, action.params = (
        target(),
        dict.fromkeys(
            ("lock_timeout", "service_timeout", "health_seconds", "keep_safety_copies", "close_editor", "force_stop")
        ),
    )
    action._arguments(contents, plan, reported=[])
    assert action.target.hidden == {"password of the PFX", base64.b64encode(held.pfx).decode(), "secret of the mail"}


def test_a_long_text_of_a_server_loses_its_middle_in_an_error() -> None:
    with pytest.raises(AccessManagerError) as raised:
        target().checked({"failed": True, "msg": "x" * 10**6 + "end"}, answers.Nothing)
    assert len(str(raised.value)) < 10_010
    assert str(raised.value).endswith("end")


def test_json_for_people_holds_no_control_character_and_reads_as_it_was() -> None:
    value = {"\x1b[2J": ["\u202e\x9b\n", "\ud800", "\U000e0041", "M\u00fcller"]}
    text = json_lines(value)
    assert json.loads(text) == value
    assert text.replace("\n", "").isprintable()
    assert "M\u00fcller" in text
