# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the pages of a search come to an end."""

from __future__ import annotations

import collections.abc as c

from .._errors import DirectoryError
from .._text import printable

MOST_ENTRIES, MOST_EMPTY_PAGES = 5_000_000, 100
"""Of a search, and in a row: a server that sends more does not end."""


class Pages:
    """What the pages of a search brought until now, as far as it is needed to see that they end."""

    def __init__(self, server: str, base: str) -> None:
        self._about = f"{server} does not end the search below '{printable(base)}'"
        self._first = set[int]()
        self._entries = self._empty = 0

    def refuse_endless(self, names: c.Sequence[str]) -> None:
        """Takes the next page. Raises DirectoryError when it begins as an earlier one, or is one of too many."""
        self._entries += len(names)
        self._empty = 0 if names else self._empty + 1
        if self._empty > MOST_EMPTY_PAGES or self._entries > MOST_ENTRIES:
            raise DirectoryError(
                f"{self._about}: after {self._entries} entries there are {self._empty} empty pages, and more."
            )
        if names and hash(names[0]) in self._first:
            raise DirectoryError(f"{self._about}: it sends the page that begins with '{printable(names[0])}' again.")
        self._first.update(map(hash, names[:1]))
