# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifies the backups under a root: without a key what can be known so, and with one that everything decrypts and is
verified.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import datetime
import itertools
import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._age.decryption import Decryptor
from ..plugin_utils._copies.history import CopyHistory
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._maintenance import host_verdict, verification
from ..plugin_utils._maintenance.host_verdict import Limits
from ..plugin_utils._maintenance.verification import Backup, Host, Result
from ..plugin_utils._report.files import ReportFiles
from ..plugin_utils._report.table import table_of
from ..plugin_utils._signing.trust import UNVERIFIED, Trust
from ..plugin_utils._store import high_water_mark, installers
from ..plugin_utils._store.attachments import Attachments
from ..plugin_utils._store.high_water_mark import LAST_DRILL, LAST_RUN, HighWaterMark
from ..plugin_utils._store.store import BackupStore, hosts
from ..plugin_utils._text import printable_data, timestamp
from ..plugin_utils._threads import in_threads

_SHOWN = 5


class ActionModule(AccessManagerAction):
    trust: Trust

    def perform(self) -> dict[str, t.Any]:
        decryptor, now = Decryptor.of(self.params), datetime.datetime.now(datetime.UTC)
        self.trust = Trust.of(self.params)
        self._check_options()
        files = ReportFiles.wanted(self.params["report"]) if self.params["report"] else None
        found = [verification.read_host(store, now) for store in self._stores()]
        in_threads(lambda host: self._verify_beside(host, decryptor), found)
        accepted = [host.store.host for host in found if self._compared_with_mark(host, now)]
        wanted = list(itertools.chain.from_iterable(in_threads(self._wanted, found)))
        verification.verify(wanted, decryptor)
        self.warnings += itertools.chain.from_iterable(map(host_verdict.warnings_of_host, found))
        self._warn_of_foreign(wanted)
        backups = [verification.result_of_backup(backup) for backup in wanted if not backup.problems or backup.is_there]
        hosts = [self._result_of_host(host) for host in found]
        details = {"backups": backups, "hosts": hosts, "verified_at": timestamp(now)}
        report = self._report(files, details) if files else {"written": []}
        problems = _problems_of(details)
        origin = self._origin(backups)
        return {
            "changed": bool(accepted or report["written"]),
            "accepted_hosts": accepted,
            "report": report,
            "origin": origin,
            "problem_count": len(problems),
            "table": table_of(hosts, backups, origin),
            "verified_at": details["verified_at"],
        } | self._verdict(problems, report.get("problem")) | (details if self.params["details"] else {})

    def _report(self, files: ReportFiles, details: dict[str, t.Any]) -> dict[str, t.Any]:
        """Writes the report; what became of it. What was found is returned in any case."""
        try:
            return files.write([printable_data(details)], check_mode=self.check_mode)
        except AccessManagerError as exc:
            return {"written": [], "problem": str(exc)}

    def _verify_beside(self, host: Host, decryptor: Decryptor) -> None:
        """What lies beside the backups of a host."""
        if host.unreadable:
            return
        attachments = Attachments(host.store, self.params["state_dir"])
        host.beside = [
            *_sentences(lambda: installers.damage(host.store)),
            *_sentences(lambda: attachments.problems(decryptor)),
        ]
        with contextlib.suppress(AccessManagerError):  # it is one of the problems
            host.attachments = [one.record["name"] for one in attachments.all() if one.record and not one.problem]

    def _warn_of_foreign(self, backups: list[Backup]) -> None:
        for one in [backup for backup in backups if backup.foreign][:_SHOWN]:
            names = ", ".join(one.foreign)
            self.warnings.append(f"'{one.folder}' holds {names}, which a file server or file manager left there.")

    def _check_options(self) -> None:
        for option, unit in (("check_age", "hours"), ("check_copies", "hours"), ("check_drill", "days")):
            value = self.params[option]
            if value is not None and not value > 0:
                raise AccessManagerError(f"{option} is {value:g}: it must be a number of {unit} above zero.")

    def _result_of_host(self, host: Host) -> Result:
        copies = CopyHistory(host.store, self.params["state_dir"])
        host.copies = copies.ages(self._destinations_of(host.store.host), host.now)
        limits = Limits(self.params["check_age"], self.params["check_copies"], self.params["check_drill"])
        return host_verdict.result_of_host(host, limits)

    def _destinations_of(self, host: str) -> list[str] | None:
        names = self.params["copies"].get(host)
        if names is None or (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            return names
        raise AccessManagerError(f"copies is {names!r} for {host}: it must be a list of names of destinations.")

    def _stores(self) -> list[BackupStore]:
        root = self.params["backup_root"]
        known = hosts(root, check_owner=self.params["check_backup_owner"])
        there = {*known, *high_water_mark.hosts(root, self.params["state_dir"])}
        wanted = dict.fromkeys(self.params["hosts"] or sorted(there))
        if not wanted:
            raise AccessManagerError(
                f"There is no backup of any host in '{root}', so nothing was verified: see whether what belongs there "
                "is mounted."
            )
        return [BackupStore.of(self.params, host, self.trust) for host in wanted]

    def _compared_with_mark(self, host: Host, now: datetime.datetime) -> bool:
        """Notes what is not in the store as this controller published it.

        Returns whether that was accepted as it is.
        """
        mark = HighWaterMark(host.store, self.params["state_dir"])
        attachments = Attachments(host.store, self.params["state_dir"])
        if not host.unreadable:
            host.lost = [
                *mark.problems(),
                *mark.problems_of_record(LAST_RUN, host.runs.last),
                *mark.problems_of_record(LAST_DRILL, host.drills.last),
                *attachments.lost(),
            ]
        if not host.lost or not self.params["accept_history"]:
            return False
        if not self.check_mode:
            mark.accept(now)
            attachments.accept()
        host.lost = []
        return True

    def _wanted(self, host: Host) -> list[Backup]:
        """The backups to verify, the newest first."""
        return list(reversed(verification.latest(host) if self.params["latest_only"] else host.backups))

    def _origin(self, backups: list[Result]) -> str:
        """One sentence on who made the backups."""
        if not self.trust.signers:
            return UNVERIFIED
        signed = sum(backup["signer"] is not None for backup in backups)
        others = " Others are accepted too, because allow_unsigned is set." if self.trust.allow_unsigned else ""
        return f"{signed} of {len(backups)} backup(s) are signed by an allowed signer.{others}"

    def _verdict(self, problems: list[str], of_report: str | None) -> dict[str, t.Any]:
        """Whether the task fails, and what it says then."""
        said = [of_report] if of_report else []
        if problems:
            more = f" And {len(problems) - _SHOWN} more." if len(problems) > _SHOWN else ""
            said.append(f"{len(problems)} problem(s) found. {' '.join(problems[:_SHOWN])}{more}")
        if said:
            return {"failed": bool(of_report or self.params["fail_on_problems"]), "msg": " ".join(said)}
        return {"msg": "No problem was found." if self.trust.signers else f"No problem was found. {UNVERIFIED}"}


def _sentences(problems: c.Callable[[], list[str]]) -> list[str]:
    """The problems that are found, or why nothing can be found."""
    try:
        return problems()
    except AccessManagerError as exc:
        return [str(exc)]


def _problems_of(details: dict[str, t.Any]) -> list[str]:
    """The problems of hosts, and then those of backups."""
    problems = list(itertools.chain.from_iterable(host["problems"] for host in details["hosts"]))
    for backup in details["backups"]:
        problems += [f"{backup['host']} {backup['id']}: {problem}" for problem in backup["problems"]]
    return problems
