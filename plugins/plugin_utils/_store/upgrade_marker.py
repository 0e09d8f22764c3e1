# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backup that protects an upgrade: a marker beside the backups of a host, and what the vendor says of the next
versions.
"""

from __future__ import annotations

import datetime
import hashlib
import itertools
import json
import typing as t

from .._ams.json_document import strict
from .._ams.shapes import Installation, Sha256
from .._errors import AccessManagerError
from .._shape import Rule, ShapeError, Time, checked
from .._statuses import COMPLETE, FULL, INTEGRITY, Sound
from .._text import printable, timestamp
from .folder import explained
from .store import BackupStore, is_id, time_of_id

NAME = ".pre-upgrade.json"
FORMAT: t.Final = 1
SIZE_LIMIT = 64 * 1024
_CLOCKS_APART = 0.25
"""Hours: as far the clocks of two controllers may be apart."""


class _Marker(t.TypedDict):
    """What a marker in a file is."""

    format: t.Literal[1]
    host: str
    backup_id: t.Annotated[str, Rule(is_id, "the id of a backup")]
    manifest_sha256: Sha256
    verified: Sound
    marked: Time
    access_manager_version: str | None


class Marker(_Marker):
    """C(path): of the backup."""

    path: str


class _VerifiedBackup(t.TypedDict):
    """What is read of a backup in the result of backup_verify."""

    host: str
    id: str
    verified: str
    problems: list[str]


UPGRADE_WARNINGS = (
    "Version 1 has had no support of its vendor since 2022 (1.0) and 2024 (1.1), and its download is gone: keep its "
    "MSI, and the installers of .NET Core 3.1 and SQL LocalDB 2017, beside the backups. A rollback needs them.",
    "There is no way from version 1 to version 3 but through version 2.",
    "Version 2 needs Windows Server 2016 or newer (version 1 ran on 2012 R2), SQL Server, and from 2.1 on .NET 8.",
    "Upgrades from version 1.1 failed before 2.0.9410: take a newer version 2.",
    "Version 2 keeps its data in SQL Server. Plan that database and its backup first: this collection does not back "
    "up version 2.",
    "A configuration of version 1 can be imported only while the new server was never configured. Read "
    "access-manager-v1-migration.log afterwards: it says what was not taken over.",
    "The service's account must be a member of 'Access Control Assistance Operators' and 'Windows Authorization Access "
    "Group' in each domain. See it with: Get-ADPrincipalGroupMembership -Identity 'ACCOUNT$'.",
    "The installer deletes Configured from the registry when it is run again with another name of the service's "
    "account, even one with other capital letters alone: the service serves nothing then, until the settings are saved "
    "in the configuration tool, or the playbook rollback or restore has set it again.",
    "A group managed service account must be usable on the server, and be marked as managed. See it with: "
    "Test-ADServiceAccount -Identity 'ACCOUNT'; sc.exe qmanagedaccount lithnetams.",
    "Integrated Windows authentication needs the SPN HTTP/<name> once in the forest. See it with: setspn -Q "
    "HTTP/<name>.",
    "Version 2 imports appsettings.json into its database and renames it to appsettings.json.<date>.backup. Scripts "
    "and templates stay in the configuration folder and are not used any more. To return, use the MSI of version 1 "
    "and this backup.",
    "The Community Edition of version 2 cannot read encrypted passwords. Without an Enterprise licence, users lose "
    "access to them.",
    "Version 2 accepts certificates for authentication only when they hold the user's SID (KB5014754), unless weak "
    "identity bindings are enabled.",
    "Version 2 marks PowerShell audit scripts as scripts of version 1, and a later version drops them.",
    "An upgrade moves no secrets to another server: the OpenID Connect secret and the mail password are entered again "
    "there.",
    "Agents of version 3 do not keep passwords in Active Directory.",
    "Version 3 needs a new licence, and the SPN HTTP/<name> moves from the computer account to the service account.",
)
"""What the vendor documents of upgrades from version 1."""


_PROGRAMS, _CONFIGURATION = r"\program files\lithnet\access manager service", r"\config"
"""Where the installer puts Access Manager, after the drive, and its configuration below that, in lower case."""


def warning_of_places(installation: Installation) -> str:
    """What to know before an upgrade of an installation that is not where the installer puts it; empty when it is."""
    programs, configuration = installation["install_path"], installation["config_path"]
    if programs.lower()[2:] == _PROGRAMS and configuration.lower() == programs.lower() + _CONFIGURATION:
        return ""
    return (
        f"Access Manager is installed in '{printable(programs)}', with its configuration in "
        f"'{printable(configuration)}', which is not where its installer puts them: upgrades of such installations "
        "have failed. Give the installer these folders, and see afterwards that ConfigPath in the registry names the "
        "same one."
    )


class _NoMarkerError(AccessManagerError):
    """There is no marker, or what is in its place is none."""


def mark(
    store: BackupStore, backup_id: str, verification: dict[str, t.Any], *, now: datetime.datetime, check_mode: bool
) -> Marker:
    """Marks a backup as the one that protects an upgrade, in place of an earlier one; returns the marker.

    C(verification): what backup_verify returned. Raises AccessManagerError unless it found the backup, and nothing
    wrong with it.
    """
    data = store.manifest_bytes(backup_id)
    manifest = store.parsed_manifest(backup_id, data)
    store.trust.refuse(store.origin(backup_id, data))
    if manifest["status"] != COMPLETE:
        raise AccessManagerError(
            f"The backup {backup_id} of {store.host} is incomplete, so it protects no upgrade: "
            f"{' '.join(manifest['problems'])}"
        )
    marker: _Marker = {
        "format": FORMAT,
        "host": store.host,
        "backup_id": backup_id,
        "manifest_sha256": hashlib.sha256(data).hexdigest(),
        "verified": _verified(store, backup_id, verification),
        "marked": timestamp(now),
        "access_manager_version": manifest.get("access_manager_version"),
    }
    damage = _damage(store, marker)
    if damage:
        raise AccessManagerError(f"The backup {backup_id} of {store.host} was damaged after its verification: {damage}")
    text = json.dumps(marker, indent=1) + "\n"
    if not check_mode:
        with explained(store.folder / NAME), store.opened() as folder:
            folder.replace_file(NAME, text.encode())
    return _summary(store, marker)


def required(store: BackupStore, *, now: datetime.datetime, max_age: float | None, version: str | None) -> Marker:
    """The marker of a host. Raises AccessManagerError when no upgrade is protected: none, too old, of another version,
    or damaged.

    C(max_age): in hours. C(version): of Access Manager, which the backup must be of.
    """
    marker = _read(store)
    backup_id = marker["backup_id"]
    age = (now - time_of_id(backup_id)).total_seconds() / 3600
    if max_age is not None and age < -_CLOCKS_APART:
        raise AccessManagerError(
            f"The backup {backup_id} that protects an upgrade of {store.host} is dated in the future, so its age "
            "means nothing: set the clocks of the controllers, and run the playbook pre_upgrade again."
        )
    if max_age is not None and age > max_age:
        raise AccessManagerError(
            f"The backup {backup_id} that protects an upgrade of {store.host} is {age:.1f} hours old, and {max_age:g} "
            "are allowed: run the playbook pre_upgrade again."
        )
    if version is not None and marker["access_manager_version"] != version:
        raise AccessManagerError(
            f"The backup {backup_id} that protects an upgrade of {store.host} is of Access Manager "
            f"{marker['access_manager_version']}, and not of {version}: run the playbook pre_upgrade."
        )
    damage = _damage(store, marker)
    if damage:
        raise AccessManagerError(
            f"The backup {backup_id} that protects an upgrade of {store.host} cannot be used: {damage}"
        )
    return _summary(store, marker)


def protected_id(store: BackupStore) -> str | None:
    """The id of the backup that the marker names; None when there is none, or what is there is no marker.

    Raises AccessManagerError when it cannot be read.
    """
    try:
        return _read(store)["backup_id"]
    except _NoMarkerError:
        return None


def _verified(store: BackupStore, backup_id: str, verification: dict[str, t.Any]) -> Sound:
    """How far the backup was verified. Raises AccessManagerError when it was not, or something was found."""
    try:
        backups = checked(verification.get("backups"), list[_VerifiedBackup])
    except ShapeError:
        raise AccessManagerError(
            "verification is not what backup_verify returns: give it the registered result."
        ) from None
    found = [one for one in backups if (one["host"], one["id"]) == (store.host, backup_id)]
    problems = list(itertools.chain.from_iterable(one["problems"] for one in found))
    if not found or found[0]["verified"] not in (FULL, INTEGRITY) or problems:
        reason = " ".join(problems) or str(verification.get("msg") or "it was not verified.")
        raise AccessManagerError(
            f"The backup {backup_id} of {store.host} is there, but its verification failed, so it protects no "
            f"upgrade: {reason}"
        )
    return FULL if found[0]["verified"] == FULL else INTEGRITY


def _read(store: BackupStore) -> _Marker:
    path = store.folder / NAME
    try:
        with store.opened() as folder:
            marker = checked(strict(folder.read_file(NAME, SIZE_LIMIT)), _Marker)
    except FileNotFoundError:
        raise _NoMarkerError(
            f"No backup protects an upgrade of {store.host}: run the playbook pre_upgrade, which makes and verifies "
            "one."
        ) from None
    except OSError as exc:
        raise AccessManagerError(f"The marker '{path}' cannot be read: {exc.strerror}.") from None
    except ValueError as exc:
        raise _NoMarkerError(
            f"'{path}' is no marker of an upgrade of {store.host} ({exc}): run the playbook pre_upgrade again."
        ) from None
    if marker["host"] != store.host:
        raise _NoMarkerError(
            f"'{path}' is no marker of an upgrade of {store.host}, but of {printable(marker['host'])}: run the "
            "playbook pre_upgrade again."
        )
    return marker


def _damage(store: BackupStore, marker: _Marker) -> str:
    """What keeps the marked backup from being used now; empty when nothing does."""
    try:
        data = store.manifest_bytes(marker["backup_id"])
        manifest = store.parsed_manifest(marker["backup_id"], data)
        store.trust.refuse(store.origin(marker["backup_id"], data))
    except AccessManagerError as exc:
        return str(exc)
    if hashlib.sha256(data).hexdigest() != marker["manifest_sha256"]:
        return "its manifest is not the one that was verified."
    return " ".join(store.damage(marker["backup_id"], manifest["artifacts"]))


def _summary(store: BackupStore, marker: _Marker) -> Marker:
    return {**marker, "path": str(store.folder / marker["backup_id"])}
