# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a folder goes away with the container in which Ansible runs, such as an execution environment of AWX."""

from __future__ import annotations

import os
import pathlib
import typing as t

from .._errors import AccessManagerError
from .folder import Folder

MARKS = (pathlib.Path("/run/.containerenv"), pathlib.Path("/.dockerenv"))
VARIABLES = ("container", "KUBERNETES_SERVICE_HOST")
PROCESS = pathlib.Path("/proc/self")

_LAYERS = ("overlay", "fuse.fuse-overlayfs")
_OF_THE_CONTAINER = (*_LAYERS, "tmpfs", "ramfs")
_RUNNER = pathlib.PurePath("/runner")
"""Where ansible-runner mounts the files of one job, which it removes with the job."""


class Mount(t.NamedTuple):
    """A line of C(mountinfo), as proc(5) describes it."""

    root: str
    point: pathlib.PurePath
    kind: str


def refuse_lost_with_container(folder: Folder) -> None:
    """Raises AccessManagerError when what is written there would be gone when this container ends."""
    if not _is_in_container():
        return
    mount = _mount_of(folder)
    if mount and _is_of_the_container(mount):
        raise AccessManagerError(
            f"The backup root '{folder.path}' is inside the container in which Ansible runs, and no volume is mounted "
            "there: the backup would be gone when the job ends. Mount a volume at that path (AWX: 'Paths to expose to "
            "isolated jobs', or a volume in the pod specification of the container group), or set "
            "access_manager_allow_unmounted_root to true where it is kept in another way."
        )


def _is_in_container() -> bool:
    return any(mark.exists() for mark in MARKS) or not os.environ.keys().isdisjoint(VARIABLES)


def _mount_of(folder: Folder) -> Mount | None:
    """The mount on which an open folder lies; None where the kernel does not say."""
    try:
        facts = (PROCESS / f"fdinfo/{folder.descriptor}").read_text(encoding="ascii").split()
        mounts = (PROCESS / "mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        wanted = facts[facts.index("mnt_id:") + 1]
    except (OSError, ValueError):
        return None
    for line in mounts:
        number, _parent, _device, root, point, *rest = line.split(" ")
        if number == wanted:
            return Mount(root, pathlib.PurePath(point), rest[rest.index("-") + 1])
    return None


def _is_of_the_container(mount: Mount) -> bool:
    """Whether it is the container's own file system: its layers, its memory, a part of the engine's disk, or a job's
    folder. A virtual machine that was made from an image of a container has a whole disk at /, which stays.
    """
    if mount.point == _RUNNER or _RUNNER in mount.point.parents:
        return True
    return mount.kind in _OF_THE_CONTAINER or (mount.point == pathlib.PurePath("/") and mount.root != "/")
