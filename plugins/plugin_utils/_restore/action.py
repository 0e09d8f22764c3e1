# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules of a restore share: the decrypted backup, the server as it is, and the plan between them."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import re
import shlex
import typing as t

from ansible import constants as C

from .. import _display
from .._action import AccessManagerAction
from .._age.decryption import Decryptor
from .._ams.checks import refuse_clustered_stop, refuse_without_rights, require_supported_version
from .._ams.constants import CONFIG, RETURN_TO_VERSION_1
from .._ams.installer import installer_of
from .._contents.contents import Contents, open_contents
from .._contents.keys import Certificate
from .._contents.source import LATEST, select
from .._contents.web_address import names_with_spn
from .._errors import AccessManagerError
from .._shape import checked
from .._signing.trust import Trust
from .._store import installers
from .._store.high_water_mark import HighWaterMark
from .._store.store import BackupStore
from .._target import clock, interrupted_stops
from .._target.answers import Probe
from .._target.describe import describe, is_mark_of
from .._target.earlier_restores import EarlierRestore
from .._text import printable
from . import adapted_backup, migration, migration_tasks, secret_tasks
from .adapted_backup import RecoveryOptions
from .manual_task_facts import Recovery
from .manual_tasks import tasks_of
from .plan import RESTORABLE, Plan, PlannedCertificate, RestoreOptions, Task
from .planner import make_plan
from .service_tasks import configured
from .target_server import TargetServer, refuse_marked, unpacked

_PLAIN = re.compile(r"[A-Za-z0-9_./:+-]+")
_NONCE_BYTES = 32
_PARTS_WITH_FILES = frozenset({"config", "external"})

_REPEATED: dict[str, tuple[str, t.Any]] = {
    "backup_id": ("restore_id", "latest"),
    "restore_mode": ("restore_mode", "mirror"),
    "restore_only": ("restore_only", list(RESTORABLE)),
    "require_secrets": ("restore_require_secrets", True),
    "allow_version_mismatch": ("restore_allow_version_mismatch", False),
    "tls_thumbprint": ("restore_tls_thumbprint", None),
    "external_files": ("restore_external_files", "relocate"),
    "overwrite_configured": ("restore_overwrite_configured", False),
    "migrate_allow": ("migrate_allow", []),
    "staging_root": ("restore_staging_root", ""),
    "check_backup_owner": ("access_manager_check_backup_owner", True),
    "state_dir": ("access_manager_state_dir", None),
    "allowed_signers": ("access_manager_allowed_signers", None),
    "allow_unsigned": ("access_manager_allow_unsigned", False),
    "encryption": ("restore_encryption", "age"),
}
"""The options that a recovery is repeated with: the variables of the playbook, and what they are when they are not
given.
"""


class RestoreAction(AccessManagerAction):
    """An action that restores something from a backup. Its options are those of the fragment C(restore)."""

    @property
    def is_migration(self) -> bool:
        """Whether the server has version 2, which makes its registry values and HTTP.sys bindings itself."""
        return bool(self.params.get("migrate"))

    @property
    def parts(self) -> frozenset[str]:
        """The parts to restore: those with files alone, when files are named."""
        parts = frozenset(self.params["restore_only"]) - ({"registry"} if self.is_migration else set())
        return parts & _PARTS_WITH_FILES if self.params["restore_files"] else parts

    def contents(self, *, certificates_alone: bool = False) -> Contents:
        """The backup, decrypted and checked in memory, before anything is asked of the server.

        C(certificates_alone): a backup of a forest's certificates will do.
        """
        store = BackupStore.of(self.params, self.host, Trust.of(self.params))
        self._refuse_rollback(store)
        source = select(store, self.params["backup_id"], certificates_alone=certificates_alone, without_secrets=True)
        contents = open_contents(source, Decryptor.of(self.params), certificates="certificates" in self.parts)
        record = contents.held.described["installer"] if contents.held else None
        installer = installers.sentence_of(store, installer_of(record) if record else None)
        return dataclasses.replace(contents, installer=installer)

    def _refuse_rollback(self, store: BackupStore) -> None:
        """Raises AccessManagerError when the store went back in time, and the backup to restore would be another for
        it.

        One that is named, and is as it was published, is restored with a warning; a path is of no store.
        """
        wanted = self.params["backup_id"]
        if "/" in wanted:
            return
        mark = HighWaterMark(store, self.params["state_dir"])
        if wanted == LATEST:
            mark.refuse_rollback(f"The newest backup of {self.host} is not restored: name one by its id, or see why.")
        mark.refuse_rollback(f"The backup {wanted} of {self.host} is not restored.", backup_id=wanted)
        for problem in mark.problems():
            _display.warn(problem)

    def restore_options(self) -> RestoreOptions:
        files = (
            frozenset(name.lower() for name in self.params["restore_files"])
            if self.parts <= _PARTS_WITH_FILES
            else None
        )
        return RestoreOptions(
            parts=self.parts,
            files=files or None,
            mirror=self.params["restore_mode"] == "mirror" and not self.is_migration,
            include_database=self.params["include_database"],
            start=self.params["start_service"] == "always",
            require_secrets=self.params["require_secrets"],
            allow_version_mismatch=self.params["allow_version_mismatch"] or self.is_migration,
            tls_thumbprint=self.params["tls_thumbprint"],
        )

    def target_server(self, contents: Contents) -> TargetServer:
        """The server as it is now: as it was described before, or as it answers."""
        if self.params["installation"] is not None:
            return self._planned_before(self.params["installation"], contents)
        nonce = os.urandom(_NONCE_BYTES)
        answer, skew = clock.timed(lambda: self._described(contents, nonce))
        if clock.is_skewed(skew):
            _display.warn(clock.sentence(skew, self.target.label))
        if not self.params["silence_outgoing"]:
            refuse_marked(self.target.label, answer.get("drill"))
        if self.is_migration:
            migration.refuse_target(answer, self.params["migrate_allow"])
            migration.refuse_backup(contents, answer["installation"]["version"], self.params["migrate_allow"])
            migration.hide_secrets(answer)
        else:
            require_supported_version(answer, without_configuration=True, how_to_return=self._how_to_return(contents))
        refuse_without_rights(answer)
        earlier = [EarlierRestore.of(restore) for restore in answer["earlier"]]
        left = interrupted_stops.stopped(answer["interrupted_stops"])
        decrypted = {one["path"]: one["decrypts"] for one in [*answer["probes"], *answer["domain_secrets"]]}
        sentences = [restore.sentence for restore in earlier]
        ended = [restore.run_id for restore in earlier if restore.ended]
        interrupted = [restore.interruption for restore in earlier if not restore.ended]
        known = answer | {
            "clock_skew_seconds": skew,
            "decrypted_secrets": decrypted,
            "same_documents": {},
            "given_secrets": sorted(contents.given),
            "earlier": [*sentences, *map(interrupted_stops.sentence, left)],
            "ended_runs": ended,
            "interrupted_runs": interrupted,
            "left_stopped": bool(left) or any(restore.left_stopped for restore in earlier),
        }
        server = checked(known, TargetServer)
        adapted = self.for_this_server(contents, server)
        server["same_documents"] = _same_documents(adapted, answer["probes"], answer["masked"], nonce)
        return server

    @staticmethod
    def _planned_before(installation: str, contents: Contents) -> TargetServer:
        try:
            server = checked(unpacked(installation), TargetServer)
        except ValueError as exc:
            raise AccessManagerError(
                f"installation is not what a plan (state: planned) returned: {exc}. Give it the installation of the "
                "registered result."
            ) from None
        if server["given_secrets"] != sorted(contents.given):
            raise AccessManagerError(
                "installation is of a plan that was given values of other secrets: give the plan (state: planned) and "
                "the restore the same secrets."
            )
        return server

    def _described(self, contents: Contents, nonce: bytes) -> dict[str, t.Any]:
        return describe(
            self.target,
            contents.held,
            nonce,
            include_database=self.params["include_database"],
            domain_secrets=True,
            thumbprints=contents.certificates or (),
            staging_root=self.params["staging_root"],
            lock_timeout=self.params["lock_timeout"],
        )

    def _how_to_return(self, contents: Contents) -> str:
        """What to do where a later version is installed: a recovery has no marker of an upgrade there."""
        if not self.params["other_server"] or contents.held is None:
            return f"{RETURN_TO_VERSION_1} {contents.installer}".rstrip()
        version = printable(contents.held.described["installation"]["version"])
        sentences = (
            f"To restore to this server, uninstall it, install the MSI of Access Manager Service {version}, and run "
            "this again.",
            contents.installer,
            "To take the backup to version 2 instead, run the playbook migrate.",
        )
        return " ".join(filter(None, sentences))

    def for_this_server(self, contents: Contents, server: TargetServer) -> Contents:
        """The backup as it is to be restored here: one of another server as this one would have made it."""
        if self.params["silence_outgoing"] and not self.params["other_server"]:
            raise AccessManagerError(
                "silence_outgoing is for a restore to another server: set other_server too, or leave it out."
            )
        return adapted_backup.adapt(contents, server, self._target()) if self.params["other_server"] else contents

    def plan(self, contents: Contents, server: TargetServer) -> Plan:
        """The plan of a backup as it is to be restored here."""
        plan = make_plan(contents, server, self.restore_options())
        plan.imported = self.is_migration
        if plan.stop:
            refuse_clustered_stop(server)
        if self.params["other_server"] and not self.params["overwrite_configured"]:
            adapted_backup.refuse_configured(contents, server, plan)
        return plan

    def manual_tasks(self, contents: Contents, server: TargetServer, plan: Plan) -> list[Task]:
        """What an administrator has to do when this server takes the place of the one that made the backup.

        On the same server, about secrets that its service may not be able to decrypt any more, and when it was not
        configured.
        """
        if not self.params["other_server"]:
            here = Recovery(contents, server, plan, {}, self.command_again)
            unconfigured = [dataclasses.replace(task, item=None) for task in configured(here)]
            return [*secret_tasks.changed_for_the_domain(here), *unconfigured]
        bindings = adapted_backup.tls_bindings(contents, server, self._target())
        recovery = Recovery(contents, server, plan, bindings, self.command_again)
        return migration_tasks.tasks_of(recovery) if self.is_migration else tasks_of(recovery)

    def directory_needs(self, contents: Contents, server: TargetServer, plan: Plan) -> dict[str, t.Any]:
        """What another server needs in the directory, for directory_info; nothing where it is the same server."""
        if not self.params["other_server"]:
            return {}
        recovery = Recovery(contents, server, plan, {}, self.command_again)
        return {
            "computer": server["computer_name"],
            "service_account": recovery.account or "LocalSystem",
        } | names_with_spn(contents.configuration)

    def command_again(self, *, playbook: str = "", **variables: t.Any) -> str:
        """The command that runs this recovery again on the controller, with other variables, or another playbook for
        this server.

        A passphrase is not in it.
        """
        given = {} if playbook else self._repeated()
        own = "migrate" if self.is_migration else "disaster_recovery"
        words = ["ansible-playbook", f"lithnet.access_manager.{playbook or own}"]
        for source in self.task_vars.get("ansible_inventory_sources") or ["inventory.yml"]:
            words += ["-i", str(source)]
        for name, value in ({"target": self.task_vars["inventory_hostname"]} | given | variables).items():
            words += ["-e", _assignment(name, value)]
        return printable(shlex.join(words))

    def _repeated(self) -> dict[str, t.Any]:
        """The variables of this recovery."""
        given: dict[str, t.Any] = {
            "restore_from_host": self.host,
            "access_manager_backup_root": self.params["backup_root"],
        }
        given |= {"access_manager_identity_file": path} if (path := self.params["identity_file"]) else {}
        return given | {
            variable: self.params[option]
            for option, (variable, default) in _REPEATED.items()
            if self.params[option] not in (default, None)
        }

    def _target(self) -> RecoveryOptions:
        if self.params["include_database"]:
            raise AccessManagerError(
                "The database belongs to its server: it is not restored to another one. Leave include_database out; "
                "Access Manager recreates it."
            )
        return RecoveryOptions(
            tls_thumbprint=self.params["tls_thumbprint"],
            relocate=self.params["external_files"] == "relocate",
            allow_version_mismatch=self.params["allow_version_mismatch"],
            silence=self.params["silence_outgoing"],
            migrate=self.is_migration,
        )

    def refuse_kept_arguments(self) -> None:
        """Raises AccessManagerError when Ansible is set to print or keep what it sends, private keys and secrets among
        it.
        """
        settings = {"ANSIBLE_DEBUG": C.DEFAULT_DEBUG, "ANSIBLE_KEEP_REMOTE_FILES": C.DEFAULT_KEEP_REMOTE_FILES}
        on = [name for name, value in settings.items() if value]
        if on:
            raise AccessManagerError(
                f"Ansible runs with {' and '.join(on)}: the private keys and secrets of this restore would be "
                f"printed, or stay in files on {self.target.label}. Unset that, and run again."
            )

    def given_certificates(self, contents: Contents, plan: Plan) -> list[dict[str, t.Any]]:
        """What the target needs for the certificates of the plan: a PFX only where the key is missing there."""
        given = [_given(one, (contents.certificates or {})[one["thumbprint"]]) for one in plan.certificates]
        for key in ("pfx", "password"):
            self.target.hide(one[key] for one in given if key in one)
        return given


def _assignment(name: str, value: t.Any) -> str:
    """A variable as -e takes it: a plain word as it is, and all else as JSON."""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return f"{name}={value}"
    return f"{name}={str(value).lower()}" if isinstance(value, bool) else json.dumps({name: value})


def _same_documents(
    contents: Contents, probes: list[Probe], masked: dict[str, str], nonce: bytes
) -> dict[str, bool]:
    """Of each JSON file with secrets: whether the server's is the backup's but for how its secrets are protected."""
    same = {}
    for file, digest in masked.items() if contents.held else ():
        wanted = contents.configuration.files.get(f"{CONFIG}{file}")
        same[file] = wanted is not None and digest == wanted["sha256"] and all(
            _is_same_secret(contents, probe, nonce) for probe in probes if probe["file"] == file
        )
    return same


def _is_same_secret(contents: Contents, probe: Probe, nonce: bytes) -> bool:
    value = contents.secrets.get(probe["path"])
    if value is None:
        return not probe["decrypts"] and bool(probe["mark"])
    return is_mark_of(probe["mark"], value, nonce)


def _given(wanted: PlannedCertificate, held: Certificate) -> dict[str, t.Any]:
    if wanted["action"] == "give_access" or held.pfx is None:
        return {**wanted}
    return {**wanted, "pfx": base64.b64encode(held.pfx).decode(), "password": held.password}
