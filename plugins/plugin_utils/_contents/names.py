# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a file is named in a backup, and how that name leads back to its path on the server."""

from __future__ import annotations

import ntpath
import re

_SHORT_NAME = re.compile(r"(?=.{1,8}(?:\.|$))[^.~]{1,6}~[0-9]{1,6}(?:\.[^.]{1,3})?")
"""A name of 8 and 3 letters, as Windows makes it for a longer one."""


def external_name(path: str, *, short: bool = False) -> re.Pattern[str]:
    """The name that a path has in a backup, whatever its capitals. C(short): with names such as PROGRA~1 for any."""
    drive, rest = ntpath.splitdrive(path)
    steps = [step.rstrip(". ") for step in rest.strip("\\").split("\\")]
    name = "/".join("[^/]+" if short and _SHORT_NAME.fullmatch(step) else re.escape(step) for step in steps)
    return re.compile(f"external/{re.escape(drive.removesuffix(':'))}/{name}", re.IGNORECASE)
