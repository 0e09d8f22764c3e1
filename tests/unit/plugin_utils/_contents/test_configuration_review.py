# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What in a configuration will fail by itself, or on another server, is said when it is backed up."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._ams.json_document import parse
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.configuration_review import Review
from unit.servers import server

TEMPLATES = ("config/audit-templates/eventlog-success.txt", "config/audit-templates/eventlog-failure.txt")
SCRIPT = "config/scripts/rule.ps1"


def described(*names: str, **reference: Any) -> dict[str, Any]:
    references = [{"place": "config", "exists": False} | reference] if reference else []
    records = [{"name": name, "path": rf"C:\{name}"} for name in names]
    return {"records": records, "references": references, "state": server()["state"]}


def warned(settings: dict[str, Any] | None = None, script: str = "", **reference: Any) -> list[str]:
    """What is said of a configuration whose own templates are there."""
    review = Review({"appsettings.json": parse(json.dumps(settings or {}).encode())}, {SCRIPT: script})
    return review.warnings(described(*TEMPLATES, **reference))


def channels(*, mandatory: bool = False, **lists: list[str]) -> dict[str, Any]:
    smtp = [{"Id": "Mail", "Mandatory": mandatory, "TemplateSuccess": "mail.html"}]
    auditing = {"NotificationChannels": {"Smtp": smtp}, "GlobalNotifications": lists}
    rules = [{"Id": "1", "Notifications": {"OnSuccess": ["mail"], "OnFailure": []}}]
    return {"Auditing": auditing, "Authorization": {"ComputerTargets": rules}}


def test_a_configuration_in_good_order_says_nothing() -> None:
    script = "Import-Module ActiveDirectory # Import-Clixml\n<# $PSScriptRoot #>\nConvertTo-SecureString x -AsPlainText"
    script += "\n'C:\\' + 'C:\\config/audit-templates/eventlog-success.txt' # 'C:\\no.txt'"
    assert warned(channels(OnSuccess=["MAIL"], OnFailure=[]), script) == []


@pytest.mark.parametrize(
    "script",
    [
        "ConvertTo-SecureString $text `\r\n  -AsPlainText `\n -Force",
        "'it''s a text' # it's Import-Clixml",
        "<# it's\nImport-Clixml #> 'x' # \"Import-Clixml",
        "Get-Item x <# never closed\nImport-Clixml",
    ],
)
def test_comments_and_commands_of_several_lines_are_read_as_powershell_does(script: str) -> None:
    assert warned(script=script) == []


@pytest.mark.parametrize("piece", ["<#", "'", '"', "@'\n", '@"\n', "`", "#"])
def test_a_script_of_a_hostile_server_is_read_in_no_time(piece: str) -> None:
    before = time.process_time()
    warned(script=piece * (1024 * 1024 // len(piece)))
    assert time.process_time() - before < 10


def test_a_template_that_every_request_needs_is_missed() -> None:
    (sentence,) = Review().warnings(described(TEMPLATES[1].upper().replace("CONFIG", "config")))
    assert "eventlog-success.txt" in sentence


def test_a_channel_that_nobody_defines_is_said_where_it_is_named() -> None:
    (sentence,) = warned(channels(OnFailure=["gone"]))
    assert "Auditing.GlobalNotifications.OnFailure[0] names the notification channel 'gone'" in sentence


@pytest.mark.parametrize(("mandatory", "count"), [(True, 1), (False, 0)])
def test_a_mandatory_channel_without_its_file_is_said(mandatory: bool, count: int) -> None:
    key = "Auditing.NotificationChannels.Smtp[0].TemplateSuccess"
    found = warned(channels(mandatory=mandatory), key=key)
    assert len([one for one in found if "mandatory" in one and key in one]) == count


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("$c = Import-Clixml -Path C:\\cred.xml", "Import-Clixml"),
        ("$s = Get-Content x | ConvertTo-SecureString", "ConvertTo-SecureString"),
        ("Get-StoredCredential -Target siem", "Get-StoredCredential"),
        ("$c='a#b'; $p=Import-Clixml c.xml", "Import-Clixml"),
        ('$c="it`"s <# $x #"; $p=Import-Clixml c.xml', "Import-Clixml"),
        ("$c=@'\nit's #\n'@; Import-Clixml c.xml", "Import-Clixml"),
        ("Get-Item a#b; Import-Clixml c.xml", "Import-Clixml"),
        ("Get-Content x | ConvertTo-SecureString `\r\n  -Verbose", "ConvertTo-SecureString"),
        ("using module .\\Help.psm1\nfunction x {}", "using module .\\Help.psm1"),
        (". $PSScriptRoot\\common.ps1", "beside itself"),
        ("$l = Import-Csv 'D:\\Data\\tier0 list.csv'", "names D:\\Data\\tier0 list.csv, which no backup holds"),
        ('Get-Content "\\\\files\\ams\\list.txt"', "names \\\\files\\ams\\list.txt"),
    ],
)
def test_what_a_script_needs_of_this_server_alone_is_said(script: str, said: str) -> None:
    (sentence,) = warned(script=script)
    assert said in sentence
    assert SCRIPT in sentence
