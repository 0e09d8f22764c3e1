# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work of one kind on many things, several at a time."""

from __future__ import annotations

import collections.abc as c
import concurrent.futures
import os
import typing as t

from . import _progress

_MOST = 4

Item = t.TypeVar("Item")
Result = t.TypeVar("Result")


def in_threads(
    act: c.Callable[[Item], Result], items: c.Iterable[Item], *, shown_as: str = "", unit: str = ""
) -> list[Result]:
    """Does something with each of those; the results are in their order.

    For what waits for files or other processes. C(shown_as), C(unit): what was done with how many of what, in a line
    every ten seconds.
    """
    things = list(items)
    with concurrent.futures.ThreadPoolExecutor(min(_MOST, os.cpu_count() or 1)) as threads:
        results = threads.map(act, things)
        return list(_progress.counted(results, shown_as, total=len(things), unit=unit) if unit else results)
