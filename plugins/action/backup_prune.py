# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes the backups of a host that no rule keeps, but never the last copy of a private key."""

from __future__ import annotations

import datetime
import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._age.decryption import Decryptor
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._maintenance import pruning, retention
from ..plugin_utils._maintenance.pruning import Plan
from ..plugin_utils._maintenance.retention import Rules
from ..plugin_utils._signing.signer import Signer, refuse_without_key
from ..plugin_utils._signing.trust import Trust
from ..plugin_utils._store import installers, removal
from ..plugin_utils._store.high_water_mark import HighWaterMark
from ..plugin_utils._store.store import BackupStore, hosts
from ..plugin_utils._text import printable


class ActionModule(AccessManagerAction):
    negative_options = frozenset(f"keep_{rule}" for rule in retention.RULES)

    def perform(self) -> dict[str, t.Any]:
        rules, signer, decryptor = self._rules(), Signer.of(self.params), Decryptor.of(self.params)
        store = BackupStore.of(self.params, self.host, Trust.of(self.params))
        self._refuse_unknown()
        refuse_without_key(store.trust, signer, "the record of what is pruned")
        mark = HighWaterMark(store, self.params["state_dir"])
        mark.refuse_rollback("Nothing is removed.")
        published = None if store.trust.is_required else mark.newest_complete()
        with removal.locked(store):
            forgotten = pruning.forgotten(store, self.params["forget"])
            plan = Plan()
            if rules:
                now = datetime.datetime.now(datetime.UTC)
                plan = pruning.plan(
                    store, rules, now=now, decryptor=decryptor, published=published.id if published else None
                )
            versions = installers.last_of(store, plan.removed)
            if not self.check_mode:
                removal.prune(store, list(plan.links.values()), forgotten=forgotten, signer=signer)
                installers.remove(store, versions)
        return self._result(plan, [link.id for link in forgotten]) | {"removed_installers": versions}

    def _refuse_unknown(self) -> None:
        """A host that was named by hand must be there: else a misspelt name would pass for nothing to prune."""
        known = hosts(self.params["backup_root"], check_owner=self.params["check_backup_owner"])
        if self.host not in (*known, self.task_vars["inventory_hostname"]):
            raise AccessManagerError(
                f"There is no backup of '{self.host}' in '{self.params['backup_root']}', which has backups of: "
                f"{', '.join(known) or 'none'}."
            )

    def _result(self, plan: Plan, forgotten: list[str]) -> dict[str, t.Any]:
        host = printable(self.host)
        removed = [
            {"id": backup_id, "reason": why, "size": plan.sizes[backup_id]} for backup_id, why in plan.removed.items()
        ]
        self.warnings += [
            f"The backup {backup_id} of {host} is neither counted nor removed: {' '.join(problems)}"
            for backup_id, problems in plan.doubtful.items()
        ]
        kept = [{"id": backup_id, "reasons": reasons} for backup_id, reasons in plan.kept.items()]
        doubtful = [{"id": backup_id, "problems": problems} for backup_id, problems in plan.doubtful.items()]
        lines = [f"- {host} {one['id']}: {one['reason']}\n" for one in removed]
        return {
            "changed": bool(removed or forgotten),
            "host": self.host,
            "kept": kept,
            "removed": removed,
            "doubtful": doubtful,
            "forgotten": forgotten,
            "freed": sum(one["size"] for one in removed),
            "diff": {"prepared": "".join(lines)},
        }

    def _rules(self) -> Rules:
        rules = Rules.of(self.params)
        if not rules and not self.params["forget"]:
            raise AccessManagerError(
                f"No rule says which backups of {self.host} to keep: give at least one of keep_last, keep_hourly, "
                "keep_daily, keep_weekly, keep_monthly, keep_yearly and keep_within; to the role in prune_keep, such "
                "as "
                """-e '{"prune_keep": {"last": 7}}'."""
            )
        return rules
