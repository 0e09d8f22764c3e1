# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the hosts of a play, for the roles and playbooks of this collection: the decisions are in
plugin_utils.
"""

from __future__ import annotations

import collections.abc as c
import itertools
import json
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.recovery_refusal import refusal, without
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._doctor import outcomes
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._report import outcome_tables

Hostvars = c.Mapping[str, c.Mapping[str, t.Any]]
Results = dict[str, c.Mapping[str, t.Any]]
_ROOT = "access_manager_backup_root"


def _of_each(hosts: c.Iterable[str], hostvars: Hostvars, name: str) -> Results:
    """A variable of each host; empty where it is not set."""
    return {host: hostvars[host].get(name) or {} for host in hosts}


def outcome_table(hosts: c.Iterable[str], hostvars: Hostvars, kind: str) -> list[str]:
    if kind == "backup":
        records = _of_each(hosts, hostvars, "backup_record")
        return outcome_tables.backup_table(_of_each(hosts, hostvars, "access_manager_result"), records)
    if kind == "restore":
        return outcome_tables.restore_table(_of_each(hosts, hostvars, "access_manager_result"))
    if kind == "doctor":
        return outcomes.doctor_table(_of_each(hosts, hostvars, "doctor_result"))
    raise AnsibleFilterError(f"There is no table of '{kind}': name backup, restore or doctor.")


def doctor_report(hosts: c.Iterable[str], hostvars: Hostvars) -> str:
    return outcomes.doctor_report(_of_each(hosts, hostvars, "doctor_result"))


def recovery_refusal(
    hosts: c.Iterable[str],
    hostvars: Hostvars,
    lost: c.Collection[str],
    batch: c.Collection[str],
    limit: str = "",
    configuration_keys_lost: bool = False,
) -> str:
    return refusal(
        _of_each(hosts, hostvars, "recover_certificate_installation"),
        lost,
        batch=batch,
        limit=limit,
        configuration_keys_lost=configuration_keys_lost,
    )


def hosts_without_certificate(hosts: c.Iterable[str], hostvars: Hostvars) -> list[str]:
    return without(_of_each(hosts, hostvars, "recover_certificate_imported"))


def verification_settings(hosts: c.Iterable[str], hostvars: Hostvars) -> dict[str, t.Any]:
    known = {host: hostvars[host] for host in hosts}
    return {
        "rootless": [host for host, variables in known.items() if variables.get(_ROOT) is None],
        "roots": _different(known, _ROOT, ""),
        "signers": _different(known, "access_manager_allowed_signers", ""),
        "encryptions": _different(known, "access_manager_encryption", "age"),
        "copies": dict(itertools.starmap(_destinations, known.items())),
    }


def _different(known: Hostvars, name: str, default: str) -> list[t.Any]:
    """Each value of a variable once, which may be a list."""
    values = (variables.get(name, default) for variables in known.values())
    return list({json.dumps(value): value for value in values}.values())


def _destinations(host: str, variables: c.Mapping[str, t.Any]) -> tuple[str, list[str]]:
    copies = variables.get("access_manager_copies") or []
    if not all(isinstance(one, dict) and "name" in one for one in copies):
        raise AnsibleFilterError(f"A destination in access_manager_copies of {host} has no name: give it one.")
    return host, [str(one["name"]) for one in copies]


class FilterModule:
    def filters(self) -> dict[str, c.Callable[..., t.Any]]:
        return {
            "outcome_table": outcome_table,
            "doctor_report": doctor_report,
            "recovery_refusal": recovery_refusal,
            "hosts_without_certificate": hosts_without_certificate,
            "verification_settings": verification_settings,
        }
