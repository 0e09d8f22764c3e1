# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates with their private keys, each verified, encrypted as certificates.zip."""

from __future__ import annotations

import base64
import collections.abc as c
import contextlib
import datetime
import json
import typing as t

from .._age.encryption import Encryptor
from .._ams.checks import problems_of_certificates
from .._ams.shapes import Certificate as FoundCertificate
from .._contents import part_binding
from .._contents.keys import Certificate, checked_certificate
from .._contents.names import PASSWORDS
from .._contents.zip_writer import ChunkReader, Entry, zip_chunks
from .._errors import AccessManagerError
from .._store.inventory import inventory_of_certificates
from .._store.manifest import CertificateRecord, Details
from .._store.partial import PartialBackup
from .._target.answers import EXPORTS, EncryptedCertificates, Export
from .._target.call import Target
from .._target.envelope import CallKey
from .._windows import pfx as pfx_module
from .part import Part


class CertificatesPart(Part):
    """C(named): the thumbprints that the directory names."""

    name = "certificates"
    context = "certificate_export"

    def __init__(
        self, target: Target, backup: PartialBackup, encryptor: Encryptor, key: CallKey, *, named: list[str]
    ) -> None:
        super().__init__(target, backup, encryptor, key)
        self._named = named

    def receive(self, answer: EncryptedCertificates) -> dict[str, t.Any]:
        """Takes what the server sent, and returns what is known of it."""
        exports = self.target.decrypted(self.envelope.decrypt(answer["envelope"]), EXPORTS)
        problems = problems_of_certificates(answer["certificates"], self._named)
        exportable = {record["thumbprint"] for record in answer["certificates"] if record["key"].get("exportable")}
        held = {one.thumbprint: one for one in _certificates(exports, exportable, problems)}
        records = [_details(record, held) for record in _distinct(answer["certificates"])]
        problems += _differences(records, held)
        clear = ChunkReader(zip_chunks([part_binding.entry(self.binding()), *_entries(held.values())]))
        artifact = self.write(clear)
        details: Details = {"certificates": records}
        inventory = inventory_of_certificates(answer["certificates"])
        self.save(artifact, problems=problems, details=details, inventory=inventory)
        return {"changed": True, "artifact": artifact, "problems": problems} | details


def _certificates(exports: dict[str, Export], exportable: c.Set[str], problems: list[str]) -> c.Iterator[Certificate]:
    """Each certificate with its key, or alone when its key does not answer for it; what is left out is added to the
    problems.
    """
    problems += [
        f"Certificate {one} is not backed up: the server sent no key." for one in sorted(exportable - exports.keys())
    ]
    for thumbprint, export in sorted(exports.items()):
        if "error" in export and thumbprint in exportable:
            problems.append(f"Certificate {thumbprint} is not backed up: {export['error']}.")
        certificate = base64.b64decode(export["cer"])
        try:
            yield checked_certificate(thumbprint, certificate, *_key(export))
        except AccessManagerError as exc:
            problems.append(f"Certificate {thumbprint} is not backed up: {exc}")
            with contextlib.suppress(AccessManagerError):
                yield checked_certificate(thumbprint, certificate)


def _key(export: Export) -> tuple[bytes, str] | tuple[()]:
    """The PFX and its password, when the target sent one."""
    return (base64.b64decode(export["pfx"]), export["password"]) if "pfx" in export else ()


def _differences(records: list[CertificateRecord], held: dict[str, Certificate]) -> c.Iterator[str]:
    """A sentence for each thing that the manifest will say of a certificate and that is not so."""
    for record in records:
        if record["thumbprint"] in held:
            for key in pfx_module.differences(held[record["thumbprint"]].certificate, record):
                yield f"The server reports another {key} of certificate {record['thumbprint']} than it has."


def _entries(certificates: c.Iterable[Certificate]) -> c.Iterator[Entry]:
    now = datetime.datetime.now(datetime.UTC)
    passwords = {}
    for one in certificates:
        yield Entry(f"{one.thumbprint}.cer", now, [one.certificate])
        if one.pfx is not None:
            yield Entry(f"{one.thumbprint}.pfx", now, [one.pfx])
            passwords[one.thumbprint] = one.password
    yield Entry(PASSWORDS, now, [json.dumps(passwords, indent=1).encode()])


def _distinct(records: list[FoundCertificate]) -> list[FoundCertificate]:
    """One record for each thumbprint: a certificate may lie in two stores."""
    return list({record["thumbprint"]: record for record in reversed(records)}.values())[::-1]


def _details(record: FoundCertificate, held: dict[str, Certificate]) -> CertificateRecord:
    """What the manifest says of a certificate: its times are its own, and the server's only where it was not sent."""
    one = held.get(record["thumbprint"])
    times = pfx_module.validity(one.certificate) if one else record
    return {
        "thumbprint": record["thumbprint"],
        "subject": record["subject"],
        "not_before": times["not_before"],
        "not_after": times["not_after"],
        "exported": one is not None and one.pfx is not None,
    }
