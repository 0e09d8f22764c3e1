# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A forest to recover, with a backup root, and what tests ask of it."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unit.actions import run

from .backups import KeyPair
from .domain import Domain
from .runbooks import Runbook

EXPIRED = "0"


def census(domain: Domain, user: str | None = None, **options: Any) -> dict[str, Any]:
    connection = domain.options(user)
    return run("directory_info", **({"servers": domain.servers} | connection | options))


def counts(result: dict[str, Any]) -> dict[str, tuple[int, int]]:
    assert "keys" in result, result
    return {key["thumbprint"]: (key["current"], key["history"]) for key in result["keys"]}


@dataclass(frozen=True)
class Recovery:
    """A backup root with a key, and a domain. C(signing_key): what signs the backups, if anything does."""

    domain: Domain
    root: Path
    owner: KeyPair
    key_file: Path
    signing_key: Path | None = None

    def publish(self, *, check: bool = False, user: str | None = None, **options: Any) -> dict[str, Any]:
        common = {"backup_root": str(self.root), "recipients": [self.owner.public], "identity_file": str(self.key_file)}
        common |= {"signing_key": str(self.signing_key)} if self.signing_key else {}
        connection = {"server": self.domain.servers[0]} | self.domain.options(user)
        return run("directory_certificate", check=check, **(connection | common | options))

    def published(self) -> str | None:
        forest = census(self.domain, backup_root=str(self.root))["forests"][0]["published"]
        return str(forest["thumbprint"]) if forest else None

    def backups(self) -> list[str]:
        return [one["id"] for one in run("backup_info", backup_root=str(self.root), host="ad.lab.test")["backups"]]


def wait_until(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def expiries(domain: Domain, *names: str) -> list[str]:
    return [domain.values(f"CN={name},{domain.workstations}")["lithnetAdminPasswordExpiry"][0] for name in names]


def ldapmodify(domain: Domain, ldif: Path, *, may_fail: bool = False) -> int:
    """What the runbook's command makes of an LDIF file: its exit code, which is the result code of the server."""
    (step,) = (
        one
        for one in Runbook.read("lost_certificate").steps
        if "ldapmodify" in one.command and ldif.name[:7] in one.command
    )
    command = step.command.replace("dc1.example.com", domain.servers[0]).replace("example.com", "ad.lab.test")
    done = subprocess.run(
        shlex.split(command),
        cwd=ldif.parent,
        env=os.environ | domain.ticket(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert may_fail or done.returncode == 0, done.stderr
    if not done.returncode:
        step.expect(done.stdout, {})
    return done.returncode
