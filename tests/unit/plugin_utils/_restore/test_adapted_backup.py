# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup that comes to another server: what is rewritten, what stays as it is there, what is refused, and the
manual tasks.
"""

from __future__ import annotations

import copy
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.configuration import Configuration
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.contents import Contents
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.keys import Certificate
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.names import path_of
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.source import Source
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore import (
    adapted_backup,
    plan_document,
    plan_markdown,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.action import RestoreAction
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.adapted_backup import RecoveryOptions
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.items import OUTCOMES
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.manual_task_facts import Recovery
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.manual_tasks import tasks_of
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.plan import Plan, RestoreOptions, Task
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.plan_text import lines_of
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.planner import make_plan
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.target_server import packed
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._windows.tls_binding import plain_binding
from hypothesis import given
from hypothesis import strategies as st
from support.certificates import TestCertificate
from unit import encrypted_backups
from unit.actions import HOST, run
from unit.opened_backups import config_zip, domain_secret, files, protected, settings, state
from unit.servers import SERVICE, certificate, target_server, tls_certificate
from unit.target_side import file_record

OLD = r"C:\Program Files\Lithnet\Access Manager Service\config"
NEW = r"D:\AMS\config"
TLS, OWN = "AA" * 20, "CC" * 20
END = "2027-11-30T00:00:00.0000000Z"
SMTP = "Auditing.NotificationChannels.Smtp[0].TemplateSuccess"


def settings_with(*, script: Any = r"C:\Scripts\über.ps1", template: Any = "mail.html", **more: Any) -> bytes:
    """appsettings.json as an administrator may write it, with what Access Manager does not know."""
    content = settings() | {
        "Auditing": {
            "NotificationChannels": {"Smtp": [{"TemplateSuccess": template, "Unknown": OLD + r"\scripts\x.ps1"}]}
        },
        "Authorization": {"ComputerTargets": [{"Id": "1", "Script": script}]},
        "Strange": [1.50, 1e3, None, {"": "\u00e4\\"}],
    }
    return json.dumps(content | more, indent=3, ensure_ascii=False).replace("\n", "\r\n").encode()


def contents(
    appsettings: bytes | None = None, *, version: str | None = None, manifest: Any = None, **changes: Any
) -> Contents:
    described = state()
    described["installation"]["version"] = version or described["installation"]["version"]
    for key, value in changes.pop("described", {}).items():
        described["state"][key] = value
    described |= {key: changes.pop(key) for key in ("references", "environment") if key in changes}
    content = files() | ({"config/appsettings.json": appsettings} if appsettings else {}) | changes.pop("content", {})
    secrets = {"Authentication.Oidc.Secret": "oidc", "Email.Password": "mail"}
    configuration = Configuration(config_zip(content=content, described=described))
    return Contents(
        Source("20261123T081500Z of ams1", {"config": Path("config.zip")}, manifest),
        configuration,
        changes.get("certificates", {}),
        secrets,
    )


def fresh(**state_changes: Any) -> dict[str, Any]:
    """Another server on which Access Manager was installed just now."""
    described = target_server() | {"computer_name": "AMS2", "machine_certificates": {TLS: END}, "decrypted_secrets": {}}
    described["installation"] |= {
        "configured": False,
        "config_path": NEW,
        "log_path": r"D:\AMS\logs",
        "install_path": r"D:\AMS",
    }
    described["state"] |= {
        "computer_name": "AMS2",
        "registry": [
            {"key": "", "name": "Version", "kind": "String", "data": "1.0.8152.0"},
            {"key": "", "name": "Path", "kind": "String", "data": "D:\\AMS\\"},
            {"key": "", "name": "Configured", "kind": "DWord", "data": 0},
            {"key": "Parameters", "name": "ConfigPath", "kind": "String", "data": NEW + "\\"},
            {"key": "Parameters", "name": "LogPath", "kind": "String", "data": "D:\\AMS\\logs\\"},
        ],
        "http_sys": {"bindings": [], "reservations": []},
        "firewall": [],
    } | state_changes
    described["records"] = [
        {"kind": "folder", "name": "config", "path": NEW, "size": 0}
        | dict.fromkeys(("created", "modified"), "2021-03-04T05:06:07.1234567Z")
        | {"attributes": 0x10, "sddl": ""}
    ]
    return described


def translated(backup: Contents, described: dict[str, Any] | None = None, **target: Any) -> Contents:
    return adapted_backup.adapt(backup, described or fresh(), RecoveryOptions(**target))


def planned(backup: Contents, described: dict[str, Any], wish: RestoreOptions | None = None, **target: Any) -> Plan:
    return make_plan(translated(backup, described, **target), described, wish or RestoreOptions())


def refusal(backup: Contents, described: dict[str, Any] | None = None, **target: Any) -> str:
    with pytest.raises(AccessManagerError) as caught:
        translated(backup, described, **target)
    return str(caught.value)


def text_of(backup: Contents) -> str:
    return backup.configuration.read("config/appsettings.json").decode()


# ---- references ----


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("rule.ps1", "rule.ps1"),
        (r"tier0\rule.ps1", r"tier0\rule.ps1"),
        (r"\\server\share\rule.ps1", r"\\server\share\rule.ps1"),
        (r"E:\gone.ps1", r"E:\gone.ps1"),
        (OLD + r"\scripts\tier0\rule.ps1", NEW + r"\scripts\tier0\rule.ps1"),
        (OLD.upper() + r"\Scripts\Rule.ps1", NEW + r"\Scripts\Rule.ps1"),
        (OLD + r"\scripts\..\more\rule.ps1", NEW + r"\more\rule.ps1"),
        (r"C:\Scripts\über.ps1", NEW + r"\external\C\Scripts\über.ps1"),
        (r"c:\Scripts\.\ÜBER.ps1", NEW + r"\external\C\Scripts\über.ps1"),
        (r"..\..\..\..\..\..\Scripts\über.ps1", NEW + r"\external\C\Scripts\über.ps1"),
    ],
)
def test_a_reference_leads_to_the_same_file_on_the_new_server(value: str, expected: str) -> None:
    content = {"external/C/Scripts/über.ps1": b"exit 1"}
    before = settings_with(script=value)
    after = text_of(
        translated(
            contents(before, content=content if "ber.ps1" in value.lower() else {"external/C/Scripts/über.ps1": b""})
        )
    )
    assert json.loads(after)["Authorization"]["ComputerTargets"][0]["Script"] == expected
    written = json.dumps(value, ensure_ascii=False), json.dumps(expected, ensure_ascii=False)
    assert after == before.decode().replace(f'"Script": {written[0]}', f'"Script": {written[1]}')


def test_a_short_name_leads_where_the_old_server_said() -> None:
    short = r"C:\PROGRA~1\Lithnet\ACCESS~1\config\scripts\tier0\x.ps1"
    reference = recorded(short, OLD + r"\scripts\tier0\x.ps1", None)
    after = text_of(translated(contents(settings_with(script=short), references=[reference])))
    assert json.loads(after)["Authorization"]["ComputerTargets"][0]["Script"] == NEW + r"\scripts\tier0\x.ps1"


def recorded(value: str, path: str, name: str | None) -> dict[str, Any]:
    """What the old server recorded of the script of the first rule."""
    place = "external" if (name or "").startswith("external/") else "config"
    return {"key": SCRIPT, "value": value, "path": path, "place": place, "exists": True, "name": name}


def rules(*scripts: str) -> bytes:
    rules = [{"Id": str(number), "Script": script} for number, script in enumerate(scripts)]
    return json.dumps(settings() | {"Authorization": {"ComputerTargets": rules}}).encode()


def scripts_of(backup: Contents) -> list[str]:
    return [rule["Script"] for rule in json.loads(text_of(backup))["Authorization"]["ComputerTargets"]]


SCRIPT = "Authorization.ComputerTargets[0].Script"
ALPHA, TILDE, LONG = "external/C/Alpha/a.ps1", "external/C/beta~1/a.ps1", "external/C/Program Files/a.ps1"


@pytest.mark.parametrize(
    ("script", "held", "expected"),
    [
        (r"C:\beta~1\a.ps1", [ALPHA, TILDE], TILDE),
        (r"C:\BETA~1\A.PS1", [ALPHA, TILDE], TILDE),
        (r"C:\beta~x\a.ps1", [ALPHA], None),
        (r"C:\longername~1\a.ps1", [ALPHA], None),
    ],
)
def test_two_files_of_one_name_are_not_taken_for_each_other(script: str, held: list[str], expected: str | None) -> None:
    content = {name: name.encode() for name in held} | {"external/C/Scripts/über.ps1": b""}
    backup = translated(contents(rules(script, r"C:\Scripts\über.ps1"), content=content))
    assert scripts_of(backup)[0] == (NEW + "\\" + expected.replace("/", "\\") if expected else script)
    assert (
        backup.configuration.read("config/" + (expected or "external/C/Scripts/über.ps1")) == (expected or "").encode()
    )


def test_a_short_name_is_the_file_that_the_old_server_recorded() -> None:
    short = r"C:\PROGRA~1\a.ps1"
    content = {ALPHA: b"alpha", LONG: b"long"}
    raw = rules(short, r"C:\Alpha\a.ps1", r"C:\Scripts\über.ps1")
    there = recorded(short, r"C:\Program Files\a.ps1", LONG)
    backup = translated(contents(raw, content=content, references=[there]))
    assert scripts_of(backup)[0] == NEW + "\\" + LONG.replace("/", "\\")
    assert "config/" + LONG in backup.configuration.files


def test_a_file_elsewhere_that_a_short_name_names_stays_named_where_it_is_kept() -> None:
    short = r"C:\PROGRA~1\a.ps1"
    there = recorded(short, r"C:\Program Files\a.ps1", LONG)
    backup = translated(contents(rules(short), content={LONG: b"long"}, references=[there]), relocate=False)
    assert scripts_of(backup) == [r"C:\Program Files\a.ps1"]
    assert backup.configuration.names_external(LONG)


@pytest.mark.parametrize(
    ("value", "path", "name"),
    [
        (r"C:\Scripts\a.ps1", r"C:\Program Files\a.ps1", LONG),
        (r"C:\PROGRA~1\a.ps1", r"C:\Program Files\a.ps1", ALPHA),
        (r"C:\PROGRA~1\a.ps1", r"C:\Program Files\more\a.ps1", LONG),
        (r"C:\PROGRA~1\a.ps1", r"D:\Program Files\a.ps1", LONG),
        (r"C:\PROGRA~1\a.ps1", r"C:\Program Files\a.ps1", "external/C/Program Files/gone.ps1"),
        (r"C:\PROGRA~1\a.ps1", r"C:\Program Files\a.ps1", None),
    ],
)
def test_a_record_names_no_file_that_its_value_cannot_name(value: str, path: str, name: str | None) -> None:
    backup = contents(rules(value), content={ALPHA: b"alpha", LONG: b"long"}, references=[recorded(value, path, name)])
    assert not any(backup.configuration.names_external(held) for held in (ALPHA, LONG))


@pytest.mark.parametrize("place", ["", "config"])
def test_a_backup_that_does_not_say_where_it_lay_is_refused(place: Any) -> None:
    described = state()
    described["installation"]["config_path"] = place
    backup = Contents(Source("b", {}), Configuration(config_zip(described=described)), {}, {})
    assert "which is no folder" in refusal(backup)
    described["installation"]["config_path"] = 7
    with pytest.raises(AccessManagerError, match=r"'installation\.config_path' is a number, and must be a text"):
        Configuration(config_zip(described=described))


@given(st.sampled_from(["\t", "  ", ""]), st.text(max_size=20), st.booleans(), st.booleans())
def test_nothing_else_of_a_file_changes(indent: str, unknown: str, mark: bool, comments: bool) -> None:
    value = OLD + "\\scripts\\a\u00e4.ps1"
    content = {
        "Zeta": unknown,
        "authorization": {
            "COMPUTERTARGETS": [{"Other": [value, unknown]}, {"script": value}, {"Script": 7}, {"Script": ""}]
        },
        "Alpha": {"Script": value},
    }
    text = json.dumps(content, indent=indent, ensure_ascii=len(unknown) % 2 == 0)
    raw = (b"\xef\xbb\xbf" if mark else b"") + (f"// {unknown.splitlines()}\n" if comments else "").encode(
        "utf-8", "replace"
    )
    raw += text.encode("utf-8", "surrogatepass")
    try:
        backup = contents(raw)
    except AccessManagerError:
        return  # half a surrogate pair is no UTF-8
    after = translated(backup).configuration.read("config/appsettings.json")
    place = (
        backup.configuration.documents["appsettings.json"]
        .value["authorization"]
        .value["COMPUTERTARGETS"]
        .value[1]
        .value["script"]
    )
    new = json.dumps(NEW + "\\scripts\\a\u00e4.ps1", ensure_ascii=False).encode()
    assert after == raw[: place.start] + new + raw[place.end :]


def test_a_backup_that_already_has_the_folder_gets_another() -> None:
    backup = translated(contents(content={"config/External/C/Scripts/über.ps1": b"older"}))
    assert "config/external-2/C/Scripts/über.ps1" in backup.configuration.files
    assert "config/External/C/Scripts/über.ps1" in backup.configuration.files


def test_a_file_from_elsewhere_is_open_to_those_alone_who_could_open_it() -> None:
    backup = contents()
    moved = translated(backup).configuration.files["config/external/C/Scripts/über.ps1"]
    assert (
        backup.configuration.files["external/C/Scripts/über.ps1"]["sddl"] == "O:BAG:SYD:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)"
    )
    assert moved["sddl"] == "O:BAG:SYD:P(A;;FA;;;SY)(A;;FA;;;BA)"


def test_files_elsewhere_stay_on_their_drive_when_that_is_asked_for() -> None:
    backup = translated(contents(settings_with(script=r"..\..\..\..\..\..\Scripts\über.ps1")), relocate=False)
    assert "external/C/Scripts/über.ps1" in backup.configuration.files
    assert json.loads(text_of(backup))["Authorization"]["ComputerTargets"][0]["Script"] == r"C:\Scripts\über.ps1"


def test_a_file_elsewhere_whose_drive_is_missing_is_refused_in_the_plan() -> None:
    backup, described = contents(), fresh() | {"missing_drives": ["C:\\"]}
    with pytest.raises(AccessManagerError, match="lies on a drive that AMS2 does not have"):
        planned(backup, described, relocate=False)
    planned(backup, described)


def test_a_file_elsewhere_that_nothing_names_is_refused_as_on_the_same_server() -> None:
    described = fresh()
    with pytest.raises(AccessManagerError, match="which its configuration does not name"):
        planned(contents(content={"external/C/Windows/evil.dll": b"x"}), described)


def test_the_second_recovery_finds_nothing_to_do() -> None:
    backup, described = contents(settings_with(template=OLD + r"\audit-templates\a.html")), fresh()
    here = translated(backup, described)
    done = copy.deepcopy(here.configuration.described["state"])
    described["state"] = done
    described["installation"]["configured"] = True
    described["records"] = [
        {"kind": kind, "name": name.rstrip("/")} | record | {"path": path_of(name, NEW)}
        for kind, records in (("folder", here.configuration.folders), ("file", here.configuration.files))
        for name, record in records.items()
    ] + [
        {"kind": "folder", "name": f"config/{name}", "path": "", "sddl": "", "attributes": 16, "size": 0}
        for name in ("external", "external/C")
    ]
    described["same_documents"] = {"appsettings.json": True}
    plan = planned(backup, described)
    assert lines_of(plan) == []
    assert not plan.changed
    adapted_backup.refuse_configured(backup, described, plan)


# ---- settings of the server ----


def test_the_servers_own_places_stay_and_configured_comes_last() -> None:
    registry = [
        *state()["state"]["registry"],
        {"key": "Parameters", "name": "LogPath", "kind": "String", "data": "C:\\logs"},
        {"key": "", "name": "ConfigPath", "kind": "String", "data": OLD},
        {"key": "", "name": "LogPath", "kind": "String", "data": "C:\\logs"},
        {"key": "Parameters", "name": "ResetScheduler", "kind": "DWord", "data": 1},
        {"key": "", "name": "DeleteLocalDbInstance", "kind": "DWord", "data": 1},
        {"key": "Parameters", "name": "LogRetentionDays", "kind": "DWord", "data": 30},
    ]
    plan = planned(contents(described={"registry": registry}), fresh())
    assert [value["name"] for value in plan.registry["set"]] == ["LogRetentionDays", "Configured"]
    assert plan.registry["remove"] == []
    assert plan.configured


def test_the_binding_is_made_with_the_same_certificate_when_it_is_there() -> None:
    plan = planned(contents(), fresh())
    assert {one["thumbprint"] for one in plan.http_sys["add"]["bindings"]} == {TLS}
    assert {one["url"] for one in plan.http_sys["add"]["reservations"]} == {"https://+:443/", "http://+:80/"}


@pytest.mark.parametrize("between", [" ", ":", "\u200e"])
def test_the_binding_is_made_with_the_certificate_that_is_asked_for(between: str) -> None:
    described = fresh() | {"machine_certificates": {OWN: END}}
    plan = planned(contents(), described, tls_thumbprint=between.join(["cc"] * 20))
    assert {one["thumbprint"] for one in plan.http_sys["add"]["bindings"]} == {OWN}
    assert "has no certificate" in refusal(contents(), fresh(), tls_thumbprint=OWN)
    assert "40 hexadecimal digits" in refusal(contents(), fresh(), tls_thumbprint="x")


def test_a_binding_that_the_server_has_already_stays() -> None:
    described = fresh() | {"machine_certificates": {OWN: END}}
    own = plain_binding("address", "0.0.0.0:443", OWN, _own_id(), "My")
    described["state"]["http_sys"]["bindings"] = [own, own | {"endpoint": "[::]:443"}]
    plan = planned(contents(), described)
    assert plan.http_sys["add"]["bindings"] == plan.http_sys["remove"]["bindings"] == []
    assert plan.configured


def test_a_binding_that_the_server_has_gets_the_parameters_of_the_backup() -> None:
    described = fresh() | {"machine_certificates": {OWN: END}}
    own = plain_binding("address", "0.0.0.0:443", OWN, _own_id(), "My")
    described["state"]["http_sys"]["bindings"] = [own, own | {"endpoint": "[::]:443"}]
    http_sys = copy.deepcopy(state()["state"]["http_sys"])
    http_sys["bindings"][0]["flags"] = 0x2
    plan = planned(contents(described={"http_sys": http_sys}), described)
    assert plan.http_sys["add"]["bindings"] == [own | {"flags": 0x2}]


def test_permissions_of_registry_keys_are_compared_on_another_server_too() -> None:
    described = fresh()
    assert not [task for task in planned(contents(), described).tasks if "permissions of the registry key" in task.text]
    described["state"]["registry_permissions"][1]["sddl"] = "O:BAG:SYD:AI(A;CIID;KA;;;BA)"
    assert [task for task in planned(contents(), described).tasks if "permissions of the registry key" in task.text]


def test_a_binding_of_the_server_whose_certificate_is_gone_is_none() -> None:
    described = fresh() | {"machine_certificates": {}}
    own = plain_binding("address", "0.0.0.0:443", OWN, _own_id(), "My")
    described["state"]["http_sys"]["bindings"] = [own]
    backup = contents()
    plan = planned(backup, described)
    assert plan.http_sys["remove"]["bindings"] == [own]
    assert not plan.configured
    assert "TLS certificate" in [task.item for task in tasks(backup, described)]


def without_binding(*, configured: int = 1) -> Contents:
    """A backup of a server whose TLS ended elsewhere, on another port."""
    registry = [
        value | ({"data": configured} if value["name"] == "Configured" else {})
        for value in state()["state"]["registry"]
    ]
    http_sys = state()["state"]["http_sys"] | {"bindings": []}
    return contents(content={"config/apphost.json": HOSTING}, described={"http_sys": http_sys, "registry": registry})


@pytest.mark.parametrize("configured", [0, 1])
def test_a_backup_without_a_binding_gets_the_one_that_its_settings_ask_for(configured: int) -> None:
    plan = planned(without_binding(configured=configured), fresh(), tls_thumbprint=TLS)
    binding = plain_binding("address", "0.0.0.0:8443", TLS, _own_id(), "My")
    assert plan.http_sys["add"]["bindings"] == [binding]
    assert ("CertBinding", "0.0.0.0:8443") in [(value["name"], value["data"]) for value in plan.registry["set"]]
    assert plan.configured is bool(configured)


def test_a_backup_without_a_binding_is_not_configured_before_there_is_one() -> None:
    plan = planned(without_binding(), fresh())
    assert not plan.configured
    assert plan.http_sys["add"]["bindings"] == []
    assert "0.0.0.0:8443" in commands(without_binding())["TLS certificate"]
    assert "TLS certificate" not in commands(without_binding(configured=0))
    described = fresh()
    described["state"]["http_sys"]["bindings"] = [plain_binding("address", "0.0.0.0:8443", TLS, "{OTHER}", "My")]
    plan = planned(without_binding(), described)
    assert plan.configured
    assert plan.http_sys["add"]["bindings"] == plan.http_sys["remove"]["bindings"] == []
    assert "CertBinding" not in [value["name"] for value in plan.registry["set"]]


def _own_id() -> str:
    return str(state()["state"]["http_sys"]["bindings"][0]["application_id"])


def test_without_a_certificate_nothing_is_configured_and_a_person_is_reported() -> None:
    described = fresh() | {"machine_certificates": {}}
    backup = contents()
    plan = planned(backup, described)
    assert plan.http_sys["add"]["bindings"] == []
    assert "Configured" not in [value["name"] for value in plan.registry["set"]]
    assert not plan.configured
    (task,) = [one for one in tasks(backup, described) if one.item == "TLS certificate"]
    assert "0.0.0.0:443, [::]:443" in task.text
    assert task.commands[-1] == again(restore_tls_thumbprint="THUMBPRINT")
    assert f"HasPrivateKey Then, on the controller: {task.commands[-1]}" in task.sentence


def test_secrets_are_protected_again_at_their_new_places() -> None:
    backup = contents(settings_with(template=OLD + r"\audit-templates\mail.html"))
    plan = planned(backup, fresh())
    assert {secret["action"] for secret in plan.secrets} == {"protect"}
    raw = translated(backup).configuration.read("config/appsettings.json")
    for secret in translated(backup).configuration.secrets:
        start, end = secret.data_place
        assert raw[start:end].decode() == f'"{secret.data}"'


@pytest.mark.parametrize("by_path", [True, False])
def test_a_backup_whose_file_of_secrets_is_gone_is_restored_without_them_when_that_is_asked_for(
    store: BackupStore, certificate: TestCertificate, by_path: bool
) -> None:
    backup_id = "20261123T081500Z"
    encrypted_backups.make(store, backup_id, encrypted_backups.encrypt_to(), certificates=[certificate])
    (store.folder / backup_id / "secrets.json").unlink()
    options: dict[str, Any] = {
        "backup_root": str(store.root),
        "backup_id": str(store.folder / backup_id) if by_path else backup_id,
        "state": "planned",
        "other_server": True,
        "installation": packed(fresh() | {"earlier": [], "machine_certificates": {}}),
    }
    for wrong, fault in (({}, "'installation' is missing"), (fresh() | {"state": []}, "'state' is a list")):
        refused = run("config_restore", **options | {"installation": packed(wrong)})
        assert f"installation is not what a plan (state: planned) returned: {fault}" in refused["msg"]
    refused = run("config_restore", **options | {"installation": "{}"})
    assert "installation is not what a plan (state: planned) returned: " in refused["msg"]
    refused = run("config_restore", **options)
    assert "Authentication.Oidc.Secret and Email.Password cannot be decrypted on AMS2" in refused["msg"]
    assert "secrets.json is missing in the backup" in refused["msg"]
    result = run("config_restore", **options, require_secrets=False)
    assert [one["action"] for one in result["plan_document"]["secrets"]] == ["enter", "enter"]
    assert result["directory_needs"]["computer"] == "AMS2"
    assert [one["thumbprint"] for one in result["certificates"]] == [certificate.thumbprint]
    command = next(task for task in result["tasks"] if "restore_tls_thumbprint=THUMBPRINT" in task).partition(
        "controller: "
    )[2]
    words = shlex.split(command)
    assert words[:4] == ["ansible-playbook", "lithnet.access_manager.disaster_recovery", "-i", "inventory.yml"]
    given = dict(word.split("=", 1) for word in words[5::2])
    assert (given["target"], given["restore_from_host"]) == (HOST, HOST)
    assert given["access_manager_backup_root"] == str(store.root)
    assert (given["restore_id"], given["restore_require_secrets"]) == (options["backup_id"], "false")
    assert sum("secrets.json is missing in the backup" in task for task in result["tasks"]) == 2
    assert "There is no complete backup" in run("config_restore", **options | {"backup_id": "latest"})["msg"]
    (store.folder / backup_id / "certificates.zip").unlink()
    assert "certificates.zip' cannot be read" in run("config_restore", **options, require_secrets=False)["msg"]


def test_the_database_stays_with_its_server() -> None:
    backup = translated(contents(content={"config/db/ams.mdf": b"cache"}))
    assert "config/db/ams.mdf" not in backup.configuration.files
    assert "config/db/" in backup.configuration.folders


# ---- refused ----


@pytest.mark.parametrize(
    ("there", "here", "allowed", "words"),
    [
        ("1.0.8152.0", "1.1.0.0", False, "install the MSI of Access Manager Service 1.0.8152.0 on AMS2. It is newer"),
        ("1.0.8152.0", "1.1.0.0", True, None),
        ("1.0.8152.0", "1.0.7945.0", False, "and AMS2 has 1.0.7945.0: install the MSI"),
        ("1.0.8152.0", "1.0.7945.0", True, "install the MSI of Access Manager Service 1.0.8152.0 on AMS2."),
        ("2.0.8600.0", "1.0.8152.0", True, "Versions 2 and 3 keep their data in SQL Server"),
        ("", "1.0.8152.0", True, "which cannot be restored"),
        ("1." + "9" * 5000, "1.0.8152.0", True, "which cannot be restored"),
    ],
)
def test_another_version_is_refused_unless_the_server_has_a_newer_one(
    there: str, here: str, allowed: bool, words: str | None
) -> None:
    backup, described = contents(version=there or "?"), fresh()
    described["installation"]["version"] = here
    if words is None:
        translated(backup, described, allow_version_mismatch=allowed)
    else:
        assert words in refusal(backup, described, allow_version_mismatch=allowed)


def test_a_recovery_onto_a_later_version_is_reported_which_msi_it_needs() -> None:
    action = object.__new__(RestoreAction)
    action.params = {"other_server": True}
    assert "install the MSI of Access Manager Service 1.0.8152.0" in action._how_to_return(contents())
    action.params = {"other_server": False}
    assert "run the playbook rollback" in action._how_to_return(contents())


def test_a_configured_server_is_not_overwritten() -> None:
    described = fresh()
    described["installation"]["configured"] = True
    with pytest.raises(AccessManagerError, match="is configured already"):
        adapted_backup.refuse_configured(contents(), described, planned(contents(), described))


# ---- manual tasks ----


def again(**variables: str) -> str:
    return f"ansible-playbook recovery {variables}"


def tasks(backup: Contents, described: dict[str, Any]) -> list[Task]:
    plan = planned(backup, described)
    bindings = adapted_backup.tls_bindings(backup, described, RecoveryOptions())
    return tasks_of(Recovery(backup, described, plan, bindings, again))


def commands(backup: Contents, described: dict[str, Any] | None = None) -> dict[str, str]:
    found: dict[str, str] = {}
    for task in tasks(backup, described or fresh()):
        found[task.item] = found.get(task.item, "") + "\n".join([task.text, *task.commands])
    return found


HOSTING = b'{"Hosting": {"HttpSys": {"HttpPort": 8080, "HttpsPort": 8443, "Hostname": "ams.forest.example"}}}'


def test_each_task_has_its_commands_with_the_names_of_this_recovery() -> None:
    backup = contents(
        settings_with(Authentication={"Mode": "Iwa"}, Email={"Host": "smtp.forest.example", "Port": 587}),
        content={"config/apphost.json": HOSTING},
        environment=[{"scope": "machine", "variable": "AccessManagerService__Email__Host=secret.example"}],
        references=[
            {
                "key": SMTP,
                "value": r"\\fs\x.html",
                "path": r"\\fs\x.html",
                "place": "share",
                "exists": False,
                "name": None,
            }
        ],
        described={"firewall": state()["state"]["firewall"]},
    )
    described = fresh(service=target_server()["state"]["service"] | {"account": "LocalSystem"})
    reported = commands(backup, described)
    assert "setspn -D HTTP/ams.forest.example AMS1" in reported["SPN"]
    assert "setspn -S HTTP/ams.forest.example AMS2" in reported["SPN"]
    assert "Set-ADServiceAccount -Identity 'svc-ams'" in reported["gMSA"]
    assert "Get-ADComputer -Identity 'AMS2'" in reported["gMSA"]
    assert r"""sc.exe config lithnetams obj= 'EXAMPLE\svc-ams$' password= '""'""" in reported["service account"]
    assert "sc.exe managedaccount lithnetams true" in reported["service account"]
    assert "SeServiceLogonRight" in reported["service account"].partition("Restart-Service")[0]
    assert "Get-KdsRootKey" in reported["KDS root key"]
    assert "Resolve-DnsName -Name ams.forest.example" in reported["DNS and load balancer"]
    assert "-ZoneName forest.example -Name ams -IPv4Address NEW-ADDRESS" in reported["DNS and load balancer"]
    assert "-LocalPort 8080,8443" in reported["firewall"]
    assert "Test-NetConnection -ComputerName smtp.forest.example -Port 587" in reported["mail and webhooks"]
    assert r"\\fs\x.html" in reported["files on shares"]
    assert "AccessManagerService__Email__Host" in reported["environment variables"]
    assert "secret.example" not in reported["environment variables"]


@pytest.mark.parametrize(
    ("was", "here", "wanted"),
    [
        ((2, True), (2, False), "delayed-auto"),
        ((2, False), (3, False), "auto"),
        ((2, False), (4, False), "auto"),
        ((2, True), (2, True), None),
        ((3, False), (2, False), None),
        ((4, False), (2, False), None),
    ],
)
def test_a_service_that_started_by_itself_shall_do_so_on_the_new_server(
    was: tuple[int, bool], here: tuple[int, bool], wanted: str | None
) -> None:
    before, now = ({"start": start, "delayed_start": delayed} for start, delayed in (was, here))
    service = target_server()["state"]["service"]
    reported = commands(contents(described={"service": service | before}), fresh(service=service | now))
    assert ("service: start type" in reported) is (wanted is not None)
    assert wanted is None or reported["service: start type"].endswith(f"sc.exe config lithnetams start= {wanted}")


def test_a_backup_of_a_server_that_was_not_configured_says_that_nothing_is_served() -> None:
    registry = [value for value in state()["state"]["registry"] if value["name"] != "Configured"]
    reported = commands(contents(described={"registry": registry}), fresh())
    assert "was not 1 when the backup was made" in reported["registry: Configured"]
    assert "registry: Configured" not in commands(contents(), fresh())


def named(hostname: str | None, *names: str, realm: str | None = None) -> dict[str, str]:
    """The tasks of a recovery whose web site is named in these places: the settings, the certificate, the realm."""
    bound = tls_certificate(*names)
    http_sys = copy.deepcopy(state()["state"]["http_sys"])
    http_sys["bindings"][0]["thumbprint"] = bound["thumbprint"]
    hosting = {"Hosting": {"HttpSys": {"Hostname": hostname} if hostname else {}}}
    settings = settings_with(
        ForwardedHeaders={"AllowedHosts": ["allowed.forest.example"]},
        Authentication={"Mode": "Iwa", "WsFed": {"Realm": realm}},
    )
    described = {"http_sys": http_sys, "tls_certificates": [bound]}
    content = {"config/apphost.json": json.dumps(hosting).encode()}
    return commands(contents(settings, content=content, described=described))


@pytest.mark.parametrize(
    ("hostname", "names", "realm", "name"),
    [
        ("ams.forest.example", ("www.forest.example",), None, "ams.forest.example"),
        ("+", ("AMS.forest.example.",), None, "ams.forest.example"),
        ("localhost", ("ams", "ams.forest.example"), None, "ams.forest.example"),
        ("192.0.2.1", ("*.forest.example", "ams.forest.example"), None, "ams.forest.example"),
        (None, ("*.forest.example",), "https://ams.forest.example/sso", "ams.forest.example"),
        (None, ("localhost",), "urn:lithnet:ams", None),
        ("localhost.localdomain", ("10.0.0.1", "[::1]"), "https://localhost/", None),
    ],
)
def test_the_web_site_has_the_name_that_its_settings_or_its_certificate_give(
    hostname: str | None, names: tuple[str, ...], realm: str | None, name: str | None
) -> None:
    reported = named(hostname, *names, realm=realm)
    dns = reported["DNS and load balancer"]
    spn, is_given = reported["SPN"], name is not None and name == hostname
    assert (f"Resolve-DnsName -Name {name}" in dns, f"setspn -Q HTTP/{name}" in spn) == (name is not None,) * 2
    assert ("DnsServerResourceRecord" in dns, "setspn -D" in spn, "setspn -S" in spn) == (is_given,) * 3
    assert ("-Force" in dns, "guess" in dns, "guess" in spn) == (is_given, *(name is not None and not is_given,) * 2)
    assert not any("localhost" in text or "allowed" in text for text in reported.values())


@pytest.mark.parametrize(
    ("mode", "section", "path"),
    [("Oidc", "Oidc", "Authority"), (1, "Oidc", "Authority"), ("WsFed", "WsFed", "Metadata")],
)
def test_identity_providers_are_reported_and_need_no_spn(mode: Any, section: str, path: str) -> None:
    authentication = {"Mode": mode, section: {path: "https://idp.example"}}
    reported = commands(contents(settings_with(Authentication=authentication)))
    assert "https://idp.example" in reported["identity provider"]
    assert "/auth/logout" in reported["identity provider"]
    assert "SPN" not in reported
    hosting = b'{"Hosting": {"HttpSys": {"HttpsPort": 8443, "Hostname": "ams.forest.example", "Path": "/ams/"}}}'
    reported = commands(
        contents(settings_with(Authentication=authentication), content={"config/apphost.json": hosting})
    )
    assert (
        "https://ams.forest.example:8443/ams/auth and https://ams.forest.example:8443/ams/auth/logout"
        in reported["identity provider"]
    )


@pytest.mark.parametrize(
    ("ports", "closed"),
    [
        ("LPort=8080|LPort=8443|", None),
        ("LPort2_10=8000-9000|", None),
        ("", None),
        ("LPort=8080|", "TCP 8443:"),
        ("LPort=80|LPort=443|", "TCP 8080 and 8443:"),
        ("LPort=8080|LPort=8443|Active=FALSE|", "TCP 8080 and 8443:"),
        ("LPort=RPC|", "TCP 8080 and 8443:"),
    ],
)
def test_a_firewall_rule_with_other_ports_is_reported(ports: str, closed: str | None) -> None:
    rule = {"name": "{b}", "rule": f"v2.10|Action=Allow|Dir=In|Protocol=6|{ports}"}
    reported = commands(contents(content={"config/apphost.json": HOSTING}), fresh(firewall=[rule]))
    if closed is None:
        assert "firewall" not in reported
    else:
        assert closed in reported["firewall"]
        assert "-Enabled True -Action Allow -Protocol TCP -LocalPort 8080,8443" in reported["firewall"]


def test_a_node_of_a_cluster_has_a_task_for_the_others() -> None:
    reported = commands(contents(), fresh() | {"cluster": {"resource": "AMS (1)", "owner": "AMS2", "owned": True}})[
        "failover cluster"
    ]
    assert "Get-ClusterCheckpoint -ResourceName 'AMS (1)' -RegistryCheckpoint" in reported
    assert again(target="OTHER-NODE") in reported
    backup = contents()
    backup.configuration.described["cluster"] = {"resource": "'; evil", "owner": "AMS1", "owned": True}
    reported = commands(backup)["failover cluster"]
    assert "AMS2 is none" in reported
    assert "evil" not in reported


def test_a_server_of_the_same_name_needs_no_move() -> None:
    described = fresh() | {"computer_name": "AMS1"}
    described["state"]["computer_name"] = "AMS1"
    backup = contents(settings_with(Authentication={"Mode": "Iwa"}), content={"config/apphost.json": HOSTING})
    reported = commands(backup, described)
    assert "setspn -D" not in reported["SPN"]
    assert "DNS and load balancer" not in reported


def test_clear_and_domain_secrets_are_reported() -> None:
    backup = contents(
        settings_with(
            Authentication={"Mode": "Oidc", "Oidc": {"Secret": protected("clear", mode=0)}},
            Email={"Host": "smtp.example", "Password": protected("bmc=", mode=3)},
        )
    )
    described = fresh() | {"decrypted_secrets": {"Email.Password": False}}
    reported = commands(backup, described)
    assert "stands in clear in appsettings.json (mode 0)" in reported["secrets of mode 0"]
    assert "On AMS2 it cannot be decrypted by the account of this run" in reported["secrets of mode 3"]
    assert (
        "it can be decrypted by the account"
        in commands(backup, described | {"decrypted_secrets": {"Email.Password": True}})["secrets of mode 3"]
    )


def test_a_domain_secret_that_names_the_account_of_the_service_needs_nobody() -> None:
    descriptor = f"O:DAD:(A;;DC;;;WD)(A;;CCDC;;;DA)(A;;CCDC;;;{target_server()['service_sid']})"
    backup = contents(settings_with(Email={"Host": "smtp.example", "Password": domain_secret(descriptor)}))
    assert "secrets of mode 3" not in commands(backup)
    reported = commands(backup, fresh() | {"service_sid": "S-1-5-21-1-2-3-9999"})["secrets of mode 3"]
    assert "Domain Admins, S-1-5-21-1-2-3-1104 can decrypt it" in reported
    assert r"runs as 'EXAMPLE\svc-ams$'" in reported


@pytest.mark.parametrize("sid", ["S-1-5-21-1-2-3-1104", "S-1-5-21-1-2-3-9999"])
@pytest.mark.parametrize("changes", [True, False])
def test_on_the_same_server_it_is_predicted_whether_its_service_can_decrypt_a_domain_secret(
    store: BackupStore, sid: str, changes: bool
) -> None:
    password = domain_secret("O:DAD:(A;;DC;;;WD)(A;;CCDC;;;S-1-5-21-1-2-3-1104)")
    given = settings(password=password) | {"Authentication": {"Mode": "Iwa"}, "Authorization": {}}
    content = {"config/appsettings.json": json.dumps(given).encode()}
    backup_id = "20261123T081500Z"
    encrypted_backups.make(store, backup_id, encrypted_backups.encrypt_to(), content=content)
    there = {} if changes else {"appsettings.json": True}
    described = target_server() | {"service_sid": sid, "same_documents": there}
    described["decrypted_secrets"] = {"Email.Password": False}
    options = {"backup_root": str(store.root), "backup_id": backup_id, "state": "planned"}
    options |= {"installation": packed(described)}
    result = run("config_restore", **options)
    assert "tasks" in result, result
    said = [task for task in result["tasks"] if "Email.Password is protected for accounts of the domain" in task]
    assert len(said) == (changes and sid.endswith("9999")), result
    assert all("S-1-5-21-1-2-3-1104 can decrypt it" in task for task in said)


def test_secrets_that_are_not_in_use_need_nobody() -> None:
    unused = settings_with(
        Authentication={"Mode": "Iwa", "Oidc": {"Secret": protected("bmc=", mode=3)}},
        Email={"Host": "smtp.example", "UseDefaultCredentials": True, "Password": protected("bmc=", mode=3)},
    )
    assert not [item for item in commands(contents(unused)) if "secrets of mode" in item]


def test_a_key_that_the_configuration_alone_holds_is_said_and_never_to_be_entered() -> None:
    synchronised = {"Thumbprint": "ef" * 20, "Data": "cGZ4", "Secret": domain_secret("O:DAD:(A;;CCDC;;;DA)")}
    backup = contents(settings_with(DataProtection={"Certificates": [synchronised]}))
    reported = commands(backup)
    assert "EF" * 20 in reported["certificate synchronisation"]
    assert "Domain Admins can decrypt it" in reported["certificate synchronisation"]
    assert not any("DataProtection" in text and "enter it again" in text for text in reported.values())
    described = fresh()
    described["certificates"] = [certificate("EF" * 20, sddl=f"O:SYD:(A;;FR;;;{SERVICE})(A;;FA;;;BA)")]
    assert "certificate synchronisation" not in commands(backup, described)


def test_an_sql_server_elsewhere_is_reported() -> None:
    reported = commands(contents(settings_with(DatabaseConfiguration={"UseExternalSql": True})))
    assert "external SQL Server" in reported


@pytest.mark.parametrize(
    "text", ["x'; Remove-Item C:\\ -Recurse; '", "a b", "$(whoami)", "`n", "x\nSet-Evil", "-x", "9" * 5000]
)
def test_what_a_backup_holds_never_becomes_a_command(text: str) -> None:
    hosting = json.dumps({"Hosting": {"HttpSys": {"HttpPort": text, "HttpsPort": text, "Hostname": text}}}).encode()
    service = state()["state"]["service"] | {"account": f"EXAMPLE\\{text}$"}
    mail = {"Host": text, "Port": text}
    backup = contents(
        settings_with(Email=mail, Authentication={"Mode": text}),
        content={"config/apphost.json": hosting},
        described={"service": service, "computer_name": text},
    )
    for task in tasks(backup, fresh()):
        assert not any(text in command for command in task.commands), task
        assert "\n" not in task.text


def test_tasks_belong_to_things_of_the_table() -> None:
    items = set(OUTCOMES)
    test_sets = [contents(), contents(settings_with(Authentication={"Mode": "Iwa"}))]
    assert {
        task.item for backup in test_sets for task in tasks(backup, fresh() | {"machine_certificates": {}})
    } <= items


# ---- the plan as a document ----


def test_the_census_tells_of_each_key_of_the_manifest() -> None:
    here, imported, lost, gone = "AB" * 20, "CD" * 20, "EF" * 20, "01" * 20
    manifest = {"certificates": [{"thumbprint": one, "subject": "CN=forest"} for one in (here, imported, lost, gone)]}
    certificates = {one: Certificate(one, b"cer", b"pfx", "password") for one in (here, imported)} | {
        lost: Certificate(lost, b"cer")
    }
    backup = contents(manifest=manifest, certificates=certificates)
    described = fresh() | {"certificates": [{"thumbprint": here, "key": {"present": True, "sddl": ""}}]}
    plan = planned(backup, described)
    states = {one["thumbprint"]: one["state"] for one in plan_document.certificates_of(backup, plan)}
    assert states == {here: "here", imported: "import", lost: "missing", gone: "missing"}
    reported = [task.text for task in plan.tasks + tasks(backup, described)]
    assert sum(lost in text for text in reported) == sum(gone in text for text in reported) == 1


def test_the_census_tells_of_each_key_of_a_backup_without_a_manifest() -> None:
    backup = contents(certificates={TLS: Certificate(TLS, b"cer", b"pfx", "password")})
    assert plan_document.certificates_of(backup, planned(backup, fresh())) == [
        {"thumbprint": TLS, "subject": "", "state": "import"}
    ]


def document(backup: Contents, described: dict[str, Any]) -> dict[str, Any]:
    plan = planned(backup, described)
    plan.tasks += tasks(backup, described)
    return plan_document.document_of(translated(backup, described), described, plan, backup=backup)


def test_the_document_is_json_and_markdown_without_markup_of_the_backup() -> None:
    evil = "|<script>alert(1)</script>\n# heading `x`"
    backup = contents(settings_with(Authentication={"Mode": "Oidc", "Oidc": {"Authority": evil}}))
    reported = document(backup, fresh())
    assert json.loads(plan_document.to_json(reported)) == reported
    text = plan_markdown.to_markdown(reported).decode()
    assert "<script>" not in text
    assert "\n# heading" not in text
    assert "| secrets of mode 1 | restored as it is | re-protected | re-protected |  |" in text
    number = next(number for number, task in enumerate(reported["tasks"], 1) if task["item"] == "gMSA")
    assert f"| gMSA | kept from the target | manual | manual | {number} |" in text
    assert f"{number}. " in text
    assert "        Test-ADServiceAccount -Identity 'svc-ams'" in text


def test_the_table_says_what_this_run_does_and_the_plan_what_is_rewritten_to_what() -> None:
    backup = contents(settings_with(template=OLD + r"\audit-templates\mail.html"))
    reported = document(backup, fresh() | {"machine_certificates": {}})
    here = {one["item"]: one["this_run"] for one in reported["items"]}
    assert here["files elsewhere"] == "moved into the configuration folder"
    assert (
        here["references to files in the configuration folder"] == here["references to files elsewhere"] == "rewritten"
    )
    assert here["TLS binding"] == "not made: there is no certificate"
    assert here["registry: Configured"] == "kept from the target"
    assert (here["failover cluster"], here["firewall"]) == ("nothing to do", "manual")
    assert here["certificate synchronisation"] == "none in the backup"
    assert here["secrets of mode 3"] == "none in the backup"
    changed = {one["key"]: (one["before"], one["after"]) for one in reported["references"]}
    assert changed[SMTP] == (OLD + r"\audit-templates\mail.html", NEW + r"\audit-templates\mail.html")
    line = f"~ {SMTP} in appsettings.json: {changed[SMTP][0]} -> {changed[SMTP][1]}"
    assert line in reported["changes"]
    assert line in plan_markdown.to_markdown(reported).decode()
    here = {one["item"]: one["this_run"] for one in document(backup, fresh())["items"]}
    assert (here["TLS binding"], here["registry: Configured"]) == ("rewritten", "restored as it is")


def test_modules_and_secrets_of_other_modes_are_reported() -> None:
    script = (
        b"using module Tier0.Rules\r\n"
        b"#Requires -Modules ActiveDirectory\r\nImport-Module -Name 'Help.Desk'\n  . .\\common.ps1\n# "
        b"Import-Module no\n"
    )
    script += b"Import-Module -Force\n"
    backup = contents(
        settings_with(Email={"Host": "smtp", "Password": protected("bmc=", mode=2)}),
        content={"config/scripts/rule.ps1": script},
    )
    reported = commands(backup)
    assert r"load .\common.ps1, ActiveDirectory, Help.Desk, Tier0.Rules" in reported["modules that scripts load"]
    listed = "Get-Module -ListAvailable -Name ActiveDirectory,Help.Desk,Tier0.Rules"
    assert listed in reported["modules that scripts load"]
    assert "(mode 2)" in reported["secrets of mode 2"]


def test_the_document_of_the_same_server_says_so() -> None:
    described = target_server() | {"decrypted_secrets": {"Authentication.Oidc.Secret": True, "Email.Password": True}}
    described["records"].append(file_record("external/C/Scripts/über.ps1", b"exit 1", path=r"C:\Scripts\über.ps1"))
    plan = make_plan(contents(), described | {"machine_certificates": {TLS: END}}, RestoreOptions())
    text = plan_markdown.to_markdown(plan_document.document_of(contents(), described, plan)).decode()
    assert "It is the same server." in text


def test_the_documentation_has_the_table() -> None:
    page = (Path(__file__).parents[4] / "docs/recovery.md").read_text(encoding="utf-8")
    for item, (same, other) in OUTCOMES.items():
        assert f"| {item} | {same} | {other} |" in page
