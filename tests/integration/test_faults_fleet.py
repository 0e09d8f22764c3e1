# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several servers in one play, one of them gone: backed up with a stop, found unchanged, forced, and changed in one
thing each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from support.ams_host import AmsHost, Count, MakeHost, free_port
from support.backups import Backup, KeyPair
from support.certificates import CertificateSpec, TestCertificate
from support.faults import Place, Trace, fault_hosts
from support.playbook import PlaybookRun, hash_backups
from support.plays import failure_of, result_of, statuses

GONE = "ams-gone"
ALWAYS = {"backup_stop_service": "always"}
OPEN = "Open a backup, unless nothing has changed"
PARAMETERS = r"HKLM\SOFTWARE\Lithnet\Access Manager Service\Parameters"


@pytest.fixture(scope="module")
def hosts(make_host: MakeHost) -> tuple[AmsHost, AmsHost, AmsHost]:
    """One for each way to connect. The third is changed for good."""
    return *fault_hosts(), make_host("ams-fleet3")


@pytest.fixture(scope="module")
def inventory(hosts: tuple[AmsHost, AmsHost, AmsHost]) -> dict[str, dict[str, Any]]:
    """Basic over TLS with validation, psrp with NTLM, winrm with NTLM."""
    secured, psrp, plain = hosts
    return {
        secured.name: secured.inventory_vars("winrm", "basic", tls=True),
        psrp.name: psrp.inventory_vars("psrp"),
        plain.name: plain.inventory_vars("winrm"),
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, owner: KeyPair) -> Place:
    return Place(tmp_path_factory.mktemp("fleet"), owner)


# ---- backed up with a stop; one server is gone, one is called by a wrong password ----


@pytest.fixture(scope="module")
def traces(hosts: tuple[AmsHost, AmsHost, AmsHost]) -> tuple[Trace, ...]:
    return tuple(Trace(host) for host in hosts)


@pytest.fixture(scope="module")
def stopped(
    hosts: tuple[AmsHost, AmsHost, AmsHost],
    traces: tuple[Trace, ...],
    inventory: dict[str, dict[str, Any]],
    place: Place,
) -> PlaybookRun:
    gone = hosts[2].inventory_vars("winrm") | {"ansible_port": free_port(), "ansible_winrm_connection_timeout": 5}
    return place.run({GONE: gone} | {name: variables | ALWAYS for name, variables in inventory.items()}, timeout=400)


@pytest.fixture(scope="module")
def first(stopped: PlaybookRun, hosts: tuple[AmsHost, AmsHost, AmsHost], place: Place) -> list[Backup]:
    return [place.backup(host) for host in hosts]


@pytest.mark.parametrize("number", range(3), ids=["basic-tls", "psrp-ntlm", "winrm-ntlm"])
def test_every_connection_backs_up_with_a_stop(first: list[Backup], traces: tuple[Trace, ...], number: int) -> None:
    backup, host = first[number], traces[number].host
    assert traces[number].turns() == ["stopped", "started"]
    assert host.service_state() == "Running"
    assert (backup.manifest["status"], backup.manifest["stopped"]) == ("complete", True)
    for name in host.configuration.files:
        assert backup.config[f"config/{name}"] == (host.config / name).read_bytes()
    for one in host.certificates:
        assert backup.private_numbers(one.thumbprint) == one.private_key.private_numbers()
    assert {path: one["value"] for path, one in backup.secrets.items()} == host.secrets


def test_failing_server_spoils_no_other(
    stopped: PlaybookRun, first: list[Backup], inventory: dict[str, Any], place: Place
) -> None:
    assert stopped.rc != 0
    assert f"There is no connection to {GONE}" in failure_of(stopped, GONE)
    assert place.backups(GONE) == []
    assert place.partials() == []
    for name in inventory:
        assert not statuses(stopped, name) & {"failed", "unreachable"}


def test_play_ends_with_a_table(stopped: PlaybookRun, first: list[Backup]) -> None:
    table = next(
        one.result["msg"]
        for one in reversed(stopped.results)
        if one.task.endswith("Show what became of each host") and one.status == "ok"
    )
    assert table[0].split() == ["HOST", "STATUS", "SIZE", "DOWNTIME", "AGE", "LAST", "SUCCESS", "REASON"]
    rows = {line.split()[0]: line for line in table[1:]}
    assert rows.keys() == {GONE, *(backup.manifest["host"] for backup in first)}
    assert re.fullmatch(rf"{GONE} +unreachable +- +- +- +- +There is no connection to {GONE}.*", rows[GONE])
    for backup in first:
        downtime = backup.manifest["downtime_ms"]
        assert re.fullmatch(rf"\S+ +complete +[\d.]+ KB +{downtime} ms +0\.0 h +0\.0 h", rows[backup.manifest["host"]])


# ---- unchanged, and forced ----


@pytest.fixture(scope="module")
def log(first: list[Backup], hosts: tuple[AmsHost, AmsHost, AmsHost]) -> list[int]:
    return [len(host.service_log()) for host in hosts]


@pytest.fixture(scope="module")
def store(first: list[Backup], place: Place) -> dict[str, str]:
    return hash_backups(place.root)


@pytest.fixture(scope="module")
def count() -> Count:
    return Count()


@pytest.fixture(scope="module")
def again(
    log: list[int],
    store: dict[str, str],
    hosts: tuple[AmsHost, AmsHost, AmsHost],
    inventory: dict[str, dict[str, Any]],
    place: Place,
    count: Count,
) -> PlaybookRun:
    """Nothing has changed.

    The second is forced; the first would have its service stopped if there were something to do.
    """
    first, second, third = inventory
    with hosts[2].counting() as counted:
        run = place.run(
            {
                first: inventory[first] | ALWAYS,
                second: inventory[second] | {"backup_force": True},
                third: inventory[third],
            }
        )
    assert run.rc == 0, run.output
    count.commands = counted.commands
    return run


def test_unchanged_server_is_left_alone(
    again: PlaybookRun, hosts: tuple[AmsHost, AmsHost, AmsHost], log: list[int], count: Count
) -> None:
    assert count.commands == 1
    for host, lines in zip(hosts, log, strict=True):
        assert len(host.service_log()) == lines
    for host in (hosts[0], hosts[2]):
        assert not any(one.result.get("changed") for one in again.results if one.host == host.name)
        assert not [
            one for one in again.results if one.host == host.name and one.module.endswith(("_export", "artifact_fetch"))
        ]
        assert re.search(rf"(?m)^.*{host.name} +unchanged +", again.output)


def test_only_the_forced_server_has_a_new_backup(
    again: PlaybookRun, hosts: tuple[AmsHost, AmsHost, AmsHost], place: Place, store: dict[str, str]
) -> None:
    old, forced = place.backups(hosts[1])
    assert forced.manifest["content_digest"] == old.manifest["content_digest"]
    assert {
        name: what
        for name, what in hash_backups(place.root).items()
        if f"{hosts[1].name}/{forced.folder.name}" not in name
    } == store


# ---- one thing has changed on each ----


@pytest.fixture(scope="module")
def new_certificate(again: PlaybookRun, hosts: tuple[AmsHost, AmsHost, AmsHost]) -> Iterator[TestCertificate]:
    script = r"""
    $item = New-Object IO.FileInfo 'C:\Program Files\Lithnet\Access Manager Service\config\logo.png'
    $acl = $item.GetAccessControl()
    $rule = New-Object Security.AccessControl.FileSystemAccessRule 'Everyone', 'Read', 'Allow'
    $acl.{0}AccessRule($rule)
    $item.SetAccessControl($acl)
    """
    hosts[0].powershell(script.replace("{0}", "Add"))
    hosts[1].run("reg.exe", "add", PARAMETERS, "/v", "Changed", "/t", "REG_DWORD", "/d", "1", "/f")
    yield hosts[2].add_certificate(CertificateSpec("new"))
    hosts[0].powershell(script.replace("{0}", "Remove"))
    hosts[1].run("reg.exe", "delete", PARAMETERS, "/v", "Changed", "/f")


@pytest.fixture(scope="module")
def changed(new_certificate: TestCertificate, inventory: dict[str, dict[str, Any]], place: Place) -> PlaybookRun:
    run = place.run(inventory)
    assert run.rc == 0, run.output
    return run


@pytest.mark.parametrize("number", range(3), ids=["permissions", "registry", "certificate"])
def test_each_kind_of_change_makes_a_backup(
    changed: PlaybookRun,
    hosts: tuple[AmsHost, AmsHost, AmsHost],
    new_certificate: TestCertificate,
    place: Place,
    number: int,
) -> None:
    name = hosts[number].name
    comparison = result_of(changed, name, OPEN)["comparison"]
    assert (
        comparison
        == (
            {"added": [], "changed": ["config/logo.png"], "removed": []},
            {"added": [], "changed": ["state/registry"], "removed": []},
            {"added": [f"certificates/{new_certificate.thumbprint}"], "changed": [], "removed": []},
        )[number]
    )
    latest = place.backups(name)[-1]
    assert latest.folder.name == result_of(changed, name, OPEN)["backup_id"]
    assert latest.manifest["content_digest"] != place.backups(name)[0].manifest["content_digest"]
