# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a connection failed for the server's certificate. LDAP's library says the same for that, and for a port
without TLS.

Nothing is sent over this connection, and nothing depends on its answer but a sentence.
"""

from __future__ import annotations

import socket
import ssl

from .._text import printable

_START_TLS = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
"""LDAP's request to begin TLS (RFC 4511, 4.14)."""

_OLDER = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_VERSION_NUMBER")
"""What OpenSSL says of a server that speaks an older version only."""


def holds_certificates(ca_file: str) -> bool:
    """Whether a file has certificates as PEM."""
    try:
        ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        return False
    return True


def refusal(server: str, port: int, *, starttls: bool, ca_file: str | None, timeout: float) -> str | None:
    """A sentence that says why TLS with the server does not come about; None when it does, or when there is no TLS to
    judge.
    """
    try:
        with socket.create_connection((server, port), timeout=timeout) as connection:
            if starttls:
                connection.sendall(_START_TLS)
                connection.recv(4096)
            context = ssl.create_default_context(cafile=ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            with context.wrap_socket(connection, server_hostname=server):
                return None
    except ssl.SSLCertVerificationError as exc:
        return (
            f"The TLS certificate of {server} is not accepted ({printable(exc.verify_message)}). Name the file of its "
            "authority in ca_file, and the server as its certificate does."
        )
    except ssl.SSLError as exc:
        if exc.reason in _OLDER:
            return f"{server} offers no TLS 1.2 or newer, and nothing older is used: enable TLS 1.2 on the server."
        return None
    except (OSError, ValueError):
        return None
