# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores that fail, and restores on a bad line: the server ends as it was, or as the backup says, and nothing in
between.

The tests go in order: those that fail find the server spoiled and leave it so, those that succeed spoil it themselves.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory import pfx_key_provider
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.plan import RESTORABLE
from support import tls_front
from support.ams_host import AmsHost, Connection, MakeHost, Transport, write_inventory
from support.backups import Backup, KeyPair, age_key, backups_of
from support.certificates import CRYPTOAPI, CURRENT, EXPIRED, TestCertificate, make_certificate
from support.configuration import UNICODE_TEMPLATE
from support.faults import kill_powershells, locking, runs_of
from support.host_state import Whole, forbid_keys, identity_file, remove_certificate, restoring, safety_copies
from support.playbook import PlaybookRun, run_playbook, start_playbook
from support.plays import BACKUP, PLANNED, RESTORE, RESTORED, failure_of, result_of

NAME = "ams-faults"
LARGE = "large.bin"
"""A file that does not go with the call of a restore, but is uploaded before it."""
EDITOR = r"C:\Program Files\Lithnet\Access Manager Service\Lithnet.AccessManager.Server.UI.exe"
MODULES = Path(__file__).parents[2] / "plugins/module_utils"
PUT_BACK = Path(__file__).parents[1] / "support/put_back.ps1"
TIME = "2020-02-03T04:05:06.0000000Z"
"""The time that put_back.ps1 gives a file."""
TRACES = (".ansible_async/", "ProgramData/lithnet.access_manager: ", "ProgramData/lithnet.access_manager/", "/Temp/")
EDITORS = "(Get-Process -Name Lithnet.AccessManager.Server.UI -ErrorAction SilentlyContinue)"
TEMPLATE = rf"C:\Program Files\Lithnet\Access Manager Service\config\audit-templates\{UNICODE_TEMPLATE}"


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
    return make_host(NAME, certificates=(CURRENT, EXPIRED, CRYPTOAPI), drives={"X": disk} if disk else {})


@pytest.fixture(scope="module")
def options(settings: dict[str, Any], work: Path, owner: KeyPair) -> dict[str, Any]:
    return restoring(settings, identity_file(work, owner))


@pytest.fixture(scope="module")
def backup(server: AmsHost, work: Path, options: dict[str, Any], root: Path, owner: KeyPair) -> Backup:
    (server.config / LARGE).write_bytes(random.Random(7).randbytes(1_500_000))
    run = run_playbook(BACKUP, server.write_inventory(work / "backup.yml", variables=options))
    assert run.rc == 0, run.stdout[-3000:]
    (made,) = backups_of(root, NAME, owner.open)
    return made


@pytest.fixture(scope="module")
def whole(backup: Backup, server: AmsHost) -> Whole:
    """The server as it was backed up."""
    return Whole.of(server)


@pytest.fixture(scope="module")
def spoiled(whole: Whole, server: AmsHost) -> Whole:
    """The server with other files than the backup, and with one certificate of three, as each restore that fails leaves
    it.
    """
    spoil(server)
    for certificate in server.certificates[1:]:
        remove_certificate(server, certificate.thumbprint)
    return Whole.of(server)


def spoil(server: AmsHost) -> None:
    server.edit_settings(lambda content: content["RateLimits"].update(Spoiled=content["Metadata"]["Usn"]))
    (server.config / "scripts/stray.ps1").write_bytes(b"# stray")
    server.path(TEMPLATE).write_bytes(b"spoiled")


IN_CLEAR: dict[str, Any] = {"access_manager_encryption": "none"}
"""What a restore of a backup that L(forge) makes has to say: nobody encrypted it."""


def forge(
    backup: Backup,
    folder: Path,
    changes: Mapping[str, bytes | None],
    references: Iterable[Mapping[str, object]] = (),
) -> str:
    """The path of a backup in clear and without a manifest, with other files and references in its config.zip."""
    members = dict(backup.config)
    state = json.loads(members["state/installation.json"])
    state["references"] += references
    members["state/installation.json"] = json.dumps(state).encode()
    listed = json.loads(members["files.json"])
    for name, data in changes.items():
        record = next((one for one in listed["files"] if one["path"] == name), listed["files"][0])
        listed["files"] = [one for one in listed["files"] if one["path"] != name]
        members.pop(name, None)
        if data is not None:
            members[name] = data
            listed["files"].append(
                record | {"path": name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            )
    members["files.json"] = json.dumps(listed).encode()
    members["backup.json"] = json.dumps(backup.bindings["config.zip"]).encode()
    folder.mkdir()
    (folder / "certificates.zip").write_bytes(backup.decryptor(backup.encrypted("certificates.zip")))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    (folder / "config.zip").write_bytes(target.getvalue())
    return str(folder)


def with_comment(backup: Backup) -> bytes:
    """Settings that Access Manager reads and the lab's stand-in does not: it does not start with them."""
    return b"// a comment\r\n" + backup.config["config/appsettings.json"]


def restore(server: AmsHost, work: Path, options: dict[str, Any], **more: Any) -> PlaybookRun:
    return run_playbook(RESTORE, server.write_inventory(work / "one.yml", variables=options | more))


@contextmanager
def when(server: AmsHost, true: Callable[[], bool], act: Callable[[], object]) -> Iterator[None]:
    """Does something in the middle of the block: as soon as a condition is true."""

    def wait() -> None:
        server.wait_for(true, 400)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


def left(server: AmsHost, before: Whole, *, keys: bool = False) -> list[str]:
    """How the server differs, beside what stays for a while of a run whose controller died or did not hear of it."""
    lines = Whole.of(server).differences(before, keys=keys)
    return [line for line in lines if not any(trace in line for trace in TRACES)]


def turned(server: AmsHost, *expected: str) -> Callable[[], bool]:
    """A condition: since now the service was stopped and started just like that."""
    before = len(server.turns())
    return lambda: server.turns()[before:] == list(expected)


@contextmanager
def unserved(server: AmsHost) -> Iterator[None]:
    """The web site answers 503 over TLS from the moment the service is stopped in the block until its end."""
    site, before = server.site, len(server.turns())
    assert site
    try:
        with when(server, lambda: len(server.turns()) > before, lambda: setattr(site, "answer", tls_front.unserved)):
            yield
    finally:
        site.answer = int


# ---- refused before anything is touched ----


def test_bad_backups_and_wrong_keys_are_refused_before_the_server_is_spoken_to(
    server: AmsHost, backup: Backup, work: Path, options: dict[str, Any], tmp_path: Path, owner: KeyPair
) -> None:
    (tmp_path / "wrong").mkdir()
    wrong = identity_file(tmp_path / "wrong", age_key())
    broken = forge(backup, tmp_path / "broken", {"config/appsettings.json": b'{ "Email": \r\n'})
    cases: dict[str, dict[str, Any]] = {
        "broken-json": {"restore_id": f"{broken}/config.zip"} | IN_CLEAR,
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


def test_open_editor_is_refused(server: AmsHost, spoiled: Whole, work: Path, options: dict[str, Any]) -> None:
    with open_editor(server):
        sentence = failure_of(restore(server, work, options), NAME)
        assert "configuration editor is open" in sentence
        assert "process " in sentence
        assert Whole.of(server).differences(spoiled) == []


@contextmanager
def open_editor(server: AmsHost) -> Iterator[None]:
    """The configuration editor is open; it is closed at the end, unless it is already."""
    editor = threading.Thread(target=lambda: server.powershell(f"Start-Process '{EDITOR}'"))
    editor.start()
    server.wait_for(lambda: bool(server.powershell(f"{EDITORS}.Id").strip()))
    try:
        yield
    finally:
        server.powershell(f"{EDITORS} | Stop-Process -Force")
        editor.join()


# ---- rolled back ----


def rolled_back(run: PlaybookRun, server: AmsHost, before: Whole) -> str:
    """What a restore reported that failed and left the server as it was before."""
    assert run.rc != 0, run.stdout[-3000:]
    sentence = failure_of(run, NAME)
    assert "Everything was put back as it was" in sentence, sentence
    assert Whole.of(server).differences(before) == []
    assert server.http_answers()
    assert safety_copies(server)[-1].name in sentence
    return sentence


def test_service_that_does_not_start_with_the_backup_is_rolled_back(
    server: AmsHost, backup: Backup, spoiled: Whole, work: Path, options: dict[str, Any], tmp_path: Path
) -> None:
    bad = forge(
        backup, tmp_path / "bad", {"config/appsettings.json": with_comment(backup), "config/new/deep/a.ps1": b"# new"}
    )
    run = restore(server, work, options | IN_CLEAR, restore_id=bad)
    assert "starting the service" in rolled_back(run, server, spoiled)
    assert [one["action"] for one in result_of(run, NAME, RESTORED)["certificates"]] == ["import", "import"]


def test_service_that_does_not_stay_running_is_rolled_back(
    server: AmsHost, spoiled: Whole, work: Path, options: dict[str, Any]
) -> None:
    with when(server, turned(server, "stopped", "started"), server.stop_service):
        run = restore(server, work, options, restore_health_seconds=30)
    result = result_of(run, NAME, RESTORED)
    assert result["failed_check"] in (
        "running",
        "http",
        "https",
        "stays_running",
    )  # the one that was at work when the service stopped
    assert f"The check '{result['failed_check']}' failed" in rolled_back(run, server, spoiled)
    assert not result["changed"]


def test_site_that_nobody_serves_is_rolled_back(
    server: AmsHost, spoiled: Whole, work: Path, options: dict[str, Any]
) -> None:
    with unserved(server):
        run = restore(server, work, options, restore_service_timeout=8)
    assert "The check 'https' failed" in rolled_back(run, server, spoiled)
    assert "answers with HTTP status 503" in failure_of(run, NAME)


def test_disk_that_fills_up_in_the_middle_is_rolled_back(
    server: AmsHost,
    backup: Backup,
    spoiled: Whole,
    work: Path,
    options: dict[str, Any],
    tmp_path: Path,
    disk: Path | None,
) -> None:
    if disk is None:
        pytest.skip("no small disk can be mounted here: run as root where mount is allowed")
    turns = len(server.turns())
    settings = json.loads(backup.config["config/appsettings.json"])
    targets = settings["Authorization"]["ComputerTargets"]
    script, name = r"X:\Scripts\large.ps1", "external/X/Scripts/large.ps1"
    reference = {"key": f"Authorization.ComputerTargets[{len(targets)}].Script", "value": script, "path": script}
    targets.append({"Id": "large", "Script": script})
    named = {"config/appsettings.json": json.dumps(settings).encode(), name: b"#" * 2_000_000}
    recorded = reference | {"place": "external", "exists": True, "name": name}
    large = forge(backup, tmp_path / "large", named, references=[recorded])
    sentence = rolled_back(restore(server, work, options | IN_CLEAR, restore_id=large), server, spoiled)
    assert "writing the new files beside the old" in sentence
    assert list(disk.iterdir()) == []
    assert len(server.turns()) == turns


def test_locked_database_is_rolled_back(
    server: AmsHost, backup: Backup, spoiled: Whole, work: Path, options: dict[str, Any], tmp_path: Path
) -> None:
    with_database = forge(backup, tmp_path / "database", {"config/db/ams.mdf": b"another database"})
    files = sorted((server.config / "db").iterdir())
    server.knob("UnlockDelayMs", 9000)
    try:
        more = IN_CLEAR | {"restore_id": with_database, "restore_include_database": True, "restore_service_timeout": 4}
        sentence = rolled_back(restore(server, work, options, **more), server, spoiled)
    finally:
        server.clear_knobs()
    assert "still locked 4 s after the service stopped" in sentence
    assert sorted((server.config / "db").iterdir()) == files


def test_what_cannot_be_put_back_is_reported_and_the_rest_is(
    server: AmsHost, spoiled: Whole, work: Path, options: dict[str, Any]
) -> None:
    file = server.path(TEMPLATE)
    times = file.stat()
    with unserved(server), locking(server, TEMPLATE, turned(server, "stopped", "started")):
        run = restore(server, work, options, restore_service_timeout=8)
    result = result_of(run, NAME, RESTORED)
    assert result["state"] == "half_rolled_back"
    (error,) = result["rollback_errors"]
    assert UNICODE_TEMPLATE in error
    assert error in failure_of(run, NAME)
    assert file.read_bytes() != b"spoiled"
    file.write_bytes(b"spoiled")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert Whole.of(server).differences(spoiled) == []
    assert server.http_answers()


def test_controller_that_dies_before_its_restore_fails_leaves_the_server_as_it_was_and_the_next_run_reports_it(
    server: AmsHost, spoiled: Whole, whole: Whole, work: Path, options: dict[str, Any]
) -> None:
    inventory = server.write_inventory(work / "killed.yml", variables=options)
    fatal = sum("fatal" in text for _time, text in server.service_log())
    server.knob("FailStart", 1)
    with when(
        server, lambda: sum("fatal" in text for _time, text in server.service_log()) >= fatal + 3, server.clear_knobs
    ):
        running = start_playbook(RESTORE, inventory)
        with when(server, turned(server, "stopped"), running.kill):
            running.wait()
        run = run_playbook(RESTORE, inventory, args=("--check",))
    (reported,) = result_of(run, NAME, PLANNED)["earlier_restores"]
    assert "failed, and its controller did not read why. The restore failed while starting the service" in reported
    assert reported in run.output.replace("\n", " ")
    assert "\n".join(result_of(run, NAME, "Show what was done")["msg"]).startswith(reported)
    assert left(server, spoiled, keys=True) == []
    assert server.http_answers()


def test_run_after_that_restores_though_its_connection_breaks_and_does_not_report_it_again(
    server: AmsHost, whole: Whole, work: Path, options: dict[str, Any]
) -> None:
    closing = options | {"restore_close_editor": True}
    with open_editor(server):
        run = restore_while_the_connection_breaks(server, work, closing, "psrp", "ntlm")
        assert server.powershell(f"{EDITORS}.Id").strip() == ""
    assert len(result_of(run, NAME, PLANNED)["earlier_restores"]) == 1
    again = restore(server, work, options)
    assert result_of(again, NAME, PLANNED)["earlier_restores"] == []
    assert not result_of(again, NAME, PLANNED)["would_change"]
    assert [[file.name for file in folder.iterdir()] for folder in runs_of(server)] == [["result.json"]]
    assert left(server, whole) == []


def test_service_that_starts_neither_with_the_backup_nor_after_the_way_back_is_started_by_the_next_run(
    server: AmsHost, whole: Whole, work: Path, options: dict[str, Any]
) -> None:
    spoil(server)
    server.knob("FailStart", 1)
    try:
        failed = result_of(restore(server, work, options), NAME, RESTORED)
    finally:
        server.clear_knobs()
    assert (failed["state"], server.service_state()) == ("half_rolled_back", "Stopped")
    again = restore(server, work, options)
    assert again.rc == 0, again.stdout[-3000:]
    planned = result_of(again, NAME, PLANNED)
    assert "* service: start" in planned["plan"]
    assert any("stopped the service at" in sentence for sentence in planned["earlier_restores"])
    assert left(server, whole) == []
    assert server.service_state() == "Running"


# ---- a bad line ----


def restore_while_the_connection_breaks(
    server: AmsHost, work: Path, options: dict[str, Any], connection: Connection, transport: Transport
) -> PlaybookRun:
    """A restore that succeeds though its connection breaks while the service is down."""
    (server.config / LARGE).write_bytes(b"spoiled")
    inventory = server.write_inventory(work / "line.yml", connection, transport, variables=options)
    whole_turn = turned(server, "stopped", "started")
    server.knob("StartDelayMs", 4000)
    try:
        with when(server, turned(server, "stopped"), lambda: server.trouble(drop_next=2)):
            run = run_playbook(RESTORE, inventory)
    finally:
        server.calm()
        server.clear_knobs()
    assert run.rc == 0, run.stdout[-3000:]
    assert "or it was lost" in run.output
    assert whole_turn()
    return run


def test_line_that_breaks_while_the_service_is_down_does_no_harm(
    server: AmsHost, whole: Whole, work: Path, options: dict[str, Any]
) -> None:
    """Over winrm with Basic; over psrp it does above, in the run after that of a controller that died."""
    spoil(server)
    restore_while_the_connection_breaks(server, work, options, "winrm", "basic")
    assert left(server, whole) == []


# ---- a run that is killed on the server ----


def test_restore_that_never_ended_is_reported_until_one_has_and_the_service_runs_again(
    server: AmsHost, whole: Whole, work: Path, options: dict[str, Any]
) -> None:
    spoil(server)
    next(iter(server.external.values())).write_bytes(b"# spoiled")
    server.knob("StopDelayMs", 4000)
    running = start_playbook(RESTORE, server.write_inventory(work / "down.yml", variables=options))
    with when(server, lambda: server.service_state() == "StopPending", lambda: kill_powershells(server)):
        sentence = failure_of(running.wait(), NAME)
    assert "was ended on" in sentence
    assert "The next restore reports this one, and starts the service if it ran before" in sentence
    server.wait_for(lambda: server.service_state() == "Stopped")
    server.clear_knobs()
    made = run_playbook(BACKUP, server.write_inventory(work / "half.yml", variables=options))
    assert "is incomplete. " in failure_of(made, NAME)
    assert "never ended, so this server may be between two states" in failure_of(made, NAME)
    for parts in (["certificates"], list(RESTORABLE)):  # the first of them leaves the server between two states
        run = restore(server, work, options, restore_only=parts)
        assert run.rc == 0, run.stdout[-3000:]
        (reported,) = result_of(run, NAME, PLANNED)["earlier_restores"]
        assert "never ended, so this server may be between two states" in reported
        assert "* service: start" in result_of(run, NAME, PLANNED)["plan"]
        assert (server.config / "scripts/stray.ps1").exists() is ("config" not in parts)
    assert left(server, whole) == []
    assert server.http_answers()


def test_only_the_newest_safety_copies_are_kept(server: AmsHost) -> None:
    assert len(safety_copies(server)) == 3


# ---- keys ----


def test_missing_key_and_missing_permission_are_given_without_a_stop(
    server: AmsHost, whole: Whole, work: Path, options: dict[str, Any]
) -> None:
    current, expired, _cryptoapi = (certificate.thumbprint for certificate in server.certificates)
    turns = len(server.turns())
    remove_certificate(server, expired, key_only=True)
    forbid_keys(server)
    run = restore(server, work, options, restore_only=["certificates"])
    assert run.rc == 0, run.stdout[-3000:]
    wanted = {one["thumbprint"]: one["action"] for one in result_of(run, NAME, PLANNED)["certificates"]}
    assert wanted == {current: "give_access", expired: "give_key"}
    assert len(server.turns()) == turns
    assert not result_of(restore(server, work, options), NAME, PLANNED)["would_change"]


# ---- between beginning and end ----


def test_what_a_restore_and_its_rollback_do_in_between(server: AmsHost) -> None:
    """The target's functions one by one, in one process: what they leave for a moment only is in no result of a
    restore.
    """
    reported = put_back(server, make_certificate(key_size=1024))
    assert reported["unchanged"] == ""
    assert "other.ps1' has changed while this restore was at work" in reported["changed"]
    assert reported["removed"]
    assert reported["errors"] == []
    assert [sddl.replace("D:PAI", "D:P") for sddl in reported["folder"]] == [
        "O:BAG:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
    ]
    assert reported["content"] == "as it was"
    assert (reported["key_left"], reported["list_left"]) == (False, 0)
    sddl, content, modified = reported["before_permissions"]
    assert sddl.replace("D:PAI", "D:P").endswith("D:P(A;;FA;;;SY)(A;;FA;;;BA)")
    assert (content, modified) == ("as it was", TIME)
    sddl, created, read_only = reported["new"]
    assert sddl.replace("D:PAI", "D:P") == "O:BAG:BAD:P(A;;FA;;;SY)(A;;FR;;;BA)"
    assert (created, read_only) == (TIME, "True")
    assert reported["refused"] != ""
    assert (reported["deletion"], reported["deleted"]) == ("", True)
    assert reported["list"] == ["second", "False"]
    foreign, *settable = reported["owners"]
    assert "SeRestorePrivilege" in foreign
    assert settable == ["", "", ""]
    *refused, kept = reported["owners_of_old"]
    assert ["SeRestorePrivilege" in one for one in refused] == [True, True]
    assert kept == ""
    taken, free = reported["mutex"]
    assert "keeps administrators from it" in taken
    assert free == ""
    *harmless, worse = reported["handshakes"]
    assert [one["failure"] for one in harmless] == ["", "", ""]
    assert ["TLS handshake" in "".join(one["warnings"]) for one in harmless] == [True, True, True]
    assert "TLS handshake" in worse["failure"]
    assert not any(one["passed"] for one in reported["handshakes"])
    known, *failures = reported["announced"]
    assert known["failure"] == ""
    assert "Nobody can sign in until Authentication.Oidc.Secret is entered again" in "".join(known["warnings"])
    assert ["HTTP status" in one["failure"] for one in failures] == [True, True, True]
    assert not any(one["passed"] for one in reported["announced"])
    assert reported["cluster"] == {"resource": "AMS", "owner": "", "owned": True}
    imported, given = reported["certificates"]
    assert imported == {"failure": "", "action": "import", "restored": [True], "errors": [], "left": []}
    assert given == {"failure": "", "action": "give_key", "restored": [True], "errors": [], "left": [False]}


def put_back(server: AmsHost, certificate: TestCertificate) -> dict[str, Any]:
    """What put_back.ps1 reports."""
    pfx = pfx_key_provider.name(certificate.pfx, certificate.pfx_password)
    task = {"thumbprint": certificate.thumbprint, "password": certificate.pfx_password}
    task["pfx"] = base64.b64encode(pfx).decode()
    task["certificate"] = base64.b64encode(certificate.certificate_der).decode()
    folder = server.drive_c / "windows/temp/test-modules"
    folder.mkdir()
    try:
        for file in MODULES.iterdir():
            shutil.copyfile(file, folder / file.name)
        reported: dict[str, Any] = json.loads(
            server.powershell(PUT_BACK.read_text(encoding="utf-8"), json.dumps(task).encode())
        )
    finally:
        shutil.rmtree(folder)
    return reported


# ---- a service that will not stop ----


def test_refused_stop_changes_nothing(server: AmsHost, work: Path, options: dict[str, Any]) -> None:
    spoil(server)
    before = Whole.of(server)
    server.knob("RefuseStop", 1)
    try:
        sentence = rolled_back(restore(server, work, options, restore_service_timeout=5), server, before)
        assert "while stopping the service" in sentence
    finally:
        server.clear_knobs()
        server.revive_service()
