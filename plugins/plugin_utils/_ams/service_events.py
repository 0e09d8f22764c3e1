# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Access Manager logs when something of it does not work, and what to do then.

Source: lithnet/access-manager, EventIDs.cs and where these events are logged.
"""

from __future__ import annotations

import collections.abc as c

from .shapes import LoggedEvent

DAYS = 7
"""So many days back the events of a server are looked at."""

MEANINGS = {
    5006: "a notification was not delivered. The event names the channel: see its script, template, mail server or URL",
    5016: "it started without being configured, and serves nothing until its setup is finished in the configuration "
    "tool and it was started again",
    5036: "the logo was not loaded. See that logo.png in the configuration folder is an image that the service may "
    "read",
    5037: "a certificate of the configuration was not imported (certificate synchronisation). See that the service's "
    "account can decrypt its secret, and that the server has a valid Enterprise licence; else import its PFX",
    5040: "its database could not be upgraded. It is a cache: stop the service, move the folder db away, set "
    "DeleteLocalDbInstance to 1 below HKLM\\SOFTWARE\\Lithnet\\Access Manager Service, and start the service, which "
    "makes a new one",
}
"""By the numbers of the events."""


def sentences(events: c.Iterable[LoggedEvent]) -> list[str]:
    """A sentence for each number among the events: how often, when the last time, and what to do."""
    times: dict[int, list[str]] = {}
    for event in events:
        times.setdefault(event["id"], []).append(event["time"])
    return [
        f"Access Manager logged event {number} ({len(times[number])} times, last on {max(times[number])[:16]} UTC): "
        f"{meaning}."
        for number, meaning in MEANINGS.items()
        if number in times
    ]
