# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which errors mean that the connection to a target was lost, and what they say to an administrator."""

from __future__ import annotations

import re
import traceback
import typing as t
import urllib.request

from ansible.errors import AnsibleAuthenticationFailure, AnsibleConnectionFailure

from .. import _display
from .._errors import ConnectionLostError, RefusedLogonError, UnreachableError

_CONNECTION = ("ansible.plugins.connection", "pypsrp", "requests", "spnego", "urllib3", "winrm")
"""The connection plugins, and what speaks under them. Their errors have no base class in common: pypsrp raises even a
ValueError when a connection breaks."""

_LISTENERS = {"psrp": "WinRM listener", "winrm": "WinRM listener"}
_WRAPPED = re.compile(r"""Caused by .*?(?:Errno -?\d+\] |, ')(.+?)['")]*$""", re.DOTALL)
_STATUS_401 = re.compile(r"(?<!\d)401(?!\d)")


def is_connection_error(exc: Exception) -> bool:
    """Whether an error came from the connection or from what is below it."""
    if isinstance(exc, (AnsibleConnectionFailure, ConnectionError, TimeoutError)):
        return True
    kinds = [kind.__module__ for kind in type(exc).__mro__]
    raised_through = [frame.f_globals["__name__"] for frame, _line in traceback.walk_tb(exc.__traceback__)]
    return any(map(_is_of_connection, kinds + raised_through))


def _is_of_connection(module: str) -> bool:
    return any(module == part or module.startswith(f"{part}.") for part in _CONNECTION)


def explained(exc: Exception, label: str, connection: t.Any) -> UnreachableError:
    """A refused logon or a lost connection in one sentence, and what to check. All that the library says is shown
    with -vvv."""
    name, text = connection.transport, str(exc)
    _display.debug(f"{label}: {text}")
    proxies = _proxies(connection) if name in _LISTENERS else ""
    if isinstance(exc, AnsibleAuthenticationFailure) or _is_refused_logon(text):
        user = connection.get_option("remote_user")
        return RefusedLogonError(
            f"{label} refuses the logon of '{user}' over {name}: check ansible_user, ansible_password and the "
            f"transport. {proxies}{_cause(text)}"
        )
    listener = _LISTENERS.get(name, "SSH server")
    return ConnectionLostError(
        f"There is no connection to {label}, or it was lost: {_cause(text)}. If this stays so, check ansible_host, "
        f"ansible_port and the server's {listener}.{' ' if proxies else ''}{proxies.rstrip()}"
    )


def _cause(text: str) -> str:
    """The innermost cause in an error of urllib3 or requests, which wrap it into all that they were doing; else the
    text."""
    wrapped = _WRAPPED.search(text)
    return (wrapped.group(1) if wrapped else text).strip().rstrip(".")


def _is_refused_logon(message: str) -> bool:
    folded = message.lower()
    return (
        "credentials were rejected" in folded
        or "failed to authenticate" in folded
        or _STATUS_401.search(folded) is not None
    )


def _proxies(connection: t.Any) -> str:
    """A sentence about the variables for proxies that this connection may follow; empty when there are none."""
    host = str(connection.get_option("remote_addr") or "")
    names = sorted(f"{scheme.upper()}_PROXY" for scheme in urllib.request.getproxies_environment() if scheme != "no")
    if not names or urllib.request.proxy_bypass(host):
        return ""
    return (
        f"{' and '.join(names)} {'are' if len(names) > 1 else 'is'} set, so a proxy may have answered: name {host} in "
        "NO_PROXY, or set ansible_psrp_ignore_proxy to true or ansible_winrm_proxy. "
    )
