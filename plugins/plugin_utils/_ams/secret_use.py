# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which protected secrets Access Manager needs: one that its settings do not use makes no backup incomplete."""

from __future__ import annotations

import collections.abc as c

SETTINGS = (
    "Authentication.Mode",
    "Email.Host",
    "Email.UseDefaultCredentials",
    "DataProtection.Certificates[].Thumbprint",
)
"""The JSON keys by which that is decided."""

_OIDC = frozenset({"oidc", "1"})
_OIDC_SECRET = "authentication.oidc.secret"
_SYNCHRONISED, _SECRET = "dataprotection.certificates[", ".secret"

Settings = c.Mapping[str, str]
"""Values of C(SETTINGS) by their places, as text."""


def signs_in(path: str) -> bool:
    """Whether nobody can sign in while the service cannot open a secret in use: it answers each request with 500."""
    return path.lower() == _OIDC_SECRET


def is_used(path: str, settings: Settings) -> bool:
    """Whether Access Manager decrypts the secret at a place of its JSON, as it is set up."""
    known = {place.lower(): value.strip().lower() for place, value in settings.items()}
    if path.lower() == _OIDC_SECRET:
        return known.get("authentication.mode", "") in _OIDC
    if path.lower() == "email.password":
        return bool(known.get("email.host")) and known.get("email.usedefaultcredentials") != "true"
    return True


def is_synchronised(path: str) -> bool:
    """Whether the secret at a place of the JSON decrypts the PFX of a certificate in the configuration."""
    return path.lower().startswith(_SYNCHRONISED) and path.lower().endswith(_SECRET)


def synchronised_certificate(path: str, settings: Settings) -> str | None:
    """The thumbprint of the certificate whose PFX a secret decrypts; None for other secrets.

    Access Manager made the value: nobody can enter it again, and it is not needed where the key is known otherwise.
    """
    if not is_synchronised(path):
        return None
    wanted = f"{path.lower().removesuffix(_SECRET)}.thumbprint"
    return next((value.strip().upper() for place, value in settings.items() if place.lower() == wanted), "")
