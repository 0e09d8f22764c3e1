# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of the store, each an open descriptor by which everything in it is named.

Nobody can put another folder or file in the place of one that was checked: what is checked is what is used.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import errno
import fcntl
import io
import os
import pathlib
import pwd
import secrets
import shlex
import shutil
import stat
import typing as t

from .._errors import AccessManagerError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER_MODE, _FILE_MODE = 0o700, 0o600
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_UNCLEAR = (errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EISDIR)
"""What the system answers when something else is in the place of a file or folder."""

_KINDS: tuple[tuple[c.Callable[[int], bool], str], ...] = (
    (stat.S_ISREG, "a file"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISLNK, "a link, which is not followed"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


class ForeignFolderError(AccessManagerError):
    """Another user than the one who runs Ansible owns a folder of the store, or may write to it."""


class Folder:
    """An open folder of the store, and a context manager that closes it.

    Names are those of entries in it; C(path) is for messages and results only. Whatever is in the place of a file or
    folder and is none (a link, a pipe, a socket, a device) is refused without waiting for it, with an OSError whose
    C(strerror) says in words what it is. A folder that another user owns or may write to: ForeignFolderError.

    C(Folder.at(path)): a root, or a backup that a path names. C(subfolder), C(make_subfolder), C(new_subfolder): in it.
    C(open_file), C(read_file): to read. C(create_file), C(append_file), C(replace_file): to write, with mode 0600.
    C(entries), C(has), C(status), C(rename), C(remove_file), C(remove_tree), C(remove_empty): what is in it.
    C(sync), C(lock), C(is_writable): the folder itself.
    """

    def __init__(self, descriptor: int, path: str, *, check_owner: bool) -> None:
        self.descriptor = descriptor
        self._path = path
        self._check_owner = check_owner
        try:
            _refuse_foreign(os.fstat(descriptor), path, check_owner=check_owner)
        except BaseException:
            os.close(descriptor)
            raise

    @classmethod
    def at(cls, path: pathlib.Path, *, check_owner: bool = True) -> t.Self:
        """Opens a folder by its path. C(check_owner): whether it and those below must belong to the user or to root."""
        with _in_words(lambda: path.lstat().st_mode):
            return cls(os.open(path, _FOLDER), str(path), check_owner=check_owner)

    @property
    def path(self) -> pathlib.Path:
        return pathlib.Path(self._path)

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        os.close(self.descriptor)

    # ---- folders ----

    def subfolder(self, name: str) -> t.Self:
        with self._in_words(name):
            descriptor = os.open(_one(name), _FOLDER, dir_fd=self.descriptor)
        return type(self)(descriptor, f"{self._path}/{name}", check_owner=self._check_owner)

    def new_subfolder(self, name: str) -> t.Self:
        """Makes a folder with mode 0700. Raises FileExistsError when anything has that name."""
        os.mkdir(_one(name), _FOLDER_MODE, dir_fd=self.descriptor)
        return self.subfolder(name)

    def make_subfolder(self, name: str) -> t.Self:
        """The folder of that name, made if there is none."""
        with contextlib.suppress(FileExistsError):
            return self.new_subfolder(name)
        return self.subfolder(name)

    @contextlib.contextmanager
    def whole_subfolder(self, name: str) -> c.Iterator[t.Self]:
        """A new folder to write into, which has its name when the block has ended. An error leaves nothing of it."""
        partial = f".partial-{name}"
        try:
            with self.new_subfolder(partial) as made:
                yield made
            self.rename(partial, name)
            self.sync()
        except BaseException:
            with contextlib.suppress(OSError):
                self.remove_tree(partial)
            raise

    # ---- files ----

    def open_file(self, name: str) -> io.BufferedReader:
        return open(f"{self._path}/{_one(name)}", "rb", opener=lambda *_: self._open(name, _READ))

    def read_file(self, name: str, limit: int) -> bytes:
        """The content of a file. Raises OSError when it has more than C(limit) bytes."""
        with self.open_file(name) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise OSError(errno.EFBIG, f"it has more than {limit} bytes", name)
        return data

    def create_file(self, name: str) -> io.BufferedRandom:
        """Makes a file, to write and to read. Raises FileExistsError when anything has that name."""
        return open(f"{self._path}/{_one(name)}", "w+b", opener=lambda *_: self._open(name, _CREATE))

    def append_file(self, name: str) -> io.FileIO:
        """Opens a file to append to it, made if there is none. Raises OSError when it has another name too."""
        return open(f"{self._path}/{_one(name)}", "ab+", buffering=0, opener=lambda *_: self._open(name, _APPEND))

    def replace_file(self, name: str, content: bytes) -> None:
        """Gives a file that content, on the disk: at every moment the old file or the new one is there."""
        if self.has(name):
            self._refuse_other_than_file(self.status(name).st_mode, name)
        new = f".{secrets.token_hex(8)}.new"
        try:
            with self.create_file(new) as file:
                file.write(content)
                sync(file)
            self.rename(new, name)
        except BaseException:
            self.remove_file(new)
            raise
        self.sync()

    # ---- entries ----

    def entries(self) -> list[str]:
        with os.scandir(self.descriptor) as entries:
            return [entry.name for entry in entries]

    def has(self, name: str) -> bool:
        """Whether anything has that name, also a link that leads nowhere."""
        try:
            self.status(name)
        except FileNotFoundError:
            return False
        return True

    def status(self, name: str) -> os.stat_result:
        """Of an entry itself: a link is not followed."""
        return os.stat(_one(name), dir_fd=self.descriptor, follow_symlinks=False)

    def rename(self, name: str, new_name: str) -> None:
        os.rename(_one(name), _one(new_name), src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def remove_file(self, name: str) -> None:
        """Removes a file if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self._refuse_other_than_file(self.status(name).st_mode, name)
            os.unlink(name, dir_fd=self.descriptor)

    def remove_tree(self, name: str) -> None:
        """Removes a folder with everything in it; no link in it is followed."""
        if not stat.S_ISDIR(mode := self.status(name).st_mode):
            raise OSError(errno.ENOTDIR, f"it is {_kind(mode)}", name)
        try:
            shutil.rmtree(name, dir_fd=self.descriptor)
        except RecursionError:
            reason = "folders lie in each other too deep, which no backup has: remove it by hand"
            raise OSError(errno.ELOOP, reason, name) from None

    def remove_empty(self, name: str) -> None:
        os.rmdir(_one(name), dir_fd=self.descriptor)

    # ---- the folder itself ----

    def sync(self) -> None:
        """Waits until its entries are on the disk, where the file system can: some on a network cannot for folders."""
        try:
            os.fsync(self.descriptor)
        except OSError as exc:
            if exc.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise

    def lock(self) -> None:
        """Waits until no other run has this folder locked, where the file system knows locks. Closing it unlocks it."""
        with contextlib.suppress(OSError):
            fcntl.flock(self.descriptor, fcntl.LOCK_EX)

    @property
    def is_writable(self) -> bool:
        return os.access(".", os.W_OK | os.X_OK, dir_fd=self.descriptor)

    def _open(self, name: str, flags: int) -> int:
        with self._in_words(name):
            descriptor = os.open(_one(name), flags, _FILE_MODE, dir_fd=self.descriptor)
        try:
            status = os.fstat(descriptor)
            self._refuse_other_than_file(status.st_mode, name)
            if flags == _APPEND and status.st_nlink != 1:
                raise OSError(errno.EMLINK, "it has another name too (a hard link): put a copy in its place", name)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    @staticmethod
    def _refuse_other_than_file(mode: int, name: str) -> None:
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, f"it is {_kind(mode)}", name)

    def _in_words(self, name: str) -> contextlib.AbstractContextManager[None]:
        return _in_words(lambda: self.status(name).st_mode)


def sync(file: io.BufferedRandom) -> None:
    """Waits until a file's content is on the disk."""
    file.flush()
    os.fsync(file.fileno())


@contextlib.contextmanager
def explained(path: pathlib.Path, verb: str = "written") -> c.Iterator[None]:
    """Turns what the file system refuses into a sentence. C(verb): what could not be done with the path."""
    try:
        yield
    except OSError as exc:
        reason = _no_space(path) if exc.errno in (errno.ENOSPC, errno.EDQUOT) else exc.strerror
        raise AccessManagerError(f"'{path}' cannot be {verb} on the controller: {reason}.") from exc


def _no_space(path: pathlib.Path) -> str:
    """Which space ran out: that for content, or that for files."""
    with contextlib.suppress(OSError):
        status = os.statvfs(path.parent)
        if status.f_files and not status.f_favail and status.f_bavail:
            return "the file system can hold no more files (it has no free inodes)"
    return "the disk is full"


def _one(name: str) -> str:
    """The name, if it is one of an entry: neither empty, nor a path, nor the folder itself or the one above it."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise OSError(errno.EINVAL, "it is not a name in a folder", name)
    return name


@contextlib.contextmanager
def _in_words(mode: c.Callable[[], int]) -> c.Iterator[None]:
    """Says what is in the place of a file or folder, where the system's error leaves that to be guessed."""
    try:
        yield
    except OSError as exc:
        if exc.errno in _UNCLEAR:
            with contextlib.suppress(OSError):
                exc.strerror = f"it is {_kind(mode())}"
        raise


def _kind(mode: int) -> str:
    return next((words for is_one, words in _KINDS if is_one(mode)), "something that the system does not name")


def _refuse_foreign(status: os.stat_result, path: str, *, check_owner: bool) -> None:
    """Raises ForeignFolderError unless a folder is the user's or root's, and only its owner may write to it."""
    user = os.geteuid()
    if check_owner and status.st_uid not in (user, 0):
        raise ForeignFolderError(
            f"The folder '{path}' belongs to {_name(status.st_uid)}. It must belong to {_name(user)}, who runs "
            f"Ansible, or to root: its owner can replace backups. Run chown {user} {shlex.quote(path)}, or name "
            "another folder. Where a network file system cannot show owners, set access_manager_check_backup_owner to "
            "false."
        )
    if (mode := stat.S_IMODE(status.st_mode)) & _OTHERS_WRITE:
        who = "all users" if mode & stat.S_IWOTH else "its group"
        raise ForeignFolderError(
            f"The folder '{path}' can be written by {who} (mode {mode:04o}): others can put backups there, also where "
            f"the sticky bit is set. Run chmod go-w {shlex.quote(path)}, or name a folder that only its owner can "
            "write to."
        )


def _name(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
