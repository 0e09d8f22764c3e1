# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which errors mean that the connection to a target was lost."""

from __future__ import annotations

import traceback

from ansible.errors import AnsibleConnectionFailure

_CONNECTION = ("ansible.plugins.connection", "pypsrp", "requests", "spnego", "urllib3", "winrm")
"""The connection plugins, and what speaks under them. Their errors have no base class in common: pypsrp raises even a
ValueError when a connection breaks."""


def is_connection_error(exc: Exception) -> bool:
    """Whether an error came from the connection or from what is below it."""
    if isinstance(exc, (AnsibleConnectionFailure, ConnectionError, TimeoutError)):
        return True
    kinds = [kind.__module__ for kind in type(exc).__mro__]
    raised_through = [frame.f_globals["__name__"] for frame, _line in traceback.walk_tb(exc.__traceback__)]
    return any(map(_is_of_connection, kinds + raised_through))


def _is_of_connection(module: str) -> bool:
    return any(module == part or module.startswith(f"{part}.") for part in _CONNECTION)
