# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory server of a few lines that speaks LDAP over TLS, and answers what a test wants it to."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

ADDRESS = "127.0.0.1"
PAGED = b"1.2.840.113556.1.4.319"
_BIND, _SEARCH = 0x60, 0x63
Answer = Callable[[str, int], Iterable[bytes | tuple[bytes, bytes]]]
"""What the server answers to a search: by the name of its base, and how many came before.

See C(attributes) and C(done).
"""


def attributes(name: str, values: dict[str, list[bytes]]) -> bytes:
    """An entry of an answer, with its attributes."""
    inner = b"".join(_tlv(0x30, _text(key) + _tlv(0x31, *map(_octets, found))) for key, found in values.items())
    return _tlv(0x64, _text(name), _tlv(0x30, inner))


def done(cookie: bytes | None = None) -> tuple[bytes, bytes]:
    """The end of an answer, with the cookie of its page."""
    control = b""
    if cookie is not None:
        value = _tlv(0x30, _tlv(2, b"\0"), _octets(cookie))
        control = _tlv(0xA0, _tlv(0x30, _octets(PAGED), _octets(value)))
    return _tlv(0x65, _tlv(10, b"\0"), _octets(b""), _octets(b"")), control


class RogueServer:
    """C(heard): everything that came after TLS was agreed."""

    def __init__(self, folder: Path, answer: Answer) -> None:
        self.heard = b""
        self.searches = 0
        self.certificate = folder / "rogue.pem"
        self._key = folder / "rogue.key"
        self._answer = answer
        self._make_certificate()

    @contextlib.contextmanager
    def serving(self, oldest: ssl.TLSVersion, newest: ssl.TLSVersion) -> Iterator[int]:
        """Serves within the block; yields the port."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = oldest, newest
        context.load_cert_chain(self.certificate, self._key)
        with socket.create_server((ADDRESS, 0)) as listener:
            thread = threading.Thread(target=self._accept, args=(listener, context), daemon=True)
            thread.start()
            try:
                yield listener.getsockname()[1]
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join(5)

    def _accept(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        with contextlib.suppress(OSError):
            while True:
                line = listener.accept()[0]
                threading.Thread(target=self._serve, args=(line, context), daemon=True).start()

    def _serve(self, line: socket.socket, context: ssl.SSLContext) -> None:
        with (
            contextlib.suppress(OSError, ValueError, IndexError),
            line,
            context.wrap_socket(line, server_side=True) as secured,
        ):
            while message := _message(secured):
                self.heard += message
                self._reply(secured, message)

    def _reply(self, secured: ssl.SSLSocket, message: bytes) -> None:
        _tag, content = _take(message)[:2]
        _tag, number, rest = _take(content)
        operation, body, _rest = _take(rest)
        if operation == _BIND:
            secured.sendall(_tlv(0x30, _tlv(2, number), _tlv(0x61, _tlv(10, b"\0"), _octets(b""), _octets(b""))))
        if operation == _SEARCH:
            base = _take(body)[1].decode()
            for one in self._answer(base, self.searches):
                response, control = one if isinstance(one, tuple) else (one, b"")
                secured.sendall(_tlv(0x30, _tlv(2, number), response, control))
            self.searches += 1

    def _make_certificate(self) -> None:
        key = rsa.generate_private_key(65537, 2048)
        name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ADDRESS)]), datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(
                name, name, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(1)
            )
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(ADDRESS))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        formats = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self._key.write_bytes(key.private_bytes(serialization.Encoding.PEM, *formats))


def _tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return bytes([tag, 0x84]) + len(content).to_bytes(4, "big") + content


def _octets(data: bytes) -> bytes:
    return _tlv(4, data)


def _text(text: str) -> bytes:
    return _octets(text.encode())


def _take(data: bytes) -> tuple[int, bytes, bytes]:
    """The first value: its tag, its content, and what follows it."""
    length, at = data[1], 2
    if length & 0x80:
        at += length & 0x7F
        length = int.from_bytes(data[2:at], "big")
    return data[0], data[at : at + length], data[at + length :]


def _message(secured: ssl.SSLSocket) -> bytes:
    """One whole message; nothing at the end."""
    data = b""
    while chunk := secured.recv(65536):
        data += chunk
        if len(data) > 6 and len(_take(data)[1]) == _length(data):
            return data
    return b""


def _length(data: bytes) -> int:
    return data[1] if not data[1] & 0x80 else int.from_bytes(data[2 : 2 + (data[1] & 0x7F)], "big")
