# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates to which agents encrypt passwords: what they are, and whether agents can use them.

Source: lithnet/access-manager, CertificateProvider.cs.
"""

from __future__ import annotations

import datetime

from .._ams.constants import PASSWORD_ENCRYPTION_USAGE
from .._errors import MissingLibraryError
from .._store.manifest import CertificateDetails
from .._windows.pfx import HAS_CRYPTOGRAPHY, thumbprint_of

if HAS_CRYPTOGRAPHY:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID, ObjectIdentifier


def description_of(der: bytes) -> CertificateDetails:
    """What results and manifests say of a certificate. Raises ValueError when the bytes are none."""
    if not HAS_CRYPTOGRAPHY:
        raise MissingLibraryError("cryptography")
    certificate = x509.load_der_x509_certificate(der)
    return {
        "thumbprint": thumbprint_of(certificate),
        "subject": certificate.subject.rfc4514_string(),
        "not_before": _file_time(certificate.not_valid_before_utc),
        "not_after": _file_time(certificate.not_valid_after_utc),
    }


def problem(der: bytes, now: datetime.datetime) -> str | None:
    """Why agents could not use a certificate; None when they can. They look at neither its subject nor its usages."""
    certificate = x509.load_der_x509_certificate(der)
    if not isinstance(certificate.public_key(), rsa.RSAPublicKey):
        return "its key is no RSA key, to which alone agents encrypt"
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return (
            f"it is valid from {_file_time(certificate.not_valid_before_utc)} to "
            f"{_file_time(certificate.not_valid_after_utc)} only"
        )
    return None


def difference(der: bytes, forest: str) -> str | None:
    """In what a certificate differs from those that Access Manager makes for a forest, and shows; None when in nothing.
    """
    certificate = x509.load_der_x509_certificate(der)
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if not names or str(names[0].value).lower() != forest.lower():
        return f"its subject is '{certificate.subject.rfc4514_string()}', which is not of the forest {forest}"
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usages = x509.ExtendedKeyUsage([])
    if ObjectIdentifier(PASSWORD_ENCRYPTION_USAGE) not in usages:
        return "it is not meant for the encryption of passwords (extended key usage)"
    return None


def _file_time(time: datetime.datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.0000000Z")
