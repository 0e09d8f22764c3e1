# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backs up a lab host twice with the collection's own playbook, shows what came of it, and opens it.

Run by `make demo`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyrage
import yaml
from support.ams_host import AmsHost, Count, available, windows_lab
from support.playbook import HASH_SEED

ROOT = Path(__file__).resolve().parents[1]
BASE = ROOT / ".build" / "demo"
BACKUPS = BASE / "backups"
KEY = BASE / "private-key.txt"
SIGNING_KEY = BASE / "signing-key"
ALLOWED_SIGNERS = BASE / "allowed_signers"
SIGNER = "demo"
NAMESPACE = "backup@lithnet.access_manager"
OPENED = BASE / "opened"
HOST_NAME = "ams1"
ARCHIVES = ("config", "certificates")
ARTIFACTS = ("config.zip", "certificates.zip", "secrets.json")
PLAYBOOK = "playbooks/backup.yml"

OPEN_WITH_PYTHON = (
    "import pathlib, sys, pyrage; key, backup, opened = map(pathlib.Path, sys.argv[1:]); "
    "identity = pyrage.x25519.Identity.from_str(key.read_text().split()[-1]); "
    '[pyrage.decrypt_file(str(one), str(opened / one.stem), [identity]) for one in backup.glob("*.age")]'
)
"""Opens every artifact of a backup; its arguments are the key's file, the backup's folder and the folder to write to.
"""


def main() -> int:
    """Shows everything; the exit code."""
    missing = available()
    if missing:
        print(f"The demo needs a lab host, and none can be made here: {missing}", file=sys.stderr)
        return 1
    BACKUPS.mkdir(mode=0o700, parents=True, exist_ok=True)
    recipient = key_pair()
    signing_key_pair()
    clear_host()
    heading("A Windows host with Access Manager (in Wine; the first one takes about a minute)")
    host = AmsHost.create(BASE / "hosts", name=HOST_NAME)
    try:
        show_host(host)
        backup = back_up_and_open(host, write_inventory(host, recipient))
        heading("The same again")
        show_unchanged(run_playbook(host, BASE / "inventory.yml"), backup)
    finally:
        host.remove()
    heading("Left for you")
    keys = f"the private keys in {shown(KEY)} and {shown(SIGNING_KEY)}"
    print(f"The host is gone. The backups stay in {shown(BACKUPS)}, and {keys}.")
    print(f"Remove them with: rm -r {shlex.quote(shown(BASE))}")
    return 0


# ---- before ----


def key_pair() -> str:
    """The public key of the demo's pair. The pair is made once: the backups of earlier demos open with it too."""
    if not KEY.exists():
        identity = pyrage.x25519.Identity.generate()
        with open(KEY, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(f"# public key: {identity.to_public()}\n{identity}\n")
    lines = KEY.read_text().splitlines()
    return str(pyrage.x25519.Identity.from_str(lines[-1]).to_public())


def signing_key_pair() -> None:
    """Makes the key that signs, once, and the file of allowed signers, as an administrator makes them."""
    if not SIGNING_KEY.exists():
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", SIGNER, "-f", str(SIGNING_KEY)]
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
    ALLOWED_SIGNERS.write_text(f"{SIGNER} {SIGNING_KEY.with_suffix('.pub').read_text()}")


def clear_host() -> None:
    """Removes what a demo that was killed has left."""
    leftover = BASE / "hosts" / HOST_NAME
    if (leftover / "system.reg").exists():
        windows_lab.stop(leftover)
    shutil.rmtree(leftover, ignore_errors=True)


def write_inventory(host: AmsHost, recipient: str) -> Path:
    """The inventory, as an administrator writes it. It holds the lab host's password, so it is 0600."""
    content = {
        "access_manager": {
            "hosts": {host.name: host.inventory_vars("winrm", "ntlm")},
            "vars": {
                "access_manager_backup_root": str(BACKUPS),
                "access_manager_recipients": [recipient],
                "access_manager_signing_key": str(SIGNING_KEY),
                "access_manager_allowed_signers": str(ALLOWED_SIGNERS),
            },
        }
    }
    path = BASE / "inventory.yml"
    path.unlink(missing_ok=True)
    with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        yaml.safe_dump(content, file, sort_keys=False)
    return path


def show_host(host: AmsHost) -> None:
    files = len(host.configuration.files) + len(host.configuration.external)
    print(f"{host.name} listens for WinRM on 127.0.0.1:{host.winrm_port}; its service is {host.service_state()}.")
    print(
        f"Its configuration: {files} files, {len(host.configuration.external)} of them outside the configuration "
        "folder,"
    )
    print(
        f"{len(host.certificates)} certificates, one of them expired, and {len(host.secrets)} secrets under its own "
        "DPAPI."
    )


# ---- backing up ----


def run_playbook(host: AmsHost, inventory: Path) -> tuple[Count, float]:
    """Runs the playbook with its output shown as it comes. What it cost, and how many seconds it took."""
    command = ["ansible-playbook", "-i", str(inventory.relative_to(ROOT)), PLAYBOOK]
    print(f"$ {shlex.join(command)}", flush=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")} | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_HOME": str(BASE / "ansible"),
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": HASH_SEED,
    }
    started = time.monotonic()
    with host.counting() as count:
        code = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode
    if code:
        raise SystemExit(f"The playbook failed with exit code {code}: see above.")
    return count, time.monotonic() - started


def cost(run: tuple[Count, float]) -> str:
    count, seconds = run
    processes = "1 process" if count.commands == 1 else f"{count.commands} processes"
    return f"{seconds:.0f} s, {count.requests} requests, {processes} started on the host."


def back_up_and_open(host: AmsHost, inventory: Path) -> Path:
    """The first run, and all that is said of its backup. The backup's folder."""
    heading("A backup, by the playbook, over WinRM with NTLM")
    print(inventory_without_password(inventory))
    before = host.service_log()
    run = run_playbook(host, inventory)
    backup = newest_backup()
    manifest = json.loads((backup / "manifest.json").read_bytes())
    show_backup(backup, manifest, run, untouched=host.service_log() == before)
    heading("Who made it: checking the signature by hand")
    check_signature(backup)
    heading("Opening it by hand")
    open_backup(host, backup, manifest)
    return backup


def newest_backup() -> Path:
    return max(path for path in (BACKUPS / HOST_NAME).iterdir() if not path.name.startswith("."))


def show_unchanged(run: tuple[Count, float], backup: Path) -> None:
    """What the second run cost. It must have made nothing."""
    if newest_backup() != backup:
        raise SystemExit(f"A second backup was made, {shown(newest_backup())}, though nothing had changed.")
    print(f"\nNothing had changed, so nothing was made: {cost(run)}")


def inventory_without_password(inventory: Path) -> str:
    lines = inventory.read_text().splitlines()
    return (
        "\n".join(f"{line.split(':')[0]}: (not shown)" if "ansible_password" in line else line for line in lines) + "\n"
    )


def show_backup(backup: Path, manifest: dict[str, Any], run: tuple[Count, float], *, untouched: bool) -> None:
    heading("What was backed up")
    certificates, secrets = manifest["certificates"], manifest["secrets"]
    print(f"status     {manifest['status']}", *manifest["problems"], sep="\n           ")
    print(f"files      {manifest['files']} ({manifest['bytes'] / 1024:.0f} KiB)")
    for certificate in certificates:
        exported = "with its private key" if certificate["exported"] else "WITHOUT its private key"
        print(f"key        {certificate['thumbprint']}, until {certificate['not_after'][:10]}, {exported}")
    for secret in secrets:
        print(f"secret     {secret['path']}, {'exported' if secret['exported'] else 'NOT EXPORTED'}")
    print(f"cost       {cost(run)}")
    downtime = f"{manifest['downtime_ms']} ms" if manifest["stopped"] else "none, the service was not stopped"
    print(f"downtime   {downtime}{' (its own log says so too)' if untouched and not manifest['stopped'] else ''}")
    print(f"folder     {shown(backup)}")
    for path in sorted(backup.iterdir()):
        print(f"           {path.stat().st_size:9,} {path.name}")


# ---- checking the signature ----


def check_signature(backup: Path) -> None:
    """Shows the command that checks a backup's signature, runs it, and runs it again on a manifest that was changed."""
    manifest = backup / "manifest.json"
    command = f"ssh-keygen -Y verify -f {quoted(ALLOWED_SIGNERS)} -I {SIGNER} -n {NAMESPACE} -s {quoted(manifest)}.sig"
    print(f"$ {command} < {quoted(manifest)}", flush=True)
    subprocess.run(f"{command} < {quoted(manifest)}", shell=True, check=True)
    changed = manifest.read_bytes().replace(b'"complete"', b'"incomplete"', 1)
    answer = subprocess.run(command, shell=True, input=changed, capture_output=True, check=False)
    if answer.returncode == 0:
        raise SystemExit("The signature was taken for that of another manifest.")
    print(f"The same for a manifest in which one word was changed: {answer.stdout.decode().strip()}", flush=True)


# ---- opening ----


def open_backup(host: AmsHost, backup: Path, manifest: dict[str, Any]) -> None:
    """Shows the commands, runs those that can be run here, and checks what came out.

    The clear files are removed again.
    """
    ways = {"age": with_age(backup), "Python": with_python(backup)}
    opened = []
    for name, commands in ways.items():
        print(f"With {name}:" if name == "age" else f"With {name}, where age is missing:")
        missing = [
            program for program in {shlex.split(command)[0] for command in commands} if not shutil.which(program)
        ]
        for command in commands:
            print(f"    {command}")
        if missing:
            print(f"  (not run, missing here: {', '.join(sorted(missing))})\n")
            continue
        opened.append(run_commands(commands))
        print(f"  These were run just now. {proof(host, opened[-1], manifest)}\n", flush=True)
    if len(opened) == 2 and opened[0] != opened[1]:
        raise SystemExit("The two ways gave different files.")
    print("The opened files were removed again: they hold private keys in clear.")


def with_age(backup: Path) -> list[str]:
    commands = [f"mkdir -m 700 {quoted(OPENED)}"]
    for artifact in ARTIFACTS:
        commands.append(f"age -d -i {quoted(KEY)} -o {quoted(OPENED / artifact)} {quoted(backup / artifact)}.age")
    for name in ARCHIVES:
        commands.append(f"unzip -q -d {quoted(OPENED / name)} {quoted(OPENED / name)}.zip")
    return commands


def with_python(backup: Path) -> list[str]:
    python = quoted(Path(sys.executable))
    commands = [f"mkdir -m 700 {quoted(OPENED)}"]
    commands.append(f"{python} -c {shlex.quote(OPEN_WITH_PYTHON)} {quoted(KEY)} {quoted(backup)} {quoted(OPENED)}")
    for name in ARCHIVES:
        commands.append(f"{python} -m zipfile -e {quoted(OPENED / name)}.zip {quoted(OPENED / name)}")
    return commands


def run_commands(commands: list[str]) -> dict[str, str]:
    """Runs the commands; the SHA-256 of each file that came out, by its path. Nothing of them stays."""
    shutil.rmtree(OPENED, ignore_errors=True)
    try:
        for command in commands:
            subprocess.run(command, shell=True, env=os.environ | {"LC_ALL": "C.UTF-8"}, check=True)
        files = sorted(path for path in OPENED.rglob("*") if path.is_file())
        return {path.relative_to(OPENED).as_posix(): digest(path) for path in files}
    finally:
        shutil.rmtree(OPENED, ignore_errors=True)


def proof(host: AmsHost, opened: dict[str, str], manifest: dict[str, Any]) -> str:
    """Compares what was opened with the host's disk, byte for byte by SHA-256."""
    same = 0
    for name in host.configuration.files:
        same += opened.get(f"config/config/{name}") == digest(host.config / name)
    for path in host.configuration.external:
        name = f"config/external/{path.drive[0]}/{'/'.join(path.parts[1:])}"
        same += opened.get(name) == digest(host.path(path))
    if same != manifest["files"]:
        raise SystemExit(f"Only {same} of {manifest['files']} files are as on the host's disk.")
    keys = sum(name.endswith(".pfx") for name in opened)
    return f"All {same} files are byte for byte as on the host's disk; {keys} PFX files are there."


# ---- printing ----


def heading(text: str) -> None:
    print(f"\n==== {text}\n", flush=True)


def shown(path: Path) -> str:
    """A path as an administrator in the checkout types it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def quoted(path: Path) -> str:
    return shlex.quote(shown(path))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
