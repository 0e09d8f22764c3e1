# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run goes on when its controller is gone: the service that it stopped runs again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.backups import KeyPair, backups_of
from support.configuration import CONFIG_PATH
from support.playbook import start_playbook
from support.plays import BACKUP
from windows.stand_in import Server, environment

HELD = str(CONFIG_PATH / "db" / "held.mdf")
HELD_SECONDS = 20
"""For how long after the stop a database file is held: the run is in the middle of its stop until then."""


@pytest.mark.proves("A process leaves the job of WinRM's shell", over="winrm")
@pytest.mark.proves("Under PSRP, where a process may not leave", over="psrp")
def test_service_runs_again_when_the_controller_dies_in_the_middle_of_a_stop(
    server: Server, options: dict[str, Any], root: Path, owner: KeyPair
) -> None:
    turns = server.state()["turns"]
    server.ask("hold", path=HELD, share="None", until_stopped=True, seconds=240, then_seconds=HELD_SECONDS)
    variables = {"target": server.name, "backup_include_database": True, "backup_force": True} | options
    running = start_playbook(BACKUP, server.inventory, extra_vars=variables, env=environment())
    server.ask("wait", status="Stopped", seconds=200)
    assert not running.ended
    running.kill()
    running.wait()
    server.ask("wait", status="Running", seconds=120)
    assert server.state()["turns"] == [*turns, "stopped", "started"]

    published = len(backups_of(root, server.name, owner.open))
    run = server.run(BACKUP, **options, backup_force=True)
    assert run.rc == 0, run.output[-3000:]
    backups = backups_of(root, server.name, owner.open)
    assert (len(backups), backups[-1].manifest["status"]) == (published + 1, "complete")
    assert server.state()["turns"] == [*turns, "stopped", "started"]
