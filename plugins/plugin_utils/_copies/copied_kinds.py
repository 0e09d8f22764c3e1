# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is copied of a host: backups, and attachments and installers beside them. Each lies in a folder of its own, and
has a record that names its other files.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses

from .._errors import AccessManagerError
from .._store import attachment, installers
from .._store import manifest as manifest_module
from .._store.folder import Folder
from .._store.manifest import ArtifactRecord
from .._store.store import BackupStore, is_id


@dataclasses.dataclass(frozen=True)
class Kind:
    """C(noun): what one is. C(folder): in which they lie, below that of the host; empty when that is the host's own.

    C(record), C(signature): the names of the file that names the others, and of its signature. C(limit): the bytes that
    a record may have. C(is_name): whether a folder of that name is one. C(artifacts_of): what a record names; raises
    AccessManagerError when it is none, or another's.
    """

    noun: str
    folder: str
    record: str
    signature: str
    limit: int
    is_name: c.Callable[[str], bool]
    artifacts_of: c.Callable[[BackupStore, str, bytes], c.Sequence[ArtifactRecord]]

    def place(self, name: str) -> str:
        """Where one lies below the folder of its host."""
        return f"{self.folder}/{name}" if self.folder else name

    def names(self, store: BackupStore) -> list[str]:
        """Those of a host, the oldest first. Raises AccessManagerError when they cannot be listed."""
        try:
            with descend(store.opened(), self.folder) as folder:
                return sorted(filter(self.is_name, folder.entries()))
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise AccessManagerError(
                f"The {self.noun}s in '{store.folder / self.folder}' cannot be listed: {exc.strerror}."
            ) from None


def _artifacts_of_backup(store: BackupStore, backup_id: str, data: bytes) -> c.Sequence[ArtifactRecord]:
    return store.parsed_manifest(backup_id, data)["artifacts"]


BACKUPS = Kind(
    "backup",
    "",
    manifest_module.NAME,
    manifest_module.SIGNATURE,
    manifest_module.SIZE_LIMIT,
    is_id,
    _artifacts_of_backup,
)
ATTACHMENTS = Kind(
    "attachment",
    attachment.FOLDER,
    attachment.RECORD,
    attachment.SIGNATURE,
    attachment.RECORD_LIMIT,
    is_id,
    attachment.artifacts_of,
)
INSTALLERS = Kind(
    "installer",
    installers.FOLDER,
    installers.RECORD,
    installers.SIGNATURE,
    installers.RECORD_LIMIT,
    installers.is_version,
    installers.artifacts_of,
)
KINDS = (ATTACHMENTS, BACKUPS, INSTALLERS)
"""In the order in which they are copied: what only a person could export comes first, and is small."""


def all_of(store: BackupStore) -> c.Iterator[tuple[Kind, str]]:
    """What there is of a host, of each kind the newest first. Raises AccessManagerError when it cannot be listed."""
    for kind in KINDS:
        for name in reversed(kind.names(store)):
            yield kind, name


def is_place(text: str) -> bool:
    """Whether something that is copied may lie there, below the folder of its host."""
    folder, _slash, name = text.rpartition("/")
    return any(kind.folder == folder and kind.is_name(name) for kind in KINDS)


def descend(folder: Folder, path: str) -> Folder:
    """Opens what lies below a folder, which is closed."""
    for name in filter(None, path.split("/")):
        with folder:
            folder = folder.subfolder(name)
    return folder


def make_all(root: Folder, path: str) -> Folder:
    """The folder of that path below another one, which stays open; each on the way is made if there is none."""
    first, *others = filter(None, path.split("/"))
    folder = root.make_subfolder(first)
    for name in others:
        with folder as above:
            folder = above.make_subfolder(name)
            above.sync()
    return folder
