# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a restore: what has to change on a server to be as a backup says, and no more."""

from __future__ import annotations

import copy
import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.configuration import Configuration
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.contents import Contents
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.keys import Certificate
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.names import path_of
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.source import Source
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.plan import (
    RESTORABLE,
    Plan,
    RestoreOptions,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.plan_text import lines_of
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.planner import (
    make_certificate_plan,
    make_plan,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._windows.tls_binding import plain_binding
from hypothesis import given
from hypothesis import strategies as st
from unit.opened_backups import COMMON, config_zip, files, protected, settings, state
from unit.servers import (
    ACCESS_MANAGER,
    CERTIFICATE_STORE_KEY,
    NOW,
    SERVICE,
    certificate,
    target_server,
    tls_certificate,
)

ROOT = r"C:\Program Files\Lithnet\Access Manager Service\config"
THUMBPRINT = "AB" * 20
READABLE = f"O:SYG:SYD:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FR;;;{SERVICE})"


def contents(
    *, secrets: dict[str, str] | None = None, certificates: dict[str, Certificate] | None = None, **config: Any
) -> Contents:
    configuration = Configuration(config_zip(**config))
    return Contents(
        Source("20261123T081500Z of ams1", {"config": Path("config.zip")}),
        configuration,
        certificates or {},
        secrets or {},
    )


def here(backup: Contents) -> dict[str, Any]:
    """A server that is as the backup says, whose secrets open."""
    described = target_server()
    described["state"] = copy.deepcopy(backup.configuration.described["state"])
    described["records"] = [
        {"kind": kind, "name": name.rstrip("/")} | record | {"path": path_of(name, ROOT)}
        for kind, records in (("folder", backup.configuration.folders), ("file", backup.configuration.files))
        for name, record in records.items()
    ]
    described["decrypted_secrets"] = {secret.path: True for secret in backup.configuration.secrets}
    described["machine_certificates"] = {"AA" * 20: "2027-11-30T00:00:00.0000000Z"}
    return described


def make(backup: Contents, described: dict[str, Any], **wish: Any) -> Plan:
    return make_plan(backup, described, RestoreOptions(**wish))


def sentences(plan: Plan) -> list[str]:
    return [task.sentence for task in plan.tasks]


def record_of(described: dict[str, Any], name: str) -> dict[str, Any]:
    return next(record for record in described["records"] if record["name"] == name)


def actions(plan: Plan) -> dict[str, str]:
    return {record["name"]: record["action"] for record in plan.files}


def refusal(backup: Contents, described: dict[str, Any], **wish: Any) -> str:
    with pytest.raises(AccessManagerError) as caught:
        make(backup, described, **wish)
    return str(caught.value)


# ---- nothing to do ----


def test_a_server_as_the_backup_says_is_left_alone() -> None:
    backup = contents()
    plan = make(backup, here(backup))
    assert (plan.changed, plan.stop, plan.start, lines_of(plan)) == (False, False, False, [])


def test_capitals_of_names_and_inherited_permissions_do_not_count() -> None:
    backup = contents()
    described = here(backup)
    record_of(described, "config/scripts/rule.ps1")["name"] = "config/Scripts/RULE.ps1"
    for record in described["records"]:
        record["sddl"] = "O:BAG:SYD:AI(A;ID;FR;;;BU)"
    record_of(described, "config/scripts")["modified"] = "2026-01-01T00:00:00.0000000Z"
    assert not make(backup, described).changed


# ---- files ----


def test_missing_changed_and_strange_files_are_reported_apart() -> None:
    backup = contents()
    described = here(backup)
    described["records"] = [one for one in described["records"] if not one["name"].startswith("config/scripts")]
    record_of(described, "config/apphost.json")["sha256"] = "00" * 32
    record_of(described, "external/C/Scripts/über.ps1")["modified"] = "2026-01-01T00:00:00.0000000Z"
    more = {"path": ROOT + r"\more", **COMMON}
    described["records"] += [
        {"name": "config/more", "kind": "folder", "size": 0} | more,
        {"name": "config/more/stray.ps1", "kind": "file", "sha256": "11" * 32, "size": 1} | more,
        {"name": "config/db/ams.mdf", "kind": "file", "error": "locked", "size": 1} | more,
        {"name": "config/link", "kind": "link", "path": ROOT + r"\link"},
    ]
    plan = make(backup, described)
    assert actions(plan) == {
        "config/scripts/": "add",
        "config/scripts/rule.ps1": "add",
        "config/apphost.json": "replace",
        "external/C/Scripts/über.ps1": "set",
        "config/more/stray.ps1": "remove",
        "config/more/": "remove",
    }
    assert [record["name"] for record in plan.files][-2:] == ["config/more/stray.ps1", "config/more/"]
    assert (plan.stop, plan.start) == (True, True)
    assert rf"- {ROOT}\more" in lines_of(plan)
    assert any("link" in task.text for task in plan.tasks)
    assert "remove" not in actions(make(backup, described, mirror=False)).values()
    assert actions(make(backup, described, parts=frozenset({"external"}))) == {"external/C/Scripts/über.ps1": "set"}


@pytest.mark.parametrize(
    ("key", "value", "detail"),
    [
        ("modified", "2026-01-01T00:00:00.0000000Z", "time"),
        ("attributes", 0x23, "attributes"),
        ("sddl", "O:BAG:SYD:P(A;;FA;;;SY)", "permissions"),
    ],
)
def test_what_beside_the_content_differs_is_set(key: str, value: Any, detail: str) -> None:
    backup = contents()
    described = here(backup)
    record_of(described, "config/scripts/rule.ps1")[key] = value
    (change,) = make(backup, described).files
    assert (change["action"], change["set"], change["path"]) == ("set", [detail], ROOT + r"\scripts\rule.ps1")


def test_a_folder_where_a_file_belongs_and_an_unreadable_file_are_refused() -> None:
    backup = contents()
    described = here(backup)
    record_of(described, "config/apphost.json").update(kind="folder")
    assert "is a folder on the server" in refusal(backup, described)
    described = here(backup)
    del record_of(described, "config/apphost.json")["sha256"]
    record_of(described, "config/apphost.json")["error"] = "It is in use."
    assert "cannot be read now: It is in use." in refusal(backup, described)


def test_a_file_elsewhere_that_nothing_names_and_a_file_below_a_link_are_refused() -> None:
    backup = contents(content=files() | {"external/C/Windows/System32/evil.dll": b"x"})
    assert r"'C:\Windows\System32\evil.dll', which its configuration does not name" in refusal(backup, here(backup))
    assert not make(backup, here(backup), parts=frozenset({"config"})).changed
    backup = contents(content=files() | {"config/more/x.ps1": b"x"})
    described = here(backup)
    described["records"].append({"kind": "link", "name": "config/More", "path": ROOT + r"\More"})
    assert rf"'{ROOT}\more\x.ps1' lies below a link" in refusal(backup, described)


def test_named_files_are_restored_alone() -> None:
    backup = contents(content=files() | {"config/more/x.ps1": b"x"})
    described = here(backup) | {"decrypted_secrets": {}}
    described["records"] = [one for one in described["records"] if not one["name"].startswith("config/more")]
    for name in ("config/scripts/rule.ps1", "config/apphost.json", "external/C/Scripts/über.ps1"):
        record_of(described, name)["sha256"] = "00" * 32
    described["records"].append(
        {"name": "config/stray.ps1", "kind": "file", "path": ROOT + r"\stray.ps1", "sha256": "0", "size": 1}
    )
    named = frozenset({"config/scripts/rule.ps1", "config/more/x.ps1", "external/c/scripts/über.ps1"})
    plan = make(backup, described, files=named, parts=frozenset({"config", "external"}))
    assert actions(plan) == {
        "config/scripts/rule.ps1": "replace",
        "config/more/x.ps1": "add",
        "external/C/Scripts/über.ps1": "replace",
    }
    assert plan.secrets == []
    assert "has no file 'config/gone.ps1'" in refusal(backup, described, files=frozenset({"config/gone.ps1"}))


def test_the_database_is_restored_only_when_asked_for() -> None:
    backup = contents(content=files() | {"config/db/ams.mdf": b"cache"})
    described = here(backup)
    del record_of(described, "config/db/ams.mdf")["sha256"]
    record_of(described, "config/db/ams.mdf")["error"] = "locked"
    assert not make(backup, described).changed
    assert actions(make(backup, described, include_database=True)) == {"config/db/ams.mdf": "replace"}


def test_what_else_differs_of_a_replaced_file_is_reported() -> None:
    backup = contents()
    described = here(backup)
    record = record_of(described, "config/appsettings.json")
    record |= {"sha256": "0" * 64, "sddl": "O:BAG:SYD:P(A;;FA;;;WD)", "modified": "2020-01-01T00:00:00.0000000Z"}
    assert [line for line in lines_of(make(backup, described)) if line.startswith("~")] == [
        f"~ {record['path']} (content, permissions)"
    ]


_CONTENTS = st.dictionaries(
    st.sampled_from([f"config/scripts/{name}" for name in "abcdef"]), st.binary(max_size=3), max_size=6
)


@given(before=_CONTENTS, wanted=_CONTENTS, mirror=st.booleans())
def test_doing_the_plan_makes_the_server_as_the_backup(
    before: dict[str, bytes], wanted: dict[str, bytes], mirror: bool
) -> None:
    old, backup = contents(content=files() | before), contents(content=files() | wanted)
    described = here(old)
    plan = make(backup, described, mirror=mirror)
    tree = {record["name"]: record.get("sha256") for record in described["records"]}
    for record in plan.files:
        if record["action"] == "remove":
            del tree[record["name"].rstrip("/")]
        else:
            tree[record["name"].rstrip("/")] = record.get("sha256")
    held = {record["name"]: record.get("sha256") for record in here(backup)["records"]}
    assert (tree if mirror else {name: tree[name] for name in held}) == held
    assert plan.changed is (
        before != wanted if mirror else any(before.get(name) != data for name, data in wanted.items())
    )


# ---- registry and HTTP.sys ----


def test_registry_values_are_set_and_removed_configured_last() -> None:
    backup = contents()
    described = here(backup)
    described["state"]["registry"] = [
        {"key": "", "name": "version", "kind": "String", "data": "1.0.8152.0"},
        {"key": "Parameters", "name": "configpath", "kind": "String", "data": "other"},
        {"key": "Parameters", "name": "Stray", "kind": "DWord", "data": 1},
        {"key": "", "name": "Path", "kind": "String", "data": "installed"},
    ]
    plan = make(backup, described)
    assert [value["name"] for value in plan.registry["set"]] == ["ConfigPath", "Configured"]
    assert [value["name"] for value in plan.registry["remove"]] == ["Stray"]
    assert r"- registry Parameters\Stray" in lines_of(plan)
    assert make(backup, described, mirror=False).registry["remove"] == []
    assert not make(backup, described, parts=frozenset({"config"})).changed


@pytest.mark.parametrize(("name", "data"), [("ProxyPassword", "new"), ("Store", "Server=sql;Password=new")])
def test_a_registry_value_that_may_be_secret_is_not_shown(name: str, data: str) -> None:
    described = state()
    described["state"]["registry"].append({"key": "", "name": name, "kind": "String", "data": data})
    backup = contents(described=described)
    found = here(backup)
    found["state"]["registry"][-1]["data"] = "old"
    assert f"~ registry {name}: not shown" in lines_of(make(backup, found))


def test_what_could_control_a_terminal_is_shown_as_text() -> None:
    described = state()
    described["state"]["registry"].append({"key": "", "name": "Title", "kind": "String", "data": "\x1b[2J\nnone"})
    backup = contents(described=described)
    found = here(backup)
    found["state"]["registry"].pop()
    assert r"+ registry Title: None -> \x1b[2J\nnone" in lines_of(make(backup, found))


def test_bindings_that_differ_are_replaced_and_missing_ones_added() -> None:
    backup = contents()
    described = here(backup)
    http_sys = described["state"]["http_sys"]
    http_sys["bindings"][0]["thumbprint"] = "CC" * 20
    http_sys["bindings"].pop(1)
    http_sys["reservations"][0]["url"] = "https://+:8443/"
    plan = make(backup, described)
    assert [one["endpoint"] for one in plan.http_sys["add"]["bindings"]] == ["0.0.0.0:443", "[::]:443"]
    assert [one["endpoint"] for one in plan.http_sys["remove"]["bindings"]] == ["0.0.0.0:443"]
    assert [one["url"] for one in plan.http_sys["add"]["reservations"]] == ["https://+:443/"]
    assert [one["url"] for one in plan.http_sys["remove"]["reservations"]] == ["https://+:8443/"]


def bound_by(described: dict[str, Any], certificate: dict[str, Any]) -> None:
    """A server's, or a backup's, first binding has that certificate, which is on the server with its key."""
    described["state"]["http_sys"]["bindings"][0]["thumbprint"] = certificate["thumbprint"]
    described["state"]["tls_certificates"] = [certificate]


def between(backup_days: int, server_days: int, *, port: int = 443, **wish: Any) -> Plan:
    """The plan of a restore whose backup and whose server have TLS certificates that end in so many days.

    port: at which the server's is bound.
    """
    old, new = tls_certificate("ams.example", days=backup_days), tls_certificate("ams.example", days=server_days)
    described = state()
    bound_by(described, old)
    backup = contents(described=described)
    found = here(backup)
    bound_by(found, new)
    found["state"]["http_sys"]["bindings"][0]["endpoint"] = f"0.0.0.0:{port}"
    found["machine_certificates"] |= {
        old["thumbprint"]: f"{NOW + datetime.timedelta(days=backup_days):%Y-%m-%dT%H:%M:%SZ}",
        new["thumbprint"]: f"{NOW + datetime.timedelta(days=server_days):%Y-%m-%dT%H:%M:%SZ}",
    }
    if wish.get("tls_thumbprint"):
        wish["tls_thumbprint"] = old["thumbprint"]
    return make(backup, found, **wish)


@pytest.mark.parametrize(("backup_days", "server_days"), [(-200, 9000), (8000, 9000), (-200, -300)])
def test_a_bound_certificate_is_not_replaced_by_one_that_has_expired_or_ends_earlier(
    backup_days: int, server_days: int
) -> None:
    plan = between(backup_days, server_days)
    assert plan.http_sys["add"]["bindings"] == plan.http_sys["remove"]["bindings"] == []
    assert any("keeps the certificate" in sentence for sentence in sentences(plan))


def test_a_bound_certificate_moves_with_the_port_when_its_binding_is_removed() -> None:
    plan = between(-200, 9000, port=4443, mirror=True)
    (gone,) = [one for one in plan.http_sys["remove"]["bindings"] if one["endpoint"] == "0.0.0.0:4443"]
    (added,) = [one for one in plan.http_sys["add"]["bindings"] if one["endpoint"] == "0.0.0.0:443"]
    assert added["thumbprint"] == gone["thumbprint"]
    assert any("keeps the certificate" in sentence for sentence in sentences(plan))
    (other,) = between(9000, 8000, port=4443, mirror=True).http_sys["add"]["bindings"]
    assert other["thumbprint"] != gone["thumbprint"], "the backup's ends later"
    (beside,) = between(-200, 9000, port=4443).http_sys["add"]["bindings"]
    assert beside["thumbprint"] != added["thumbprint"], "no binding is removed, so nothing that was bound is lost"


def test_a_certificate_that_ends_later_is_bound_and_one_that_was_asked_for_too() -> None:
    assert len(between(9000, 8000).http_sys["add"]["bindings"]) == 1
    assert len(between(8000, 9000, tls_thumbprint=True).http_sys["add"]["bindings"]) == 1


def test_a_kept_certificate_gets_the_parameters_of_the_backup() -> None:
    old, new = tls_certificate(days=8000), tls_certificate(days=9000)
    described = state()
    bound_by(described, old)
    described["state"]["http_sys"]["bindings"][0]["flags"] = 0x2
    backup = contents(described=described)
    found = here(backup)
    found["state"]["http_sys"]["bindings"][0]["flags"] = 0
    bound_by(found, new)
    found["state"]["tls_certificates"].append(old)
    found["machine_certificates"][new["thumbprint"]] = "2050-01-01T00:00:00Z"
    (added,) = make(backup, found).http_sys["add"]["bindings"]
    assert (added["thumbprint"], added["flags"]) == (new["thumbprint"], 0x2)


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        (tls_certificate("ams.example", "www.example", days=9000), None),
        (tls_certificate("*.example", days=9000), None),
        (tls_certificate("ams.example", days=-100), "expired on"),
        (tls_certificate("*.ams.example", "other.example", days=9000), "Hosting.HttpSys.Hostname is ams.example"),
    ],
)
def test_an_expired_certificate_and_one_of_another_name_are_warned_of(
    certificate: dict[str, Any], said: str | None
) -> None:
    described = state()
    bound_by(described, certificate)
    hosting = b'{"Hosting": {"HttpSys": {"Hostname": "ams.example"}}}'
    backup = contents(content=files(config__apphost_dot_json=hosting), described=described)
    found = [sentence for sentence in sentences(make(backup, here(backup))) if certificate["thumbprint"] in sentence]
    assert [said in sentence for sentence in found] == ([True] if said else []), found


def test_a_binding_without_the_name_of_its_store_is_in_my() -> None:
    described = state()
    for binding in described["state"]["http_sys"]["bindings"]:
        binding["store"] = ""
    backup = contents(described=described)
    found = here(backup)
    for binding in found["state"]["http_sys"]["bindings"]:
        binding["store"] = "MY"
    assert not make(backup, found).changed
    found["state"]["http_sys"]["bindings"][0]["store"] = "WebHosting"
    assert len(make(backup, found).http_sys["add"]["bindings"]) == 1


def test_a_file_that_windows_encrypted_is_reported_to_be_clear_afterwards() -> None:
    backup = contents()
    described = here(backup)
    script = record_of(described, "config/scripts/rule.ps1")
    script["attributes"] |= 0x4000
    assert not [task for task in sentences(make(backup, described)) if "EFS" in task]
    script["sha256"] = "00" * 32
    assert [task for task in sentences(make(backup, described)) if "EFS" in task and "rule.ps1" in task]


def test_what_the_service_remembers_in_the_registry_is_let_alone() -> None:
    backup = contents()
    described = here(backup)
    one = {"key": "Parameters", "name": "LastNotifiedVersion", "kind": "String", "data": "1.0.9999.0"}
    described["state"]["registry"].append(one)
    assert not make(backup, described).changed
    described["state"]["registry"][-1] = one | {"name": "Other"}
    assert [value["name"] for value in make(backup, described).registry["remove"]] == ["Other"]


@pytest.mark.parametrize(
    ("key", "name"), [("", "DeleteLocalDbInstance"), ("Parameters", "ResetScheduler"), ("", "Version")]
)
def test_an_order_that_is_carried_out_once_is_not_given_again(key: str, name: str) -> None:
    described = state()
    described["state"]["registry"].append({"key": key, "name": name, "kind": "DWord", "data": 1})
    backup = contents(described=described)
    server = here(backup)
    server["state"]["registry"].pop()
    assert not make(backup, server).changed


PARAMETERS = {
    "flags": 0x2,
    "check_mode": 0x1,
    "revocation_freshness": 3600,
    "revocation_timeout": 15000,
    "ctl_identifier": "clients",
    "ctl_store": "Trust",
}


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_every_parameter_of_a_binding_comes_back(parameter: str) -> None:
    described = state()
    described["state"]["http_sys"]["bindings"][0][parameter] = PARAMETERS[parameter]
    backup = contents(described=described)
    assert not make(backup, here(backup)).changed
    found = here(contents())
    plan = make(backup, found)
    assert plan.http_sys["add"]["bindings"] == [described["state"]["http_sys"]["bindings"][0]]
    assert plan.http_sys["remove"]["bindings"] == [found["state"]["http_sys"]["bindings"][0]]


@pytest.mark.parametrize("parameter", ["flags", "check_mode"])
def test_a_binding_with_parameters_that_nobody_knows_is_for_a_person(parameter: str) -> None:
    described = state()
    described["state"]["http_sys"]["bindings"][0][parameter] = 0x80000000
    backup = contents(described=described)
    plan = make(backup, here(contents()))
    assert not plan.changed
    assert [task for task in sentences(plan) if f"{parameter} 0x80000000" in task and "0.0.0.0:443" in task]


def test_bindings_by_host_name_and_of_the_central_store_come_back() -> None:
    described = state()
    by_name = plain_binding("host_name", "ams.example:443", "AA" * 20, ACCESS_MANAGER, "My") | {"flags": 2}
    central = plain_binding("central_store", "443", "", ACCESS_MANAGER, "")
    described["state"]["http_sys"]["bindings"] += [by_name, central]
    backup = contents(described=described)
    plan = make(backup, here(contents()))
    assert plan.http_sys["add"]["bindings"] == [central, by_name]
    assert (
        "+ TLS binding ams.example:443 of certificate " + "AA" * 20 + " (client certificates are negotiated)"
        in lines_of(plan)
    )
    assert not make(backup, here(backup)).changed


def test_another_applications_binding_on_the_port_of_the_web_site_is_reported() -> None:
    described = state()
    other = plain_binding("host_name", "ams.example:443", "AA" * 20, "{OTHER}", "My")
    elsewhere = plain_binding("host_name", "ams.example:8443", "AA" * 20, "{OTHER}", "My")
    described["state"]["http_sys"]["bindings"] += [other, elsewhere]
    backup = contents(described=described)
    plan = make(backup, here(contents()))
    assert not plan.changed
    assert [task for task in sentences(plan) if "{OTHER}" in task and "ams.example:443" in task]
    assert not [task for task in sentences(plan) if "ams.example:8443" in task]
    assert not [task for task in sentences(make(backup, here(backup))) if "{OTHER}" in task]


def test_settings_of_a_binding_that_windows_keeps_elsewhere_are_reported() -> None:
    described = state()
    described["state"]["http_sys"]["bindings"][0]["other_values"] = ["Http2Window"]
    backup = contents(described=described)
    assert [task for task in sentences(make(backup, here(contents()))) if "Http2Window" in task]
    assert not [task for task in sentences(make(backup, here(backup))) if "Http2Window" in task]


def test_permissions_of_registry_keys_are_compared_and_left_to_a_person() -> None:
    backup = contents()
    described = here(backup)
    described["state"]["registry_permissions"][1]["sddl"] = "O:BAG:SYD:PAI(A;CI;KA;;;BA)"
    plan = make(backup, described)
    assert not plan.changed
    assert [task for task in sentences(plan) if CERTIFICATE_STORE_KEY in task and "O:BAG:SYD:PAI(A;CI;KA;;;BA)" in task]
    described["state"]["registry_permissions"].pop()
    assert [
        task
        for task in sentences(make(backup, described))
        if CERTIFICATE_STORE_KEY in task and "is not there yet" in task
    ]
    described["state"]["registry_permissions"] = [
        one | {"sddl": one["sddl"].replace("D:AI", "D:")} for one in here(backup)["state"]["registry_permissions"]
    ]
    assert not [task for task in sentences(make(backup, described)) if "permissions of the registry key" in task]


def test_what_another_program_has_is_never_taken() -> None:
    backup = contents()
    for kind, change in (("bindings", {"application_id": "{OTHER}"}), ("reservations", {"sddl": "D:(A;;GX;;;NS)"})):
        described = here(backup)
        described["state"]["http_sys"][kind][0].update(change)
        assert "for another program" in refusal(backup, described)
        assert not make(backup, described, parts=frozenset({"config", "external", "certificates"})).changed


def test_a_binding_without_its_certificate_is_for_a_person() -> None:
    backup = contents()
    described = here(backup) | {"machine_certificates": {}}
    described["state"]["http_sys"]["bindings"] = []
    plan = make(backup, described)
    assert not plan.changed
    assert sum("is not in LocalMachine" in task.text for task in plan.tasks) == 2


# ---- certificates and secrets ----


@pytest.mark.parametrize(
    ("found", "action"),
    [
        ([], "import"),
        ([certificate(present=False, reason="gone")], "give_key"),
        ([certificate(sddl="O:SYD:P(A;;FA;;;SY)(A;;FA;;;BA)")], "give_access"),
        ([certificate(sddl=READABLE)], None),
        ([certificate(sddl="")], None),
    ],
)
def test_a_certificate_gets_what_it_lacks(found: list[dict[str, Any]], action: str | None) -> None:
    backup = contents(certificates={THUMBPRINT: Certificate(THUMBPRINT, b"cer", b"pfx", "password")})
    described = here(backup) | {"certificates": found}
    plan = make(backup, described)
    assert [one["action"] for one in plan.certificates] == ([action] if action else [])
    assert plan.usable_certificates == [THUMBPRINT]
    assert not plan.stop
    assert make(backup, described, parts=frozenset({"config"})).certificates == []


def test_a_key_that_nobody_has_is_for_a_person() -> None:
    backup = contents(certificates={THUMBPRINT: Certificate(THUMBPRINT, b"cer")})
    assert THUMBPRINT in make(backup, here(backup)).tasks[0].text


def test_secrets_that_do_not_open_are_protected_again_or_entered_by_a_person() -> None:
    backup = contents(secrets={"Email.Password": "x"})
    described = here(backup) | {"decrypted_secrets": {}}
    sentence = refusal(backup, described)
    assert "Authentication.Oidc.Secret cannot be decrypted on AMS1" in sentence
    assert "Email.Password" not in sentence
    plan = make(backup, described, require_secrets=False)
    assert {one["path"]: one["action"] for one in plan.secrets} == {
        "Authentication.Oidc.Secret": "enter",
        "Email.Password": "protect",
    }
    assert actions(plan) == {"config/appsettings.json": "replace"}
    assert any("Enter Authentication.Oidc.Secret again" in task.text for task in plan.tasks)


@pytest.mark.parametrize(
    "unused",
    [
        {"Authentication": {"Mode": "Iwa", "Oidc": {"Secret": protected("b2lkYw==")}}},
        {"Authentication": {"Oidc": {"Secret": protected("b2lkYw==")}}},
        {"Email": {"Password": protected("cGFzc3dvcmQ=")}},
        {"Email": {"Host": "smtp", "UseDefaultCredentials": True, "Password": protected("cGFzc3dvcmQ=")}},
        {"DataProtection": {"Certificates": [{"Thumbprint": "AB" * 20, "Secret": protected("cGZ4")}]}},
    ],
)
def test_a_secret_that_is_not_in_use_or_that_nobody_can_enter_refuses_nothing(unused: dict[str, Any]) -> None:
    used = {"Authentication": {}, "Email": {}}
    backup = contents(content=files() | {"config/appsettings.json": json.dumps(settings() | used | unused).encode()})
    plan = make(backup, here(backup) | {"decrypted_secrets": {}})
    assert [one["action"] for one in plan.secrets] == ["enter"]
    assert not any("again in the configuration tool" in sentence for sentence in sentences(plan))


def test_secrets_that_are_already_protected_again_are_left_alone() -> None:
    backup = contents()
    described = here(backup) | {"decrypted_secrets": {}, "same_documents": {"appsettings.json": True}}
    record_of(described, "config/appsettings.json")["sha256"] = "00" * 32
    assert not make(backup, described).changed
    record_of(described, "config/scripts/rule.ps1")["sha256"] = "11" * 32
    plan = make(backup, described)
    assert actions(plan) == {"config/scripts/rule.ps1": "replace"}
    assert [secret["action"] for secret in plan.secrets] == ["here", "here"]


@pytest.mark.parametrize(
    ("parts", "backed_up", "before", "expected"),
    [
        (RESTORABLE, 1, False, True),
        (RESTORABLE, 0, True, False),
        (("config",), 1, False, False),
        (("config",), 0, True, True),
    ],
)
def test_the_server_must_be_configured_as_it_is_restored_or_as_it_was(
    parts: tuple[str, ...], backed_up: int, before: bool, expected: bool
) -> None:
    described = state()
    described["state"]["registry"][1]["data"] = backed_up
    backup = contents(described=described)
    found = here(backup)
    found["installation"]["configured"] = before
    assert make(backup, found, parts=frozenset(parts)).configured is expected


# ---- the whole ----


def test_another_computer_version_or_place_is_refused() -> None:
    backup = contents()
    described = here(backup)
    described["installation"]["version"] = "1.1.0.0"
    assert "allow_version_mismatch" in refusal(backup, described)
    assert not make(backup, described, allow_version_mismatch=True).changed
    described = here(backup)
    described["installation"]["config_path"] = r"D:\config"
    assert "set ConfigPath" in refusal(backup, described)
    assert "is of the computer AMS1, and this is AMS2" in refusal(backup, here(backup) | {"computer_name": "AMS2"})


def test_a_stopped_service_stays_stopped_unless_its_start_is_asked_for() -> None:
    backup = contents()
    described = here(backup)
    described["state"]["service"]["status"] = "Stopped"
    record_of(described, "config/apphost.json")["sha256"] = "00" * 32
    plan = make(backup, described)
    assert (plan.stop, plan.start) == (False, False)
    assert make(backup, described, start=True).start


def test_a_service_that_an_interrupted_restore_left_stopped_is_started() -> None:
    backup = contents()
    described = here(backup) | {"left_stopped": True}
    assert not make(backup, described).changed
    described["state"]["service"]["status"] = "Stopped"
    plan = make(backup, described)
    assert (plan.changed, plan.stop, plan.start, lines_of(plan)) == (True, False, True, ["* service: start"])


def test_a_file_that_the_configuration_names_must_be_there_afterwards() -> None:
    path = ROOT + r"\more\Gone.ps1"
    reference = {"key": "K", "value": "V", "path": path, "place": "config", "exists": True, "name": None}
    backup = contents(described=state(references=[reference]))
    described = here(backup)
    assert f"'{path}', which would not be there after this restore" in refusal(backup, described)
    described["records"].append(
        {"name": "config/more/gone.ps1", "kind": "file", "path": path.lower(), "sha256": "0", "size": 1}
    )
    assert "which would not be there" in refusal(backup, described)
    assert not make(backup, described, mirror=False).changed
    described["records"][-1] = {"name": "config/more", "kind": "link", "path": ROOT + r"\more"}
    assert any("is a link" in task.text for task in make(backup, described).tasks)


def test_settings_that_a_restore_leaves_are_for_a_person() -> None:
    backup = contents()
    described = here(backup)
    described["state"]["service"]["account"] = "LocalSystem"
    described["state"]["firewall"] = []
    tasks = [task.text for task in make(backup, described).tasks]
    assert "account" in tasks[0]
    assert "firewall" in tasks[1]


# ---- a backup of certificates alone ----


def test_a_forests_certificate_is_planned_for_any_server_and_nothing_else_is() -> None:
    certificates = {THUMBPRINT: Certificate(THUMBPRINT, b"cer", b"pfx", "password")}
    alone = Contents(
        Source("20261123T081500Z of forest.example", {"certificates": Path("certificates.zip")}), None, certificates, {}
    )
    described = here(contents())
    described["certificates"], described["computer_name"] = [], "ANOTHER"
    plan = make_certificate_plan(alone, described)
    assert plan.certificates == [{"thumbprint": THUMBPRINT, "action": "import"}]
    assert (plan.files, plan.stop, plan.start) == ([], False, False)
    with pytest.raises(AccessManagerError, match="holds certificates alone"):
        assert alone.configuration
