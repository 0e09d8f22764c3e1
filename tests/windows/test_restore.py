# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A spoiled server: a restore that fails leaves it as it was, one that succeeds brings everything back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.backups import KeyPair, backups_of
from support.configuration import CONFIG_PATH, EXTERNAL_SCRIPTS
from support.playbook import PlaybookRun
from support.plays import BACKUP, PLANNED, RESTORE, RESTORED, failure_of, result_of
from windows.stand_in import Server

HELD = CONFIG_PATH / "scripts" / "Write-SiemEvent.ps1"
HELD_SECONDS = 900
"""For how long another program has a file that a restore replaces, unless it is ended before."""
ONE_CHANGE_OF_EACH_KIND = (
    rf"~ {CONFIG_PATH}\appsettings.json (content)",
    rf"+ {CONFIG_PATH}\audit-templates\ops mail.html",
    rf"- {CONFIG_PATH}\stray\inner\stray.ps1",
    rf"~ {CONFIG_PATH}\logo.png (time)",
    rf"~ {HELD} (content)",
    rf"~ {CONFIG_PATH}\scripts\latin1.ps1 (permissions)",
    r"~ registry Parameters\LogRetentionDays: 30 -> 7",
    r"- registry Parameters\Stray",
)


def without_turns(state: dict[str, Any]) -> dict[str, Any]:
    """A state, but for how often the service was stopped."""
    return {name: what for name, what in state.items() if name != "turns"}


@pytest.fixture(scope="module")
def before(server: Server, options: dict[str, Any], root: Path, owner: KeyPair) -> dict[str, Any]:
    """The server as it is backed up: tests that ran before may have done so, and leave it so."""
    if not backups_of(root, server.name, owner.open):
        run = server.run(BACKUP, **options)
        assert run.rc == 0, run.output[-3000:]
    return server.state()


@pytest.fixture(scope="module")
def spoiled(before: dict[str, Any], server: Server) -> dict[str, Any]:
    external = EXTERNAL_SCRIPTS / "siem" / "webhook-failure.json"
    thumbprint = server.certificates[0].thumbprint
    server.ask(
        "spoil",
        config=str(CONFIG_PATH),
        external=str(external),
        late=str(HELD),
        endpoints=[server.endpoint],
        thumbprint=thumbprint,
    )
    return server.state()


@pytest.fixture(scope="module")
def looked(spoiled: dict[str, Any], server: Server, options: dict[str, Any]) -> PlaybookRun:
    run = server.run(RESTORE, args=["--check", "--diff"], **options)
    assert run.rc == 0, run.output[-3000:]
    return run


@pytest.fixture(scope="module")
def failed(looked: PlaybookRun, server: Server, options: dict[str, Any]) -> tuple[PlaybookRun, dict[str, Any]]:
    """A restore beside a program that has one of the files open, and the server after it."""
    task = {"path": str(HELD), "share": "Read", "until_stopped": False, "seconds": HELD_SECONDS, "then_seconds": 0}
    process = server.ask("hold", **task)
    try:
        run = server.run(RESTORE, **options)
    finally:
        server.ask("free", process=int(process))
    return run, server.state()


@pytest.fixture(scope="module")
def restored(failed: tuple[PlaybookRun, dict[str, Any]], server: Server, options: dict[str, Any]) -> PlaybookRun:
    run = server.run(RESTORE, **options)
    assert run.rc == 0, run.output[-3000:]
    return run


def test_check_mode_shows_each_change(looked: PlaybookRun, server: Server) -> None:
    plan = result_of(looked, server.name, PLANNED)
    assert plan["changed"]
    for line in ONE_CHANGE_OF_EACH_KIND:
        assert line in plan["plan"]
    assert any(line.startswith(f"+ TLS binding {server.endpoint} ") for line in plan["plan"])


@pytest.mark.proves(
    "What fails because another program has the file, or because its name is still there, is tried again for 5 s"
)
def test_restore_that_fails_in_the_middle_is_rolled_back(
    failed: tuple[PlaybookRun, dict[str, Any]], spoiled: dict[str, Any], server: Server
) -> None:
    run, after = failed
    assert run.rc != 0
    assert "Everything was put back as it was" in failure_of(run, server.name)
    assert without_turns(after) == without_turns(spoiled)


@pytest.mark.proves(
    "A file is replaced in one step",
    "The new file keeps the permissions that it was given beside the old one",
    "Times and attributes are set beside a program that watches or lists the folder, or has the file open",
    "What was written is what lands",
    "Permissions that Windows set again are no change",
    "Owner, group and rules as SDDL, also with `\\\\?\\`",
    "TLS bindings and URL reservations are added and deleted; a binding is read again",
    "A PFX becomes a key of the machine that stays and may be exported",
    "A certificate is put into a service's store",
    "A key decrypts what its certificate encrypts, by OAEP with SHA-512",
    "The service may read a key after a rule was added to its file",
    "A file that this process has open alone gets its permissions by its path",
)
def test_restore_brings_everything_back(restored: PlaybookRun, before: dict[str, Any], server: Server) -> None:
    now = server.state()
    assert without_turns(now) == without_turns(before)
    assert now["turns"][-2:] == ["stopped", "started"]


@pytest.mark.proves("The web site serves at its host name and port on 127.0.0.1, or where HTTP.sys listens")
def test_each_test_of_health_is_passed(restored: PlaybookRun, server: Server) -> None:
    checks = {check["name"]: check["passed"] for check in result_of(restored, server.name, RESTORED)["checks"]}
    assert checks.pop("https", True)
    assert checks == dict.fromkeys(["running", "configured", "http", "secrets", "certificates", "stays_running"], True)


@pytest.mark.proves("The same over TLS, where a certificate is bound to the port")
def test_health_is_asked_over_tls(restored: PlaybookRun, server: Server) -> None:
    if server.program:
        pytest.skip("the program of STANDIN serves no TLS")
    checks = {check["name"]: check["passed"] for check in result_of(restored, server.name, RESTORED)["checks"]}
    assert checks["https"]


@pytest.mark.proves("Permissions that Windows set again are no change")
def test_second_restore_changes_nothing(
    restored: PlaybookRun, server: Server, options: dict[str, Any], tmp_path: Path
) -> None:
    run = server.run(RESTORE, **options)
    assert run.rc == 0, run.output[-3000:]
    assert not result_of(run, server.name, PLANNED)["would_change"]
