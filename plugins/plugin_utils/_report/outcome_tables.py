# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each host of a play, as lines for a terminal: a heading, and one for each host."""

from __future__ import annotations

import collections.abc as c
import typing as t

from ansible.module_utils.common.text.formatters import bytes_to_human

from .table import hours

Result = c.Mapping[str, t.Any]
_LEFT: Result = {"status": "unknown", "failure": "the host left the play", "problems": []}
_MOST_TASKS = 2


def backup_table(results: c.Mapping[str, Result], records: c.Mapping[str, Result]) -> list[str]:
    """C(results): the fact access_manager_result of each host; empty for one that has none. C(records): what
    backup_record returned.
    """
    row = "{:<{width}}  {:<11}  {:>9}  {:>10}  {:>9}  {:>12}  {}"
    rows = [("HOST", "STATUS", "SIZE", "DOWNTIME", "AGE", "LAST SUCCESS", "REASON")]
    for host, found in results.items():
        result, record = _ended(found), records.get(host, {})
        size = bytes_to_human(result["size"]) if "size" in result else "-"
        ages = [hours(record.get(name)) for name in ("age_hours", "last_success_age_hours")]
        known = {"unchanged": f"since {result.get('id', '')}", "checked": "would be backed up"}
        reason = result["failure"] or known.get(result["status"]) or " ".join(result["problems"])
        rows.append((host, result["status"], size, _downtime(result), *ages, reason))
    return _lines(row, rows)


def restore_table(results: c.Mapping[str, Result]) -> list[str]:
    """C(results): as above."""
    row = "{:<{width}}  {:<11}  {:>10}  {}"
    rows = [("HOST", "STATUS", "DOWNTIME", "REASON")]
    for host, found in results.items():
        result = _ended(found)
        backup = result.get("id", "")
        known = {"unchanged": f"as in {backup}", "checked": f"would be restored from {backup}"}
        reason = result["failure"] or known.get(result["status"]) or _tasks(result["problems"])
        rows.append((host, result["status"].replace("_", " "), _downtime(result), reason))
    return _lines(row, rows)


def _ended(found: Result) -> Result:
    """What became of a host; one that began and says no more left the play."""
    return _LEFT if not found or found["status"] == "begun" else found


def _tasks(problems: c.Sequence[str]) -> str:
    many = len(problems) > _MOST_TASKS
    return f"{len(problems)} manual tasks, see above" if many else " ".join(problems)


def _downtime(result: Result) -> str:
    downtime = result.get("downtime_ms")
    return "-" if downtime is None else f"{downtime} ms"


def _lines(row: str, rows: c.Sequence[tuple[str, ...]]) -> list[str]:
    width = max(len(cells[0]) for cells in rows)
    return [row.format(*cells, width=width).strip() for cells in rows]
