# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The attachments of a host, ROOT/HOST/attachments/ID: files that an administrator gave, encrypted, each with a record.

An attachment is kept as a backup is: whole or not at all, under the time when it was kept, and never changed or pruned.
A file that was given again with another content is kept beside the earlier one.
"""

from __future__ import annotations

import collections.abc as c
import datetime
import functools
import hashlib
import hmac
import io
import json
import pathlib
import secrets
import typing as t

from .._age.decryption import Decryptor
from .._age.encryption import Encryptor
from .._ams.shapes import Sha256
from .._errors import AccessManagerError
from .._files import open_regular
from .._signing.signature import LARGEST as LARGEST_SIGNATURE
from .._signing.signer import Signer
from .._signing.trust import Origin
from .._text import printable
from .artifact import Artifact
from .attachment import (
    FOLDER,
    LARGEST,
    RECORD,
    RECORD_LIMIT,
    SIGNATURE,
    Attachment,
    Id,
    artifact_of,
    content_name,
    is_name,
    parsed,
)
from .folder import Folder, explained, sync
from .partial import HashingWriter, sweep_folder
from .state_file import StateFile
from .store import BackupStore, id_at, is_id, is_in_future, time_of_id

FORMAT: t.Final = 1
_STATE_LIMIT = 16 * 1024**2
_KEY_BYTES = 32


class _Kept(t.TypedDict):
    """An attachment that this controller kept. C(sha256): of its record."""

    id: Id
    sha256: Sha256


class _State(t.TypedDict):
    """What this controller remembers. C(key): of the marks, which say nothing of a file to who lacks it."""

    format: t.Literal[1]
    root: str
    host: str
    key: Sha256
    kept: list[_Kept]


class Attachments:
    """The attachments of a host. C(state_dir): where this controller remembers what it kept, outside the store."""

    def __init__(self, store: BackupStore, state_dir: str | None) -> None:
        self._store = store
        self._file = StateFile(state_dir, FOLDER, str(store.root), store.host)
        self.folder = store.folder / FOLDER

    # ---- reading ----

    def all(self) -> list[Attachment]:
        """Those in the store, the oldest first; their content is not read.

        Raises AccessManagerError when they cannot be listed.
        """
        try:
            with self._opened() as folder:
                ids = sorted(filter(is_id, folder.entries()))
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise AccessManagerError(f"The attachments in '{self.folder}' cannot be listed: {exc.strerror}.") from None
        return [self._read(attachment_id) for attachment_id in ids]

    def problems(self, decryptor: Decryptor) -> list[str]:
        """A sentence for each attachment that is not accepted, is damaged, or that a given key does not decrypt."""
        return [sentence for one in self.all() if (sentence := one.problem or one.damage(decryptor))]

    def lost(self, attachment_id: str | None = None) -> list[str]:
        """A sentence for each attachment that this controller kept, and that is not in the store as it was.

        C(attachment_id): of the only one that is looked for.
        """
        try:
            state = self._file.read(_State, _STATE_LIMIT)
            there = {one.id: one.sha256 for one in self.all()} if state else {}
        except AccessManagerError as exc:
            return [str(exc)]
        kept = {one["id"]: one["sha256"] for one in (state["kept"] if state else [])}
        wanted = kept.keys() if attachment_id is None else kept.keys() & {attachment_id}
        return [
            f"The attachment '{self.folder / one}' is not there as this controller kept it: it was removed or "
            "replaced. If that is in order, run the playbook verify once with verify_accept_history=true."
            for one in sorted(wanted)
            if there.get(one) != kept[one]
        ]

    def extracted(self, wanted: str, decryptor: Decryptor) -> tuple[Attachment, bytes]:
        """The newest attachment of a name, or the one of an id, and its content.

        Raises AccessManagerError when there is none, or it is not accepted, damaged, lost, or not decrypted.
        """
        known = [one for one in self.all() if wanted in (one.id, one.name)]
        if lost := self.lost(wanted if is_id(wanted) else None):
            raise AccessManagerError(" ".join(["No attachment is extracted: name one by its id, or see why.", *lost]))
        if not known:
            raise AccessManagerError(
                f"There is no attachment '{printable(wanted)}' of {self._store.host} in '{self.folder}': backup_info "
                "lists those that are there."
            )
        counted = [one for one in known if one.id == wanted] or self._counted(known)
        if not counted:
            raise AccessManagerError(known[-1].problem or _of_the_future(known[-1]))
        if counted[-1].problem:
            raise AccessManagerError(counted[-1].problem)
        return counted[-1], counted[-1].content(decryptor)

    # ---- writing ----

    def keep(
        self, sources: c.Sequence[pathlib.Path], encryptor: Encryptor, signer: Signer | None, *, check_mode: bool
    ) -> tuple[list[str], list[str]]:
        """Keeps what is not kept yet of these files. Returns the names of what was, and a sentence for each failure.

        A file that is not there any more, and was kept before, is in order: it need not lie on the controller.
        """
        names = [source.name for source in sources]
        kept, problems = [], []
        for source in sources:
            try:
                if names.count(source.name) > 1:
                    raise AccessManagerError("another one has the same name: rename one of them.")
                kept += [source.name] if self._keep(source, encryptor, signer, check_mode=check_mode) else []
            except AccessManagerError as exc:
                problems.append(f"The attachment '{source}' is not kept: {exc}")
        return kept, problems

    def accept(self) -> None:
        """Takes what is in the store for what is to be there. Raises AccessManagerError when that cannot be noted."""
        if self._file.read(_State, _STATE_LIMIT):
            self._file.write({**self._state(), "kept": [_note(one) for one in self.all() if not one.problem]})

    def _keep(self, source: pathlib.Path, encryptor: Encryptor, signer: Signer | None, *, check_mode: bool) -> bool:
        _refuse_name(source.name)
        before = self._newest(source.name)
        try:
            data = _bytes_of(source)
        except FileNotFoundError:
            if before:
                return False
            raise AccessManagerError("there is no such file on the controller.") from None
        state = self._state()
        mark = hmac.digest(bytes.fromhex(state["key"]), data, hashlib.sha256).hex()
        if before and before.is_same(mark, encryptor.encryption, encryptor.recipients):
            return False
        if not check_mode:
            self._file.write(state)  # a mark under a key that is lost would never be known again
            sha256, attachment_id = self._write(source.name, data, mark, encryptor, signer)
            self._file.write({**state, "kept": [*state["kept"], {"id": attachment_id, "sha256": sha256}]})
        return True

    def _write(self, name: str, data: bytes, mark: str, encryptor: Encryptor, signer: Signer | None) -> tuple[str, str]:
        """Writes an attachment into a partial folder, which is then renamed. Returns the SHA-256 of its record, and
        its id."""
        with explained(self.folder), self._store.opened_root() as root, root.make_subfolder(self._store.host) as host:
            with host.make_subfolder(FOLDER) as folder:
                sweep_folder(folder)
                attachment_id = _free_id(folder, self._counted(self.all()))
                with folder.whole_subfolder(attachment_id) as made:
                    written = _encrypted(made, data, encryptor)
                    record = self._record(attachment_id, name, len(data), mark, encryptor) | written
                    text = (json.dumps(record, indent=1) + "\n").encode()
                    made.replace_file(RECORD, text)
                    if signer:
                        made.replace_file(SIGNATURE, signer.sign(text).signature)
            host.sync()
        return hashlib.sha256(text).hexdigest(), attachment_id

    def _record(self, attachment_id: str, name: str, size: int, mark: str, encryptor: Encryptor) -> dict[str, t.Any]:
        return {
            "format": FORMAT,
            "host": self._store.host,
            "id": attachment_id,
            "name": name,
            "bytes": size,
            "mark": mark,
            "encryption": encryptor.encryption,
            "recipients": list(encryptor.recipients),
        }

    def _state(self) -> _State:
        """What is remembered, or a new key."""
        known = self._file.read(_State, _STATE_LIMIT)
        return known or t.cast(_State, {"key": secrets.token_hex(_KEY_BYTES), "kept": []})

    def _newest(self, name: str) -> Attachment | None:
        """The newest attachment of a name, when it is usable."""
        counted = self._counted([one for one in self.all() if one.name == name])
        return counted[-1] if counted and not (counted[-1].problem or counted[-1].damage(Decryptor())) else None

    def _counted(self, attachments: list[Attachment]) -> list[Attachment]:
        """Those of which one may be the newest: what this controller kept, and what is accepted besides.

        An id in the future needs a signature: the clock of another controller was ahead. Whatever else can write to
        the store cannot put anything in front of what comes.
        """
        state, now = self._file.read(_State, _STATE_LIMIT), datetime.datetime.now(datetime.UTC)
        kept = {one["id"] for one in (state["kept"] if state else [])}
        return [
            one
            for one in attachments
            if one.id in kept or not (one.problem or (is_in_future(one.id, now) and not one.origin.is_verified))
        ]

    def _opened(self) -> Folder:
        with self._store.opened() as host:
            return host.subfolder(FOLDER)

    def _open(self, attachment_id: str) -> Folder:
        with explained(self.folder / attachment_id, "read"), self._opened() as folder:
            return folder.subfolder(attachment_id)

    def _read(self, attachment_id: str) -> Attachment:
        path = self.folder / attachment_id
        record, artifact, sha256, origin = None, None, "", Origin()
        try:
            with self._open(attachment_id) as folder:
                data = folder.read_file(RECORD, RECORD_LIMIT)
                sha256 = hashlib.sha256(data).hexdigest()
                record = parsed(self._store, attachment_id, data)
                origin = self._store.trust.origin_of(data, _signature(folder), str(path / RECORD))
            described = artifact_of(record)
            artifact = Artifact(path / described["name"], functools.partial(self._open, attachment_id), described)
            problem = "" if self._store.trust.accepts(origin) else f"{origin.problem} The attachment is not used."
        except OSError as exc:
            problem = f"The attachment '{path}' cannot be read: {exc.strerror}."
        except AccessManagerError as exc:
            problem = str(exc)
        return Attachment(attachment_id, path, record, sha256, origin, problem, artifact)


def _refuse_name(name: str) -> None:
    if not is_name(name):
        raise AccessManagerError(
            f"'{printable(name)}' cannot be the name of an attachment: rename the file. It must not begin with a dot, "
            'and be printable, without any of / \\ : * ? " < > |.'
        )


def _bytes_of(source: pathlib.Path) -> bytes:
    """What a file of the user holds. Raises FileNotFoundError when there is none."""
    try:
        with open_regular(source) as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise
    except OSError as exc:
        raise AccessManagerError(f"it cannot be read: {exc.strerror}.") from None
    if len(data) > LARGEST:
        raise AccessManagerError(f"it has more than {LARGEST // 1024**2} MiB.")
    return data


def _free_id(folder: Folder, counted: c.Sequence[Attachment]) -> str:
    """The time now as an id, or the next second that is free and later than those: also when the clock was ahead."""
    taken = {name.removeprefix(".partial-") for name in folder.entries()}
    time = max([datetime.datetime.now(datetime.UTC), *(time_of_id(one.id) for one in counted[-1:])])
    while id_at(time) in taken:
        time += datetime.timedelta(seconds=1)
    return id_at(time)


def _of_the_future(one: Attachment) -> str:
    return (
        f"The attachment '{one.path}' is dated in the future, and its signature does not show who made it: it does not "
        "count as the newest of its name. Name it by its id when it is yours."
    )


def _encrypted(folder: Folder, data: bytes, encryptor: Encryptor) -> dict[str, t.Any]:
    """Writes an encrypted content; its size and SHA-256."""
    name = content_name(encryptor.encryption)
    with folder.create_file(name) as file:
        hashing = HashingWriter(file, folder.path / name)
        encryptor.write(io.BytesIO(data), t.cast(t.BinaryIO, hashing))
        sync(file)
    return {"size": hashing.size, "sha256": hashing.digest()}


def _signature(folder: Folder) -> bytes | None:
    try:
        return folder.read_file(SIGNATURE, LARGEST_SIGNATURE)
    except FileNotFoundError:
        return None


def _note(one: Attachment) -> _Kept:
    return {"id": one.id, "sha256": one.sha256}
