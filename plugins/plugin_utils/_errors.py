# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, in sentences for administrators."""

from __future__ import annotations

import sys


class AccessManagerError(Exception):
    """A failure that its message explains: what, which value, what to do."""


class MissingLibraryError(AccessManagerError):
    """A Python library that this step needs is not installed on the controller."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The Python library '{name}' is missing on the controller: install it for the Python that runs Ansible "
            f"({sys.executable} -m pip install {name})."
        )


class UnreachableError(AccessManagerError):
    """The target could not be spoken to."""


class RefusedLogonError(UnreachableError):
    """The target refuses the user or the password."""


class LostLineError(UnreachableError):
    """The connection to the target broke before an answer came."""


class UnansweredError(AccessManagerError):
    """A process on the target ended before it answered."""


class EndedRunError(AccessManagerError):
    """The process of a detached run was ended on the target before the run was done."""


class UnfinishedRunError(AccessManagerError):
    """A detached run has not ended in time: it goes on, and its folder on the target is in use."""
