# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that are used for nothing but an examination."""

from __future__ import annotations

import base64
import datetime
import secrets
import typing as t

from .._directory import pfx_key_provider
from .._directory.new_certificate import windows_pfx
from .._errors import AccessManagerError, MissingLibraryError
from .._windows.pfx import HAS_CRYPTOGRAPHY, thumbprint_of

if HAS_CRYPTOGRAPHY:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

_KEY_BITS = 2048
_NAME = "lithnet.access_manager.doctor"


class Throwaway(t.NamedTuple):
    """A PFX, its password, and the thumbprint of its certificate."""

    pfx: bytes
    password: str
    thumbprint: str

    @property
    def sent(self) -> dict[str, str]:
        return {"pfx": base64.b64encode(self.pfx).decode(), "password": self.password}


def make() -> Throwaway:
    """A key for CryptoAPI, as Windows takes one from a PFX without the name of a provider."""
    if not HAS_CRYPTOGRAPHY:
        raise MissingLibraryError("cryptography")
    key, password = rsa.generate_private_key(65537, _KEY_BITS), secrets.token_urlsafe(24)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    certificate = (
        builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    )
    try:
        pfx = windows_pfx(certificate, key, password)
    except Exception as exc:  # OpenSSL's own errors have no class in common
        raise AccessManagerError(
            f"This controller does not know the ciphers of Windows' PFX files ({exc}), as under a policy for FIPS "
            "alone."
        ) from None
    return Throwaway(pfx, password, thumbprint_of(certificate))


def make_for_each_provider() -> list[Throwaway]:
    """One for CryptoAPI and, where the library for it is there, one for CNG, as Access Manager's own keys are."""
    old, new = make(), make()
    if not pfx_key_provider.HAS_ASN1:
        return [old]
    return [old, new._replace(pfx=pfx_key_provider.name(new.pfx, new.password))]
