# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For a drill, nothing of a configuration sends anything to anybody, and nothing else of it is changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.outgoing_channels import silenced
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


def test_nothing_else_is_changed() -> None:
    before, after = settings(), json.loads(silenced(to_json(settings()))[0])
    for one in (before, after):
        del one["Email"]["Host"]
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


def test_file_without_channels_stays_as_it_is() -> None:
    assert silenced(b'{"Hosting": {}}\r\n') == (b'{"Hosting": {}}\r\n', [])
