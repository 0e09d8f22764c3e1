# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of what a target encrypts for one call: see module_utils/_Envelope.psm1.

RSA-OAEP (SHA-1, as RSACryptoServiceProvider has it) wraps two keys; AES-256-CBC encrypts a gzip stream;
HMAC-SHA256 covers context, initialization vector and ciphertext, and is checked before anything is decrypted.
"""

from __future__ import annotations

import base64
import collections.abc as c
import functools
import gzip
import hmac
import io
import typing as t
import zlib

from .._age.decryption import LARGEST
from .._errors import AccessManagerError, MissingLibraryError

try:
    from cryptography.hazmat.primitives import hashes, padding
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC
except ImportError:
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

CHUNK = 64 * 1024
KEY_BITS = 2048
LARGEST_ANSWER = 32 * 1024**2
"""Clear bytes of an envelope that carries its data itself: certificates or secrets, and never as many."""

LARGEST_STREAM = LARGEST + 64 * 1024**2
"""Clear bytes of a stream: as much as a backup may unpack to, and what describes it."""
_KEY_BYTES = 32

Check = c.Callable[[t.BinaryIO], bool]
"""Whether a ciphertext is all that a target encrypted."""


class CallKey:
    """The RSA key pair of one call. The private key lives no longer than this object."""

    def __init__(self) -> None:
        if not HAS_CRYPTOGRAPHY:
            raise MissingLibraryError("cryptography")
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)

    @property
    def public(self) -> dict[str, str]:
        """The option C(public_key) of a target's half."""
        numbers = self._key.public_key().public_numbers()
        return {"modulus": _base64_number(numbers.n), "exponent": _base64_number(numbers.e)}

    def unwrap(self, wrapped: bytes) -> tuple[bytes, bytes]:
        """The keys for decryption and for the MAC that a target wrapped for this call."""
        try:
            keys = self._key.decrypt(wrapped, OAEP(mgf=MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None))
        except ValueError:
            raise AccessManagerError(
                "The target's answer is not encrypted to this call's key: it is not used."
            ) from None
        if len(keys) != 2 * _KEY_BYTES:
            raise AccessManagerError("The target's answer has no proper keys: it is not used.")
        return keys[:_KEY_BYTES], keys[_KEY_BYTES:]


class Envelope:
    """What a call returns in one envelope. C(context): which of a call's envelopes it is; its MAC covers that."""

    def __init__(self, context: str, key: CallKey) -> None:
        self._context, self._key = context.encode(), key

    def decrypt(self, header: c.Mapping[str, t.Any]) -> bytes:
        """The clear bytes of an envelope that carries its data itself."""
        return self.decrypted_stream(header, io.BytesIO(_bytes_of(header, "data")), LARGEST_ANSWER).read()

    def decrypted_stream(
        self, header: c.Mapping[str, t.Any], ciphertext: t.BinaryIO, most: int = LARGEST_STREAM
    ) -> t.BinaryIO:
        """The clear bytes as a stream, after the whole ciphertext was authenticated. It ends with an error after
        C(most) bytes.

        Raises AccessManagerError when the ciphertext is not what this call's target encrypted.
        """
        encryption_key, iv, is_intact = self._opened(header)
        if not is_intact(ciphertext):
            raise AccessManagerError("The target's answer was changed or cut short on its way: it is not used.")
        ciphertext.seek(0)
        clear = io.BufferedReader(_Decrypted(ciphertext, encryption_key, iv), CHUNK)
        unpacked = gzip.GzipFile(fileobj=clear, mode="rb")
        return t.cast(t.BinaryIO, io.BufferedReader(_Bounded(unpacked, most), CHUNK))

    def check(self, header: c.Mapping[str, t.Any]) -> Check:
        """What says of a ciphertext whether it is all that this call's target encrypted.

        Raises AccessManagerError when the header is of no envelope to this call's key.
        """
        return self._opened(header)[2]

    def _opened(self, header: c.Mapping[str, t.Any]) -> tuple[bytes, bytes, Check]:
        """The key, the initialization vector, and the check of the ciphertext."""
        iv, mac = _bytes_of(header, "iv"), _bytes_of(header, "mac")
        if len(iv) != AES.block_size // 8:
            raise AccessManagerError("The target's answer has no initialization vector: it is not used.")
        encryption_key, mac_key = self._key.unwrap(_bytes_of(header, "key"))
        return encryption_key, iv, functools.partial(_has_mac, mac, mac_key, self._context + iv)


def _has_mac(expected: bytes, key: bytes, prefix: bytes, ciphertext: t.BinaryIO) -> bool:
    mac = hmac.new(key, prefix, "sha256")
    ciphertext.seek(0)
    while chunk := ciphertext.read(CHUNK):
        mac.update(chunk)
    return hmac.compare_digest(mac.digest(), expected)


class _Bounded(io.RawIOBase):
    """Reads an unpacked stream up to a bound.

    What does not unpack, or unpacks to more, is refused in a sentence, and does not look like a fault of the disk.
    """

    def __init__(self, unpacked: gzip.GzipFile, most: int) -> None:
        self._unpacked, self._most, self._left = unpacked, most, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        try:
            count = self._unpacked.readinto(buffer)
        except (gzip.BadGzipFile, EOFError, ValueError, zlib.error):
            raise AccessManagerError("The target's answer does not unpack: it is not used.") from None
        self._left -= count
        if self._left < 0:
            raise AccessManagerError(f"The target's answer unpacks to more than {self._most} bytes: it is not used.")
        return count


class _Decrypted(io.RawIOBase):
    """Decrypts AES-CBC with PKCS#7 padding as it is read."""

    def __init__(self, ciphertext: t.BinaryIO, key: bytes, iv: bytes) -> None:
        self._ciphertext = ciphertext
        self._decryptor = Cipher(AES(key), CBC(iv)).decryptor()
        self._unpadder = padding.PKCS7(AES.block_size).unpadder()
        self._pending = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        while not self._pending and not self._ended:
            chunk = self._ciphertext.read(CHUNK)
            if chunk:
                self._pending = self._unpadder.update(self._decryptor.update(chunk))
            else:
                self._pending = self._unpadder.update(self._decryptor.finalize()) + self._unpadder.finalize()
                self._ended = True
        count = min(len(buffer), len(self._pending))
        buffer[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count


def _bytes_of(header: c.Mapping[str, t.Any], part: str) -> bytes:
    try:
        return base64.b64decode(header[part], validate=True)
    except (KeyError, TypeError, ValueError):
        raise AccessManagerError(f"The target's answer has no proper '{part}': it is not used.") from None


def _base64_number(number: int) -> str:
    return base64.b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode()
