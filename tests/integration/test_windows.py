# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Windows does other than one expects: the target's functions one by one, on a host."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from support.ams_host import APPLICATION_ID, AmsHost
from support.playbook import REPOSITORY

MODULES = REPOSITORY / "plugins/module_utils"
SUPPORT = REPOSITORY / "tests/support"
OTHER = "{11111111-2222-3333-4444-555555555555}"
KEYS = ("ipport=127.0.0.1:8444", "ipport=[::]:8444", "hostnameport=ams.example:8444", "ccs=8445")
PARAMETERS = (
    "clientcertnegotiation=enable",
    "dsmapperusage=enable",
    "verifyclientcertrevocation=disable",
    "usagecheck=disable",
    "revocationfreshnesstime=3600",
    "urlretrievaltimeout=15000",
    "sslctlidentifier=clients",
    "sslctlstorename=Trust",
    "disablehttp2=enable",
    "disablelegacytls=enable",
)


@pytest.fixture
def modules(idle: AmsHost) -> Iterator[AmsHost]:
    """A host with the target's modules on it."""
    folder = idle.drive_c / "windows/temp/test-modules"
    shutil.copytree(MODULES, folder)
    yield idle
    shutil.rmtree(folder)


@pytest.fixture
def bindings(modules: AmsHost) -> Iterator[None]:
    """A TLS binding of each kind, with every parameter that netsh has."""
    thumbprint = modules.tls_certificate.thumbprint
    for key in KEYS:
        certificate = () if key.startswith("ccs") else (f"certhash={thumbprint}", "certstorename=My")
        modules.run("netsh.exe", "http", "add", "sslcert", key, f"appid={OTHER}", *certificate, *PARAMETERS)
    yield
    for key in KEYS:
        modules.run("netsh.exe", "http", "delete", "sslcert", key)


def answer_of(host: AmsHost, script: str) -> dict[str, Any]:
    """What a script of the tests answers."""
    answer: dict[str, Any] = json.loads(host.powershell((SUPPORT / script).read_text(encoding="utf-8")))
    return answer


def test_tls_bindings_of_every_kind_come_back_with_every_parameter(modules: AmsHost, bindings: None) -> None:
    answer = answer_of(modules, "http_sys.ps1")
    assert answer["left"] == 0
    assert sorted(answer["before"].splitlines()) == sorted(answer["after"].splitlines())
    found = {(one["kind"], one["endpoint"]): one for one in answer["bindings"]}
    endpoint = f"0.0.0.0:{modules.https_port}"
    assert found.keys() == {
        ("address", endpoint),
        ("address", "127.0.0.1:8444"),
        ("address", "[::]:8444"),
        ("host_name", "ams.example:8444"),
        ("central_store", "8445"),
    }
    assert found["address", endpoint]["application_id"] == APPLICATION_ID
    for (kind, _endpoint), binding in found.items():
        assert binding["other_values"] == []
        assert binding["thumbprint"] == ("" if kind == "central_store" else modules.tls_certificate.thumbprint)
    assert found["host_name", "ams.example:8444"] == found["address", "[::]:8444"] | {
        "kind": "host_name",
        "endpoint": "ams.example:8444",
    }
    expected = {
        "flags": 0x1 | 0x2 | 0x10 | 0x400,
        "check_mode": 0x1 | 0x4 | 0x10000,
        "revocation_freshness": 3600,
        "revocation_timeout": 15000,
        "ctl_identifier": "clients",
        "ctl_store": "Trust",
    }
    assert {name: found["address", "[::]:8444"][name] for name in expected} == expected


def test_what_windows_does_not_know_of_a_binding_is_refused_and_reservations_come_and_go(modules: AmsHost) -> None:
    answer = answer_of(modules, "http_sys.ps1")
    assert "127.0.0.9:444" in answer["refused"]
    assert answer["reserved"] == ["D:(A;;GX;;;NS)"]
    assert "http://+:59999/test/" not in answer["reservations"]


# ---- files ----

TIME = "2020-02-03T04:05:06.0000000Z"
"""The time that files.ps1 gives what it makes."""


@pytest.fixture(scope="module")
def files(idle: AmsHost) -> dict[str, Any]:
    """What files.ps1 answers."""
    folder = idle.drive_c / "windows/temp/test-modules"
    shutil.copytree(MODULES, folder)
    try:
        return answer_of(idle, "files.ps1")
    finally:
        shutil.rmtree(folder)


def test_a_folder_gets_its_time_beside_a_program_that_watches_it(files: dict[str, Any]) -> None:
    assert files["framework"] != ""
    assert (files["warnings"], files["folder"]) == ([], TIME)
    assert files["gone"] == []


def test_a_file_takes_the_place_of_a_read_only_one_with_its_state(files: dict[str, Any]) -> None:
    content, modified, attributes, sddl = files["replaced"]
    assert (content, modified) == ("new", TIME)
    assert {"ReadOnly", "Hidden"} <= set(attributes.split(", "))
    assert sddl.replace("D:PAI", "D:P") == "O:BAG:BAD:P(A;;FA;;;SY)(A;;FA;;;BA)"
    assert not files["beside"]


def test_what_lands_is_hashed_again(files: dict[str, Any]) -> None:
    assert "has another SHA-256" in files["other_content"]


def test_links_are_links_and_other_reparse_points_are_files(files: dict[str, Any]) -> None:
    assert files["links"] == [True, True, False, False, True]


def test_staged_files_have_places_of_their_own(files: dict[str, Any]) -> None:
    assert (files["staged"], files["staged_files"]) == (["other", "third"], 3)


def test_names_that_a_culture_takes_for_the_same_are_not(files: dict[str, Any]) -> None:
    assert files["names"] == 5
