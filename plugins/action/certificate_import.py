# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives the service the certificates of a backup that it lacks, with their private keys, or takes back what a call gave it."""

from __future__ import annotations

import base64
import typing as t

from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents import Certificate
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restoring import RestoreAction

_WORDS = {"import": "+ certificate {}", "give_key": "~ certificate {} (key)", "give_access": "~ certificate {} (permission)"}


class ActionModule(RestoreAction):
    def perform(self) -> dict[str, t.Any]:
        if self.params["state"] == "absent":
            return self._take_back()
        contents = self.contents()
        wanted = self.plan(contents, self.situation(contents)).certificates
        result = {"changed": bool(wanted), "certificates": wanted, "diff": _diff(wanted), "undo": []}
        if self.check_mode or not wanted:
            return result
        held = contents.certificates or {}
        answer = self.call_target(
            {"knowledge": self.knowledge(), "certificates": [_given(one, held[one["thumbprint"]]) for one in wanted]}
        )
        return result | {"changed": answer["changed"], "undo": answer["undo"]}

    def _take_back(self) -> dict[str, t.Any]:
        undo = self.params["undo"]
        if undo is None:
            raise AccessManagerError("undo says what to take back: it is required when state is absent.")
        if self.check_mode or not undo:
            return {"changed": bool(undo)}
        return {"changed": self.call_target({"knowledge": self.knowledge(), "undo": undo})["changed"]}


def _given(wanted: dict[str, t.Any], held: Certificate) -> dict[str, t.Any]:
    """What the target needs for one certificate: its PFX only when the key is missing there."""
    if wanted["action"] == "give_access" or held.pfx is None:
        return wanted
    return wanted | {"pfx": base64.b64encode(held.pfx).decode(), "password": held.password}


def _diff(wanted: list[dict[str, t.Any]]) -> dict[str, str]:
    lines = [_WORDS[one["action"]].format(one["thumbprint"]) for one in wanted]
    return {"prepared": "\n".join(lines) + "\n" if lines else ""}
