# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action backup_diff between backups: which are compared, with and without a key, and what a playbook shows."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pyrage
import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents import part_binding
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.partial import PartialBackup
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.configuration import SECRET_PATHS, ProtectedSecret, apphost, settings, to_json
from support.playbook import results_of, run_playbook
from unit.action.test_controller_actions import run
from unit.backups import build
from unit.opened_backups import bound, config_zip

HOST = "ams1"
CLEAR_ARTIFACT = {"encryption": "none", "recipients": []}
CLEAR = "the-clear-value-of-a-secret"


def publish(
    root: Path, recipient: str | None, port: int, *, salt: str = "c2FsdA==", value: str = CLEAR, **inventory: str
) -> str:
    """Makes a whole backup of a server whose HTTP port is that; encrypted to a recipient, or in clear."""
    secrets = {path: ProtectedSecret("b2xk", salt) for path in SECRET_PATHS}
    files = {"config/appsettings.json": to_json(settings(secrets)), "config/apphost.json": to_json(apphost(port))}
    parts = {
        "config": ("config.zip", config_zip(files)),
        "certificates": ("certificates.zip", b"not opened"),
        "secrets": ("secrets.json", json.dumps({path: {"mode": 1, "value": value} for path in SECRET_PATHS}).encode()),
    }
    store = BackupStore(str(root), HOST)
    backup_id = PartialBackup.begin(store).id
    for part, (name, clear) in parts.items():
        clear = bound(clear, part_binding.make(PartialBackup(store, backup_id), part))
        encrypted = pyrage.encrypt(clear, [pyrage.x25519.Recipient.from_str(recipient)]) if recipient else clear
        artifact = PartialBackup(store, backup_id).write(
            name + (".age" if recipient else ""), lambda file, encrypted=encrypted: file.write(encrypted) and None
        )
        record: dict[str, Any] = {
            "artifact": artifact
            | ({"encryption": "recipients", "recipients": [recipient]} if recipient else CLEAR_ARTIFACT),
            "problems": [],
            "manifest": {"certificates": []} if part == "certificates" else {},
            "inventory": {},
        }
        PartialBackup(store, backup_id).save_record(part, record)
    manifest = build(store, backup_id) | {
        "inventory": {"config/apphost.json": str(port), "state/registry": "1"} | inventory
    }
    PartialBackup(store, backup_id).publish(manifest)
    return backup_id


@pytest.fixture
def key(tmp_path: Path, identity: pyrage.x25519.Identity) -> str:
    path = tmp_path / "identity.key"
    path.write_text(f"{identity}\n")
    return str(path)


def diff(root: Path, **options: Any) -> dict[str, Any]:
    return run("backup_diff", backup_root=str(root), **{"after": "latest"} | options)


def test_the_last_two_backups_are_compared(root: Path, recipient: str, key: str) -> None:
    publish(root, recipient, 79)
    first, second = publish(root, recipient, 80), publish(root, recipient, 81)
    result = diff(root, identity_file=key)
    assert (result["before"], result["after"]) == (f"backup {first} of {HOST}", f"backup {second} of {HOST}")
    assert result["basis"] == "contents"
    assert [(one["path"], one["before"], one["after"]) for one in result["settings"]] == [
        ("Hosting.HttpSys.HttpPort", 80, 81)
    ]
    assert result["changed"]
    assert result["differs"]
    assert result["not_compared"] == []


def test_any_two_backups_are_compared(root: Path, recipient: str, key: str) -> None:
    first, _second, third = (publish(root, recipient, port) for port in (79, 80, 79))
    assert diff(root, identity_file=key, before=first, after=third)["differs"] is False
    there = diff(
        root, identity_file=key, before=str(root / HOST / first), after=str(root / HOST / third / "config.zip.age")
    )
    assert there["lines"] == []
    assert there["certificates"] is None
    assert there["not_compared"] == ["Certificates were not compared: one of the backups has no manifest."]


def test_without_a_key_the_inventories_are_compared(root: Path, recipient: str) -> None:
    publish(root, recipient, 80)
    publish(root, recipient, 81, **{"state/registry": "2"})
    result = diff(root)
    assert result["basis"] == "inventory"
    assert [one["path"] for one in result["files"]] == ["config/apphost.json"]
    assert [one["name"] for one in result["server"]] == ["registry"]
    assert result["settings"] is None
    assert "Give identity_file or passphrase" in result["diff"]["prepared"]


def test_backups_in_clear_need_no_key(root: Path) -> None:
    publish(root, None, 80)
    publish(root, None, 81)
    assert diff(root)["basis"] == "contents"


@pytest.mark.parametrize(("value", "expected"), [(CLEAR, "protected_again"), ("another-clear-value", "changed")])
def test_secrets_protected_again_are_compared_in_clear(
    root: Path, recipient: str, key: str, value: str, expected: str
) -> None:
    publish(root, recipient, 80)
    publish(root, recipient, 80, salt="bmV3", value=value)
    result = diff(root, identity_file=key)
    assert [(one["path"], one["change"]) for one in result["secrets"]] == [(path, expected) for path in SECRET_PATHS]
    for secret in (CLEAR, value, "c2FsdA", "bmV3"):
        assert secret not in json.dumps(result)


def test_a_wrong_key_is_refused(root: Path, recipient: str, tmp_path: Path) -> None:
    publish(root, recipient, 80)
    publish(root, recipient, 81)
    other = tmp_path / "other.key"
    other.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    assert "cannot be decrypted with the keys" in diff(root, identity_file=str(other))["msg"]


def test_what_is_not_there_is_refused(root: Path, recipient: str, key: str) -> None:
    only = publish(root, recipient, 80)
    assert f"no complete backup of {HOST} before {only}" in diff(root, identity_file=key)["msg"]
    assert "There is no backup '20200101T000000Z'" in diff(root, before="20200101T000000Z")["msg"]


@pytest.mark.parametrize("key_of_state", ["registry", "http_sys", "service", "firewall"])
def test_a_state_of_another_shape_is_refused(root: Path, key_of_state: str) -> None:
    publish(root, None, 80)
    described = json.loads(config_entry(root, "state/installation.json"))
    described["state"][key_of_state] = "no"
    path = root / "config.zip"
    path.write_bytes(bound(config_zip(described=described), json.loads(config_entry(root, "backup.json"))))
    assert f"'state.{key_of_state}' is a text, and must be" in diff(root, before=str(path))["msg"]


def config_entry(root: Path, name: str) -> bytes:
    (backup,) = (root / HOST).iterdir()
    with zipfile.ZipFile(io.BytesIO((backup / "config.zip").read_bytes())) as archive:
        return archive.read(name)


@pytest.mark.slow
def test_a_playbook_shows_the_difference_and_no_secret(root: Path, recipient: str, key: str, tmp_path: Path) -> None:
    publish(root, recipient, 80)
    publish(root, recipient, 81, salt="bmV3", value="another-clear-value")
    task = {"lithnet.access_manager.backup_diff": {"backup_root": str(root), "after": "latest", "identity_file": key}}
    play = tmp_path / "play.yml"
    play.write_text(json.dumps([{"hosts": HOST, "gather_facts": False, "tasks": [task]}]))
    # The host cannot be reached: two backups need no server.
    ran = run_playbook(
        play,
        f"{HOST},",
        extra_vars={"ansible_connection": "winrm", "ansible_host": "192.0.2.1"},
        args=["--diff", "-vvvvv"],
    )
    assert ran.rc == 0, ran.output
    assert results_of(ran, "backup_diff")[0]["differs"]
    assert "  ~ apphost.json: Hosting.HttpSys.HttpPort: 80 -> 81" in ran.stdout
    assert "  ~ Email.Password has another value" in ran.stdout
    for secret in (CLEAR, "another-clear-value", "AGE-SECRET-KEY"):
        assert secret not in ran.output
