# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line to a target: which errors mean that it broke."""

from __future__ import annotations

from ansible.errors import AnsibleConnectionFailure

_LIBRARIES = ("pypsrp", "requests", "spnego", "urllib3", "winrm")
"""What speaks under Ansible's connections. Their errors have no base class in common."""


def is_line_fault(exc: Exception) -> bool:
    """Whether an error came from the connection or from what is below it."""
    if isinstance(exc, (AnsibleConnectionFailure, OSError)):
        return True
    return any(kind.__module__.partition(".")[0] in _LIBRARIES for kind in type(exc).__mro__)
