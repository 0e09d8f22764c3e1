# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes: what a run made on the server and took away again, and what that says."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import typing as t

from .._ams.json_document import strict
from .._errors import AccessManagerError
from .._restore import bundle
from .._windows import pfx
from .throwaway import Throwaway
from .verdict import Finding, Verdict, failure, finding, ok, warning

_SLOW_MILLISECONDS = 1000
_DEPTH = 60
"""As deep as a configuration may be nested, within the value that is sent."""

JSON: t.Any = {
    "empty": {},
    "none": [],
    "one": [{"one": [1]}],
    "null": None,
    "numbers": [0, -1, 2**40, 1.5],
    "texts": ["", "\u2028\u2029", "\t\r\n", "ß İ ı é e\u0301", "\U0001f511", '"\\/'],
    "dates": ["/Date(1)/", "2026-01-02T03:04:05Z"],
    "deep": json.loads("[" * _DEPTH + "]" * _DEPTH),
}
"""What a server reads, and writes, as it does with configurations and results: it must come back equal."""


_ALIKE = ("strasse", "straße", "é", "e\u0301", "soft", "so\u00adft", "i", "ı", "İ")
"""Names of files that are equal by the rules of one culture or another, and different to NTFS."""


class Probe(t.TypedDict):
    """C(error): why it failed; empty when it did not. C(values): what it reports beside that."""

    name: t.Literal[
        "names",
        "times",
        "permissions",
        "writes",
        "json",
        "registry",
        "reservations",
        "bindings",
        "certificates",
        "logs",
    ]
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
    "json": (
        "JSON is read and written without a change",
        "Look at the .NET Framework and Windows PowerShell there: until then trust no backup of this server.",
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
    "logs": (
        "No password that this run was given is in Windows' event logs",
        "Let this account read the logs Security and Microsoft-Windows-PowerShell/Operational, and probe again.",
    ),
}
"""What each probe shows, and what to do when it fails."""


def sent() -> dict[str, str]:
    """What the probes are given beside keys: a value, and a bundle as a restore sends it."""
    contents = {name: name.encode() for name in _ALIKE}
    files = [
        {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "has_content": True}
        for name, data in contents.items()
    ]
    packed = io.BytesIO()
    bundle.pack({"files": files}, contents.values(), packed)
    return {"json": json.dumps(JSON), "archive": base64.b64encode(packed.getvalue()).decode()}


def findings(probes: list[Probe], throwaways: list[Throwaway]) -> list[Finding]:
    return [finding(f"probe: {probe['name']}", _verdict(probe, throwaways)) for probe in probes]


def _verdict(probe: Probe, throwaways: list[Throwaway]) -> Verdict:
    shows, advice = _KNOWN[probe["name"]]
    if probe["name"] == "logs":
        return _logged(probe, advice)
    error = probe["error"] or _fault(probe, throwaways)
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
    if probe["name"] == "certificates":
        return ok(f"{shows}. A PFX of this server is encrypted with {_ciphers(probe['values'])}.")
    return ok(f"{shows}.")


def _fault(probe: Probe, throwaways: list[Throwaway]) -> str:
    """Why what a probe reports is not as it should be; empty when it is."""
    if probe["name"] == "certificates":
        return _export_error(probe["values"], throwaways)
    return _json_error(probe["values"]) if probe["name"] == "json" else ""


def _ciphers(exports: list[str]) -> str:
    return " and ".join(pfx.ciphers(b"".join(map(base64.b64decode, exports)))) or "an unknown cipher"


def _json_error(values: list[str]) -> str:
    try:
        (text,) = values
        return "" if strict(text.encode("utf-8", "surrogatepass")) == JSON else "What comes back is not what was sent."
    except ValueError as exc:
        return f"What comes back is not JSON: {exc}."


def _logged(probe: Probe, advice: str) -> Verdict:
    """C(values): in how many events a password was, and in how many a text that a cmdlet was given to see."""
    counts = [int(value) for value in probe["values"] if value.isdecimal()]
    if probe["error"] or len(counts) != len(("passwords", "controls")):
        reason = probe["error"].rstrip(".") or "there was no password"
        return warning(f"Windows' event logs were not searched: {reason}.", advice)
    passwords, controls = counts
    if passwords:
        return failure(
            f"{passwords} events of Windows' logs have a password that this run was given.",
            "It was a throwaway. Keep those events, report this to the collection's maintainers, and let "
            "administrators alone read these logs, wherever they are forwarded to.",
        )
    if controls:
        return ok("Windows logs what cmdlets are given, and none of the passwords that this run was given.")
    return ok("Windows logs neither what cmdlets are given nor a password that this run was given.")


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
