# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a report: JSON, metrics for Prometheus, and a page for people."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import pathlib
import typing as t

from .._errors import AccessManagerError
from .._files import mode_of, replace_atomically
from .._text import json_line
from . import html, prometheus
from . import report as report_module
from .report import Report

_KINDS = ("json", "prometheus", "html")


@dataclasses.dataclass(frozen=True)
class ReportFiles:
    """Which files are wanted, and how. C(paths): by the kind of file, at least one."""

    paths: dict[str, pathlib.Path]
    mode: int
    title: str
    expiry_days: int

    @classmethod
    def of(cls, options: c.Mapping[str, t.Any]) -> ReportFiles:
        """As the options C(json), C(prometheus), C(html), C(mode), C(title) and C(expiry_days) say.

        Raises AccessManagerError when they contradict each other.
        """
        paths = {kind: pathlib.Path(options[kind]) for kind in _KINDS if options[kind]}
        if not paths:
            raise AccessManagerError("No file is named: give json, prometheus or html a path.")
        if len(set(paths.values())) < len(paths):
            raise AccessManagerError("json, prometheus and html name the same file: give each a path of its own.")
        return cls(paths, mode_of(options["mode"]), options["title"], options["expiry_days"])

    @classmethod
    def wanted(cls, options: c.Mapping[str, t.Any]) -> ReportFiles | None:
        """The same; None when each path that is given is empty."""
        given = {options[kind] for kind in _KINDS} - {None}
        return None if given == {""} else cls.of(options)

    def write(
        self, verifications: c.Sequence[Report], hosts: c.Sequence[str] = (), *, check_mode: bool
    ) -> dict[str, t.Any]:
        """Writes the files that are not as they must be, in check mode none; returns which, and the report's summary.

        C(hosts): those that the report must include. Raises AccessManagerError when a file cannot be written.
        """
        report = report_module.build(verifications, hosts, self.expiry_days)
        written = [
            kind
            for kind, path in self.paths.items()
            if replace_atomically(path, self._text(kind, report).encode(), self.mode, check_mode=check_mode)
        ]
        return {"written": written, "summary": report["summary"]}

    def _text(self, kind: str, report: Report) -> str:
        if kind == "html":
            return html.html_of(report, self.title)
        return _json_of(report) if kind == "json" else prometheus.text_of(report)


def _json_of(report: Report) -> str:
    """The report as JSON, with a line for each host."""
    head = json_line({key: value for key, value in report.items() if key != "hosts"})
    hosts = ",\n".join(map(json_line, report["hosts"]))
    return f'{head[:-1]}, "hosts": [\n{hosts}\n]}}\n'
