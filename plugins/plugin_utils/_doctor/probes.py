# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes: what a run made on the server and took away again, and what that says."""

from __future__ import annotations

import base64
import typing as t

from .._errors import AccessManagerError
from .._windows import pfx
from .throwaway import Throwaway
from .verdict import Finding, Verdict, failure, finding, ok, warning

_SLOW_MILLISECONDS = 1000


class Probe(t.TypedDict):
    """C(error): why it failed; empty when it did not. C(values): what it tells beside that."""

    name: t.Literal["names", "times", "permissions", "writes", "registry", "reservations", "bindings", "certificates"]
    error: str
    values: list[str]


_KNOWN: dict[str, tuple[str, str]] = {
    "names": (
        "Files with long and odd names are found and read",
        "Look at the file system: names, or paths over 260 letters, are lost.",
    ),
    "times": (
        "Times are set beside a program that watches the folder",
        "Look for a filter driver that keeps times from being set.",
    ),
    "permissions": (
        "Owners and permissions are set, and stay",
        "Give 'Restore files and directories' back to Administrators.",
    ),
    "writes": (
        "Files are written and renamed",
        "Exclude the collection's folders in ProgramData from the virus scanner.",
    ),
    "registry": (
        "Registry values of each kind are written and read",
        "Look for a policy or program that guards HKLM\\SOFTWARE.",
    ),
    "reservations": (
        "A URL reservation is added and deleted",
        "Look at 'netsh http show urlacl', and who may change it.",
    ),
    "bindings": ("A TLS binding with its parameters is added and deleted", "Look at 'netsh http show sslcert'."),
    "certificates": (
        "Keys are imported, used and exported",
        "Look at the Cryptographic Services (CryptSvc) and who guards its keys.",
    ),
}
"""What each probe shows, and what to do when it fails."""


def findings(probes: list[Probe], throwaways: list[Throwaway]) -> list[Finding]:
    return [finding(f"probe: {probe['name']}", _verdict(probe, throwaways)) for probe in probes]


def _verdict(probe: Probe, throwaways: list[Throwaway]) -> Verdict:
    shows, advice = _KNOWN[probe["name"]]
    error = probe["error"] or (_export_error(probe["values"], throwaways) if probe["name"] == "certificates" else "")
    if error:
        return failure(f"This failed: {shows[0].lower()}{shows[1:]}. {error}", advice)
    if probe["name"] == "bindings" and probe["values"] != ["done"]:
        return warning(
            "Not tried: no TLS binding by address is Access Manager's.", "Set its certificate, and probe again."
        )
    if probe["name"] == "times" and probe["values"] != ["kept"]:
        return warning(
            f"{shows}, but creation times do not stay there.",
            "Nothing depends on them: files that are restored get the time of the restore. See whether the volume is "
            "NTFS.",
        )
    if probe["name"] == "writes":
        return _speed(shows, advice, probe["values"])
    return ok(f"{shows}.")


def _speed(shows: str, advice: str, values: list[str]) -> Verdict:
    slowest = max((int(value) for value in values if value.isdecimal()), default=0)
    found = f"{shows}, the slowest in {slowest} ms."
    return warning(f"{found} A virus scanner may hold them.", advice) if slowest > _SLOW_MILLISECONDS else ok(found)


def _export_error(exports: list[str], throwaways: list[Throwaway]) -> str:
    """Why what the server exported is not what it was given; empty when it is."""
    if not throwaways:
        return "The controller could make no key for it."
    if len(exports) != len(throwaways):
        return f"{len(exports)} of {len(throwaways)} keys came back."
    for export, throwaway in zip(exports, throwaways, strict=True):
        try:
            pfx.verify(base64.b64decode(export), throwaway.password, throwaway.thumbprint)
        except (AccessManagerError, ValueError) as exc:
            return str(exc)
    return ""
