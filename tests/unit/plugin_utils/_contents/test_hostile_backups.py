# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backup folders that an attacker prepared: refused in a sentence, whatever is in them, and nothing is written.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age import header
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents import zip_reader
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.configuration import Configuration
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.keys import (
    read_certificates,
    read_secrets,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._signing.trust import Trust
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import chain, prune_log
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import manifest as manifest_module
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.chain import Link
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.folder import Folder
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._text import printable
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._windows import pfx as pfx_module
from hypothesis import given, settings
from hypothesis import strategies as st
from support.backups import KeyPair, ssh_key
from support.certificates import TestCertificate
from support.playbook import hash_tree
from unit.actions import HOST, run
from unit.encrypted_backups import certificates_zip, encrypt_to, make
from unit.opened_backups import FOLDERS, config_zip, files, lists, state, zipped

ID = "20261123T020000Z"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@pytest.fixture
def key_file(owner: KeyPair, tmp_path: Path) -> str:
    (tmp_path / "key.txt").write_text(owner.private)
    return str(tmp_path / "key.txt")


def outline(folder: Path) -> dict[Path, tuple[int, int]]:
    """What is below a folder, with size and time of last change."""
    return {path: ((status := path.lstat()).st_size, status.st_mtime_ns) for path in folder.rglob("*")}


def verify(store: BackupStore, key_file: str | None = None) -> dict[str, Any]:
    """What the module says, having written nothing."""
    before = outline(store.root)
    options = {"identity_file": key_file} if key_file else {}
    result = run("backup_verify", backup_root=str(store.root), fail_on_problems=False, **options)
    assert outline(store.root) == before
    json.dumps(result)
    return result


def problems(result: dict[str, Any]) -> str:
    assert "backups" in result, result
    return " ".join(problem for one in result["backups"] + result["hosts"] for problem in one["problems"])


def encrypted(store: BackupStore, owner: KeyPair, **parts: bytes) -> None:
    """A backup that is whole but for what its parts hold."""
    make(store, ID, encrypt_to(owner.public), parts={name.replace("_", "."): data for name, data in parts.items()})


# ---- manifests ----


@pytest.mark.parametrize(
    "name",
    ["../../../etc/passwd", "/etc/passwd", "..\\..\\x", "..", "config.zip\0", ".config.record", "config.zip/"],
)
def test_a_manifest_that_names_a_file_outside_or_another_is_refused(
    store: BackupStore, owner: KeyPair, name: str
) -> None:
    encrypted(store, owner)
    path = store.folder / ID / "manifest.json"
    manifest = json.loads(path.read_bytes())
    manifest["artifacts"][0]["name"] = name
    path.write_text(json.dumps(manifest))
    result = verify(store)
    assert result["backups"][0]["status"] == "damaged"
    sentence = f"'artifacts[0].name' is a text, '{printable(name)}', and must be the name of an artifact"
    assert sentence in problems(result)


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00", b'{"id": "\xe9"}', b"[" * 500_000, b"9" * 100_000, b"", b"null"],
    ids=["utf-16", "latin-1", "deep", "digits", "empty", "null"],
)
def test_what_is_no_manifest_is_reported(store: BackupStore, owner: KeyPair, content: bytes) -> None:
    encrypted(store, owner)
    (store.folder / ID / "manifest.json").write_bytes(content)
    assert "manifest.json'" in problems(verify(store))


def test_a_huge_manifest_is_not_read(store: BackupStore, owner: KeyPair) -> None:
    encrypted(store, owner)
    with (store.folder / ID / "manifest.json").open("wb") as file:
        file.truncate(10 * 1024**4)
    assert "manifest.json' cannot be read: it has more than" in problems(verify(store))


def test_a_huge_record_of_pruned_backups_is_not_read_whole(store: BackupStore, owner: KeyPair) -> None:
    encrypted(store, owner)
    with (store.folder / prune_log.NAME).open("wb") as file:
        file.truncate(10 * 1024**4)
    assert "the record of pruned backups" in problems(verify(store)).lower()


def test_a_part_that_is_named_twice_is_refused(store: BackupStore, owner: KeyPair) -> None:
    encrypted(store, owner)
    path = store.folder / ID / "manifest.json"
    manifest = json.loads(path.read_bytes())
    manifest["artifacts"].append(manifest["artifacts"][0] | {"name": "config.zip"})
    path.write_text(json.dumps(manifest))
    assert "must be at most one artifact of each part" in problems(verify(store))


@pytest.mark.slow
@settings(max_examples=60)
@given(
    key=st.sampled_from(
        ["certificates", "secrets", "problems", "recipients", "files", "created", "previous", "downtime_ms", "x"]
    ),
    value=json_values,
)
def test_no_value_of_a_manifest_is_a_traceback_or_goes_unseen(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: Any
) -> None:
    store = BackupStore(str(tmp_path_factory.mktemp("root")), HOST)
    make(store, ID, encrypt_to())
    path = store.folder / ID / "manifest.json"
    manifest = json.loads(path.read_bytes())
    if manifest.get(key) != value or type(manifest.get(key)) is not type(value):
        path.write_text(json.dumps(manifest | {key: value}))
        (reported,) = verify(store)["backups"]
        assert reported["verified"] == "none"
        assert reported["problems"]
        assert isinstance(reported["certificates"], list)


@pytest.mark.slow
@settings(max_examples=60)
@given(content=st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_of_a_manifest_are_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = tmp_path_factory.mktemp("root")
    (root / HOST / ID).mkdir(parents=True)
    (root / HOST / ID / "manifest.json").write_bytes(content)
    (reported,) = verify(BackupStore(str(root), HOST))["backups"]
    assert (reported["status"], reported["verified"]) == ("damaged", "none")


@pytest.mark.parametrize("status", ["", "Complete", "damaged"])
def test_a_status_that_is_none_is_refused(store: BackupStore, owner: KeyPair, status: str) -> None:
    encrypted(store, owner)
    path = store.folder / ID / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"status": status}))
    assert f"'status' is a text, '{status}', and must be 'complete' or 'incomplete'" in problems(verify(store))


# ---- folders ----


@pytest.mark.parametrize(
    "name", ["20261399T020000Z", "20261123T020000Z.old", "00000000T000000Z", "..", "20261123T250000Z"]
)
def test_what_has_no_name_of_a_backup_is_none(root: Path, name: str) -> None:
    (root / HOST / name).mkdir(parents=True, exist_ok=True)
    assert "There is no backup of any host" in verify(BackupStore(str(root), HOST))["msg"]
    result = run("backup_verify", backup_root=str(root), hosts=[HOST], fail_on_problems=False)
    assert result["backups"] == []
    assert "There is no backup of ams1" in problems(result)


def test_a_file_in_place_of_a_backup_is_reported(store: BackupStore) -> None:
    store.folder.mkdir()
    (store.folder / ID).touch()
    assert "it is a file" in problems(verify(store))


def test_a_host_that_leads_elsewhere_is_refused(root: Path) -> None:
    for host in ("../other", ".hidden", "a/b"):
        assert f"'{host}'" in run("backup_verify", backup_root=str(root), hosts=[host])["msg"]


def test_a_link_that_leads_round_is_reported(store: BackupStore) -> None:
    store.folder.mkdir()
    (store.folder / ID).symlink_to(store.folder / ID)
    assert "is a link, which is not followed" in problems(verify(store))


# ---- archives ----


def zip_with(name: str, data: bytes, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO(config_zip())
    with zipfile.ZipFile(target, "a", compression) as archive:
        archive.writestr(name, data)
    return target.getvalue()


def test_a_bomb_is_not_unpacked(
    store: BackupStore, owner: KeyPair, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blanks in place of a JSON file take a thousandth of their size."""
    monkeypatch.setattr(zip_reader, "LARGEST_DOCUMENT", 1024**2)
    encrypted(store, owner, config_zip=config_zip(files() | {"config/apphost.json": b" " * (2 * 1024**2)}))
    assert "'config/apphost.json' in config.zip unpacks to more than 1 MiB" in problems(verify(store, key_file))


def test_a_bomb_that_says_so_is_not_opened(store: BackupStore, owner: KeyPair, key_file: str) -> None:
    data = config_zip(files() | {"config/a": b"\0" * 100_001, "config/b": b"\0" * 100_002})
    for size in (100_001, 100_002):
        data = data.replace(size.to_bytes(4, "little"), (2**32 - 2).to_bytes(4, "little"))
    encrypted(store, owner, config_zip=data)
    assert "unpacks to more than" in problems(verify(store, key_file))


def test_a_bomb_that_lies_is_stopped(store: BackupStore, owner: KeyPair, key_file: str) -> None:
    data = config_zip(files() | {"config/a": b"\0" * 100_001})
    encrypted(store, owner, config_zip=data.replace((100_001).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    assert "'config/a' in config.zip" in problems(verify(store, key_file))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_another_compression_is_not_opened(store: BackupStore, owner: KeyPair, key_file: str, compression: int) -> None:
    encrypted(store, owner, config_zip=zip_with("config/x", b"x" * 1000, compression))
    assert "compressed in a way that no backup is" in problems(verify(store, key_file))


@pytest.mark.parametrize(
    "name", ["../evil", "config\\..\\..\\evil", "/etc/cron.d/evil", "C:\\evil", "config/../../evil"]
)
def test_entries_that_lead_elsewhere_are_refused(
    store: BackupStore, owner: KeyPair, key_file: str, name: str, tmp_path: Path
) -> None:
    encrypted(store, owner, config_zip=config_zip(files() | {name: b"x"}))
    before = hash_tree(tmp_path)
    assert "which cannot be a file of a backup" in problems(verify(store, key_file))
    assert hash_tree(tmp_path) == before


def places(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value in a document."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [at, *(way for name, value in inner for way in places(value, (*at, name)))]


def replaced(node: Any, way: tuple[Any, ...], value: Any) -> Any:
    """The document with another value there."""
    if not way:
        return value
    changed = copy.copy(node)
    changed[way[0]] = replaced(node[way[0]], way[1:], value)
    return changed


@pytest.mark.slow
@settings(max_examples=150)
@given(document=st.sampled_from(["state", "files"]), data=st.data(), value=json_values)
def test_no_value_in_an_opened_backup_is_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, document: str, data: Any, value: Any
) -> None:
    store = BackupStore(str(tmp_path_factory.mktemp("root")), HOST)
    original: Any = {"state": state(), "files": lists(files())}[document]
    changed = replaced(original, data.draw(st.sampled_from(places(original))), value)
    both = {"state": state(), "files": lists(files())} | {document: changed}
    entries = {
        "state/installation.json": json.dumps(both["state"]).encode(),
        "files.json": json.dumps(both["files"]).encode(),
    }
    make(store, ID, encrypt_to(), parts={"config.zip": zipped(entries | dict.fromkeys(FOLDERS, b"") | files())})
    assert len(verify(store)["backups"]) == 1
    compared = run("backup_diff", backup_root=str(store.root), before=ID, after=ID)
    assert compared.get("lines") == [] or compared["msg"].strip()


@pytest.mark.parametrize("value", [7, True, None, "x", {}, [7]])
def test_a_state_whose_lists_are_none_is_refused(value: Any) -> None:
    for name in ("environment", "references"):
        assert only_sentences(Configuration, config_zip(described=state(**{name: value}))) is None


def test_an_encrypted_zip_is_reported(store: BackupStore, owner: KeyPair, key_file: str) -> None:
    data = bytearray(config_zip())
    at = data.rindex(b"PK\x01\x02")
    data[at + 8] |= 1
    encrypted(store, owner, config_zip=bytes(data))
    assert "config.zip" in problems(verify(store, key_file))


# ---- readers, with anything ----


def only_sentences(read: Any, *arguments: Any) -> Any:
    """What a reader returns; a sentence is the only failure it may have."""
    try:
        return read(*arguments)
    except AccessManagerError as exc:
        assert str(exc).strip()
        return None


@pytest.mark.slow
@settings(max_examples=150)
@given(place=st.integers(0, 20_000), change=st.binary(min_size=1, max_size=8))
def test_any_change_of_certificates_is_a_sentence_or_nothing(
    certificate: TestCertificate, place: int, change: bytes
) -> None:
    data = bytearray(certificates_zip([certificate]))
    at = place % len(data)
    data[at : at + len(change)] = change
    found = only_sentences(read_certificates, bytes(data))
    assert found is None or found.keys() == {certificate.thumbprint}


@pytest.mark.slow
@settings(max_examples=150)
@given(place=st.integers(0, 20_000), change=st.binary(min_size=1, max_size=4))
def test_any_change_of_a_pfx_is_a_sentence_or_the_same_certificate(
    certificate: TestCertificate, place: int, change: bytes
) -> None:
    pfx = bytearray(_PFX.setdefault(certificate.thumbprint, certificate.pfx))
    at = place % len(pfx)
    pfx[at : at + len(change)] = change
    only_sentences(pfx_module.verify, bytes(pfx), certificate.pfx_password, certificate.thumbprint)


_PFX: dict[str, bytes] = {}


@settings(max_examples=150)
@given(place=st.integers(0, 20_000), change=st.binary(min_size=1, max_size=8))
def test_any_change_of_a_configuration_is_a_sentence_or_nothing(place: int, change: bytes) -> None:
    data = bytearray(config_zip())
    at = place % len(data)
    data[at : at + len(change)] = change
    only_sentences(Configuration, bytes(data))


@given(data=st.binary(max_size=300) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_sentence_or_secrets(data: bytes) -> None:
    for read in (read_secrets, Configuration, read_certificates):
        only_sentences(read, data)


@settings(max_examples=150)
@given(data=st.binary(max_size=300) | st.binary(max_size=300).map(lambda rest: header.VERSION + b"-> X25519 " + rest))
def test_any_bytes_are_no_header_or_stanzas(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert all(isinstance(kind, str) for kind, _tag in header.stanzas(io.BytesIO(data)))
    assert all(isinstance(problem, str) for problem in header_problems(data, ssh_key().public))


def header_problems(data: bytes, *recipients: str) -> list[str]:
    return header.problems(io.BytesIO(data), Path("config.zip.age"), "recipients", recipients)


def test_a_header_without_an_end_is_not_read_for_ever() -> None:
    assert "without an end" in header_problems(header.VERSION + b"-> X25519 x\n" * 200_000)[0]
    assert "without an end" in header_problems(header.VERSION + b"-> " + b"x" * 10_000_000)[0]


@pytest.mark.parametrize("recipient", ["ssh-rsa", "ssh-rsa !", "ssh-ed25519 AAA", "ssh-ed25519 \udc80"])
def test_a_recipient_that_is_no_key_is_reported(recipient: str) -> None:
    assert "which is not an SSH key" in header_problems(header.VERSION + b"---\n", recipient)[0]


links = st.builds(
    Link,
    st.sampled_from("abcdef"),
    st.sampled_from("123456"),
    st.none() | st.sampled_from("1234567"),
    st.none() | st.sampled_from("abcdefg"),
)


@pytest.mark.slow
@settings(max_examples=200)
@given(present=st.lists(links, max_size=6), unreliable=st.lists(links, max_size=2), pruned=st.lists(links, max_size=6))
def test_any_chain_is_checked_in_the_end(present: list[Link], unreliable: list[Link], pruned: list[Link]) -> None:
    """Also one that goes round, names itself, or names one twice."""
    found = chain.problems(present, unreliable=unreliable, pruned=pruned)
    assert found.keys() <= {link.id for link in present + unreliable}


@given(
    data=st.binary(max_size=300)
    | st.lists(json_values, max_size=3).map(lambda some: b"\n".join(json.dumps(one).encode() for one in some))
)
def test_any_record_of_pruned_backups_is_read(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("record")
    (path / prune_log.NAME).write_bytes(data)
    with Folder.at(path) as folder:
        assert prune_log.read(folder, HOST, Trust()) == []


def test_nothing_in_a_manifest_or_a_name_controls_a_terminal(store: BackupStore, owner: KeyPair) -> None:
    ids = [f"202611{day}T020000Z" for day in (20, 21, 22)]
    escape = "\x1b[31m\x1b]0;title\x07"
    odd = BackupStore(str(store.root), f"ams{escape}2")
    for one in (store, odd):
        for backup_id in ids:
            make(one, backup_id, encrypt_to(owner.public))
    for one, backup_id, changes in (
        (store, ids[0], {"host": escape}),
        (store, ids[1], {"previous_id": escape, "previous": "00" * 32}),
        (odd, ids[0], {"status": escape}),
    ):
        path = one.folder / backup_id / "manifest.json"
        manifest = json.loads(path.read_bytes()) | changes
        path.write_bytes(manifest_module.to_bytes(manifest | {"checksum": manifest_module.checksum_of(manifest)}))
    verified = run("backup_verify", backup_root=str(store.root), fail_on_problems=False)
    pruned = [
        run("backup_prune", backup_root=str(store.root), host=one.host, keep_last=1, check=True) for one in (store, odd)
    ]
    shutil.rmtree(odd.folder)
    odd.folder.symlink_to(store.folder)
    listed = run("backup_info", backup_root=str(store.root), all_hosts=True)
    printed = [verified["msg"], *verified["warnings"], *listed["warnings"]]
    printed += [problem for one in verified["backups"] for problem in one["problems"]]
    for result in pruned:
        printed += [*result["warnings"], result["diff"]["prepared"]]
    assert sum("\\x1b[31m" in text for text in printed) >= 7
    assert [text for text in printed if "\x1b" in text or "\x07" in text] == []


def test_a_checksum_covers_every_key() -> None:
    manifest: dict[str, Any] = {"a": 1, "b": {"c": [1, 2]}}
    for changed in ({"a": 2}, {"b": {"c": [2, 1]}}, {"new": None}):
        assert manifest_module.checksum_of(copy.deepcopy(manifest) | changed) != manifest_module.checksum_of(manifest)
    assert manifest_module.checksum_of(manifest | {"checksum": "x"}) == manifest_module.checksum_of(manifest)
