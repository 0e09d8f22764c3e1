# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An open folder of the store: whose it may be, and that nothing in it is followed or waited for."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.folder import (
    Folder,
    ForeignFolderError,
    explained,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.space import (
    NoSpaceError,
    refuse_without_space,
)
from unit.obstacles import NOBODY, is_root, others, within

USES = ("open_file", "append_file", "remove_file", "subfolder", "make_subfolder", "remove_tree")


@pytest.fixture(autouse=True)
def _at_once() -> Iterator[None]:
    with within(30):
        yield


@others
@pytest.mark.parametrize("use", USES)
def test_what_is_neither_file_nor_folder_is_refused_at_once_in_words(
    root: Path, put: Callable[[Path], None], words: str, use: str
) -> None:
    put(root / "name")
    with Folder.at(root) as folder, pytest.raises(OSError, match=words):
        getattr(folder, use)("name")
    assert os.path.lexists(root / "name")


@others
def test_no_root_is_anything_else_than_a_folder(root: Path, put: Callable[[Path], None], words: str) -> None:
    put(root / "name")
    with pytest.raises(OSError, match=words):
        Folder.at(root / "name")


@others
def test_what_is_in_the_place_of_a_new_file_is_neither_followed_nor_replaced(
    root: Path, put: Callable[[Path], None], words: str
) -> None:
    put(root / "name")
    before = (root / "name").lstat()
    with Folder.at(root) as folder:
        with pytest.raises(FileExistsError):
            folder.create_file("name")
        with pytest.raises(OSError, match=words):
            folder.replace_file("name", b"new")
    assert os.path.samestat((root / "name").lstat(), before)
    assert [path.name for path in root.iterdir()] == ["name"]


@is_root
def test_a_device_is_refused(root: Path) -> None:
    os.mknod(root / "name", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    with Folder.at(root) as folder, pytest.raises(OSError, match="it is a device"):
        folder.open_file("name")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "a\0b"])
def test_only_an_entry_can_be_named(root: Path, name: str) -> None:
    with Folder.at(root) as folder:
        for use in (folder.open_file, folder.create_file, folder.subfolder, folder.make_subfolder, folder.remove_file):
            with pytest.raises(OSError, match="not a name in a folder"):
                use(name)


@pytest.mark.parametrize("mode", [0o770, 0o775, 0o707, 0o777, 0o1777, 0o1770, 0o2775, 0o720, 0o702])
def test_a_folder_that_others_may_write_to_is_refused_with_the_command_that_helps(root: Path, mode: int) -> None:
    root.chmod(mode)
    with pytest.raises(ForeignFolderError, match=f"mode {mode:04o}.*chmod go-w {root}") as refused:
        Folder.at(root, check_owner=False)
    assert ("all users" in str(refused.value)) == bool(mode & 0o002)


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755, 0o2750, 0o1700])
def test_a_folder_that_only_its_owner_may_write_to_is_used(root: Path, mode: int) -> None:
    root.chmod(mode)
    with Folder.at(root) as folder:
        assert folder.entries() == []


@is_root
def test_a_folder_of_another_user_is_refused_unless_owners_are_not_checked(root: Path) -> None:
    os.chown(root, NOBODY, 0)
    with pytest.raises(ForeignFolderError, match=r"uid 65534.*chown 0 .*access_manager_check_backup_owner"):
        Folder.at(root)
    with Folder.at(root, check_owner=False) as folder:
        assert folder.entries() == []


@is_root
def test_a_subfolder_of_another_user_is_refused_as_the_folder_above_says(root: Path) -> None:
    (root / "host").mkdir(mode=0o700)
    os.chown(root / "host", NOBODY, 0)
    with Folder.at(root) as folder:
        for use in (folder.subfolder, folder.make_subfolder):
            with pytest.raises(ForeignFolderError, match="uid 65534"):
                use("host")
    with Folder.at(root, check_owner=False) as folder, folder.subfolder("host") as host:
        assert host.path == root / "host"


@is_root
def test_a_user_uses_folders_of_his_own_and_of_root() -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        for name, uid in (("own", NOBODY), ("root", 0), ("other", 12345)):
            folder = Path(place, name)
            folder.mkdir(mode=0o755)
            os.chown(folder, uid, uid)
        lines = as_nobody(place)
    assert lines[:2] == ["own True", "root False"]
    assert lines[2].startswith("other refused: ")
    assert lines[3] == "0o40700 0o100600"


def as_nobody(place: str) -> list[str]:
    """What a user without rights sees and makes there, with umask 000."""
    script = textwrap.dedent(f"""
        import os, pathlib
        from {Folder.__module__} import Folder, ForeignFolderError
        os.chdir("/"); os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
        os.umask(0)
        place = pathlib.Path({place!r})
        with Folder.at(place) as folder:
            for name in ("own", "root", "other"):
                try:
                    with folder.subfolder(name) as one:
                        print(name, one.is_writable)
                except ForeignFolderError as exc:
                    print(name, "refused:", exc)
            with folder.subfolder("own") as own, own.make_subfolder("new") as new, new.create_file("file") as file:
                print(oct(os.fstat(new.descriptor).st_mode), oct(os.fstat(file.fileno()).st_mode))
    """)
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert not done.stderr
    return done.stdout.splitlines()


def test_a_folder_that_is_put_in_the_place_of_an_open_one_is_never_used(root: Path) -> None:
    (root / "host").mkdir(mode=0o700)
    (root / "host" / "file").write_bytes(b"honest")
    with Folder.at(root) as folder, folder.subfolder("host") as host:
        (root / "host").rename(root / "away")
        (root / "host").mkdir()
        (root / "host" / "file").write_bytes(b"forged")
        assert host.read_file("file", 100) == b"honest"
        with host.create_file("new") as file:
            file.write(b"secret")
    assert not (root / "host" / "new").exists()
    assert (root / "away" / "new").read_bytes() == b"secret"


def test_a_file_with_another_name_is_not_appended_to(root: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    os.link(tmp_path / "precious", root / "name")
    with Folder.at(root) as folder, pytest.raises(OSError, match="hard link"):
        folder.append_file("name")
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_a_replaced_file_is_the_old_one_or_the_new_one(root: Path) -> None:
    with Folder.at(root) as folder:
        folder.replace_file("name", b"old")
        old = folder.open_file("name")
        folder.replace_file("name", b"new")
        with old:
            assert old.read() == b"old"
        assert folder.read_file("name", 3) == b"new"
        assert folder.entries() == ["name"]
        assert stat.S_IMODE(folder.status("name").st_mode) == 0o600


def test_a_file_larger_than_its_limit_is_not_read(root: Path) -> None:
    (root / "name").write_bytes(bytes(101))
    with Folder.at(root) as folder:
        with pytest.raises(OSError, match="more than 100 bytes"):
            folder.read_file("name", 100)
        assert len(folder.read_file("name", 101)) == 101


def test_a_tree_is_removed_without_what_its_links_lead_to(root: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_bytes(b"precious")
    (root / "tree").mkdir()
    (root / "tree" / "link").symlink_to(tmp_path / "precious")
    with Folder.at(root) as folder:
        folder.remove_tree("tree")
        assert folder.entries() == []
    assert (tmp_path / "precious" / "file").exists()


@pytest.mark.slow
def test_a_tree_too_deep_to_be_removed_is_said(root: Path) -> None:
    (root / "tree").mkdir()
    with contextlib.chdir(root / "tree"):
        for _level in range(5000):
            Path("d").mkdir()
            os.chdir("d")
    try:
        with Folder.at(root) as folder:
            try:
                folder.remove_tree("tree")
            except OSError as exc:
                assert "too deep" in str(exc) or exc.errno == errno.EMFILE  # noqa: PT017 - a newer Python removes it
            else:
                assert not folder.has("tree")
    finally:
        subprocess.run(["rm", "-rf", root / "tree"], check=True)


def test_no_descriptor_is_left_open(root: Path) -> None:
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    (root / "wide").mkdir()
    (root / "wide").chmod(0o777)
    (root / "file").write_bytes(b"")
    os.mkfifo(root / "pipe")
    with Folder.at(root) as folder:
        for name, use in (("wide", folder.subfolder), ("file", folder.subfolder), ("pipe", folder.open_file)):
            with contextlib.suppress(OSError, AccessManagerError):
                use(name)
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before


def fails(number: int) -> Callable[[int], None]:
    def fail(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_folder_that_its_file_system_cannot_sync_is_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with Folder.at(root) as folder:
        monkeypatch.setattr(os, "fsync", fails(number))
        folder.sync()
        monkeypatch.setattr(os, "fsync", fails(errno.EIO))
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            folder.sync()


def test_a_file_system_without_inodes_is_not_called_full(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    status = os.statvfs(root)
    sizes = list(status)
    sizes[5:8] = [1000, 0, 0]
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(sizes))
    with pytest.raises(AccessManagerError, match="no free inodes"), explained(root / "x"):
        raise full
    sizes[5:8] = [1000, 10, 10]
    with pytest.raises(AccessManagerError, match="the disk is full"), explained(root / "x"):
        raise full


def test_a_file_system_that_does_not_know_its_size_has_space(root: Path) -> None:
    """As some network mounts report 0 blocks: so does /proc."""
    unknown = os.open("/proc", os.O_RDONLY)
    with Folder.at(root) as folder:
        try:
            refuse_without_space(unknown, 10**18, "/proc")
            with pytest.raises(NoSpaceError, match="There is not enough space"):
                refuse_without_space(folder.descriptor, 10**18, str(root))
        finally:
            os.close(unknown)
