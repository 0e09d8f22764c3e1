# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests against Windows servers: whom they refuse, and what they say that they have proven."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.playbook import REPOSITORY
from windows.stand_in import EXECUTABLE, Look, refusal
from windows.verified import NO_TEST, Outcome, Windows, rows, table

TESTS = REPOSITORY / "tests/windows"
SERVER_2022 = Windows("Windows Server 2022 Standard", "20348.2700", False)
SERVER_2016 = Windows("Windows Server 2016 Standard", "14393.7428", False)
WINE = Windows("Microsoft Windows 7", "7601.0", True)
CALL, OTHER = "CryptoAPI keys", "Free space"
OWN_MARK = json.dumps({"executable": "AB12"})


def look(**more: object) -> Look:
    fields = {"windows": SERVER_2022, "found": (), "image": "", "mark": "", "executable": "", "keys": ()}
    return Look(**{**fields, **more})  # type: ignore[arg-type]


# ---- refusals ----


def test_server_without_access_manager_is_taken() -> None:
    assert refusal("ams1", look()) == ""


@pytest.mark.parametrize(
    "found",
    [
        r"service lithnetams (C:\Program Files\Lithnet\Access Manager Service\Lithnet.AccessManager.Service.exe)",
        r"registry key HKLM\SOFTWARE\Lithnet\Access Manager Service",
        r"folder C:\AccessManagerScripts",
        "installed product Lithnet Access Manager Service",
    ],
)
def test_server_with_any_part_of_access_manager_is_refused_and_the_part_named(found: str) -> None:
    sentence = refusal("ams1", look(found=(found,)))
    assert sentence.startswith("ams1 has Access Manager, or parts of it")
    assert found in sentence
    assert "Nothing was changed" in sentence


@pytest.mark.parametrize("executable", ["AB12", ""])
def test_what_an_interrupted_run_left_is_taken(executable: str) -> None:
    left = look(found=("service lithnetams",), mark=OWN_MARK, executable=executable, image=f'"{EXECUTABLE}"')
    assert refusal("ams1", left) == ""


@pytest.mark.parametrize(
    ("executable", "image"),
    [("CD34", f'"{EXECUTABLE}"'), ("AB12", r"D:\AMS\Lithnet.AccessManager.Service.exe"), ("CD34", "")],
)
def test_access_manager_that_was_installed_over_an_interrupted_run_is_refused(executable: str, image: str) -> None:
    sentence = refusal("ams1", look(found=("service lithnetams",), mark=OWN_MARK, executable=executable, image=image))
    assert "Access Manager may have been installed since" in sentence


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "Name the servers to test: make test-windows INVENTORY=path/to/inventory.yml"),
        ({"INVENTORY": "/nowhere/hosts.yml"}, "INVENTORY names '/nowhere/hosts.yml', which does not exist"),
    ],
)
def test_run_without_an_inventory_says_what_to_name(variables: dict[str, str], sentence: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("INVENTORY", "STANDIN")}
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", str(TESTS)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=REPOSITORY, env=environment | variables
    )
    assert done.returncode != 0
    assert sentence in done.stdout + done.stderr


def test_make_without_an_inventory_says_what_to_name() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("INVENTORY", "MAKEFLAGS")}
    command = ["make", "test-windows"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY, env=environment)
    assert done.returncode != 0
    assert "make test-windows INVENTORY=path/to/inventory.yml" in done.stderr


# ---- the table ----


def cells(text: str) -> list[tuple[str, str, str]]:
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in text.splitlines()[2:]]  # type: ignore[misc]


def test_call_is_proven_for_each_windows_on_which_its_tests_passed() -> None:
    outcomes = {CALL: [Outcome("test_a", one, "passed") for one in (SERVER_2022, SERVER_2016)]}
    assert cells(table(outcomes)) == [(CALL, SERVER_2022.name, "yes"), (CALL, SERVER_2016.name, "yes")]


def test_call_is_not_proven_when_one_of_its_tests_failed() -> None:
    outcomes = {CALL: [Outcome("test_a", SERVER_2022, "passed"), Outcome("test_b", SERVER_2022, "failed")]}
    assert cells(table(outcomes)) == [(CALL, SERVER_2022.name, "no: test_b failed")]


@pytest.mark.parametrize("result", ["skipped", "not run"])
def test_call_is_not_proven_when_one_of_its_tests_did_not_run(result: str) -> None:
    outcomes = {CALL: [Outcome("test_a", SERVER_2022, "passed"), Outcome("test_b", SERVER_2022, result)]}
    assert cells(table(outcomes)) == [(CALL, SERVER_2022.name, "no: not run")]


def test_wine_proves_nothing_of_windows() -> None:
    text = table({CALL: [Outcome("test_a", WINE, "passed")]})
    assert cells(text) == [(CALL, "Wine, which shows itself as Microsoft Windows 7 (7601.0)", "no: on Wine alone")]


def test_calls_without_a_test_are_not_in_the_table_and_others_in_the_order_of_the_page() -> None:
    outcomes = {call: [Outcome("test_a", SERVER_2022, "passed")] for call in (CALL, OTHER)}
    assert [call for call, _windows, _proven in cells(table(outcomes))] == [OTHER, CALL]


# ---- docs/verified.md ----


def claimed() -> set[str]:
    """The calls that a test claims to prove."""
    found: set[str] = set()
    for file in TESTS.glob("test_*.py"):
        marks = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        marks = [node for node in marks if ast.unparse(node.func) == "pytest.mark.proves"]
        for mark in marks:
            found |= {ast.literal_eval(argument) for argument in mark.args}
    return found


def test_each_call_that_a_test_proves_is_one_row_of_the_page() -> None:
    found = {claim: [call for call in rows() if call.startswith(claim)] for claim in claimed()}
    assert found
    assert {claim: calls for claim, calls in found.items() if len(calls) != 1} == {}


@pytest.mark.slow
def test_page_says_of_which_calls_there_is_a_test() -> None:
    tested = {call for call, cell in rows().items() if cell not in ("", NO_TEST)}
    assert tested == {call for call in rows() if call.startswith(tuple(claimed()))}


def test_columns_are_found_wherever_they_stand(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    tables = (
        "| what | on Windows |\n|---|---|\n| a | no test |\n",
        "| what |\n|---|\n| b |\n",
        "| on Windows | x |\n|---|---|\n| c | d |\n",
    )
    page.write_text("\n".join(tables))
    assert rows(page) == {"a": "no test", "c": "c"}


def test_every_call_says_what_only_a_server_can_show() -> None:
    assert [call for call, cell in rows(column="only a server can show").items() if not cell] == []
