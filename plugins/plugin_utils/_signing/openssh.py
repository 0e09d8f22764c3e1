# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ssh-keygen as this collection calls it: it never asks anything, and reads from memory what is not a key."""

from __future__ import annotations

import collections.abc as c
import contextlib
import functools
import os
import pathlib
import re
import shutil
import subprocess

from .._errors import AccessManagerError

NAMESPACE = "backup@lithnet.access_manager"
"""What the signatures are for: one that the same key made for something else is not accepted."""

_OLDEST = (8, 2)
"""The first OpenSSH that finds the principal of a signature (-Y find-principals) and signs with security keys."""

_SECONDS = 60
"""How long one call may take: a security key waits to be touched."""

_VERSION = re.compile(r"OpenSSH\w*_(\d+)\.(\d+)[^\s,]*")
_ASKS = frozenset({"DISPLAY", "WAYLAND_DISPLAY", "SSH_ASKPASS"})
"""The variables by which OpenSSH finds a window to ask for a passphrase in."""

Answer = subprocess.CompletedProcess[bytes]


def ssh_keygen(*arguments: str, data: bytes, descriptors: c.Sequence[int] = ()) -> Answer:
    """Runs ssh-keygen with that standard input. It has no terminal and no window, so it fails where it would ask.

    Raises AccessManagerError when it is missing, too old, or does not end.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _ASKS} | {
        "SSH_ASKPASS_REQUIRE": "never"
    }
    try:
        return subprocess.run(
            [program(), *arguments],
            input=data,
            capture_output=True,
            pass_fds=descriptors,
            env=environment,
            start_new_session=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise AccessManagerError(
            f"ssh-keygen did not end within {_SECONDS} s: if the key is in a security key, touch it when it blinks; "
            "if it is in ssh-agent, see whether the agent waits for a confirmation."
        ) from None
    except OSError as exc:
        raise AccessManagerError(f"ssh-keygen cannot be run on the controller: {exc.strerror}.") from None


@contextlib.contextmanager
def in_memory(content: bytes) -> c.Iterator[int]:
    """A file in memory, as a descriptor to pass on. C(path_of) names it."""
    with os.fdopen(os.memfd_create("signing"), "wb") as file:
        file.write(content)
        file.flush()
        yield file.fileno()


def path_of(descriptor: int) -> str:
    """The name that a process has for a descriptor that was passed to it."""
    return f"/dev/fd/{descriptor}"


def last_words(answer: Answer) -> str:
    """The last thing that ssh-keygen said of its failure."""
    lines = answer.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1].rstrip(".") if lines else f"it ended with code {answer.returncode}"


def program() -> str:
    """The path of ssh-keygen. Raises AccessManagerError when it is missing or too old."""
    return _found(os.environ.get("PATH", os.defpath))


@functools.cache
def _found(search_path: str) -> str:
    """The ssh beside ssh-keygen says which version both are."""
    program = shutil.which("ssh-keygen", path=search_path)
    if program is None:
        raise AccessManagerError(
            "ssh-keygen is missing on the controller, and signatures of backups need it: install OpenSSH 8.2 or newer "
            "(apt-get install openssh-client on Debian, dnf install openssh-clients on RHEL)."
        )
    with contextlib.suppress(OSError):
        ssh = [str(pathlib.Path(program).with_name("ssh")), "-V"]
        said = subprocess.run(ssh, capture_output=True, stdin=subprocess.DEVNULL, text=True, check=False).stderr
        version = _VERSION.search(said)
        if version and (int(version[1]), int(version[2])) < _OLDEST:
            raise AccessManagerError(
                f"'{program}' is of {version[0]}, and signatures of backups need OpenSSH 8.2 or newer: "
                "upgrade it on the controller."
            )
    return program
