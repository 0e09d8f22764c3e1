# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest: what is written is read, and what is no manifest of format 1 is refused in a sentence."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import manifest as manifest_module
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.folder import Folder
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.manifest import Manifest
from hypothesis import example, given, settings
from hypothesis import strategies as st

ARTIFACT: dict[str, Any] = {
    "name": "config.zip.age",
    "size": 3,
    "sha256": "ab" * 32,
    "encryption": "recipients",
    "recipients": ["age1a"],
}
MANIFEST: dict[str, Any] = {
    "format": 1,
    "id": "20261123T081500Z",
    "host": "ams1.forest.example",
    "collection_version": "1.0.0",
    "created": "2026-11-23T08:15:00Z",
    "status": "complete",
    "problems": [],
    "artifacts": [ARTIFACT],
    "nonce_sha256": "ef" * 32,
    "content_digest": "cd" * 32,
    "inventory": {"config/Größe.json": "ef" * 32},
    "recipients": ["age1a"],
    "previous": None,
    "previous_id": None,
    "checksum": "ab" * 32,
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "manifest.json"


def read(path: Path) -> Manifest:
    with Folder.at(path.parent) as folder:
        return manifest_module.read(folder)


def refusal(path: Path, content: bytes | dict[str, Any]) -> str:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(AccessManagerError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def record(
    name: str, *, problems: tuple[str, ...] = (), recipients: tuple[str, ...] = ("age1a",), **reported: Any
) -> dict[str, Any]:
    return {
        "artifact": ARTIFACT | {"name": name, "recipients": list(recipients)},
        "problems": list(problems),
        "manifest": reported,
    }


def built(**records: dict[str, Any]) -> dict[str, Any]:
    return manifest_module.build(
        backup_id="20261123T081500Z",
        host="ams1",
        created="2026-11-23T08:15:00Z",
        collection_version="1.0.0",
        previous=None,
        previous_id=None,
        nonce_sha256="ef" * 32,
        records=records,
        content_digest="cd" * 32,
        inventory={},
    )


# ---- made ----


def test_a_backup_without_problems_is_complete(path: Path) -> None:
    manifest = built(
        config=record("config.zip.age", files=30, bytes=1000), secrets=record("secrets.json.age", secrets=[])
    )
    path.write_bytes(manifest_module.to_bytes(manifest))
    found = read(path)
    assert found == manifest
    assert (found["status"], found["files"], found["bytes"], found["secrets"]) == ("complete", 30, 1000, [])
    assert [artifact["name"] for artifact in found["artifacts"]] == ["config.zip.age", "secrets.json.age"]


def test_a_problem_of_any_part_makes_a_backup_incomplete() -> None:
    manifest = built(
        config=record("config.zip.age"), certificates=record("certificates.zip.age", problems=("One.", "Two."))
    )
    assert (manifest["status"], manifest["problems"]) == ("incomplete", ["One.", "Two."])


def test_each_recipient_is_named_once() -> None:
    manifest = built(
        config=record("config.zip.age", recipients=("b", "a")),
        secrets=record("secrets.json.age", recipients=("c", "a")),
    )
    assert manifest["recipients"] == ["b", "a", "c"]


def test_the_format_has_what_people_script_against() -> None:
    promised = {
        "format",
        "id",
        "host",
        "collection_version",
        "created",
        "status",
        "problems",
        "artifacts",
        "content_digest",
    }
    assert (
        promised | {"recipients", "previous", "previous_id", "checksum"}
        <= built(config=record("config.zip.age")).keys()
    )
    assert built(config=record("config.zip.age"))["format"] == 1


@given(st.dictionaries(st.text(), st.text(), max_size=5), st.lists(st.text(), max_size=3))
@example({"config/\ud800": ""}, ["Größe 日本語"])
def test_any_text_is_read_as_it_was_written(path: Path, inventory: dict[str, str], problems: list[str]) -> None:
    manifest = MANIFEST | {"inventory": inventory, "problems": problems}
    path.write_bytes(manifest_module.to_bytes(manifest))
    assert read(path) == manifest


# ---- read ----


def test_a_minimal_manifest_is_read(path: Path) -> None:
    path.write_text(json.dumps(MANIFEST))
    assert read(path) == MANIFEST


@pytest.mark.parametrize("name", ["config.zip", "config.zip.age", "secrets.json", "certificates.zip.age"])
def test_the_names_of_the_format_are_read(path: Path, name: str) -> None:
    path.write_text(json.dumps(MANIFEST | {"artifacts": [ARTIFACT | {"name": name}]}))
    assert read(path)["artifacts"][0]["name"] == name


def test_a_missing_file_is_refused(path: Path) -> None:
    with pytest.raises(AccessManagerError, match=r"manifest\.json' cannot be read: .*No such file"):
        read(path)


def test_a_folder_is_refused(path: Path) -> None:
    path.mkdir()
    with pytest.raises(AccessManagerError, match="cannot be read"):
        read(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not JSON",
        b"{",
        b"\xff\xfe",
        b'{"id": "\xe9"}',
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"9" * 10_000,
        b"null",
        b"[]",
        b'"text"',
    ],
    ids=lambda content: repr(content[:12]),
)
def test_what_is_no_manifest_is_refused(path: Path, content: bytes) -> None:
    refusal(path, content)


def test_a_file_larger_than_any_manifest_is_refused_unread(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(65 * 1024**2)
    with pytest.raises(AccessManagerError, match="it has more than 67108864 bytes"):
        read(path)


@pytest.mark.parametrize("key", list(MANIFEST))
@pytest.mark.parametrize("value", [None, 1.5, {"a": 1}, ["a"], "text"], ids=str)
def test_a_key_of_another_type_is_refused_and_named(path: Path, key: str, value: Any) -> None:
    if not isinstance(value, str | None if key.startswith("previous") else type(MANIFEST[key])) or key == "artifacts":
        assert f"'{key}" in refusal(path, MANIFEST | {key: value})


@pytest.mark.parametrize("key", list(MANIFEST))
def test_a_missing_key_is_refused_and_named(path: Path, key: str) -> None:
    assert f"'{key}'" in refusal(path, {name: value for name, value in MANIFEST.items() if name != key})


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_what_is_no_number_is_refused(path: Path, number: str) -> None:
    content = json.dumps(MANIFEST | {"more": 7}).replace("7", number)
    assert "is not a number of JSON" in refusal(path, content.encode())


def nested(depth: int) -> Any:
    """Lists in each other; those of an object that has this are one deeper."""
    value: Any = []
    for _level in range(depth - 1):
        value = [value]
    return value


CERTIFICATE = {"thumbprint": "AB", "subject": "CN=a", "not_before": "", "not_after": "", "exported": True}
SECRET = {"path": "a", "exported": True, "mode": 1, "needed": True, "decryptable_by": [], "certificate": ""}
TLS_CERTIFICATE = {
    "thumbprint": "AB",
    "subject": "CN=a",
    "issuer": "CN=a",
    "names": ["a"],
    "not_after": "",
    "has_key": True,
    "endpoints": ["0.0.0.0:443"],
}


@pytest.mark.parametrize("depth", [65, 900, 3000, 9_980, 200_000])
@pytest.mark.parametrize(
    "place",
    [
        lambda value: {"inventory": {"a": value}},
        lambda value: {"more": value},
        lambda value: {"certificates": [CERTIFICATE | {"more": value}]},
        lambda value: {"secrets": [SECRET | {"more": value}]},
    ],
)
def test_what_is_nested_without_end_is_refused(path: Path, place: Any, depth: int) -> None:
    content = json.dumps(MANIFEST | place("here")).replace('"here"', "[" * depth + "]" * depth)
    assert "it is nested more than 64 deep" in refusal(path, content.encode())


def test_what_is_nested_64_deep_is_read(path: Path) -> None:
    path.write_text(json.dumps(MANIFEST | {"more": nested(63)}))
    assert read(path)["more"] == nested(63)
    assert "nested" in refusal(path, MANIFEST | {"more": nested(64)})


def test_a_key_that_stands_twice_is_refused_and_named(path: Path) -> None:
    content = json.dumps(MANIFEST).replace('"status"', '"status": "incomplete", "status"')
    assert "the key 'status' stands twice" in refusal(path, content.encode())
    refusal(path, json.dumps(MANIFEST).replace('"name"', '"name": "a.zip", "name"').encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_another_encoding_is_refused(path: Path, encoding: str) -> None:
    refusal(path, json.dumps(MANIFEST).encode(encoding))


@pytest.mark.parametrize(
    ("key", "entry"),
    [
        ("problems", ""),
        ("recipients", ""),
        ("artifacts", ARTIFACT),
        ("certificates", CERTIFICATE),
        ("secrets", SECRET),
        ("tls_certificates", TLS_CERTIFICATE),
        ("health_warnings", "One."),
        ("replaces", ""),
    ],
)
def test_a_list_without_bounds_is_refused_and_named(path: Path, key: str, entry: Any) -> None:
    sentence = f"'{key}' is a list of 10001 entries, and must be of at most 10000 entries"
    assert sentence in refusal(path, MANIFEST | {key: [entry] * 10_001})


def test_more_problems_than_a_manifest_may_list_are_summed_up(path: Path) -> None:
    manifest = built(config=record("config.zip.age", problems=("One.",) * 10_007))
    path.write_bytes(manifest_module.to_bytes(manifest))
    found = read(path)["problems"]
    assert (len(found), found[-1]) == (10_000, "There are 8 more problems.")


@pytest.mark.parametrize("number", [0, 2, -1])
def test_another_format_is_refused_and_named(path: Path, number: int) -> None:
    sentence = f"'format' is a number, '{number}', and must be 1"
    assert sentence in refusal(path, MANIFEST | {"format": number})
    assert sentence in refusal(path, {"format": number})


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "",
        "config.zip.age\n",
        "a/config.zip",
        "CONFIG.zip",
        "config.zip.age.age",
        "x.exe",
    ],
)
def test_an_artifact_that_leads_out_of_the_backup_is_refused(path: Path, name: str) -> None:
    shown = name.replace("\n", "\\n")
    assert f"'{shown}'" in refusal(path, MANIFEST | {"artifacts": [ARTIFACT | {"name": name}]})


@pytest.mark.parametrize(
    "artifact",
    [
        None,
        "config.zip",
        {},
        {"name": "config.zip"},
        ARTIFACT | {"size": "3"},
        ARTIFACT | {"size": True},
        ARTIFACT | {"size": -1},
        ARTIFACT | {"sha256": None},
        ARTIFACT | {"sha256": "../x"},
        ARTIFACT | {"encryption": "rot13"},
        ARTIFACT | {"recipients": [1]},
    ],
    ids=str,
)
def test_an_artifact_that_is_not_described_is_refused(path: Path, artifact: Any) -> None:
    assert "'artifacts[0]" in refusal(path, MANIFEST | {"artifacts": [artifact]})


def test_two_artifacts_of_one_part_are_refused(path: Path) -> None:
    both = [ARTIFACT, ARTIFACT | {"name": "config.zip"}]
    assert "must be at most one artifact of each part" in refusal(path, MANIFEST | {"artifacts": both})


KEY = {
    "thumbprint": "AB",
    "current": 1,
    "history": 0,
    "oldest": None,
    "newest": None,
    "published": True,
    "covered": True,
}
CENSUS: dict[str, Any] = {"computers": 1, "keys": [KEY], "unparsable": {"current": 0, "history": 0}}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"directory": []}, "directory"),
        ({"directory": CENSUS | {"keys": [1]}}, "directory.keys[0]"),
        ({"directory": CENSUS | {"keys": [KEY | {"thumbprint": None}]}}, "directory.keys[0].thumbprint"),
        ({"directory": CENSUS | {"keys": {}}}, "directory.keys"),
        ({"replaces": 5}, "replaces"),
        ({"replaces": [{}]}, "replaces[0]"),
        ({"secrets": [{"path": "a", "exported": True}]}, "secrets[0].mode"),
        ({"secrets": [SECRET | {"decryptable_by": "S-1-5-18"}]}, "secrets[0].decryptable_by"),
        ({"tls_certificates": [TLS_CERTIFICATE | {"names": None}]}, "tls_certificates[0].names"),
        ({"health_warnings": [1]}, "health_warnings[0]"),
        ({"certificates": [CERTIFICATE | {"exported": "yes"}]}, "certificates[0].exported"),
        ({"kind": "server"}, "kind"),
        ({"files": -1}, "files"),
        ({"downtime_ms": "0"}, "downtime_ms"),
        ({"created": "2026-13-45T08:15:00Z"}, "created"),
        ({"inventory": {"state/version": 1}}, "inventory.state/version"),
    ],
    ids=str,
)
def test_what_is_not_as_a_part_records_it_is_refused_and_named(path: Path, change: dict[str, Any], place: str) -> None:
    path.write_text(json.dumps(MANIFEST | {"directory": CENSUS, "certificates": [CERTIFICATE], "secrets": [SECRET]}))
    read(path)
    assert f"'{place}' is" in refusal(path, MANIFEST | change)


@settings(max_examples=80)
@given(st.binary(max_size=100) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_content_is_ever_a_traceback(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with contextlib.suppress(AccessManagerError):
        read(path)


@settings(max_examples=80)
@given(st.sampled_from([*MANIFEST, "artifact"]), json_values)
def test_no_value_of_a_key_is_ever_a_traceback(path: Path, key: str, value: Any) -> None:
    manifest = copy.deepcopy(MANIFEST)
    if key == "artifact":
        manifest["artifacts"][0] = value
    else:
        manifest[key] = value
    path.write_text(json.dumps(manifest))
    with contextlib.suppress(AccessManagerError):
        assert read(path).keys() == MANIFEST.keys()
