# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real domain controller for tests, with computers and accounts. See tests/ad_lab."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Right = tuple[str, str]
"""Rights as SDDL writes them, and the attribute of a computer."""

READ_RIGHTS: list[Right] = [("RPCR", "lithnetAdminPassword"), ("RPCR", "lithnetAdminPasswordHistory")]
WRITE_RIGHTS: list[Right] = [
    ("WP", "lithnetAdminPassword"),
    ("WP", "lithnetAdminPasswordHistory"),
    ("WP", "lithnetAdminPasswordExpiry"),
]
"""What docs/security.md says that the census and the expiry need."""

LAB = Path(__file__).resolve().parents[1] / "ad_lab" / "ad_lab.py"


def _load_lab() -> Any:
    spec = importlib.util.spec_from_file_location("ad_lab", LAB)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["ad_lab"] = module
    spec.loader.exec_module(module)
    return module


ad_lab = _load_lab()


def available() -> str | None:
    """None when domain controllers can be made here, else what is missing."""
    if importlib.util.find_spec("ldap") is None:
        return "python-ldap is not installed"
    missing: str | None = ad_lab.available()
    return missing


@dataclass
class Domain:
    """A running controller. Passwords of accounts made by C(account) are all the same."""

    home: Path
    info: dict[str, Any]

    PASSWORD = "Passw0rd.of-tests"

    @classmethod
    def start(cls, home: Path) -> Domain:
        """Starts a new controller. As in a forest with Access Manager, everybody may read the certificate that is published."""
        domain = cls(home, ad_lab.start(home))
        domain.allow(domain.info["config_dn"], "(A;;RPLCLORC;;;AU)")
        return domain

    @property
    def base(self) -> str:
        return str(self.info["base_dn"])

    @property
    def workstations(self) -> str:
        return f"OU=Workstations,{self.base}"

    def options(self, user: str | None = None, **more: Any) -> dict[str, Any]:
        """The options of a module that connects, as an administrator or as another account."""
        password = self.PASSWORD if user else self.info["password"]
        return {"bind_user": user or self.info["user"], "bind_password": password, "ca_file": self.info["ca"], "timeout": 20} | more

    @property
    def servers(self) -> list[str]:
        return [str(self.info["host"])]

    def seed(self, computers: int, thumbprints: list[str], **more: Any) -> None:
        ad_lab.seed(self.home, computers, thumbprints, **more)

    def ldif(self, text: str, tool: str = "ldbadd") -> None:
        ad_lab._ldif(self.home.resolve(), text, tool)

    def add_computer(self, name: str, password: str | None, history: Iterable[str] = (), *, parent: str | None = None) -> str:
        """Adds a computer; returns its distinguished name. name: escaped as in a distinguished name."""
        dn = f"CN={name},{parent or self.workstations}"
        account = f"T{zlib.crc32(dn.encode())}"
        lines = [f"dn: {dn}", "objectClass: computer", f"sAMAccountName: {account}$", "userAccountControl: 4096"]
        lines += [f"lithnetAdminPasswordExpiry: {self.next_week()}"]
        lines += [f"lithnetAdminPassword: {password}"] if password else []
        lines += [f"lithnetAdminPasswordHistory: {item}" for item in history]
        self.ldif("\n".join([*lines, ""]))
        return dn

    def publish(self, der: bytes) -> None:
        file = self.home / "published.der"
        file.write_bytes(der)
        ad_lab.publish(self.home, file)

    def account(self, name: str) -> str:
        """Makes a user without rights; returns how it logs on."""
        self.tool("user", "create", name, self.PASSWORD)
        return f"{name}@{self.info['realm'].lower()}"

    def grant(self, name: str, rights: Iterable[Right]) -> None:
        """Gives a user rights on the computers below OU=Workstations, as dsacls does with /I:S."""
        sid, computer = self._sid(name), self._schema_id("computer")
        entries = [f"(OA;CIIO;{right};{self._schema_id(attribute)};{computer};{sid})" for right, attribute in rights]
        self.allow(self.workstations, "".join(entries))

    def grant_publication(self, name: str) -> None:
        """Lets a user write the certificate that the forest publishes."""
        self.allow(self.info["config_dn"], f"(OA;;WP;{self._schema_id('cACertificate')};;{self._sid(name)})")

    def hide_publication(self, name: str) -> None:
        """Lets a user see nothing of the entry with the certificate."""
        self.allow(self.info["config_dn"], f"(D;;RP;;;{self._sid(name)})")

    def allow(self, dn: str, sddl: str) -> None:
        """Adds entries to the access list of an entry."""
        self.tool("dsacl", "set", f"--objectdn={dn}", f"--sddl={sddl}")

    def seed_more(self, computers: int, thumbprint: str) -> list[str]:
        """Adds computers whose passwords, with one earlier, are all under one key; returns their names."""
        names = [f"MORE{number:03}" for number in range(computers)]
        for name in names:
            self.add_computer(name, stored(thumbprint), [stored(thumbprint)])
        return names

    def start_again(self) -> None:
        self.info = ad_lab.start(self.home)

    def _sid(self, name: str) -> str:
        return self._search(self.base, f"(sAMAccountName={name})", "objectSid")

    def _schema_id(self, name: str) -> str:
        return self._search(ad_lab.SCHEMA, f"(lDAPDisplayName={name})", "schemaIDGUID")

    def _search(self, base: str, search_filter: str, attribute: str) -> str:
        argv = ["ldbsearch", "-H", str(self.home / "private/sam.ldb"), f"--configfile={self.home}/smb.conf", "-b", base]
        done = subprocess.run([*argv, "-s", "sub", search_filter, attribute], capture_output=True, text=True, check=True)
        return next(line.partition(": ")[2] for line in done.stdout.splitlines() if line.startswith(f"{attribute}: "))

    def tool(self, *args: str) -> str:
        argv = ["samba-tool", *args, "-s", str(self.home / "smb.conf"), "-H", str(self.home / "private/sam.ldb")]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def values(self, dn: str) -> dict[str, list[str]]:
        """The attributes of an entry, read past the server."""
        argv = ["ldbsearch", "-H", str(self.home / "private/sam.ldb"), f"--configfile={self.home}/smb.conf", "--show-binary"]
        done = subprocess.run([*argv, "-b", dn, "-s", "base"], capture_output=True, text=True, check=True)
        found: dict[str, list[str]] = {}
        for line in done.stdout.replace("\n ", "").splitlines():
            name, separator, value = line.partition(": ")
            if separator and not line.startswith("#"):
                found.setdefault(name.rstrip(":"), []).append(value)
        return found

    def stop(self) -> None:
        ad_lab.stop(self.home)

    def remove(self) -> None:
        ad_lab.remove(self.home)

    @staticmethod
    def next_week() -> int:
        return int((time.time() + 7 * 86400 + ad_lab.EPOCH_1601) * 10_000_000)


def stored(thumbprint: str, *, created: float = 1_780_000_000) -> str:
    """A stored password under the key of a certificate, which is JSON."""
    item = str(ad_lab.password_item(thumbprint, created))
    assert json.loads(item)["data"]
    return item
