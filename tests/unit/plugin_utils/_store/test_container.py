# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup root that goes away with its container is refused before a backup begins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import container
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.folder import Folder
from unit.actions import run

GONE = "the backup would be gone when the job ends"


SAYS_ITS_MOUNT = """
import pathlib, sys
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import container
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.folder import Folder
with Folder.at(pathlib.Path(sys.argv[1])) as folder:
    print(*container._mount_of(folder))
"""


def refused(root: Path) -> bool:
    try:
        with Folder.at(root) as folder:
            container.refuse_lost_with_container(folder)
    except AccessManagerError as exc:
        assert GONE in str(exc)
        assert str(root) in str(exc)
        return True
    return False


@pytest.fixture(params=["mark", "variable"])
def inside(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process says that it runs in a container, in either way."""
    for name in container.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "mark").touch()
    monkeypatch.setattr(container, "MARKS", [tmp_path / "mark"] if request.param == "mark" else [])
    if request.param == "variable":
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")


def mount(monkeypatch: pytest.MonkeyPatch, root: Path, line: str) -> None:
    """The kernel says that every folder lies on the mount of this line of mountinfo."""
    process = root.parent / "proc"
    (process / "fdinfo").mkdir(parents=True, exist_ok=True)
    for descriptor in range(64):
        (process / f"fdinfo/{descriptor}").write_text("pos:\t0\nflags:\t0100000\nmnt_id:\t7\nino:\t3\n")
    (process / "mountinfo").write_text(f"1 0 0:1 / /other rw - ext4 /dev/x rw\n7 1 {line}\n")
    monkeypatch.setattr(container, "PROCESS", process)


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("line", "lost"),
    [
        ("0:52 / / rw,relatime - overlay overlay rw", True),
        ("0:52 / / rw - fuse.fuse-overlayfs fuse-overlayfs rw", True),
        ("0:41 /containers/btrfs/subvolumes/4f / rw - btrfs /dev/sda2 rw", True),
        ("8:1 /tmp/awx_42_x /runner rw,relatime shared:1 - xfs /dev/sda1 rw", True),
        ("8:1 /tmp/awx_42_x/project /runner/project rw - xfs /dev/sda1 rw", True),
        ("0:60 / /srv/backup rw - tmpfs tmpfs rw", True),
        ("8:1 /srv/backup /srv/backup rw,relatime - xfs /dev/sda1 rw", False),
        ("0:60 / /srv/backup rw shared:7 master:3 - nfs4 nas:/backup rw", False),
        ("254:0 / / rw,relatime - ext4 /dev/vda rw", False),
    ],
)
def test_what_lies_on_the_containers_own_file_system_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, line: str, lost: bool
) -> None:
    mount(monkeypatch, root, line)
    assert refused(root) == lost


def test_outside_a_container_nothing_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in container.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(container, "MARKS", [])
    mount(monkeypatch, root, "0:52 / / rw,relatime - overlay overlay rw")
    assert not refused(root)


@pytest.mark.usefixtures("inside")
def test_a_kernel_that_does_not_say_refuses_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "PROCESS", root / "nowhere")
    assert not refused(root)


@pytest.mark.usefixtures("inside")
def test_the_module_refuses_it_and_an_option_allows_it(
    root: Path, monkeypatch: pytest.MonkeyPatch, recipient: str
) -> None:
    mount(monkeypatch, root, "0:52 / / rw - overlay overlay rw")
    options: dict[str, Any] = {"state": "checked", "backup_root": str(root), "recipients": [recipient]}
    failure = run("backup_commit", **options)
    assert failure["failed"]
    assert GONE in failure["msg"]
    assert "failed" not in run("backup_commit", **options, allow_unmounted_root=True)


def test_a_real_mount_in_memory_is_seen(root: Path) -> None:
    """In a mount namespace of its own, where this user may make one."""
    mounts = 'mount -t tmpfs -o mode=0700 none "$0" && exec "$1" -c "$2" "$0"'
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", mounts, str(root), sys.executable, SAYS_ITS_MOUNT]
    environment = {"PYTHONPATH": str(Path(__file__).parents[4] / ".build"), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if "unshare" in done.stderr or "permission denied" in done.stderr.lower():
        pytest.skip("this user may not make a mount namespace")
    assert done.stdout.split() == ["/", str(root), "tmpfs"], done.stderr
