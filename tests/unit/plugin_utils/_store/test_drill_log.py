# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of drills: signed, chained, and believed only as far as that holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory import (
    certificate_backup,
    new_certificate,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._drill import choice
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._restore.outgoing_channels import Endpoint
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._signing.trust import Trust
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import drill_log
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.drill_log import KEPT, NAME, Drill
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.high_water_mark import (
    LAST_CHOICE,
    LAST_DRILL,
    LAST_RUN,
    HighWaterMark,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.backups import KeyPair
from unit.actions import run
from unit.encrypted_backups import encrypt_to, make
from unit.reports import a_drill
from unit.signers import SshKey, ssh_key

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(days_ago: float, **changes: Any) -> Drill:
    moment = f"{NOW - timedelta(days=days_ago):%Y-%m-%dT%H:%M:%SZ}"
    return cast(Drill, a_drill(started=moment, finished=moment, **changes))


def lines(store: BackupStore) -> list[str]:
    return (store.folder / NAME).read_text().splitlines()


def write(store: BackupStore, texts: list[str]) -> None:
    (store.folder / NAME).write_text("".join(f"{text}\n" for text in texts))


@pytest.fixture
def signing(tmp_path: Path) -> SshKey:
    return ssh_key(tmp_path)


@pytest.fixture
def three(store: BackupStore, signing: SshKey) -> BackupStore:
    """Three signed drills, the last of which failed, of a store that asks for signatures."""
    for drill in (at(60), at(30), at(1, outcome="failed", problems=["The disk is full."])):
        drill_log.add(store, drill, signing.signer())
    store.trust = Trust.of({"allowed_signers": [signing.public]})
    return store


def test_last_drill_and_last_that_passed_are_known(three: BackupStore) -> None:
    drills = drill_log.read(three, NOW)
    assert drills.problems == ()
    assert drills.last and drills.last["outcome"] == "failed"
    assert drills.success and drills.success["finished"] == at(30)["finished"]
    assert drill_log.summary(drills, NOW)["last_drill_success_age_days"] == 30.0


def test_host_without_a_drill_has_no_problem(store: BackupStore) -> None:
    assert drill_log.read(store, NOW) == drill_log.Drills()


def test_record_is_written_beside_the_backups_for_its_user_alone(three: BackupStore) -> None:
    assert (three.folder / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("which", [0, 1, 2])
def test_changed_line_counts_for_nothing_and_is_a_problem(three: BackupStore, which: int) -> None:
    texts = lines(three)
    texts[which] = texts[which].replace('"scratch.example.com"', '"other.example.com"')
    write(three, texts)
    drills = drill_log.read(three, NOW)
    assert any("removed or changed" in problem or "count for nothing" in problem for problem in drills.problems)
    assert "other.example.com" not in json.dumps([drills.last, drills.success])


def test_line_that_was_removed_in_between_is_missed(three: BackupStore) -> None:
    first, _second, third = lines(three)
    write(three, [first, third])
    assert any("a line was removed or changed" in problem for problem in drill_log.read(three, NOW).problems)


def test_drill_that_no_allowed_signer_signed_and_one_of_the_future_count_for_nothing(
    three: BackupStore, tmp_path: Path
) -> None:
    drill_log.add(three, at(0), ssh_key(tmp_path, "mallory").signer())
    drill_log.add(three, at(0), None)
    drill_log.add(three, at(-3), ssh_key(tmp_path, "other").signer())
    drills = drill_log.read(three, NOW)
    assert drills.last and drills.last["outcome"] == "failed"
    assert "3 line(s)" in drills.problems[-1]


def test_newest_ones_stay_and_the_chain_begins_with_the_first_of_them(store: BackupStore) -> None:
    for number in range(KEPT + 5):
        drill_log.add(store, at(KEPT + 6 - number), None)
    assert len(lines(store)) == KEPT
    assert drill_log.read(store, NOW).problems == ()


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"host": "ams1"}', "\x00"])
def test_what_is_no_drill_is_passed_over(three: BackupStore, text: str) -> None:
    write(three, [*lines(three), text])
    drills = drill_log.read(three, NOW)
    assert drills.last and drills.last["outcome"] == "failed"
    assert drills.problems


def test_newest_records_that_were_removed_are_missed_by_the_controller_that_wrote_them(
    three: BackupStore, tmp_path: Path
) -> None:
    mark = HighWaterMark(three, str(tmp_path / "state"))
    assert mark.problems_of_record(LAST_DRILL, None) == []
    mark.record(LAST_RUN, at(0)["finished"])
    mark.record(LAST_DRILL, at(1)["finished"])
    assert mark.problems_of_record(LAST_DRILL, drill_log.read(three, NOW).last) == []
    write(three, lines(three)[:2])
    drills = drill_log.read(three, NOW)
    assert drills.problems == ()
    (problem,) = mark.problems_of_record(LAST_DRILL, drills.last)
    assert "The record of the restore drill of ams1 of 2026-11-22T12:00:00Z is missing" in problem
    assert len(mark.problems_of_record(LAST_RUN, None)) == 1


def test_verification_fails_when_the_last_drill_that_passed_is_too_old_or_there_is_none(
    store: BackupStore, owner: KeyPair
) -> None:
    make(store, "20261101T020000Z", encrypt_to(owner.public))
    options = {"backup_root": str(store.root), "fail_on_problems": False}
    assert "No restore drill of ams1 has passed yet" in run("backup_verify", **options, check_drill=35)["msg"]
    now = datetime.now(UTC)
    moment = f"{now - timedelta(days=36):%Y-%m-%dT%H:%M:%SZ}"
    drill_log.add(store, cast(Drill, a_drill(started=moment, finished=moment)), None)
    assert "was 36.0 days ago; 35 are allowed" in run("backup_verify", **options, check_drill=35)["msg"]
    result = run("backup_verify", **options, check_drill=37)
    assert result["problem_count"] == 0
    assert any("36 days, took 4 min 10 s" in line for line in result["table"])
    assert "check_drill is 0" in run("backup_verify", **options, check_drill=0)["msg"]


# ---- the choice ----


@pytest.fixture
def stores(root: Path, owner: KeyPair) -> list[BackupStore]:
    found = [BackupStore(str(root), host) for host in ("ams3", "ams2", "ams1")]
    for store in found:
        make(store, "20261101T020000Z", encrypt_to(owner.public))
    return found


def drilled(store: BackupStore, days_ago: float, outcome: str = "passed") -> None:
    drill_log.add(store, cast(Drill, {**at(days_ago, outcome=outcome), "host": store.host}), None)


@pytest.fixture
def state(tmp_path: Path) -> str:
    """Where the controller remembers what it did."""
    return str(tmp_path / "state")


def test_hosts_take_turns_those_that_never_had_a_drill_first(stores: list[BackupStore], state: str) -> None:
    ams3, ams2, ams1 = stores
    assert choice.oldest(stores, state, NOW)[0].host == "ams1"
    drilled(ams1, 5)
    assert choice.oldest(stores, state, NOW)[0].host == "ams2"
    drilled(ams2, 9)
    drilled(ams3, 7, "failed")
    assert choice.oldest(stores, state, NOW)[0].host == "ams2"
    drilled(ams2, 1)
    assert choice.oldest(stores, state, NOW)[0].host == "ams3"


def test_drill_that_a_scratch_server_says_was_interrupted_takes_no_host_s_turn(
    stores: list[BackupStore], state: str
) -> None:
    for days_ago, store in zip((9, 8, 7), stores, strict=True):
        HighWaterMark(store, state).record(LAST_CHOICE, at(days_ago)["started"])
        drilled(store, days_ago)
    assert choice.oldest(stores, state, NOW)[0].host == "ams3"
    drilled(stores[0], 0, "failed")
    assert choice.oldest(stores, state, NOW)[0].host == "ams3"
    HighWaterMark(stores[0], state).record(LAST_CHOICE, at(0)["started"])
    assert choice.oldest(stores, state, NOW)[0].host == "ams2"


def test_host_without_a_complete_backup_is_passed_over(stores: list[BackupStore], state: str) -> None:
    empty = BackupStore(str(stores[0].root), "ams0")
    assert choice.oldest([empty, *stores], state, NOW)[0].host == "ams1"
    with pytest.raises(AccessManagerError, match="There is nothing to drill: ams0 has no complete backup"):
        choice.oldest([empty], state, NOW)


def test_backups_of_a_forest_s_certificates_are_of_no_server_and_get_no_drill(
    stores: list[BackupStore], owner: KeyPair, state: str
) -> None:
    forest = BackupStore(str(stores[0].root), "a.example")
    certificate = new_certificate.make("a.example", datetime.now(UTC))
    certificate_backup.commit(forest, encrypt_to(owner.public), certificate, [], datetime.now(UTC))
    assert choice.oldest([forest, *stores], state, NOW)[0].host == "ams1"
    with pytest.raises(AccessManagerError, match="a.example has no complete backup of a server"):
        choice.oldest([forest], state, NOW)


LOOK: dict[str, Any] = {"computer_name": "AMS-NEW", "configured": False, "has_keys": False, "drill": None}
MARK = {
    "host": "ams1",
    "source": "",
    "backup_id": "20261101T020000Z",
    "started": "2026-11-01T02:00:00Z",
    "controller": "",
    "by": "",
}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"configured": True}, "is configured, and no drill put that there"),
        ({"has_keys": True}, "has private keys of its own, and no drill put that there"),
    ],
)
def test_server_with_what_no_drill_put_there_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AccessManagerError, match=sentence):
        choice.refuse_foreign(cast(Any, LOOK | changes), "scratch")


def test_server_with_what_a_drill_put_there_is_taken() -> None:
    choice.refuse_foreign(cast(Any, LOOK), "scratch")
    marked = LOOK | {"configured": True, "has_keys": True, "drill": MARK}
    choice.refuse_foreign(cast(Any, marked), "scratch")


def test_drills_since_the_last_that_passed_are_known_by_their_begin(three: BackupStore) -> None:
    assert drill_log.read(three, NOW).begun == (at(1)["started"], at(30)["started"])


def test_server_that_reaches_production_is_refused() -> None:
    endpoints = [Endpoint("mail", "smtp.example.com", 25), Endpoint("webhook", "hooks.example.com", 443)]
    with pytest.raises(AccessManagerError, match=r"reaches smtp.example.com:25 \(mail\), hooks.example.com:443"):
        choice.refuse_reached(endpoints, ["smtp.example.com:25", "hooks.example.com:443"], "scratch")
    with pytest.raises(AccessManagerError, match=r"reaches hooks.example.com:443 \(webhook\), to which"):
        choice.refuse_reached(endpoints, ["hooks.example.com:443"], "scratch")
    choice.refuse_reached(endpoints, [], "scratch")


def test_server_in_service_is_refused() -> None:
    with pytest.raises(AccessManagerError, match="is in the group of the servers in service"):
        choice.refuse_in_service("ams1", ["ams1"])
    choice.refuse_in_service("scratch", ["ams1"])
