# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables at the end of a play: a line for each host, also for one that left the play."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.lithnet.access_manager.plugins.filter.play_outcomes import outcome_table
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._report.outcome_tables import (
    backup_table,
    restore_table,
)

ID = "20261123T081500Z"
MADE = {"status": "complete", "failure": "", "id": ID, "size": 2048, "downtime_ms": 250, "problems": []}


def test_a_backup_shows_its_size_its_downtime_and_its_ages() -> None:
    records = {"ams1": {"age_hours": 0.04, "last_success_age_hours": None}}
    assert backup_table({"ams1": MADE}, records) == [
        "HOST  STATUS            SIZE    DOWNTIME        AGE  LAST SUCCESS  REASON",
        "ams1  complete       2.00 KB      250 ms      0.0 h             -",
    ]


def test_what_has_no_size_and_no_record_shows_none() -> None:
    results = {
        "a-long-name": {"status": "unchanged", "failure": "", "id": ID, "problems": ["not shown"], "downtime_ms": 0},
        "b": {"status": "checked", "failure": "", "problems": []},
        "c": {"status": "failed", "failure": "It broke.", "problems": []},
        "d": {"status": "incomplete", "failure": "", "problems": ["One.", "Two."], "downtime_ms": None},
        "e": {},
    }
    table = [line.split() for line in backup_table(results, {})[1:]]
    assert [line[:6] for line in table] == [
        ["a-long-name", "unchanged", "-", "0", "ms", "-"],
        ["b", "checked", "-", "-", "-", "-"],
        ["c", "failed", "-", "-", "-", "-"],
        ["d", "incomplete", "-", "-", "-", "-"],
        ["e", "unknown", "-", "-", "-", "-"],
    ]
    ends = (f"since {ID}", "would be backed up", "It broke.", "One. Two.", "the host left the play")
    for line, end in zip(table, ends, strict=True):
        assert " ".join(line).endswith(end)


def test_a_restore_counts_its_manual_tasks_when_they_are_many() -> None:
    done = {"status": "half_rolled_back", "failure": "", "id": ID, "downtime_ms": 9, "problems": []}
    results = {
        "a": done,
        "b": done | {"status": "restored", "problems": ["One.", "Two."]},
        "c": done | {"status": "restored", "problems": ["One."] * 3},
        "d": done | {"status": "checked", "downtime_ms": None},
        "e": done | {"status": "unchanged"},
        "f": {},
    }
    assert restore_table(results) == [
        "HOST  STATUS         DOWNTIME  REASON",
        "a     half rolled back        9 ms",
        "b     restored           9 ms  One. Two.",
        "c     restored           9 ms  3 manual tasks, see above",
        f"d     checked               -  would be restored from {ID}",
        f"e     unchanged          9 ms  as in {ID}",
        "f     unknown               -  the host left the play",
    ]


def test_a_table_is_of_the_hosts_that_are_named() -> None:
    hostvars = {"ams1": {"access_manager_result": MADE}, "ams2": {}, "ams3": {"access_manager_result": MADE}}
    assert [line.split()[0] for line in outcome_table(["ams2", "ams1"], hostvars, "backup")] == ["HOST", "ams2", "ams1"]
    with pytest.raises(AnsibleFilterError, match="There is no table of 'verify'"):
        outcome_table([], {}, "verify")
