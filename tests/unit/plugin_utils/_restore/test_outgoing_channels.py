# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For a drill, nothing of a configuration sends anything to anybody, and nothing else of it is changed."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._ams.json_document import parse
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.outgoing_channels import (
    endpoints_of,
    silenced,
)
from support.configuration import SLACK_URL, TEAMS_URL, settings, to_json

CHANNELS = ("Smtp", "Webhooks", "Powershell")


def channels_of(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for kind in CHANNELS for one in content["Auditing"]["NotificationChannels"][kind]]


def test_every_channel_is_switched_off_and_leads_nowhere() -> None:
    data, places = silenced(to_json(settings()))
    content = json.loads(data)
    assert {one["Enabled"] for one in channels_of(content)} == {False}
    assert content["Email"]["Host"] == "drill.invalid"
    assert TEAMS_URL.encode() not in data
    assert SLACK_URL.encode() not in data
    assert {"Email.Host", "Auditing.NotificationChannels.Webhooks[1].Url"} <= set(places)
    assert "Auditing.NotificationChannels.Powershell[0].Enabled" in places


def test_groups_of_the_directory_are_neither_made_nor_deleted() -> None:
    before = settings()
    before["JitConfiguration"]["JitGroupMappings"][1]["EnableJitGroupDeletion"] = True
    data, places = silenced(to_json(before))
    jit = json.loads(data)["JitConfiguration"]
    assert jit["EnableJitGroupCreation"] is False
    assert [one["EnableJitGroupDeletion"] for one in jit["JitGroupMappings"]] == [False, False]
    assert {one for one in places if one.startswith("Jit")} == {
        "JitConfiguration.EnableJitGroupCreation",
        "JitConfiguration.JitGroupMappings[1].EnableJitGroupDeletion",
    }


def test_switch_that_is_text_is_switched_off_too() -> None:
    data, _places = silenced(b'{"jitconfiguration": {"enablejitgroupcreation": "True"}}')
    assert json.loads(data) == {"jitconfiguration": {"enablejitgroupcreation": False}}


def test_nothing_else_is_changed() -> None:
    before, after = settings(), json.loads(silenced(to_json(settings()))[0])
    for one in (before, after):
        del one["Email"]["Host"]
        del one["JitConfiguration"]["EnableJitGroupCreation"]
        for channel in channels_of(one):
            channel.pop("Url", None)
            del channel["Enabled"]
    assert before == after


def test_a_second_time_changes_nothing_but_the_places_that_lead_nowhere() -> None:
    once, _places = silenced(to_json(settings()))
    assert silenced(once)[0] == once


@pytest.mark.parametrize(
    ("channel", "wanted"),
    [
        ('{"Id": "a"}', {"Id": "a", "Enabled": False}),
        ("{}", {"Enabled": False}),
        ('{"enabled": true}', {"enabled": False}),
        ('{"Enabled": "yes"}', {"Enabled": False}),
        ('{"Enabled": false}', {"Enabled": False}),
    ],
)
def test_channel_that_says_nothing_or_something_else_is_switched_off_too(channel: str, wanted: dict[str, Any]) -> None:
    text = f'{{"Auditing": {{"NotificationChannels": {{"Powershell": [ {channel} /* here */, ] }} }} }}'
    data, _places = silenced(text.encode())
    plain = data.decode().replace("/* here */,", "")
    assert json.loads(plain)["Auditing"]["NotificationChannels"]["Powershell"] == [wanted]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"Email:Host": "smtp.example.com"}', "Email:Host"),
        ('{"Auditing": {"notificationChannels:Webhooks:0:Url": "u"}}', "Auditing.notificationChannels:Webhooks:0:Url"),
        ('{"auditing": {"NotificationChannels": {"Smtp": {"0": {}}}}}', "auditing.NotificationChannels.Smtp"),
        ('{"JitConfiguration": {"JitGroupMappings": [{"a:b": 1}]}}', "JitConfiguration.JitGroupMappings[0].a:b"),
    ],
)
def test_what_dotnet_reads_under_another_name_is_refused_and_not_overlooked(text: str, place: str) -> None:
    with pytest.raises(AccessManagerError, match=re.escape(f"'{place}' in the configuration cannot be switched off")):
        silenced(text.encode())
    assert silenced(b'{"Hosting": {"a:b": {"0": 1}}}')[1] == []


def test_file_without_channels_stays_as_it_is() -> None:
    assert silenced(b'{"Hosting": {}}\r\n') == (b'{"Hosting": {}}\r\n', [])


# ---- what would be reached ----


def places_of(*files: str) -> list[str]:
    documents = {str(number): parse(text.encode()) for number, text in enumerate(files)}
    return [one.place for one in endpoints_of(cast(Any, SimpleNamespace(documents=documents)))]


@pytest.mark.parametrize(
    ("port", "asked"),
    [("587", 587), ('"587"', 587), ('" 587 "', 587), ('"smtp"', 25), ("true", 25), ("0", 25), ("70000", 25)],
)
def test_mail_server_is_asked_for_at_the_port_that_access_manager_takes(port: str, asked: int) -> None:
    assert places_of(f'{{"Email": {{"Host": "smtp.example.com", "Port": {port}}} }}') == [f"smtp.example.com:{asked}"]


@pytest.mark.parametrize("files", [('{"Host": "smtp"}', '{"Port": 587}'), ('{"Port": 587}', '{"Host": "smtp"}')])
def test_host_and_port_that_stand_in_two_files_belong_together(files: tuple[str, str]) -> None:
    assert places_of(*(f'{{"Email": {one}}}' for one in files)) == ["smtp:587"]


def test_later_file_overrides_the_port_and_every_host_is_asked_for() -> None:
    first, second = '{"Email": {"Host": "old", "Port": 25}}', '{"Email": {"Host": "new", "Port": 587}}'
    assert places_of(first, second) == ["old:587", "new:587"]


def test_webhooks_of_all_files_are_asked_for_at_the_ports_of_their_schemes() -> None:
    webhook = '{"Auditing": {"NotificationChannels": {"Webhooks": [{"Url": "URL"}]}}}'
    urls = ("https://hooks.example.com/x", "http://plain.example.com:8080/")
    places = places_of(*(webhook.replace("URL", url) for url in urls))
    assert places == ["hooks.example.com:443", "plain.example.com:8080"]
