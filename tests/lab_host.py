# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lab_host.py FOLDER: starts a lab host that lives as long as its inventory, FOLDER/inventory.yml, which has keys too.

For extensions/molecule. When the inventory is removed, the host ends and FOLDER is removed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from support.ams_host import AmsHost
from support.backups import age_key

INVENTORY = "inventory.yml"


def start(folder: Path) -> None:
    """Starts a process that keeps the host, and waits until the inventory is there."""
    folder.mkdir(mode=0o700, parents=True)
    log = folder / "log"
    with log.open("wb") as output:
        command = [sys.executable, __file__, str(folder), "keep"]
        keeper = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    while not (folder / INVENTORY).exists():
        if keeper.poll() is not None:
            said = log.read_text(encoding="utf-8", errors="replace")
            shutil.rmtree(folder)
            sys.exit(f"The lab host did not start: {said}")
        time.sleep(0.2)


def keep(folder: Path) -> None:
    """Makes the host, and removes it when its inventory is gone."""
    host = AmsHost.create(folder)
    inventory = host.write_inventory(folder / "new.yml", variables=settings(folder)).rename(folder / INVENTORY)
    while inventory.exists():
        time.sleep(0.2)
    host.remove()
    shutil.rmtree(folder)


def settings(folder: Path) -> dict[str, Any]:
    """The variables of the collection: where the backups go, and keys made for them."""
    owner, identity, signing_key = age_key(), folder / "identity.txt", folder / "signing_key"
    identity.touch(0o600)
    identity.write_text(f"{owner.private}\n", encoding="utf-8")
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(signing_key)]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
    backups = folder / "backups"
    backups.mkdir(mode=0o700)
    return {
        "access_manager_backup_root": str(backups),
        "access_manager_state_dir": str(folder / "state"),
        "access_manager_recipients": [owner.public],
        "access_manager_identity_file": str(identity),
        "access_manager_signing_key": str(signing_key),
        "access_manager_allowed_signers": [signing_key.with_suffix(".pub").read_text(encoding="utf-8").strip()],
    }


if __name__ == "__main__":
    (keep if sys.argv[2:] == ["keep"] else start)(Path(sys.argv[1]))
