# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How published backups are removed: recorded, renamed to ROOT/HOST/.removing-ID, and then deleted."""

from __future__ import annotations

import collections.abc as c
import contextlib
import re
import stat

from .._errors import AccessManagerError
from .._signing.signer import Signer
from .._text import BACKUP_ID
from . import prune_log
from .chain import Link
from .folder import Folder, explained
from .store import BackupStore

_REMOVED = re.compile(rf"\.removing-{BACKUP_ID}")


@contextlib.contextmanager
def locked(store: BackupStore) -> c.Iterator[None]:
    """Lets no other run remove backups of this host meanwhile, where the file system knows locks.

    Two runs with different rules could each remove what the other keeps as the last copy of a key.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(FileNotFoundError):
            stack.enter_context(store.opened()).lock()
        yield


def prune(
    store: BackupStore, links: c.Sequence[Link], *, forgotten: c.Sequence[Link] = (), signer: Signer | None = None
) -> None:
    """Removes published backups: they are recorded, then they lose their names, and then their files are deleted.

    The plan for it is to be made, and carried out, within C(locked).
    C(forgotten): backups that are missing already, which are recorded only. Nothing outside the host's folder is
    touched, whatever links lie in it. Raises AccessManagerError when a backup cannot be removed.
    """
    recorded = [*forgotten, *links]
    line = prune_log.line_of(store.host, recorded, signer) if recorded else b""
    with contextlib.suppress(FileNotFoundError), store.opened() as folder, explained(store.folder, "changed"):
        _delete_removed(folder)
        if line:
            prune_log.add(folder, line)
        for link in links:
            with contextlib.suppress(FileNotFoundError):  # where no lock holds, another run may prune too
                if not stat.S_ISDIR(folder.status(link.id).st_mode):
                    raise AccessManagerError(f"'{store.folder / link.id}' is no folder: it is not removed.")
                folder.rename(link.id, f".removing-{link.id}")
        folder.sync()
        _delete_removed(folder)


def _delete_removed(folder: Folder) -> None:
    """Deletes the files of backups that have lost their names, also of those that a killed run left."""
    for name in filter(_REMOVED.fullmatch, folder.entries()):
        if stat.S_ISDIR(folder.status(name).st_mode):
            folder.remove_tree(name)
    folder.sync()
