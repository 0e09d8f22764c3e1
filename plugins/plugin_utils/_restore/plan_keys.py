# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore does with certificates, their private keys, and secrets."""

from __future__ import annotations

import collections.abc as c

from .._ams.constants import CONFIG, SecretMode
from .._ams.secret_use import is_used, signs_in, synchronised_certificate
from .._contents.configuration import Secret
from .._contents.contents import Contents
from .._errors import AccessManagerError
from .._target.health import service_may_read
from .plan import KeyAction, Plan, RestoreOptions, SecretAction
from .plan_files import is_same_json, is_wanted
from .target_server import TargetServer

_UNTIL_THEN = " Until then nobody can sign in, and the web site answers with status 500."


def plan_certificates(plan: Plan, contents: Contents, server: TargetServer) -> None:
    for thumbprint, certificate in (contents.certificates or {}).items():
        found = [one for one in server["certificates"] if one["thumbprint"] == thumbprint]
        keyed = [one for one in found if one["key"]["present"]]
        action: KeyAction | None
        if keyed:
            action = None if any(service_may_read(one["key"]) for one in keyed) else "give_access"
        elif certificate.pfx is None:
            action = None
            plan.add_task(
                f"The backup has no private key of certificate {thumbprint}: import it from its original PFX, or its "
                "HSM."
            )
        else:
            action = "give_key" if found else "import"
        if action:
            plan.certificates.append({"thumbprint": thumbprint, "action": action})


def plan_secrets(plan: Plan, contents: Contents, server: TargetServer, options: RestoreOptions) -> None:
    for secret in contents.configuration.secrets:
        if not is_wanted(f"{CONFIG}{secret.file}", options):
            continue
        action = _secret_action(secret, contents, server)
        plan.secrets.append({"path": secret.path, "file": secret.file, "action": action})
    lost = [one["path"] for one in plan.secrets if one["action"] == "enter" and is_needed(one["path"], contents)]
    missing = "".join(f" {name} is missing in the backup." for name in contents.source.missing)
    if lost and options.require_secrets:
        raise AccessManagerError(
            f"{_list(lost)} cannot be decrypted on {server['computer_name']}, and the backup has no clear value of it: "
            f"an administrator has to enter it again in the configuration tool after the restore.{missing} "
            "To restore with a new value, give it in secrets; to restore without it, set require_secrets to false."
        )
    for path in lost:
        plan.add_task(
            f"Enter {path} again in the configuration tool: neither this server nor the backup can decrypt it.{missing}"
            f"{_UNTIL_THEN if signs_in(path) else ''}",
            secret=path,
        )
    _plan_nodes(plan, contents, server)


def _plan_nodes(plan: Plan, contents: Contents, server: TargetServer) -> None:
    """A secret that was given is decrypted by this server alone."""
    given = [one["path"] for one in plan.secrets if one["action"] == "protect" and one["path"] in contents.given]
    if given and server["cluster"]:
        plan.add_task(
            f"{_list(given)} will be protected for this node of the failover cluster alone (mode 1): enter "
            "each once in the configuration tool afterwards, so that the other nodes can decrypt it too."
        )


def is_needed(path: str, contents: Contents) -> bool:
    """Whether an administrator has to enter a secret that is lost: by the backup's settings, Access Manager uses it.

    What its synchronisation of certificates protects, nobody can enter.
    """
    settings = contents.configuration.secret_settings
    return is_used(path, settings) and synchronised_certificate(path, settings) is None


def _secret_action(secret: Secret, contents: Contents, server: TargetServer) -> SecretAction:
    if secret.path in contents.given:
        return "here" if is_same_json(f"config/{secret.file}", server) else "protect"
    if secret.mode == SecretMode.CLEAR:
        return "clear"
    if secret.mode != SecretMode.MACHINE:
        return "untested"
    if server["decrypted_secrets"].get(secret.path):
        return "keep"
    if is_same_json(f"{CONFIG}{secret.file}", server):
        return "here"
    return "protect" if secret.path in contents.secrets and secret.salt_place is not None else "enter"


def _list(names: c.Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
