# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a configuration to the controller and encrypts it as config.zip."""

from __future__ import annotations

import io
import itertools
import typing as t

from ..plugin_utils import _progress
from ..plugin_utils._age.decryption import LARGEST
from ..plugin_utils._age.encryption import Encryptor
from ..plugin_utils._ams.checks import problems_of_configuration, problems_of_documents
from ..plugin_utils._ams.description import files_of
from ..plugin_utils._ams.installer import installer_of
from ..plugin_utils._contents import binding
from ..plugin_utils._contents.snapshot_stream import SnapshotStream
from ..plugin_utils._contents.zip_writer import ChunkReader, zip_chunks
from ..plugin_utils._export_action import ExportAction
from ..plugin_utils._store.inventory import inventory_of_server
from ..plugin_utils._store.manifest import PARTS, Details, Written
from ..plugin_utils._target import earlier_restores, live_configuration, transfer
from ..plugin_utils._target.answers import Sent
from ..plugin_utils._target.call import Run, new_run_id
from ..plugin_utils._target.envelope import Envelope
from ..plugin_utils._windows import tls_certificate

_GROWTH = 64 * 1024**2


class ActionModule(ExportAction):
    part = "config"

    def perform(self) -> dict[str, t.Any]:
        encryptor = self.encryptor()
        if self.check_mode:
            return {"changed": True, "steady": True}
        if self.params["run_id"]:
            staged = self._run(self.params["run_id"])
            return self.target.retry(lambda: self._fetch(encryptor, staged))
        return self.target.retry_with_new_run(lambda: self._run(new_run_id()), lambda run: self._fetch(encryptor, run))

    def _run(self, run_id: str) -> Run:
        return {"run_id": run_id, "staging_root": self.params["staging_root"], "live": self.params["run_id"] is None}

    @property
    def _most(self) -> int:
        """How many bytes are taken: twice what was announced, as files may have grown, and at most what is decrypted
        again.
        """
        expected = self.params["expected_bytes"]
        return LARGEST if expected is None else min(LARGEST, 2 * expected + _GROWTH)

    def _fetch(self, encryptor: Encryptor, run: Run) -> dict[str, t.Any]:
        envelope = Envelope(live_configuration.MODULE)
        answer = live_configuration.ask(self.target, run, envelope, lock_timeout=self.params["lock_timeout"])
        if answer["steady"] is False:
            return {"steady": False, "attempts": answer["attempts"]}
        result = self._receive(encryptor, envelope, answer)
        if run["live"] and answer["path"]:
            self.target.remove_sent(run)
        return result

    def _receive(self, encryptor: Encryptor, envelope: Envelope, answer: Sent) -> dict[str, t.Any]:
        with self.backup().incoming() as incoming:
            retries = transfer.receive(self.target.connection, self.target.label, answer, incoming, most=self._most)
            snapshot, artifact = self._encrypted(encryptor, envelope, answer, incoming)
        described, taken = snapshot.described, snapshot.described["taken"]
        files = files_of(described["records"])
        details: Details = {
            "access_manager_version": described["installation"]["version"],
            "files": len(files),
            "bytes": sum(file["size"] for file in files),
            "stopped": taken["stopped"],
            "downtime_ms": taken["downtime_ms"],
            "tls_certificates": tls_certificate.bound_certificates(described["state"]),
            "health_warnings": snapshot.review.warnings(described),
        }
        if described["installer"]:
            details["installer"] = installer_of(described["installer"])
        problems = problems_of_configuration(described)
        problems += snapshot.left_out
        problems += problems_of_documents(described, snapshot.unreadable)
        problems += [
            f"No restore reads this configuration, which is kept as the server sent it: {why}"
            for why in snapshot.refused
        ]
        problems += earlier_restores.problems(taken.get("unended_restores", []))
        if not taken["consistent"]:
            problems.append(
                f"Another program than the service saved the configuration during each of {taken['attempts']} copies "
                "while it was stopped, so none of them is known to be consistent. Close the configuration tool, and "
                "run again."
            )
        if taken["start_error"]:
            problems.append(f"The service was stopped for this backup and did not start again. {taken['start_error']}")
        inventory = inventory_of_server(described, include_database=self.params["include_database"])
        self.save(encryptor, artifact, problems=problems, details=details, inventory=inventory)
        how = {"artifact": artifact, "problems": problems, "retries": retries, "attempts": answer.get("attempts", 1)}
        return {"changed": True, "steady": True} | how | details

    def _encrypted(
        self, encryptor: Encryptor, envelope: Envelope, answer: Sent, incoming: io.BufferedRandom
    ) -> tuple[SnapshotStream, Written]:
        """Checks every file of what arrived, and writes all of it as the artifact."""
        snapshot = SnapshotStream(envelope.decrypted_stream(answer["envelope"], incoming), self._most)
        clear = ChunkReader(zip_chunks(itertools.chain([binding.entry(self.binding())], snapshot.entries())))
        with _progress.shown("verifying and encrypting the configuration"):
            artifact = self.backup().write(
                f"{PARTS[self.part]}{encryptor.suffix}", lambda encrypted: encryptor.write(clear, encrypted)
            )
        return snapshot, artifact
