# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback plugin of the tests: writes each task's result as one line of JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.executor.task_result import CallbackTaskResult
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: results
type: notification
short_description: Writes each task's result as one line of JSON
description:
  - Appends to the file that the environment variable C(TEST_RESULTS_FILE) names. Without it nothing is written.
  - Results of tasks with C(no_log) are as censored as any callback sees them.
"""


class CallbackModule(CallbackBase):
    """Writes {"host", "task", "module", "status", "result"} for each task and host, and each item of a loop."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "results"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """A task that went well."""
        self._write("ok", result)

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """A task that failed, ignored or not."""
        self._write("failed", result)

    def v2_runner_on_skipped(self, result: CallbackTaskResult) -> None:
        """A task that was skipped."""
        self._write("skipped", result)

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """A host that could not be reached."""
        self._write("unreachable", result)

    def _write(self, status: str, result: CallbackTaskResult) -> None:
        file = os.environ.get("TEST_RESULTS_FILE")
        if not file:
            return
        line: dict[str, Any] = {
            "host": result.host.get_name(),
            "task": result.task.get_name(),
            "module": result.task.action,
            "status": status,
            "result": dict(result.result),
        }
        with Path(file).open("a", encoding="utf-8") as out:
            out.write(json.dumps(line, default=str) + "\n")
