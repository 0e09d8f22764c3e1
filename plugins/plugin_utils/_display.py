# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is shown on the terminal beside results. A text may repeat what a server or a store says: it is made printable
here."""

from __future__ import annotations

from ansible.utils.display import Display

from ._text import printable

_display = Display()


def warn(text: str) -> None:
    _display.warning(printable(text))


def show(text: str) -> None:
    _display.display(printable(text))


def debug(text: str) -> None:
    """Shown with -vvv."""
    _display.vvv(printable(text))


def is_debugging() -> bool:
    """Whether Ansible runs with -vvv or more."""
    return bool(_display.verbosity > 2)
