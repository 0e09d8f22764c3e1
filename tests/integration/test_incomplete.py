# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of which not all can be backed up: the rest is kept, and each thing that is missing is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import windows_lab
from support.ams_host import AmsHost, MakeHost, write_inventory
from support.backups import Backup, KeyPair, backups_of
from support.certificates import CURRENT, EXPIRED, CertificateSpec
from support.configuration import UNICODE_TEMPLATE
from support.playbook import PlaybookRun, run_playbook
from support.plays import BACKUP, Call, called, failure_of, statuses, write_calls

LOCKED = CertificateSpec("not exportable", subject="locked.example", exportable=False)
SHARE = r"\\files.forest.example\scripts\Approve.ps1"
MISSING = r"C:\AccessManagerScripts\gone.ps1"
DOMAIN = r"HKLM\Software\WindowsLab\Domain"
OPENED = "opened by \u00e4 reader"
NOT_JSON = b'{ "Auditing": { \r\n'


def save_as_utf16(file: Path) -> None:
    """As Out-File of Windows PowerShell writes a file: Access Manager reads it, a restore does not."""
    file.write_bytes(file.read_bytes().decode("utf-8-sig").encode("utf-16"))


@pytest.fixture(scope="module")
def broken(make_host: MakeHost, tmp_path_factory: pytest.TempPathFactory) -> AmsHost:
    """A server with one fault of each kind."""
    host = make_host("ams-broken", certificates=(CURRENT, EXPIRED, LOCKED))
    windows_lab.join(host.prefix, tmp_path_factory.mktemp("domain"))
    service, reader = (windows_lab.account(host.prefix, name, profile=False) for name in ("gmsa$", "reader"))
    host.run("reg.exe", "add", DOMAIN, "/v", "Sids", "/t", "REG_MULTI_SZ", "/d", reader, "/f")
    rule = "O:DAD:(A;;DC;;;WD)(A;;CCDC;;;DA)(A;;CCDC;;;{})"
    of_service, of_reader = host.domain_secrets((rule.format(service), "lost"), (rule.format(reader), OPENED))

    def break_it(settings: dict[str, Any]) -> None:
        settings["DataProtection"]["Certificates"] = [
            {"Thumbprint": "AB" * 20, "Data": "AA==", "Secret": {"Data": data, "Mode": 3}}
            for data in (of_service, of_reader)
        ]
        targets = settings["Authorization"]["ComputerTargets"]
        targets[0]["Script"], targets[1]["Script"] = MISSING, SHARE
        settings["Email"]["Password"]["Data"] = "AQAAANCMnd8BFdERjHoAwE/Cl+sBAAAA"

    host.edit_settings(break_it)
    (host.config / "audit-templates" / UNICODE_TEMPLATE).unlink()
    (host.config / "appsecrets.json").write_bytes(NOT_JSON)
    save_as_utf16(host.config / "apphost.json")
    (host.config / "linked").symlink_to(host.drive_c / "AccessManagerScripts")
    (host.config / "scripts" / "dotted.").write_bytes(b"a name that ends with a dot")
    return host


@pytest.fixture(scope="module")
def garbled(make_host: MakeHost) -> AmsHost:
    """A server whose appsettings.json is not JSON."""
    host = make_host("ams-garbled")
    (host.config / "appsettings.json").write_bytes(NOT_JSON)
    return host


@pytest.fixture(scope="module")
def run(broken: AmsHost, garbled: AmsHost, work: Path, settings: dict[str, Any]) -> PlaybookRun:
    """One run over both; on the second an incomplete backup is good enough."""
    hosts = {
        broken.name: broken.inventory_vars() | settings,
        garbled.name: garbled.inventory_vars("psrp") | settings | {"backup_fail_on_incomplete": False},
    }
    return run_playbook(BACKUP, write_inventory(work / "inventory.yml", hosts))


@pytest.fixture(scope="module")
def partly(run: PlaybookRun, broken: AmsHost, root: Path, owner: KeyPair) -> Backup:
    (backup,) = backups_of(root, broken.name, owner.open)
    return backup


@pytest.fixture(scope="module")
def as_it_is(run: PlaybookRun, garbled: AmsHost, root: Path, owner: KeyPair) -> Backup:
    (backup,) = backups_of(root, garbled.name, owner.open)
    return backup


@pytest.mark.parametrize(
    "words",
    [
        ("Authorization.ComputerTargets[0].Script", MISSING),
        ("Authorization.ComputerTargets[1].Script", SHARE, "network share"),
        ("Auditing.NotificationChannels.Smtp[1].TemplateSuccess", UNICODE_TEMPLATE),
        ("CN=locked.example", "not exportable"),
        ("Email.Password", "entered again"),
        ("appsecrets.json is not valid JSON",),
        ("apphost.json was backed up as it is", "UTF-16", "Save it on the server as JSON in UTF-8"),
        (r"config\linked' is a link",),
        (r"config\scripts\dotted.' is not backed up", "Windows cannot have such a name"),
    ],
    ids=lambda words: words[0],
)
def test_what_is_missing_is_named_once(
    partly: Backup, run: PlaybookRun, broken: AmsHost, words: tuple[str, ...]
) -> None:
    matching = [one for one in partly.manifest["problems"] if all(word in one for word in words)]
    assert len(matching) == 1, partly.manifest["problems"]
    assert matching[0] in failure_of(run, broken.name)


def test_nothing_else_is_called_a_problem(partly: Backup) -> None:
    assert partly.manifest["status"] == "incomplete"
    assert len(partly.manifest["problems"]) == 9, partly.manifest["problems"]


def test_incomplete_backup_fails_the_play(run: PlaybookRun, broken: AmsHost, partly: Backup) -> None:
    assert run.rc != 0
    assert f"The backup {partly.folder.name} of {broken.name} is incomplete." in failure_of(run, broken.name)


def test_all_that_can_be_backed_up_is_kept(partly: Backup, broken: AmsHost) -> None:
    for name in set(broken.configuration.files) - {f"audit-templates/{UNICODE_TEMPLATE}", "apphost.json"}:
        assert partly.config[f"config/{name}"] == (broken.config / name).read_bytes()
    assert partly.config["config/appsecrets.json"] == NOT_JSON
    assert "external/C/AccessManagerScripts/siem/webhook-failure.json" in partly.config
    assert not [name for name in partly.config if name.startswith("config/linked/")]
    assert "config/scripts/dotted." not in partly.config
    assert partly.secrets["Authentication.Oidc.Secret"]["value"] == broken.secrets["Authentication.Oidc.Secret"]


def test_certificates_whose_keys_can_be_exported_are_kept(partly: Backup, broken: AmsHost) -> None:
    exported = {one["thumbprint"]: one["exported"] for one in partly.manifest["certificates"]}
    assert exported == {one.thumbprint: one.spec is not LOCKED for one in broken.certificates}
    for one in broken.certificates:
        assert f"{one.thumbprint}.cer" in partly.certificates
        assert (f"{one.thumbprint}.pfx" in partly.certificates) == (one.spec is not LOCKED)


def test_unreadable_secret_is_kept_as_an_error(partly: Backup) -> None:
    assert set(partly.secrets["Email.Password"]) == {"mode", "error"}
    sealed = {one["path"]: one["exported"] for one in partly.manifest["secrets"] if one["mode"] == 1}
    assert sealed == {"Authentication.Oidc.Secret": True, "Email.Password": False}


def test_a_secret_of_the_domain_is_opened_where_the_account_may_and_says_for_whom_it_opens_where_not(
    partly: Backup, run: PlaybookRun
) -> None:
    closed, opened = (one for one in partly.manifest["secrets"] if one["mode"] == 3)
    assert (closed["exported"], opened["exported"]) == (False, True)
    assert partly.secrets[opened["path"]]["value"] == OPENED
    assert closed["decryptable_by"][0] == "DA"
    assert f"Domain Admins, {closed['decryptable_by'][1]} can decrypt it" in run.output


def test_json_that_does_not_parse_is_backed_up_as_it_is(as_it_is: Backup) -> None:
    assert as_it_is.config["config/appsettings.json"] == NOT_JSON
    assert as_it_is.manifest["status"] == "incomplete"
    (problem,) = as_it_is.manifest["problems"]
    assert problem.startswith("appsettings.json is not valid JSON")


def test_incomplete_backup_passes_when_that_is_good_enough(
    run: PlaybookRun, garbled: AmsHost, as_it_is: Backup
) -> None:
    assert "failed" not in statuses(run, garbled.name)
    assert len(as_it_is.manifest["certificates"]) == 2


def test_settings_that_are_empty_missing_or_commented_are_reported(
    garbled: AmsHost, as_it_is: Backup, work: Path
) -> None:
    settings = garbled.config / "appsettings.json"
    playbook = write_calls(work / "info.yml", [Call("info", "installation_info")])
    inventory = garbled.write_inventory(work / "garbled.yml")
    sentences = []
    for content in (b"", None, b'{ // as AMS may read it\r\n "Email": { "Host": "a//b", }, /* none */ }'):
        settings.unlink(missing_ok=True)
        if content is not None:
            settings.write_bytes(content)
        sentences.append(called(run_playbook(playbook, inventory))["info"]["problems"])
    assert sentences[0][0].startswith("appsettings.json is not valid JSON")
    assert sentences[1] == [
        "There is no appsettings.json in the configuration folder: what it names, and its secrets, are unknown."
    ]
    assert sentences[2] == []
