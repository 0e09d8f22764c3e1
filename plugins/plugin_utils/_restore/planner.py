# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the plan of a restore from a decrypted backup and the description of a server, or refuses."""

from __future__ import annotations

from .._ams.constants import CONFIG, SERVICE_SETTINGS
from .._contents.contents import Contents
from .._errors import AccessManagerError
from .._target.health import service_may_read
from .plan import Plan, RestoreOptions
from .plan_files import folder_links, is_wanted, plan_files, plan_references
from .plan_keys import plan_certificates, plan_secrets
from .plan_settings import CONFIGURED, plan_http_sys, plan_registry, plan_registry_permissions, values
from .target_server import TargetServer


def make_plan(contents: Contents, server: TargetServer, options: RestoreOptions) -> Plan:
    """The plan. Raises AccessManagerError when the restore must not be done at all."""
    refuse_unfit(contents, server, options)
    plan = Plan()
    if "config" in options.parts:
        plan_secrets(plan, contents, server, options)
    _refuse_unused_values(plan, contents)
    plan_files(plan, contents, server, options)
    plan_references(plan, contents)
    if "registry" in options.parts:
        plan_registry(plan, contents, server, options)
        plan_http_sys(plan, contents, server, options)
        plan_registry_permissions(plan, contents, server)
    if "certificates" in options.parts:
        plan_certificates(plan, contents, server)
    _plan_tasks(plan, contents, server, options)
    _plan_checks(plan, contents, server, options)
    if any(is_wanted(f"{CONFIG}{file}", options) for file in contents.configuration.documents):
        _refuse_missing_references(plan, contents, server)
    runs = server["state"]["service"]["status"] != "Stopped"
    plan.stop = plan.changes_server and runs
    plan.start = plan.stop or (not runs and (options.start or server["left_stopped"]))
    return plan


def make_certificate_plan(contents: Contents, server: TargetServer) -> Plan:
    """The plan for the certificates alone.

    They belong to a forest: whichever server was backed up, any other may have them.
    """
    plan = Plan()
    plan_certificates(plan, contents, server)
    return plan


def refuse_unfit(contents: Contents, server: TargetServer, options: RestoreOptions) -> None:
    """Raises AccessManagerError when the backup is of another computer, version or place than this server."""
    backup, name = contents.configuration.described, server["computer_name"]
    computer = backup["state"]["computer_name"]
    if computer != name:
        raise AccessManagerError(
            f"The backup {contents.source.label} is of the computer {computer}, and this is {name}: "
            "this restores to the same host only. For another one there is the playbook disaster_recovery "
            "(other_server)."
        )
    there, here = backup["installation"]["version"], server["installation"]["version"]
    if there != here and not options.allow_version_mismatch:
        raise AccessManagerError(
            f"The backup {contents.source.label} is of Access Manager {there}, and {name} has {here}: install {there} "
            f"first, or allow the mismatch with allow_version_mismatch. {contents.installer}".rstrip()
        )
    there, here = backup["installation"]["config_path"], server["installation"]["config_path"]
    if there.lower() != here.lower():
        raise AccessManagerError(
            f"The configuration lay in '{there}' when it was backed up, and the registry of {name} says '{here}': set "
            f"ConfigPath under HKLM\\SOFTWARE\\Lithnet\\Access Manager Service\\Parameters to '{there}' first."
        )


def _refuse_unused_values(plan: Plan, contents: Contents) -> None:
    """Raises AccessManagerError when a value was given of a secret that is in no file of this restore."""
    if unused := contents.given - {secret["path"] for secret in plan.secrets}:
        raise AccessManagerError(
            f"secrets gives a value of {' and '.join(sorted(unused))}, and this restore leaves the file that it is in: "
            "restore that too, or leave the value out."
        )


def _plan_tasks(plan: Plan, contents: Contents, server: TargetServer, options: RestoreOptions) -> None:
    backup, here = contents.configuration.described["state"], server["state"]
    now = dict(here["service"])
    for setting, was in backup["service"].items() if "registry" in options.parts else ():
        if setting in SERVICE_SETTINGS and was != now[setting]:
            plan.add_task(
                f"The service's {setting} was {was!r} and is {now[setting]!r}: this restore leaves it."
            )
    rules = {rule["rule"] for rule in here["firewall"]}
    if "registry" in options.parts and any(rule["rule"] not in rules for rule in backup["firewall"]):
        plan.add_task(
            "The firewall rule of Access Manager is not as it was, and this restore leaves it: "
            "save the web settings in the configuration tool."
        )
    if "config" in options.parts and options.files is None:
        for record in server["records"]:
            if record["kind"] == "link":
                plan.add_task(f"'{record['path']}' is a link: this restore leaves it.")
        for reference in contents.configuration.described["references"]:
            if reference["place"] != "share" and not reference["exists"]:
                plan.add_task(
                    f"{reference['key']} names '{reference['value']}', which was missing when the backup was made."
                )
    if "certificates" in options.parts and contents.certificates is None:
        plan.add_task("This backup came without its certificates.zip: the certificates are left as they are.")


def _plan_checks(plan: Plan, contents: Contents, server: TargetServer, options: RestoreOptions) -> None:
    """The certificates whose keys the service must be able to read after the restore, and whether it must be
    configured.
    """
    imported = [one["thumbprint"] for one in plan.certificates]
    usable = [
        one["thumbprint"] for one in server["certificates"] if one["key"]["present"] and service_may_read(one["key"])
    ]
    plan.usable_certificates = sorted({*imported, *usable})
    wanted = values(contents.configuration.described["state"]).get(CONFIGURED)
    restored = wanted is not None and wanted["data"] == 1
    plan.configured = restored if "registry" in options.parts else server["installation"]["configured"]


def _refuse_missing_references(plan: Plan, contents: Contents, server: TargetServer) -> None:
    """Raises AccessManagerError unless every file that the configuration names is on the server, or comes with this
    restore.
    """
    links = folder_links(server)
    paths = {record["path"].lower() for record in server["records"]}
    paths -= {record["path"].lower() for record in plan.files if record["action"] == "remove"}
    paths |= {record["path"].lower() for record in plan.files if record["action"] == "add"}
    for reference in contents.configuration.described["references"]:
        path = reference["path"]
        if reference["place"] == "share" or not reference["exists"] or path.lower().startswith(links):
            continue
        if path.lower() not in paths:
            raise AccessManagerError(
                f"The configuration names '{path}', which would not be there after this restore: restore the external "
                "files too, or bring it back."
            )
