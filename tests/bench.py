# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what backups and restores of lab hosts cost: processes, requests, bytes, seconds, downtime, memory. Run by
`make bench`. And what it costs to list and to verify backups and to read the largest inputs, which needs no host, and
to take a census, which needs a domain controller.

bench.py                 all scenarios
bench.py SCENARIO...     only these: standard, compare, large, fleet, recorded, controller, restore, lossy, list,
                         unchanged, verify, reports, worst, census

Seconds are the lab's, where starting a PowerShell takes longer than on Windows. Counts do not depend on the machine.
The exit code is 1 when a figure is over what the documents promise.
"""

from __future__ import annotations

import datetime
import importlib.util
import itertools
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import comparison
import pyrage
from ansible.plugins.loader import init_plugin_loader
from comparison import Measured
from support.ams_host import AmsHost, Connection, Count, available, windows_lab, write_inventory
from support.certificates import make_certificate
from support.configuration import CONFIG_PATH
from support.domain import Domain
from support.domain import available as domain_missing
from support.playbook import COLLECTIONS, REPOSITORY, PlaybookRun, results_of, run_playbook, start_playbook

init_plugin_loader([str(COLLECTIONS)])

from ansible_collections.lithnet.access_manager.plugins.plugin_utils._signing.trust import Trust  # noqa: E402
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.high_water_mark import (  # noqa: E402
    HighWaterMark,
    Mark,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.manifest import to_bytes  # noqa: E402
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore  # noqa: E402
from support import worst_cases  # noqa: E402
from unit.actions import run as run_action  # noqa: E402
from unit.encrypted_backups import encrypt_to, make  # noqa: E402
from unit.opened_backups import files  # noqa: E402
from unit.signers import ssh_key  # noqa: E402

BASE = REPOSITORY / ".build" / "bench"
COLLECTION = "lithnet.access_manager"
PLAYBOOK = REPOSITORY / "playbooks" / "backup.yml"
VERIFY = REPOSITORY / "playbooks" / "verify.yml"
RESTORE = REPOSITORY / "playbooks" / "restore.yml"
MEBIBYTE = 1024**2
CONTROLLER_TURNS, MOST_CONTROLLER_SECONDS = 5, 1.5
LARGE_FILES = 2000
LARGE_DATABASE = 64 * MEBIBYTE
FLEET = 4
LATENCIES = (0, 100)
FORKS, RECORDED = 25, (50, 150)
MOST_MEMORY_OF_A_SERVER, MOST_GROWTH_OF_A_FORK, MOST_RESULT = 0.5, 8, 64
MOST_MEMORY_OF_A_WORKER = 60
"""MiB of a worker with much to do, above those of one that runs a module of Ansible's own."""

MOST_GROWTH_OF_A_TARGET = 80
"""MiB of a PowerShell on the server, above those of a small backup: how much more size takes."""

CONNECTIONS: tuple[Connection, ...] = ("winrm", "psrp")
SAMPLE_SECONDS = 0.25
MANY = 1000
NIGHTS, MOST_REPORT_SECONDS = 3, 10
COMPUTERS = 5000
VERIFIED, VERIFIED_BYTES = 40, 16 * MEBIBYTE
USUAL_BYTES, MOST_UNCHANGED_MS = 256 * 1024, 100
LOST_PERCENT, MOST_LOSSY_SECONDS = 10, 900
TABLE = "Show what became of each host"
MISSED: list[str] = []
"""The figures that are over what is promised of them."""


@dataclass
class Memory:
    """Peaks in MiB: of the largest process under ansible-playbook, and of the largest PowerShell on the host.

    parent: of ansible-playbook itself. worker: of the largest of its workers; fork: what the largest of them does not
    share with it; table: the same of the one that makes the table of all hosts.
    """

    controller: int = 0
    target: int = 0
    parent: int = 0
    worker: int = 0
    fork: int = 0
    table: int = 0


@dataclass
class Figures:
    """What one run cost. downtime: milliseconds; 0 when the service was not stopped."""

    name: str
    count: Count
    seconds: float
    downtime: int = 0
    memory: Memory = field(default_factory=Memory)
    output: str = ""


# ---- measuring ----


class MemoryWatch:
    """Watches the memory of a run's processes and of the hosts' PowerShells, by the kernel's own record of each one's
    peak.
    """

    def __init__(self, root_pid: int, prefixes: list[Path], at_table: Callable[[], bool] = lambda: False) -> None:
        self.peak = Memory()
        self._root_pid = root_pid
        self._at_table = at_table
        self._marks = [f"WINEPREFIX={prefix}\0".encode() for prefix in prefixes]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        status, at_table = dict(_process_status()), self._at_table()
        ours = {self._root_pid}
        for pid in sorted(status):
            if int(status[pid]["PPid"]) in ours:
                ours.add(pid)
        for pid, lines in status.items():
            peak = int(lines.get("VmHWM", "0 kB").split()[0]) // 1024
            if pid in ours:
                self.peak.controller = max(self.peak.controller, peak)
                if pid == self._root_pid:
                    self.peak.parent = peak
                    continue
                self.peak.worker = max(self.peak.worker, peak)
                if at_table:
                    self.peak.table = max(self.peak.table, _private(pid))
                else:
                    self.peak.fork = max(self.peak.fork, _private(pid))
            elif lines["Name"].startswith(("powershell", "pwsh")) and self._is_on_a_host(pid):
                self.peak.target = max(self.peak.target, peak)

    def _is_on_a_host(self, pid: int) -> bool:
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False
        return any(mark in environment for mark in self._marks)


def _private(pid: int) -> int:
    """MiB of a process that no other shares; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) // 1024


def _process_status() -> Iterator[tuple[int, dict[str, str]]]:
    """/proc/PID/status of every process, by its keys."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                lines = (entry / "status").read_text().splitlines()
            except OSError:
                continue
            yield (
                int(entry.name),
                {key: value.strip() for key, _separator, value in (line.partition(":") for line in lines)},
            )


class Disturbance:
    """Finds out by how much others slow a processor down: the same small work, again and again within the block, needs
    more of its seconds where a core's caches and units are shared.
    """

    factor = 1.0
    """The usual seconds of that work to the least ones."""

    def __init__(self) -> None:
        self._seconds: list[float] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._measure, daemon=True)

    def __enter__(self) -> Disturbance:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()
        self.factor = statistics.median(self._seconds) / min(self._seconds)

    def _measure(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS / 5):
            before = time.thread_time()
            sum(range(100_000))
            self._seconds.append(time.thread_time() - before)


@contextmanager
def counting(hosts: list[AmsHost]) -> Iterator[Count]:
    """What WinRM cost on all these hosts together within the block."""
    total = Count()
    with ExitStack() as stack:
        counts = [stack.enter_context(host.counting()) for host in hosts]
        yield total
    total.requests = sum(count.requests for count in counts)
    total.bytes = sum(count.bytes for count in counts)
    total.commands = sum(count.commands for count in counts)


def measure(
    name: str,
    hosts: list[AmsHost],
    inventory: Path,
    variables: Mapping[str, Any],
    *,
    playbook: Path = PLAYBOOK,
    args: tuple[str, ...] = (),
) -> Figures:
    """Runs a playbook to its end and returns what it cost. SystemExit with its output when it fails."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    with counting(hosts) as count:
        running = start_playbook(playbook, inventory, extra_vars=variables, args=args)
        with MemoryWatch(running.pid, [host.prefix for host in hosts]) as watch:
            run = running.wait(1800)
    if run.rc:
        raise SystemExit(f"{name} failed:\n{run.output}")
    return Figures(name, count, run.seconds, downtime_of(run), watch.peak, run.output)


def downtime_of(run: PlaybookRun) -> int:
    modules = ("backup_commit", "config_restore")
    published = [result for module in modules for result in results_of(run, module) if "downtime_ms" in result]
    return max((int(result["downtime_ms"] or 0) for result in published), default=0)


def own_stop_and_start(host: AmsHost, times: int = 3) -> int:
    """Milliseconds that the service itself needs to stop, its process included, and to run again: the median of
    several.
    """
    script = (
        "foreach ($i in 1..%d) {\n"
        "    $service = Get-Service lithnetams\n"
        "    $process = Get-Process Lithnet.AccessManager.Service\n"
        "    $watch = [Diagnostics.Stopwatch]::StartNew()\n"
        "    $service.Stop(); $service.WaitForStatus('Stopped'); $process.WaitForExit()\n"
        "    $service.Start(); $service.WaitForStatus('Running')\n"
        "    $watch.ElapsedMilliseconds\n"
        "}"
    )
    return int(statistics.median(int(line) for line in host.powershell(script % times).split()))


# ---- printing ----


def heading(text: str) -> None:
    print(f"\n==== {text}\n", flush=True)


def show(figures: list[Figures], *, memory: bool = False) -> None:
    """One line for each run."""
    width = max(len(one.name) for one in figures)
    print(f"{'':{width}} processes requests     bytes seconds downtime" + ("  controller   target" if memory else ""))
    for one in figures:
        downtime = f"{one.downtime} ms" if one.downtime else "none"
        peaks = f"   {one.memory.controller:4} MiB   {one.memory.target:3} MiB" if memory else ""
        count = one.count
        print(
            f"{one.name:{width}} {count.commands:9} {count.requests:8} {count.bytes:9} {one.seconds:7.1f} "
            f"{downtime:>8}{peaks}"
        )
    sys.stdout.flush()


def promise(name: str, measured: float, limit: float, unit: str) -> None:
    """Prints a figure beside the most that is promised of it, and remembers one that is over."""
    is_kept = measured <= limit
    print(f"{name}: {measured:.1f} {unit} (at most {limit:g} promised){'' if is_kept else '  MISSED'}", flush=True)
    if not is_kept:
        MISSED.append(name)


def promise_worker(name: str, memory: Memory, base: Memory) -> None:
    """Prints the memory of a worker above that of one that runs a module of Ansible's own."""
    above = memory.worker - base.worker
    print(f"{name}: the largest worker {memory.worker} MiB, one for a module of Ansible's own {base.worker} MiB")
    promise(f"{name}, the worker above Ansible's own", above, MOST_MEMORY_OF_A_WORKER, "MiB")


def ratio(name: str, this: float, that: float) -> None:
    print(f"{name}: {this / that:.1f}")


# ---- scenarios ----


def standard(folder: Path, variables: dict[str, Any]) -> None:
    """The standard host: a live copy, the same again, and one with a stop, over both connections."""
    with host_in(folder) as host:
        files = len(host.configuration.files) + len(host.configuration.external)
        heading(
            f"The standard host: {files} files, {host.configuration.size / MEBIBYTE:.1f} MB without those outside the "
            "folder"
        )
        own = own_stop_and_start(host)
        live, unchanged, stopped = [], [], []
        for connection in CONNECTIONS:
            inventory = host.write_inventory(folder / f"{connection}.yml", connection)
            own_root = variables | {"access_manager_backup_root": str(new_root(folder))}
            live.append(measure(f"live copy, {connection}", [host], inventory, own_root))
            unchanged.append(measure(f"unchanged, {connection}", [host], inventory, own_root))
            stop = own_root | {"backup_force": True, "backup_stop_service": "always"}
            stopped.append(measure(f"with a stop, {connection}", [host], inventory, stop))
        show(live + unchanged + stopped)
        print(f"\nThe service's own stop and start, beside all this: {own} ms")
        for one in stopped:
            print(f"{one.name}: {one.downtime - own} ms more than that, {one.downtime / own:.2f} times")


def compare(folder: Path, variables: dict[str, Any]) -> None:
    """The standard host by this collection and by stock playbooks, over both connections, near and far; and a file of
    64 MiB. The figures are kept as JSON and as a page.
    """
    heading("This collection beside stock playbooks")
    if not has_stock_modules():
        print("Skipped: stock playbooks need ansible.windows and community.windows (pip install ansible).")
        return
    runs: list[Measured] = []
    with host_in(folder) as host:
        paths = [str(CONFIG_PATH / name) for name in host.configuration.files if "%" not in name]  # what fetch finds
        stock = {"paths": [*paths, *map(str, host.configuration.external)]}
        for latency, connection in itertools.product(LATENCIES, CONNECTIONS):
            inventory = host.write_inventory(folder / f"{connection}.yml", connection)
            own_root = variables | {"access_manager_backup_root": str(new_root(folder)), "backup_force": True}
            with_stop = own_root | {"backup_stop_service": "always"}
            steps = (
                (comparison.LIVE, PLAYBOOK, own_root),
                (comparison.STOP, PLAYBOOK, with_stop),
                (comparison.ZIP, comparison.PLAYBOOKS / "stop_zip_fetch.yml", stock),
                (comparison.LOOP, comparison.PLAYBOOKS / "loop_of_fetches.yml", stock),
                (comparison.NOTHING, comparison.PLAYBOOKS / "nothing.yml", {}),
            )
            with far_away(host, latency):
                runs += [compared(step, host, inventory, connection, latency) for step in steps]
        large = host.config / "large.bin"
        large.write_bytes(random.Random(1).randbytes(64 * MEBIBYTE))
        for connection in CONNECTIONS:
            inventory = folder / f"{connection}.yml"
            own_root = variables | {"access_manager_backup_root": str(new_root(folder))}
            stock = {"path": str(CONFIG_PATH / large.name)}
            for step in (
                (comparison.BULK, PLAYBOOK, own_root),
                (comparison.FETCH, comparison.PLAYBOOKS / "fetch.yml", stock),
            ):
                runs.append(compared(step, host, inventory, connection, 0))
    for goal in comparison.goals(runs):
        missed = "" if goal.reached else "  MISSED"
        print(f"{goal.name}: {goal.measured:.2f} ({goal.sense} {goal.limit:.2f}){missed}")
        MISSED.extend([] if goal.reached else [goal.name])
    print(*comparison.least(runs), sep="\n")
    for path in comparison.write(runs, BASE.parent):
        print(path)


@contextmanager
def far_away(host: AmsHost, latency: int) -> Iterator[None]:
    """The network takes that many milliseconds for each request."""
    if latency:
        host.trouble(latency_ms=latency)
    try:
        yield
    finally:
        host.calm()


def compared(
    step: tuple[str, Path, dict[str, Any]], host: AmsHost, inventory: Path, connection: str, latency: int
) -> Measured:
    """One run of a comparison."""
    what, playbook, variables = step
    variables = variables | {"fetched": str(new_root(inventory.parent))}  # stock fetches pass over what is there
    before = len(host.service_log())
    run = measure(f"{what}, {connection}, {latency} ms", [host], inventory, variables, playbook=playbook)
    turns = [time for time, text in host.service_log()[before:] if text in ("stopped", "started")]
    downtime = int((turns[-1] - turns[0]).total_seconds() * 1000) if len(turns) > 1 else 0
    return Measured(what, connection, latency, run.seconds, run.count.commands, run.count.bytes, downtime)


def large(folder: Path, variables: dict[str, Any]) -> None:
    """2,000 files and a database of 64 MB that does not compress, with a stop; peaks of memory beside those of a small
    backup.
    """
    small_root, large_root = new_root(folder), new_root(folder)
    with host_in(folder, db_size=LARGE_DATABASE // 2, running=False) as host:
        heading(f"A large host: {LARGE_FILES} more files and a database of {LARGE_DATABASE // MEBIBYTE} MiB")
        fill_database(host)
        host.start_service()
        inventory = host.write_inventory(folder / "winrm.yml")
        small = measure("small, with a stop", [host], inventory, stopping(variables, small_root))
        add_files(host, LARGE_FILES)
        own = own_stop_and_start(host)
        nothing = write_task(folder, "ansible.builtin.raw", "exit 0")
        idle, figures = [], [small]
        for connection in CONNECTIONS:
            inventory = host.write_inventory(folder / f"{connection}.yml", connection)
            idle.append(measure(f"nothing, {connection}", [host], inventory, {}, playbook=nothing))
            more = stopping(variables, large_root) | {"backup_include_database": True}
            figures.append(measure(f"large, {connection}", [host], inventory, more))
        show([*idle, *figures], memory=True)
        for base, one in zip(idle, figures[1:], strict=True):
            promise_worker(one.name, one.memory, base.memory)
            print(f"{one.name}: a PowerShell that does nothing needs {base.memory.target} MiB here")
            growth = one.memory.target - small.memory.target
            name = f"{one.name}, a process on the server above a small backup's"
            promise(name, growth, MOST_GROWTH_OF_A_TARGET, "MiB")
        progress = [line for line in figures[1].output.splitlines() if "MB received" in line]
        print(f"\nProgress lines over winrm: {len(progress)}" + (f", the last: {progress[-1]}" if progress else ""))
        print(f"The service's own stop and start: {own} ms")
        print(f"Processes more than the small one: {figures[1].count.commands - small.count.commands} over winrm")


def fleet(folder: Path, variables: dict[str, Any]) -> None:
    """Several hosts at once, with one fork and with as many as there are hosts."""
    with ExitStack() as stack:
        hosts = [stack.enter_context(host_in(folder, name=f"ams{number}")) for number in range(1, FLEET + 1)]
        heading(f"{FLEET} hosts")
        inventory = write_inventory(folder / "fleet.yml", {host.name: host.inventory_vars() for host in hosts})
        figures = []
        for forks in (1, FLEET):
            own_root = variables | {"access_manager_backup_root": str(new_root(folder))}
            figures.append(measure(f"forks {forks}", hosts, inventory, own_root, args=("--forks", str(forks))))
        show(figures)
        print(f"\nAll hosts are on this one machine, with {os.cpu_count()} processors.")
        ratio(f"seconds, forks 1 to forks {FLEET}", figures[0].seconds, figures[1].seconds)


def recorded(folder: Path, variables: dict[str, Any]) -> None:
    """Backup runs of few and of many servers through the real actions. No server is there: a connection answers as one
    does, so that what Ansible itself needs is seen, which must not grow with the fleet but by what it keeps of a host.
    """
    heading(f"A first backup of servers that a connection plays, {FORKS} forks")
    few, many = (recorded_run(folder, variables, count) for count in RECORDED)
    each = (many.parent - few.parent) / (RECORDED[1] - RECORDED[0])
    print(f"So 1,000 servers need {many.parent + each * (1000 - RECORDED[1]):.0f} MiB in ansible-playbook itself")
    promise("ansible-playbook itself, for each server more", each, MOST_MEMORY_OF_A_SERVER, "MiB")
    promise("a fork's own memory, more with more servers", many.fork - few.fork, MOST_GROWTH_OF_A_FORK, "MiB")


def played_servers(folder: Path, count: int) -> tuple[Path, dict[str, str]]:
    """An inventory of servers that a connection plays, and the environment in which they answer."""
    servers = folder / f"servers-{count}"
    servers.mkdir()
    (servers / "lies.json").write_text("{}")
    hosts = {f"ams{number:04}": {"ansible_connection": "lying"} for number in range(count)}
    tests = REPOSITORY / "tests"
    return write_inventory(servers / "inventory.yml", hosts), {
        "ANSIBLE_CONNECTION_PLUGINS": str(tests / "support/connection_plugins"),
        "PYTHONPATH": str(tests),
        "TEST_SERVERS": str(servers),
    }


def recorded_run(folder: Path, variables: dict[str, Any], count: int) -> Memory:
    inventory, env = played_servers(folder, count)
    before = processor_of_children()
    running = start_playbook(
        PLAYBOOK,
        inventory,
        extra_vars=variables | {"access_manager_backup_root": str(new_root(folder)), "backup_include_database": True},
        args=("--forks", str(FORKS)),
        env=env,
    )
    with MemoryWatch(running.pid, [], lambda: TABLE in running.stdout) as watch:
        run = running.wait(3600)
    if run.rc:
        raise SystemExit(run.output[-4000:])
    each = (processor_of_children() - before) / count
    print(
        f"{count} servers: {run.seconds:.0f} s, {each:.2f} s of the processor each; parent {watch.peak.parent} MiB, "
        f"a fork {watch.peak.fork} MiB of its own, the one that makes the table {watch.peak.table} MiB",
        flush=True,
    )
    largest = max(len(json.dumps(one.result)) for one in run.results if TABLE not in one.task)
    promise("the largest result of a server", largest / 1024, MOST_RESULT, "KiB")
    return watch.peak


def controller(folder: Path, variables: dict[str, Any]) -> None:
    """An unchanged backup of a server that a connection plays at once, beside a playbook with a task that does nothing:
    what is between them the controller spends on this collection.
    """
    heading("The controller's own time in an unchanged backup")
    inventory, env = played_servers(folder, 1)
    nothing = write_task(folder, "ansible.builtin.debug", {"msg": "nothing"})

    def seconds(playbook: Path) -> float:
        run = run_playbook(playbook, inventory, extra_vars=variables, env=env)
        if run.rc:
            raise SystemExit(run.output)
        return run.seconds

    seconds(PLAYBOOK)
    with Disturbance() as disturbance:
        runs = [(seconds(PLAYBOOK), seconds(nothing)) for _turn in range(CONTROLLER_TURNS)]
    ours, theirs = (statistics.median(each) for each in zip(*runs, strict=True))
    print(f"unchanged backup: {ours:.2f} s, nothing: {theirs:.2f} s, as disturbed by {disturbance.factor:.2f}")
    promise("the controller's own, undisturbed", (ours - theirs) / disturbance.factor, MOST_CONTROLLER_SECONDS, "s")


def restore(folder: Path, variables: dict[str, Any]) -> None:
    """The standard host: the plan, a restore of all files, one that finds nothing to do, and the vendor's manual steps.
    """
    key = pyrage.x25519.Identity.generate()
    (folder / "identity.key").write_text(f"{key}\n")
    variables = variables | {"access_manager_recipients": [str(key.to_public())], "restore_health_seconds": 1}
    variables["access_manager_identity_file"] = str(folder / "identity.key")
    with host_in(folder) as host:
        opened = {name: (host.config / name).read_bytes() for name in host.configuration.files}
        heading(f"A restore of {len(opened)} files")
        own, figures = own_stop_and_start(host), []
        for connection in CONNECTIONS:
            inventory = host.write_inventory(folder / f"{connection}.yml", connection)
            measure(f"backup, {connection}", [host], inventory, variables)
            spoil(host, opened)
            for name, args in (("plan", ("--check",)), ("restore", ()), ("unchanged", ())):
                figures.append(
                    measure(f"{name}, {connection}", [host], inventory, variables, playbook=RESTORE, args=args)
                )
        spoil(host, opened)
        playbook = write_manual_playbook(folder, opened)
        by_hand = measure("by hand, winrm", [host], folder / "winrm.yml", {}, playbook=playbook)
        stopped, started = [time for time, text in host.service_log() if text in ("stopped", "started")][-2:]
        by_hand.downtime = int((started - stopped).total_seconds() * 1000)
        show([*figures, by_hand])
        print(f"\nThe service's own stop and start, beside all this: {own} ms")
        for one in figures:
            if one.downtime:
                print(f"{one.name}: {one.downtime - own} ms more than that")
        print(
            "By hand: stop, copy each file, start. It opens no backup, looks at nothing before or after, and cannot "
            "go back."
        )
        print("Its downtime leaves out the time that the service takes to stop.")
        ratio("downtime, by hand to restore", by_hand.downtime, figures[1].downtime)
        ratio("processes, by hand to restore", by_hand.count.commands, figures[1].count.commands)


def lossy(folder: Path, variables: dict[str, Any]) -> None:
    """A backup with a stop, and a restore, over a connection that loses requests at random. Either may fail; both must
    end, and the service must be as it was.
    """
    key = pyrage.x25519.Identity.generate()
    (folder / "identity.key").write_text(f"{key}\n")
    variables = variables | {"access_manager_recipients": [str(key.to_public())], "restore_health_seconds": 1}
    variables["access_manager_identity_file"] = str(folder / "identity.key")
    with host_in(folder) as host:
        heading(f"A connection that loses {LOST_PERCENT} % of its requests at random")
        inventory = host.write_inventory(folder / "psrp.yml", "psrp")
        measure("backup, without losses", [host], inventory, variables)
        opened = {name: (host.config / name).read_bytes() for name in host.configuration.files}
        with_stop = variables | {"backup_stop_service": "always", "backup_force": True}
        lossy_run("a backup with a stop", host, inventory, PLAYBOOK, with_stop)
        spoil(host, opened)
        lossy_run("a restore", host, inventory, RESTORE, variables)


def lossy_run(name: str, host: AmsHost, inventory: Path, playbook: Path, variables: dict[str, Any]) -> None:
    before, begun = host.service_state(), time.monotonic()
    host.trouble(drop_percent=LOST_PERCENT)
    try:
        run = start_playbook(playbook, inventory, extra_vars=variables).wait(3600)
    finally:
        host.calm()
    while (state := host.service_state()) != before and time.monotonic() < begun + MOST_LOSSY_SECONDS:
        time.sleep(1)  # a detached run of which the controller knows nothing more may be at work
    ends = {0: "done", 2: "failed", 4: "unreachable"}
    print(f"{name}: {ends.get(run.rc, run.rc)}; the service was {before}, and is {state}")
    promise(f"{name}, to its end", time.monotonic() - begun, MOST_LOSSY_SECONDS, "s")
    if state != before:
        MISSED.append(f"the service as it was, after {name}")


def list_backups(folder: Path, variables: dict[str, Any]) -> None:
    """Many backups of one host, listed: the module alone, and a whole run of ansible-playbook around it. And verified
    by the playbook, for its memory.
    """
    root = Path(variables["access_manager_backup_root"])
    heading(f"A list of {MANY} backups")
    make_backups(root, variables, MANY)
    before = time.process_time()
    seconds, result = timed(lambda: run_action("backup_info", backup_root=str(root)))
    processor, size = time.process_time() - before, len(json.dumps(result)) / MEBIBYTE
    assert len(result["backups"]) == MANY
    print(f"backup_info: {seconds:.2f} s, of which {processor:.2f} s of the processor; a result of {size:.1f} MiB")
    run = start_playbook(write_task(folder, f"{COLLECTION}.backup_info", {"backup_root": str(root)}), "ams1,").wait()
    print(f"ansible-playbook with that one task: {run.seconds:.1f} s")
    inventory = write_inventory(folder / "ams1.yml", {"ams1": {}})
    pause = write_task(folder, "ansible.builtin.pause", {"seconds": 2})
    nothing = measure("nothing", [], inventory, {}, playbook=pause)
    settings = {"access_manager_backup_root": str(root), "access_manager_state_dir": str(folder / "state")}
    verified_all = measure(f"verification of {MANY} backups", [], inventory, settings, playbook=VERIFY)
    promise_worker(verified_all.name, verified_all.memory, nothing.memory)
    key = ssh_key(folder)
    for manifest in root.rglob("manifest.json"):
        manifest.with_name("manifest.json.sig").write_bytes(key.signature(manifest.read_bytes()))
    signed_before = processor_of_children()
    seconds, result = timed(lambda: run_action("backup_info", backup_root=str(root), allowed_signers=[key.public]))
    each = 1000 * (processor_of_children() - signed_before) / MANY
    assert all(one["signer"] for one in result["backups"])
    print(f"backup_info with allowed signers: {seconds:.2f} s, {each:.1f} ms of the processor to verify each signature")


def unchanged(folder: Path, variables: dict[str, Any]) -> None:
    """What a run spends to see that the last backup is whole, of an accepted origin, and holds what the server holds.
    """
    root = Path(variables["access_manager_backup_root"])
    heading("A usual backup, seen to be unchanged: its sizes and hashes, and the controller's memory or a signature")
    key = ssh_key(folder)
    made = make(
        BackupStore(str(root), "ams1"),
        datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ"),
        encrypt_to(*variables["access_manager_recipients"]),
        parts={"config.zip": random.Random(1).randbytes(USUAL_BYTES)},
        signer=key.signer(),
    )
    HighWaterMark(BackupStore(str(root), "ams1"), str(folder / "state")).advance(Mark.of(made, to_bytes(made)))
    for name, trust in (
        ("by its hashes and the memory", Trust()),
        ("by its hashes and its signature", key.signer().tried()),
    ):
        store = BackupStore(str(root), "ams1", trust)
        mark = HighWaterMark(store, str(folder / "state"))
        runs = [
            timed(lambda store=store, mark=mark: mark.problems() == [] and store.latest_complete()) for _run in range(5)
        ]
        assert all(found for _seconds, found in runs)
        promise(name, min(seconds for seconds, _found in runs) * 1000, MOST_UNCHANGED_MS, "ms")


def verify(folder: Path, variables: dict[str, Any]) -> None:
    """Large backups, verified without a key, beside sha256sum over the same files; and what a proof with a key costs.
    """
    root = Path(variables["access_manager_backup_root"])
    key = pyrage.x25519.Identity.generate()
    (folder / "identity.key").write_text(f"{key}\n")
    make_backups(root, variables | {"access_manager_recipients": [str(key.to_public())]}, VERIFIED, VERIFIED_BYTES)
    artifacts = sorted(str(path) for path in root.rglob("*.age"))
    size = sum(Path(artifact).stat().st_size for artifact in artifacts)
    heading(f"Verification of {VERIFIED} backups, {size / MEBIBYTE:.0f} MiB in {len(artifacts)} files, read before")
    theirs = min(
        timed(lambda: subprocess.run(["sha256sum", *artifacts], stdout=subprocess.DEVNULL, check=True))[0]
        for _run in range(3)
    )
    ours = min(timed(lambda: verified(root, "integrity"))[0] for _run in range(3))
    proof, _result = timed(lambda: verified(root, "full", identity_file=str(folder / "identity.key")))
    print(f"sha256sum: {theirs:.2f} s, {size / MEBIBYTE / theirs:.0f} MiB/s")
    print(f"backup_verify without a key: {ours:.2f} s, {size / MEBIBYTE / ours:.0f} MiB/s")
    print(f"backup_verify with a key: {proof:.2f} s")
    print(f"speed, backup_verify without a key to sha256sum: {theirs / ours:.2f}")


def reports(folder: Path, variables: dict[str, Any]) -> None:
    """The backups of a large fleet, verified without a key and reported in each form, by the playbook with the fleet's
    inventory.
    """
    root = Path(variables["access_manager_backup_root"])
    heading(f"The playbook verify with all reports, of {MANY} hosts with {NIGHTS} backups each")
    make_fleet(root, variables)
    promise("unsigned", report_seconds(folder, root), MOST_REPORT_SECONDS, "s of the processor, undisturbed")
    key = ssh_key(folder)
    for manifest in root.rglob("manifest.json"):
        manifest.with_name("manifest.json.sig").write_bytes(key.signature(manifest.read_bytes()))
    signed = report_seconds(folder, root, access_manager_allowed_signers=[key.public])
    promise("signed with an Ed25519 key", signed, MOST_REPORT_SECONDS, "s of the processor, undisturbed")


def worst(_folder: Path, _variables: dict[str, Any]) -> None:
    """The largest inputs that are still taken, each in a process of its own."""
    heading("The worst cases within the bounds (docs/security.md), with the memory beside the input")
    for name, seconds, memory in worst_cases.costs():
        print(f"{name:50} {seconds:6.2f} s {memory:6} MiB", flush=True)


def census(folder: Path, variables: dict[str, Any]) -> None:
    """The census of a domain and of a fifth of it: time, and memory, which must not grow with the number of computers.
    """
    if missing := domain_missing():
        raise SystemExit(f"A census needs a domain controller, and none can be made here: {missing}")
    domain = Domain.start(folder / "dc")
    try:
        domain.seed(COMPUTERS, [letter * 40 for letter in "ABC"])
        heading(f"A census of {COMPUTERS} computers, each with a current password and 3 earlier ones, over LDAPS")
        for name, narrowed in (
            (f"{COMPUTERS // 5} computers", {"filter": "(cn=PC00*)"}),
            (f"{COMPUTERS} computers", {}),
        ):
            seconds, result = timed(
                lambda more=narrowed: run_action("directory_info", servers=domain.servers, **domain.options(), **more)
            )
            options = {"servers": domain.servers} | domain.options() | narrowed
            running = start_playbook(write_task(folder, f"{COLLECTION}.directory_info", options), "localhost,")
            with MemoryWatch(running.pid, []) as watch:
                run = running.wait()
            if run.rc:
                raise SystemExit(run.output)
            each = seconds / result["computers"] * 1000
            print(
                f"{name}: {seconds:.2f} s, {each:.3f} ms each, peak of a process of ansible-playbook "
                f"{watch.peak.controller} MiB"
            )
    finally:
        domain.remove()


SCENARIOS: dict[str, Callable[[Path, dict[str, Any]], None]] = {
    "standard": standard,
    "compare": compare,
    "large": large,
    "fleet": fleet,
    "recorded": recorded,
    "controller": controller,
    "restore": restore,
    "lossy": lossy,
    "list": list_backups,
    "unchanged": unchanged,
    "verify": verify,
    "reports": reports,
    "worst": worst,
    "census": census,
}
WITHOUT_HOSTS = {"recorded", "controller", "list", "unchanged", "verify", "reports", "worst", "census"}


# ---- their parts ----


def make_backups(root: Path, variables: dict[str, Any], count: int, size: int = 0) -> None:
    """Encrypted backups of the host ams1, a minute apart; size: bytes that do not compress in each."""
    store, encryptor = BackupStore(str(root), "ams1"), encrypt_to(*variables["access_manager_recipients"])
    certificates = [make_certificate()]
    noise = {"config/noise.bin": random.Random(1).randbytes(size)} if size else {}
    for number in range(count):
        moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(minutes=number)
        make(store, f"{moment:%Y%m%dT%H%M%SZ}", encryptor, content=files() | noise, certificates=certificates)


def make_fleet(root: Path, variables: dict[str, Any]) -> None:
    """Encrypted backups of many hosts, one for each of the last nights."""
    encryptor = encrypt_to(*variables["access_manager_recipients"])
    content, certificates = files(), [make_certificate()]
    midnight = datetime.datetime.now(datetime.UTC).replace(hour=0, minute=0, second=0)
    nights = [f"{midnight - datetime.timedelta(days=day):%Y%m%dT%H%M%SZ}" for day in range(NIGHTS, 0, -1)]
    for number in range(MANY):
        store = BackupStore(str(root), f"ams{number:04}")
        for backup_id in nights:
            make(store, backup_id, encryptor, content=content, certificates=certificates)


def report_seconds(folder: Path, root: Path, **variables: Any) -> float:
    """The seconds of an undisturbed processor for a verification of all hosts under a root with all reports. SystemExit
    when it finds a problem.
    """
    written = {f"verify_report_{kind}": str(folder / f"report.{kind}") for kind in ("json", "prometheus", "html")}
    settings = {"access_manager_backup_root": str(root), "access_manager_state_dir": str(folder / "state")}
    before = processor_of_children()
    inventory = write_inventory(folder / "fleet.yml", {f"ams{number:04}": {} for number in range(MANY)})
    with Disturbance() as disturbance:
        run = start_playbook(VERIFY, inventory, extra_vars=settings | written | variables).wait(1800)
    if run.rc:
        raise SystemExit(run.output)
    used = processor_of_children() - before
    print(f"{used:.1f} s of the processor, which others slow down by {disturbance.factor:.2f}; {run.seconds:.1f} s")
    return used / disturbance.factor


def write_task(folder: Path, module: str, options: dict[str, Any] | str) -> Path:
    """A playbook with one task for whatever host there is."""
    playbook = folder / f"{module}.yml"
    task = {module: options}
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    return playbook


def timed(what: Callable[[], Any]) -> tuple[float, Any]:
    """How many seconds something takes, and what it returns."""
    start = time.monotonic()
    result = what()
    return time.monotonic() - start, result


def processor_of_children() -> float:
    """The seconds of the processor that processes of this one have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def verified(root: Path, level: str, **options: str) -> None:
    """Verifies all backups under a root. SystemExit when not all reach the level."""
    result = run_action("backup_verify", backup_root=str(root), **options)
    if {one["verified"] for one in result["backups"]} != {level}:
        raise SystemExit(f"The verification failed: {result['msg']}")


@contextmanager
def host_in(folder: Path, **options: Any) -> Iterator[AmsHost]:
    """A host for the block; options as AmsHost.create takes them."""
    host = AmsHost.create(folder / "hosts", **options)
    try:
        yield host
    finally:
        host.remove()


def new_root(folder: Path) -> Path:
    """A new folder for backups."""
    number = len(list(folder.glob("backups-*")))
    root = folder / f"backups-{number}"
    root.mkdir(mode=0o700)
    return root


def stopping(variables: dict[str, Any], root: Path) -> dict[str, Any]:
    return variables | {"access_manager_backup_root": str(root), "backup_stop_service": "always", "backup_force": True}


def fill_database(host: AmsHost) -> None:
    """Makes the database's files such that they do not compress, as a full database hardly does.

    The service must be stopped.
    """
    noise = random.Random(1)
    for name in host.configuration.database:
        path = host.config / name
        path.write_bytes(noise.randbytes(path.stat().st_size))


def add_files(host: AmsHost, count: int) -> None:
    """Adds files of about 1 KiB, in folders of a hundred."""
    for number in range(count):
        path = host.config / "scripts" / "bulk" / f"{number // 100:02}" / f"Rule-{number:04}.ps1"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# Rule {number}\n" + f"Write-Output 'SRV-{number:05}'\n" * 40)


def spoil(host: AmsHost, files: Mapping[str, bytes]) -> None:
    """Makes each of these files another than it was."""
    for name, data in files.items():
        (host.config / name).write_bytes(data + b"\r\n")


def write_manual_playbook(folder: Path, files: Mapping[str, bytes]) -> Path:
    """A playbook of the vendor's steps by what Ansible brings itself: stop the service, copy each file, start it.

    Copying needs the collection ansible.windows. In its place stands an action that makes the same call of the
    connection, and none of the checks around it, each of which is a process more.
    """
    place = folder / "manual"
    (place / "action_plugins").mkdir(parents=True)
    (place / "action_plugins" / "put_without_checksum.py").write_text(
        "from ansible.plugins.action import ActionBase\n\n\n"
        "class ActionModule(ActionBase):\n"
        "    def run(self, tmp=None, task_vars=None):\n"
        "        self._connection.put_file(self._task.args['src'], self._task.args['dest'])\n"
        "        return super().run(tmp, task_vars) | {'changed': True}\n"
    )
    pairs = []
    for number, (name, data) in enumerate(files.items()):
        (place / str(number)).write_bytes(data)
        pairs.append({"src": str(place / str(number)), "dest": str(CONFIG_PATH / name)})
    raw = "ansible.builtin.raw"
    copy = {"put_without_checksum": {"src": "{{ item.src }}", "dest": "{{ item.dest }}"}, "loop": pairs}
    tasks = [
        {"name": "Stop the service", raw: "Stop-Service -Name lithnetams"},
        {"name": "Copy each file"} | copy,
        {"name": "Start the service", raw: "Start-Service -Name lithnetams"},
    ]
    play = [{"name": "By hand", "hosts": "access_manager", "gather_facts": False, "tasks": tasks}]
    (place / "playbook.yml").write_text(json.dumps(play, ensure_ascii=False), encoding="utf-8")
    return place / "playbook.yml"


def has_stock_modules() -> bool:
    """Whether the collections of the stock playbooks are where Ansible looks in any case."""
    try:
        names = "ansible.windows", "community.windows"
        return all(importlib.util.find_spec(f"ansible_collections.{name}") for name in names)
    except ModuleNotFoundError:
        return False


def clear() -> None:
    """Removes what an earlier bench left, hosts that it left running too."""
    for registry in BASE.glob("*/hosts/*/system.reg"):
        windows_lab.stop(registry.parent)
    shutil.rmtree(BASE, ignore_errors=True)


def main(wanted: list[str]) -> int:
    """Runs the scenarios of these names, or all; the exit code."""
    if set(wanted) - set(SCENARIOS):
        print(__doc__, file=sys.stderr)
        return 2
    missing = available()
    if missing and set(wanted or SCENARIOS) - WITHOUT_HOSTS:
        print(f"Figures need a lab host, and none can be made here: {missing}", file=sys.stderr)
        return 1
    clear()
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    for name in wanted or SCENARIOS:
        folder = BASE / name
        folder.mkdir(parents=True)
        root = new_root(folder)
        SCENARIOS[name](folder, {"access_manager_backup_root": str(root), "access_manager_recipients": [recipient]})
    clear()
    if MISSED:
        print(f"Over what is promised: {'; '.join(MISSED)}", file=sys.stderr)
    return 1 if MISSED else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
