# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server says of itself that will hurt later, though a backup of it is complete: one sentence each."""

from __future__ import annotations

import collections.abc as c
import datetime
import itertools
import typing as t

from .._ams import service_events
from .._ams.constants import CLUSTER_ENCRYPTION_USAGE, PASSWORD_ENCRYPTION_USAGE, SERVICE_SID
from .._ams.description import Described, own_http_configuration
from .._ams.shapes import Binding, Certificate, MissingKey, PresentKey, Service, State
from .._ams.web_site_name import configured_names
from .._text import time_of
from .._windows import sddl
from .._windows.tls_certificate import TlsCertificate, certificates_of

EXPIRY_DAYS = 30
"""How many days before its end a certificate is warned of, when no other number is given."""

_ADMINISTRATORS = ("BA", "S-1-5-32-544")
_AUTOMATIC, _MANUAL = 2, 3
_RENEW = "make a new one in the configuration tool, back it up, and publish it."


class Thresholds(t.NamedTuple):
    """How many days before their end the certificates of the web site, and those for passwords, are warned of."""

    tls_days: int = EXPIRY_DAYS
    certificate_days: int = EXPIRY_DAYS


def warnings_of(described: Described) -> list[str]:
    """A sentence for each thing that a person should look at before it hurts, whatever the time."""
    unreadable = map(_unreadable, unreadable_keys(described["certificates"]))
    names = (f"{sentence} Set one for that name in the configuration tool." for sentence in name_mismatches(described))
    tls = itertools.chain(_unusable_tls(described["state"]), names)
    return [*_service(described), *_account(described), *tls, *unreadable]


def event_warnings_of(described: Described) -> list[str]:
    """A sentence for each kind of error that the service logged lately."""
    return service_events.sentences(described["service_events"]["events"])


def expiry_warnings_of(described: Described, now: datetime.datetime, thresholds: Thresholds) -> list[str]:
    """A sentence for each certificate that has expired or ends soon."""
    return [
        *_tls(described["state"], now, thresholds.tls_days),
        *_encryption(described["certificates"], now, thresholds.certificate_days),
    ]


def start_obstacles(described: Described, kind: str | None = None) -> list[str]:
    """What would keep the service from starting again after a stop; of one kind alone, or of all."""
    return [str(one["text"]) for one in described["start_obstacles"] if kind in (None, one["kind"])]


def may_stop(described: Described) -> bool:
    """Whether a stop leaves nothing stopped that could not start again: also where the service does not run anyway."""
    return not described["start_obstacles"] or described["state"]["service"]["status"] == "Stopped"


def is_unmanaged(service: Service) -> bool:
    """Whether Windows does not keep the password of a service's group managed account."""
    return str(service["account"]).endswith("$") and not service["managed"]


def unmanaged(service: Service) -> str:
    return (
        f"The service's account, {service['account']}, is not marked as a managed one: when its password changes, "
        f"the service does not start any more. Run 'sc.exe managedaccount {service['name']} true'."
    )


def starts_too_early(service: Service) -> bool:
    """Whether a service may start with its server before the password of its group managed account can be fetched."""
    return str(service["account"]).endswith("$") and service["start"] == _AUTOMATIC and not service["delayed_start"]


def too_early(service: Service) -> str:
    return (
        f"The service's account, {service['account']}, is a group managed one, and the service starts with the server "
        f"without delay, maybe before a domain controller is reached. Run 'sc.exe config {service['name']} start= "
        "delayed-auto'."
    )


def unreadable_keys(certificates: c.Iterable[Certificate]) -> list[str]:
    """The thumbprints of the certificates whose keys are on the server, and the service may not read."""
    keys: dict[str, list[bool]] = {}
    for one in certificates:
        if one["key"]["present"]:
            keys.setdefault(one["thumbprint"], []).append(service_may_read(one["key"]))
    return [thumbprint for thumbprint, readable in keys.items() if not any(readable)]


def encryption_certificates(certificates: c.Iterable[Certificate]) -> list[Certificate]:
    """Those of Access Manager's certificates to which passwords may be encrypted.

    That is each with a key, whatever its usages are, but for that of a cluster's secrets.
    """
    return [one for one in certificates if PASSWORD_ENCRYPTION_USAGE in one["usages"] or _may_be_published(one)]


def _may_be_published(certificate: Certificate) -> bool:
    return certificate["key"]["present"] and CLUSTER_ENCRYPTION_USAGE not in certificate["usages"]


def service_may_read(key: MissingKey | PresentKey) -> bool:
    """Whether the service and the administrators may read the file of a key; a key without a file is not judged."""
    text = key["sddl"] if key["present"] else ""
    return not text or (sddl.may_read(text, SERVICE_SID) and sddl.may_read(text, *_ADMINISTRATORS))


def tls_problem(certificate: TlsCertificate, now: datetime.datetime, days: int) -> str:
    """Why a certificate of the web site needs a person; empty when it does not."""
    left = (certificate.not_after - now).days
    end = f"{certificate.not_after:%Y-%m-%d}"
    if certificate.not_after <= now:
        return f"expired on {end}"
    return f"expires on {end}, in {left} days" if left < days else ""


def _service(described: Described) -> c.Iterator[str]:
    for obstacle in start_obstacles(described):
        yield f"After a stop the service could not start again. {obstacle}"
    if not described["installation"]["configured"]:
        yield (
            "Configured in the registry is not 1: the service serves nothing. Finish its setup; where the installer, "
            "run again with another name of the service's account, has deleted it, restore the last backup with it."
        )
    service = described["state"]["service"]
    if service["start"] == _MANUAL:
        yield (
            f"The service {service['name']} does not start with the server (manual): set its start type with "
            f"'sc.exe config {service['name']} start= delayed-auto'."
        )


def _account(described: Described) -> c.Iterator[str]:
    service = described["state"]["service"]
    if is_unmanaged(service):
        yield unmanaged(service)
    if starts_too_early(service):
        yield too_early(service)


def _unusable_tls(state: State) -> c.Iterator[str]:
    for thumbprint, endpoints, certificate in _bound(state):
        if certificate is None or not certificate.has_key:
            lack = "is not in its store" if certificate is None else "has no private key"
            yield f"The TLS certificate {thumbprint} of {endpoints} {lack}: nobody can connect."


def name_mismatches(described: Described) -> c.Iterator[str]:
    """A sentence for each bound certificate that is for other names than the settings give the web site."""
    names = configured_names(described["settings"])
    for thumbprint, endpoints, certificate in _bound(described["state"]):
        for problem in certificate.mismatches(names) if certificate else ():
            yield f"The TLS certificate {thumbprint} of {endpoints} {problem}: browsers warn of it."


def _tls(state: State, now: datetime.datetime, days: int) -> c.Iterator[str]:
    for thumbprint, endpoints, certificate in _bound(state):
        if certificate and (problem := tls_problem(certificate, now, days)):
            yield (
                f"The TLS certificate {thumbprint} ({certificate.subject}) of {endpoints} {problem}: renew it, and set "
                "the new one in the configuration tool."
            )


def _bound(state: State) -> c.Iterator[tuple[str, str, TlsCertificate | None]]:
    """Each certificate of Access Manager's TLS bindings: its thumbprint, its endpoints, and itself if it is there."""
    bound = certificates_of(state["tls_certificates"])
    bindings = [one for one in own_http_configuration(state["http_sys"])["bindings"] if one["thumbprint"]]
    for thumbprint, group in itertools.groupby(sorted(bindings, key=_thumbprint), key=_thumbprint):
        yield thumbprint, ", ".join(one["endpoint"] for one in group), bound.get(thumbprint)


def _thumbprint(binding: Binding) -> str:
    return binding["thumbprint"].upper()


def _encryption(certificates: c.Iterable[Certificate], now: datetime.datetime, days: int) -> c.Iterator[str]:
    """One for each certificate that ends soon. One that has ended is kept for old passwords: only when none is valid
    any more, that is said.
    """
    used = encryption_certificates(certificates)
    ends = {one["thumbprint"]: end for one in used if (end := time_of(one["not_after"]))}
    for thumbprint, end in ends.items():
        if now < end and (end - now).days < days:
            yield (
                f"The encryption certificate {thumbprint} expires on {end:%Y-%m-%d}, in {(end - now).days} days: "
                f"{_RENEW}"
            )
    if ends and max(ends.values()) <= now:
        yield f"Every encryption certificate has expired: {_RENEW}"


def _unreadable(thumbprint: str) -> str:
    return (
        f"The service may not read the private key of certificate {thumbprint}: passwords that were encrypted with it "
        "cannot be shown. Run certificate_import with a backup of it, which gives the service that permission."
    )
