# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recovery does with each thing of Access Manager in this run, where that says more than the general table."""

from __future__ import annotations

import collections.abc as c

from .._ams.constants import CONFIG, EXTERNAL, JSON_FILES, SecretMode
from .._ams.description import own_http_configuration
from .._contents.contents import Contents
from .items import Item, Outcome
from .plan import Plan
from .plan_settings import CONFIGURED, place_of

_SECRETS: dict[int, Item] = {
    SecretMode.CLEAR: Item.SECRETS_OF_MODE_0,
    SecretMode.MACHINE: Item.SECRETS_OF_MODE_1,
    SecretMode.CLUSTER: Item.SECRETS_OF_MODE_2,
    SecretMode.DOMAIN: Item.SECRETS_OF_MODE_3,
}
"""By their mode."""

_ITEMS_OF_PART = {
    "config": (
        Item.JSON_FILES,
        Item.REFERENCES_INSIDE,
        Item.REFERENCES_ELSEWHERE,
        Item.OTHER_FILES,
        *_SECRETS.values(),
    ),
    "external": (Item.FILES_ELSEWHERE,),
    "registry": (Item.REGISTRY_OTHER_VALUES, Item.REGISTRY_CONFIGURED, Item.TLS_BINDING, Item.URL_RESERVATIONS),
    "certificates": (Item.CERTIFICATES, Item.PRIVATE_KEY_PERMISSIONS),
}
"""What is left out with a part of restore_only."""

_OUTCOME_OF_ACTION = {
    "enter": Outcome.MANUAL,
    "protect": Outcome.REPROTECTED,
    "untested": Outcome.RESTORED,
    "clear": Outcome.RESTORED,
}
"""What the actions on secrets come to: the first that applies to one of them counts for all of a kind."""


def outcome_of_items(backup: Contents, contents: Contents, plan: Plan, parts: c.Container[str]) -> dict[Item, Outcome]:
    """What happens to the things of which this plan says more than the table. C(backup): as the old server made it."""
    outcomes = _files(backup, contents, plan) | _references(backup, contents)
    outcomes |= _secrets(contents, plan) | _settings(contents, plan) | _certificates(contents, plan)
    for part, items in _ITEMS_OF_PART.items():
        if part not in parts:
            outcomes |= dict.fromkeys(items, Outcome.LEFT_OUT)
    return outcomes


def _files(backup: Contents, contents: Contents, plan: Plan) -> dict[Item, Outcome]:
    json_files = {f"{CONFIG}{file}" for file in JSON_FILES}
    changed = {record["name"] for record in plan.files if record["action"] in ("add", "replace", "set")}
    rewritten = {f"{CONFIG}{rewrite.file}" for rewrite in contents.rewrites}
    rewritten |= {f"{CONFIG}{secret['file']}" for secret in plan.secrets if secret["action"] == "protect"}
    others = [name for name in changed - json_files if name.startswith(CONFIG) and not name.endswith("/")]
    external = _external_files(backup)
    relocated = any(name not in contents.configuration.files for name in external)
    return {
        Item.JSON_FILES: _first(
            (Outcome.REWRITTEN, changed & rewritten), (Outcome.RESTORED, changed & json_files), default=Outcome.SAME
        ),
        Item.FILES_ELSEWHERE: _first(
            (Outcome.NONE, not external), (Outcome.RELOCATED, relocated), default=Outcome.RESTORED
        ),
        Item.OTHER_FILES: _first((Outcome.RESTORED, others), default=Outcome.SAME),
    }


def _references(backup: Contents, contents: Contents) -> dict[Item, Outcome]:
    inside = [rewrite for rewrite in contents.rewrites if rewrite.was_inside]
    return {
        Item.REFERENCES_INSIDE: _first((Outcome.REWRITTEN, inside), default=Outcome.RESTORED),
        Item.REFERENCES_ELSEWHERE: _first(
            (Outcome.REWRITTEN, len(inside) < len(contents.rewrites)),
            (Outcome.RESTORED, _external_files(backup)),
            default=Outcome.NONE,
        ),
    }


def _external_files(backup: Contents) -> list[str]:
    return [name for name in backup.configuration.files if name.startswith(EXTERNAL)]


def _secrets(contents: Contents, plan: Plan) -> dict[Item, Outcome]:
    modes = {secret.path: secret.mode for secret in contents.configuration.secrets}
    actions: dict[Item, set[str]] = {item: set() for item in (Item.CERTIFICATE_SYNCHRONISATION, *_SECRETS.values())}
    for secret in plan.secrets:
        mode = modes.get(secret["path"], -1)
        if item := _SECRETS.get(mode):
            actions[item].add(secret["action"])
        if secret["path"].lower().startswith("dataprotection."):
            actions[Item.CERTIFICATE_SYNCHRONISATION].add(secret["action"])
    return {item: _outcome_of_actions(found) for item, found in actions.items()}


def _outcome_of_actions(actions: set[str]) -> Outcome:
    if not actions:
        return Outcome.NONE
    return next((outcome for action, outcome in _OUTCOME_OF_ACTION.items() if action in actions), Outcome.SAME)


def _settings(contents: Contents, plan: Plan) -> dict[Item, Outcome]:
    backed_up = own_http_configuration(contents.configuration.described["state"]["http_sys"])
    added = plan.http_sys["add"]
    changed = {place_of(value) for value in plan.registry["set"]}
    others = bool(changed - {CONFIGURED} or plan.registry["remove"])
    return {
        Item.REGISTRY_CONFIGURED: _first(
            (Outcome.RESTORED, CONFIGURED in changed), (Outcome.SAME, plan.configured), default=Outcome.KEPT
        ),
        Item.REGISTRY_OTHER_VALUES: _first((Outcome.RESTORED, others), default=Outcome.SAME),
        Item.TLS_BINDING: _first(
            (Outcome.REWRITTEN, added["bindings"]),
            (Outcome.SAME, backed_up["bindings"]),
            (Outcome.KEPT, plan.configured),
            default=Outcome.NOT_MADE,
        ),
        Item.URL_RESERVATIONS: _first((Outcome.RESTORED, added["reservations"]), default=Outcome.SAME),
    }


def _certificates(contents: Contents, plan: Plan) -> dict[Item, Outcome]:
    outcome = _first(
        (Outcome.NONE, not contents.certificates), (Outcome.RESTORED, plan.certificates), default=Outcome.SAME
    )
    return {Item.CERTIFICATES: outcome, Item.PRIVATE_KEY_PERMISSIONS: outcome}


def _first(*cases: tuple[Outcome, object], default: Outcome) -> Outcome:
    """The outcome of the first case that holds."""
    return next((outcome for outcome, holds in cases if holds), default)
