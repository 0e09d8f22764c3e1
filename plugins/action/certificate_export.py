# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports the certificates with their private keys, proves each, and seals them as certificates.zip."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import typing as t

from ..plugin_utils._ams.checks import problems_of_certificates
from ..plugin_utils._ams.constants import knowledge
from ..plugin_utils._ams.shapes import Certificate
from ..plugin_utils._contents import binding
from ..plugin_utils._contents.zip_writer import ChunkReader, Entry, zip_chunks
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._export_action import PartAction
from ..plugin_utils._store.inventory import inventory_of_certificates
from ..plugin_utils._target.answers import EXPORTS, Certificates, SealedCertificates
from ..plugin_utils._target.envelope import Envelope
from ..plugin_utils._windows import pfx as pfx_module

Exports = dict[str, dict[str, str]]
"""What the target sent of each certificate, by thumbprint."""


class ActionModule(PartAction):
    part = "certificates"

    def perform(self) -> dict[str, t.Any]:
        seal = self.seal()
        if self.check_mode:
            known = self.target.call({"knowledge": knowledge()}, Certificates)
            return {"changed": True, **known}
        envelope = Envelope("certificate_export")
        answer = self.target.call({"knowledge": knowledge(), "public_key": envelope.public_key}, SealedCertificates)
        exports: Exports = self.target.opened(envelope.open(answer["envelope"]), EXPORTS)
        problems = problems_of_certificates(answer["certificates"])
        exports = _genuine(exports, problems)
        proven = self._proven(exports, answer["certificates"], problems)
        clear = ChunkReader(zip_chunks([binding.entry(self.binding()), *_entries(exports, proven)]))
        artifact = self.store().write(
            self.params["backup_id"], f"certificates.zip{seal.suffix}", lambda sealed: seal.write(clear, sealed)
        )
        told = {"certificates": [_told(record, proven) for record in _distinct(answer["certificates"])]}
        inventory = inventory_of_certificates(answer["certificates"])
        self.save(seal, artifact, problems=problems, told=told, inventory=inventory)
        return {"changed": True, "artifact": artifact, "problems": problems} | told

    def _proven(self, exports: Exports, records: list[Certificate], problems: list[str]) -> dict[str, bytes]:
        """The PFX of each certificate whose key answers for it; what does not is added to the problems."""
        proven = {}
        expected = {record["thumbprint"] for record in records if record["key"].get("exportable")}
        problems += [f"Certificate {one} is not backed up: the server sent no key." for one in sorted(expected - exports.keys())]
        for thumbprint, export in exports.items():
            if "pfx" not in export:
                if thumbprint in expected:
                    problems.append(f"Certificate {thumbprint} is not backed up: {export['error']}.")
                continue
            pfx = base64.b64decode(export["pfx"])
            try:
                pfx_module.verify(pfx, export["password"], thumbprint)
            except AccessManagerError as exc:
                problems.append(f"Certificate {thumbprint} is not backed up: {exc}")
            else:
                proven[thumbprint] = pfx
        return proven


def _genuine(exports: Exports, problems: list[str]) -> Exports:
    """The exports whose certificates are those of their thumbprints; each other one is added to the problems."""
    genuine = {thumbprint: export for thumbprint, export in exports.items() if _thumbprint_of(export) == thumbprint}
    others = sorted(exports.keys() - genuine.keys())
    problems += [f"Certificate {one} came from the server as another one, which is not backed up." for one in others]
    return genuine


def _thumbprint_of(export: dict[str, str]) -> str:
    digest = hashlib.sha1(base64.b64decode(export["cer"]), usedforsecurity=False)
    return digest.hexdigest().upper()


def _entries(exports: Exports, proven: dict[str, bytes]) -> t.Iterator[Entry]:
    now = datetime.datetime.now(datetime.UTC)
    for thumbprint, export in sorted(exports.items()):
        yield Entry(f"{thumbprint}.cer", now, [base64.b64decode(export["cer"])])
        if thumbprint in proven:
            yield Entry(f"{thumbprint}.pfx", now, [proven[thumbprint]])
    passwords = {thumbprint: exports[thumbprint]["password"] for thumbprint in sorted(proven)}
    yield Entry("passwords.json", now, [json.dumps(passwords, indent=1).encode()])


def _distinct(records: list[Certificate]) -> list[Certificate]:
    """One record for each thumbprint: a certificate may lie in two stores."""
    return list({record["thumbprint"]: record for record in reversed(records)}.values())[::-1]


def _told(record: Certificate, proven: dict[str, bytes]) -> dict[str, t.Any]:
    """What the manifest says of a certificate."""
    return {
        "thumbprint": record["thumbprint"],
        "subject": record["subject"],
        "not_before": record["not_before"],
        "not_after": record["not_after"],
        "exported": record["thumbprint"] in proven,
    }
