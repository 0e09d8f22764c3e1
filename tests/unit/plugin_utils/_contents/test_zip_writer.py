# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives written as a stream: what any zip program makes of them."""

from __future__ import annotations

import datetime
import io
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Iterator

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.zip_writer import (
    ChunkReader,
    Entry,
    zip_chunks,
)
from hypothesis import example, given
from hypothesis import strategies as st

MOMENT = datetime.datetime(2026, 11, 23, 8, 15, 2, tzinfo=datetime.UTC)

segments = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='/\\:*?"<>|'), min_size=1, max_size=12
).filter(lambda segment: segment not in (".", ".."))
names = st.lists(segments, min_size=1, max_size=4).map("/".join)
contents = st.lists(st.binary(max_size=200), max_size=3)


def archive_of(*entries: Entry) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(zip_chunks(entries))))


@given(st.dictionaries(names, contents, max_size=8), st.sets(names, max_size=4))
@example(
    {"config/Größe 100% [neu] $(x) 'a'.json": [b"{}"], "config/日本語.txt": [], "config/🔑": [b"a", b"b"]},
    {"config/leer"},
)
def test_any_files_and_folders_come_back(files: dict[str, list[bytes]], folders: set[str]) -> None:
    entries = [Entry(f"{name}/", MOMENT) for name in sorted(folders)] + [
        Entry(name, MOMENT, chunks) for name, chunks in files.items()
    ]
    archive = archive_of(*entries)
    assert archive.testzip() is None
    assert archive.namelist() == [entry.name for entry in entries]
    for name, chunks in files.items():
        assert archive.read(name) == b"".join(chunks)
    for name in folders:
        assert archive.getinfo(f"{name}/").is_dir()


def test_an_empty_archive_opens() -> None:
    assert archive_of().namelist() == []


def test_names_are_marked_as_utf_8() -> None:
    assert archive_of(Entry("config/Größe", MOMENT)).infolist()[0].flag_bits & 0x800


def test_sizes_have_64_bits() -> None:
    header = b"".join(zip_chunks([Entry("a", MOMENT, [b"x"])]))
    assert header[:4] == b"PK\x03\x04"
    assert struct.unpack("<H", header[4:6]) == (45,)


def test_only_the_owner_may_read_what_is_unpacked() -> None:
    modes = [info.external_attr >> 16 for info in archive_of(Entry("a", MOMENT), Entry("b/", MOMENT)).infolist()]
    assert modes == [0o100600, 0o40700]


@pytest.mark.parametrize(
    ("year", "kept"),
    [(1601, (1980, 1, 1, 0, 0, 0)), (2026, (2026, 11, 23, 8, 15, 2)), (9999, (2107, 12, 31, 23, 59, 58))],
)
def test_any_time_of_windows_can_be_kept(year: int, kept: tuple[int, ...]) -> None:
    assert archive_of(Entry("a", MOMENT.replace(year=year))).infolist()[0].date_time == kept


def test_a_large_file_takes_little_memory() -> None:
    def content() -> Iterator[bytes]:
        for _number in range(32):
            yield os.urandom(256 * 1024)

    tracemalloc.start()
    try:
        size = sum(len(chunk) for chunk in zip_chunks([Entry("a", MOMENT, content())]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 8 * 1024**2
    assert peak < 4 * 1024**2


def test_what_hardly_becomes_smaller_is_stored() -> None:
    noise, text = os.urandom(100_000), b"Write-Output 'SRV'" * 5000
    archive = archive_of(Entry("noise", MOMENT, [noise, text]), Entry("text", MOMENT, [text, noise]))
    stored, deflated = archive.infolist()
    assert (stored.compress_type, deflated.compress_type) == (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    assert stored.compress_size == len(noise + text)
    assert deflated.compress_size < len(text + noise) - 80_000
    assert archive.read("noise") == noise + text
    assert archive.read("text") == text + noise


@given(st.lists(st.binary(max_size=50)), st.integers(1, 60))
def test_chunks_read_as_one_stream(chunks: list[bytes], size: int) -> None:
    stream, read = ChunkReader(iter(chunks)), b""
    while part := stream.read(size):
        read += part
    assert read == b"".join(chunks)


def test_a_stream_keeps_what_its_source_raised() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x"
        raise ValueError("source")

    stream = ChunkReader(chunks())
    with pytest.raises(ValueError, match="source"):
        stream.read()
    assert str(stream.failure) == "source"
