# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has the target decrypt the secrets that it alone can decrypt, and encrypts them as secrets.json."""

from __future__ import annotations

import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._age.encryption import Encryptor
from ..plugin_utils._ams.constants import knowledge
from ..plugin_utils._parts.part import open_backup
from ..plugin_utils._parts.secrets import SecretsPart
from ..plugin_utils._target.answers import EncryptedSecrets, Secrets
from ..plugin_utils._target.envelope import CallKey


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        encryptor = Encryptor.of(self.params)
        if self.check_mode:
            return {"changed": True, **self.target.call({"knowledge": knowledge()}, Secrets)}
        part = SecretsPart(self.target, open_backup(self.params, self.host), encryptor, CallKey())
        return part.receive(self.target.call(part.question, EncryptedSecrets))
