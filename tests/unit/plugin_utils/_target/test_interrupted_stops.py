# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is reported of runs that left the service stopped."""

from __future__ import annotations

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target import interrupted_stops

RUN = {"run_id": "R", "controller": "C", "stopped_at": "T", "found": "", "started_at": "", "error": ""}


@pytest.mark.parametrize(
    ("more", "words", "stopped"),
    [
        ({}, "The next backup or restore does.", True),
        ({"found": "Stopped", "error": "It is disabled."}, "It could not be started since: It is disabled.", True),
        ({"found": "Stopped", "started_at": "S"}, "It was found Stopped and started again at S.", False),
        ({"found": "Running", "started_at": "S"}, "It was found running at S.", False),
    ],
)
def test_run_that_left_the_service_stopped_is_reported_in_a_sentence(
    more: dict[str, str], words: str, stopped: bool
) -> None:
    run = RUN | more
    assert (
        interrupted_stops.sentence(run)
        == f"The run R of C stopped the service at T, and did not start it again. {words}"
    )
    assert bool(interrupted_stops.stopped([run])) is stopped


def test_damaged_mark_is_reported_too() -> None:
    reported = interrupted_stops.warn([RUN | {"controller": "", "stopped_at": "", "error": "a\nb"}], "ams1")
    assert reported == [
        "The run R of an unknown controller stopped the service at an unknown time, and did not start it again. "
        "It could not be started since: a\nb"
    ]
