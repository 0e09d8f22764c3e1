# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of the directory for a domain administrator to make: as LDIF, and as data with a PowerShell script that never
changes.

The LDIF and the script do the same. Both change a value only if it is still the one that was seen.
"""

from __future__ import annotations

import base64
import collections.abc as c
import hashlib
import json
import pathlib

from .._ams.constants import EXPIRY, HISTORY, PASSWORD
from .._errors import AccessManagerError
from .._files import replace_atomically
from . import publication
from .ldap import Change, Directory

PUBLISH, EXPIRE = "publish-certificate", "expire-passwords"
_MODE = 0o600
_SCRIPTS = {PUBLISH: "offline_publish_certificate.ps1", EXPIRE: "offline_expire_passwords.ps1"}


def refuse_unusable(folder: str | None) -> None:
    """Raises AccessManagerError when a plan is wanted, and there is no folder for it."""
    if folder and not pathlib.Path(folder).is_dir():
        raise AccessManagerError(
            f"'{folder}' of publish_only_plan is not a folder on the controller: create it, with mode 0700."
        )


def write_publication(
    folder: str, directory: Directory, der: bytes, seen: bytes | None, *, check_mode: bool
) -> tuple[list[str], bool]:
    """Writes what publishes a certificate. Returns the names of the files, and whether one of them was not so."""
    entry = publication.entry_of(directory)
    data = {
        "server": directory.server,
        "entry": entry,
        "certificate": base64.b64encode(der).decode(),
        "seen_sha256": _digest(seen) if seen is not None else "",
    }
    contents = {
        f"{PUBLISH}.ldif": ldif([(entry, publication.changes(der, seen))]),
        f"{PUBLISH}.json": (json.dumps(data, indent=1) + "\n").encode(),
        f"{PUBLISH}.ps1": _script(PUBLISH),
        "certificate.cer": der,
    }
    return _write(folder, contents, check_mode=check_mode)


class PasswordExpiryPlan:
    """The changes that expire passwords, collected computer by computer."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._ldif: list[bytes] = []
        self._computers: list[dict[str, object]] = []

    def add(
        self, dn: str, changes: c.Sequence[c.Sequence[Change]], password: bytes | None, history: c.Sequence[bytes]
    ) -> None:
        """C(changes): those that the module would make. C(password): the one that is to expire; None when it is not."""
        self._ldif += [ldif([(dn, change)]) for change in changes]
        self._computers.append(
            {
                "computer": dn,
                "password_sha256": _digest(password) if password is not None else "",
                "history_sha256": [_digest(value) for value in history],
            }
        )

    def write(self, folder: str, name: str, *, check_mode: bool) -> tuple[list[str], bool]:
        """Writes them; the files begin with C(name), which names the domain."""
        head = {"server": self._server, "password": PASSWORD, "history": HISTORY, "expiry": EXPIRY}
        contents = {
            f"{EXPIRE}-{name}.ldif": b"".join(self._ldif),
            f"{EXPIRE}-{name}.jsonl": "".join(f"{json.dumps(line)}\n" for line in [head, *self._computers]).encode(),
            f"{EXPIRE}.ps1": _script(EXPIRE),
        }
        return _write(folder, contents, check_mode=check_mode)


def ldif(modifications: c.Iterable[tuple[str, c.Sequence[Change]]]) -> bytes:
    """Modifications as LDIF (RFC 2849).

    Names and values are Base64, so that nothing in them can be taken for another line.
    """
    lines = []
    for dn, changes in modifications:
        lines += [f"dn:: {_base64(dn.encode())}", "changetype: modify"]
        for operation, attribute, values in changes:
            lines += [f"{operation}: {attribute}", *(f"{attribute}:: {_base64(value)}" for value in values), "-"]
        lines.append("")
    return "".join(f"{line}\n" for line in lines).encode()


def _write(folder: str, contents: c.Mapping[str, bytes], *, check_mode: bool) -> tuple[list[str], bool]:
    place = pathlib.Path(folder)
    changed = [
        replace_atomically(place / name, content, _MODE, check_mode=check_mode) for name, content in contents.items()
    ]
    return [str(place / name) for name in contents], any(changed)


def _script(name: str) -> bytes:
    return (pathlib.Path(__file__).parent / _SCRIPTS[name]).read_bytes()


def _digest(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
