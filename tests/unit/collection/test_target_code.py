# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for the code that runs on a server, which no compiler knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.playbook import REPOSITORY

SCRIPTS = sorted(path for path in (REPOSITORY / "plugins").rglob("*.ps*1") if path.suffix in (".ps1", ".psm1"))
_TABLE = re.compile(r"(\$[\w.:]+)\s*=\s*(?:\[Ordered\]\s*)?@\{\s*\}", re.IGNORECASE)
_LITERAL = re.compile(r"'[^']*'")
_LOOP = r"foreach\s*\({name}\s+in\s+'[^']*'(?:\s*,\s*'[^']*')*\)"


def filled_by_names(code: str) -> list[str]:
    """The literal hash tables that are filled by names which the code does not spell out.

    Windows PowerShell 5.1 compares the keys of @{} by the rules of the culture: names that NTFS keeps apart may be the
    same there.
    """
    found = []
    for table in {match.group(1) for match in _TABLE.finditer(code)}:
        for match in re.finditer(re.escape(table) + r"(?:\[(?P<index>[^\]]+)\]\s*\+?=|\.Add\((?P<added>[^,]+),)", code):
            key = (match["index"] or match["added"]).strip()
            spelled = _LITERAL.fullmatch(key) or re.search(_LOOP.format(name=re.escape(key)), code, re.IGNORECASE)
            found += [] if spelled else [f"{table}[{key}]"]
    return found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_literal_hash_table_is_filled_by_names(path: Path) -> None:
    assert filled_by_names(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("$seen = @{}\n$seen[$path] = $true", ["$seen[$path]"]),
        ("$seen = [Ordered]@{}\n$seen.Add($path, 1)", ["$seen[$path]"]),
        ("$answer.masked = @{ }\nforeach ($name in $names) { $answer.masked[$name] += 1 }", ["$answer.masked[$name]"]),
        ("$seen = New-NameTable\n$seen[$path] = $true", []),
        ("$seen = @{}\n$seen['path'] = $true", []),
        ("$read = @{}\nforeach ($name in 'one', 'two') { $read[$name] = 1 }", []),
        ("$answer = @{ one = 1 }\n$answer.two = 2", []),
    ],
)
def test_the_rule_finds_what_it_is_for(code: str, found: list[str]) -> None:
    assert filled_by_names(code) == found
