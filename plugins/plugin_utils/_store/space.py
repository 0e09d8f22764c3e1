# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The space of the file system on which the backups lie: what one server sends never takes the last of it from the
others.
"""

from __future__ import annotations

import os

from .._errors import AccessManagerError

RESERVE = 16 * 1024**2
"""Bytes that stay free whatever arrives."""


class NoSpaceError(AccessManagerError):
    """What arrives does not fit on the file system, or would take the reserve. Another attempt would not help."""


def refuse_without_space(descriptor: int, needed: int, path: str) -> None:
    """Raises NoSpaceError when so many bytes more do not fit where an open file or folder lies. C(path) names it.

    A file system that does not know its size, such as one in memory without a limit, has space.
    """
    status = os.fstatvfs(descriptor)
    free = status.f_bavail * status.f_frsize
    if status.f_blocks and free < needed + RESERVE:
        raise NoSpaceError(
            f"There is not enough space in '{path}': {_mebibytes(needed + RESERVE)} MiB are needed, "
            f"{_mebibytes(free)} MiB are free. Free some, or name another backup_root."
        )


def _mebibytes(count: int) -> int:
    return -(-count // 1024**2)
