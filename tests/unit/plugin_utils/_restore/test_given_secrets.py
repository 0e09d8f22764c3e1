# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New values of secrets that an administrator gives for a restore."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.configuration import Configuration
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.contents import Contents
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.source import Source
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore import bundle
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.given_secrets import with_given
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.plan import Plan, RestoreOptions
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.planner import make_plan
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.target_server import packed
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.certificates import TestCertificate
from unit import encrypted_backups
from unit.actions import run
from unit.opened_backups import config_zip, domain_secret, files, protected, settings
from unit.servers import target_server

OIDC, MAIL = "Authentication.Oidc.Secret", "Email.Password"
SDDL = "O:DAD:(A;;CCDC;;;S-1-5-21-1-2-3-4)"
PLANNED = {"records": [], "decrypted_secrets": {OIDC: True, MAIL: True}}


def backup(**secrets: Any) -> Contents:
    content = files() | {"config/appsettings.json": json.dumps(settings(**secrets), indent=2).encode()}
    return opened(content, {MAIL: "of the backup"})


def opened(content: dict[str, bytes], values: dict[str, str]) -> Contents:
    return Contents(Source("b", {"config": Path("config.zip")}), Configuration(config_zip(content)), {}, values)


def actions(plan: Plan) -> dict[str, str]:
    return {one["path"]: one["action"] for one in plan.secrets}


def planned(contents: Contents, **changes: Any) -> Plan:
    return make_plan(contents, target_server() | PLANNED | changes, RestoreOptions())


def refusal(make: Callable[[], object]) -> str:
    with pytest.raises(AccessManagerError) as caught:
        make()
    return str(caught.value)


@pytest.mark.parametrize(
    "secret",
    [
        protected("b2lkYw=="),
        protected("b2lkYw==", salt=""),
        protected("b2lkYw==") | {"Salt": None},
        {"Data": "b2lkYw==", "Mode": 1},
        protected("in clear", mode=0),
        {"data": "in clear"},
        protected("b2lkYw==", mode=2),
        domain_secret(SDDL) | {"Salt": None},
    ],
)
def test_a_value_that_is_given_is_protected_on_the_server_whatever_protected_the_old_one(
    secret: dict[str, Any],
) -> None:
    given = with_given(backup(oidc=secret), {OIDC.upper(): "new"})
    assert given.secrets == {OIDC: "new", MAIL: "of the backup"}
    plan = planned(given)
    assert actions(plan) == {OIDC: "protect", MAIL: "keep"}
    assert [task.text for task in plan.tasks if "Secret" in task.text] == []
    (task,) = [one for one in bundle.plan_of(given, plan)["secrets"] if one["path"] == OIDC]
    raw = given.configuration.read("config/appsettings.json")
    written = [json.loads(raw[slice(*task[place])]) for place in ("data_place", "salt_place")]
    assert written == [task["data"], task["salt"]]
    document = json.loads(raw)
    assert document["Authentication"]["Oidc"]["Secret"]["Mode"] == 1
    old = json.loads(backup(oidc=secret).configuration.read("config/appsettings.json"))
    document["Authentication"]["Oidc"]["Secret"] = old["Authentication"]["Oidc"]["Secret"]
    assert document == old
    assert b"".join(given.configuration.chunks("config/appsettings.json")) == raw


def test_a_value_that_the_server_has_already_changes_nothing() -> None:
    given = with_given(backup(), {OIDC: "new"})
    assert actions(planned(given, same_documents={"appsettings.json": True}))[OIDC] == "here"


def test_of_a_cluster_the_plan_says_that_the_other_nodes_do_not_open_it() -> None:
    cluster = {"resource": "AMS", "owner": "AMS1", "owned": True}
    given = with_given(backup(), {OIDC: "new"})
    words = "this node of the failover cluster alone"
    assert any(words in task.text for task in planned(given, cluster=cluster).tasks)
    assert not any(words in task.text for task in planned(given).tasks)


def test_what_is_no_secret_of_the_backup_or_has_no_value_is_refused() -> None:
    synchronised = {"DataProtection": {"Certificates": [{"Thumbprint": "AB" * 20, "Secret": protected("cGZ4")}]}}
    content = files() | {"config/appsettings.json": json.dumps(settings() | synchronised).encode()}
    contents = opened(content, {})
    for name in ("Authentication.Oidc.ClientID", "DataProtection.Certificates[0].Secret", ""):
        sentence = refusal(lambda name=name: with_given(contents, {name: "new"}))
        assert f"Those that it has: {OIDC} and {MAIL}." in sentence
        assert "new" not in sentence
    assert f"no value for {MAIL}" in refusal(lambda: with_given(contents, {MAIL: ""}))


def test_a_value_of_a_file_that_is_not_restored_is_refused() -> None:
    given = with_given(backup(), {OIDC: "new"})
    options = RestoreOptions(parts=frozenset({"registry"}))
    assert f"secrets gives a value of {OIDC}" in refusal(lambda: make_plan(given, target_server() | PLANNED, options))


def test_what_was_announced_is_what_nobody_can_sign_in_without() -> None:
    lost = target_server() | PLANNED | {"decrypted_secrets": {}}
    plan = make_plan(backup(), lost, RestoreOptions(require_secrets=False))
    assert bundle.plan_of(backup(), plan)["announced"] == [OIDC]
    assert planned(backup()).announced == []
    given = with_given(backup(), {OIDC: "new"})
    assert make_plan(given, lost, RestoreOptions(require_secrets=False)).announced == []


def test_values_are_in_no_result_and_a_restore_takes_those_of_its_plan(
    store: BackupStore, certificate: TestCertificate
) -> None:
    encrypted_backups.make(store, "20261123T081500Z", encrypted_backups.encrypt_to(), certificates=[certificate])
    options: dict[str, Any] = {"backup_root": str(store.root), "state": "planned"}
    server = target_server() | {"records": [], "decrypted_secrets": {}}
    refused = run("config_restore", **options, installation=packed(server), secrets={OIDC: "hush-hush"})
    assert "of other secrets" in refused["msg"]
    planned_before = server | {"given_secrets": [OIDC]}
    result = run("config_restore", **options, installation=packed(planned_before), secrets={OIDC: "hush-hush"})
    assert {one["path"]: one["action"] for one in result["plan_document"]["secrets"]}[OIDC] == "protect"
    assert "hush-hush" not in str(result)
    numbers = run("config_restore", **options, installation=packed(planned_before), secrets={OIDC: 12345})
    assert "put it in quotes" in numbers["msg"]
