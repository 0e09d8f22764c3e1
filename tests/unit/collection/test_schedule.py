# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role schedule writes units that systemd accepts, runs what it was asked to, and removes them again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
ODD = ["--limit", 'a b"c', "100% of $HOME", "back\\slash"]
"""Arguments that mean something to systemd."""

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


def schedules(folder: Path, **hosts: dict[str, Any]) -> str:
    """Runs the role once, on the controller, with the options of each host, and is what was printed.

    Units lie in a folder of the host's name.
    """
    common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "schedule_activate": False}
    names = {
        name: common
        | {"schedule_unit_folder": str(folder / name)}
        | {f"schedule_{option}": value for option, value in options.items()}
        for name, options in hosts.items()
    }
    for name in names:
        (folder / name).mkdir(exist_ok=True)
    play = [{"hosts": "all", "gather_facts": False, "roles": [{"role": "lithnet.access_manager.schedule"}]}]
    (folder / "play.yml").write_text(json.dumps(play))
    (folder / "inventory.json").write_text(json.dumps({"all": {"hosts": names}}))
    program = Path(sys.executable).with_name("ansible-playbook")
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build")}
    command = [program, "--inventory", folder / "inventory.json", folder / "play.yml"]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, check=False
    ).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("schedule")


@pytest.fixture(scope="module")
def printed(folder: Path) -> str:
    """One run: a schedule that is written, one that is removed, and three that are refused."""
    (folder / "removed").mkdir()
    for kind in ("service", "timer"):
        (folder / f"removed/lithnet-access-manager-backup.{kind}").touch()
    return schedules(
        folder,
        written={
            "inventory": str(folder / "inventory.json"),
            "arguments": ODD,
            "vault_password_file": "/etc/ansible/vault_password",
            "environment": {"KRB5CCNAME": "FILE:/run/100%"},
            "on_failure": "alert@%n.service",
            "calendar": "Mon..Fri 02:30",
        },
        removed={"state": "absent"},
        refused_name={"name": "../evil", "inventory": "/x"},
        refused_inventory={},
        refused_line={"inventory": "/x", "arguments": ["a\nExecStartPre=/bin/sh"]},
    )


@pytest.fixture
def units(folder: Path, printed: str) -> Path:
    assert re.search(r"^written +: ok=\d+ +changed=1 +unreachable=0 +failed=0", printed, re.M), printed
    return folder / "written"


def test_systemd_accepts_the_units(units: Path) -> None:
    (units / "alert@.service").write_text("[Service]\nExecStart=/bin/true\n")
    names = ["lithnet-access-manager-backup.service", "lithnet-access-manager-backup.timer"]
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"}
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names],
        cwd=units,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_broken_unit_would_be_found(units: Path, tmp_path: Path) -> None:
    text = (units / "lithnet-access-manager-backup.timer").read_text().replace("Mon..Fri", "Mon..Never")
    (tmp_path / "broken.timer").write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", tmp_path / "broken.timer"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Failed to parse calendar" in done.stderr or done.returncode != 0


def test_runs_are_spread_and_made_up_for_and_the_vault_password_is_a_credential(units: Path) -> None:
    timer = (units / "lithnet-access-manager-backup.timer").read_text()
    assert {"OnCalendar=Mon..Fri 02:30", "RandomizedDelaySec=30m", "Persistent=yes"} <= set(timer.splitlines())
    service = (units / "lithnet-access-manager-backup.service").read_text()
    assert "LoadCredential=vault_password:/etc/ansible/vault_password" in service.splitlines()
    assert ' --vault-password-file "${CREDENTIALS_DIRECTORY}/vault_password"' in service
    assert 'Environment="KRB5CCNAME=FILE:/run/100%%"' in service.splitlines()


def test_arguments_arrive_as_they_were_given(units: Path) -> None:
    """By systemd's rules: words in quotes, with backslashes, and doubled percent and dollar signs."""
    service = (units / "lithnet-access-manager-backup.service").read_text()
    (command,) = [line for line in service.splitlines() if line.startswith("ExecStart=")]
    for word in ODD:
        quoted = word.replace("$", "$$").replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
        assert f' "{quoted}"' in command


@pytest.mark.parametrize("host", ["refused_name", "refused_inventory", "refused_line"])
def test_what_cannot_stand_in_a_unit_is_refused(folder: Path, printed: str, host: str) -> None:
    assert re.search(rf"^{host} +: .*failed=1", printed, re.M), printed
    assert "no value may hold a line break" in printed
    assert list((folder / host).iterdir()) == []


def test_absent_removes_both(folder: Path, printed: str) -> None:
    assert re.search(r"^removed +: ok=\d+ +changed=1 +unreachable=0 +failed=0", printed, re.M), printed
    assert list((folder / "removed").iterdir()) == []
