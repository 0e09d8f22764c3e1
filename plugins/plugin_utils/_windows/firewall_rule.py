# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the Windows firewall, as the registry has them."""

from __future__ import annotations

import collections.abc as c
import re

_RULE_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


def is_let_in(port: int, rules: c.Iterable[str]) -> bool:
    return any(_lets_in(rule, port) for rule in rules)


def _lets_in(rule: str, port: int) -> bool:
    """Whether a firewall rule, as the registry has it, lets in that port. One without ports lets in all."""
    settings = [setting.partition("=")[::2] for setting in rule.split("|")]
    if ("Action", "Block") in settings or ("Active", "FALSE") in settings:
        return False
    ranges = [_RULE_PORTS.fullmatch(value) for name, value in settings if name.startswith("LPort")]
    return not ranges or any(found and int(found[1]) <= port <= int(found[2] or found[1]) for found in ranges)
