# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of plugin_utils are those of docs/design.md, and their imports go down as its picture shows."""

from __future__ import annotations

import ast
import graphlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.playbook import REPOSITORY

PLUGINS = REPOSITORY / "plugins"
UTILS = PLUGINS / "plugin_utils"
FILES = [*sorted(UTILS.rglob("*.py")), *sorted((PLUGINS / "action").glob("*.py"))]
Parts = tuple[str, ...]


def imports_of(path: Path) -> Iterator[Parts]:
    """What a file of the collection imports of it, as parts of a path below plugins."""
    here = path.relative_to(PLUGINS).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = here[: -node.level] + tuple((node.module or "").split(".") if node.module else ())
            for name in node.names:
                whole = (*base, name.name)
                named = PLUGINS.joinpath(*whole)
                yield whole if named.is_dir() or named.with_suffix(".py").is_file() else base


def package_of(parts: Parts) -> str:
    """The package or single file of plugin_utils, or "action"."""
    return parts[1] if parts[0] == "plugin_utils" and len(parts) > 1 else parts[0]


def levels() -> dict[str, int]:
    """The level of each package in the picture of docs/design.md; 0 is the top."""
    text = (REPOSITORY / "docs/design.md").read_text(encoding="utf-8")
    picture = text.partition("imports go down only:")[2].partition("Data flows")[0]
    rows = [row for row in picture.splitlines() if row.strip()]
    return {name: level for level, row in enumerate(rows) for name in re.findall(r"(?<!\S)_[a-z_]+", row)}


def test_the_picture_names_each_package_and_each_file() -> None:
    there = {path.stem for path in UTILS.iterdir() if not path.name.startswith("__")}
    assert levels().keys() == there


def test_imports_go_down() -> None:
    level = levels() | {"action": -1, "plugin_utils": len(levels())}
    for path in FILES:
        own = package_of(path.relative_to(PLUGINS).with_suffix("").parts)
        for imported in map(package_of, imports_of(path)):
            assert imported == own or level[imported] > level[own], f"{path} imports {imported}"


@pytest.mark.slow
def test_no_files_import_each_other() -> None:
    graph = {path.relative_to(PLUGINS).with_suffix("").parts: set(imports_of(path)) for path in FILES}
    assert list(graphlib.TopologicalSorter(graph).static_order())


def test_packages_are_imported_by_relative_names() -> None:
    for path in FILES:
        assert "ansible_collections.lithnet" not in path.read_text(encoding="utf-8"), path


def test_the_first_file_of_each_package_is_its_docstring_alone() -> None:
    for path in UTILS.glob("*/__init__.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert len(body) == 1 and isinstance(body[0], ast.Expr), path


# ---- the limits ----

_SPEC = importlib.util.spec_from_file_location("limits", REPOSITORY / "tests/tools/limits.py")
assert _SPEC is not None and _SPEC.loader is not None
limits = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(limits)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.py", "x = [a for b in c for a in b]\n", "an expression with 2 for and 0 if"),
        ("a.py", "x = [a for a in b if a if c]\n", "an expression with 1 for and 2 if"),
        ("a.py", "x = 1 if a else 2 if b else 3\n", "an expression with 0 for and 2 if"),
        ("a.py", "x = f(1 if a else 2, [b if c else d])\n", "an expression with 0 for and 2 if"),
        ("a.py", "x = {'a': [b for b in c], 'd': sum(e for e in f)}\n", "an expression with 2 for and 0 if"),
        ("a.py", "def f(x=[a for b in c for a in b]):\n    return x\n", "an expression with 2 for and 0 if"),
        ("a.py", "for a in [b for b in c]:\n    x = [d for d in a]\n", ""),
        ("a.py", "x = [a for a in b if a]\ny = 1 if a else 2\n", ""),
        ("a.py", "def f():\n" + "    x = 1\n" * 60, "f has 61 lines"),
        ("a.py", "x = 1\n" * 301, "301 lines of code"),
        ("a.py", 'DOCUMENTATION = """\n' + "x\n" * 400 + '"""\n', ""),
        ("a.psm1", "Function Get-It {\n" + "    1\n" * 60 + "}\n", "Function Get-It has 62 lines"),
        ("a.yml", "x" * 133 + "\n", "133 letters"),
        ("a.md", "One sentence. Another one.\n", "two sentences on one line"),
        ("a.md", "Version 1 ended in 2024. Another one.\n", "two sentences on one line"),
        ("a.md", "It is `x`. `y` is another.\n", "two sentences on one line"),
        ("a.md", "1. One sentence of a list.\n# 1. A heading\n| One. | Two. Three. |\n", ""),
        ("a.md", "One.\n\n```\nTwo. Three.\n```\n", ""),
    ],
)
def test_what_is_over_a_limit_is_found(tmp_path: Path, name: str, text: str, problem: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    checks = limits.CHECKS.get(path.suffix, (limits.markdown,))
    found = [one for check in checks for one in check(path)]
    assert [one.rpartition(": ")[2] for one in found] == ([problem] if problem else [])
