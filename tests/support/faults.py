# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes faults on a host while a playbook runs, and says what must be as it was afterwards."""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .ams_host import PATIENCE, AmsHost, write_inventory
from .backups import Backup, KeyPair, backups_of
from .configuration import EXTERNAL_DATA
from .playbook import PlaybookRun, RunningPlaybook, hash_tree, start_playbook
from .plays import BACKUP

STAGING = "ProgramData/lithnet.access_manager"
LAST_LISTED = EXTERNAL_DATA / "Approve-Jit.ps1"
"""A file that a copy looks at when it has read the settings and listed the configuration, before it reads the files."""

_IN_OPEN = 0x20


@cache
def fault_hosts() -> tuple[AmsHost, AmsHost]:
    """Two hosts for all tests with faults, with TLS and a drive X. Each test leaves them running and without faults."""
    folder = Path(tempfile.mkdtemp(prefix="fault-hosts-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for letter in "12":
        (folder / f"disk{letter}").mkdir()
    first, second = (
        AmsHost.create(folder, name=f"ams-fault{n}", tls=True, drives={"X": folder / f"disk{n}"}) for n in "12"
    )
    return first, second


# ---- a run and its traces ----


@dataclass(frozen=True)
class Place:
    """Where one test keeps its inventory and its backups, and whose key opens them."""

    folder: Path
    owner: KeyPair

    @property
    def root(self) -> Path:
        """The backup root."""
        root = self.folder / "root"
        root.mkdir(exist_ok=True)
        return root

    def start(self, hosts: Mapping[str, Mapping[str, Any]], name: str = "run") -> RunningPlaybook:
        """Starts the backup of hosts: their variables by their names."""
        settings = {"access_manager_backup_root": str(self.root), "access_manager_recipients": [self.owner.public]}
        inventory = {host: settings | dict(variables) for host, variables in hosts.items()}
        return start_playbook(BACKUP, write_inventory(self.folder / f"{name}.yml", inventory))

    def run(self, hosts: Mapping[str, Mapping[str, Any]], timeout: float = 400) -> PlaybookRun:
        """Backs up hosts and waits for the end."""
        return self.start(hosts).wait(timeout)

    def backups(self, host: AmsHost | str) -> list[Backup]:
        """What was published of a host."""
        return backups_of(self.root, host if isinstance(host, str) else host.name, self.owner.open)

    def backup(self, host: AmsHost | str) -> Backup:
        """The only backup of a host."""
        (backup,) = self.backups(host)
        return backup

    def partials(self) -> list[str]:
        """The names of unpublished backups."""
        return [path.name for path in self.root.glob("*/.*") if path.name != ".runs.jsonl"]


class Trace:
    """What a host looked like before a fault."""

    def __init__(self, host: AmsHost) -> None:
        self.host = host
        self.state = host.service_state()
        self._config = hash_tree(host.config)
        self._lines = len(host.service_log())
        self._jobs = jobs_of(host)

    def log(self) -> list[str]:
        """What the service has logged since."""
        return [text for _time, text in self.host.service_log()[self._lines :]]

    def turns(self) -> list[str]:
        """Its stops and starts since."""
        return [text for text in self.log() if text in ("stopped", "started")]

    def check(self, turns: list[str], staged: int = 0, jobs: int = 0) -> None:
        """Holds that the service turned so, is as it was, and that nothing stays but so many folders of runs and files
        of jobs.
        """
        assert self.turns() == turns
        assert self.host.service_state() == self.state
        assert hash_tree(self.host.config).items() ^ self._config.items() == set()
        assert len(runs_of(self.host)) == staged
        if not staged:
            assert not (self.host.drive_c / STAGING).exists()
            assert len(jobs_of(self.host) - self._jobs) == jobs


def runs_of(host: AmsHost, staging: Path | None = None) -> list[Path]:
    """The folders of runs on a host."""
    root = staging or host.drive_c / STAGING
    return [path for path in root.glob("*") if path.is_dir()]


def jobs_of(host: AmsHost) -> set[str]:
    """The files that Ansible keeps of detached runs on a host."""
    return {name for name in host.disk() if "/.ansible_async/" in name}


def at_work(host: AmsHost) -> bool:
    """Whether a run holds the lock of a host."""
    return (host.drive_c / STAGING / "lock.json").exists()


def processes_of(running: RunningPlaybook) -> list[int]:
    """The process of a run and all below it, whatever their sessions."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = [running.pid]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def kill_whole(running: RunningPlaybook) -> None:
    """Kills a run with all its workers, as when its machine goes down."""
    for pid in processes_of(running):
        os.kill(pid, signal.SIGKILL)


def kill_powershells(host: AmsHost) -> None:
    """Kills every PowerShell of a host, as when its processes are ended on the server."""
    mark = f"WINEPREFIX={host.prefix}\0".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                powershell = (entry / "comm").read_text().startswith(("powershell", "pwsh"))
                if powershell and mark in (entry / "environ").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:
                continue


# ---- faults ----


@contextmanager
def meanwhile(*actions: Callable[[], object]) -> Iterator[None]:
    """Does things beside the block, each in a thread of its own; what one raises is raised at the end."""
    failures: list[BaseException] = []

    def act(action: Callable[[], object]) -> None:
        try:
            action()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=act, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


@contextmanager
def knobs(host: AmsHost, **values: int) -> Iterator[None]:
    """Makes the service misbehave within the block."""
    for name, value in values.items():
        host.knob(name, value)
    try:
        yield
    finally:
        host.clear_knobs()


def save_settings(host: AmsHost) -> None:
    """Saves the settings in one moment, with the next Usn."""
    content = json.loads((host.config / "appsettings.json").read_text(encoding="utf-8-sig"))
    content["Metadata"]["Usn"] += 1
    new = host.prefix / "saved.json"
    new.write_text(json.dumps(content), encoding="utf-8")
    new.replace(host.config / "appsettings.json")


def usn(backup: Backup) -> int:
    """The Usn of the settings in a backup."""
    number: int = json.loads(backup.config["config/appsettings.json"].decode("utf-8-sig"))["Metadata"]["Usn"]
    return number


@contextmanager
def _settings_kept(host: AmsHost) -> Iterator[None]:
    file, kept = host.config / "appsettings.json", host.prefix / "kept.json"
    kept.hardlink_to(file)
    try:
        yield
    finally:
        kept.replace(file)


@contextmanager
def saving_steadily(host: AmsHost) -> Iterator[None]:
    """Saves the settings every 20 ms within the block, whether the service runs or not, and brings them back at its
    end.
    """
    ended = threading.Event()

    def save() -> None:
        while not ended.wait(0.02):
            save_settings(host)

    with _settings_kept(host), meanwhile(save):
        try:
            yield
        finally:
            ended.set()


@contextmanager
def acting_during_the_copy(host: AmsHost, action: Callable[[], object]) -> Iterator[None]:
    """Does something once within the block, when a copy has read the settings and listed the files."""
    ended = threading.Event()
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, os.fsencode(host.path(LAST_LISTED)), _IN_OPEN) >= 0

    def act() -> None:
        while not ended.is_set():
            if select.select([watch], [], [], 0.1)[0] and os.read(watch, 4096) and at_work(host):
                action()
                return

    try:
        with meanwhile(act):
            try:
                yield
            finally:
                ended.set()
    finally:
        os.close(watch)


@contextmanager
def saving_once(host: AmsHost) -> Iterator[None]:
    """Saves the settings once, in the middle of a copy, and brings them back at the block's end."""
    with _settings_kept(host), acting_during_the_copy(host, lambda: save_settings(host)):
        yield


@contextmanager
def locking(host: AmsHost, path: str, when: Callable[[], bool]) -> Iterator[None]:
    """Another process of the host opens a file, once something is so, and shares it with nobody until the block's end.
    """
    ready, go, held, release = (host.drive_c / f"{name}.txt" for name in ("ready", "go", "held", "release"))
    script = f"""
    [IO.File]::WriteAllText('C:\\ready.txt', '')
    while (-not [IO.File]::Exists('C:\\go.txt')) {{ Start-Sleep -Milliseconds 20 }}
    $file = New-Object IO.FileStream '{path}', 'Open', 'ReadWrite', 'None'
    [IO.File]::WriteAllText('C:\\held.txt', '')
    while (-not [IO.File]::Exists('C:\\release.txt')) {{ Start-Sleep -Milliseconds 50 }}
    $file.Dispose()
    """

    def let_go() -> None:
        host.wait_for(when)
        go.touch()
        host.wait_for(held.exists)

    with meanwhile(lambda: host.powershell(script)):
        try:
            host.wait_for(ready.exists)
            with meanwhile(let_go):
                yield
        finally:
            go.touch()
            release.touch()
    for file in (ready, go, held, release):
        file.unlink(missing_ok=True)


@contextmanager
def disk(folder: Path, mebibytes: int) -> Iterator[str | None]:
    """An empty disk of that size in a folder; what kept it from being there, or None."""
    options = f"size={mebibytes}m,mode=0700"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    try:
        yield done.stderr.strip() if done.returncode else None
    finally:
        if not done.returncode:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Writes until the disk of a folder is full."""
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def cut_at_command(host: AmsHost, number: int) -> Callable[[], None]:
    """Cuts the connection once, as soon as the process with that number, counted from now, has been started over it."""
    before = host.stats()["commands"]

    def cut() -> None:
        host.wait_for(lambda: host.stats()["commands"] >= before + number, PATIENCE)
        host.trouble(drop_next=1)

    return cut


def count_up(host: AmsHost, remainder: int, every: int) -> None:
    """Sends requests that are refused, until a fault at every Nth comes after so many: it hits the same place in each
    run then.
    """
    for _number in range((remainder - host.stats()["requests"]) % every):
        with suppress(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{host.winrm_port}/wsman", data=b"")


def aged(path: Path, hours: float) -> None:
    """Makes a file or folder look as if nobody had written to it for that long."""
    moment = time.time() - hours * 3600
    os.utime(path, (moment, moment))
