# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible loads the action of each task that it comes to, run or skipped: what few backups need, few load."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from support.playbook import COLLECTIONS, REPOSITORY

TASKS = REPOSITORY / "roles/backup/tasks"
FOR_SOME = {"ask_directory.yml"}
"""Files of tasks that a usual backup does not include."""

PROGRAM = """
import sys
from ansible.plugins.loader import action_loader, init_plugin_loader
init_plugin_loader([sys.argv[1]])
for name in sys.argv[2:]:
    action_loader.get(f"lithnet.access_manager.{name}", class_only=True)
print(*sorted({"boto3", "ldap", "pyasn1"} & sys.modules.keys()))
"""


def loaded_by(paths: Iterable[Path]) -> set[str]:
    """The optional libraries that the actions of files of tasks load."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    names = re.findall(r"^ *lithnet\.access_manager\.(\w+):", text, re.MULTILINE)
    assert names
    command = [sys.executable, "-c", PROGRAM, str(COLLECTIONS), *names]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.slow
def test_a_usual_backup_loads_no_library_of_the_directory_or_of_s3() -> None:
    assert not loaded_by(path for path in TASKS.glob("*.yml") if path.name not in FOR_SOME)


@pytest.mark.slow
def test_a_backup_that_asks_the_directory_loads_its_library() -> None:
    pytest.importorskip("ldap")
    assert "ldap" in loaded_by([TASKS / "ask_directory.yml"])
