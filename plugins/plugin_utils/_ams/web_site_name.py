# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name by which users reach the web site."""

from __future__ import annotations

import re

HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
SETTING = "Hosting.HttpSys.Hostname"
"""Where it stands in the JSON files, if anywhere."""


def name_of(text: str) -> str | None:
    """The text when it is a name by which users can reach a web site: no address, wildcard or localhost."""
    name = text.rstrip(".").lower()
    is_name = HOST_NAME.fullmatch(name) and any(map(str.isalpha, name.rpartition(".")[2]))
    return name if is_name and name.partition(".")[0] != "localhost" else None
