# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports the certificates with their private keys, proves each, and seals them as certificates.zip."""

from __future__ import annotations

import base64
import datetime
import json
import re
import typing as t

from ..plugin_utils._ams.checks import problems_of_certificates
from ..plugin_utils._contents import binding
from ..plugin_utils._contents.zip_writer import ChunkReader, Entry, zip_chunks
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._export_action import PartAction
from ..plugin_utils._store.inventory import inventory_of_certificates
from ..plugin_utils._target.envelope import Envelope
from ..plugin_utils._windows import pfx as pfx_module

_THUMBPRINT = re.compile(r"[0-9A-F]{40}")


class ActionModule(PartAction):
    part = "certificates"

    def perform(self) -> dict[str, t.Any]:
        seal = self.seal()
        if self.check_mode:
            answer = self.call_target({"knowledge": self.knowledge()})
            return {"changed": True, "certificates": answer["certificates"]}
        envelope = Envelope("certificate_export")
        answer = self.call_target({"knowledge": self.knowledge(), "public_key": envelope.public_key})
        exports = _checked(json.loads(envelope.open(answer["envelope"])))
        problems = problems_of_certificates(answer["certificates"])
        proven = self._proven(exports, answer["certificates"], problems)
        clear = ChunkReader(zip_chunks([binding.entry(self.binding()), *_entries(exports, proven)]))
        artifact = self.store().write(
            self.params["backup_id"], f"certificates.zip{seal.suffix}", lambda sealed: seal.write(clear, sealed)
        )
        told = {"certificates": [_told(record, proven) for record in _distinct(answer["certificates"])]}
        inventory = inventory_of_certificates(answer["certificates"])
        self.save(seal, artifact, problems=problems, told=told, inventory=inventory)
        return {"changed": True, "artifact": artifact, "problems": problems} | told

    def _proven(self, exports: dict[str, dict[str, str]], records: list[dict[str, t.Any]], problems: list[str]) -> dict[str, bytes]:
        """The PFX of each certificate whose key answers for it; what does not is added to the problems."""
        proven = {}
        expected = {record["thumbprint"] for record in records if record["key"].get("exportable")}
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


def _checked(exports: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """What the target sent, by thumbprint. A thumbprint becomes a file's name: nothing else may."""
    for thumbprint in exports:
        if not _THUMBPRINT.fullmatch(thumbprint):
            raise AccessManagerError(f"The target names a certificate '{thumbprint}', which is not a thumbprint.")
    return exports


def _entries(exports: dict[str, dict[str, str]], proven: dict[str, bytes]) -> t.Iterator[Entry]:
    now = datetime.datetime.now(datetime.UTC)
    for thumbprint, export in sorted(exports.items()):
        yield Entry(f"{thumbprint}.cer", now, [base64.b64decode(export["cer"])])
        if thumbprint in proven:
            yield Entry(f"{thumbprint}.pfx", now, [proven[thumbprint]])
    passwords = {thumbprint: exports[thumbprint]["password"] for thumbprint in sorted(proven)}
    yield Entry("passwords.json", now, [json.dumps(passwords, indent=1).encode()])


def _distinct(records: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """One record for each thumbprint: a certificate may lie in two stores."""
    return list({record["thumbprint"]: record for record in reversed(records)}.values())[::-1]


def _told(record: dict[str, t.Any], proven: dict[str, bytes]) -> dict[str, t.Any]:
    """What the manifest says of a certificate."""
    return {key: record[key] for key in ("thumbprint", "subject", "not_before", "not_after")} | {
        "exported": record["thumbprint"] in proven
    }
