# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, in sentences for administrators."""

from __future__ import annotations

import sys

from ._text import printable, shortened


class AccessManagerError(Exception):
    """A failure that its message explains: what, which value, what to do. C(changed): whether something may be changed
    by then.

    A message may repeat what a file or a server says, and is printed to terminals: it stands on one line, with its
    control characters written as codes.
    """

    changed = False

    def __init__(self, message: str) -> None:
        super().__init__(printable(shortened(message)))


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


class ConnectionLostError(UnreachableError):
    """The connection to the target broke before an answer came."""


class UnansweredError(AccessManagerError):
    """A process on the target ended before it answered."""


class RefusedRunError(AccessManagerError):
    """The target refused to start the process of a detached run, in each way that there is."""


class EndedRunError(AccessManagerError):
    """The process of a detached run was ended on the target before the run was done."""

    changed = True


class UnfinishedRunError(AccessManagerError):
    """A detached run did not end in time: it goes on, and its folder on the target is in use."""

    changed = True


class LostRunError(UnfinishedRunError, UnreachableError):
    """A detached run of which nothing is known: no answer came to its launch, nor to a question since."""


class DirectoryLibraryError(AccessManagerError):
    """The library for LDAP, which only the modules of the directory need, is not installed on the controller."""

    def __init__(self) -> None:
        super().__init__(
            "The Python library 'python-ldap' is missing on the controller, for the Python that runs Ansible "
            f"({sys.executable}). For the system's Python: apt-get install python3-ldap (Debian) or dnf install "
            "python3-ldap (RHEL). For another: apt-get install gcc python3-dev libldap-dev libsasl2-dev, or dnf "
            f"install gcc python3-devel openldap-devel cyrus-sasl-devel, and then {sys.executable} -m pip install "
            "python-ldap."
        )


class DirectoryError(AccessManagerError):
    """A directory server refuses what it was asked."""


class DirectoryLostError(DirectoryError):
    """A directory server does not answer, or not any more."""


class UnansweredChangeError(DirectoryLostError):
    """No answer came to a change, which may have been made."""


class UnclearChangeError(DirectoryError):
    """A directory server took a change, which cannot be seen there."""


class ValueChangedError(DirectoryError):
    """A value that was to be replaced or deleted is not there any more: it was changed meanwhile."""


class NoSuchEntryError(DirectoryError):
    """An entry is not in the directory, or not any more."""
