# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input: each is refused with a sentence that names it, and nothing is changed or left behind on either side."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.ams_host import AmsHost, MakeHost, write_inventory
from support.backups import KeyPair, age_key, runs_of
from support.playbook import PlaybookRun, hash_backups, hash_tree, results_of, run_playbook
from support.plays import BACKUP, failure_of, statuses

PARAMETERS = r"HKLM:\SOFTWARE\Lithnet\Access Manager Service\Parameters"
BASE_KEY = r"HKLM\SOFTWARE\Lithnet\Access Manager Service"


def mounted(place: Path, size: str) -> str | None:
    """Mounts an empty disk of that size; what kept it from that, or None."""
    place.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip() if done.returncode else None


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Disks by name: `small` on the controller, `read-only` too, `staging` for a server.

    Empty where none may be mounted.
    """
    folder = tmp_path_factory.mktemp("disks")
    places = {name: folder / name for name in ("small", "read-only", "staging")}
    mounts = [place for place in places.values() if mounted(place, "1m") is None]
    try:
        if len(mounts) == len(places):
            subprocess.run(["mount", "-o", "remount,ro", str(places["read-only"])], check=True)
            yield places
        else:
            yield {}
    finally:
        for place in mounts:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


# ---- on the controller: refused before a host is spoken to ----


@pytest.fixture(scope="module")
def stray_key() -> KeyPair:
    """Whose private key is taken for a recipient."""
    return age_key()


@pytest.fixture(scope="module")
def file_as_root(work: Path) -> Path:
    (work / "root-that-is-a-file").touch()
    return work / "root-that-is-a-file"


@pytest.fixture(scope="module")
def bad(
    settings: dict[str, Any], work: Path, file_as_root: Path, stray_key: KeyPair, owner: KeyPair, disks: dict[str, Path]
) -> dict[str, dict[str, Any]]:
    """Variables by what is wrong with them."""
    cases = {
        "no-recipient": {"access_manager_recipients": []},
        "bad-recipient": {"access_manager_recipients": [owner.public, "age1notarecipient"]},
        "private-key": {"access_manager_recipients": [owner.public, stray_key.private]},
        "bad-certificate-recipient": {"access_manager_certificate_recipients": ["ssh-ed25519 AAAA"]},
        "two-encryptions": {"access_manager_passphrase": "correct horse battery staple"},
        "none-and-recipient": {"access_manager_encryption": "none"},
        "root-missing": {"access_manager_backup_root": str(work / "no-such-root")},
        "root-a-file": {"access_manager_backup_root": str(file_as_root)},
    }
    if disks:
        cases["root-full"] = {"access_manager_backup_root": str(disks["small"])}
        cases["root-read-only"] = {"access_manager_backup_root": str(disks["read-only"])}
    return {name: settings | variables for name, variables in cases.items()}


@pytest.fixture(scope="module")
def refused(host: AmsHost, bad: dict[str, dict[str, Any]], work: Path, root: Path) -> PlaybookRun:
    """One very loud run for all of them."""
    reach, store = host.inventory_vars(), hash_backups(root)
    inventory = write_inventory(work / "bad.yml", {name: reach | variables for name, variables in bad.items()})
    with host.counting() as count:
        run = run_playbook(BACKUP, inventory, args=["-vvvvv"])
    assert run.rc != 0
    assert count.requests == 0
    assert hash_backups(root) == store
    return run


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("no-recipient", ("No recipient is given", "access_manager_recipients", "age-keygen")),
        ("bad-recipient", ("'age1notarecipient' is not an age or SSH public key", "age1")),
        ("private-key", ("One of the recipients is a private key", "give the public half")),
        ("bad-certificate-recipient", ("'ssh-ed25519 AAAA' is not an age or SSH public key",)),
        ("two-encryptions", ("Both recipients and a passphrase are given",)),
        ("none-and-recipient", ("encryption is 'none', but recipients or a passphrase are given",)),
        ("root-missing", ("no-such-root' is not a folder", "create it")),
        ("root-a-file", ("root-that-is-a-file' cannot be used: it is a file",)),
        ("root-full", ("not enough space", "small'", "MiB are needed", "1 MiB are free")),
        ("root-read-only", ("not writable", "read-only'", "Correct")),
    ],
)
def test_bad_input_is_refused_before_the_server_is_spoken_to(
    refused: PlaybookRun, bad: dict[str, dict[str, Any]], case: str, words: tuple[str, ...]
) -> None:
    if case not in bad:
        pytest.skip("no disk can be mounted here: run as root where mount is allowed")
    sentence = failure_of(refused, case)
    for word in words:
        assert word in sentence


def test_a_run_that_failed_is_recorded_where_the_root_can_be_written(refused: PlaybookRun, root: Path) -> None:
    (recorded,) = runs_of(root, "bad-recipient")
    assert (recorded["outcome"], recorded["backup_id"]) == ("failed", None)
    assert recorded["problems"] == [failure_of(refused, "bad-recipient")]


def test_private_key_given_as_recipient_is_written_nowhere(
    refused: PlaybookRun, stray_key: KeyPair, root: Path
) -> None:
    body = stray_key.private.removeprefix("AGE-SECRET-KEY-")
    assert body not in refused.output
    assert body.lower() not in refused.output.lower()
    for record in root.glob("*/.runs.jsonl"):
        assert body.lower() not in record.read_text().lower()


# ---- on the server ----


@pytest.fixture(scope="module")
def victim(make_host: MakeHost, disks: dict[str, Path]) -> AmsHost:
    """The server that each of the tests below spoils and repairs."""
    return make_host("ams-victim", drives={"X": disks["staging"]} if disks else {})


@pytest.fixture(scope="module")
def bare(make_host: MakeHost) -> AmsHost:
    """A server without Access Manager."""
    return make_host("ams-bare", installed=False)


@contextmanager
def unchanged(root: Path, *hosts: AmsHost) -> Iterator[None]:
    """Holds that a block changes nothing on either side."""
    before = [(host.disk(), host.service_log()) for host in hosts]
    store = hash_backups(root)
    yield
    assert [(host.disk(), host.service_log()) for host in hosts] == before
    assert hash_backups(root) == store


def set_version(host: AmsHost, version: str) -> None:
    host.run("reg.exe", "add", BASE_KEY, "/v", "Version", "/d", version, "/f")


def test_wrong_server_missing_configuration_and_wrong_password_are_refused(
    victim: AmsHost, bare: AmsHost, idle: AmsHost, work: Path, settings: dict[str, Any], root: Path
) -> None:
    wrong = settings | {"ansible_password": "not-the-password", "ansible_psrp_operation_timeout": 10}
    hosts = {
        "bare": bare.inventory_vars() | settings,
        "version-3": victim.inventory_vars() | settings,
        "no-config": idle.inventory_vars() | settings,
        "wrong-winrm": victim.inventory_vars("winrm") | wrong,
        "wrong-psrp": victim.inventory_vars("psrp") | wrong,
    }
    hidden = idle.home / "config-elsewhere"
    set_version(victim, "3.0.1.0")
    idle.config.rename(hidden)
    try:
        with unchanged(root, victim, bare, idle):
            run = run_playbook(BACKUP, write_inventory(work / "wrong.yml", hosts))
        assert victim.service_state() == "Running"
    finally:
        hidden.rename(idle.config)
        set_version(victim, "1.0.7945.0")
    assert run.rc != 0
    assert "Access Manager is not installed on" in failure_of(run, "bare")
    assert "has version '3.0.1.0'" in failure_of(run, "version-3")
    sentence = failure_of(run, "no-config")
    assert r"'C:\Program Files\Lithnet\Access Manager Service\config' as the registry says, does not exist" in sentence
    assert "ConfigPath" in sentence
    for name in ("wrong-winrm", "wrong-psrp"):
        assert f"refuses the logon of '{victim.user}'" in failure_of(run, name)
        assert "ansible_password" in failure_of(run, name)
        assert statuses(run, name) & {"failed", "unreachable"}
    assert "not-the-password" not in run.output


def test_the_folder_is_found_however_it_is_spelled_and_an_empty_key_makes_no_file_invalid(
    victim: AmsHost, work: Path, settings: dict[str, Any]
) -> None:
    usual = r"C:\Program Files\Lithnet\Access Manager Service\config"
    before = (victim.config / "appsettings.json").read_bytes()

    def set_path(text: str) -> None:
        victim.powershell(f"Set-ItemProperty -LiteralPath '{PARAMETERS}' -Name ConfigPath -Value '{text}'")

    victim.edit_settings(lambda content: content.update({"": {"": ":", "a": ""}}))
    set_path(' "C:/Program Files/Lithnet/./Access Manager Service//config/" ')
    try:
        where = write_inventory(work / "spelled.yml", {victim.name: victim.inventory_vars() | settings})
        run = run_playbook(BACKUP, where, args=["--check"])
    finally:
        set_path(usual + "\\")
        (victim.config / "appsettings.json").write_bytes(before)
    assert run.rc == 0, run.output
    assert "not valid JSON" not in run.output
    assert results_of(run, "installation_info")[0]["installation"]["config_path"] == usual


@contextmanager
def held_open(host: AmsHost, path: str) -> Iterator[None]:
    """Another process of the host has the file open and shares it with nobody."""
    signal, release = host.prefix / "drive_c/held.txt", host.prefix / "drive_c/release.txt"
    script = f"""
    $file = New-Object IO.FileStream '{path}', 'Open', 'ReadWrite', 'None'
    [IO.File]::WriteAllText('C:\\held.txt', '')
    while (-not [IO.File]::Exists('C:\\release.txt')) {{ Start-Sleep -Milliseconds 100 }}
    $file.Dispose()
    """
    thread = threading.Thread(target=host.powershell, args=(script,))
    thread.start()
    try:
        host.wait_for(signal.exists)
        yield
    finally:
        release.touch()
        thread.join()
        signal.unlink(missing_ok=True)
        release.unlink()


def test_locked_file_and_full_staging_disk_are_refused(
    victim: AmsHost, idle: AmsHost, work: Path, settings: dict[str, Any], root: Path, disks: dict[str, Path]
) -> None:
    """The locked file on one host, in a live copy; the small disk on another, with the service stopped."""
    staging = settings | {"backup_stop_service": "always", "backup_staging_root": "X:\\"}
    hosts = {"locked": idle.inventory_vars() | settings}
    if disks:
        hosts["staging-full"] = victim.inventory_vars() | staging
    locked = r"C:\Program Files\Lithnet\Access Manager Service\config\scripts\latin1.ps1"
    with held_open(idle, locked), unchanged(root, victim, idle):
        run = run_playbook(BACKUP, write_inventory(work / "locked.yml", hosts))
    assert run.rc != 0
    sentence = failure_of(run, "locked")
    assert f"'{locked}' cannot be read" in sentence
    assert "Close the program that has it open" in sentence
    if not disks:
        pytest.skip("the locked file was tested; no small disk can be mounted here: run as root where mount is allowed")
    assert "not enough space on X:" in failure_of(run, "staging-full")
    assert "staging_root" in failure_of(run, "staging-full")
    assert victim.service_state() == "Running"
    assert hash_tree(disks["staging"]) == {}
