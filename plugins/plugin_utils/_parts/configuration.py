# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration, encrypted as config.zip."""

from __future__ import annotations

import io
import itertools
import typing as t

from .. import _progress
from .._age.decryption import LARGEST
from .._age.encryption import Encryptor
from .._ams.checks import problems_of_configuration, problems_of_documents
from .._ams.description import files_of
from .._ams.installer import installer_of
from .._contents import part_binding
from .._contents.snapshot_stream import SnapshotStream
from .._contents.web_address import names_with_spn
from .._contents.zip_writer import ChunkReader, zip_chunks
from .._store.inventory import inventory_of_server
from .._store.manifest import Details, Written
from .._store.partial import PartialBackup
from .._target import earlier_restores, live_configuration, transfer
from .._target.answers import Sent
from .._target.call import Target
from .._target.envelope import CallKey
from .._windows import tls_certificate
from .part import Part

_GROWTH = 64 * 1024**2


class ConfigurationPart(Part):
    """C(expected_bytes): how much the server announced; None when it is not known.

    C(include_database): whether the database is in it.
    """

    name = "config"
    context = live_configuration.MODULE

    def __init__(
        self,
        target: Target,
        backup: PartialBackup,
        encryptor: Encryptor,
        key: CallKey,
        *,
        expected_bytes: int | None,
        include_database: bool,
    ) -> None:
        super().__init__(target, backup, encryptor, key)
        self._expected_bytes, self._include_database = expected_bytes, include_database

    @property
    def _most(self) -> int:
        """How many bytes are taken: twice what was announced, as files may have grown, and at most what is decrypted
        again.
        """
        expected = self._expected_bytes
        return LARGEST if expected is None else min(LARGEST, 2 * expected + _GROWTH)

    def receive(self, answer: Sent) -> dict[str, t.Any]:
        """Takes what the server sent, and returns what is known of it."""
        where, is_intact = (self.target.connection, self.target.label), self.envelope.check(answer["envelope"])
        with self.backup.incoming() as incoming:
            retries = transfer.receive(*where, answer, incoming, is_intact, most=self._most)
            snapshot, artifact = self._encrypted(answer, incoming)
        described, details, problems = snapshot.described, _details(snapshot), list(_problems(snapshot))
        inventory = inventory_of_server(described, include_database=self._include_database)
        self.save(artifact, problems=problems, details=details, inventory=inventory)
        return {
            "changed": True,
            "steady": True,
            "artifact": artifact,
            "problems": problems,
            "retries": retries,
            "attempts": answer.get("attempts", described["taken"]["attempts"]),
            "names_with_spn": names_with_spn(snapshot),
        } | details

    def _encrypted(self, answer: Sent, incoming: io.BufferedRandom) -> tuple[SnapshotStream, Written]:
        """Checks every file of what arrived, and writes all of it as the artifact."""
        snapshot = SnapshotStream(self.envelope.decrypted_stream(answer["envelope"], incoming), self._most)
        clear = ChunkReader(zip_chunks(itertools.chain([part_binding.entry(self.binding())], snapshot.entries())))
        with _progress.shown("verifying and encrypting the configuration"):
            return snapshot, self.write(clear)


def _details(snapshot: SnapshotStream) -> Details:
    """What the manifest says of a configuration."""
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
    return details


def _problems(snapshot: SnapshotStream) -> t.Iterator[str]:
    """What makes a configuration incomplete."""
    described, taken = snapshot.described, snapshot.described["taken"]
    yield from problems_of_configuration(described)
    yield from snapshot.left_out
    yield from problems_of_documents(described, snapshot.unreadable)
    for why in snapshot.refused:
        yield f"No restore reads this configuration, which is kept as the server sent it: {why}"
    yield from earlier_restores.problems(taken.get("unended_restores", []))
    if not taken["consistent"]:
        yield (
            f"Another program than the service saved the configuration during each of {taken['attempts']} copies "
            "while it was stopped, so none of them is known to be consistent. Close the configuration tool, and "
            "run again."
        )
    if taken["start_error"]:
        yield f"The service was stopped for this backup and did not start again. {taken['start_error']}"
