# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificate a TLS binding has after a restore: never an older one in place of a newer one that is bound."""

from __future__ import annotations

import collections.abc as c
import datetime

from .._ams.shapes import Binding
from .._contents.contents import Contents
from .._contents.web_address import names_in_settings
from .._target.health import EXPIRY_DAYS, tls_problem
from .._text import time_of
from .._windows import thumbprints
from .._windows.tls_certificate import TlsCertificate, certificates_of
from .plan import RestoreOptions
from .target_server import TargetServer

_NEVER = datetime.datetime.min.replace(tzinfo=datetime.UTC)


def with_newest_certificate(
    wanted: Binding, bound: c.Iterable[Binding], server: TargetServer, options: RestoreOptions
) -> Binding:
    """The binding of the backup, with the newest of the certificates that are bound and of its own."""
    for one in bound:
        wanted = _with_newer_certificate(wanted, one, server, options)
    return wanted


def _with_newer_certificate(wanted: Binding, bound: Binding, server: TargetServer, options: RestoreOptions) -> Binding:
    """The binding of the backup, with the certificate that is bound where the backup's has expired or ends earlier.

    One that was asked for by its thumbprint is taken whenever it ends.
    """
    ends = _ends(server)
    before, now = wanted["thumbprint"].upper(), bound["thumbprint"].upper()
    if before not in ends or now not in ends or before in thumbprints.parse(filter(None, [options.tls_thumbprint])):
        return wanted
    if ends[before] >= max(ends[now], datetime.datetime.now(datetime.UTC)):
        return wanted
    return wanted | {"thumbprint": bound["thumbprint"], "store": bound["store"]}


def sentence_of_choice(wanted: Binding, chosen: Binding, server: TargetServer) -> str:
    """Why a binding keeps its certificate."""
    ends = _ends(server)
    old, new = wanted["thumbprint"].upper(), chosen["thumbprint"].upper()
    return (
        f"The TLS binding {chosen['endpoint']} keeps the certificate {new} that is bound, which ends on "
        f"{ends[new]:%Y-%m-%d}: that of the backup, {old}, ends on {ends[old]:%Y-%m-%d}. To have it nevertheless, set "
        "it in the configuration tool."
    )


def warnings_of_bindings(bindings: c.Iterable[Binding], contents: Contents, server: TargetServer) -> c.Iterator[str]:
    """What is wrong with the certificates that the web site has after the restore: their ends, and their names."""
    names, now = names_in_settings(contents.configuration), datetime.datetime.now(datetime.UTC)
    known = certificates_of(contents.configuration.described["state"]["tls_certificates"])
    known |= certificates_of(server["state"]["tls_certificates"])
    for binding in bindings:
        certificate = known.get(binding["thumbprint"].upper())
        for problem in _problems(certificate, names, now) if certificate else ():
            yield (
                f"The TLS certificate {binding['thumbprint']} of {binding['endpoint']} {problem}: renew it, and set "
                "the new one in the configuration tool."
            )


def _problems(certificate: TlsCertificate, names: c.Mapping[str, str], now: datetime.datetime) -> list[str]:
    problem = tls_problem(certificate, now, EXPIRY_DAYS)
    return [*filter(None, [problem]), *certificate.mismatches(names)]


def _ends(server: TargetServer) -> dict[str, datetime.datetime]:
    """Until when the certificates are valid whose keys are on the server, by thumbprint."""
    bound = certificates_of(server["state"]["tls_certificates"])
    ends = {thumbprint: one.not_after for thumbprint, one in bound.items() if one.has_key}
    machine = server["machine_certificates"]
    return ends | {thumbprint: time_of(end) or _NEVER for thumbprint, end in machine.items()}
