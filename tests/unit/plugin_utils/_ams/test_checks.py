# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a server is refused, and what makes a backup of it incomplete."""

from __future__ import annotations

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
from unit.servers import CLUSTER_ENCRYPTION, certificate, server
from unit.target_side import link_record

Described = dict[str, Any]


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


def test_a_configuration_at_the_root_of_a_drive_is_refused() -> None:
    described = server()
    described["installation"]["config_path"] = "S:"
    assert "lies at the root of the drive S:" in refusal(require_supported_version, described)


@pytest.mark.parametrize("version", ["2.0", "2.0.8470.0", "3.0.1.0", "10.1", "0.9", "", "abc", "v1", "-1", "1x.0"])
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


def test_a_certificate_that_the_directory_names_must_have_its_key_whatever_its_use_is() -> None:
    other = certificate("CD" * 20, present=False, reason="none") | {"usages": []}
    (problem,) = problems_of_certificates([other, certificate()], ["CD" * 20])
    assert problem.startswith(f"Certificate {'CD' * 20} (")


@pytest.mark.parametrize(
    ("release", "refused"), [(394802, True), (461807, True), (461808, False), (533325, False), (0, False)]
)
def test_a_framework_that_is_too_old_is_refused_in_a_sentence(release: int, refused: bool) -> None:
    described = server() | {"framework_release": release}
    if refused:
        assert f"Release is {release}" in refusal(require_supported_version, described)
    else:
        require_supported_version(described)
