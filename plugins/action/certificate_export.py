# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports the certificates with their private keys, verifies each, and encrypts them as certificates.zip."""

from __future__ import annotations

import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._age.encryption import Encryptor
from ..plugin_utils._ams.constants import knowledge
from ..plugin_utils._parts.certificates import CertificatesPart
from ..plugin_utils._parts.part import open_backup
from ..plugin_utils._target.answers import Certificates, EncryptedCertificates
from ..plugin_utils._target.envelope import CallKey
from ..plugin_utils._windows import thumbprints


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        encryptor, named = Encryptor.of(self.params), thumbprints.parse(self.params["thumbprints"])
        question = {"knowledge": knowledge(named)}
        if self.check_mode:
            return {"changed": True, **self.target.call(question, Certificates)}
        part = CertificatesPart(self.target, open_backup(self.params, self.host), encryptor, CallKey(), named=named)
        return part.receive(self.target.call(question | {"public_key": part.key.public}, EncryptedCertificates))
