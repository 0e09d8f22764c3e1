# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what a verification found as JSON, for Prometheus, and as a page for people."""

from __future__ import annotations

import pathlib
import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._files import mode_of, replace_atomically
from ..plugin_utils._report import html, prometheus
from ..plugin_utils._report import report as report_module
from ..plugin_utils._text import json_lines

_FILES = ("json", "prometheus", "html")


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        wanted = {kind: pathlib.Path(self.params[kind]) for kind in _FILES if self.params[kind]}
        if not wanted:
            raise AccessManagerError("No file is named: give json, prometheus or html a path.")
        if len(set(wanted.values())) < len(wanted):
            raise AccessManagerError("json, prometheus and html name the same file: give each a path of its own.")
        mode = mode_of(self.params["mode"])
        report = report_module.build(self.params["verifications"], self.params["hosts"], self.params["expiry_days"])
        texts = {
            "json": lambda: json_lines(report),
            "prometheus": lambda: prometheus.text_of(report),
            "html": lambda: html.html_of(report, self.params["title"]),
        }
        written = [
            kind
            for kind, path in wanted.items()
            if replace_atomically(path, texts[kind]().encode(), mode, check_mode=self.check_mode)
        ]
        return {"changed": bool(written), "written": written, "summary": report["summary"]}
