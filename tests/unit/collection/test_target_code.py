# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for the code that runs on a server, which no compiler knows."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import ansible
import pytest
from support.playbook import REPOSITORY

SCRIPTS = sorted(path for path in (REPOSITORY / "plugins").rglob("*.ps*1") if path.suffix in (".ps1", ".psm1"))
_TABLE = re.compile(r"(\$[\w.:]+)\s*=\s*(?:\[Ordered\]\s*)?@\{\s*\}", re.IGNORECASE)
MODULES = sorted((REPOSITORY / "plugins/modules").glob("*.ps1"))
LARGEST_EVENT = 64 * 1024
"""In bytes: Windows drops an event that is larger."""

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


# ---- module logging ----

_FUNCTION = re.compile(r"^Function ([\w-]+)", re.MULTILINE | re.IGNORECASE)
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
_CALL = re.compile(r"(?<![\w$.:'-])(?P<name>[A-Z][A-Za-z]+-[A-Z]\w+)\b(?P<arguments>(?:,[ ]*\n|[^\n|{};])*)")
_CONFIDENTIAL = re.compile(
    r"password|pfx|\$secret|\$bundle|\$plain|\$document|\$encryptionKey|\$macKey|\.(?:data|value)\b", re.IGNORECASE
)
FUNCTIONS = {name for path in SCRIPTS for name in _FUNCTION.findall(path.read_text(encoding="utf-8"))}


def confidential_arguments(code: str) -> list[str]:
    """The calls of cmdlets that are given a secret or a configuration: Windows writes their arguments into its log.

    What functions, methods and constructors are given is in no log. ConvertFrom-Json is given a whole text.
    """
    found = []
    for call in _CALL.finditer(_COMMENT.sub("", code)):
        name, arguments = call["name"], call["arguments"]
        if name in FUNCTIONS or name == "Export-ModuleMember":
            continue
        if name == "ConvertFrom-Json" or _CONFIDENTIAL.search(arguments):
            found.append(f"{name}{arguments}")
    return found


@pytest.mark.parametrize(
    "path", [path for path in SCRIPTS if path.parent.name in ("modules", "module_utils")], ids=lambda path: path.name
)
def test_no_cmdlet_of_a_module_is_given_a_secret_or_a_configuration(path: Path) -> None:
    assert confidential_arguments(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("$one = New-Object -TypeName X509Certificate2 -ArgumentList $pfx, $Wanted.password, $Flags", 1),
        ("$one = New-Object -TypeName X509Certificate2 -ArgumentList $bytes,\n    $Wanted.password", 1),
        ("$document = ConvertFrom-Json -InputObject $text", 1),
        ("Write-Debug -Message $found.value", 1),
        ("$one = [X509Certificate2]::new($pfx, $Wanted.password, $Flags)", 0),
        ("$one = Unprotect-Secret -Secret $secret", 0),
        ("$document = [Json]::Parse($text)", 0),
    ],
)
def test_that_rule_finds_what_it_is_for(code: str, found: int) -> None:
    assert len(confidential_arguments(code)) == found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_the_event_with_the_options_of_a_module_is_too_large_for_windows_log(path: Path) -> None:
    """Ansible gives them to ConvertFrom-Json, in one text with what the module uses of Ansible."""
    assert "#AnsibleRequires -PowerShell ..module_utils._TargetModule" in path.read_text(encoding="utf-8")
    target = (REPOSITORY / "plugins/module_utils/_TargetModule.psm1").read_text(encoding="utf-8")
    assert "#AnsibleRequires -CSharpUtil Ansible.Basic" in target
    basic = Path(ansible.__file__).parent / "module_utils/csharp/Ansible.Basic.cs"
    assert len(base64.b64encode(basic.read_bytes()).decode().encode("utf-16-le")) > LARGEST_EVENT


# ---- the log of Ansible's modules ----

_OPTION = re.compile(
    r"\b(?:pfx|password|passphrase|bundle|value|data|salt|secret|payload|nonce)\s*=\s*@\{\s*type\s*=[^}]*\}",
    re.IGNORECASE,
)


def logged_options(code: str) -> list[str]:
    """The options that hold a secret and are not marked as such: Ansible writes the others into the event log."""
    return [option for option in _OPTION.findall(code) if "no_log = $true" not in option]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_each_option_with_a_secret_is_masked_in_the_event_log(path: Path) -> None:
    assert logged_options(path.read_text(encoding="utf-8")) == []


def test_an_option_that_is_not_masked_is_found() -> None:
    masked = "pfx = @{ type = 'str'; no_log = $true }"
    assert logged_options(f"{masked}; password = @{{ type = 'str' }}") == ["password = @{ type = 'str' }"]


UTILITIES = sorted((REPOSITORY / "plugins/module_utils").glob("*.psm1"))
_FUNCTION = re.compile(r"^Function ([\w-]+).*?^\}", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", UTILITIES, ids=lambda path: path.name)
def test_a_utility_needs_no_other_one_while_it_is_loaded(path: Path) -> None:
    """Ansible loads them in an order of its own."""
    others = {name for one in UTILITIES if one != path for name in _FUNCTION.findall(one.read_text(encoding="utf-8"))}
    lines = _FUNCTION.sub("", path.read_text(encoding="utf-8")).splitlines()
    code = [line for line in lines if not line.startswith(("#", "Export-ModuleMember", "    "))]
    assert not [line for line in code if others & set(re.findall(r"[\w-]+", line))]
