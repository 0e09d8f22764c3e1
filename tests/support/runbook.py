# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that a runbook tells people to run, so that tests run the same."""

from __future__ import annotations

import re

from .playbook import REPOSITORY

_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(runbook: str, language: str, program: str = "") -> list[str]:
    """The commands in the blocks of a language that begin with a program, in their order."""
    text = (REPOSITORY / "docs" / "runbooks" / runbook).read_text(encoding="utf-8")
    blocks = [found["text"] for found in _BLOCK.finditer(text) if found["language"] == language]
    return [line for block in blocks for line in block.splitlines() if line.startswith(program)]
