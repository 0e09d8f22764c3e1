# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host's backup is restored in a drill, and whether a server may be the scratch server."""

from __future__ import annotations

import collections.abc as c
import contextlib
import datetime
import typing as t

from .._errors import AccessManagerError
from .._restore.outgoing_channels import Endpoint
from .._store import drill_log, inventory, manifest
from .._store.high_water_mark import LAST_CHOICE, HighWaterMark
from .._store.manifest import Manifest
from .._store.signed_lines import moment_of
from .._store.store import BackupStore
from .._text import printable
from .answers import Look

_NEEDED_CHECKS = frozenset({"running", "configured", "secrets", "certificates", "stays_running"})
"""The tests of health that each restore makes whose service starts; where the web site answers, http and https too."""


def oldest(
    stores: c.Sequence[BackupStore], state_dir: str | None, now: datetime.datetime
) -> tuple[BackupStore, Manifest]:
    """The server whose turn is longest ago, whether that drill passed or not: one that fails does not keep the others
    from theirs. Those that never had one come first, by name. With it, its newest complete backup.

    Raises AccessManagerError when no host has a backup.
    """
    for store in sorted(stores, key=lambda one: (_turn(one, state_dir, now), one.host)):
        newest = store.latest_complete()
        if newest and not manifest.holds_certificates_alone(newest):
            return store, newest
    names = ", ".join(store.host for store in stores) or "no host"
    raise AccessManagerError(
        f"There is nothing to drill: {names} has no complete backup of a server that is accepted. Name a host with "
        "drill_host, or make a backup."
    )


def _turn(store: BackupStore, state_dir: str | None, now: datetime.datetime) -> datetime.datetime:
    """When this controller last chose a host; where it never did, its last drill: some of that a scratch server says.
    """
    if chosen := HighWaterMark(store, state_dir).recorded(LAST_CHOICE):
        return chosen
    last = drill_log.read(store, now).last
    return moment_of(last) if last else datetime.datetime.min.replace(tzinfo=datetime.UTC)


def refuse_in_service(scratch: str, in_service: c.Container[str]) -> None:
    """Raises AccessManagerError when the scratch server is one of those in service."""
    if scratch in in_service:
        raise AccessManagerError(
            f"{scratch} is in the group of the servers in service: a drill would take the place of its configuration. "
            "Put a scratch server into the group access_manager_drill, and into no other of these."
        )


def refuse_computer_in_service(look: Look, in_service: c.Iterable[BackupStore], scratch: str) -> None:
    """Raises AccessManagerError when the computer is one of those in service, by another name in the inventory."""
    here = inventory.fingerprint_of_computer(look["computer_name"])
    for store in in_service:
        if _computer_of(store) == here:
            raise AccessManagerError(
                f"{scratch} is the computer {printable(look['computer_name'])}, and so is {store.host}, which is in "
                "service: a drill would take the place of its configuration. Take it out of the group "
                "access_manager_drill. If they are two computers, give the scratch server another name in Windows."
            )


def _computer_of(store: BackupStore) -> str | None:
    """The fingerprint of the computer's name in the newest backup that is accepted."""
    for backup_id in reversed(store.ids()):
        with contextlib.suppress(AccessManagerError):
            return store.manifest(backup_id)["inventory"].get(inventory.COMPUTER_NAME)
    return None


def refuse_foreign(look: Look, scratch: str) -> None:
    """Raises AccessManagerError when the server holds what no drill put there."""
    if look["drill"] is None and (look["configured"] or look["has_keys"]):
        what = "is configured" if look["configured"] else "has private keys of its own"
        raise AccessManagerError(
            f"Access Manager on {scratch} {what}, and no drill put that there: it is not touched. Name a scratch "
            "server, or uninstall Access Manager on this one and install it again."
        )


def refuse_other(restored: str, newest: str | None, root: BackupStore, source: str) -> None:
    """Raises AccessManagerError when the newest complete backup of a copy is not that of the backup root, or one that
    was made there meanwhile.
    """
    if newest is None or restored == newest or (restored > newest and root.has(restored)):
        return
    raise AccessManagerError(
        f"The newest complete backup in the copy '{printable(source)}' is {restored}, and {newest} is in the backup "
        "root: the copy lacks or hides it, or has one that this controller did not make. Run the playbook copy and see "
        "why. To drill from the backup root instead, set drill_from_copy to false."
    )


def refuse_unhealthy(checks: c.Iterable[c.Mapping[str, t.Any]], scratch: str) -> None:
    """Raises AccessManagerError unless each test of health is among these and each was passed: a restore lets some pass
    that only warn of what a person still has to do.
    """
    reasons = {one["name"]: one["reason"] or "no reason is given" for one in checks if not one["passed"]}
    reasons |= dict.fromkeys(_NEEDED_CHECKS - {one["name"] for one in checks}, "it was not tested")
    if reasons:
        listed = "; ".join(f"{name}: {printable(reasons[name])}" for name in sorted(reasons))
        raise AccessManagerError(f"Not every test of health was passed on {scratch}: {listed}.")


def refuse_reached(endpoints: c.Iterable[Endpoint], reached: c.Container[str], scratch: str) -> None:
    """Raises AccessManagerError when the server reached one of these, each as HOST:PORT."""
    names = ", ".join(f"{one.place} ({one.what})" for one in endpoints if one.place in reached)
    if names:
        raise AccessManagerError(
            f"{scratch} reaches {names}, to which the restored configuration sends. These channels are switched off in "
            "a drill; block them for the server in the firewall all the same, or allow them by name with "
            "drill_allow_reach."
        )
