# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thumbprints as people give them: in either case, with or without spaces and colons between the bytes."""

from __future__ import annotations

import collections.abc as c
import re

from .._errors import AccessManagerError
from .._text import THUMBPRINT, printable

_BETWEEN = str.maketrans("", "", " :\u200e")
"""The certificate window of Windows copies an invisible mark with the thumbprint."""


def parse(texts: c.Iterable[object]) -> list[str]:
    """Thumbprints in upper case, each once. Raises AccessManagerError when one is none."""
    found = [str(text).translate(_BETWEEN).upper() for text in texts]
    for text in found:
        if not re.fullmatch(THUMBPRINT, text):
            raise AccessManagerError(f"'{printable(text)}' is not a thumbprint: it must be 40 hexadecimal digits.")
    return list(dict.fromkeys(found))
