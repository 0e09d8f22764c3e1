# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores that fail, and restores on a bad line: the server ends as it was, or as the backup says, and nothing in between."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.ams_host import SERVICE_SID, AmsHost, Connection, MakeHost, write_inventory
from support.backups import Backup, KeyPair, age_key, backups_of
from support.configuration import UNICODE_TEMPLATE
from support.playbook import PlaybookRun, run_playbook, start_playbook
from support.plays import BACKUP, RESTORE, failure_of, result_of
from support.whole import Whole, identity_file, restoring, safety_copies

NAME = "ams-faults"
EDITOR = r"C:\Program Files\Lithnet\Access Manager Service\Lithnet.AccessManager.Server.UI.exe"
PLAN, RESTORED = "Open the backup, read the server, and plan", "Restore files, registry and HTTP.sys"


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | None]:
    """A disk of 1 MiB; None where none may be mounted."""
    place = tmp_path_factory.mktemp("disks") / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture(scope="module")
def server(make_host: MakeHost, disk: Path | None) -> AmsHost:
    return make_host(NAME, drives={"X": disk} if disk else {})


@pytest.fixture(scope="module")
def options(settings: dict[str, Any], work: Path, owner: KeyPair) -> dict[str, Any]:
    return restoring(settings, identity_file(work, owner))


@pytest.fixture(scope="module")
def backup(server: AmsHost, work: Path, options: dict[str, Any], root: Path, owner: KeyPair) -> Backup:
    run = run_playbook(BACKUP, server.write_inventory(work / "backup.yml", variables=options))
    assert run.rc == 0, run.stdout[-3000:]
    (made,) = backups_of(root, NAME, owner.open)
    return made


@pytest.fixture(scope="module")
def whole(backup: Backup, server: AmsHost) -> Whole:
    """The server as it was backed up."""
    return Whole.of(server)


def forge(backup: Backup, folder: Path, changes: Mapping[str, bytes | None]) -> str:
    """A config.zip without a seal and a manifest, with other files than the backup; its path."""
    members = dict(backup.config)
    listed = json.loads(members["files.json"])
    for name, data in changes.items():
        record = next((one for one in listed["files"] if one["path"] == name), listed["files"][0])
        listed["files"] = [one for one in listed["files"] if one["path"] != name]
        members.pop(name, None)
        if data is not None:
            members[name] = data
            listed["files"].append(record | {"path": name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)})
    members["files.json"] = json.dumps(listed).encode()
    folder.mkdir()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    (folder / "config.zip").write_bytes(target.getvalue())
    return str(folder / "config.zip")


def with_comment(backup: Backup) -> bytes:
    """Settings that Access Manager reads and the lab's stand-in does not: it does not start with them."""
    return b"// a comment\r\n" + backup.config["config/appsettings.json"]


def spoil(server: AmsHost) -> None:
    server.edit_settings(lambda content: content["RateLimits"].update(Spoiled=content["Metadata"]["Usn"]))
    (server.config / "scripts/stray.ps1").write_bytes(b"# stray")


def restore(server: AmsHost, work: Path, options: dict[str, Any], connection: Connection = "winrm", **more: Any) -> PlaybookRun:
    return run_playbook(RESTORE, server.write_inventory(work / "one.yml", connection, variables=options | more))


@contextmanager
def when(server: AmsHost, true: Callable[[], bool], act: Callable[[], object]) -> Iterator[None]:
    """Does something in the middle of the block: as soon as a condition is true."""

    def wait() -> None:
        server.wait_for(true, 120)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


# ---- refused before anything is touched ----


def test_bad_backups_and_wrong_keys_are_refused_before_the_server_is_spoken_to(
    server: AmsHost, backup: Backup, work: Path, options: dict[str, Any], tmp_path: Path, owner: KeyPair
) -> None:
    (tmp_path / "wrong").mkdir()
    wrong = identity_file(tmp_path / "wrong", age_key())
    broken = forge(backup, tmp_path / "broken", {"config/appsettings.json": b'{ "Email": \r\n'})
    cases: dict[str, dict[str, Any]] = {
        "broken-json": {"restore_id": broken},
        "wrong-key": {"access_manager_identity_file": str(wrong), "restore_from_host": NAME},
        "no-backup": {"restore_id": "20200101T000000Z", "restore_from_host": NAME},
    }
    hosts = {name: server.inventory_vars() | options | variables for name, variables in cases.items()}
    with server.counting() as count:
        run = run_playbook(RESTORE, write_inventory(work / "bad.yml", hosts))
    assert run.rc != 0
    assert count.requests == 0
    assert "appsettings.json in the backup is not JSON" in failure_of(run, "broken-json")
    assert owner.public in failure_of(run, "wrong-key")
    assert "There is no backup '20200101T000000Z'" in failure_of(run, "no-backup")


def test_template_that_would_be_missing_is_refused_before_the_stop(
    server: AmsHost, backup: Backup, whole: Whole, work: Path, options: dict[str, Any], tmp_path: Path
) -> None:
    turns = len(server.turns())
    missing = forge(backup, tmp_path / "missing", {f"config/audit-templates/{UNICODE_TEMPLATE}": None})
    run = restore(server, work, options, restore_id=missing)
    assert f"{UNICODE_TEMPLATE}', which would not be there after this restore" in failure_of(run, NAME)
    assert Whole.of(server).differences(whole) == []
    assert len(server.turns()) == turns


def test_open_editor_is_refused_or_closed(server: AmsHost, whole: Whole, work: Path, options: dict[str, Any]) -> None:
    spoil(server)
    editor = threading.Thread(target=lambda: server.powershell(f"(Start-Process '{EDITOR}' -PassThru).Id"))
    editor.start()
    editor.join(20)
    before = Whole.of(server)
    run = restore(server, work, options)
    sentence = failure_of(run, NAME)
    assert "configuration editor is open" in sentence
    assert "process " in sentence
    assert Whole.of(server).differences(before) == []
    closed = restore(server, work, options, restore_close_editor=True)
    assert closed.rc == 0, closed.stdout[-3000:]
    editor.join()
    assert Whole.of(server).differences(whole) == []


# ---- rolled back ----


def rolled_back(run: PlaybookRun, server: AmsHost, before: Whole) -> str:
    """What a restore told that failed and left the server as it was before."""
    assert run.rc != 0, run.stdout[-3000:]
    sentence = failure_of(run, NAME)
    assert "Everything was put back as it was" in sentence, sentence
    assert Whole.of(server).differences(before) == []
    assert server.http_answers()
    assert safety_copies(server)[-1].name in sentence
    return sentence


def test_service_that_does_not_start_with_the_backup_is_rolled_back(
    server: AmsHost, backup: Backup, whole: Whole, work: Path, options: dict[str, Any], tmp_path: Path
) -> None:
    spoil(server)
    before = Whole.of(server)
    bad = forge(backup, tmp_path / "bad", {"config/appsettings.json": with_comment(backup), "config/new/deep/a.ps1": b"# new"})
    sentence = rolled_back(restore(server, work, options, restore_id=bad), server, before)
    assert "starting the service" in sentence


def test_service_that_fails_to_start_for_a_while_answers_again(
    server: AmsHost, whole: Whole, work: Path, options: dict[str, Any]
) -> None:
    spoil(server)
    before = Whole.of(server)
    server.knob("FailStart", 1)
    failures = sum("fatal" in text for _, text in server.service_log())
    with when(server, lambda: sum("fatal" in text for _, text in server.service_log()) >= failures + 3, server.clear_knobs):
        run = restore(server, work, options)
    rolled_back(run, server, before)


def test_disk_that_fills_up_in_the_middle_is_rolled_back(
    server: AmsHost, backup: Backup, whole: Whole, work: Path, options: dict[str, Any], tmp_path: Path, disk: Path | None
) -> None:
    if disk is None:
        pytest.skip("no small disk can be mounted here: run as root where mount is allowed")
    spoil(server)
    before, turns = Whole.of(server), len(server.turns())
    large = forge(backup, tmp_path / "large", {"external/X/Scripts/large.ps1": b"#" * 2_000_000})
    sentence = rolled_back(restore(server, work, options, restore_id=large), server, before)
    assert "writing the new files beside the old" in sentence
    assert list(disk.iterdir()) == []
    assert len(server.turns()) == turns


def test_locked_database_is_rolled_back(
    server: AmsHost, backup: Backup, whole: Whole, work: Path, options: dict[str, Any], tmp_path: Path
) -> None:
    spoil(server)
    before = Whole.of(server)
    with_database = forge(backup, tmp_path / "database", {"config/db/ams.mdf": b"another database"})
    server.knob("UnlockDelayMs", 9000)
    try:
        more = {"restore_id": with_database, "restore_include_database": True, "restore_service_timeout": 4}
        sentence = rolled_back(restore(server, work, options, **more), server, before)
    finally:
        server.clear_knobs()
    assert "still locked 4 s after the service stopped" in sentence


def test_refused_stop_changes_nothing(
    make_host: MakeHost, server: AmsHost, whole: Whole, work: Path, options: dict[str, Any]
) -> None:
    spoil(server)
    before = Whole.of(server)
    server.knob("RefuseStop", 1)
    try:
        sentence = rolled_back(restore(server, work, options, restore_service_timeout=5), server, before)
        assert "refuses to stop" in sentence
    finally:
        server.clear_knobs()
        server.revive_service()


# ---- mended ----


def test_key_that_the_service_may_not_read_gets_its_permission_without_a_stop(
    server: AmsHost, whole: Whole, work: Path, options: dict[str, Any]
) -> None:
    assert restore(server, work, options).rc == 0
    turns = len(server.turns())
    server.powershell(rf"""
    foreach ($file in [IO.Directory]::GetFiles('C:\ProgramData\Microsoft\Crypto\Keys')) {{
        $item = New-Object IO.FileInfo $file
        $acl = $item.GetAccessControl()
        $acl.PurgeAccessRules((New-Object Security.Principal.SecurityIdentifier '{SERVICE_SID}'))
        $item.SetAccessControl($acl)
    }}
    """)
    run = restore(server, work, options)
    assert run.rc == 0, run.stdout[-3000:]
    plan = result_of(run, NAME, PLAN)
    assert {one["action"] for one in plan["certificates"]} == {"give_access"}
    assert len(plan["certificates"]) == len(server.certificates)
    assert len(server.turns()) == turns
    again = restore(server, work, options)
    assert not result_of(again, NAME, PLAN)["would_change"]


# ---- a bad line ----


@pytest.mark.parametrize(("connection", "transport"), [("winrm", "basic"), ("psrp", "ntlm")])
def test_line_that_breaks_while_the_service_is_down_does_no_harm(
    server: AmsHost, whole: Whole, work: Path, options: dict[str, Any], connection: Connection, transport: Any
) -> None:
    spoil(server)
    inventory = server.write_inventory(work / "line.yml", connection, transport, variables=options)
    turns = len(server.turns())
    server.knob("StartDelayMs", 4000)
    try:
        with when(server, lambda: server.turns()[turns:] == ["stopped"], lambda: server.trouble(drop_next=2)):
            run = run_playbook(RESTORE, inventory)
    finally:
        server.calm()
        server.clear_knobs()
    assert run.rc == 0, run.stdout[-3000:]
    assert "goes on there; asking again" in run.output
    assert server.turns()[turns:] == ["stopped", "started"]
    assert Whole.of(server).differences(whole) == []


def test_killed_controller_leaves_a_restored_server_and_the_next_run_tells(
    server: AmsHost, whole: Whole, work: Path, options: dict[str, Any]
) -> None:
    spoil(server)
    inventory = server.write_inventory(work / "killed.yml", variables=options)
    turns = len(server.turns())
    server.knob("StartDelayMs", 4000)
    try:
        running = start_playbook(RESTORE, inventory)
        with when(server, lambda: server.turns()[turns:] == ["stopped"], running.kill):
            running.wait()
        server.wait_for(lambda: server.turns()[turns:] == ["stopped", "started"], 60)
        server.wait_for(lambda: (safety_copies(server)[-1] / "result.json").exists(), 60)
    finally:
        server.clear_knobs()
    run = run_playbook(RESTORE, inventory)
    assert run.rc == 0, run.stdout[-3000:]
    (told,) = result_of(run, NAME, PLAN)["earlier_restores"]
    assert "succeeded after its controller was gone" in told
    assert told in run.output.replace("\n", " ")
    assert not result_of(run, NAME, PLAN)["would_change"]
    assert result_of(run_playbook(RESTORE, inventory), NAME, PLAN)["earlier_restores"] == []
    leftover = {name for name in Whole.of(server).disk if "lithnet.access_manager/" in name or ".ansible_async/" in name}
    assert all("ProgramData/lithnet.access_manager/" in name or ".ansible_async" in name for name in leftover)


def test_only_the_newest_safety_copies_are_kept(server: AmsHost) -> None:
    assert 1 <= len(safety_copies(server)) <= 4
