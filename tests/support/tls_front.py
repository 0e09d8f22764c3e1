# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS in front of a host's web site, as HTTP.sys gives it to Access Manager."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .certificates import TestCertificate

LOOPBACK = "127.0.0.1"


def unserved(_status: int) -> int:
    """What HTTP.sys answers where nobody serves."""
    return 503


class TlsSite:
    """Passes what arrives at a TLS port on to an HTTP port.

    answer: what it makes of the status with which that answers.
    """

    def __init__(self, port: int, http_port: int, certificate: TestCertificate, folder: Path) -> None:
        self.answer: Callable[[int], int] = int
        self._server = ThreadingHTTPServer((LOOPBACK, port), self._handler(http_port))
        self._server.daemon_threads = True
        context = _context(certificate, folder / "site.pem")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Nothing listens there any more."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self, http_port: int) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status = site._status(http_port, self.path)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler

    def _status(self, http_port: int, path: str) -> int:
        connection = http.client.HTTPConnection(LOOPBACK, http_port, timeout=2)
        try:
            connection.request("GET", path)
            return self.answer(connection.getresponse().status)
        except OSError:
            return unserved(0)
        finally:
            connection.close()


def _context(certificate: TestCertificate, file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    file.touch(0o600)
    try:
        file.write_bytes(certificate.certificate_pem + certificate.private_key_pem)
        context.load_cert_chain(file)
    finally:
        file.unlink()
    return context
