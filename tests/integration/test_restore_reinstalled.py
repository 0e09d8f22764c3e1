# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that was installed again: its data protection opens nothing of what it made before."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.ams_host import AmsHost, MakeHost, Secret, write_inventory
from support.backups import Backup, KeyPair, backups_of
from support.configuration import CONFIG_PATH
from support.host_state import identity_file, restoring
from support.leaks import find_leaks, text_needles
from support.playbook import PlaybookRun, run_playbook
from support.plays import BACKUP, COPY, PLANNED, RESTORE, RESTORED, failure_of, result_of
from support.s3_server import S3Server, program, serving

UNPROTECT = """
Add-Type -AssemblyName System.Security
$secret = [Console]::In.ReadToEnd() | ConvertFrom-Json
$bytes = [Security.Cryptography.ProtectedData]::Unprotect([Convert]::FromBase64String($secret.Data),
    [Convert]::FromBase64String($secret.Salt), 'LocalMachine')
[Convert]::ToBase64String($bytes)
"""


@pytest.fixture(scope="module")
def old(make_host: MakeHost) -> AmsHost:
    """The server before it was installed again."""
    return make_host("ams-old")


@pytest.fixture(scope="module")
def backup(old: AmsHost, work: Path, settings: dict[str, Any], root: Path, owner: KeyPair) -> Backup:
    """Of the server before it was installed again, which is off now."""
    run = run_playbook(BACKUP, old.write_inventory(work / "old.yml", variables=settings))
    assert run.rc == 0, run.stdout[-3000:]
    old.close()
    (made,) = backups_of(root, "ams-old", owner.open)
    return made


@pytest.fixture(scope="module")
def server(backup: Backup, make_host: MakeHost) -> AmsHost:
    """Another host of the same name, without certificates, with other settings."""
    new = make_host("ams-new", certificates=())
    new.edit_settings(lambda content: content["RateLimits"].update(Spoiled=True))
    return new


@pytest.fixture(scope="module")
def options(settings: dict[str, Any], work: Path, owner: KeyPair) -> dict[str, Any]:
    return restoring(settings, identity_file(work, owner), restore_from_host="ams-old")


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server | None]:
    """A server of S3 with a bucket for copies; None where there is no such program."""
    if not program():
        yield None
        return
    with serving(tmp_path_factory.mktemp("s3")) as running:
        running.make_bucket("copies")
        yield running


@pytest.fixture(scope="module")
def source(
    bucket: S3Server | None, backup: Backup, old: AmsHost, work: Path, settings: dict[str, Any], root: Path
) -> dict[str, Any]:
    """What names the copy in the bucket as the source of a restore, for a controller whose own backups are lost."""
    if bucket is None:
        return {}
    copies = {"access_manager_copies": [bucket.options(prefix="production")]}
    run = run_playbook(COPY, old.write_inventory(work / "copy.yml", variables=settings | copies))
    assert run.rc == 0, run.stdout[-3000:]
    place = bucket.options()
    names = ("endpoint", "region", "access_key", "secret_key")
    return {"restore_root": "s3://copies/production", "restore_s3": {name: place[name] for name in names}}


@pytest.fixture(scope="module")
def run(server: AmsHost, work: Path, root: Path, options: dict[str, Any], source: dict[str, Any]) -> PlaybookRun:
    inventory = server.write_inventory(work / "new.yml", variables=options | source)
    lost = root.rename(root.with_name("lost")) if source else root
    done = run_playbook(RESTORE, inventory, args=("-vvvvv",))
    lost.rename(root)
    assert done.rc == 0, done.stdout[-3000:]
    assert list(done.folder.glob("*tmp/*")) == []
    return done


def test_without_the_values_the_restore_is_refused_or_takes_new_ones_and_leaves_the_rest_to_a_person(
    server: AmsHost, backup: Backup, work: Path, options: dict[str, Any]
) -> None:
    new, settings = Secret.make(), server.config / "appsettings.json"
    alone = options | {"restore_id": str(backup.folder / "config.zip.age")}
    given = {"restore_require_secrets": False, "restore_secrets": {"Email.Password": new.text}}
    cases = {"strict": alone, "lenient": alone | given}
    hosts = {name: server.inventory_vars() | variables for name, variables in cases.items()}
    run = run_playbook(RESTORE, write_inventory(work / "alone.yml", hosts), args=("-vvvvv",))
    sentence = failure_of(run, "strict")
    assert "Authentication.Oidc.Secret and Email.Password cannot be decrypted" in sentence
    assert "require_secrets" in sentence
    tasks = result_of(run, "lenient", PLANNED)["tasks"]
    for words in ("Enter Authentication.Oidc.Secret again", "without its certificates.zip"):
        assert any(words in task for task in tasks), tasks
    assert not any("Email.Password" in task for task in tasks)
    restored = result_of(run, "lenient", RESTORED)
    assert (restored["state"], restored["failed_check"]) == ("restored", ""), restored
    password = json.loads(settings.read_bytes())["Email"]["Password"]
    assert (password["Mode"], unprotected(server, password)) == (1, new.text)
    hidden = text_needles("Email.Password", new.core)
    assert find_leaks(run.output, hidden) == ()
    assert find_leaks(run.folder, hidden) == ()
    assert find_leaks(server.drive_c, hidden) == ()


def unprotected(server: AmsHost, secret: dict[str, Any]) -> str:
    """What the server's data protection makes of a secret."""
    task = json.dumps(secret).encode()
    return base64.b64decode(server.powershell(UNPROTECT, task)).decode()


def test_secrets_are_protected_again_and_the_rest_of_the_file_stays(
    run: PlaybookRun, server: AmsHost, backup: Backup
) -> None:
    before = backup.config["config/appsettings.json"].decode()
    after = (server.config / "appsettings.json").read_bytes().decode()
    old, new = json.loads(before), json.loads(after)
    for section, name in (("Authentication", "Oidc"), ("Email", "")):
        one, other = (old, new) if not name else (old[section], new[section])
        key, member = (name, "Secret") if name else (section, "Password")
        for field in ("Data", "Salt"):
            assert one[key][member][field] != other[key][member][field]
            before = before.replace(one[key][member][field], other[key][member][field])
        assert other[key][member]["Mode"] == 1
    assert before == after


def test_certificates_come_back_expired_ones_too(run: PlaybookRun, server: AmsHost, backup: Backup) -> None:
    plan = result_of(run, server.name, PLANNED)
    assert {one["thumbprint"] for one in plan["certificates"]} == {
        one["thumbprint"] for one in backup.manifest["certificates"]
    }
    assert {one["action"] for one in plan["certificates"]} == {"import"}


def test_tls_certificate_is_for_a_person(run: PlaybookRun, server: AmsHost) -> None:
    assert any("TLS certificate" in task for task in result_of(run, server.name, PLANNED)["tasks"])


def test_nothing_secret_is_reported_or_left(run: PlaybookRun, old: AmsHost, server: AmsHost, backup: Backup) -> None:
    passwords = [text_needles(thumbprint, password) for thumbprint, password in backup.pfx_passwords.items()]
    texts = [text_needles(path, secret.core) for path, secret in old.planted.items()]
    on_disk = {name: needle for needles in (*passwords, *texts) for name, needle in needles.items()}
    assert find_leaks(run.output, old.planted_secrets() | on_disk) == ()
    assert find_leaks(run.folder, old.planted_secrets() | on_disk) == ()
    assert find_leaks(server.drive_c, on_disk) == ()


def test_second_run_plans_nothing_but_what_was_changed_since_and_leaves_the_secrets(
    run: PlaybookRun, server: AmsHost, backup: Backup, work: Path
) -> None:
    settings = (server.config / "appsettings.json").read_bytes()
    script = server.config / "scripts/latin1.ps1"
    script.write_bytes(b"# changed after the restore")
    later = run_playbook(RESTORE, work / "new.yml")
    assert later.rc == 0, later.stdout[-3000:]
    planned = result_of(later, server.name, PLANNED)["plan"]
    changes = [line for line in planned if not line.startswith(("* service: ", "! "))]
    assert changes == [rf"~ {CONFIG_PATH}\scripts\latin1.ps1 (content)"]
    assert script.read_bytes() == backup.config["config/scripts/latin1.ps1"]
    assert (server.config / "appsettings.json").read_bytes() == settings
