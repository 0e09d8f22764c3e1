# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundle of a restore, and what its target half says of secrets and of earlier restores."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import io
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.configuration import Configuration
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.contents import Contents
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.source import Source
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore import action, bundle
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.plan import RestoreOptions
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.planner import make_plan
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target import describe
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target.earlier_restores import (
    EarlierRestore,
    settled_by,
)
from unit.opened_backups import config_zip, files, protected, settings
from unit.servers import target_server

NONCE = b"n" * 32


def contents(**secrets: str) -> Contents:
    values = {name.replace("__", "."): value for name, value in secrets.items()}
    return Contents(Source("b", {"config": Path("config.zip")}), Configuration(config_zip()), {}, values)


def mark(value: str) -> str:
    return base64.b64encode(hmac.digest(NONCE, value.encode(), "sha256")).decode()


def probe(path: str, *, decrypts: bool, mark: str = "") -> dict[str, Any]:
    return {"path": path, "file": "appsettings.json", "decrypts": decrypts, "mark": mark}


def test_bundle_is_the_task_and_then_each_file_in_the_order_of_the_plan() -> None:
    backup, described = contents(), target_server()
    described |= {"records": [], "decrypted_secrets": {"Authentication.Oidc.Secret": True, "Email.Password": True}}
    plan = make_plan(backup, described, RestoreOptions())
    target = io.BytesIO()
    bundle.write(backup, plan, target)
    clear = gzip.decompress(target.getvalue())
    length = int.from_bytes(clear[:4], "little")
    task, rest = json.loads(clear[4 : 4 + length]), clear[4 + length :]
    for record in task["files"]:
        if record["has_content"]:
            data, rest = rest[: record["size"]], rest[record["size"] :]
            assert hashlib.sha256(data).hexdigest() == record["sha256"]
            assert data == files()[record["name"]]
    assert rest == b""
    assert [secret["action"] for secret in task["secrets"]] == ["keep", "keep"]
    assert task["bytes"] == 2 * sum(len(data) for data in files().values())


def test_a_secret_is_asked_for_as_it_is_written() -> None:
    raw = json.dumps(settings(oidc=protected("a+b=", salt="c+d="))).replace("+", "\\u002B").encode()
    configuration = Configuration(config_zip(files() | {"config/appsettings.json": raw}))
    probe = describe._probe(configuration, configuration.secrets[0])
    assert (probe["data"], probe["data_written"]) == ("a+b=", '"a\\u002Bb="')
    assert (probe["salt"], probe["salt_written"]) == ("c+d=", '"c\\u002Bd="')


def test_bundle_lies_in_memory_and_is_gone_afterwards() -> None:
    backup, described = contents(), target_server()
    described |= {"records": [], "decrypted_secrets": {"Authentication.Oidc.Secret": True, "Email.Password": True}}
    with bundle.in_memory(backup, make_plan(backup, described, RestoreOptions())) as path:
        assert path.startswith("/proc/self/fd/")
        assert Path(path).read_bytes()[:2] == b"\x1f\x8b"
    assert not Path(path).exists() or "bundle" not in str(Path(path).readlink())


@pytest.mark.parametrize(
    ("digest", "marks", "same"),
    [
        ("right", ("oidc", "mail"), True),
        ("right", ("oidc", "other"), False),
        ("right", ("oidc", ""), False),
        ("wrong", ("oidc", "mail"), False),
    ],
)
def test_document_is_the_same_when_its_text_and_its_secrets_are(
    digest: str, marks: tuple[str, str], same: bool
) -> None:
    backup = contents(Authentication__Oidc__Secret="oidc", Email__Password="mail")
    right = hashlib.sha256(files()["config/appsettings.json"]).hexdigest()
    probes = [
        probe("Authentication.Oidc.Secret", decrypts=False, mark=mark(marks[0])),
        probe("Email.Password", decrypts=False, mark=mark(marks[1]) if marks[1] else ""),
    ]
    masked = {"appsettings.json": right if digest == "right" else "00" * 32}
    assert action._same_documents(backup, probes, masked, NONCE) == {"appsettings.json": same}


def test_secret_that_a_person_entered_counts_as_restored() -> None:
    right = hashlib.sha256(files()["config/appsettings.json"]).hexdigest()
    entered = [probe("Email.Password", decrypts=False, mark=mark("whatever"))]
    assert action._same_documents(contents(), entered, {"appsettings.json": right}, NONCE) == {"appsettings.json": True}


@pytest.mark.parametrize(
    ("result", "service", "words", "left_stopped"),
    [
        ("", "Running", "never ended", True),
        ("", "Stopped", "never ended", False),
        ('{"state": "restored"}', "Running", "succeeded, and", False),
        ('{"state": "rolled_back", "msg": "The check failed."}', "Running", "The check failed.", False),
        ("{", "Running", "failed, and", False),
    ],
)
def test_earlier_restores_are_reported_in_a_sentence(result: str, service: str, words: str, left_stopped: bool) -> None:
    kept = json.dumps({"about": {"backup": "B", "controller": "C", "begun": "T", "service": service}})
    earlier = EarlierRestore.of({"run_id": "R", "kept": kept, "result": result, "folder": "F"})
    assert words in earlier.sentence
    assert "backup B that C began at T (run R)" in earlier.sentence
    assert (earlier.ended, earlier.left_stopped) == (bool(result), left_stopped)
    damaged = EarlierRestore.of({"run_id": "R", "kept": "", "result": result, "folder": "F"})
    assert "unknown" in damaged.sentence
    assert not damaged.left_stopped


@pytest.mark.parametrize(
    ("label", "backup_id", "settled"),
    [
        ("20260101T000000Z of ams1", "20260101T000000Z", True),
        ("20260102T030405Z of ams1", "20260102T030405Z", False),
        ("20260103T000000Z of ams1", "20260103T000000Z", False),
        ("/backups/config.zip", "", False),
        ("B", "", True),
    ],
)
def test_interrupted_restore_is_settled_by_its_own_backup_or_one_from_before_it(
    label: str, backup_id: str, settled: bool
) -> None:
    kept = json.dumps({"about": {"backup": "B", "service": "Running"}})
    folder = r"C:\ProgramData\lithnet.access_manager.safety\20260102T030405Z-0123456789abcdef"
    earlier = EarlierRestore.of({"run_id": "R", "kept": kept, "result": "", "folder": folder})
    assert earlier.kept_at == "20260102T030405Z"
    source = Source(label, {}, {"id": backup_id} if backup_id else None)
    assert settled_by(source, [earlier.interruption]) == (["R"] if settled else [])


def test_interrupted_restore_of_an_unknown_time_is_settled_by_no_other_backup() -> None:
    earlier = EarlierRestore.of({"run_id": "R", "kept": "", "result": "", "folder": "F"})
    assert settled_by(Source("B", {}, {"id": "20260101T000000Z"}), [earlier.interruption]) == []
    assert settled_by(Source("", {}, None), [earlier.interruption]) == []
