# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real domain controller for tests, with computers and accounts. See tests/ad_lab."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

try:
    import ldap
except ImportError:
    ldap = None

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


READABLE = "(A;;RPLCLORC;;;AU)"
"""Who may read the published certificate: everybody who has logged on."""


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
    if ldap is None:
        return "python-ldap is not installed"
    for program, package in (("kinit", "krb5-user"), ("ldapmodify", "ldap-utils")):
        if not shutil.which(program):
            return f"{program} not found (apt-get install {package})"
    missing: str | None = ad_lab.available()
    return missing


class Domain:
    """A running controller, asked and changed as its administrator.

    Passwords of accounts made by C(account) are all the same.
    """

    PASSWORD = "Passw0rd.of-tests"

    def __init__(self, home: Path, info: dict[str, Any]) -> None:
        self.home, self.info = home, info
        self._bound: Any = None

    @classmethod
    def start(cls, home: Path) -> Domain:
        """Starts a new controller.

        As in a forest with Access Manager, everybody may read the certificate that is published.
        """
        domain = cls(home, ad_lab.start(home))
        domain.allow(domain.info["config_dn"], READABLE)
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
        return {
            "bind_user": user or self.info["user"],
            "bind_password": password,
            "ca_file": self.info["ca"],
            "timeout": 20,
        } | more

    def ticket(self) -> dict[str, str]:
        """The environment in which Kerberos knows the administrator, by a new ticket."""
        environment = {"KRB5_CONFIG": str(self.info["krb5_conf"]), "KRB5CCNAME": f"FILE:{self.home / 'tickets'}"}
        subprocess.run(
            ["kinit", f"administrator@{self.info['realm']}"],
            env=os.environ | environment,
            input=self.info["password"],
            text=True,
            check=True,
            capture_output=True,
        )
        return environment

    @property
    def servers(self) -> list[str]:
        return [str(self.info["host"])]

    def seed(self, computers: int, thumbprints: list[str], **more: Any) -> None:
        ad_lab.seed(self.home, computers, thumbprints, **more)

    # ---- what is in the directory ----

    def add_unit(self, name: str) -> str:
        dn = f"OU={name},{self.base}"
        self._connection.add_s(dn, [("objectClass", [b"organizationalUnit"])])
        return dn

    def add_computer(
        self,
        name: str,
        password: str | None,
        history: Iterable[str] = (),
        *,
        parent: str | None = None,
        account: str | None = None,
    ) -> str:
        """Adds a computer; returns its distinguished name. name: escaped as in a distinguished name."""
        dn = f"CN={name},{parent or self.workstations}"
        account = account or f"T{zlib.crc32(dn.encode())}$"
        values = [
            ("objectClass", [b"computer"]),
            ("sAMAccountName", [account.encode()]),
            ("userAccountControl", [b"4096"]),
        ]
        values += [("lithnetAdminPasswordExpiry", [str(self.next_week()).encode()])]
        values += [("lithnetAdminPassword", [password.encode()])] if password else []
        earlier = [item.encode() for item in history]
        values += [("lithnetAdminPasswordHistory", earlier)] if earlier else []
        self._connection.add_s(dn, values)
        return dn

    def seed_more(self, computers: int, thumbprint: str) -> list[str]:
        """Adds computers whose passwords, with one earlier, are all under one key; returns their names."""
        names = [f"MORE{number:03}" for number in range(computers)]
        for name in names:
            self.add_computer(name, stored(thumbprint), [stored(thumbprint)])
        return names

    def set(self, dn: str, attribute: str, value: bytes | None) -> None:
        """Gives an attribute this one value, or none."""
        self._connection.modify_s(dn, [(ldap.MOD_REPLACE, attribute, [value] if value is not None else None)])

    def set_all(self, dn: str, attribute: str, values: list[bytes]) -> None:
        """Gives an attribute these values."""
        self._connection.modify_s(dn, [(ldap.MOD_REPLACE, attribute, values)])

    def remove_values(self, dn: str, attribute: str, values: Iterable[str]) -> None:
        self._connection.modify_s(dn, [(ldap.MOD_DELETE, attribute, [value.encode() for value in values])])

    def delete(self, dn: str) -> None:
        self._connection.delete_s(dn)

    @contextmanager
    def without_publication(self) -> Iterator[None]:
        """As in a forest in which Access Manager never published anything."""
        dn = self.info["config_dn"]
        kept = ("objectClass", "appSchemaVersion", "cACertificate")
        ((_dn, found),) = self.search(dn, kept)
        self.delete(dn)
        try:
            yield
        finally:
            self._connection.add_s(dn, [(name, values[-1:]) for name, values in found.items()])
            self.allow(dn, READABLE)

    def values(self, dn: str) -> dict[str, list[str]]:
        """The attributes of an entry that are text."""
        ((_dn, found),) = self.search(dn)
        return {name: _decoded(values) for name, values in found.items()}

    def search(self, dn: str, attributes: Sequence[str] | None = None) -> list[tuple[str, dict[str, list[bytes]]]]:
        """An entry with its attributes."""
        return list(self._connection.search_s(dn, ldap.SCOPE_BASE, attrlist=attributes and list(attributes)))

    def publish(self, der: bytes | None) -> None:
        self.set(self.info["config_dn"], "cACertificate", der)

    def clean(self) -> None:
        """Removes all computers and units but OU=Workstations, and the published certificate."""
        self.publish(None)
        kinds = (
            ("computer", "(!(primaryGroupID=516))"),
            ("organizationalUnit", "(!(ou=Workstations))(!(ou=Domain Controllers))"),
        )
        for kind, but in kinds:
            found = self._connection.search_s(self.base, ldap.SCOPE_SUBTREE, f"(&(objectClass={kind}){but})", ["1.1"])
            for dn, _values in found:
                if dn:
                    self.delete(dn)

    # ---- accounts and rights ----

    def account(self, name: str) -> str:
        """Makes a user without rights, unless it is there; returns how it logs on."""
        logon = f"{name}@{self.info['realm'].lower()}"
        values = {
            "sAMAccountName": name,
            "userPrincipalName": logon,
            "userAccountControl": "512",
            "objectClass": "user",
        }
        secret = ("unicodePwd", [f'"{self.PASSWORD}"'.encode("utf-16-le")])
        with suppress(ldap.ALREADY_EXISTS):
            self._connection.add_s(
                self._user(name), [(key, [value.encode()]) for key, value in values.items()] + [secret]
            )
        return logon

    def managed_account(self, name: str) -> str:
        """Makes a group managed service account that no computer may use; returns its SID."""
        values = {
            "objectClass": "msDS-GroupManagedServiceAccount",
            "sAMAccountName": f"{name}$",
            "msDS-ManagedPasswordInterval": "30",
        }
        self._connection.add_s(
            f"CN={name},CN=Managed Service Accounts,{self.base}",
            [(key, [value.encode()]) for key, value in values.items()],
        )
        return self._sid(f"{name}$")

    def expire_account(self, name: str) -> None:
        self.set(self._user(name), "accountExpires", str(ad_lab.EPOCH_1601 * 10_000_000).encode())

    def grant(self, name: str, rights: Iterable[Right]) -> None:
        """Gives a user rights on the computers below OU=Workstations, as dsacls does with /I:S."""
        sid, computer = self._sid(name), self._schema_id("computer")
        entries = [f"(OA;CIIO;{right};{self._schema_id(attribute)};{computer};{sid})" for right, attribute in rights]
        self.allow(self.workstations, "".join(entries))

    def grant_on(self, dn: str, name: str, rights: Iterable[Right]) -> None:
        """Gives a user rights on one entry."""
        self.allow(
            dn, "".join(f"(OA;;{right};{self._schema_id(attribute)};;{self._sid(name)})" for right, attribute in rights)
        )

    def grant_publication(self, name: str) -> None:
        """Lets a user write the certificate that the forest publishes."""
        self.allow(self.info["config_dn"], f"(OA;;WP;{self._schema_id('cACertificate')};;{self._sid(name)})")

    def hide_publication(self, name: str, attribute: str | None = None) -> None:
        """Lets a user see nothing of the entry with the certificate, or not that attribute."""
        kind, scope = ("OD", self._schema_id(attribute)) if attribute else ("D", "")
        self.allow(self.info["config_dn"], f"({kind};;RP;{scope};;{self._sid(name)})")

    def hide_entry(self, name: str) -> None:
        """Lets a user not see that the entry with the certificate is there."""
        dn, parent, sid = self.info["config_dn"], self.info["config_dn"].split(",", 1)[1], self._sid(name)
        self.allow(parent, f"(D;CI;LCLO;;;{sid})")
        self.allow(dn, f"(D;;LCLORP;;;{sid})")

    def deny(self, dn: str, attribute: str, name: str) -> None:
        """Takes control access on an attribute of one entry away from a user."""
        self.allow(dn, f"(OD;;CR;{self._schema_id(attribute)};;{self._sid(name)})")

    def allow(self, dn: str, sddl: str) -> None:
        """Adds entries to the access list of an entry."""
        argv = ["samba-tool", "dsacl", "set", f"--objectdn={dn}", f"--sddl={sddl}", "-s", str(self.home / "smb.conf")]
        done = subprocess.run(
            [*argv, "-H", str(self.home / "private/sam.ldb")], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr + done.stdout

    # ---- the server ----

    def stop(self) -> None:
        self._bound = None
        ad_lab.stop(self.home)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """While its processes stand still: the system takes connections, and nobody answers."""
        processes = _with_children(int(self.info["pid"]))
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def start_again(self) -> None:
        self.info = ad_lab.start(self.home)

    def remove(self) -> None:
        self._bound = None
        ad_lab.remove(self.home)

    @property
    def _connection(self) -> Any:
        if self._bound is None:
            self._bound = ldap.initialize(f"ldaps://{self.servers[0]}")
            self._bound.set_option(ldap.OPT_REFERRALS, 0)
            self._bound.set_option(ldap.OPT_X_TLS_CACERTFILE, self.info["ca"])
            self._bound.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
            self._bound.simple_bind_s(self.info["user"], self.info["password"])
        return self._bound

    def _user(self, name: str) -> str:
        return f"CN={name},CN=Users,{self.base}"

    def _sid(self, name: str) -> str:
        sid = self._value(self.base, f"(sAMAccountName={name})", "objectSid")
        numbers = struct.unpack(f"<{sid[1]}I", sid[8:])
        return "-".join(["S", str(sid[0]), str(int.from_bytes(sid[2:8], "big")), *map(str, numbers)])

    def sid_of(self, name: str) -> str:
        """The SID of an account."""
        return self._sid(name)

    def join(self, name: str, *groups: str) -> None:
        """Makes a user a member of groups, by their SIDs, as far as the domain has them."""
        for sid in groups:
            found = self._connection.search_s(self.base, ldap.SCOPE_SUBTREE, f"(objectSid={sid})", ["cn"])
            for dn in filter(None, (dn for dn, _values in found)):
                self._connection.modify_s(dn, [(ldap.MOD_ADD, "member", [self._user(name).encode()])])

    def _schema_id(self, name: str) -> str:
        return str(uuid.UUID(bytes_le=self._value(ad_lab.SCHEMA, f"(lDAPDisplayName={name})", "schemaIDGUID")))

    def _value(self, base: str, search_filter: str, attribute: str) -> bytes:
        found = self._connection.search_s(base, ldap.SCOPE_SUBTREE, search_filter, [attribute])
        return next(bytes(values[attribute][0]) for dn, values in found if dn)

    @staticmethod
    def next_week() -> int:
        return int((time.time() + 7 * 86400 + ad_lab.EPOCH_1601) * 10_000_000)


def _decoded(values: Iterable[bytes]) -> list[str]:
    return [value.decode(errors="replace") for value in values]


def _with_children(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *itertools.chain.from_iterable(_with_children(int(child)) for child in children)]


def stored(thumbprint: str, *, created: float = 1_780_000_000) -> str:
    """A stored password under the key of a certificate, which is JSON."""
    item = str(ad_lab.password_item(thumbprint, created))
    assert json.loads(item)["data"]
    return item
