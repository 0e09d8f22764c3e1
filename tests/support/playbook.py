# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs playbooks as a user does, by ansible-playbook, in an environment of their own."""

from __future__ import annotations

import atexit
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
COLLECTIONS = REPOSITORY / ".build"
CALLBACKS = Path(__file__).resolve().parent / "callback_plugins"
TIMEOUT = 600.0
HASH_SEED = "0"
"""Ansible sends the C# of a module in an order that depends on it, and the lab finds again what it has compiled in the
same order only: with a seed of its own, nearly every process would compile, for half of its time.
"""
CONFIGURATION = "[defaults]\ninternal_poll_interval = 0.01\n"
"""Ansible looks ten times less often whether a task has ended, and leaves the processor to the host that is at work."""


@dataclass(frozen=True)
class TaskResult:
    """What one task did on one host. status: ok, failed, skipped or unreachable. result: as a callback sees it."""

    host: str
    task: str
    module: str
    status: str
    result: dict[str, Any]


@dataclass(frozen=True)
class PlaybookRun:
    """A finished run. seconds: how long it took. folder: its HOME, temporary folders and results, for leak tests."""

    rc: int
    stdout: str
    stderr: str
    seconds: float
    folder: Path

    @property
    def output(self) -> str:
        """All that the run printed."""
        return self.stdout + self.stderr

    @property
    def results(self) -> tuple[TaskResult, ...]:
        """The result of each task on each host, in order."""
        file = self.folder / "results.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return tuple(TaskResult(**json.loads(line)) for line in lines)


def results_of(run: PlaybookRun, name: str) -> list[dict[str, Any]]:
    """The results of a task or a module, by the task's name, or the module's full or short name."""
    return [
        one.result
        for one in run.results
        if name in (one.task, one.module, one.task.rpartition(" : ")[2], one.module.rpartition(".")[2])
    ]


class RunningPlaybook:
    """A run that has been started, to wait for or to kill. Made by `start_playbook`."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], cwd: Path, folder: Path, secret: Path) -> None:
        self.folder = folder
        self._secret = secret
        self._started = time.monotonic()
        with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        atexit.register(self.kill)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Sends a signal to the run and its workers, which have sessions of their own; by default the one that nothing
        survives.
        """
        for pid in [self._process.pid, *_descendants(self._process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def wait(self, timeout: float = TIMEOUT) -> PlaybookRun:
        """Waits for the end. After timeout seconds the run is killed, and TimeoutError says what it printed last."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
            raise TimeoutError(f"the playbook ran longer than {timeout} s: {self._text('stdout')[-2000:]}") from None
        finally:
            atexit.unregister(self.kill)
            self._secret.unlink(missing_ok=True)
        seconds = time.monotonic() - self._started
        return PlaybookRun(code, self._text("stdout"), self._text("stderr"), seconds, self.folder)

    @property
    def pid(self) -> int:
        """The process of ansible-playbook; its workers are children of it."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def stdout(self) -> str:
        """What it has printed so far."""
        return self._text("stdout")

    def _text(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8", errors="surrogateescape")


def start_playbook(
    playbook: Path | str,
    inventory: Path | str,
    *,
    extra_vars: Mapping[str, Any] | None = None,
    args: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    folder: Path | None = None,
    collections: Path = COLLECTIONS,
) -> RunningPlaybook:
    """Starts ansible-playbook, the one of this Python.

    playbook: a file, or the full name of a collection's playbook. extra_vars go through a file (0600) outside
    folder, deleted at the end. env is added to a clean environment. folder: for HOME, temporary folders and results;
    by default a new one, deleted when the tests end.
    """
    folder = _new_folder() if folder is None else folder
    secret = _write_secret(extra_vars or {})
    command = [sys.executable, str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory)]
    command += ["-e", f"@{secret}", *args, str(playbook)]
    return RunningPlaybook(command, environment(folder, collections) | dict(env or {}), cwd or folder, folder, secret)


def run_playbook(
    playbook: Path | str,
    inventory: Path | str,
    *,
    extra_vars: Mapping[str, Any] | None = None,
    args: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = TIMEOUT,
    folder: Path | None = None,
    collections: Path = COLLECTIONS,
) -> PlaybookRun:
    """Runs a playbook to its end; arguments as `start_playbook`. TimeoutError after timeout seconds."""
    running = start_playbook(
        playbook,
        inventory,
        extra_vars=extra_vars,
        args=args,
        env=env,
        cwd=cwd,
        folder=folder,
        collections=collections,
    )
    return running.wait(timeout)


def _descendants(pid: int) -> list[int]:
    """The processes below one, as /proc shows them."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def _new_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="playbook-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _write_secret(content: Mapping[str, Any]) -> Path:
    handle, name = tempfile.mkstemp(prefix="extra-vars-", suffix=".json")  # 0600
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(dict(content), file)
    return Path(name)


def environment(folder: Path, collections: Path = COLLECTIONS) -> dict[str, str]:
    """The whole environment of a run, and nothing of ours. folder: in which its HOME and temporary folders are made."""
    for name in ("home", "tmp", "local_tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "ansible.cfg").write_text(CONFIGURATION)  # and no other is looked for
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONHASHSEED": HASH_SEED,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "local_tmp"),
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
        "ANSIBLE_CALLBACKS_ENABLED": "results",
        "TEST_RESULTS_FILE": str(folder / "results.jsonl"),
    }


def hash_tree(root: Path, *, ignore: Sequence[str] = ()) -> dict[str, str]:
    """What is under a folder, to compare before and after: relative path -> SHA-256, `folder`, or `link TARGET`.

    ignore: patterns of relative paths to leave out, as Path.match takes them.
    """
    tree: dict[str, str] = {}
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if not any(relative.match(pattern) for pattern in ignore):
            tree[relative.as_posix()] = _described(path)
    return tree


def hash_backups(root: Path) -> dict[str, str]:
    """The same of a backup root, without the records of runs, and without folders that hold nothing else."""
    tree = hash_tree(root, ignore=["*/.runs.jsonl"])
    parents = set(itertools.chain.from_iterable(map(_parents, tree)))
    return {name: what for name, what in tree.items() if what != "folder" or name in parents}


def _parents(name: str) -> list[str]:
    """The names of the folders above one."""
    return list(map(str, PurePosixPath(name).parents))


def _described(path: Path) -> str:
    if path.is_symlink():
        return f"link {path.readlink()}"
    return "folder" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
