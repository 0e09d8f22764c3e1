# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that verifies, as a user and a monitoring system run it.

No host is needed: it runs on the controller.
"""

from __future__ import annotations

import datetime
import json
import shutil
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.backups import KeyPair, age_key
from support.certificates import CURRENT, TestCertificate, make_certificate
from support.leaks import find_leaks, key_needles, text_needles
from support.playbook import PlaybookRun, hash_tree, results_of, run_playbook
from support.plays import COLLECTION, failure_of
from unit.encrypted_backups import encrypt_to, make

VERIFY = f"{COLLECTION}.verify"
HOSTS = ("ams1", "ams2")
REPORT = "found.json"
SECRET = "correct horse battery staple of this test"
PASSPHRASE = "another secret sentence that nobody may see"


@pytest.fixture(scope="session")
def lab() -> None:
    """In place of the hosts that the other tests need."""


def id_of(hours_ago: float) -> str:
    """The id of a backup that was made so many hours ago."""
    moment = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=hours_ago)
    return moment.strftime("%Y%m%dT%H%M%SZ")


AGES = (74, 50, 26, 2)
IDS = tuple(map(id_of, AGES))


@pytest.fixture(scope="module")
def certificate() -> TestCertificate:
    return make_certificate(CURRENT)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, owner: KeyPair, certificate: TestCertificate) -> Path:
    """A root with four whole backups of each of two hosts."""
    root = tmp_path_factory.mktemp("whole")
    for host in HOSTS:
        for backup_id in IDS:
            secrets = {"Authentication.Oidc.Secret": SECRET, "Email.Password": SECRET}
            make(
                BackupStore(str(root), host),
                backup_id,
                encrypt_to(owner.public),
                certificates=[certificate],
                secrets=secrets,
            )
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, for a test to do harm to."""
    return Path(shutil.copytree(whole, tmp_path / "backups"))


@pytest.fixture
def key_file(owner: KeyPair, tmp_path: Path) -> Path:
    path = tmp_path / "identity.key"
    path.touch(0o600)
    path.write_text(owner.private)
    return path


def inventory(folder: Path, root: Path, *hosts: str, **variables: Any) -> Path:
    """An inventory of these hosts, which cannot be reached: nothing needs them."""
    group = {
        "hosts": {host: {"ansible_host": "192.0.2.1"} for host in hosts},
        "vars": {"access_manager_backup_root": str(root), "ansible_connection": "winrm"}
        | {"verify_report_json": str(folder / REPORT)}
        | variables,
    }
    path = folder / "inventory.yml"
    path.write_text(json.dumps({"access_manager": group}))
    return path


def verify(folder: Path, root: Path, *args: str, hosts: tuple[str, ...] = HOSTS, **variables: Any) -> PlaybookRun:
    before = hash_tree(root)
    run = run_playbook(VERIFY, inventory(folder, root, *hosts), extra_vars=variables, args=args)
    assert hash_tree(root) == before
    return run


def reported(folder: Path) -> dict[str, Any]:
    """The report that the last run wrote, and all backups in it."""
    report: dict[str, Any] = json.loads((folder / REPORT).read_text())
    return report | {"backups": list(chain.from_iterable(host["backups"] for host in report["hosts"]))}


def levels(folder: Path) -> set[str]:
    return {one["verified"] for one in reported(folder)["backups"]}


def test_whole_backups_pass_without_a_key(tmp_path: Path, root: Path) -> None:
    run = verify(tmp_path, root)
    assert run.rc == 0, run.output
    assert levels(tmp_path) == {"integrity"}
    assert [(one["host"], one["id"]) for one in reported(tmp_path)["backups"]] == [
        (host, one) for host in HOSTS for one in reversed(IDS)
    ]
    assert [(one["host"], one["newest"], one["newest_complete"]) for one in reported(tmp_path)["hosts"]] == [
        (host, IDS[3], IDS[3]) for host in HOSTS
    ]
    made = datetime.datetime.strptime(IDS[3], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    age = (datetime.datetime.now(datetime.UTC) - made).total_seconds() / 3600
    assert age - 0.5 < reported(tmp_path)["hosts"][0]["age_hours"] <= age + 0.1
    assert f"ams1  {IDS[3]}" in run.stdout


def test_whole_backups_are_verified_with_a_key_that_the_inventory_names_and_nothing_leaks(
    tmp_path: Path, root: Path, key_file: Path, owner: KeyPair, certificate: TestCertificate
) -> None:
    where = inventory(tmp_path, root, *HOSTS, access_manager_identity_file=str(key_file))
    run = run_playbook(VERIFY, where, args=["-vvvvv"])
    assert run.rc == 0, run.output
    assert levels(tmp_path) == {"full"}
    needles = (
        text_needles("secret", SECRET)
        | text_needles("identity", owner.private)
        | key_needles("key", certificate.private_key)
    )
    needles |= text_needles("password", certificate.pfx_password)
    assert not find_leaks(run.folder, needles)
    assert SECRET not in run.output


def test_a_passphrase_verifies_and_is_not_shown(tmp_path: Path) -> None:
    root = tmp_path / "backups"
    root.mkdir()
    make(BackupStore(str(root), "ams1"), IDS[3], encrypt_to(passphrase=PASSPHRASE))
    run = verify(tmp_path, root, "-vvvvv", hosts=("ams1",), access_manager_passphrase=PASSPHRASE)
    assert run.rc == 0, run.output
    assert levels(tmp_path) == {"full"}
    assert PASSPHRASE not in run.output
    assert not find_leaks(run.folder, text_needles("passphrase", PASSPHRASE))


def test_a_damaged_backup_fails_the_play_is_named_and_the_reports_are_written(tmp_path: Path, root: Path) -> None:
    path = root / "ams2" / IDS[-1] / "config.zip.age"
    path.write_bytes(path.read_bytes()[:-1])
    files = {f"verify_report_{kind}": str(tmp_path / f"report.{kind}") for kind in ("json", "prometheus", "html")}
    run = verify(tmp_path, root, **files, verify_expiry_days=36500)
    assert run.rc != 0
    assert f"ams2 {IDS[-1]}: '{path}' is not what was written" in failure_of(run, HOSTS[0])
    assert f"ams2 {IDS[-1]}: '{path}' is not what was written" in run.stdout  # in the table too
    report = json.loads(Path(files["verify_report_json"]).read_text())
    assert {host["host"]: host["state"] for host in report["hosts"]} == {HOSTS[0]: "warning", HOSTS[1]: "critical"}
    (warning,) = report["hosts"][0]["warnings"]
    assert "expires" in warning, "its certificate ends within the days that the role was given"
    assert (
        f'lithnet_access_manager_backup_problems{{host="{HOSTS[0]}"}} 0'
        in Path(files["verify_report_prometheus"]).read_text()
    )
    assert "<html" in Path(files["verify_report_html"]).read_text()
    tolerant = verify(tmp_path, root, "-e", "verify_fail_on_problems=false")  # a text, as a command line gives it
    assert tolerant.rc == 0
    assert levels(tmp_path) == {"integrity", "none"}
    assert "1 problem(s) found" in results_of(tolerant, "backup_verify")[0]["msg"]


def test_a_backup_deleted_from_the_middle_and_a_host_without_one_fail_the_play_and_are_named(
    tmp_path: Path, root: Path
) -> None:
    shutil.rmtree(root / "ams1" / IDS[2])
    sentence = failure_of(verify(tmp_path, root, hosts=(*HOSTS, "ams3")), HOSTS[0])
    assert f"The backup {IDS[2]}, which came before {IDS[3]}, is missing" in sentence
    assert "There is no backup of ams3" in sentence


def test_the_wrong_key_and_a_host_whose_newest_backup_or_copy_is_too_old_fail_the_play(
    tmp_path: Path, root: Path, key_file: Path
) -> None:
    key_file.write_text(age_key().private)
    copies = [{"name": "vault", "kind": "s3", "bucket": "never-used"}]
    for backup_id in IDS[2:]:
        shutil.rmtree(root / "ams1" / backup_id)
    ages = {"verify_check_age": 26, "verify_check_copies": 26}
    run = verify(tmp_path, root, access_manager_identity_file=str(key_file), access_manager_copies=copies, **ages)
    assert "cannot be decrypted with the keys in" in failure_of(run, HOSTS[0])
    assert levels(tmp_path) == {"none"}
    assert "Copies of ams1: vault never." in run.output
    assert "Not once did this controller copy every backup of ams1 to 'vault'" in failure_of(run, HOSTS[0])
    assert "The last successful backup run of ams1 was 50" in failure_of(run, HOSTS[0])
    assert "run of ams2" not in failure_of(run, HOSTS[0])


def test_only_the_latest_is_verified_when_asked_and_an_incomplete_one_only_warns(
    tmp_path: Path, root: Path, owner: KeyPair
) -> None:
    (root / "ams1" / IDS[0] / "config.zip.age").unlink()
    incomplete = id_of(1)
    make(BackupStore(str(root), "ams1"), incomplete, encrypt_to(owner.public), problems=["One file is missing."])
    run = verify(tmp_path, root, verify_latest_only=True, verify_check_age=26)
    assert run.rc == 0, run.output
    assert "is incomplete: One file is missing." in run.output
    assert [one["id"] for one in reported(tmp_path)["backups"]] == [incomplete, IDS[3], IDS[3]]


def test_a_target_selects_hosts(tmp_path: Path, root: Path) -> None:
    verify(tmp_path, root, target="ams2")
    assert {one["host"] for one in reported(tmp_path)["backups"]} == {"ams2"}


def test_a_target_that_a_limit_leaves_nothing_of_is_refused(tmp_path: Path, root: Path) -> None:
    refused = verify(tmp_path, root, "--limit", "ams2", target="ams1")
    assert "No host of the inventory matches the target 'ams1' and --limit ams2" in failure_of(refused, "ams2")


def test_without_an_inventory_all_hosts_under_the_root_are_verified(tmp_path: Path, root: Path) -> None:
    where = {"access_manager_backup_root": str(root), "verify_report_json": str(tmp_path / REPORT)}
    run = run_playbook(VERIFY, "localhost,", extra_vars=where)
    assert run.rc == 0, run.output
    assert {one["host"] for one in reported(tmp_path)["backups"]} == set(HOSTS)


def test_a_missing_root_and_a_senseless_age_are_refused(tmp_path: Path, root: Path) -> None:
    run = run_playbook(VERIFY, "localhost,", extra_vars={"access_manager_backup_root": str(tmp_path / "missing")})
    assert "is not a folder on the controller" in failure_of(run, "localhost")
    assert "access_manager_backup_root is not set" in failure_of(run_playbook(VERIFY, "localhost,"), "localhost")
    assert "check_age is 0" in failure_of(verify(tmp_path, root, verify_check_age=0), HOSTS[0])


def test_the_module_alone_fails_with_its_result(tmp_path: Path, root: Path) -> None:
    (root / "ams1" / IDS[0] / "config.zip.age").unlink()
    task = {f"{COLLECTION}.backup_verify": {"backup_root": str(root), "hosts": ["ams1"]}}
    play = tmp_path / "play.yml"
    play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    run = run_playbook(play, "localhost,")
    assert run.rc != 0
    assert "1 problem(s) found" in failure_of(run, "localhost")
    (result,) = results_of(run, "backup_verify")
    assert [one["verified"] for one in result["backups"]] == ["integrity"] * 3 + ["none"]


def test_a_report_that_cannot_be_written_fails_the_play_after_the_table(root: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere" / "report.html"
    run = verify(tmp_path, root, verify_report_html=str(nowhere), verify_fail_on_problems=False)
    assert f"'{nowhere}' cannot be written: there is no folder" in failure_of(run, HOSTS[0])
    assert f"ams1  {IDS[3]}" in run.stdout


def test_a_host_without_a_backup_root_is_named(root: Path, tmp_path: Path) -> None:
    hosts = {HOSTS[0]: {"access_manager_backup_root": str(root)}, HOSTS[1]: {}}
    (tmp_path / "one.yml").write_text(json.dumps({"access_manager": {"hosts": hosts}}))
    run = run_playbook(VERIFY, tmp_path / "one.yml", extra_vars={"target": list(HOSTS)})
    assert f"access_manager_backup_root is not set for {HOSTS[1]}." in failure_of(run, HOSTS[0])


def test_hosts_with_different_backup_roots_are_refused(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "two.yml"
    hosts = {
        HOSTS[0]: {"access_manager_backup_root": str(root)},
        HOSTS[1]: {"access_manager_backup_root": str(tmp_path)},
    }
    path.write_text(json.dumps({"access_manager": {"hosts": hosts, "vars": {"ansible_connection": "winrm"}}}))
    run = run_playbook(VERIFY, path)
    assert run.rc != 0
    assert "have different access_manager_backup_root" in failure_of(run, HOSTS[0])
