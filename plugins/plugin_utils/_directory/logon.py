# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a connection to a directory server is made: TLS 1.2 or newer with a verified certificate, or Kerberos."""

from __future__ import annotations

import collections.abc as c
import contextlib
import ipaddress
import os
import pathlib
import re
import time
import typing as t

from .._errors import AccessManagerError, DirectoryError, DirectoryLostError
from .._text import printable
from . import tls_probe
from .deadline import Deadline, DeadlineExceededError

try:
    import ldap
    import ldap.sasl
except ImportError:
    ldap = None

LDAPS, STARTTLS, KERBEROS = "ldaps", "starttls", "kerberos"
PORTS = {LDAPS: 636, STARTTLS: 389, KERBEROS: 389}
STRENGTH = 128
"""Bits of encryption that Kerberos must bring."""

_GNUTLS_VERSIONS = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

_REFUSALS = {
    "525": "there is no such user",
    "52e": "the user or the password is wrong",
    "530": "the account may not log on at this time",
    "531": "the account may not log on from here",
    "532": "the password has expired",
    "533": "the account is disabled",
    "701": "the account has expired",
    "773": "the password must be changed first",
    "775": "the account is locked",
}
"""What Active Directory means by the code in its refusal of a logon."""

_HOST = re.compile(r"[^\W_]([\w-]*[^\W_])?(\.[^\W_]([\w-]*[^\W_])?)*\.?")
_CODE = re.compile(r"data ([0-9a-f]{3}),")


class Logon:
    """How a connection to a server is made, and what its failures mean. It begins when this is made."""

    def __init__(self, server: str, port: int, params: c.Mapping[str, t.Any]) -> None:
        self._server, self._port, self._transport, self._seconds = server, port, params["transport"], params["timeout"]
        self._user, self._password, self._ca_file = (
            params.get("bind_user"),
            params.get("bind_password"),
            params.get("ca_file"),
        )
        self._begun = time.monotonic()
        if not is_host(server):
            raise AccessManagerError(
                f"'{printable(server)}' is not the name of a server: give its DNS name alone, without ldaps:// and "
                "without a port."
            )
        if self._seconds < 1:
            raise AccessManagerError(f"timeout is {self._seconds}: it must be 1 or more.")
        if self._ca_file and not (pathlib.Path(self._ca_file).is_file() and os.access(self._ca_file, os.R_OK)):
            raise AccessManagerError(f"The file '{self._ca_file}' of ca_file cannot be read on the controller.")
        if self._ca_file and not tls_probe.holds_certificates(str(self._ca_file)):
            raise AccessManagerError(f"The file '{self._ca_file}' of ca_file holds no certificate in PEM form.")

    def open(self) -> t.Any:
        """A connection with its options; nothing has passed yet."""
        host = f"[{self._server}]" if ":" in self._server else self._server
        scheme = "ldaps" if self._transport == LDAPS else "ldap"
        connection = ldap.initialize(f"{scheme}://{host}:{self._port}")
        connection.protocol_version = ldap.VERSION3
        connection.set_option(ldap.OPT_REFERRALS, 0)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, self._seconds)
        connection.set_option(ldap.OPT_TIMEOUT, self._seconds)
        if self._transport == KERBEROS:
            connection.set_option(ldap.OPT_X_SASL_NOCANON, 1)
            connection.set_option(ldap.OPT_X_SASL_SECPROPS, f"minssf={STRENGTH}")
            return connection
        connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
        _demand_tls_1_2(connection)
        if self._ca_file:
            connection.set_option(ldap.OPT_X_TLS_CACERTFILE, str(self._ca_file))
        with self.explained():
            connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        return connection

    def bind(self, connection: t.Any) -> None:
        if self._transport == KERBEROS:
            connection.sasl_interactive_bind_s("", ldap.sasl.gssapi(""))
            return
        if self._transport == STARTTLS:
            connection.start_tls_s()
        connection.simple_bind_s(self._user, self._password)

    @contextlib.contextmanager
    def explained(self) -> c.Iterator[None]:
        server, over = self._server, f"over {self._transport} on port {self._port}"
        try:
            yield
        except ldap.INVALID_CREDENTIALS as exc:
            code = _CODE.search(message_of(exc))
            wrong = "the user or the password is wrong"
            reason = _REFUSALS.get(code.group(1), wrong) if code else wrong
            raise DirectoryError(f"{server} refuses the logon of '{self._user}': {reason}.") from None
        except (DeadlineExceededError, ldap.TIMEOUT):
            raise DirectoryLostError(
                f"{server} does not answer {over} within {self._seconds} seconds. Check the name, the port and the "
                "firewall."
            ) from None
        except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR) as exc:
            if refusal := self._tls_refusal():
                raise DirectoryLostError(refusal) from None
            raise DirectoryLostError(
                f"{server} does not answer {over}: {message_of(exc)}. Check the name, the port, the transport and the "
                "firewall."
            ) from None
        except ldap.LOCAL_ERROR as exc:
            raise DirectoryError(
                f"There is no Kerberos ticket for {server} ({message_of(exc)}). "
                "Run kinit as the user who runs Ansible, and name the "
                "server by its full DNS name."
            ) from None
        except ldap.LDAPError as exc:
            raise DirectoryError(f"{server} refuses the logon over {self._transport}: {message_of(exc)}.") from None

    def _tls_refusal(self) -> str | None:
        """Why there is no TLS, if that is the reason, and if it is found in what is left of the time."""
        left = self._seconds - (time.monotonic() - self._begun)
        if self._transport == KERBEROS or left <= 0:
            return None
        options = {"starttls": self._transport == STARTTLS, "ca_file": self._ca_file, "timeout": left}
        with contextlib.suppress(DeadlineExceededError):
            refusal: str | None = Deadline(left).call(tls_probe.refusal, self._server, self._port, **options)
            return refusal
        return None


def _demand_tls_1_2(connection: t.Any) -> None:
    """Refuses older versions in the handshake, before anything passes: libldap with GnuTLS ignores its own option for
    that.
    """
    if ldap.get_option(ldap.OPT_X_TLS_PACKAGE) == "GnuTLS":
        connection.set_option(ldap.OPT_X_TLS_CIPHER_SUITE, _GNUTLS_VERSIONS)
    else:
        connection.set_option(ldap.OPT_X_TLS_PROTOCOL_MIN, ldap.OPT_X_TLS_PROTOCOL_TLS1_2)


def is_host(server: str) -> bool:
    """Whether this is a DNS name or an address."""
    try:
        return bool(ipaddress.ip_address(server))
    except ValueError:
        return _HOST.fullmatch(server) is not None


def message_of(exc: Exception) -> str:
    """What LDAP says of an error, on one line."""
    about = exc.args[0] if exc.args and isinstance(exc.args[0], dict) else {}
    parts = [str(about[key]).strip() for key in ("desc", "info") if about.get(key)]
    return printable(
        ": ".join(parts) or ("no answer in time" if isinstance(exc, DeadlineExceededError) else type(exc).__name__)
    )
