# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream of a snapshot: all that it holds comes into the archive, and nothing that a target should not send."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import tracemalloc
import unicodedata
import zipfile
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.decryption import LARGEST
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._ams.checks import problems_of_documents
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents import snapshot_stream
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.configuration import Configuration
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.snapshot_stream import SnapshotStream
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.zip_writer import zip_chunks
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from unit.servers import server
from unit.target_side import bundle, file_record, folder_record, link_record

# What Windows lets a name be, but for what changes the direction of text, and what begins as the name of a device.
_DEVICES = ("con", "prn", "aux", "nul", "com", "lpt")
_letters = st.characters(
    exclude_categories=["Cs", "Cf"], exclude_characters='/\\:*?"<>|' + "".join(map(chr, range(32)))
)
segments = st.text(_letters, min_size=1, max_size=10).filter(
    lambda segment: segment[-1] not in ". " and not segment.lower().startswith(_DEVICES)
)
names = st.builds(
    lambda top, rest: "/".join([top, *rest]),
    st.sampled_from(["config", "external/C", "external/d"]),
    st.lists(segments, min_size=1, max_size=3),
)


def folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().upper()


file_sets = st.lists(st.tuples(names, st.binary(max_size=300)), max_size=8, unique_by=lambda file: folded(file[0]))


def described(*records: dict[str, Any]) -> dict[str, Any]:
    return server() | {"records": list(records)}


def zipped(stream: bytes) -> zipfile.ZipFile:
    """The archive that is made of a stream."""
    return zipfile.ZipFile(io.BytesIO(b"".join(zip_chunks(SnapshotStream(io.BytesIO(stream)).entries()))))


def refusal(stream: bytes) -> str:
    with pytest.raises(AccessManagerError) as caught:
        zipped(stream)
    return str(caught.value)


# ---- what is kept ----


@given(file_sets, st.sets(names, max_size=3))
@example([("config/Größe [1] $x 'a' 100%.json", b"{}"), ("external/C/日本/🔑.txt", b"")], {"config/leer"})
def test_any_files_and_empty_folders_come_into_the_archive(files: list[tuple[str, bytes]], folders: set[str]) -> None:
    taken = {folded(name) for name, _content in files}
    empty = {folded(name): name for name in folders if folded(name) not in taken}.values()
    records = [folder_record(name) for name in empty] + [file_record(name, content) for name, content in files]
    archive = zipped(bundle(described(*records), [content for _name, content in files]))
    assert archive.testzip() is None
    for name, content in files:
        assert archive.read(name) == content
    for name in empty:
        assert archive.getinfo(f"{name}/").is_dir()
    assert set(archive.namelist()) == {"state/installation.json", "files.json"} | dict(files).keys() | {
        f"{n}/" for n in empty
    }


def test_the_list_of_files_says_what_a_restore_needs() -> None:
    file, folder = file_record("config/a.json", b"{}"), folder_record("config")
    listed = json.loads(zipped(bundle(described(folder, file), [b"{}"])).read("files.json"))
    kept = ("created", "modified", "attributes", "sddl")
    assert listed["files"] == [
        {"path": "config/a.json", "source": file["path"], "sha256": file["sha256"], "size": 2}
        | {key: file[key] for key in kept}
    ]
    assert listed["folders"] == [{"path": "config/", "source": folder["path"]} | {key: folder[key] for key in kept}]


def test_the_state_of_the_server_is_kept() -> None:
    cluster = {"resource": "Access Manager", "owner": "AMS1", "owned": True}
    state = json.loads(zipped(bundle(described() | {"cluster": cluster}, [])).read("state/installation.json"))
    assert state["state"] == server()["state"]
    assert state["installation"] == server()["installation"]
    assert state["cluster"] == cluster


def test_a_link_is_left_out() -> None:
    assert not [name for name in zipped(bundle(described(link_record("config/link")), [])).namelist() if "link" in name]


def test_files_keep_their_times() -> None:
    archive = zipped(bundle(described(file_record("config/a", b"")), []))
    assert archive.getinfo("config/a").date_time == (2022, 3, 4, 5, 6, 8)


@pytest.mark.parametrize(
    ("one", "other"), [("straße", "strasse"), ("ﬁ", "fi"), ("console", "con2"), ("null.txt", "a.nul")]
)
def test_names_that_are_two_on_windows_are_both_kept(one: str, other: str) -> None:
    records = [file_record(f"config/{one}", b"1"), file_record(f"config/{other}", b"2")]
    archive = zipped(bundle(described(*records), [b"1", b"2"]))
    assert (archive.read(f"config/{one}"), archive.read(f"config/{other}")) == (b"1", b"2")


def test_a_large_file_takes_little_memory() -> None:
    content = bytes(8 * 1024**2)
    stream = io.BytesIO(bundle(described(file_record("config/db/ams.mdf", content)), [content]))
    tracemalloc.start()
    try:
        size = sum(len(chunk) for chunk in zip_chunks(SnapshotStream(stream).entries()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size
    assert peak < 4 * 1024**2


# ---- what is refused ----


@pytest.mark.parametrize(
    "name",
    [
        "config/../../etc/passwd",
        "config/..",
        "config/./a",
        "config/a/..",
        "../config/a",
        "/etc/passwd",
        "/config/a",
        "config\\a",
        "config/..\\a",
        "C:/Windows/a",
        "config/C:a",
        "external/C:/a",
        "external/CC/a",
        "external/1/a",
        "external/a.txt",
        "config/a\0b",
        "config/a\nb",
        "config/a*",
        "config/a?",
        'config/"a"',
        "config/<a>",
        "config/a|b",
        "config/stream:ads",
        "config//a",
        "config/a/",
        "config/",
        "configuration/a",
        "state/installation.json",
        "files.json",
        "",
        ".",
        "config/\ud800",
        "config/" + "x" * 70_000,
    ],
    ids=lambda name: repr(name[:30]),
)
@pytest.mark.parametrize("make", [file_record, folder_record], ids=["file", "folder"])
def test_a_hostile_name_is_refused_and_named(name: str, make: Any) -> None:
    record = file_record(name, b"") if make is file_record else folder_record(name)
    assert "cannot be put into a backup" in refusal(bundle(described(folder_record("config"), record), []))


@pytest.mark.parametrize(
    "name",
    [
        "config/CON",
        "config/con.json",
        "config/nul.txt",
        "config/NUL .txt",
        "config/scripts/com1",
        "config/LPT9.log",
        "config/COM\N{SUPERSCRIPT ONE}",
        "config/conin$",
        "config/AUX/a.ps1",
        "external/C/prn",
        "config/a.",
        "config/a ",
        "config/a. .",
        "config/a./b.ps1",
        "config/\u202egpj.exe",
        "config/a\u200fb",
        "config/\u2066a",
    ],
    ids=repr,
)
def test_a_name_that_is_not_portable_is_left_out_and_said(name: str) -> None:
    """The other files are backed up all the same."""
    records = [folder_record("config"), file_record(name, b"odd"), file_record("config/good.ps1", b"good")]
    stream = SnapshotStream(io.BytesIO(bundle(described(*records), [b"odd", b"good"])))
    configuration = Configuration(b"".join(zip_chunks(stream.entries())))
    assert configuration.files.keys() == {"config/good.ps1"}
    assert configuration.read("config/good.ps1") == b"good"
    (problem,) = stream.left_out
    assert problem.startswith(f"'{records[1]['path']}' is not backed up: Windows cannot have such a name")
    assert [record["name"] for record in stream.described["records"]] == ["config", "config/good.ps1"]


def test_what_is_in_a_folder_that_is_left_out_is_left_out_with_it_and_the_folder_alone_is_said() -> None:
    files = [
        file_record("config/a./b.ps1", b"1"),
        file_record("config/A/b.ps1", b"2"),
        file_record("config/a/c.ps1", b"3"),
    ]
    folders = [folder_record(name) for name in ("config/a/deep", "config/a", "config/A", "config/a.", "config")]
    stream = SnapshotStream(io.BytesIO(bundle(described(*folders, *files), [b"1", b"2", b"3"])))
    configuration = Configuration(b"".join(zip_chunks(stream.entries())))
    assert configuration.files.keys() == {"config/A/b.ps1"}
    assert configuration.folders.keys() == {"config/", "config/A/"}
    assert [problem.split("' is not")[0] for problem in stream.left_out] == [
        f"'{folders[1]['path']}",
        f"'{folders[3]['path']}",
    ]


def test_the_bytes_of_what_is_left_out_are_checked_too() -> None:
    assert "arrived with another SHA-256" in refusal(bundle(described(file_record("config/a.", b"said")), [b"sent"]))


@given(st.text(max_size=30))
@example("external/C")
def test_whatever_name_a_target_gives_the_archive_stays_within_its_folders(name: str) -> None:
    try:
        archive = zipped(bundle(described(file_record(name, b"")), []))
    except AccessManagerError:
        return
    assert name.startswith(("config", "external/"))
    assert ".." not in name.split("/")
    assert archive.testzip() is None


@pytest.mark.parametrize(
    ("one", "twin"),
    [
        ("config/a.json", "config/A.JSON"),
        ("config/\xe9", "config/e\u0301"),
        ("config/\xe9", "config/E\u0301"),
        ("config/\N{KELVIN SIGN}", "config/k"),
    ],
)
@pytest.mark.parametrize("make", [file_record, lambda name, _content: folder_record(name)], ids=["file", "folder"])
def test_of_two_files_that_are_one_on_windows_one_is_left_out_and_said(one: str, twin: str, make: Any) -> None:
    records = [folder_record("config"), make(one, b""), file_record(twin, b"")]
    stream = SnapshotStream(io.BytesIO(bundle(described(*records), [])))
    configuration = Configuration(b"".join(zip_chunks(stream.entries())))
    held = configuration.files.keys() | {name.removesuffix("/") for name in configuration.folders}
    assert len(held & {one, twin}) == 1
    (problem,) = stream.left_out
    assert "is not backed up: Windows takes its name for that of" in problem


def test_two_files_of_the_very_same_name_are_refused() -> None:
    refusal(bundle(described(file_record("config/a", b""), file_record("config/a", b"")), []))
    refusal(bundle(described(folder_record("config/a"), file_record("config/a", b"")), []))


# ---- bounds ----


def test_more_bytes_than_a_backup_may_have_are_refused_before_one_is_read() -> None:
    for size in (LARGEST + 1, 2**62):
        stream = io.BytesIO(bundle(described(file_record("config/a", b"", size=size)), [bytes(1000)]))
        with pytest.raises(AccessManagerError, match=f"announces 1 files and folders with {size} bytes"):
            SnapshotStream(stream)
        assert len(stream.read()) == 1000
    with pytest.raises(AccessManagerError, match="are not taken"):
        SnapshotStream(io.BytesIO(bundle(described(file_record("config/a", b"12345")), [b"12345"])), 4)
    assert SnapshotStream(io.BytesIO(bundle(described(file_record("config/a", b"12345")), [b"12345"])), 5)


def test_more_files_than_a_backup_may_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    records = [file_record(f"config/{number}", b"") for number in range(4)]
    monkeypatch.setattr(snapshot_stream, "MOST_ENTRIES", 3)
    assert "announces 4 files" in refusal(bundle(described(*records), []))
    assert zipped(bundle(described(*records[:3]), []))


def test_a_line_of_many_values_takes_no_memory() -> None:
    line = b'{"records":[' + b"0," * 4_000_000 + b"0]}\n"
    tracemalloc.start()
    try:
        assert "not JSON" in refusal(line)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * len(line)


# ---- what no restore opens ----


def received(reported: dict[str, Any], *contents: bytes) -> tuple[list[str], bytes]:
    """What a stream is refused for by a restore, and the config.zip that comes of it all the same."""
    stream = SnapshotStream(io.BytesIO(bundle(reported, contents)))
    archive = b"".join(zip_chunks(stream.entries()))
    return stream.refused, archive


def nested(depth: int) -> Any:
    value: Any = 0
    for _level in range(depth):
        value = [value]
    return value


WITH_FILE = (folder_record("config"), file_record("config/appsettings.json", b"{}"))


def test_what_a_server_sends_that_nothing_is_wrong_with_is_opened_again() -> None:
    refused, archive = received(described(*WITH_FILE), b"{}")
    assert refused == []
    assert Configuration(archive).files.keys() == {"config/appsettings.json"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda reported: reported["installation"].update(extra=float("nan")), "NaN is not a number"),
        (lambda reported: reported["installation"].update(extra=float("-inf")), "Infinity is not a number"),
        (lambda reported: reported["installation"].update(extra=nested(70)), "nested more than 64 deep"),
        (
            lambda reported: reported["records"][1].update(created="yesterday"),
            "its time 'yesterday' (created) is no time",
        ),
        (
            lambda reported: reported["records"][1].update(modified="2026-13-01T00:00:00.0000000Z"),
            "(modified) is no time",
        ),
        (lambda reported: reported["records"][0].update(created="2026-01-01"), "(created) is no time"),
        (lambda reported: reported["records"].pop(0), "holds no configuration folder"),
        (lambda reported: reported["state"]["registry"][0].update(key="Other"), "registry value"),
    ],
)
def test_what_no_restore_opens_is_kept_and_said(change: Any, why: str) -> None:
    reported = described(*copy.deepcopy(WITH_FILE))
    change(reported)
    refused, archive = received(reported, b"{}")
    assert [why in sentence for sentence in refused] == [True]
    with pytest.raises(AccessManagerError):
        Configuration(archive)
    assert zipfile.ZipFile(io.BytesIO(archive)).read("config/appsettings.json") == b"{}"


@pytest.mark.slow
@settings(max_examples=60)
@given(key=st.sampled_from(["installation", "state", "documents", "references"]), data=st.data())
def test_whatever_a_server_says_of_itself_is_refused_or_opened_or_said(key: str, data: Any) -> None:
    reported = described(*copy.deepcopy(WITH_FILE))
    words = st.text(max_size=5)
    values = st.none() | st.booleans() | st.integers() | st.floats() | words
    value = st.recursive(values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3))
    place = reported[key]
    if isinstance(place, dict):
        place[data.draw(st.sampled_from(sorted(place)))] = data.draw(value)
    else:
        place.append(data.draw(value))
    try:
        refused, archive = received(reported, b"{}")
    except AccessManagerError:
        return
    try:
        Configuration(archive)
    except AccessManagerError:
        assert refused
    else:
        assert not refused


def test_another_sha256_is_refused_and_the_file_named() -> None:
    message = refusal(bundle(described(file_record("config/a.json", b"before")), [b"after!"]))
    assert "config/a.json" in message
    assert "SHA-256" in message


@pytest.mark.parametrize("kept", [0, 3])
def test_a_stream_that_ends_early_is_refused_and_the_file_named(kept: int) -> None:
    assert "config/a.json" in refusal(bundle(described(file_record("config/a.json", b"123456")), [b"123456"[:kept]]))


def test_more_than_the_manifest_names_is_refused() -> None:
    assert "more than its manifest" in refusal(bundle(described(file_record("config/a", b"1")), [b"1", b"2"]))


@pytest.mark.parametrize("stream", [b"", b"{}", b'{"records": []}'])
def test_a_stream_without_a_line_of_manifest_is_refused(stream: bytes) -> None:
    assert "no manifest" in refusal(stream)


@pytest.mark.parametrize(
    "line",
    [
        b"not JSON",
        b"{",
        b'{"records": [}',
        b"\xff\xfe\xfd",
        b"[" * 200_000,
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"records": null}',
    ],
    ids=lambda line: repr(line[:20]),
)
def test_a_manifest_that_is_none_is_refused_in_a_sentence(line: bytes) -> None:
    assert refusal(line + b"\n")


def test_a_description_of_another_shape_is_refused_and_its_first_wrong_value_named() -> None:
    reported = described(*copy.deepcopy(WITH_FILE))
    reported["state"]["registry"] = [{"key": "Other"}]
    assert (
        refusal(bundle(reported, [b"{}"]))
        == "The target sent a manifest that is not used: 'state.registry[0].name' is missing."
    )


RECORD_KEYS = ["name", "path", "kind", "sha256", "size", "created", "modified", "attributes", "sddl"]


@pytest.mark.parametrize("key", RECORD_KEYS)
def test_a_record_that_lacks_something_is_refused_in_a_sentence(key: str) -> None:
    record = file_record("config/a", b"")
    del record[key]
    assert refusal(bundle(described(record), []))


@pytest.mark.parametrize("key", RECORD_KEYS)
@pytest.mark.parametrize("value", [None, [], {}, "text", -1, 1.5, True, 10**30], ids=str)
def test_a_record_with_a_wrong_value_is_never_a_traceback(key: str, value: Any) -> None:
    with contextlib.suppress(AccessManagerError):
        zipped(bundle(described(file_record("config/a", b"", **{key: value})), []))


@pytest.mark.parametrize("size", [-1, -(10**20)])
def test_a_negative_size_does_not_read_the_rest_of_the_stream_into_memory(size: int) -> None:
    stream = io.BytesIO(bundle(described(file_record("config/a", b"", size=size)), [bytes(8 * 1024**2)]))
    tracemalloc.start()
    try:
        with pytest.raises(AccessManagerError):
            list(zip_chunks(SnapshotStream(stream).entries()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * 1024**2


@settings(max_examples=100)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["records", "name", "kind", "size", "sha256", "modified", "path"]), inner, max_size=5
            )
        ),
    )
)
def test_no_json_is_ever_a_traceback(manifest: Any) -> None:
    with contextlib.suppress(AccessManagerError):
        zipped(json.dumps(manifest).encode() + b"\n")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"{}", None),
        ('{"a": 1}'.encode("utf-16"), "it is UTF-16, not UTF-8. Save it on the server as JSON in UTF-8"),
        ('{"ä": 1}'.encode("cp1252"), "it is not UTF-8"),
        (b'{"a": 1, "A": 2}', "the key 'A' stands twice"),
        (b'{"a": 1e999}', "a number is too large"),
    ],
)
def test_a_json_file_that_no_restore_takes_is_a_problem_of_the_backup(data: bytes, problem: str | None) -> None:
    reported = described(file_record("config/appsettings.json", data), file_record("config/other.json", b"{"))
    reported["documents"] = [{"file": "appsettings.json", "valid": True, "usn": "1", "schema_version": "1"}]
    received = SnapshotStream(io.BytesIO(bundle(reported, [data, b"{"])))
    for entry in received.entries():
        b"".join(entry.content)
    problems = problems_of_documents(received.described, received.unreadable)
    assert len(problems) == (0 if problem is None else 1)
    assert all(str(problem) in line and "no restore takes it" in line for line in problems)
    reported["documents"] = [{"file": "appsettings.json", "valid": False}]
    assert problems_of_documents(reported, received.unreadable) == []
