# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on the controller: read without trust (a link is not followed, a pipe is not waited for), replaced atomically.
"""

from __future__ import annotations

import errno
import io
import os
import pathlib
import re
import stat
import tempfile
import typing as t

from ._errors import AccessManagerError

_MODE = re.compile(r"0[0-7]{3}")


def mode_of(option: t.Any) -> int:
    """The permissions that an option names. Raises AccessManagerError unless it is four octal digits."""
    if not _MODE.fullmatch(str(option)):
        raise AccessManagerError(f"mode is '{option}': give four octal digits in quotes, such as '0644'.")
    return int(str(option), 8)


def open_regular(path: pathlib.Path) -> io.BufferedReader:
    """Opens a file for reading. Raises OSError when it is not there, or a link, a folder, a pipe or a device is."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            raise OSError(exc.errno, "it is a link, which is not followed", str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def replace_atomically(path: pathlib.Path, content: bytes, mode: int, *, check_mode: bool = False) -> bool:
    """Gives a file that content and those permissions. Returns whether it did not have them; in check mode, without
    writing.

    Raises AccessManagerError when the folder is not there or cannot be written, or when something else than a file is
    in place.
    """
    try:
        if _is_current(path, content, mode):
            return False
        if not check_mode:
            _replace(path, content, mode)
    except OSError as exc:
        raise AccessManagerError(f"'{path}' cannot be written on the controller: {exc.strerror}.") from None
    return True


def _is_current(path: pathlib.Path, content: bytes, mode: int) -> bool:
    try:
        status = path.stat()
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise AccessManagerError(
                f"'{path}' cannot be written: there is no folder '{path.parent}' on the controller."
            ) from None
        return False
    if not stat.S_ISREG(status.st_mode):
        raise AccessManagerError(f"'{path}' cannot be written: it is a folder, a pipe or a device. Name a file.")
    return stat.S_IMODE(status.st_mode) == mode and status.st_size == len(content) and path.read_bytes() == content


def _replace(path: pathlib.Path, content: bytes, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        pathlib.Path(name).replace(path)
    except BaseException:
        pathlib.Path(name).unlink(missing_ok=True)
        raise
