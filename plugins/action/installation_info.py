# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows what a server has that a backup would hold."""

from __future__ import annotations

import collections.abc as c
import datetime
import itertools
import typing as t

from ..plugin_utils import _display
from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._ams.checks import (
    problems_of_certificates,
    problems_of_configuration,
    refuse_without_rights,
    require_supported_version,
)
from ..plugin_utils._ams.constants import knowledge
from ..plugin_utils._ams.description import DATABASE_FOLDER, Described, files_of
from ..plugin_utils._ams.shapes import Server
from ..plugin_utils._store.inventory import inventory_of_certificates, inventory_of_server
from ..plugin_utils._target import clock, earlier_restores, health, interrupted_stops
from ..plugin_utils._target.answers import DESCRIPTION
from ..plugin_utils._windows import thumbprints

_DETAILS = frozenset({"records", "state", "documents", "references", "machine_certificates"})
"""What grows with the server, and no later step of a backup needs."""


class ActionModule(AccessManagerAction):
    named: list[str]

    def perform(self) -> dict[str, t.Any]:
        self.named = thumbprints.parse(self.params["thumbprints"])
        described, skew = clock.timed(self._described)
        described["clock_skew_seconds"] = skew
        if clock.is_skewed(skew):
            _display.warn(clock.sentence(skew, self.target.label))
        runs = described.get("interrupted_stops", [])
        described["needs_recovery"] = bool(described["stale_runs"] or interrupted_stops.stopped(runs))
        described["interrupted_stops"] = interrupted_stops.warn(runs, self.target.label)
        described["unended_restores"] = self._unended(described)
        if "state" in described:
            described |= self._warned(described)
            described["may_stop"] = health.may_stop(described)
            described["start_obstacles"] = health.start_obstacles(described)
        if not self.params["require_supported"]:
            return described
        require_supported_version(described)
        refuse_without_rights(described)
        server = t.cast(Server, described)
        with_database = self._with_database(server)
        files, certificates = files_of(server["records"]), server["certificates"]
        if not with_database:
            files = [file for file in files if not file["name"].startswith(DATABASE_FOLDER)]
        inventory = inventory_of_server(server, include_database=with_database)
        problems = [*problems_of_configuration(server), *problems_of_certificates(certificates, self.named)]
        shown = described if self.params["details"] else _without_details(described)
        return shown | {
            "files": len(files),
            "bytes": sum(file["size"] for file in files),
            "with_database": with_database,
            "inventory": inventory | inventory_of_certificates(certificates),
            "problems": [*problems, *described["unended_restores"]],
        }

    def _described(self) -> dict[str, t.Any]:
        question = {
            "knowledge": knowledge(self.named),
            "include_database": self.params["include_database"],
            "staging_root": self.params["staging_root"] or "",
        }
        described = self.target.call(question, DESCRIPTION)
        return {**described}

    def _warned(self, described: Described) -> dict[str, list[str]]:
        """What will hurt later, after a warning with each."""
        thresholds = health.Thresholds(self.params["tls_expiry_days"], self.params["certificate_expiry_days"])
        found = {
            "health_warnings": [*health.warnings_of(described), *self._without_database(described)],
            "expiry_warnings": health.expiry_warnings_of(described, datetime.datetime.now(datetime.UTC), thresholds),
        }
        found["event_warnings"] = health.event_warnings_of(described)
        for sentence in itertools.chain.from_iterable(found.values()):
            _display.warn(f"{self.target.label}: {sentence}")
        return found

    def _with_database(self, described: Described) -> bool:
        """Whether a backup copies the database: no service is stopped for a cache that could not start again."""
        return self.params["include_database"] and (self.params["force_stop"] or health.may_stop(described))

    def _without_database(self, described: Described) -> c.Iterator[str]:
        """A sentence when the database was asked for, and is left out."""
        if self.params["include_database"] and not self._with_database(described):
            yield (
                "The database is left out of backups, since it is copied only while the service is stopped, which "
                "could not start again. Access Manager recreates it."
            )

    def _unended(self, described: Described) -> list[str]:
        """A sentence for each restore that never ended, after a warning with it."""
        sentences = earlier_restores.problems(described.get("unended_restores", []))
        for sentence in sentences:
            _display.warn(f"{self.target.label}: {sentence}")
        return sentences


def _without_details(described: dict[str, t.Any]) -> dict[str, t.Any]:
    return {key: value for key, value in described.items() if key not in _DETAILS}
