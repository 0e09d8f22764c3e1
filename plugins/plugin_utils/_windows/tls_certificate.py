# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates that HTTP.sys binds: who they are for, who issued them, and until when they are valid."""

from __future__ import annotations

import base64
import collections.abc as c
import dataclasses
import datetime
import itertools

from .._ams import shapes
from .._ams.description import own_http_configuration
from .._text import timestamp
from .pfx import HAS_CRYPTOGRAPHY, thumbprint_of

if HAS_CRYPTOGRAPHY:
    from cryptography import x509
    from cryptography.x509.oid import NameOID


@dataclasses.dataclass(frozen=True)
class TlsCertificate:
    """C(names): the DNS names for which it is, or the common name of an old one that lists none."""

    thumbprint: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_after: datetime.datetime
    has_key: bool

    def is_for(self, name: str) -> bool:
        """Whether a browser takes it for that name: a wildcard stands for one label."""
        wanted = name.lower().rstrip(".")
        rest = wanted.partition(".")[2]
        return any(one.lower() in (wanted, f"*.{rest}") for one in self.names)

    def mismatches(self, names: c.Mapping[str, str]) -> list[str]:
        """Why browsers warn of it where users reach the web site by these names, each with the setting that gives it.
        """
        own = ", ".join(self.names) or "no name"
        return [f"is for {own}, and {setting} is {name}" for setting, name in names.items() if not self.is_for(name)]

    def as_data(self, endpoints: list[str]) -> shapes.BoundCertificate:
        """What a manifest says of it, where it is bound to these endpoints."""
        return {
            "thumbprint": self.thumbprint,
            "subject": self.subject,
            "issuer": self.issuer,
            "names": list(self.names),
            "not_after": timestamp(self.not_after),
            "has_key": self.has_key,
            "endpoints": endpoints,
        }


def certificates_of(records: c.Iterable[shapes.TlsCertificate]) -> dict[str, TlsCertificate]:
    """The certificates in C(tls_certificates) of a server's state, by thumbprint.

    One that cannot be read, or is another than the server says, is left out.
    """
    found = (_certificate(record) for record in records)
    return {one.thumbprint: one for one in found if one}


def bound_certificates(state: shapes.State) -> list[shapes.BoundCertificate]:
    """What a manifest says of the certificates of Access Manager's TLS bindings."""
    endpoints: dict[str, list[str]] = {}
    for binding in own_http_configuration(state["http_sys"])["bindings"]:
        endpoints.setdefault(binding["thumbprint"].upper(), []).append(binding["endpoint"])
    found = certificates_of(state["tls_certificates"])
    return [found[one].as_data(ends) for one, ends in endpoints.items() if one in found]


def _certificate(record: shapes.TlsCertificate) -> TlsCertificate | None:
    try:
        loaded = x509.load_der_x509_certificate(base64.b64decode(record["certificate"], validate=True))
        certificate = TlsCertificate(
            thumbprint=thumbprint_of(loaded),
            subject=loaded.subject.rfc4514_string(),
            issuer=loaded.issuer.rfc4514_string(),
            names=_names(loaded),
            not_after=loaded.not_valid_after_utc,
            has_key=record["has_key"],
        )
    except (ValueError, x509.DuplicateExtension):
        return None
    return certificate if certificate.thumbprint == record["thumbprint"].upper() else None


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return tuple(str(attribute.value) for attribute in itertools.islice(common, 1))
    return tuple(alternative.get_values_for_type(x509.DNSName))
