# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a drill around its restore: choice, a scratch server made ready, its keys, its removal, its record."""

from __future__ import annotations

import datetime
import os
import pwd
import typing as t

from ..plugin_utils import _display
from ..plugin_utils._drill import choice
from ..plugin_utils._drill.answers import Mark
from ..plugin_utils._drill.running_drill import RunningDrill
from ..plugin_utils._drill.scratch_server import Scratch
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._restore.action import RestoreAction
from ..plugin_utils._restore.outgoing_channels import Endpoint, endpoints_of
from ..plugin_utils._shape import checked
from ..plugin_utils._signing.signer import Signer, refuse_without_key
from ..plugin_utils._signing.trust import Trust
from ..plugin_utils._store import drill_log, run_log
from ..plugin_utils._store.drill_log import FAILED, PASSED, Drill
from ..plugin_utils._store.high_water_mark import LAST_CHOICE, LAST_DRILL, HighWaterMark
from ..plugin_utils._store.signed_lines import moment_of, without_signature
from ..plugin_utils._store.store import BackupStore, hosts, time_of_id
from ..plugin_utils._target.answers import MarkedDrill
from ..plugin_utils._target.call import controller_name
from ..plugin_utils._text import printable, shortened, time_of, timestamp

_LONGEST = 500
_INTERRUPTED = (
    "The drill was interrupted: the next one found what it had left on {scratch}, and removes it. What it was is known "
    "from that server alone."
)


class ActionModule(RestoreAction):
    def perform(self) -> dict[str, t.Any]:
        self.now = datetime.datetime.now(datetime.UTC)
        steps = {
            "cleared": self._cleared,
            "chosen": self._chosen,
            "prepared": self._prepared,
            "tested": self._tested,
            "cleaned": self._cleaned,
            "recorded": self._recorded,
        }
        return steps[self.params["state"]]()

    @property
    def _scratch_name(self) -> str:
        return str(self.task_vars["inventory_hostname"])

    @property
    def _scratch(self) -> Scratch:
        return Scratch(self.target, self.params)

    @property
    def _account(self) -> str:
        """Who drills: the user of AWX who launched the job, or the account on the controller."""
        if by := self.task_vars.get("awx_user_name"):
            return str(by)
        try:
            return pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # an account without a name, as in a container
            return f"uid {os.getuid()}"

    @property
    def _started(self) -> str:
        """When the drill began."""
        return self.params["started"] or timestamp(self.now)

    def _hosts(self) -> list[str]:
        return hosts(self.params["backup_root"], check_owner=self.params["check_backup_owner"])

    def _store(self, host: str) -> BackupStore:
        return BackupStore.of(self.params, host, Trust.of(self.params))

    # ---- the steps ----

    def _cleared(self) -> dict[str, t.Any]:
        """Refuses a server that is no scratch server, and removes what an earlier drill left there."""
        self._refuse_hopeless()
        running = RunningDrill(self._scratch_name, self.params["backup_root"], self.params["state_dir"])
        running.refuse_another()
        look = self._scratch.look()
        choice.refuse_foreign(look, self._scratch_name)
        in_service = [self._store(host) for host in self._hosts() if host in self.params["in_service"]]
        choice.refuse_computer_in_service(look, in_service, self._scratch_name)
        if not self.check_mode:
            running.take()
        removes = look["drill"] is not None and not self.check_mode
        if look["drill"] and removes:
            self._remove_interrupted(look["drill"])
        return {"changed": removes, "interrupted": look["drill"]}

    def _refuse_hopeless(self) -> None:
        """Raises AccessManagerError when no drill can be held on this server, or its record would count for nothing."""
        choice.refuse_in_service(self._scratch_name, self.params["in_service"])
        signer = Signer.of(self.params)
        refuse_without_key(Trust.of(self.params), signer, "the record of a drill")
        if signer:
            signer.tried()

    def _chosen(self) -> dict[str, t.Any]:
        self._refuse_hopeless()
        stores = [self._store(host) for host in self._candidates()]
        chosen, newest = choice.oldest(stores, self.params["state_dir"], self.now)
        if not self.check_mode:
            self._remember(chosen, LAST_CHOICE, timestamp(self.now))
        return {"chosen": chosen.host, "newest": newest["id"], "started": timestamp(self.now)}

    def _candidates(self) -> list[str]:
        if named := self.params["drill_host"]:
            return [str(named)]
        there = self._hosts()
        return [host for host in self.params["hosts"] or there if host in there]

    def _prepared(self) -> dict[str, t.Any]:
        """Opens the backup, and marks the scratch server as this drill's."""
        records = self._store(self.host)
        if source := self.params["source_root"]:
            self.params |= {"backup_root": source, "check_backup_owner": self.params["source_check_owner"]}
        contents = self.contents()
        manifest = contents.source.manifest
        if manifest is None:
            raise AccessManagerError(f"The backup {contents.source.label} has no manifest: a drill needs one.")
        choice.refuse_other(manifest["id"], self.params["newest"], records, self.params["source"])
        self._claim(manifest["id"], endpoints_of(contents.configuration))
        return {
            "changed": True,
            "backup_id": manifest["id"],
            "version": manifest["access_manager_version"],
            "signer": contents.source.origin.sentence,
            "lost_seconds": self._lost_seconds(records, manifest["id"]),
            "expected_keys": [one["thumbprint"] for one in manifest.get("certificates", []) if one["exported"]],
        }

    def _claim(self, backup_id: str, endpoints: list[Endpoint]) -> None:
        asked = [one for one in endpoints if one.host not in self.params["allow_reach"]]
        mark: Mark = {
            "host": self.host,
            "source": self.params["source"],
            "backup_id": backup_id,
            "started": self._started,
            "controller": controller_name(),
            "by": self._account,
        }
        reached = self._scratch.claim(None if self.check_mode else mark, asked)
        choice.refuse_reached(asked, reached, self._scratch_name)

    def _tested(self) -> dict[str, t.Any]:
        """Raises AccessManagerError unless each test of health was passed, and the server decrypts with each key."""
        choice.refuse_unhealthy(self.params["checks"], self._scratch_name)
        answer = self._scratch.decrypt()
        expected = set(self.params["expected_keys"])
        missing = sorted(expected - set(answer["decrypted"]))
        if missing or answer["faults"]:
            reasons = [*answer["faults"], *(f"{one}: it does not decrypt there" for one in missing)]
            raise AccessManagerError(f"Not every key decrypts on {self._scratch_name}: {'; '.join(reasons)}.")
        return {"decrypted": sorted(expected)}

    def _cleaned(self) -> dict[str, t.Any]:
        own: MarkedDrill = {"host": self.host, "started": self._started, "controller": controller_name()}
        removed = self._scratch.clean(own)
        return {"changed": removed["changed"], "searched": removed["searched"]}

    def _recorded(self) -> dict[str, t.Any]:
        drill = self._drill()
        result: dict[str, t.Any] = {"drill": without_signature(drill)}
        if not self.check_mode:
            written = self._add(self._store(self.host), drill)
            result |= {"changed": True, "drill": without_signature(written)}
        if drill["outcome"] == FAILED:
            result |= {"failed": True, "msg": f"The drill of {self.host} failed: {' '.join(drill['problems'])}"}
        return result

    # ---- the record ----

    def _remove_interrupted(self, mark: Mark) -> None:
        """Records an interrupted drill as failed, and removes what it left. One that has its record, as one has whose
        removal failed, or names a host that has no backups here, gets none.
        """
        sentence = _INTERRUPTED.format(scratch=self._scratch_name)
        _display.warn(f"The drill of {printable(mark['host'])}, begun {mark['started']}: {sentence}")
        if mark["host"] in self._hosts():
            store = self._store(mark["host"])
            if mark["started"] not in drill_log.read(store, self.now).begun:
                self._add(store, self._drill_of({**mark, "problems": [sentence]}))
        self._scratch.clean(mark, old=self.params["clean_old"])

    def _add(self, store: BackupStore, drill: Drill) -> Drill:
        """Records a drill, and that this controller did."""
        written = drill_log.add(store, drill, Signer.of(self.params))
        self._remember(store, LAST_DRILL, written["finished"])
        return written

    def _remember(self, store: BackupStore, which: str, when: str) -> None:
        try:
            HighWaterMark(store, self.params["state_dir"]).record(which, when)
        except AccessManagerError as exc:
            self.warnings.append(str(exc))

    def _drill(self) -> Drill:
        """The drill as its steps found it."""
        problems = [one for one in (self.params["failure"], self.params["failure_of_removal"]) if one]
        known = {name: value for name, value in self.params["facts"].items() if value is not None}
        known |= {"host": self.host, "outcome": FAILED if problems else PASSED}
        known["problems"] = [shortened(printable(one), _LONGEST) for one in problems]
        return self._drill_of(known)

    def _drill_of(self, known: dict[str, t.Any]) -> Drill:
        unknown: dict[str, t.Any] = {
            "started": timestamp(self.now),
            "finished": timestamp(self.now),
            "outcome": FAILED,
            "backup_id": None,
            "scratch": self._scratch_name,
            "controller": controller_name(),
            "by": self._account,
            "source": self.params["source"],
            "version": "",
            "signer": "",
            "checks": [],
            "keys": [],
            "seconds": None,
            "lost_seconds": None,
            "silenced": [],
            "searched": False,
            "problems": [],
            "previous": None,
        }
        lists = {name: value[: drill_log.MOST] for name, value in known.items() if isinstance(value, list)}
        return checked(unknown | known | lists, Drill)

    def _lost_seconds(self, store: BackupStore, backup_id: str) -> float:
        """How old the last state is that the backup holds: since it was made, or last found as it is."""
        success = run_log.read(store, backup_id, self.now).success
        made = moment_of(success) if success else time_of_id(backup_id)
        begun = time_of(self.params["started"] or "") or self.now
        return round(max(0.0, (begun - made).total_seconds()), 1)
