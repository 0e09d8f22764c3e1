# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may open a secret that DPAPI-NG protects: its descriptor stands in it in clear (MS-GKDI's envelope is CMS)."""

from __future__ import annotations

import base64
import re

from . import sddl, sids

_OPEN = 0x1
"""The bit of a rule in such a descriptor that lets its trustee open the secret; 0x2 lets it protect one."""

_DESCRIPTOR = re.compile(rb"\x0c\x04SDDL\x0c(?P<length>[\x00-\x7f]|\x81[\x80-\xff]|\x82[\x00-\xff]{2})", re.DOTALL)
_SID = re.compile(rb"\x0c\x03SID\x0c[\x08-\x7f](?P<sid>S-1(?:-[0-9]+)+)")


def readers_of(data: str) -> list[str]:
    """The SIDs, or SDDL's letters, of the accounts and groups that may open a secret, in Base64.

    Empty when it does not say that.
    """
    try:
        blob = base64.b64decode(data, validate=True)
    except ValueError:
        return []
    if alone := _SID.search(blob):
        return [alone["sid"].decode("ascii")]
    descriptor = _descriptor(blob)
    allowed = [rule.trustee for rule in sddl.rules(descriptor) if rule.access == "allow" and rule.mask & _OPEN]
    return list(dict.fromkeys(map(sids.sid_of, allowed)))


def words_of(readers: list[str]) -> str:
    """The accounts in words: by their names where these are the same everywhere, else by their SIDs."""
    return ", ".join(sids.name_of(one) or one for one in readers) or "accounts that it does not name"


def _descriptor(blob: bytes) -> str:
    found = _DESCRIPTOR.search(blob)
    if not found:
        return ""
    written = found["length"]
    length = written[0] if len(written) == 1 else int.from_bytes(written[1:], "big")
    return blob[found.end() : found.end() + length].decode("utf-8", "replace")
