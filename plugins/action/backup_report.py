# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what verifications found as JSON, for Prometheus, and as a page for people."""

from __future__ import annotations

import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._report.files import ReportFiles


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        files = ReportFiles.of(self.params)
        done = files.write(self.params["verifications"], self.params["hosts"], check_mode=self.check_mode)
        return {"changed": bool(done["written"])} | done
