# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the account that connects to a server."""

from __future__ import annotations

from . import policies
from .facts import Facts
from .verdict import Check, State, Verdict, failure, ok, warning

_PRIVILEGES: tuple[tuple[str, State, str], ...] = (
    (
        "SeRestorePrivilege",
        "failure",
        "a restore cannot give files back to their owners ('Restore files and directories')",
    ),
    ("SeDebugPrivilege", "warning", "the processes of service accounts cannot be opened ('Debug programs')"),
)
"""What Administrators may lack by a policy of user rights, how bad that is, and what does not work then."""


_NOT_NEEDED = ("SeBackupPrivilege", "SeSecurityPrivilege", "SeTakeOwnershipPrivilege")
_KNOWN = (*(name for name, _state, _loss in _PRIVILEGES), *_NOT_NEEDED)
"""Those that are named when they are held."""


def _administrator(facts: Facts) -> Verdict:
    account = facts.examination["account"]
    if facts.server["administrator"] and account["elevated"]:
        logon = account["logon"] or "unknown"
        return ok(f"{account['name']} is an administrator, with all rights of one (logon: {logon}).")
    if _is_filtered(facts):
        return failure(
            f"UAC takes the rights of an administrator from {account['name']} over the network: it is a local account.",
            "Use a domain account that is a member of Administrators there, or set LocalAccountTokenFilterPolicy to 1.",
        )
    return failure(
        f"{account['name']} is not an administrator there: it can neither export keys nor stop the service.",
        "Make it a member of the server's Administrators group, or name another account in ansible_user.",
    )


def _is_filtered(facts: Facts) -> bool:
    """Whether the account is local, and UAC gives local administrators over the network a token without their rights.
    """
    domain = facts.examination["account"]["name"].partition("\\")[0]
    is_local = domain.lower() == str(facts.server["computer_name"]).lower()
    return is_local and facts.is_on(policies.UAC) and not facts.is_on(policies.REMOTE_TOKENS)


def _privileges(facts: Facts) -> Verdict:
    held = facts.examination["account"]["privileges"]
    missing = [one for one in _PRIVILEGES if one[0] not in held]
    if not missing:
        return ok(f"It holds {', '.join(name for name in _KNOWN if name in held)}.")
    names = " and ".join(name for name, _state, _loss in missing)
    losses = ", and ".join(loss for _name, _state, loss in missing)
    verdict = failure if any(state == "failure" for _name, state, _loss in missing) else warning
    return verdict(
        f"It does not hold {names}: {losses}.",
        "Give these rights back to Administrators in the group policy that sets 'User Rights Assignment'.",
    )


def _user_names(facts: Facts) -> Verdict:
    error = facts.examination["account"]["user_names"]
    if error:
        return warning(
            f"Windows does not show this account whose a process is: {error}",
            "A restore cannot name the user who has the configuration editor open: see to it that nobody has.",
        )
    return ok("Windows shows this account whose a process is.")


CHECKS: tuple[Check[Facts], ...] = (
    Check("administrator", _administrator),
    Check("privileges", _privileges),
    Check("users of processes", _user_names),
)
