# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends the run of a host as failed, or as unreachable."""

from __future__ import annotations

import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._errors import AccessManagerError, UnreachableError


class ActionModule(AccessManagerAction):
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        if result["reachable"]:
            return result
        return result | {"failed": False, "unreachable": True}

    def perform(self) -> dict[str, t.Any]:
        kind = AccessManagerError if self.params["reachable"] else UnreachableError
        raise kind(self.params["failure"])
