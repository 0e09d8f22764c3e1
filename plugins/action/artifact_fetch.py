# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a configuration to the controller and encrypts it as config.zip."""

from __future__ import annotations

import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._age.encryption import Encryptor
from ..plugin_utils._parts.configuration import ConfigurationPart
from ..plugin_utils._parts.part import open_backup
from ..plugin_utils._target import live_configuration
from ..plugin_utils._target.call import Run, new_run
from ..plugin_utils._target.envelope import CallKey


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        encryptor = Encryptor.of(self.params)
        if self.check_mode:
            return {"changed": True, "steady": True}
        if self.params["run_id"]:
            staged = self._run() | {"run_id": self.params["run_id"], "live": False}
            return self.target.retry(lambda: self._fetch(encryptor, staged))
        return self.target.retry_with_new_run(self._run, lambda run: self._fetch(encryptor, run))

    def _run(self) -> Run:
        return new_run(self.params["staging_root"]) | {"live": True}

    def _fetch(self, encryptor: Encryptor, run: Run) -> dict[str, t.Any]:
        wanted = {key: self.params[key] for key in ("expected_bytes", "include_database")}
        part = ConfigurationPart(self.target, open_backup(self.params, self.host), encryptor, CallKey(), **wanted)
        answer = live_configuration.ask(self.target, run, part.key, lock_timeout=self.params["lock_timeout"])
        if answer["steady"] is False:
            return {"steady": False, "attempts": answer["attempts"]}
        result = part.receive(answer)
        if run["live"] and answer["path"]:
            self.target.remove_sent(run)
        return result
