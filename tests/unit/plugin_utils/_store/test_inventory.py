# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a change of a server, and what does not."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.inventory import (
    compare_inventories,
    digest_of,
    inventory_of_certificates,
    inventory_of_server,
)
from hypothesis import given
from hypothesis import strategies as st
from unit.servers import SERVICE, certificate, server
from unit.target_side import file_record, folder_record

Described = dict[str, Any]


def inventory(described: Described, *, include_database: bool = False) -> dict[str, str]:
    return inventory_of_server(described, include_database=include_database) | inventory_of_certificates(
        described["certificates"]
    )


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
