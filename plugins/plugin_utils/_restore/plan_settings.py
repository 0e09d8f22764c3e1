# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore does with registry values and HTTP.sys."""

from __future__ import annotations

import typing as t

from .._ams.description import Described, Record, own_http_configuration
from .._contents.contents import Contents
from .._errors import AccessManagerError
from .plan import Plan, RestoreOptions

NEVER_RESTORED = {("", "path"), ("", "version")}
"""Registry values that belong to the installer."""

CONFIGURED = ("", "configured")


def values(state: Described) -> dict[tuple[str, str], Record]:
    return {place_of(value): value for value in state["registry"]}


def place_of(value: Record) -> tuple[str, str]:
    """Where a registry value stands, to compare."""
    return value["key"].lower(), value["name"].lower()


def plan_registry(plan: Plan, contents: Contents, server: Described, options: RestoreOptions) -> None:
    wanted, here = values(contents.configuration.described["state"]), values(server["state"])
    differing = [place for place in wanted.keys() - NEVER_RESTORED if _content(wanted[place]) != _content(here.get(place))]
    differing.sort(key=lambda place: (place == CONFIGURED, place))
    plan.registry["set"] = [wanted[place] | {"before": (here.get(place) or {}).get("data")} for place in differing]
    if options.mirror:
        plan.registry["remove"] = [here[place] for place in sorted(here.keys() - wanted.keys() - NEVER_RESTORED)]


def _content(value: Record | None) -> tuple[t.Any, t.Any] | None:
    return (value["kind"], value["data"]) if value else None


def plan_http_sys(plan: Plan, contents: Contents, server: Described, options: RestoreOptions) -> None:
    here = server["state"]["http_sys"]
    wanted = own_http_configuration(contents.configuration.described["state"]["http_sys"])
    own = own_http_configuration(here)
    for kind, key, content in (
        ("bindings", "endpoint", ("thumbprint", "application_id", "store")),
        ("reservations", "url", ("sddl",)),
    ):
        present = {str(record[key]).lower(): record for record in here[kind]}
        for record in wanted[kind]:
            now = present.get(str(record[key]).lower())
            if now and all(_folded(now, name) == _folded(record, name) for name in content):
                continue
            if now and now not in own[kind]:
                raise AccessManagerError(
                    f"HTTP.sys of {server['computer_name']} has '{record[key]}' for another program ({_owner(now)}): free it, "
                    "or leave the registry out with restore_only."
                )
            if kind == "bindings" and record["thumbprint"] not in server.get("machine_certificates", []):
                plan.add_task(
                    f"The TLS certificate {record['thumbprint']} is not in LocalMachine\\My with its key: import it there, and "
                    f"bind it to {record['endpoint']} in the configuration tool, or run this again."
                )
                continue
            if now:
                plan.http_sys["remove"][kind].append(now)
            plan.http_sys["add"][kind].append(record)
        if options.mirror:
            names = {str(record[key]).lower() for record in wanted[kind]}
            plan.http_sys["remove"][kind] += [record for record in own[kind] if str(record[key]).lower() not in names]


def _folded(record: Record, name: str) -> str:
    """A text of HTTP.sys to compare: a certificate without the name of its store is in MY."""
    text = str(record[name]).lower()
    return text or "my" if name == "store" else text


def _owner(record: Record) -> str:
    return f"application {record['application_id']}" if "application_id" in record else f"permissions {record['sddl']}"
