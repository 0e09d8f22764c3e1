# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decrypts an attachment of a host into a file on the controller."""

from __future__ import annotations

import pathlib
import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._age.decryption import Decryptor
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._files import open_regular, replace_atomically
from ..plugin_utils._signing.trust import Trust
from ..plugin_utils._store.attachments import Attachments
from ..plugin_utils._store.store import BackupStore

_FILE_MODE = 0o600


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        store = BackupStore.of(self.params, self.host, Trust.of(self.params))
        attachments = Attachments(store, self.params["state_dir"])
        found, content = attachments.extracted(self.params["name"], Decryptor.of(self.params))
        path = pathlib.Path(self.params["dest"])
        _refuse_other(path, content)
        changed = replace_atomically(path, content, _FILE_MODE, check_mode=self.check_mode)
        return {"changed": changed, "origin": found.origin.sentence, "dest": str(path)} | found.as_data()


def _refuse_other(path: pathlib.Path, content: bytes) -> None:
    """Raises AccessManagerError when something else is there already: it may be the only copy."""
    try:
        with open_regular(path) as file:
            same = file.read(len(content) + 1) == content
    except FileNotFoundError:
        return
    except OSError as exc:
        raise AccessManagerError(f"'{path}' cannot be written: {exc.strerror}. Name a new file.") from None
    if not same:
        raise AccessManagerError(f"'{path}' is there already, with another content: name a new file.")
