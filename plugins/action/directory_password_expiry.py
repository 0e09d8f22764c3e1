# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expires the stored passwords that depend on a lost key, computer by computer, each only if it is still the one that
was read.
"""

from __future__ import annotations

import time
import typing as t

from ..plugin_utils import _progress
from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._directory import computers, expiry_summary, offline_changes, password_expiry, publication
from ..plugin_utils._directory.ldap import Directory, connect, refuse_one_domain_twice
from ..plugin_utils._directory.password_expiry import ComputerChange, ExpiryStatistics
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._signing.trust import Trust
from ..plugin_utils._store.key_index import KeyIndex
from ..plugin_utils._text import printable
from ..plugin_utils._windows import thumbprints

Result = dict[str, t.Any]

_SHOWN = 50


class ActionModule(AccessManagerAction):
    lost: frozenset[str]
    backups: KeyIndex | None
    statistics: ExpiryStatistics
    lines: list[str]
    """Of the difference that is shown."""

    files: list[str]
    written: bool
    """Whether a file for another team was written that is not as it was."""

    finished: bool

    def perform(self) -> Result:
        self.lost = frozenset(thumbprints.parse(self.params["lost_certificates"]))
        self._check_options()
        self.statistics, self.lines = ExpiryStatistics(), list[str]()
        self.files, self.written, self.finished = list[str](), False, False
        try:
            refuse_one_domain_twice(self.params["servers"], self.params)
            for server in self.params["servers"]:
                with connect(server, self.params) as directory:
                    self._expire(directory)
            self.finished = not self.statistics.remaining
            computers.refuse_hidden(len(self.statistics.hidden), self.statistics.hidden)
            self._refuse_failure_of_all()
        except AccessManagerError as exc:
            return self._result() | {"failed": True, "msg": f"{exc}{self._so_far()}"}
        return self._result()

    def _check_options(self) -> None:
        offline_changes.refuse_unusable(self.params["publish_only_plan"])
        if not self.lost or not self.params["servers"]:
            raise AccessManagerError(
                "servers or lost_certificates is empty: name a domain controller of each domain, and the lost "
                "certificates."
            )
        if self.params["search_base"] and len(self.params["servers"]) > 1:
            raise AccessManagerError(
                "search_base lies in one domain, but several servers are given: ask each domain for itself."
            )
        if self.params["batch_size"] < 1:
            raise AccessManagerError(f"batch_size is {self.params['batch_size']}: it must be 1 or more.")
        if self.params["remove_lost_history"] and not self.params["backup_root"]:
            raise AccessManagerError(
                "remove_lost_history needs backup_root: history is only deleted when no backup holds its key."
            )
        self.backups = KeyIndex.of(self.params, Trust.of(self.params)) if self.params["backup_root"] else None
        if self.backups:
            self.backups.refuse_held(self.lost, keys_lost=self.params["configuration_keys_lost"])

    def _expire(self, directory: Directory) -> None:
        publication.refuse_unless_another(directory, self.lost, self.backups)
        plan = offline_changes.PasswordExpiryPlan(directory.server)
        found = computers.read(directory, search_base=self.params["search_base"], search_filter=self.params["filter"])
        for computer in _progress.counted(found, f"of {directory.server} read", unit=_progress.COMPUTERS):
            change = password_expiry.change_of(
                computer, self.lost, self.statistics, history=self.params["remove_lost_history"]
            )
            if change and self._is_enough():
                self.statistics.remaining += 1
            elif change:
                self._carry_out(change, plan)
        if self.params["publish_only_plan"]:
            files, changed = plan.write(
                self.params["publish_only_plan"], directory.domain.name, check_mode=self.check_mode
            )
            self.files, self.written = self.files + files, self.written or changed

    def _carry_out(self, change: ComputerChange, plan: offline_changes.PasswordExpiryPlan) -> None:
        self.statistics.begun += 1
        if len(self.lines) < _SHOWN:
            self.lines.append(_line(change))
        if self.params["publish_only_plan"]:
            plan.add(change.computer.dn, list(change.changes()), change.password, change.history)
        if self._is_planned:
            for changes in change.changes():
                password_expiry.count(changes, self.statistics)
            return
        password_expiry.carry_out(change, self.statistics)
        if len(self.statistics.failed) > self.params["max_failures"]:
            raise AccessManagerError(
                f"{len(self.statistics.failed)} computer(s) could not be changed, more than max_failures allows. "
                f"{self._last_failure()}"
            )
        if self.statistics.begun % self.params["batch_size"] == 0 and not self._is_enough():
            time.sleep(self.params["batch_pause"])

    @property
    def _is_planned(self) -> bool:
        return bool(self.params["publish_only_plan"]) or self.check_mode

    def _is_enough(self) -> bool:
        return 0 < int(self.params["limit"]) <= self.statistics.begun

    def _refuse_failure_of_all(self) -> None:
        if self.statistics.all_failed:
            raise AccessManagerError(
                f"None of the {self.statistics.begun} computer(s) that were to be changed could be. "
                f"{self._last_failure()}"
            )

    def _last_failure(self) -> str:
        return f"The last: {self.statistics.failed[-1]['reason']}"

    def _others(self) -> str:
        return (
            f"{self.statistics.history_deleted} earlier ones deleted, "
            f"{self.statistics.changed_meanwhile} changed meanwhile, {len(self.statistics.failed)} failed"
        )

    def _so_far(self) -> str:
        if not self.statistics.begun:
            return ""
        return f" Until then: {self.statistics.expired} passwords expired, {self._others()}."

    def _result(self) -> Result:
        statistics = self.statistics
        self.warnings += [f"{one['computer']}: {one['reason']}" for one in statistics.failed[:_SHOWN]]
        more = [f"... and {statistics.begun - _SHOWN} more computers"] if statistics.begun > _SHOWN else []
        return {
            "changed": self.written if self.params["publish_only_plan"] else statistics.changed,
            "computers": statistics.computers,
            "lost": statistics.lost,
            "expired": statistics.expired,
            "expired_before": statistics.expired_before,
            "history_deleted": statistics.history_deleted,
            "history_gone": statistics.history_gone,
            "changed_meanwhile": statistics.changed_meanwhile,
            "remaining": statistics.remaining,
            "failed_computers": statistics.failed,
            "finished": self.finished,
            "files": self.files,
            "planned": self._is_planned,
            "summary": expiry_summary.done(statistics, self.params["limit"], planned=self._is_planned),
            "diff": {"prepared": "".join(f"{line}\n" for line in [*self.lines, *more])},
        }


def _line(change: ComputerChange) -> str:
    what = ["its password expires"] if change.password is not None else []
    what += [f"{len(change.history)} earlier passwords are deleted"] if change.history else []
    return f"~ {printable(change.computer.dn)}: {', '.join(what)}"
