# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an administrator has to do about the service itself when a server takes another's place: its account, how it
starts, and whether it is configured.
"""

from __future__ import annotations

import collections.abc as c

from .._ams.constants import SecretMode
from .._ams.shapes import Service
from .._text import printable
from .items import Item
from .manual_task_facts import ACCOUNT, Recovery
from .plan import Task
from .plan_settings import is_configured

_BUILT_IN = ("localsystem", "nt authority\\", "nt service\\")
_AUTOMATIC = 2
_STARTS_BY_ITSELF = ("auto", "delayed-auto")
_OTHER_START_TYPES = {"3": "demand", "4": "disabled"}
"""How sc.exe names the number that the registry has."""


def account(recovery: Recovery) -> c.Iterator[Task]:
    here = str(recovery.server["state"]["service"].get("account", ""))
    if recovery.account.lower().startswith(_BUILT_IN) and recovery.account.lower() == here.lower():
        return
    named = recovery.account if ACCOUNT.fullmatch(recovery.account) else "DOMAIN\\ACCOUNT"
    identity = named.partition("\\")[2].removesuffix("$")
    if not named.endswith("$"):
        if recovery.account.lower() != here.lower():
            text = (
                f"The service ran as '{printable(recovery.account)}' and runs as '{printable(here)}' here: set account "
                "and password."
            )
            yield Task(Item.SERVICE_ACCOUNT, text, ("services.msc",))
        return
    allowed = f"(Get-ADServiceAccount -Identity '{identity}' -Properties PrincipalsAllowedToRetrieveManagedPassword)"
    yield Task(
        Item.GMSA,
        f"The service ran as the group managed service account '{named}': an administrator of the domain lets "
        f"{recovery.new} use it.",
        (
            f"Set-ADServiceAccount -Identity '{identity}' -PrincipalsAllowedToRetrieveManagedPassword "
            f"(@({allowed}.PrincipalsAllowedToRetrieveManagedPassword) + (Get-ADComputer -Identity "
            f"'{recovery.new}').DistinguishedName)",
            f"Test-ADServiceAccount -Identity '{identity}'",
        ),
    )
    if recovery.account.lower() != here.lower():
        text = (
            f"The service runs as '{printable(here)}' here: give it that account in Access Manager's configuration "
            "tool, under "
            "Web hosting, which does all of it. By hand, in Windows PowerShell: sc.exe does not let the account log "
            "on as a "
            "service, and without that right the service does not start (error 1069). Add the account to 'Log on as a "
            "service' "
            "under User Rights Assignment in secpol.msc, or in the group policy that sets that right, and see that "
            "its SID is in the list before the restart."
        )
        commands = (
            f"sc.exe config lithnetams obj= '{named}' password= '\"\"'",
            "sc.exe managedaccount lithnetams true",
            "(New-Object Security.Principal.NTAccount "
            f"'{named}').Translate([Security.Principal.SecurityIdentifier]).Value",
            "secedit.exe /export /areas USER_RIGHTS /cfg rights.inf; Select-String -Path rights.inf -Pattern "
            "SeServiceLogonRight",
            "Restart-Service lithnetams",
        )
        yield Task(Item.SERVICE_ACCOUNT, text, commands)


def start_type(recovery: Recovery) -> c.Iterator[Task]:
    """Where the service started with the old server, and does not so here."""
    was = _start_type(recovery.contents.configuration.described["state"]["service"])
    here = _start_type(recovery.server["state"]["service"])
    if was in _STARTS_BY_ITSELF and was != here:
        yield Task(
            Item.SERVICE_START_TYPE,
            f"The start type of the service was '{was}' on the old server, and is '{here}' here: set it.",
            (f"sc.exe config lithnetams start= {was}",),
        )


def _start_type(service: Service) -> str:
    """As sc.exe names it."""
    if service["start"] == _AUTOMATIC:
        return _STARTS_BY_ITSELF[bool(service["delayed_start"])]
    return _OTHER_START_TYPES.get(str(service["start"]), "unknown")


def kds(recovery: Recovery) -> c.Iterator[Task]:
    secrets_here = recovery.contents.configuration.secrets
    if recovery.account.endswith("$") or any(secret.mode == SecretMode.DOMAIN for secret in secrets_here):
        text = (
            "A group managed service account, or a secret of mode 3, needs a KDS root key in the forest: see "
            "that there is one."
        )
        yield Task(Item.KDS_ROOT_KEY, text, ("Get-KdsRootKey",))


def configured(recovery: Recovery) -> c.Iterator[Task]:
    """Where neither the backup nor the server says that Access Manager is configured."""
    if not recovery.plan.configured and not is_configured(recovery.contents.configuration.described["state"]):
        yield Task(
            Item.REGISTRY_CONFIGURED,
            "Configured in the registry was not 1 when the backup was made, since its server was never configured, or "
            f"the installer had deleted it. The service of {recovery.new} serves nothing until the settings are saved "
            "in the configuration tool.",
        )
