# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore reads of a backup: nothing is taken for granted that is in it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.decryption import Decryptor
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents import zip_directory, zip_reader
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.configuration import Configuration
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.contents import open_contents
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.keys import (
    read_certificates,
    read_secrets,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.source import select
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st
from support.certificates import TestCertificate
from unit.backups import publish
from unit.opened_backups import bound, config_zip, files, lists, protected, settings, state, zipped


def refusal(data: bytes, read: Callable[[bytes], Any] = Configuration) -> str:
    with pytest.raises(AccessManagerError) as caught:
        read(data)
    return str(caught.value)


# ---- config.zip ----


def test_a_whole_configuration_is_read() -> None:
    configuration = Configuration(config_zip())
    assert set(configuration.files) == set(files())
    assert {name: configuration.read(name) for name in configuration.files} == files()
    assert [(one.path, one.file, one.mode, one.data) for one in configuration.secrets] == [
        ("Authentication.Oidc.Secret", "appsettings.json", 1, "b2lkYw=="),
        ("Email.Password", "appsettings.json", 1, "cGFzc3dvcmQ="),
    ]


def test_places_of_a_secret_are_those_of_its_strings() -> None:
    configuration = Configuration(config_zip())
    data = configuration.read("config/appsettings.json")
    for secret in configuration.secrets:
        assert json.loads(data[slice(*secret.data_place)]) == secret.data
        assert secret.salt_place is not None
        assert json.loads(data[slice(*secret.salt_place)]) == secret.salt


def test_a_later_file_overrides_a_secret() -> None:
    override = json.dumps({"email": {"password": protected("b3RoZXI=")}}).encode()
    configuration = Configuration(config_zip(files(config__appsecrets_dot_json=override)))
    assert [(one.path, one.file) for one in configuration.secrets] == [
        ("Authentication.Oidc.Secret", "appsettings.json"),
        ("email.password", "appsecrets.json"),
    ]


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("appsettings.json", b"{ \r\n"),
        ("apphost.json", b'{"a": 1, "A": 2}'),
        ("appsettings.json", b""),
        ("appsettings.json", "{}".encode("utf-16")),
    ],
)
def test_json_that_does_not_parse_or_is_not_utf8_is_refused(name: str, broken: bytes) -> None:
    sentence = refusal(config_zip(files() | {f"config/{name}": broken}))
    assert f"{name} in the backup is not JSON" in sentence
    assert "Use another backup" in sentence


@pytest.mark.parametrize("name", sorted(files()))
def test_a_changed_file_is_refused_and_named(name: str) -> None:
    assert f"'{name}'" in refusal(config_zip(files() | {name: b"{} "}, listed=lists(files())))


def test_a_missing_and_a_strange_entry_are_refused() -> None:
    assert "it is not there" in refusal(config_zip(files(config__scripts__rule_dot_ps1=None), listed=lists(files())))
    assert "does not describe it" in refusal(config_zip(more={"config/more.txt": b"x"}))


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "config/../evil",
        "config/a:b",
        "config\\..\\x",
        "/etc/passwd",
        "external/CC/x",
        "config//x",
        "config/a\nb",
        "state/x",
    ],
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    assert "cannot be a file of a backup" in refusal(config_zip(files() | {name: b"x"}))


def test_two_entries_of_one_name_are_refused() -> None:
    assert "two entries of one name" in refusal(config_zip(more={"CONFIG/APPSETTINGS.JSON": b"{}"}))


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_reader, "LARGEST", 1_000_000)
    assert "it is not opened" in refusal(config_zip(more={"config/bomb": b"\0" * 2_000_000}))
    monkeypatch.setattr(zip_directory, "MOST_ENTRIES", 3)
    assert "entries" in refusal(config_zip())


def test_a_size_that_lies_is_found() -> None:
    data = config_zip(files() | {"config/large": b"\0" * 100_000})
    short = data.replace((100_000).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    assert "config/large" in refusal(short)


@pytest.mark.parametrize("key", ["installation", "state", "references"])
def test_a_state_without_its_parts_is_refused(key: str) -> None:
    assert f"'{key}'" in refusal(config_zip(described=state(**{key: None})))


@pytest.mark.parametrize("key", ["path", "sha256", "size", "modified", "attributes", "sddl"])
def test_a_file_without_its_record_is_refused(key: str) -> None:
    listed = lists(files())
    del listed["files"][0][key]
    assert f"'files[0].{key}' is missing" in refusal(config_zip(listed=listed))


@pytest.mark.parametrize("key", ["key", "value", "path", "place", "exists"])
def test_an_incomplete_reference_is_refused(key: str) -> None:
    reference = {"key": "K", "value": "V", "path": "P", "place": "config", "exists": True, "name": None}
    del reference[key]
    found = refusal(config_zip(described=state(references=[reference])))
    assert re.search(rf"'references\[\d+\]\.{key}' is missing", found)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "..\\..\\Run"},
        {"kind": "Link"},
        {"data": None},
        {"data": 1},
        {"kind": "DWord", "data": "1"},
        {"kind": "DWord", "data": 2**31},
        {"kind": "DWord", "data": True},
        {"kind": "Binary", "data": "%"},
        {"kind": "MultiString", "data": [1]},
    ],
)
def test_a_registry_value_that_cannot_be_one_is_refused(change: dict[str, Any]) -> None:
    described = state()
    described["state"]["registry"][0].update(change)
    found = refusal(config_zip(described=described))
    assert "The registry value 'Version'" in found or "'state.registry[0].data" in found
    del described["state"]["registry"][0]["data"]
    assert "'state.registry[0].data' is missing" in refusal(config_zip(described=described))


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("bindings", "endpoint", "0.0.0.0:443 certhash=00"),
        ("bindings", "endpoint", "host:443"),
        ("bindings", "kind", "host"),
        ("bindings", "thumbprint", "AA"),
        ("bindings", "flags", -1),
        ("bindings", "check_mode", 2**32),
        ("bindings", "ctl_identifier", 'x" y="'),
        ("bindings", "ctl_store", "a b"),
        ("bindings", "store", 'My" x="'),
        ("reservations", "url", "https://+:443/ user=Everyone"),
        ("reservations", "url", "ftp://+:443/"),
    ],
)
def test_own_http_records_that_windows_must_not_get_are_refused(kind: str, key: str, value: str | int) -> None:
    described = state()
    described["state"]["http_sys"][kind][0][key] = value
    found = refusal(config_zip(described=described))
    shown = re.escape(str(value))
    assert re.search(rf"with the {key} '{shown}'|{kind}\[\d\]\.{key}' is .*'{shown}'", found)
    described = state()
    described["state"]["http_sys"][kind][2][key] = value
    Configuration(config_zip(described=described))


@pytest.mark.parametrize(
    ("written", "mode"), [(1, 1), ("1", 1), (" 0 ", 0), (None, 0), ("", 0), (2, 2), ("two", -1), ({}, 0), ([1], -1)]
)
def test_the_mode_of_a_secret_is_read_as_the_server_reads_it(written: Any, mode: int) -> None:
    content = settings(password=protected("cGFzc3dvcmQ=") | {"Mode": written})
    configuration = Configuration(config_zip(files() | {"config/appsettings.json": json.dumps(content).encode()}))
    assert [one.mode for one in configuration.secrets if one.path == "Email.Password"] == [mode]


@pytest.mark.parametrize(
    ("value", "name", "named"),
    [
        (r"D:\Scripts\x.ps1", "external/D/Scripts/X.ps1", True),
        ("d:/Scripts/a/../x.ps1", "external/D/Scripts/x.ps1", True),
        (r"C:\PROGRA~1\x.ps1", "external/C/Program Files/x.ps1", False),
        (r"D:\Scripts\x.ps1", "external/C/Scripts/x.ps1", False),
        ("x.ps1", "external/C/Windows/System32/x.ps1", False),
        (r"\\nas\Scripts\x.ps1", "external/C/Scripts/x.ps1", False),
    ],
)
def test_files_elsewhere_are_those_that_the_configuration_names(value: str, name: str, named: bool) -> None:
    content = settings() | {"Authorization": {"ComputerTargets": [{"Script": value}]}}
    held = {"config/appsettings.json": json.dumps(content).encode(), name: b""}
    configuration = Configuration(config_zip(files() | held))
    assert configuration.names_external(name) is named


@given(data=st.binary(max_size=200))
def test_garbage_is_no_archive(data: bytes) -> None:
    assert "config.zip" in refusal(data)


@given(place=st.integers(0, 5000), change=st.integers(1, 255))
def test_a_changed_byte_is_found_or_harmless(place: int, change: int) -> None:
    data = bytearray(config_zip())
    data[place % len(data)] ^= change
    try:
        configuration = Configuration(bytes(data))
    except AccessManagerError:
        return
    assert {name: configuration.read(name) for name in configuration.files} == files()


# ---- certificates.zip and secrets.json ----


def certificates(one: TestCertificate, **changes: bytes | None) -> bytes:
    der = one.certificate.public_bytes(serialization.Encoding.DER)
    entries: dict[str, bytes | None] = {
        f"{one.thumbprint}.cer": der,
        f"{one.thumbprint}.pfx": one.pfx,
        "passwords.json": json.dumps({one.thumbprint: one.pfx_password}).encode(),
    }
    entries |= {name.replace("THUMB", one.thumbprint).replace("_dot_", "."): data for name, data in changes.items()}
    return zipped({name: data for name, data in entries.items() if data is not None})


def test_certificates_are_read_and_verified(certificate: TestCertificate) -> None:
    (found,) = read_certificates(certificates(certificate)).values()
    assert found.pfx
    assert found.password == certificate.pfx_password
    assert certificate.pfx_password not in repr(found)


def test_a_certificate_without_its_key_is_known_as_such(certificate: TestCertificate) -> None:
    (found,) = read_certificates(certificates(certificate, THUMB_dot_pfx=None)).values()
    assert found.pfx is None


def test_a_wrong_password_is_refused(certificate: TestCertificate) -> None:
    data = certificates(certificate, passwords_dot_json=json.dumps({certificate.thumbprint: "wrong"}).encode())
    assert "cannot be decrypted with its password" in refusal(data, read_certificates)


def test_strange_entries_and_other_certificates_are_refused(certificate: TestCertificate) -> None:
    assert "is no certificate" in refusal(certificates(certificate, readme_dot_txt=b"x"), read_certificates)
    assert "is not the certificate of its PFX" in refusal(
        certificates(certificate, THUMB_dot_cer=b"other"), read_certificates
    )


def test_secrets_without_a_value_are_left_out() -> None:
    content = {
        "Email.Password": {"mode": 1, "value": "x"},
        "Authentication.Oidc.Secret": {"mode": 1, "error": "y"},
        "z": 1,
    }
    assert read_secrets(json.dumps(content).encode()) == {"Email.Password": "x"}
    assert "not JSON" in refusal(b"{", read_secrets)
    assert "not an object" in refusal(b"[]", read_secrets)


# ---- which backup ----


def test_latest_is_the_newest_complete_one(root: Path) -> None:
    store = BackupStore(str(root), "ams1")
    with pytest.raises(AccessManagerError, match="no complete backup of ams1"):
        select(store, "latest")
    complete = publish(store)
    incomplete = publish(store, problems=["x"])
    assert select(store, "latest").label == f"{complete} of ams1"
    assert select(store, incomplete).label == f"{incomplete} of ams1"
    with pytest.raises(AccessManagerError, match="no backup '20200101T000000Z' of ams1"):
        select(store, "20200101T000000Z")


def test_a_damaged_backup_is_refused(root: Path) -> None:
    store = BackupStore(str(root), "ams1")
    backup_id = publish(store)
    (root / "ams1" / backup_id / "secrets.json").write_bytes(b"other")
    for wanted in (backup_id, str(root / "ams1" / backup_id)):
        with pytest.raises(AccessManagerError, match="is not what was written"):
            select(store, wanted)


def test_a_folder_or_a_file_without_a_manifest_will_do(root: Path, tmp_path: Path) -> None:
    store = BackupStore(str(root), "ams1")
    says = {"host": "ams1", "id": "20261123T081500Z", "part": "config.zip", "nonce": "00" * 32}
    (tmp_path / "config.zip").write_bytes(bound(config_zip(), says))
    alone = select(store, str(tmp_path / "config.zip"))
    (tmp_path / "secrets.json").write_bytes(b"{}")
    assert set(alone.parts) == {"config"}
    assert set(select(store, str(tmp_path)).parts) == {"config", "secrets"}
    assert open_contents(alone, Decryptor.of({}), certificates=True).certificates is None
    for wrong in ("secrets.json", "nothing"):
        with pytest.raises(AccessManagerError, match=wrong):
            select(store, str(tmp_path / wrong))
    (tmp_path / "empty").mkdir()
    with pytest.raises(AccessManagerError, match="holds no backup"):
        select(store, str(tmp_path / "empty"))
