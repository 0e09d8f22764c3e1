# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recovery does with each thing of Access Manager on this very server, beside what the table says of any."""

from __future__ import annotations

import collections.abc as c

from .._ams.constants import JSON_FILES
from .._ams.description import Record, own_http_configuration
from .._contents.contents import Contents
from .plan import Plan
from .plan_settings import CONFIGURED, place_of

RESTORED = "restored as it is"
REPROTECTED = "re-protected"
REWRITTEN = "rewritten"
KEPT = "kept from the target"
PERSON = "needs a person"
NOT_RESTORED = "not restored"
NOTHING = "nothing to do"
SAME = "as in the backup already"
NONE = "none in the backup"
LEFT_OUT = "left out of this run"
RELOCATED = "moved into the configuration folder"
NOT_MADE = "not made: there is no certificate"

_MODES = (0, 1, 2, 3)
_PARTS = {
    "config": (
        "appsettings.json, appsecrets.json, apphost.json",
        "references to files in the configuration folder",
        "references to files elsewhere",
        "logo, templates, scripts, other files",
        *(f"secrets of mode {mode}" for mode in _MODES),
    ),
    "external": ("files elsewhere",),
    "registry": ("registry: other values", "registry: Configured", "TLS binding", "URL reservations"),
    "certificates": ("certificates", "permissions of private keys"),
}
"""What is left out with a part of restore_only."""


def found_here(backup: Contents, contents: Contents, plan: Plan, parts: c.Container[str]) -> dict[str, str]:
    """What becomes of the things of which this plan says more than the table. C(backup): as the old server made it."""
    left_out = {item: LEFT_OUT for part, items in _PARTS.items() if part not in parts for item in items}
    found = _files(backup, contents, plan) | _secrets(contents, plan) | _settings(contents, plan) | _certificates(contents, plan)
    return found | left_out


def _files(backup: Contents, contents: Contents, plan: Plan) -> dict[str, str]:
    json_files = {f"config/{file}" for file in JSON_FILES}
    changed = {record["name"] for record in plan.files if record["action"] in ("add", "replace", "set")}
    rewritten = {f"config/{one.file}" for one in contents.rewrites} | {
        f"config/{one['file']}" for one in plan.secrets if one["action"] == "protect"
    }
    others = [name for name in changed if name.startswith("config/") and name not in json_files and not name.endswith("/")]
    external = [name for name in backup.configuration.files if name.startswith("external/")]
    moved = [name for name in external if name not in contents.configuration.files]
    inside = [one for one in contents.rewrites if one.was_inside]
    return {
        "appsettings.json, appsecrets.json, apphost.json": REWRITTEN
        if changed & rewritten
        else (RESTORED if changed & json_files else SAME),
        "references to files in the configuration folder": REWRITTEN if inside else RESTORED,
        "references to files elsewhere": REWRITTEN if len(inside) < len(contents.rewrites) else (RESTORED if external else NONE),
        "files elsewhere": (RELOCATED if moved else RESTORED) if external else NONE,
        "logo, templates, scripts, other files": RESTORED if others else SAME,
    }


def _secrets(contents: Contents, plan: Plan) -> dict[str, str]:
    modes = {secret.path: secret.mode for secret in contents.configuration.secrets}
    synchronised = {one["action"] for one in plan.secrets if one["path"].lower().startswith("dataprotection.")}
    actions: dict[str, set[str]] = {"certificate synchronisation": synchronised}
    actions |= {
        f"secrets of mode {mode}": {one["action"] for one in plan.secrets if modes.get(one["path"]) == mode} for mode in _MODES
    }
    words = (("enter", PERSON), ("protect", REPROTECTED), ("untested", RESTORED), ("clear", RESTORED))
    return {
        item: next((word for action, word in words if action in found), SAME) if found else NONE for item, found in actions.items()
    }


def _settings(contents: Contents, plan: Plan) -> dict[str, str]:
    wanted = own_http_configuration(contents.configuration.described["state"]["http_sys"])
    added = plan.http_sys["add"]
    changed = {place_of(value) for value in plan.registry["set"]}
    configured = RESTORED if CONFIGURED in changed else (SAME if plan.configured else KEPT)
    return {
        "registry: Configured": configured,
        "registry: other values": RESTORED if changed - {CONFIGURED} or plan.registry["remove"] else SAME,
        "TLS binding": REWRITTEN if added["bindings"] else _unchanged(wanted["bindings"], plan),
        "URL reservations": RESTORED if added["reservations"] else SAME,
    }


def _unchanged(bindings: c.Sequence[Record], plan: Plan) -> str:
    return SAME if bindings else (KEPT if plan.configured else NOT_MADE)


def _certificates(contents: Contents, plan: Plan) -> dict[str, str]:
    held = RESTORED if plan.certificates else SAME
    here = held if contents.certificates else NONE
    return {"certificates": here, "permissions of private keys": here}
