# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore does with registry values and HTTP.sys."""

from __future__ import annotations

import collections.abc as c
import typing as t

from .._ams.description import (
    ACCESS_MANAGER_APPLICATION,
    WRITTEN_BY_THE_SERVICE,
    Described,
    Record,
    own_http_configuration,
)
from .._contents.contents import Contents
from .._errors import AccessManagerError
from .._windows import sddl
from .._windows.tls_binding import (
    ADDRESS,
    CENTRAL_STORE,
    is_same_binding,
    place_of_binding,
    port_of,
    unknown_parameters,
    words_of,
)
from .plan import Plan, RestoreOptions
from .web_address import web_address_of

NEVER_RESTORED = {("", "path"), ("", "version"), *WRITTEN_BY_THE_SERVICE}
"""Registry values that belong to the installer, and those in which the service remembers what it did."""

CONFIGURED = ("", "configured")


def values(state: Described) -> dict[tuple[str, str], Record]:
    return {place_of(value): value for value in state["registry"]}


def place_of(value: Record) -> tuple[str, str]:
    """Where a registry value stands, to compare."""
    return value["key"].lower(), value["name"].lower()


def plan_registry(plan: Plan, contents: Contents, server: Described, options: RestoreOptions) -> None:
    wanted, here = values(contents.configuration.described["state"]), values(server["state"])
    differing = [
        place for place in wanted.keys() - NEVER_RESTORED if _content(wanted[place]) != _content(here.get(place))
    ]
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
    for kind, place, same in (
        ("bindings", place_of_binding, is_same_binding),
        ("reservations", _place_of_url, _is_same_reservation),
    ):
        present = {place(record): record for record in here[kind]}
        for record in wanted[kind]:
            now = present.get(place(record))
            if now and same(now, record):
                continue
            if now and now not in own[kind]:
                raise AccessManagerError(
                    f"HTTP.sys of {server['computer_name']} has '{place(record)[-1]}' for another program "
                    f"({_owner(now)}): free it, or leave the registry out with restore_only."
                )
            task = _task_for_a_person(record, server) if kind == "bindings" else None
            if task:
                plan.add_task(task)
                continue
            if now:
                plan.http_sys["remove"][kind].append(now)
            plan.http_sys["add"][kind].append(record)
        if options.mirror:
            names = {place(record) for record in wanted[kind]}
            plan.http_sys["remove"][kind] += [record for record in own[kind] if place(record) not in names]
    for text in _tasks_of_other_bindings(contents, here):
        plan.add_task(text)


def _place_of_url(reservation: Record) -> tuple[str, ...]:
    return (str(reservation["url"]).lower(),)


def _is_same_reservation(one: Record, other: Record) -> bool:
    return str(one["sddl"]).lower() == str(other["sddl"]).lower()


def _task_for_a_person(binding: Record, server: Described) -> str | None:
    """Why a TLS binding cannot be made, and what to do; None when it can."""
    unknown = unknown_parameters(binding)
    if unknown:
        return (
            f"The TLS binding {binding['endpoint']} of certificate {words_of(binding)} has parameters that this "
            f"collection does not know ({', '.join(unknown)}), and is not made: make it by hand."
        )
    if binding["kind"] != CENTRAL_STORE and binding["thumbprint"] not in server.get("machine_certificates", []):
        return (
            f"The TLS certificate {binding['thumbprint']} is not in LocalMachine\\My with its key: import it there, "
            f"and bind it to {binding['endpoint']} in the configuration tool, or run this again."
        )
    return None


def _tasks_of_other_bindings(contents: Contents, here: Described) -> c.Iterator[str]:
    """What no restore makes again: settings of a binding beside its parameters, and bindings that are not Access
    Manager's.
    """
    backup = contents.configuration.described["state"]["http_sys"]["bindings"]
    present = {place_of_binding(binding): binding for binding in here["bindings"]}
    for binding in backup:
        now = present.get(place_of_binding(binding), {})
        lost = sorted(set(binding["other_values"]) - set(now.get("other_values", [])))
        if binding["application_id"] == ACCESS_MANAGER_APPLICATION and lost:
            settings = ", ".join(lost)
            yield (
                f"The TLS binding {binding['endpoint']} had settings that no restore makes again: {settings}. Make "
                "them by hand."
            )
    for binding in _of_the_web_site(contents, backup):
        now = present.get(place_of_binding(binding))
        if not now or not is_same_binding(now, binding):
            yield (
                f"The TLS binding {binding['endpoint']} of certificate {words_of(binding)} belonged to the application "
                f"{binding['application_id']}, and not to Access Manager, whose web site has the same port: this "
                "restore leaves it. Make it by hand if the site needs it."
            )


def _of_the_web_site(contents: Contents, bindings: c.Iterable[Record]) -> list[Record]:
    """The bindings by host name and of the central store on the web site's port that have another application's id."""
    port = str(web_address_of(contents.configuration).https_port)
    return [
        binding
        for binding in bindings
        if binding["kind"] != ADDRESS
        and binding["application_id"] != ACCESS_MANAGER_APPLICATION
        and port_of(binding) == port
    ]


def _permissions_by_key(described: Described) -> dict[str, Record]:
    return {record["key"].lower(): record for record in described["state"]["registry_permissions"]}


def plan_registry_permissions(plan: Plan, contents: Contents, server: Described) -> None:
    """No restore changes who may do what with a registry key: an administrator decides that."""
    before, now = _permissions_by_key(contents.configuration.described), _permissions_by_key(server)
    for place, one in sorted(before.items()):
        is_now = now[place]["sddl"] if place in now else None
        if is_now is None or not sddl.same(one["sddl"], is_now):
            what = f"are {is_now}" if is_now else "will be those of the key above, because it is not there yet"
            plan.add_task(
                f"The permissions of the registry key HKLM\\{one['key']} were {one['sddl']} and {what}: this restore "
                "leaves them. Where the service may not write into its keys, it cannot keep its certificates up to "
                "date."
            )


def _owner(record: Record) -> str:
    return f"application {record['application_id']}" if "application_id" in record else f"permissions {record['sddl']}"
