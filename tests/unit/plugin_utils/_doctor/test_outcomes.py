# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role doctor shows and writes of the hosts of a play."""

from __future__ import annotations

import json

from ansible_collections.lithnet.access_manager.plugins.plugin_utils._doctor.outcomes import doctor_report, doctor_table

FINDINGS = [
    {"check": "connection", "state": "ok", "found": "It works.", "advice": ""},
    {"check": "keys", "state": "warning", "found": "One is old.", "advice": "Make a new one."},
]
RESULTS = {
    "ams1": {"state": "warning", "findings": FINDINGS},
    "ams2": {"msg": "There is no connection."},
    "ams3": {},
}


def test_the_table_has_a_line_for_each_check_and_what_to_do_below_it() -> None:
    assert doctor_table(RESULTS) == [
        "HOST  STATE    CHECK       FOUND",
        "ams1  ok       connection  It works.",
        "ams1  warning  keys        One is old.",
        "                           -> Make a new one.",
        "ams2  failure  doctor      There is no connection.",
        "                           -> Correct this, and run the doctor again.",
        "ams3  failure  doctor      The host left the play before it was examined.",
        "                           -> Correct this, and run the doctor again.",
    ]


def test_the_report_has_each_host_and_what_was_found_there() -> None:
    report = json.loads(doctor_report(RESULTS))
    assert report["version"] == 1
    assert [(host["host"], host["state"]) for host in report["hosts"]] == [
        ("ams1", "warning"),
        ("ams2", "failure"),
        ("ams3", "failure"),
    ]
    assert report["hosts"][0]["findings"] == FINDINGS
    assert report["hosts"][1]["findings"][0] == {
        "check": "doctor",
        "state": "failure",
        "found": "There is no connection.",
        "advice": "Correct this, and run the doctor again.",
    }
