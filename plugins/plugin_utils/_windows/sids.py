# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of security identifiers that are the same everywhere. Others stay numbers: no directory is asked."""

from __future__ import annotations

import re

from .._ams.constants import SERVICE_SID

_ALIASES = {
    "AN": "S-1-5-7",
    "AO": "S-1-5-32-548",
    "AU": "S-1-5-11",
    "BA": "S-1-5-32-544",
    "BG": "S-1-5-32-546",
    "BO": "S-1-5-32-551",
    "BU": "S-1-5-32-545",
    "CO": "S-1-3-0",
    "IU": "S-1-5-4",
    "LS": "S-1-5-19",
    "NS": "S-1-5-20",
    "NU": "S-1-5-2",
    "PO": "S-1-5-32-550",
    "PS": "S-1-5-10",
    "PU": "S-1-5-32-547",
    "RD": "S-1-5-32-555",
    "SO": "S-1-5-32-549",
    "SU": "S-1-5-6",
    "SY": "S-1-5-18",
    "WD": "S-1-1-0",
}
"""What SDDL's letters stand for, where that does not depend on the domain."""

_DOMAIN_ALIASES = {
    "CA": "Cert Publishers",
    "DA": "Domain Admins",
    "DC": "Domain Computers",
    "DD": "Domain Controllers",
    "DG": "Domain Guests",
    "DU": "Domain Users",
    "EA": "Enterprise Admins",
    "LA": "Administrator",
    "LG": "Guest",
    "PA": "Group Policy Creator Owners",
    "SA": "Schema Admins",
}
_NAMES = {
    "S-1-1-0": "Everyone",
    "S-1-3-0": "Creator Owner",
    "S-1-5-2": "Network",
    "S-1-5-4": "Interactive",
    "S-1-5-6": "Service",
    "S-1-5-7": "Anonymous Logon",
    "S-1-5-10": "Self",
    "S-1-5-11": "Authenticated Users",
    "S-1-5-18": "SYSTEM",
    "S-1-5-19": "Local Service",
    "S-1-5-20": "Network Service",
    "S-1-5-32-544": "Administrators",
    "S-1-5-32-545": "Users",
    "S-1-5-32-546": "Guests",
    "S-1-5-32-547": "Power Users",
    "S-1-5-32-548": "Account Operators",
    "S-1-5-32-549": "Server Operators",
    "S-1-5-32-550": "Print Operators",
    "S-1-5-32-551": "Backup Operators",
    "S-1-5-32-555": "Remote Desktop Users",
    SERVICE_SID: "NT SERVICE\\lithnetams",
}
_DOMAIN_NAMES = {
    "500": "Administrator",
    "501": "Guest",
    "512": "Domain Admins",
    "513": "Domain Users",
    "514": "Domain Guests",
    "515": "Domain Computers",
    "516": "Domain Controllers",
    "517": "Cert Publishers",
    "518": "Schema Admins",
    "519": "Enterprise Admins",
    "520": "Group Policy Creator Owners",
}
_DOMAIN_SID = re.compile(r"S-1-5-21(?:-\d+){3}-(\d+)")


def sid_of(trustee: str) -> str:
    """The SID that SDDL's letters stand for, or what was given when they stand for none or depend on the domain."""
    return _ALIASES.get(trustee.upper(), trustee)


def name_of(trustee: str) -> str | None:
    """The name of a SID or of SDDL's letters; None when it has none that is the same everywhere."""
    sid = sid_of(trustee)
    member = _DOMAIN_SID.fullmatch(sid)
    if member:
        return _DOMAIN_NAMES.get(member.group(1))
    return _NAMES.get(sid) or _DOMAIN_ALIASES.get(sid)
