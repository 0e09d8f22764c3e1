# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an attacker may put in the place of a file or folder, and users who are not the one that runs the tests."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

NOBODY = 65534
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")


@contextlib.contextmanager
def within(seconds: int) -> Iterator[None]:
    """Ends a test that waits, as for a pipe."""
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def link_to_folder(path: Path) -> None:
    path.symlink_to("/etc")


def dead_link(path: Path) -> None:
    path.symlink_to("nowhere")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def sock(path: Path) -> None:
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as one:
        one.bind(path.name)


OTHERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "link": (link, "it is a link, which is not followed"),
    "link to a folder": (link_to_folder, "it is a link, which is not followed"),
    "dead link": (dead_link, "it is a link, which is not followed"),
    "pipe": (pipe, "it is a pipe"),
    "socket": (sock, "it is a socket"),
}
others = pytest.mark.parametrize(("put", "words"), OTHERS.values(), ids=OTHERS)
