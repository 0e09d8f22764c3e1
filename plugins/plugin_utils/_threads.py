# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work of one kind on many things, several at a time."""

from __future__ import annotations

import collections.abc as c
import concurrent.futures
import os
import typing as t

_MOST = 4

Item = t.TypeVar("Item")
Result = t.TypeVar("Result")


def in_threads(act: c.Callable[[Item], Result], items: c.Iterable[Item]) -> list[Result]:
    """Does something with each of those; the results are in their order.

    For what waits for files or other processes.
    """
    with concurrent.futures.ThreadPoolExecutor(min(_MOST, os.cpu_count() or 1)) as threads:
        return list(threads.map(act, items))
