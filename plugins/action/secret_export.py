# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has the target decrypt the secrets that it alone can decrypt, and encrypts them as secrets.json."""

from __future__ import annotations

import io
import json
import typing as t

from ..plugin_utils._ams.constants import knowledge
from ..plugin_utils._contents.names import BINDING_KEY
from ..plugin_utils._export_action import ExportAction
from ..plugin_utils._store.manifest import Details
from ..plugin_utils._target.answers import DECRYPTED_SECRETS, EncryptedSecrets, Secrets
from ..plugin_utils._target.envelope import Envelope


class ActionModule(ExportAction):
    part = "secrets"

    def perform(self) -> dict[str, t.Any]:
        encryptor = self.encryptor()
        if self.check_mode:
            known = self.target.call({"knowledge": knowledge()}, Secrets)
            return {"changed": True, **known}
        envelope = Envelope("secret_export")
        answer = self.target.call({"knowledge": knowledge(), "public_key": envelope.public_key}, EncryptedSecrets)
        opened: dict[str, t.Any] = self.target.opened(envelope.open(answer["envelope"]), DECRYPTED_SECRETS)
        content = dict(sorted(opened.items())) | {BINDING_KEY: self.binding()}
        clear = io.BytesIO(json.dumps(content, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        artifact = self.backup().write(
            f"secrets.json{encryptor.suffix}", lambda encrypted: encryptor.write(clear, encrypted)
        )
        problems = [
            f"The secret {path} could not be decrypted on the server: {secret['error'].rstrip('.')}. "
            "After the loss of this server it must be entered again."
            for path, secret in sorted(opened.items())
            if "error" in secret
        ]
        details: Details = {
            "secrets": [
                {"path": path, "mode": secret["mode"], "exported": "value" in secret}
                for path, secret in sorted(opened.items())
            ]
        }
        self.save(encryptor, artifact, problems=problems, details=details, inventory={})
        return {"changed": True, "artifact": artifact, "problems": problems} | details
