# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller makes of a server's description: refusals, problems, and what counts as a change."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._ams.checks import (
    problems_of_certificates,
    problems_of_configuration,
    refuse_clustered_stop,
    refuse_without_rights,
    require_supported_version,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.inventory import (
    compare_inventories,
    digest_of,
    inventory_of_certificates,
    inventory_of_server,
)
from hypothesis import given
from hypothesis import strategies as st
from unit.servers import CLUSTER_ENCRYPTION, SERVICE, certificate, server
from unit.target_side import file_record, folder_record, link_record

Described = dict[str, Any]


def inventory(described: Described, *, include_database: bool = False) -> dict[str, str]:
    return inventory_of_server(described, include_database=include_database) | inventory_of_certificates(
        described["certificates"]
    )


def refusal(refuse: Callable[[Described], None], described: Described) -> str:
    with pytest.raises(AccessManagerError) as caught:
        refuse(described)
    assert "AMS1" in str(caught.value)
    return str(caught.value)


# ---- refusals ----


def test_a_server_with_version_1_is_accepted() -> None:
    require_supported_version(server())
    refuse_without_rights(server())


def test_a_server_without_access_manager_is_refused() -> None:
    described = {"computer_name": "AMS1", "installation": {"exists": False}, "administrator": True}
    assert "not installed" in refusal(require_supported_version, described)


@pytest.mark.parametrize("version", ["2.0", "2.0.0.0", "3.1.4", "10.1", "0.9", "", "abc", "v1", "-1", "1x.0"])
def test_another_version_is_refused_and_named(version: str) -> None:
    described = server()
    described["installation"]["version"] = version
    message = refusal(require_supported_version, described)
    assert f"'{version}'" in message
    assert "version 1" in message


@pytest.mark.parametrize("version", ["1", "1.0", "1.0.8152.0"])
def test_each_version_1_is_accepted(version: str) -> None:
    described = server()
    described["installation"]["version"] = version
    require_supported_version(described)


def test_a_missing_configuration_folder_is_refused_and_named() -> None:
    described = server()
    described["installation"] |= {"config_exists": False, "config_path": r"D:\gone"}
    message = refusal(require_supported_version, described)
    assert r"'D:\gone'" in message
    assert "ConfigPath" in message


def test_an_account_that_is_no_administrator_is_refused() -> None:
    message = refusal(refuse_without_rights, server() | {"administrator": False})
    assert "administrator" in message
    assert "ansible_user" in message


def test_a_cluster_node_that_does_not_own_the_role_is_refused_and_the_owner_named() -> None:
    cluster = {"resource": "Access Manager", "owner": "AMS2", "owned": False}
    message = refusal(refuse_without_rights, server() | {"cluster": cluster})
    assert "'Access Manager'" in message
    assert "AMS2" in message
    refuse_without_rights(server() | {"cluster": cluster | {"owned": True}})


def test_a_stop_is_refused_where_a_cluster_runs_the_service_and_its_commands_are_named() -> None:
    clustered = server() | {"cluster": {"resource": "Access Manager", "owner": "AMS1", "owned": True}}
    message = refusal(refuse_clustered_stop, clustered)
    assert 'Stop-ClusterResource -Name "Access Manager"' in message
    assert 'Start-ClusterResource -Name "Access Manager"' in message
    clustered["state"]["service"]["status"] = "Stopped"
    refuse_clustered_stop(clustered)
    refuse_clustered_stop(server())


# ---- problems ----


def test_a_whole_configuration_has_no_problems() -> None:
    assert problems_of_configuration(server()) == []


def test_json_that_does_not_parse_is_a_problem() -> None:
    documents = [*server()["documents"], {"file": "apphost.json", "valid": False}]
    [problem] = problems_of_configuration(server() | {"documents": documents})
    assert "apphost.json" in problem


def test_settings_that_are_not_there_are_a_problem() -> None:
    [problem] = problems_of_configuration(server() | {"documents": []})
    assert "appsettings.json" in problem


@pytest.mark.parametrize(
    ("place", "path"), [("share", r"\\nas\x.ps1"), ("external", r"D:\x.ps1"), ("config", r"C:\config\x.ps1")]
)
def test_a_file_that_is_named_but_not_backed_up_is_a_problem(place: str, path: str) -> None:
    reference = {
        "key": "Authorization.ComputerTargets[0].Script",
        "value": path,
        "path": path,
        "place": place,
        "exists": False,
    }
    [problem] = problems_of_configuration(server() | {"references": [reference]})
    assert path in problem
    assert "Authorization.ComputerTargets[0].Script" in problem


@pytest.mark.parametrize("place", ["external", "config"])
def test_a_file_that_is_there_is_no_problem(place: str) -> None:
    reference = {"key": "K", "value": "x.ps1", "path": r"C:\x.ps1", "place": place, "exists": True}
    assert problems_of_configuration(server() | {"references": [reference]}) == []


def test_a_link_is_a_problem() -> None:
    [problem] = problems_of_configuration(server() | {"records": [link_record("config/link")]})
    assert r"config\link" in problem
    assert "link" in problem


def test_a_key_that_cannot_be_exported_is_a_problem() -> None:
    [problem] = problems_of_certificates([certificate(exportable=False, provider="HSM provider")])
    assert "AB" * 20 in problem
    assert "HSM provider" in problem


def test_a_password_key_that_is_missing_is_a_problem_with_its_reason() -> None:
    [problem] = problems_of_certificates([certificate(present=False, reason="its key cannot be opened: Access denied")])
    assert "AB" * 20 in problem
    assert "Access denied" in problem


def test_a_certificate_of_another_use_may_have_no_key() -> None:
    other = certificate(present=False, reason="none") | {"usages": [CLUSTER_ENCRYPTION]}
    assert problems_of_certificates([other, certificate()]) == []


# ---- what is a change ----


@given(st.randoms(use_true_random=False))
def test_the_order_in_which_windows_lists_things_does_not_matter(shuffle: random.Random) -> None:
    described = server() | {"certificates": [certificate("AA" * 20), certificate("BB" * 20)]}
    before = inventory(described)
    state = described["state"]
    http = state["http_sys"]
    for listed in (
        described["records"],
        described["certificates"],
        state["registry"],
        state["firewall"],
        *http.values(),
    ):
        shuffle.shuffle(listed)
    assert inventory(described) == before
    assert digest_of(inventory(described)) == digest_of(before)


def record_of(described: Described, name: str) -> Described:
    return next(record for record in described["records"] if record["name"] == name)


FILE = "config/appsettings.json"
CHANGES: dict[str, tuple[Callable[[Described], Any], str]] = {
    "content": (lambda d: record_of(d, FILE).update(sha256="00" * 32), FILE),
    "ACL of a file": (lambda d: record_of(d, FILE).update(sddl="D:PAI"), FILE),
    "ACL of a folder": (lambda d: record_of(d, "config/scripts").update(sddl="D:PAI"), "config/scripts/"),
    "read-only": (lambda d: record_of(d, FILE).update(attributes=0x21), FILE),
    "hidden": (lambda d: record_of(d, FILE).update(attributes=0x22), FILE),
    "content elsewhere": (
        lambda d: record_of(d, "external/C/Scripts/über.ps1").update(sha256="0" * 64),
        "external/C/Scripts/über.ps1",
    ),
    "registry value": (lambda d: d["state"]["registry"][2].update(data=r"D:\config"), "state/registry"),
    "registry kind": (lambda d: d["state"]["registry"][1].update(kind="QWord"), "state/registry"),
    "computer name": (lambda d: d["state"].update(computer_name="NEWNAME"), "state/computer_name"),
    "version": (lambda d: d["installation"].update(version="1.0.9000.0"), "state/version"),
    "account": (lambda d: d["state"]["service"].update(account="LocalSystem"), "state/service"),
    "start": (lambda d: d["state"]["service"].update(start=4), "state/service"),
    "binding": (lambda d: d["state"]["http_sys"]["bindings"][0].update(thumbprint="CC" * 20), "state/http_sys"),
    "client certificates of a binding": (
        lambda d: d["state"]["http_sys"]["bindings"][0].update(flags=2),
        "state/http_sys",
    ),
    "permissions of a registry key": (
        lambda d: d["state"]["registry_permissions"][0].update(sddl="O:BAG:SYD:"),
        "state/registry_permissions",
    ),
    "reservation": (lambda d: d["state"]["http_sys"]["reservations"].pop(0), "state/http_sys"),
    "firewall": (lambda d: d["state"]["firewall"].pop(), "state/firewall"),
    "exportability": (lambda d: d["certificates"][0]["key"].update(exportable=False), "certificates/" + "AB" * 20),
    "ACL of a key": (lambda d: d["certificates"][0]["key"].update(sddl="D:"), "certificates/" + "AB" * 20),
    "loss of a key": (
        lambda d: d["certificates"][0].update(key={"present": False, "reason": ""}),
        "certificates/" + "AB" * 20,
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen_where_it_is(change: str) -> None:
    described = server() | {"certificates": [certificate()]}
    before = inventory(described)
    make, name = CHANGES[change]
    make(described)
    assert compare_inventories(before, inventory(described)) == {"added": [], "changed": [name], "removed": []}
    assert digest_of(before) != digest_of(inventory(described))


ADDITIONS: dict[str, tuple[Callable[[Described], Any], str]] = {
    "file": (lambda d: d["records"].append(file_record("config/new", b"")), "config/new"),
    "folder": (lambda d: d["records"].append(folder_record("config/new")), "config/new/"),
    "certificate": (lambda d: d["certificates"].append(certificate("CD" * 20)), "certificates/" + "CD" * 20),
}


@pytest.mark.parametrize("addition", ADDITIONS)
def test_what_comes_and_goes_is_named(addition: str) -> None:
    described = server()
    without = inventory(described)
    make, name = ADDITIONS[addition]
    make(described)
    with_it = inventory(described)
    assert compare_inventories(without, with_it) == {"added": [name], "changed": [], "removed": []}
    assert compare_inventories(with_it, without) == {"added": [], "changed": [], "removed": [name]}


def test_a_key_in_two_stores_is_watched_in_both() -> None:
    twins = [certificate(), certificate() | {"store": r"LocalMachine\My"}]
    before = inventory_of_certificates(twins)
    for number in (0, 1):
        changed = [dict(twin) for twin in twins]
        changed[number]["key"] = twins[number]["key"] | {"sddl": "D:"}
        assert inventory_of_certificates(changed) != before
    assert inventory_of_certificates(twins[::-1]) == before


def test_permissions_of_a_key_that_were_set_again_are_no_change() -> None:
    before, after, other = (
        certificate() | {"key": certificate()["key"] | {"sddl": f"O:BAG:SYD:{rules}"}}
        for rules in ("P(A;;FA;;;SY)", "PAI(A;;FA;;;SY)", "PAI(A;;FR;;;SY)")
    )
    assert inventory_of_certificates([after]) == inventory_of_certificates([before])
    assert inventory_of_certificates([other]) != inventory_of_certificates([before])


NO_CHANGES: dict[str, Callable[[Described], Any]] = {
    "time of change": lambda d: record_of(d, FILE).update(modified="2030-01-01T00:00:00.0000000Z"),
    "time of creation": lambda d: record_of(d, FILE).update(created="2030-01-01T00:00:00.0000000Z"),
    "archive attribute": lambda d: record_of(d, FILE).update(attributes=0),
    "not indexed": lambda d: record_of(d, FILE).update(attributes=0x2020),
    "content of the database": lambda d: record_of(d, "config/db/ams.mdf").update(sha256="0" * 64),
    "what the service remembers": lambda d: d["state"]["registry"].append(
        {"key": "Parameters", "name": "LastNotifiedVersion", "kind": "String", "data": "1.0.9999.0"}
    ),
    "flag of inheritance": lambda d: record_of(d, FILE).update(sddl=record_of(d, FILE)["sddl"].replace("D:", "D:AI")),
    "what the folder above gives": lambda d: record_of(d, FILE).update(
        sddl=record_of(d, FILE)["sddl"] + "(A;ID;FR;;;BU)"
    ),
    "files of the database": lambda d: d["records"].append(file_record("config/db/ams_log.ldf", b"x")),
    "state of the service": lambda d: d["state"]["service"].update(status="Stopped", process_ids=[]),
    "another program's binding": lambda d: d["state"]["http_sys"]["bindings"][2].update(thumbprint="DD" * 20),
    "another program's reservation": lambda d: d["state"]["http_sys"]["reservations"].pop(2),
    "what a file names": lambda d: d["documents"][0].update(usn="2"),
}


@pytest.mark.parametrize("change", NO_CHANGES)
def test_what_changes_by_itself_is_no_change(change: str) -> None:
    described = server()
    before = inventory(described)
    NO_CHANGES[change](described)
    assert inventory(described) == before


def test_a_backup_with_the_database_is_another_than_one_without() -> None:
    difference = compare_inventories(inventory(server()), inventory(server(), include_database=True))
    assert difference == {"added": [], "changed": ["state/database"], "removed": []}


def test_only_reservations_of_the_service_are_its_own() -> None:
    described = server()
    before = inventory(described)
    described["state"]["http_sys"]["reservations"].append({"url": "http://+:81/", "sddl": f"D:(A;;GX;;;{SERVICE})"})
    assert inventory(described)["state/http_sys"] != before["state/http_sys"]


@given(st.dictionaries(st.text(), st.text(max_size=3), max_size=6))
def test_the_digest_is_that_of_the_content_in_any_order(content: dict[str, str]) -> None:
    assert digest_of(content) == digest_of(dict(reversed(content.items())))
    assert len(digest_of(content)) == 64


@given(*[st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("12"))] * 2)
def test_a_comparison_names_each_difference_once(before: dict[str, str], after: dict[str, str]) -> None:
    compared = compare_inventories(before, after)
    named = [name for names in compared.values() for name in names]
    assert sorted(named) == [name for name in "abcdef" if before.get(name) != after.get(name)]


@pytest.mark.parametrize(
    ("release", "refused"), [(394802, True), (461807, True), (461808, False), (533325, False), (0, False)]
)
def test_a_framework_that_is_too_old_is_refused_in_a_sentence(release: int, refused: bool) -> None:
    described = server() | {"framework_release": release}
    if refused:
        assert f"Release is {release}" in refusal(require_supported_version, described)
    else:
        require_supported_version(described)
