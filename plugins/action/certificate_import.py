# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives the service the certificates of a backup that it lacks, with their private keys."""

from __future__ import annotations

import typing as t

from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restoring import RestoreAction


class ActionModule(RestoreAction):
    @property
    def parts(self) -> frozenset[str]:
        return frozenset({"certificates"})

    def perform(self) -> dict[str, t.Any]:
        backup = self.contents()
        situation = self.situation(backup)
        contents = self.for_this_server(backup, situation)
        plan = self.plan(contents, situation)
        lines = plan.certificate_lines()
        result = {
            "changed": bool(plan.certificates),
            "certificates": plan.certificates,
            "diff": {"prepared": "".join(f"{line}\n" for line in lines)},
        }
        if self.check_mode or not plan.certificates:
            return result
        given = {
            "knowledge": self.knowledge(),
            "certificates": self.given_certificates(contents, plan),
            "run_id": self.new_run_id(),
            "controller": self.controller_name(),
            "staging_root": self.params["staging_root"],
            "lock_timeout": self.params["lock_timeout"],
        }
        return result | {"changed": self.call_target(given, repeatable=False)["changed"]}
