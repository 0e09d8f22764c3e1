# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of the connection."""

from __future__ import annotations

import time

from .._target.call import Target
from .verdict import Verdict, failure, ok, warning

_UNENCRYPTED = {"basic", "plaintext"}
"""The ways to log on that do not encrypt what is sent afterwards."""

_PORTS_OF_HTTP = (80, 5985)
_OPTIONS = {"psrp": ("protocol", "auth"), "winrm": ("scheme", "transport")}
"""The options of a connection that name its protocol and its ways to log on."""


def connection(target: Target, begun: float) -> Verdict:
    """The verdict of a connection over which an answer came.

    C(begun): when it was asked for, by the monotonic clock.
    """
    name, seconds = target.connection.transport, time.monotonic() - begun
    if name not in _OPTIONS:
        return failure(
            f"The connection is {name}, which does not reach a Windows host.",
            "Set ansible_connection to psrp or winrm.",
        )
    protocol, logons = _how(target)
    if protocol == "http" and _UNENCRYPTED.intersection(logons):
        return warning(
            f"The connection is {name} over HTTP with Basic: the password and all that is sent are in clear.",
            "Use HTTPS (port 5986), or Kerberos or NTLM, which encrypt their messages.",
        )
    return ok(f"{name} over {protocol.upper()}, answered in {seconds:.0f} s.")


def _how(target: Target) -> tuple[str, list[str]]:
    """The protocol, and the ways to log on. Without a protocol the port decides, as in the connections themselves."""
    get = target.connection.get_option
    protocol, logons = (get(option) for option in _OPTIONS[target.connection.transport])
    by_port = "http" if get("port") in _PORTS_OF_HTTP else "https"
    return str(protocol or by_port), [str(one) for one in (logons if isinstance(logons, list) else [logons])]
