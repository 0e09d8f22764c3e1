# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the commands of a runbook as it prints them, and holds it to what it says that they print.

A fence `console` is a command for the shell of the controller; the fence `text` after it is what it prints, line by
line, with `...` for what differs. A fence `yaml` after "File `NAME`" is a file in the working folder. Other fences are
not run. A table `it says | do` quotes what is said when a step fails.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .playbook import REPOSITORY, environment

DOCUMENTS = REPOSITORY / "docs"
PREFIX = "runbook_"
INVENTORY = "inventory.yml"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"File `([\w.-]+)`:\s*$")
_TABLE = re.compile(r"^\| it says \| do \|\n\|---\|---\|\n((?:\|.*\n)+)", re.MULTILINE)
_QUOTE = re.compile(r"`([^`]+)`")
_TIMEOUT = 900


@dataclass(frozen=True)
class Step:
    """A command, and the lines that it must print."""

    command: str
    printed: tuple[str, ...] = ()

    def expect(self, output: str, places: Mapping[str, str]) -> None:
        """AssertionError when a line is not printed."""
        for line in self.printed:
            assert _pattern(_replaced(line, places)).search(output), f"'{line}' is not in {output[-4000:]}"


@dataclass(frozen=True)
class Runbook:
    """A runbook: docs/runbook_NAME.md. files: those that it has the reader write, by name."""

    name: str
    steps: tuple[Step, ...]
    files: Mapping[str, str]

    @classmethod
    def read(cls, name: str) -> Runbook:
        text = _text(name)
        steps: list[Step] = []
        files: dict[str, str] = {}
        for match in _FENCE.finditer(text):
            kind, content = match.groups()
            named = _FILE.search(text[: match.start()])
            if kind == "console":
                steps.append(Step(content))
            elif kind == "text" and steps and not steps[-1].printed:
                steps[-1] = Step(steps[-1].command, tuple(content.splitlines()))
            elif kind == "yaml" and named:
                files[named.group(1)] = content
        return cls(name, tuple(steps), files)

    def run(self, folder: Path, places: Mapping[str, str]) -> Iterator[tuple[Step, str]]:
        """Runs each command in a folder, and yields it with its output. AssertionError when it fails or prints
        something else.

        places: what stands in the commands, and what stands here in its place.
        """
        for name, content in self.files.items():
            (folder / name).write_text(content, encoding="utf-8")
        for step in self.steps:
            output = _shell(_replaced(step.command, places), folder)
            step.expect(output, places)
            yield step, output


def failing(command: str, folder: Path, places: Mapping[str, str]) -> str:
    """What a command prints that fails, in a folder. AssertionError when it does not fail."""
    return _shell(_replaced(command, places), folder, fails=True)


def commands(name: str, language: str, program: str = "") -> list[str]:
    """The lines in a runbook's fences of a language that begin with a program, in their order."""
    blocks = [content for kind, content in _FENCE.findall(_text(name)) if kind == language]
    return [line for line in "\n".join(blocks).splitlines() if line.startswith(program)]


def documented_inventory() -> str:
    """The inventory that the README shows."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    return next(content for kind, content in _FENCE.findall(readme) if kind == "yaml")


def failures(name: str) -> list[list[str]]:
    """What a runbook says that is said when a step fails: for each row of its tables, what it quotes."""
    rows = "".join(_TABLE.findall(_text(name))).splitlines()
    return [_QUOTE.findall(row.split(" | ")[0]) for row in rows]


def names() -> list[str]:
    """The runbooks whose commands can be run: one of them is for hands alone."""
    found = sorted(path.stem.removeprefix(PREFIX) for path in DOCUMENTS.glob(f"{PREFIX}*.md"))
    return [name for name in found if Runbook.read(name).steps]


def _text(name: str) -> str:
    return (DOCUMENTS / f"{PREFIX}{name}.md").read_text(encoding="utf-8")


def _shell(command: str, folder: Path, *, fails: bool = False) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environment(folder / "run"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_TIMEOUT,
        check=False,
    )
    output = done.stdout.decode("utf-8", "replace")
    assert (done.returncode != 0) == fails, f"{command} ended with {done.returncode}: {output[-4000:]}"
    return output


def _replaced(text: str, places: Mapping[str, str]) -> str:
    for one, other in places.items():
        text = text.replace(one, other)
    return text


def _pattern(line: str) -> re.Pattern[str]:
    """A whole line of a fence, whatever the spaces: by itself, or inside JSON, with its quotes and backslashes escaped.
    """
    parts = [r"\s+".join(map(_escaped, part.split())) for part in line.split("...")]
    return re.compile(r'^[ \t]*"?' + r".*?".join(parts) + r'"?,?[ \t]*$', re.MULTILINE)


def _escaped(word: str) -> str:
    return re.escape(word).replace(r"\\", r"\\{1,2}").replace('"', r'\\?"')
