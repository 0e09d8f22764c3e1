# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill restores a backup from its copy to a scratch server, tests it, and leaves nothing there but a record here."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.drill_log import NAME
from support.ams_host import PATIENCE, AmsHost, MakeHost, free_port, write_inventory
from support.backups import Backup, KeyPair, backups_of
from support.faults import disk, fill
from support.host_state import SAFETY, STORE_KEY, Whole, identity_file, safety_copies
from support.leaks import find_leaks, text_needles
from support.playbook import PlaybookRun, results_of, run_playbook, start_playbook
from support.plays import BACKUP, COLLECTION, failure_of
from unit.signers import SshKey, ssh_key

DRILL, VERIFY = f"{COLLECTION}.drill", f"{COLLECTION}.verify"
HOST, SCRATCH = "ams-production", "ams-scratch"
BASE = r"HKLM\SOFTWARE\Lithnet\Access Manager Service"
MARK = "ProgramData/lithnet.access_manager.drill"
OTHER_KEY = "ProgramData/Microsoft/Crypto/Keys/other-program"
MAIL_PORT = free_port()


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> SshKey:
    return ssh_key(tmp_path_factory.mktemp("signing"))


@pytest.fixture(scope="module")
def mount(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the copies are."""
    folder = tmp_path_factory.mktemp("nas")
    folder.chmod(0o700)
    return folder


@pytest.fixture(scope="module")
def options(settings: dict[str, Any], work: Path, owner: KeyPair, signing: SshKey, mount: Path) -> dict[str, Any]:
    return settings | {
        "access_manager_identity_file": str(identity_file(work, owner)),
        "access_manager_signing_key": str(signing.path),
        "access_manager_allowed_signers": [signing.public],
        "access_manager_copies": [{"name": "nas", "kind": "folder", "path": str(mount)}],
        "drill_health_seconds": 1,
    }


@pytest.fixture(scope="module")
def needles() -> dict[str, bytes]:
    """What must not be found: the secrets of the server that is backed up."""
    return {}


@pytest.fixture(scope="module")
def production(make_host: MakeHost) -> AmsHost:
    """A server whose mail goes to a port of this machine."""
    host = make_host(HOST)
    host.edit_settings(lambda content: content["Email"].update(Host="127.0.0.1", Port=MAIL_PORT))
    return host


@pytest.fixture(scope="module")
def backup(
    production: AmsHost,
    work: Path,
    options: dict[str, Any],
    root: Path,
    owner: KeyPair,
    needles: dict[str, bytes],
) -> Backup:
    """Of a server that is lost then."""
    run = run_playbook(BACKUP, production.write_inventory(work / "production.yml", variables=options))
    assert run.rc == 0, run.stdout[-3000:]
    (made,) = backups_of(root, HOST, owner.open)
    for path, value in production.secrets.items():
        needles |= text_needles(path, value)
    production.remove()
    return made


@pytest.fixture(scope="module")
def disk_x(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drive X: of the scratch server."""
    return tmp_path_factory.mktemp("disk-x")


@pytest.fixture(scope="module")
def scratch(backup: Backup, production: AmsHost, make_host: MakeHost, disk_x: Path) -> AmsHost:
    """A server on which Access Manager was installed, and not configured."""
    host = make_host(SCRATCH, certificates=(), configured=False, drives={"X": disk_x})
    host.run("reg.exe", "add", STORE_KEY, "/f")
    host.reset_settings()
    host.serve_at(production.http_port, production.https_port)
    return host


@pytest.fixture(scope="module")
def before(scratch: AmsHost) -> Whole:
    return Whole.of(scratch)


@pytest.fixture(scope="module")
def variables(scratch: AmsHost, options: dict[str, Any]) -> dict[str, Any]:
    return scratch.inventory_vars() | options | {"drill_tls_thumbprint": scratch.tls_certificate.thumbprint}


def drill(work: Path, variables: dict[str, Any], name: str, **extra: Any) -> PlaybookRun:
    inventory = write_inventory(work / f"{name}.yml", {SCRATCH: variables})
    return run_playbook(DRILL, inventory, extra_vars={"target": SCRATCH, "drill_in_service": []} | extra)


def records(root: Path) -> list[dict[str, Any]]:
    file = root / HOST / NAME
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


# ---- refusals: nothing is touched ----


def test_scratch_server_that_reaches_production_s_mail_is_refused_unless_allowed_by_name(
    before: Whole, scratch: AmsHost, variables: dict[str, Any], work: Path, root: Path
) -> None:
    with socket.create_server(("127.0.0.1", MAIL_PORT)):
        run = drill(work, variables, "reaching")
    assert f"{SCRATCH} reaches 127.0.0.1:{MAIL_PORT} (mail)" in failure_of(run, SCRATCH)
    assert before.differences(Whole.of(scratch)) == []
    assert [one["outcome"] for one in records(root)] == ["failed"]


def test_server_that_no_drill_configured_is_refused(
    before: Whole, scratch: AmsHost, variables: dict[str, Any], work: Path
) -> None:
    scratch.run("reg.exe", "add", BASE, "/v", "Configured", "/t", "REG_DWORD", "/d", "1", "/f")
    run = drill(work, variables, "configured")
    scratch.run("reg.exe", "add", BASE, "/v", "Configured", "/t", "REG_DWORD", "/d", "0", "/f")
    assert "is configured, and no drill put that there: it is not touched" in failure_of(run, SCRATCH)
    settings = scratch.config / "appsettings.json"
    fresh, times = settings.read_bytes(), settings.stat()
    settings.write_text('{"Logging": {}, "Email": {}}')
    run = drill(work, variables, "half-configured", drill_clean_only=True)
    settings.write_bytes(fresh)
    os.utime(settings, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "is configured, and no drill put that there: it is not touched" in failure_of(run, SCRATCH)
    assert not (scratch.drive_c / MARK).exists()


# ---- a full disk, a controller that is killed in the middle of the next drill, and the good one after it ----


@pytest.fixture(scope="module")
def full(before: Whole, scratch: AmsHost, variables: dict[str, Any], work: Path, disk_x: Path) -> PlaybookRun | str:
    """A drill that stages on a full disk; or why no disk of its own can be mounted here."""
    with disk(disk_x, 1) as refused:
        if refused:
            return refused
        fill(disk_x)
        return drill(work, variables, "full", drill_staging_root="X:\\")


@pytest.fixture(scope="module")
def killed(
    full: PlaybookRun | str, before: Whole, scratch: AmsHost, variables: dict[str, Any], work: Path
) -> dict[str, Any]:
    """The settings on the scratch server when the controller was killed: the restore had begun to change files."""
    inventory = write_inventory(work / "killed.yml", {SCRATCH: variables})
    running = start_playbook(DRILL, inventory, extra_vars={"target": SCRATCH, "drill_in_service": []})
    settings = scratch.config / "appsettings.json"
    scratch.wait_for(lambda: b"drill.invalid" in settings.read_bytes() or running.ended, PATIENCE)
    assert not running.ended, running.wait().output
    running.kill()
    running.wait(PATIENCE)
    content: dict[str, Any] = json.loads(settings.read_bytes())
    return content


def _play(tasks: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A play that goes on after a task that is refused."""
    listed = [{"name": name, "tags": ["first"]} | task for name, task in tasks.items()]
    return {"hosts": SCRATCH, "gather_facts": False, "ignore_errors": True, "tasks": listed}


def lasting(host: AmsHost) -> tuple[object, ...]:
    """What no refused attempt may change: the configuration, the settings of Windows, the keys, and the safety copies.
    """
    whole = Whole.of(host)
    return whole.outline, whole.registry, whole.http_sys, whole.keys, whole.service, safety_copies(host)


@pytest.fixture(scope="module")
def attempts(
    killed: dict[str, Any], scratch: AmsHost, variables: dict[str, Any], options: dict[str, Any], work: Path, root: Path
) -> dict[str, str]:
    """What is tried while the drill of the killed controller is on the scratch server, and how each was refused."""
    copies = scratch.drive_c / SAFETY
    scratch.wait_for(lambda: any(copies.glob("*/result.json")), PATIENCE)
    mark = scratch.drive_c / MARK / "mark.json"
    os.utime(mark, (time.time() - 2 * 24 * 3600,) * 2)
    store = {
        "backup_root": str(root),
        "host": HOST,
        "identity_file": options["access_manager_identity_file"],
        "allowed_signers": options["access_manager_allowed_signers"],
    }
    other = {"started": "2026-11-01T02:00:00Z", "signing_key": options["access_manager_signing_key"]}
    tasks = {
        "recovery": {f"{COLLECTION}.config_restore": store | {"other_server": True, "overwrite_configured": True}},
        "removal of another": {DRILL: store | other | {"state": "cleaned"}},
        "another": {DRILL: store | other | {"state": "prepared"}},
        "old": {DRILL: store | other | {"state": "cleared"}},
        "in service": {DRILL: store | other | {"state": "cleared", "clean_old": True}, "tags": ["never", "second"]},
    }
    book = work / "attempts.yml"
    book.write_text(json.dumps([_play(tasks)]))
    inventory = write_inventory(work / "attempts-inventory.yml", {SCRATCH: variables})
    copy = copies / "29991231T000000Z-11111111-1111-1111-1111-111111111111"
    before = lasting(scratch)
    first = run_playbook(book, inventory)
    copy.mkdir()
    (copy / "safety.json").write_text(json.dumps({"about": {"backup": "20261101T020000Z of ams-other"}, "items": []}))
    second = run_playbook(book, inventory, args=["--tags", "second"])
    shutil.rmtree(copy)
    assert lasting(scratch) == before
    ran = dict.fromkeys(tasks, first) | {"in service": second}
    return {one: str(results_of(run, one)[-1].get("msg", run.output)) for one, run in ran.items()}


@pytest.fixture(scope="module")
def passed(
    attempts: dict[str, str], scratch: AmsHost, variables: dict[str, Any], work: Path, root: Path
) -> PlaybookRun:
    """The mark is two days old by now, and another program has made a key."""
    hooks = work / "hook.yml"
    hooks.write_text(json.dumps([{"name": "Hook", "ansible.builtin.debug": {"msg": "snapshot"}}]))
    extra = {"drill_before_tasks": str(hooks), "drill_after_tasks": str(hooks), "drill_allow_reach": ["127.0.0.1"]}
    key = scratch.drive_c / OTHER_KEY
    key.write_bytes(b"of another program")
    with socket.create_server(("127.0.0.1", MAIL_PORT)):
        run = drill(work, variables, "passed", drill_clean_old=True, **extra)
    assert key.read_bytes() == b"of another program"
    key.unlink()
    assert run.rc == 0, run.stdout[-4000:]
    return run


@pytest.mark.parametrize(
    ("attempt", "sentence"),
    [
        ("recovery", "is still on ams-scratch, and the next drill would remove what is restored to it"),
        ("removal of another", "one drill runs at a time on a scratch server"),
        ("another", "one drill runs at a time on a scratch server"),
        ("old", "nothing is removed now, because that was more than a day ago"),
        ("in service", "The backup 20261101T020000Z of ams-other was restored on"),
    ],
)
def test_mark_of_a_drill_lets_nobody_but_that_drill_and_its_removal_change_the_server(
    attempts: dict[str, str], attempt: str, sentence: str
) -> None:
    assert sentence in attempts[attempt]


def test_key_of_another_program_is_named_and_keeps_no_drill_from_passing(passed: PlaybookRun) -> None:
    assert "They stay: Windows or another program made them." in passed.output
    assert "other-program" in passed.output


def test_full_disk_makes_a_failed_drill_and_the_next_one_removes_what_it_left(
    full: PlaybookRun | str, passed: PlaybookRun, root: Path
) -> None:
    if isinstance(full, str):
        pytest.skip(f"no disk of its own can be mounted here: {full}")
    assert "The drill of ams-production failed" in failure_of(full, SCRATCH)
    failed, interrupted, good = records(root)[-3:]
    assert (failed["outcome"], failed["searched"]) == ("failed", False)
    assert failed["problems"]
    assert interrupted["started"] > failed["started"]
    assert good["outcome"] == "passed"


def test_outgoing_channels_are_switched_off_in_what_reaches_the_server(killed: dict[str, Any]) -> None:
    assert killed["Email"]["Host"] == "drill.invalid"
    channels = killed["Auditing"]["NotificationChannels"]
    assert {one["Enabled"] for kind in channels.values() for one in kind} == {False}
    assert {one["Url"] for one in channels["Webhooks"]} == {"https://drill.invalid/"}
    assert killed["JitConfiguration"]["EnableJitGroupCreation"] is False


def test_next_drill_removes_first_what_a_killed_one_left_and_records_it(passed: PlaybookRun, root: Path) -> None:
    interrupted, good = records(root)[-2:]
    assert interrupted["outcome"] == "failed"
    assert "was interrupted" in interrupted["problems"][0]
    assert good["outcome"] == "passed"
    assert "was interrupted" in passed.output


def test_record_has_the_evidence(passed: PlaybookRun, root: Path, backup: Backup, mount: Path) -> None:
    good = records(root)[-1]
    assert (good["host"], good["backup_id"], good["scratch"]) == (HOST, backup.manifest["id"], SCRATCH)
    assert good["source"] == str(mount)
    assert {"running", "configured", "http", "https", "secrets", "certificates", "stays_running"} <= set(good["checks"])
    assert set(good["keys"]) == {one["thumbprint"] for one in backup.manifest["certificates"] if one["exported"]}
    assert good["seconds"] > 0
    assert good["lost_seconds"] > 0
    assert "Email.Host" in good["silenced"]
    assert good["searched"]
    assert good["signature"].startswith("-----BEGIN SSH SIGNATURE-----")
    assert good["by"]


def test_scratch_server_is_as_before_and_holds_no_key_and_no_secret(
    passed: PlaybookRun, before: Whole, scratch: AmsHost, needles: dict[str, bytes]
) -> None:
    differences = before.differences(Whole.of(scratch))
    assert [line for line in differences if ".ansible_async" not in line] == []  # Ansible's, of the killed controller
    assert safety_copies(scratch) == []
    assert not (scratch.drive_c / MARK).exists()
    for folder in ("Program Files", "ProgramData", "users"):
        assert find_leaks(scratch.drive_c / folder, needles) == ()


def test_hooks_run_before_and_after(passed: PlaybookRun) -> None:
    assert len(results_of(passed, "Hook")) == 2


def test_verification_shows_the_last_drill_and_fails_when_it_is_too_old(
    passed: PlaybookRun, variables: dict[str, Any], work: Path, root: Path
) -> None:
    inventory = write_inventory(work / "verify.yml", {HOST: variables})
    run = run_playbook(VERIFY, inventory, extra_vars={"target": HOST, "verify_check_drill": 35})
    assert run.rc == 0, run.output
    assert "0 days, took " in run.output
    run = run_playbook(VERIFY, inventory, extra_vars={"target": HOST, "verify_check_drill": 0.00001})
    assert "The last restore drill of ams-production that passed was" in failure_of(run, HOST)


def test_scratch_server_that_is_down_makes_a_failed_drill_with_a_record(
    passed: PlaybookRun, variables: dict[str, Any], work: Path, root: Path
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        down = variables | {"ansible_port": closed.getsockname()[1]}
        run = drill(work, down, "down")
    assert "There is no connection to ams-scratch" in failure_of(run, SCRATCH)
    last = records(root)[-1]
    assert (last["outcome"], last["searched"]) == ("failed", False)
    assert "There is no connection" in last["problems"][0]
