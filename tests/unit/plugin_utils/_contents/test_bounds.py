# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the store and its zip files may cost: space on the disk, time for hashes, entries of a directory."""

from __future__ import annotations

import datetime
import io
import os
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.decryption import LARGEST
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.encryption import Encryptor
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents import zip_directory
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.zip_directory import (
    MOST_ENTRIES,
    refuse_large_directory,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.zip_reader import Archive
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.zip_writer import (
    ChunkReader,
    Entry,
    zip_chunks,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import artifact
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import manifest as manifest_module
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.folder import Folder
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.partial import PartialBackup
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.space import RESERVE
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.backups import age_key
from unit.encrypted_backups import encrypt_to, make
from unit.faults import free_bytes
from unit.opened_backups import config_zip, zipped

ID = "20261123T020000Z"
MIB = 1024**2


# ---- space ----


def endless() -> Iterator[bytes]:
    while True:
        yield os.urandom(MIB)


@pytest.mark.parametrize("encryptor", [encrypt_to(), encrypt_to(age_key().public)], ids=["none", "recipients"])
def test_one_server_never_fills_the_root_of_all(small_file_system: Path, encryptor: Encryptor) -> None:
    evil, good = (BackupStore(str(small_file_system), host) for host in ("evil", "good"))
    partial = PartialBackup.begin(evil)
    with pytest.raises(AccessManagerError, match=r"not enough space in '.*evil.*': [0-9]+ MiB are needed"):
        partial.write("config.zip", lambda file: encryptor.write(ChunkReader(endless()), file))
    assert free_bytes(small_file_system) >= RESERVE
    assert [path.name for path in partial.path.iterdir()] == [".nonce"]
    make(good, ID, encrypt_to())
    assert good.damage(ID, good.manifest(ID)["artifacts"]) == []


def test_more_than_is_opened_again_is_not_written(store: BackupStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.partial.LARGEST", MIB)
    partial = PartialBackup.begin(store)
    partial.write("secrets.json", lambda file: file.write(bytes(MIB)))
    with pytest.raises(AccessManagerError, match="it is not written"):
        partial.write("config.zip", lambda file: file.write(bytes(MIB + 1)))


# ---- sizes of artifacts ----


def test_a_sparse_artifact_is_refused_before_it_is_hashed(store: BackupStore, monkeypatch: pytest.MonkeyPatch) -> None:
    make(store, ID, encrypt_to())
    manifest = store.manifest(ID)
    path = store.folder / ID / "config.zip"
    with path.open("r+b") as file:
        file.truncate(LARGEST)
    manifest["artifacts"][0]["size"] = LARGEST
    monkeypatch.setattr(artifact, "_digest", lambda *_arguments: pytest.fail("it was hashed"))
    [sentence] = store.damage(ID, manifest["artifacts"][:1])
    assert f"'{path}' is not what was written: it is a sparse file" in sentence


def test_a_sparse_file_without_a_manifest_is_not_read_into_memory(root: Path) -> None:
    """As a path to a config.zip alone names it."""
    path = root / "config.zip.age"
    path.touch()
    os.truncate(path, LARGEST)
    tracemalloc.start()
    try:
        with pytest.raises(AccessManagerError, match="it is a sparse file"):
            artifact.Artifact(path, lambda: Folder.at(root)).read(LARGEST)
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


def test_a_whole_artifact_of_zeros_is_none(store: BackupStore) -> None:
    partial = PartialBackup.begin(store)
    record = partial.write("config.zip", lambda file: file.write(bytes(8 * MIB)))
    with Folder.at(partial.path) as folder:
        assert artifact.damage(folder, [record]) == []


@pytest.mark.parametrize("size", [-1, True, LARGEST + 1, 8 * 1024**4, 10**30])
def test_an_absurd_size_in_a_manifest_is_refused(store: BackupStore, size: int) -> None:
    make(store, ID, encrypt_to())
    manifest = store.manifest(ID)
    manifest["artifacts"][0]["size"] = size
    bounds = f"a number, '{size}', and must be a number from 0 to {LARGEST}"
    sentence = bounds if size is not True and abs(size) < 2**63 else "must be a whole number of 64 bits"
    with pytest.raises(AccessManagerError, match=rf"'artifacts\[0\]\.size' is .*{sentence}"):
        manifest_module.parse(manifest_module.to_bytes(manifest), Path("manifest.json"))


# ---- directories of zip files ----


def many_entries(count: int, *, reported: int | None = None) -> bytes:
    """A zip of which only the directory is large: all of its entries lie at its beginning."""
    entry = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    directory = entry * count
    said = count if reported is None else reported
    end64 = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, said, said, len(directory), 0)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(directory), 1)
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return directory + end64 + locator + end


@pytest.mark.parametrize("reported", [None, 1, 0])
def test_a_directory_of_millions_of_entries_is_refused_at_once(reported: int | None) -> None:
    data = many_entries(1_000_000, reported=reported)
    before = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(AccessManagerError, match="is not opened|not what its end says"):
            Archive(data, "config.zip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.process_time() - before < 2
    assert peak < MIB


def test_as_many_entries_as_a_backup_may_have_are_counted() -> None:
    refuse_large_directory(many_entries(MOST_ENTRIES), "config.zip")
    with pytest.raises(AccessManagerError, match=f"lists {MOST_ENTRIES + 1} entries"):
        refuse_large_directory(many_entries(MOST_ENTRIES + 1), "config.zip")


def test_a_large_directory_of_few_entries_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = zipped({"x" * 60_000: b""})
    assert Archive(data, "config.zip").names == {"x" * 60_000}
    monkeypatch.setattr(zip_directory, "LARGEST_DIRECTORY", 50_000)
    with pytest.raises(AccessManagerError, match="lists 1 entries in 6"):
        Archive(data, "config.zip")


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 70_000])
def test_what_this_collection_writes_is_opened(count: int) -> None:
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    data = b"".join(zip_chunks(Entry(f"config/{number}", moment) for number in range(count)))
    assert len(Archive(data, "config.zip").names) == count


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b"x",
        lambda data: b"x" + data,
        lambda data: data[:-1],
        lambda data: data[:-2] + struct.pack("<H", 3) + b"PK\5",
        lambda data: data[:-22] + many_entries(1_000_000)[-22:],
        lambda data: data + data[-22:],
        lambda data: data + many_entries(1),
        lambda data: b"",
        lambda data: b"PK\5\6",
    ],
    ids=["after", "before", "cut", "comment", "zip64", "two ends", "two zips", "empty", "mark"],
)
def test_a_zip_that_can_be_understood_in_two_ways_is_refused(change: Callable[[bytes], bytes]) -> None:
    data = config_zip()
    Archive(data, "config.zip")
    with pytest.raises(AccessManagerError, match="is not a zip archive"):
        Archive(change(data), "config.zip")


@pytest.mark.slow
@settings(max_examples=200)
@given(data=st.binary(max_size=200), place=st.integers(0, 10_000), whole=st.booleans())
@example(data=b"PK\5\6" + bytes(18), place=0, whole=False)
def test_any_bytes_are_a_sentence_or_as_many_entries_as_were_counted(data: bytes, place: int, whole: bool) -> None:
    zip_bytes = bytearray(config_zip())
    at = place % len(zip_bytes)
    zip_bytes[at : at + len(data)] = data[: len(zip_bytes) - at]
    candidate = bytes(zip_bytes) if whole else data
    try:
        refuse_large_directory(candidate, "config.zip")
        opened = zipfile.ZipFile(io.BytesIO(candidate))
    except (AccessManagerError, zipfile.BadZipFile, NotImplementedError, ValueError):
        return
    assert len(opened.infolist()) <= MOST_ENTRIES


def test_a_manifest_of_more_values_than_any_has_is_refused_before_they_take_memory() -> None:
    data = b'{"inventory":{' + b'"a":1,' * manifest_module.MOST_VALUES + b'"b":1}}'
    tracemalloc.start()
    try:
        with pytest.raises(AccessManagerError, match=f"it has more than {manifest_module.MOST_VALUES} values"):
            manifest_module.parse(data, Path("manifest.json"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MIB
