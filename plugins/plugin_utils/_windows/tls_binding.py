# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS bindings of HTTP.sys: their parameters, in words and to compare. Names are those of http.h in Windows' SDK."""

from __future__ import annotations

from .._ams.shapes import Binding

ADDRESS, HOST_NAME, CENTRAL_STORE = "address", "host_name", "central_store"
"""What a binding is for: ADDRESS:PORT, HOST:PORT (SNI), or a PORT whose certificates come from the central store (CCS).
"""

NUMBERS = ("flags", "check_mode", "revocation_freshness", "revocation_timeout")
_NAMED = ("revocation_freshness", "revocation_timeout", "ctl_identifier", "ctl_store")
PARAMETERS = ("thumbprint", "application_id", "store", *NUMBERS, "ctl_identifier", "ctl_store")

_FLAGS = {
    0x1: "client certificates are mapped to accounts of the directory",
    0x2: "client certificates are negotiated",
    0x4: "no raw filters",
    0x8: "connections are rejected",
    0x10: "no HTTP/2",
    0x20: "no QUIC",
    0x40: "no TLS 1.3",
    0x80: "no OCSP stapling",
    0x100: "token binding",
    0x200: "extended events are logged",
    0x400: "no legacy TLS",
    0x800: "session tickets",
    0x1000: "no TLS 1.2",
    0x2000: "client correlation",
    0x4000: "no session identifiers",
    0x8000: "client hellos are cached",
}
_CHECK_MODES = {
    0x1: "revocation of client certificates is not checked",
    0x2: "revocation of client certificates is checked with cached lists alone",
    0x4: "lists of revoked certificates are renewed by the freshness time",
    0x10000: "the usage of client certificates is not checked",
}


def plain_binding(kind: str, endpoint: str, thumbprint: str, application_id: str, store: str) -> Binding:
    """A binding as Windows makes it when no more is given."""
    return {
        "kind": kind,
        "endpoint": endpoint,
        "thumbprint": thumbprint,
        "application_id": application_id,
        "store": store,
        "flags": 0,
        "check_mode": 0,
        "revocation_freshness": 0,
        "revocation_timeout": 0,
        "ctl_identifier": "",
        "ctl_store": "",
        "other_values": [],
    }


def place_of_binding(binding: Binding) -> tuple[str, str]:
    """What a binding is for, to compare: HTTP.sys has one of each."""
    return binding["kind"], binding["endpoint"].lower()


def is_same_binding(one: Binding, other: Binding) -> bool:
    return _to_compare(one) == _to_compare(other)


def _to_compare(binding: Binding) -> dict[str, str]:
    """The parameters of a binding. A certificate without the name of its store is in MY."""
    folded = {name: str(value).lower() for name, value in binding.items() if name in PARAMETERS}
    return folded | {"store": _store_of(binding)}


def _store_of(binding: Binding) -> str:
    return binding["store"].lower() or "my"


def unknown_parameters(binding: Binding) -> list[str]:
    """The parameters of a binding that this collection does not know: it does not make one with them."""
    bits = {"flags": binding["flags"] & ~sum(_FLAGS), "check_mode": binding["check_mode"] & ~sum(_CHECK_MODES)}
    return [f"{name} 0x{unknown:x}" for name, unknown in bits.items() if unknown]


def words_of(binding: Binding) -> str:
    """A binding's certificate and its parameters, in words; those are left out that are as Windows makes them."""
    words = [text for bit, text in _FLAGS.items() if binding["flags"] & bit]
    words += [text for bit, text in _CHECK_MODES.items() if binding["check_mode"] & bit]
    words += unknown_parameters(binding)
    words += [f"{name} {value}" for name, value in binding.items() if name in _NAMED and value]
    words += [f"store {binding['store']}"] if _store_of(binding) != "my" else []
    words += [f"unknown setting {name}" for name in binding["other_values"]]
    certificate = binding["thumbprint"] or "the central store"
    return f"{certificate} ({', '.join(words)})" if words else certificate


def port_of(binding: Binding) -> str:
    return binding["endpoint"].rpartition(":")[2]
