# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives the service the certificates of a backup that it lacks, with their private keys."""

from __future__ import annotations

import dataclasses
import typing as t

from ..plugin_utils._ams.constants import knowledge
from ..plugin_utils._contents.contents import Contents
from ..plugin_utils._errors import AccessManagerError, ConnectionLostError, UnansweredError
from ..plugin_utils._restore.action import RestoreAction
from ..plugin_utils._restore.plan_text import certificate_lines_of
from ..plugin_utils._restore.planner import make_certificate_plan
from ..plugin_utils._target.answers import Change
from ..plugin_utils._target.call import new_run
from ..plugin_utils._windows import thumbprints


class ActionModule(RestoreAction):
    @property
    def parts(self) -> frozenset[str]:
        return frozenset({"certificates"})

    def perform(self) -> dict[str, t.Any]:
        contents = self._wanted(self.contents(certificates_alone=True))
        plan = make_certificate_plan(contents, self.target_server(contents))
        lines = certificate_lines_of(plan)
        result = {
            "changed": bool(plan.certificates),
            "certificates": plan.certificates,
            "signer": contents.source.origin.signer,
            "origin": contents.source.origin.sentence,
            "diff": {"prepared": "".join(f"{line}\n" for line in lines)},
        }
        if self.check_mode or not plan.certificates:
            return result
        self.refuse_kept_arguments()
        given = new_run(self.params["staging_root"]) | {
            "knowledge": knowledge(contents.certificates or ()),
            "certificates": self.given_certificates(contents, plan),
            "lock_timeout": self.params["lock_timeout"],
        }
        try:
            return result | {"changed": self.target.call(given, Change, repeatable=False)["changed"]}
        except (ConnectionLostError, UnansweredError) as exc:
            exc.changed = True
            raise

    def _wanted(self, contents: Contents) -> Contents:
        """The backup with those of its certificates that are wanted."""
        wanted, held = thumbprints.parse(self.params["thumbprints"]), contents.certificates or {}
        for thumbprint in wanted:
            if thumbprint not in held or held[thumbprint].pfx is None:
                raise AccessManagerError(
                    f"The backup {contents.source.label} does not hold the private key of certificate {thumbprint}."
                )
        return dataclasses.replace(contents, certificates={one: held[one] for one in wanted}) if wanted else contents
