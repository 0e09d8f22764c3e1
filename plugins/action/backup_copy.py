# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies what is kept of a host to other places, or verifies the copies there."""

from __future__ import annotations

import itertools
import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._copies import copying
from ..plugin_utils._copies.copied_kinds import all_of
from ..plugin_utils._copies.copying import CopyResult
from ..plugin_utils._copies.destinations import Destination, destinations_of
from ..plugin_utils._copies.history import CopyHistory
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._signing.trust import Trust
from ..plugin_utils._store.store import BackupStore


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        try:
            results = self._results()
        except AccessManagerError as exc:
            if self.params["fail"]:
                raise
            results = [CopyResult("", problems=[str(exc)])]
        problems = list(itertools.chain.from_iterable(one.named(one.problems) for one in results))
        self.warnings += itertools.chain.from_iterable(one.named(one.warnings) for one in results)
        if problems and not self.params["fail"]:
            self.warnings += [f"A copy of the backups of {self.host} failed. {problem}" for problem in problems]
        destinations = [one.as_result() for one in results if one.destination]
        return {
            "changed": any(one.copied for one in results),
            "failed": bool(problems and self.params["fail"]),
            "msg": " ".join(problems),
            "host": self.host,
            "destinations": destinations,
            "problems": problems,
        }

    def _results(self) -> list[CopyResult]:
        """What became of each destination. Raises AccessManagerError when the options or the backups are not usable."""
        if not self.params["destinations"]:
            raise AccessManagerError(
                f"No destination is named for the copies of {self.host}: set destinations; in the inventory, "
                "access_manager_copies."
            )
        store = BackupStore.of(self.params, self.host, Trust.of(self.params))
        history = CopyHistory(store, self.params["state_dir"])
        destinations = destinations_of(self.params["destinations"], history, store.root)
        if not any(True for _one in all_of(store)):
            raise AccessManagerError(f"There is no backup of {self.host} in '{store.folder}': nothing can be copied.")
        return [self._result_of(store, destination, history) for destination in destinations]

    def _result_of(self, store: BackupStore, destination: Destination, history: CopyHistory) -> CopyResult:
        if self.params["state"] == "verified":
            return copying.verify(store, destination, history)
        return copying.copy(store, destination, history, check_mode=self.check_mode)
