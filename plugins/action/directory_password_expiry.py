# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expires the stored passwords that depend on a lost key, computer by computer, each only if it is still the one that
was read.
"""

from __future__ import annotations

import time
import typing as t

from ..plugin_utils import _display
from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._directory import computers, expiry_summary, offline_changes, password_expiry, publication
from ..plugin_utils._directory.ldap import Directory, connect, refuse_one_domain_twice
from ..plugin_utils._directory.password_expiry import Tally, Work
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._signing.trust import Trust
from ..plugin_utils._store.key_index import BackedUpKeys
from ..plugin_utils._text import printable
from ..plugin_utils._windows import thumbprints

Result = dict[str, t.Any]

_SHOWN = 50


class ActionModule(AccessManagerAction):
    def perform(self) -> Result:
        self.lost = frozenset(thumbprints.parse(self.params["lost_certificates"]))
        self._refuse_what_makes_no_sense()
        self.tally, self.lines = Tally(), list[str]()
        self.files, self.written, self.finished = list[str](), False, False
        try:
            refuse_one_domain_twice(self.params["servers"], self.params)
            for server in self.params["servers"]:
                with connect(server, self.params) as directory:
                    self._expire(directory)
            self.finished = not self.tally.remaining
            computers.refuse_hidden(len(self.tally.hidden), self.tally.hidden)
            self._refuse_failure_of_all()
        except AccessManagerError as exc:
            return self._result() | {"failed": True, "msg": f"{exc}{self._so_far()}"}
        return self._result()

    def _refuse_what_makes_no_sense(self) -> None:
        offline_changes.refuse_unusable(self.params["publish_only_plan"])
        if not self.lost or not self.params["servers"]:
            raise AccessManagerError(
                "servers or lost is empty: name a domain controller of each domain, and the lost certificates."
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
        self.backups = BackedUpKeys.of(self.params, Trust.of(self.params)) if self.params["backup_root"] else None
        if self.backups:
            self.backups.refuse_held(self.lost)

    def _expire(self, directory: Directory) -> None:
        publication.refuse_unless_another(directory, self.lost, self.backups)
        plan = offline_changes.Expiry(directory.server)
        for computer in computers.read(
            directory, search_base=self.params["search_base"], search_filter=self.params["filter"]
        ):
            work = password_expiry.work_on(computer, self.lost, self.tally, history=self.params["remove_lost_history"])
            if work and self._is_enough():
                self.tally.remaining += 1
            elif work:
                self._do(work, plan)
        if self.params["publish_only_plan"]:
            files, changed = plan.write(
                self.params["publish_only_plan"], directory.domain.name, check_mode=self.check_mode
            )
            self.files, self.written = self.files + files, self.written or changed

    def _do(self, work: Work, plan: offline_changes.Expiry) -> None:
        self.tally.begun += 1
        if len(self.lines) < _SHOWN:
            self.lines.append(_line(work))
        if self.params["publish_only_plan"]:
            plan.add(work.computer.dn, list(work.changes()), work.password, work.history)
        if self._is_planned:
            for changes in work.changes():
                password_expiry.count(changes, self.tally)
            return
        password_expiry.carry_out(work, self.tally)
        if len(self.tally.failed) > self.params["max_failures"]:
            raise AccessManagerError(
                f"{len(self.tally.failed)} computer(s) could not be changed, more than max_failures allows. "
                f"{self._last_failure()}"
            )
        if self.tally.begun % self.params["batch_size"] == 0 and not self._is_enough():
            _display.show(f"{work.computer.directory.server}: {self.tally.expired} passwords expired, {self._others()}")
            time.sleep(self.params["batch_pause"])

    @property
    def _is_planned(self) -> bool:
        return bool(self.params["publish_only_plan"]) or self.check_mode

    def _is_enough(self) -> bool:
        return 0 < int(self.params["limit"]) <= self.tally.begun

    def _refuse_failure_of_all(self) -> None:
        if self.tally.all_failed:
            raise AccessManagerError(
                f"None of the {self.tally.begun} computer(s) that were to be changed could be. {self._last_failure()}"
            )

    def _last_failure(self) -> str:
        return f"The last: {self.tally.failed[-1]['reason']}"

    def _others(self) -> str:
        return (
            f"{self.tally.history_deleted} earlier ones deleted, {self.tally.changed_meanwhile} changed meanwhile, "
            f"{len(self.tally.failed)} failed"
        )

    def _so_far(self) -> str:
        return f" Until then: {self.tally.expired} passwords expired, {self._others()}." if self.tally.begun else ""

    def _result(self) -> Result:
        tally = self.tally
        self.warnings += [f"{one['computer']}: {one['reason']}" for one in tally.failed[:_SHOWN]]
        more = [f"... and {tally.begun - _SHOWN} more computers"] if tally.begun > _SHOWN else []
        return {
            "changed": self.written if self.params["publish_only_plan"] else tally.changed,
            "computers": tally.computers,
            "lost": tally.lost,
            "expired": tally.expired,
            "expired_before": tally.expired_before,
            "history_deleted": tally.history_deleted,
            "history_gone": tally.history_gone,
            "changed_meanwhile": tally.changed_meanwhile,
            "remaining": tally.remaining,
            "failed_computers": tally.failed,
            "finished": self.finished,
            "files": self.files,
            "planned": self._is_planned,
            "summary": expiry_summary.done(tally, self.params["limit"], planned=self._is_planned),
            "diff": {"prepared": "".join(f"{line}\n" for line in [*self.lines, *more])},
        }


def _line(work: Work) -> str:
    what = ["its password expires"] if work.password is not None else []
    what += [f"{len(work.history)} earlier passwords are deleted"] if work.history else []
    return f"~ {printable(work.computer.dn)}: {', '.join(what)}"
