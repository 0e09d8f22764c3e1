# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name by which users reach the web site, and how they sign in, as the settings say."""

from __future__ import annotations

import collections.abc as c
import re
import urllib.parse

HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
HOSTNAME, REALM, MODE = "Hosting.HttpSys.Hostname", "Authentication.WsFed.Realm", "Authentication.Mode"
SETTINGS = (HOSTNAME, REALM, MODE)
"""Where it stands in the JSON files, if anywhere."""

IWA, WSFED = "iwa", "wsfed"
MODES = (IWA, "oidc", WSFED, "certificate")
"""Of authentication, by their numbers, which may stand in the JSON too. The first is the default."""


def name_of(text: str) -> str | None:
    """The text when it is a name by which users can reach a web site: no address, wildcard or localhost."""
    name = text.rstrip(".").lower()
    is_name = HOST_NAME.fullmatch(name) and any(map(str.isalpha, name.rpartition(".")[2]))
    return name if is_name and name.partition(".")[0] != "localhost" else None


def name_in(address: str) -> str | None:
    """The name of the web site that an address has, such as a realm of WS-Federation; None for other texts."""
    try:
        return name_of(urllib.parse.urlsplit(address).hostname or "")
    except ValueError:
        return None


def mode_of(text: str) -> str:
    """How users sign in, one of MODES, by the value of the setting."""
    mode = text.strip().lower() or IWA
    return {str(number): name for number, name in enumerate(MODES)}.get(mode, mode)


def configured_names(settings: c.Mapping[str, str]) -> dict[str, str]:
    """The names that the settings give the web site, by these settings: its own, and the realm where it is in use.

    C(settings): values of SETTINGS as text.
    """
    known = {place.lower(): value for place, value in settings.items()}
    realm = known.get(REALM.lower(), "") if mode_of(known.get(MODE.lower(), "")) == WSFED else ""
    found = {HOSTNAME: name_of(known.get(HOSTNAME.lower(), "")), REALM: name_in(realm)}
    return {setting: name for setting, name in found.items() if name}
