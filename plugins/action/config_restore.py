# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans a restore, or restores from a backup, by one run on the server that rolls back by itself."""

from __future__ import annotations

import base64
import collections.abc as c
import contextlib
import pathlib
import typing as t

from ..plugin_utils import _display, _progress
from ..plugin_utils._ams import service_events
from ..plugin_utils._ams.constants import knowledge
from ..plugin_utils._contents.contents import Contents
from ..plugin_utils._errors import AccessManagerError, EndedRunError
from ..plugin_utils._files import replace_atomically
from ..plugin_utils._restore import bundle as bundle_module
from ..plugin_utils._restore import plan_document, plan_markdown
from ..plugin_utils._restore.action import RestoreAction
from ..plugin_utils._restore.given_secrets import with_given
from ..plugin_utils._restore.plan import RESTORABLE, Plan
from ..plugin_utils._restore.plan_text import changes_of, lines_of
from ..plugin_utils._restore.target_server import TargetServer, packed
from ..plugin_utils._target import clock, earlier_restores
from ..plugin_utils._target.answers import Change, Restored, Upload
from ..plugin_utils._target.call import Run, new_run
from ..plugin_utils._target.detached_run import DetachedRun

_INLINE_LIMIT = 1024 * 1024
"""Up to this size a bundle goes with the call of the run; a larger one is uploaded before it, by two more processes."""

_WORK_SECONDS = 1800
_WAITS_OF_A_RUN = 14
_RESTORED = "restored"
_FILE_MODE = 0o600
MOST_FILES = 200
"""Files that a result names: Ansible keeps it for the whole play, and shows it in an event."""

_RETURNED = (
    "state",
    "checks",
    "failed_check",
    "rollback_errors",
    "stopped",
    "service_started",
    "stop_ms",
    "start_ms",
    "downtime_ms",
    "safety_copy",
)


class ActionModule(RestoreAction):
    def perform(self) -> dict[str, t.Any]:
        if self.is_migration and not self.params["other_server"]:
            raise AccessManagerError("migrate is for another server than the one that was backed up: set other_server.")
        backup = with_given(self.contents(), self.params["secrets"])
        server = self.target_server(backup)
        if self.params["installation"] is None:
            for sentence in server["earlier"]:
                _display.warn(f"{self.target.label}: {self.target.censored(sentence)}")
        contents = self.for_this_server(backup, server)
        plan = self.plan(contents, server)
        plan.tasks += self.manual_tasks(backup, server, plan)
        planned = self._planned(contents, plan)
        if self.params["state"] == "planned":
            old = backup if self.params["other_server"] else None
            document = plan_document.document_of(contents, server, plan, backup=old, parts=self.parts)
            self._write(document)
            self._acknowledge(contents, server, plan)
            return planned | {
                "plan_document": document | {"changes": changes_of(plan, MOST_FILES)},
                "directory_needs": self.directory_needs(backup, server, plan),
                "changed": plan.changed and self.check_mode,
                "installation": packed(self.cleaned({**server})),
                "earlier_restores": server["earlier"],
            }
        if self.check_mode or not plan.changed:
            return planned | {"changed": plan.changed}
        return planned | self._restore(contents, plan, server)

    def _acknowledge(self, contents: Contents, server: TargetServer, plan: Plan) -> None:
        """Has the server remember which earlier restores were reported."""
        reported = self._reported(contents, server, as_backup=not plan.changed)
        if reported and not self.check_mode:
            self.target.call(self._named_run() | {"step": "acknowledge", "reported": reported}, Change)

    def _reported(self, contents: Contents, server: TargetServer, *, as_backup: bool) -> list[str]:
        """The earlier restores that need not be reported again: an interrupted one only when all parts are as before
        it.
        """
        reported = list(server["ended_runs"])
        if as_backup and self.parts == frozenset(RESTORABLE):
            skewed = clock.is_skewed(server["clock_skew_seconds"])
            reported += earlier_restores.settled_by(contents.source, server["interrupted_runs"], by_time=not skewed)
        return reported

    def _write(self, document: plan_document.Document) -> None:
        """Writes the plan for people and programs, in check mode too: nothing of it is on the server."""
        writers = {"plan_json": plan_document.to_json, "plan_markdown": plan_markdown.to_markdown}
        for option, text_of in writers.items():
            if self.params[option]:
                replace_atomically(pathlib.Path(self.params[option]), text_of(document), _FILE_MODE)

    def _planned(self, contents: Contents, plan: Plan) -> dict[str, t.Any]:
        lines = lines_of(plan, MOST_FILES)
        return {
            "backup": contents.source.label,
            "signer": contents.source.origin.signer,
            "origin": contents.source.origin.sentence,
            "would_change": plan.changed,
            "silenced": list(contents.silenced),
            "plan": lines,
            "tasks": [task.sentence for task in plan.tasks],
            "certificates": plan.certificates,
            "diff": {
                "prepared": "\n".join([f"Restore of {contents.source.label}:", *(lines or ["  nothing to do"])]) + "\n"
            },
        }

    def _restore(self, contents: Contents, plan: Plan, server: TargetServer) -> dict[str, t.Any]:
        self.refuse_kept_arguments()
        run = self._named_run()
        reported = self._reported(contents, server, as_backup=True)
        with self._sent(contents, plan) as bundle, self.target.cleanup_on_failure(run):
            answer = self._run(run | bundle | self._arguments(contents, plan, reported=reported))
        self._remove_reported(run)
        for sentence in [*answer["warnings"], *service_events.sentences(answer["service_events"]["events"])]:
            _display.warn(f"{self.target.label}: {sentence}")
        result = {key: value for key, value in answer.items() if key in _RETURNED}
        if answer["state"] != _RESTORED:
            return result | {"failed": True, "changed": answer["state"] != "rolled_back", "msg": answer["msg"]}
        return result | {"changed": True}

    def _run(self, arguments: Run) -> Restored:
        try:
            return DetachedRun(self.target, arguments, Restored, timeout=self._timeout()).result()
        except EndedRunError as exc:
            raise EndedRunError(
                f"{exc} The server may be between two states. What the restore found is in the folder of "
                f"'%ProgramData%\\lithnet.access_manager.safety' that ends with {arguments['run_id']}, if it came "
                "that far. The next restore reports this one, and starts the service if it ran before."
            ) from None

    def _remove_reported(self, run: Run) -> None:
        """Has the server remember that the result of a run was reported, and forget the rest.

        The restore itself is over.
        """
        try:
            self.target.call(run | {"step": "remove", "reported": [run["run_id"]]}, Change)
        except AccessManagerError as exc:
            _display.warn(
                f"{exc} The restore has ended. The next one reports it again, and a later run removes what is left."
            )

    def _named_run(self) -> Run:
        return new_run(self.params["staging_root"])

    @contextlib.contextmanager
    def _sent(self, contents: Contents, plan: Plan) -> c.Iterator[dict[str, t.Any]]:
        """The options by which the run finds its bundle: in themselves, or in a folder that Administrators alone may
        enter.
        """
        with bundle_module.in_memory(contents, plan) as path:
            bundle = pathlib.Path(path)
            if bundle.stat().st_size <= _INLINE_LIMIT:
                yield {"bundle": base64.b64encode(bundle.read_bytes()).decode()}
                return
            upload = self._upload(bundle)
        with self.target.cleanup_on_failure(upload):
            yield {"upload_id": upload["run_id"]}

    def _upload(self, bundle: pathlib.Path) -> Run:
        prepare = {"step": "prepare", "bytes": str(bundle.stat().st_size), "close_editor": self.params["close_editor"]}

        def send() -> Run:
            upload = self._named_run()
            with self.target.cleanup_on_failure(upload):
                place = self.target.call(upload | prepare, Upload, repeatable=False)["path"]
                with self.target.translated_errors(), _progress.shown("sending the backup"):
                    self._connection.put_file(str(bundle), place)
            return upload

        return self.target.retry(send)

    def _arguments(self, contents: Contents, plan: Plan, *, reported: list[str]) -> dict[str, t.Any]:
        protected = [secret["path"] for secret in plan.secrets if secret["action"] == "protect"]
        self.target.hide(contents.secrets[path] for path in protected)
        options = (
            "lock_timeout", "service_timeout", "health_seconds", "keep_safety_copies", "close_editor", "force_stop"
        )
        secrets = [{"path": path, "value": contents.secrets[path]} for path in protected]
        return {
            "knowledge": knowledge(contents.certificates or ()),
            "certificates": self.given_certificates(contents, plan),
            "secrets": secrets,
            "reported": reported,
        } | {option: self.params[option] for option in options}

    def _timeout(self) -> int:
        waits = _WAITS_OF_A_RUN * int(self.params["service_timeout"])
        return int(self.params["lock_timeout"]) + waits + int(self.params["health_seconds"]) + _WORK_SECONDS
