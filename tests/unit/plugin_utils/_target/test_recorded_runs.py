# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook backup leaves a signed record of every run: one that made a backup, one that found nothing changed, and
one that failed. No server is needed: a connection answers as one does.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.backups import KeyPair, runs_of
from support.playbook import PlaybookRun
from unit.actions import run
from unit.signers import SshKey, ssh_key

from .test_hostile_answers import Controller

pytestmark = pytest.mark.slow

BACKUP = "lithnet.access_manager.backup"
GOOD, BAD = "ams-good", "ams-bad"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SshKey:
    return ssh_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory, owner: KeyPair) -> Controller:
    return Controller(tmp_path_factory.mktemp("controller"), owner)


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("metrics") / "runs.prom"


@pytest.fixture(scope="module")
def done(controller: Controller, key: SshKey, metrics: Path) -> PlaybookRun:
    """Two nights: each time one server is backed up, and the other is given no usable recipient."""
    return controller.run_all(
        BACKUP,
        BACKUP,
        liars={GOOD: {}, BAD: {}},
        own={BAD: {"access_manager_recipients": ["age1notarecipient"]}},
        access_manager_signing_key=str(key.path),
        access_manager_allowed_signers=[key.public],
        backup_include_database=True,
        backup_report_prometheus=str(metrics),
    )


@pytest.mark.slow
def test_each_run_is_recorded_as_it_ended(done: PlaybookRun, controller: Controller) -> None:
    made, unchanged = runs_of(controller.root, GOOD)
    assert (made["outcome"], unchanged["outcome"]) == ("complete", "unchanged"), done.output
    (backup,) = controller.backups(GOOD)
    assert {made["backup_id"], unchanged["backup_id"]} == {backup.name}
    assert (made["downtime_ms"], unchanged["downtime_ms"]) == (0, 0)
    assert made["seconds"] > 0
    (failed,) = runs_of(controller.root, BAD)
    assert (failed["outcome"], failed["backup_id"]) == ("failed", None)
    assert "'age1notarecipient' is not an age or SSH public key" in failed["problems"][0]


def test_a_run_fails_as_it_did_before_it_was_recorded(done: PlaybookRun) -> None:
    assert done.rc == 2
    last = [one.result["msg"] for one in done.results if one.host == BAD and one.status == "failed"][-1]
    assert "'age1notarecipient' is not an age or SSH public key" in last


def test_the_records_are_signed_and_make_the_age_of_the_last_success(
    done: PlaybookRun, controller: Controller, key: SshKey
) -> None:
    options = {"backup_root": str(controller.root), "allowed_signers": [key.public], "fail_on_problems": False}
    found = run("backup_verify", state_dir=str(controller.folder / "state"), hosts=[GOOD], check_age=1, **options)
    (host,) = found["hosts"]
    assert (host["last_run"]["outcome"], found["problem_count"]) == ("unchanged", 0)
    assert host["last_success"] == host["last_run"]["finished"]
    record = controller.root / GOOD / ".runs.jsonl"
    lines = record.read_text().splitlines()
    forged = json.loads(lines[-1]) | {"finished": "2026-01-01T00:00:00Z"}
    record.write_text("\n".join([lines[0], json.dumps(forged)]) + "\n")
    (host,) = run("backup_verify", hosts=[GOOD], **options)["hosts"]
    assert host["last_run"]["outcome"] == "complete"
    record.write_text("\n".join(lines) + "\n")


def test_no_result_of_a_run_holds_what_grows_with_the_server(done: PlaybookRun) -> None:
    sizes = {one.task: len(json.dumps(one.result)) for one in done.results if one.host == GOOD}
    assert max(sizes.values()) < 64 * 1024, sizes
    described = next(one.result for one in done.results if one.module.endswith("installation_info"))
    assert described["inventory"]
    assert not described.keys() & {"records", "state", "documents", "references"}


def test_the_table_and_the_metrics_show_both_ages(done: PlaybookRun, metrics: Path) -> None:
    tables = [one.result["msg"] for one in done.results if one.task.endswith("Show what became of each host")]
    (row,) = [line for line in tables[-1] if line.startswith(GOOD)]
    assert re.search(r"unchanged +[\d.]+ KB +0 ms +0\.0 h +0\.0 h  since ", row)
    written = metrics.read_text()
    assert f'lithnet_access_manager_run_success{{host="{GOOD}"}} 1' in written
    assert f'lithnet_access_manager_run_success{{host="{BAD}"}} 0' in written
