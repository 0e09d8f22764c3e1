# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The secrets that a server alone can decrypt, encrypted as secrets.json."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import io
import json
import typing as t

from .._ams import secret_use
from .._ams.constants import SecretMode, knowledge
from .._contents.names import BINDING_KEY
from .._errors import AccessManagerError
from .._store.manifest import Details, SecretRecord
from .._target.answers import DECRYPTED_SECRETS, EncryptedSecrets, Secret
from .._windows import domain_secret
from .part import Part

SETTINGS = list(secret_use.SETTINGS)
"""The settings that the server sends too: they say which secrets are in use."""


class SecretsPart(Part):
    name = "secrets"
    context = "secret_export"

    @property
    def question(self) -> dict[str, t.Any]:
        """What the half of C(secret_export) is asked for this part."""
        return {"knowledge": knowledge(), "settings": SETTINGS, "public_key": self.key.public}

    def receive(self, answer: EncryptedSecrets) -> dict[str, t.Any]:
        """Takes what the server sent, and returns what is known of it. The part with the certificates comes before."""
        secrets = self.target.decrypted(self.envelope.decrypt(answer["envelope"]), DECRYPTED_SECRETS)
        artifact = self.write(io.BytesIO(_content(secrets, self.binding())))
        held = self._certificates()
        found = [_Found.of(path, one, answer["settings"], held) for path, one in sorted(secrets.items())]
        problems = [one.problem for one in found if one.is_lost]
        details: Details = {"secrets": [one.as_data() for one in found]}
        self.save(artifact, problems=problems, details=details, inventory={})
        notices = [one.notice for one in found if one.notice]
        return {"changed": True, "artifact": artifact, "problems": problems, "notices": notices} | details

    def _certificates(self) -> frozenset[str]:
        """The thumbprints of the certificates in this backup, whose keys are in it or a problem of their own."""
        try:
            record = self.backup.records(("certificates",))["certificates"]
        except AccessManagerError:
            return frozenset()
        return frozenset(one["thumbprint"] for one in record["manifest"].get("certificates", []))


def _content(found: c.Mapping[str, c.Mapping[str, object]], binding: t.Any) -> bytes:
    """secrets.json: what the server decrypted, or why it could not."""
    content = {path: {**one} for path, one in sorted(found.items())}
    for one in content.values():
        one.pop("protected", None)
    content[BINDING_KEY] = binding
    return json.dumps(content, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass")


@dataclasses.dataclass(frozen=True)
class _Found:
    """A secret of the server. C(error): why its value is not in the backup; empty when it is.

    C(certificate): the thumbprint of the certificate whose PFX in the configuration it decrypts; else empty.
    C(is_needed): whether Access Manager uses it, and nothing else in the backup stands for it. C(readers): who may
    decrypt one of the domain, as it says itself.
    """

    path: str
    mode: int | str
    error: str
    is_needed: bool
    readers: list[str]
    certificate: str

    @classmethod
    def of(cls, path: str, secret: Secret, settings: dict[str, str], held: frozenset[str]) -> _Found:
        synchronised = secret_use.synchronised_certificate(path, settings)
        needed = secret_use.is_used(path, settings) and synchronised not in held
        readers = domain_secret.readers_of(secret.get("protected", ""))
        error = str(secret.get("error", ""))
        return cls(path, secret["mode"], error, needed, readers, synchronised or "")

    @property
    def is_of_domain(self) -> bool:
        return self.mode == SecretMode.DOMAIN and bool(self.readers)

    @property
    def is_lost(self) -> bool:
        """Whether nothing of the backup brings it back: one of the domain restores as it is."""
        return bool(self.error) and self.is_needed and not self.is_of_domain

    @property
    def problem(self) -> str:
        remedy = (
            "Nobody can enter it again, since Access Manager made it: keep the private key of the certificate whose "
            "synchronisation it is for by other means."
            if secret_use.is_synchronised(self.path)
            else "After the loss of this server it must be entered again."
        )
        return f"The secret {self.path} could not be decrypted on the server: {self.error.rstrip('.')}. {remedy}"

    @property
    def notice(self) -> str:
        """What is said of a secret that this run could not decrypt, and accounts that it names can."""
        if not self.error or not self.is_needed or not self.is_of_domain:
            return ""
        return (
            f"The secret {self.path} is protected for accounts of the domain (mode 3), and this run could not decrypt "
            f"it: {self.error.rstrip('.')}. It is backed up as it is; {domain_secret.words_of(self.readers)} can "
            "decrypt it. Where the account of this run is among these, its connection may reach no domain controller: "
            "use one that delegates (Kerberos with delegation, or CredSSP)."
        )

    def as_data(self) -> SecretRecord:
        """What the manifest says of it."""
        return {
            "path": self.path,
            "mode": self.mode,
            "exported": not self.error,
            "needed": self.is_lost or not self.error,
            "decryptable_by": self.readers,
            "certificate": self.certificate,
        }
