#!/usr/bin/env python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holds the code of this collection to its limits, and names each place that is over one.

* a line of PowerShell, YAML or Jinja has at most 132 letters (ruff does the same for Python)
* a function of Python or PowerShell has at most 60 lines
* a file of Python or PowerShell has at most 300 lines of code: no blank lines, comments or documentation
* an expression of Python, with all that is in it, has at most one C(for) and one C(if)
* Markdown has one sentence a line, outside tables and examples

Of the tests, lines and functions are held to the same limits, and what they are made with (tests/tools, tests/support)
to that of expressions: a file of tests has what is promised of one subject, and an assertion compares two lists.
"""

from __future__ import annotations

import ast
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONGEST_LINE, LONGEST_FUNCTION, LARGEST_FILE = 132, 60, 300
PRODUCT = ("plugins", "roles", "playbooks")
GUESTS = ("tests/windows_lab", "tests/ad_lab")
"""Whose files have rules of their own."""

_POWERSHELL_FUNCTION = re.compile(r"^function [\w-]+", re.MULTILINE | re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<!e\.g)(?<!i\.e)(?<!^\d)[^.][.!?]\)? (?=[A-Z`*\[])")
_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)


def python(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    documentation = _documentation_lines(ast.parse(text))
    code = [n for n, line in enumerate(text.splitlines(), 1) if _is_code(line) and n not in documentation]
    if len(code) > LARGEST_FILE:
        yield f"{path}: {len(code)} lines of code"
    yield from functions(path)
    yield from expressions(path)


def functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and _length(node) > LONGEST_FUNCTION:
            yield f"{path}:{node.lineno}: {node.name} has {_length(node)} lines"


def expressions(path: Path) -> Iterator[str]:
    for expression in _expressions(ast.parse(path.read_text(encoding="utf-8"))):
        loops, conditions = _density(expression)
        if loops > 1 or conditions > 1:
            yield f"{path}:{expression.lineno}: an expression with {loops} for and {conditions} if"


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    """The whole expressions below a node, each of a statement, a default or a decorator; not what they are made of."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            yield child
        else:
            yield from _expressions(child)


def _density(expression: ast.expr) -> tuple[int, int]:
    """How many C(for) and C(if) are in an expression."""
    parts = list(ast.walk(expression))
    loops = [part for part in parts if isinstance(part, ast.comprehension)]
    conditions = itertools.chain.from_iterable(loop.ifs for loop in loops)
    return len(loops), len(list(conditions)) + sum(isinstance(part, ast.IfExp) for part in parts)


def _length(node: ast.FunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _is_code(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _documentation_lines(tree: ast.Module) -> set[int]:
    """The lines of strings that stand alone, and of the three that document a module of Ansible."""
    texts = [
        node.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    ]
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            texts.append(node.value)
    lines: set[int] = set()
    for text in texts:
        lines.update(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    return lines


def powershell(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    code = [line for line in text.splitlines() if _is_code(line)]
    if len(code) > LARGEST_FILE:
        yield f"{path}: {len(code)} lines of code"
    for match in _POWERSHELL_FUNCTION.finditer(text):
        length = text[match.start() :].partition("\n}")[0].count("\n") + 2
        if length > LONGEST_FUNCTION:
            yield f"{path}: {match.group()} has {length} lines"


def long_lines(path: Path) -> Iterator[str]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if len(line) > LONGEST_LINE:
            yield f"{path}:{number}: {len(line)} letters"


def markdown(path: Path) -> Iterator[str]:
    text = _FENCE.sub(lambda match: "\n" * match.group().count("\n"), path.read_text(encoding="utf-8"))
    for number, line in enumerate(text.splitlines(), 1):
        prose = re.sub(r"^\s*\d+\. |`[^`]*`|\]\([^)]*\)|\*\*", lambda part: "`" if part[0][0] == "`" else "", line)
        if not line.lstrip().startswith(("|", "#")) and _SENTENCE_END.search(prose):
            yield f"{path}:{number}: two sentences on one line"


CHECKS = {
    ".py": (python,),
    ".ps1": (powershell, long_lines),
    ".psm1": (powershell, long_lines),
    ".cs": (long_lines,),
    ".yml": (long_lines,),
    ".j2": (long_lines,),
}


def problems() -> Iterator[str]:
    for folder in PRODUCT:
        for path in sorted((ROOT / folder).rglob("*")):
            for check in CHECKS.get(path.suffix, ()):
                yield from check(path)
    for path in sorted((ROOT / "tests").rglob("*")):
        yield from _problems_of_test(path)
    for path in sorted(itertools.chain(*(ROOT.glob(pattern) for pattern in ("*.md", "docs/*.md", "roles/*/*.md")))):
        yield from markdown(path)


def _problems_of_test(path: Path) -> Iterator[str]:
    name = path.relative_to(ROOT).as_posix()
    if name.startswith(GUESTS):
        return
    if path.suffix == ".py":
        yield from functions(path)
        if name.startswith(("tests/tools", "tests/support")):
            yield from expressions(path)
    elif path.suffix in CHECKS:
        yield from long_lines(path)


def main() -> int:
    found = list(problems())
    print("\n".join(problem.replace(f"{ROOT}/", "") for problem in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
