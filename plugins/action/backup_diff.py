# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows what differs between two backups, or between a backup and its server, by meaning."""

from __future__ import annotations

import functools
import os
import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._age.decryption import Decryptor
from ..plugin_utils._ams.checks import refuse_without_rights, require_supported_version
from ..plugin_utils._ams.shapes import Server
from ..plugin_utils._compare import comparison as comparison_module
from ..plugin_utils._compare import state_sources
from ..plugin_utils._compare import text as text_module
from ..plugin_utils._compare.changes import Comparison
from ..plugin_utils._compare.comparison import ComparedState, SameSecret
from ..plugin_utils._compare.state_sources import DecryptedBackup
from ..plugin_utils._contents.configuration import Secret
from ..plugin_utils._signing.trust import Trust
from ..plugin_utils._store.high_water_mark import HighWaterMark
from ..plugin_utils._store.store import BackupStore
from ..plugin_utils._target import live_configuration
from ..plugin_utils._target.describe import describe, is_mark_of

_NONCE_BYTES = 32


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        decryptor = Decryptor.of(self.params)
        store = BackupStore.of(self.params, self.host, Trust.of(self.params))
        sources = state_sources.choose(store, self.params["before"], self.params["after"])
        before = state_sources.of_backup(sources[0], decryptor)
        if sources[1] is None:
            after, same_secret = self._live(before)
        else:
            other = state_sources.of_backup(sources[1], decryptor)
            after, same_secret = other.state, functools.partial(before.same_secret, other)
        self.warnings += HighWaterMark(store, self.params["state_dir"]).problems()
        return _result(before.state, after, same_secret)

    def _live(self, before: DecryptedBackup) -> tuple[ComparedState, SameSecret]:
        """The server as it is now. Its configuration is read only when there is an opened one to compare it with."""
        nonce = os.urandom(_NONCE_BYTES)
        run = {"staging_root": self.params["staging_root"], "lock_timeout": self.params["lock_timeout"]}
        known = before.state.configuration
        named = before.state.certificates or ()
        described = describe(
            self.target, known, nonce, include_database=False, domain_secrets=False, thumbprints=named, **run
        )
        require_supported_version(described)
        refuse_without_rights(described)
        marks = {probe["path"].lower(): probe["mark"] for probe in described["probes"]}
        configuration = live_configuration.read_live(self.target, **run) if known else None

        def same_secret(old: Secret, _new: Secret) -> bool | None:
            value, mark = before.value_of(old), marks.get(old.path.lower())
            return is_mark_of(mark, value, nonce) if mark and value is not None else None

        server = t.cast(Server, described)
        return state_sources.of_server(server, server["computer_name"], configuration), same_secret


def _result(before: ComparedState, after: ComparedState, same_secret: SameSecret) -> dict[str, t.Any]:
    comparison = comparison_module.compare_states(before, after, same_secret)
    lines = text_module.lines_of(comparison)
    differs = bool(lines)
    notes = _notes(before, after, comparison)
    text = [f"From {before.label} to {after.label}:", *(lines or ["Nothing differs."]), *notes]
    return {
        "changed": differs,
        "differs": differs,
        "before": before.label,
        "after": after.label,
        **comparison,
        "not_compared": notes,
        "lines": lines,
        "diff": {"prepared": "\n".join(text) + "\n"},
    }


def _notes(before: ComparedState, after: ComparedState, comparison: Comparison) -> list[str]:
    """A sentence for each thing that could not be compared."""
    notes = []
    if comparison["basis"] == comparison_module.INVENTORY:
        notes.append(
            "Without a key only the inventories were compared: which files and settings differ, and not how. "
            "Give identity_file or passphrase to compare contents."
        )
    if comparison["certificates"] is None:
        notes.append("Certificates were not compared: one of the backups has no manifest.")
    for state in (before, after):
        for file, reason in (state.configuration.unreadable if state.configuration else {}).items():
            why = f"{file} of {state.label} is not JSON in UTF-8 as this collection reads it: {reason}."
            notes.append(f"{why} It was compared as a file only.")
    return notes
