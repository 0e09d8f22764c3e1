# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore does with registry values and HTTP.sys."""

from __future__ import annotations

import collections.abc as c
import typing as t

from .._ams.constants import ACCESS_MANAGER_APPLICATION
from .._ams.description import WRITTEN_BY_THE_SERVICE, own_http_configuration
from .._ams.shapes import Binding, HttpSys, RegistryData, RegistryPermission, RegistryValue, Reservation, State
from .._contents.contents import Contents
from .._contents.web_address import web_address_of
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
from . import tls_choice
from .plan import Plan, RestoreOptions
from .target_server import TargetServer

NEVER_RESTORED = {("", "path"), ("", "version"), ("", "deletelocaldbinstance"), *WRITTEN_BY_THE_SERVICE}
"""Registry values that belong to the installer, those in which the service remembers what it did, and orders that it
carries out once.
"""

CONFIGURED = ("", "configured")


def values(state: State) -> dict[tuple[str, str], RegistryValue]:
    return {place_of(value): value for value in state["registry"]}


def place_of(value: RegistryValue) -> tuple[str, str]:
    """Where a registry value stands, to compare."""
    return value["key"].lower(), value["name"].lower()


def is_configured(state: State) -> bool:
    """Whether the registry says that Access Manager is configured: else its service serves nothing."""
    return any(place_of(value) == CONFIGURED and value["data"] == 1 for value in state["registry"])


def plan_registry(plan: Plan, contents: Contents, server: TargetServer, options: RestoreOptions) -> None:
    wanted, here = values(contents.configuration.described["state"]), values(server["state"])
    differing = [
        place for place in wanted.keys() - NEVER_RESTORED if _content(wanted[place]) != _content(here.get(place))
    ]
    differing.sort(key=lambda place: (place == CONFIGURED, place))
    plan.registry["set"] = [
        {**wanted[place], "before": here[place]["data"] if place in here else None} for place in differing
    ]
    if options.mirror:
        plan.registry["remove"] = [here[place] for place in sorted(here.keys() - wanted.keys() - NEVER_RESTORED)]


def _content(value: RegistryValue | None) -> tuple[str, RegistryData] | None:
    return (value["kind"], value["data"]) if value else None


def plan_http_sys(plan: Plan, contents: Contents, server: TargetServer, options: RestoreOptions) -> None:
    here = server["state"]["http_sys"]
    wanted = own_http_configuration(contents.configuration.described["state"]["http_sys"])
    own = own_http_configuration(here)
    newest = list(_with_newer_certificates(plan, wanted["bindings"], own["bindings"], server, options))
    bindings = _Differences(newest, here["bindings"], own["bindings"], place_of_binding, is_same_binding)
    reservations = _Differences(
        wanted["reservations"], here["reservations"], own["reservations"], _place_of_url, _is_same_reservation
    )
    _refuse_taken(bindings.taken + reservations.taken, server)
    add, remove = plan.http_sys["add"], plan.http_sys["remove"]
    for binding, now in bindings.differing:
        if task := _task_for_a_person(binding, server):
            plan.add_task(task)
            continue
        add["bindings"].append(binding)
        remove["bindings"] += [now] if now else []
    for reservation, there in reservations.differing:
        add["reservations"].append(reservation)
        remove["reservations"] += [there] if there else []
    if options.mirror:
        remove["bindings"] += bindings.unwanted
        remove["reservations"] += reservations.unwanted
    for text in _tasks_of_other_bindings(contents, here):
        plan.add_task(text)
    for text in tls_choice.warnings_of_bindings(_bindings_afterwards(plan, here), contents, server):
        plan.add_task(text)


def _with_newer_certificates(
    plan: Plan, bindings: list[Binding], own: list[Binding], server: TargetServer, options: RestoreOptions
) -> c.Iterator[Binding]:
    """The bindings of the backup; each with the certificate that is bound now, where that is the newer one.

    That is the certificate of the binding in its place; where there is none, those of the bindings that are removed,
    since the web site may have had another port.
    """
    present = {place_of_binding(binding): binding for binding in own}
    wanted = set(map(place_of_binding, bindings))
    removed = [binding for place, binding in present.items() if options.mirror and place not in wanted]
    for binding in bindings:
        now = present.get(place_of_binding(binding))
        chosen = tls_choice.with_newest_certificate(binding, [now] if now else removed, server, options)
        if chosen != binding:
            plan.add_task(tls_choice.sentence_of_choice(binding, chosen, server))
        yield chosen


def _bindings_afterwards(plan: Plan, here: HttpSys) -> list[Binding]:
    """Access Manager's TLS bindings as the restore leaves them."""
    gone = plan.http_sys["remove"]["bindings"]
    kept = [one for one in own_http_configuration(here)["bindings"] if one not in gone]
    return kept + plan.http_sys["add"]["bindings"]


R = t.TypeVar("R", Binding, Reservation)


class _Differences(t.Generic[R]):
    """What differs between the wanted records of HTTP.sys and those that are there, of which some are C(own)."""

    def __init__(
        self,
        wanted: list[R],
        here: list[R],
        own: list[R],
        place_of: c.Callable[[R], tuple[str, ...]],
        is_same: c.Callable[[R, R], bool],
    ) -> None:
        present = {place_of(record): record for record in here}
        pairs = [(record, present.get(place_of(record))) for record in wanted]
        self.differing: list[tuple[R, R | None]] = [
            (record, now) for record, now in pairs if not (now and is_same(now, record))
        ]
        """Each wanted record that is not there as it is wanted, and what is in its place."""

        self.taken = [(place_of(now)[-1], _owner(now)) for _record, now in self.differing if now and now not in own]
        """What another program has, and which one."""

        names = {place_of(record) for record in wanted}
        self.unwanted: list[R] = [record for record in own if place_of(record) not in names]


def _refuse_taken(taken: list[tuple[str, str]], server: TargetServer) -> None:
    for place, owner in taken:
        raise AccessManagerError(
            f"HTTP.sys of {server['computer_name']} has '{place}' for another program ({owner}): free it, or leave the "
            "registry out with restore_only."
        )


def _place_of_url(reservation: Reservation) -> tuple[str, ...]:
    return (reservation["url"].lower(),)


def _is_same_reservation(one: Reservation, other: Reservation) -> bool:
    return one["sddl"].lower() == other["sddl"].lower()


def _owner(record: Binding | Reservation) -> str:
    return f"application {record['application_id']}" if "application_id" in record else f"permissions {record['sddl']}"


def _task_for_a_person(binding: Binding, server: TargetServer) -> str | None:
    """Why a TLS binding cannot be made, and what to do; None when it can."""
    unknown = unknown_parameters(binding)
    if unknown:
        return (
            f"The TLS binding {binding['endpoint']} of certificate {words_of(binding)} has parameters that this "
            f"collection does not know ({', '.join(unknown)}), and is not made: make it by hand."
        )
    if binding["kind"] != CENTRAL_STORE and binding["thumbprint"] not in server["machine_certificates"]:
        return (
            f"The TLS certificate {binding['thumbprint']} is not in LocalMachine\\My with its key: import it there, "
            f"and bind it to {binding['endpoint']} in the configuration tool, or run this again."
        )
    return None


def _tasks_of_other_bindings(contents: Contents, here: HttpSys) -> c.Iterator[str]:
    """What no restore makes again: settings of a binding beside its parameters, and bindings that are not Access
    Manager's.
    """
    backup = contents.configuration.described["state"]["http_sys"]["bindings"]
    present = {place_of_binding(binding): binding for binding in here["bindings"]}
    for binding in backup:
        now = present.get(place_of_binding(binding))
        lost = sorted(set(binding["other_values"]) - set(now["other_values"] if now else []))
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


def _of_the_web_site(contents: Contents, bindings: c.Iterable[Binding]) -> list[Binding]:
    """The bindings by host name and of the central store on the web site's port that have another application's id."""
    port = str(web_address_of(contents.configuration).https_port)
    return [
        binding
        for binding in bindings
        if binding["kind"] != ADDRESS
        and binding["application_id"] != ACCESS_MANAGER_APPLICATION
        and port_of(binding) == port
    ]


def _permissions_by_key(state: State) -> dict[str, RegistryPermission]:
    return {record["key"].lower(): record for record in state["registry_permissions"]}


def plan_registry_permissions(plan: Plan, contents: Contents, server: TargetServer) -> None:
    """No restore changes who may do what with a registry key: an administrator decides that."""
    before = _permissions_by_key(contents.configuration.described["state"])
    now = _permissions_by_key(server["state"])
    for place, one in sorted(before.items()):
        is_now = now[place]["sddl"] if place in now else None
        if is_now is None or not sddl.same(one["sddl"], is_now):
            what = f"are {is_now}" if is_now else "will be those of the key above, because it is not there yet"
            plan.add_task(
                f"The permissions of the registry key HKLM\\{one['key']} were {one['sddl']} and {what}: this restore "
                "leaves them. Where the service may not write into its keys, it cannot keep its certificates up to "
                "date."
            )
