# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subject of a certificate as Windows writes it, such as C(CN=forest.example, O="Example, Inc.")."""

from __future__ import annotations

import re

_PART = re.compile(r'[^=,+"]+=(?:\s*"((?:[^"]|"")*)"\s*|([^",+]*))(?:[,+]|$)')


def values_of(text: str) -> list[str] | None:
    """The values in a subject, sorted, without the names of their attributes, which differ from writer to writer.

    None when the text is not the subject of a certificate.
    """
    values, at = [], 0
    while at < len(text):
        part = _PART.match(text, at)
        if not part:
            return None
        quoted, plain = part.groups()
        values.append(plain.strip() if quoted is None else quoted.replace('""', '"'))
        at = part.end()
    return sorted(values)
