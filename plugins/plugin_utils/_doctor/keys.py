# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of Access Manager's certificates, its secrets, and HTTP.sys."""

from __future__ import annotations

import datetime
import itertools

from .._ams.checks import problems_of_certificates
from .._ams.constants import ACCESS_MANAGER_APPLICATION, SERVICE_SID, SERVICE_STORE, SecretMode
from .._ams.description import own_http_configuration
from .._ams.shapes import Binding
from .._ams.web_site_name import configured_names
from .._target import health
from .._text import time_of
from .._windows import sddl
from .._windows.tls_certificate import TlsCertificate, certificates_of
from .facts import Facts
from .verdict import STATES, Check, Verdict, failure, ok, warning

_SET_VALUE = 0x2 | 0x40000000 | 0x10000000
"""KEY_SET_VALUE, GENERIC_WRITE, GENERIC_ALL."""

_SERVICE_ACCOUNTS = {"SY": "S-1-5-18", "LS": "S-1-5-19", "NS": "S-1-5-20"}
_LOGON_GROUPS = ("WD", "AU", "SU")
"""Everyone, authenticated users, services: who is in them whatever the service's account."""


def _encryption_certificates(facts: Facts) -> Verdict:
    used = health.encryption_certificates(facts.server["certificates"])
    problems = problems_of_certificates(facts.server["certificates"])
    if problems:
        return warning(" ".join(problems), "A backup would be incomplete by this: keep these keys by other means.")
    unreadable = health.unreadable_keys(facts.server["certificates"])
    if unreadable:
        return warning(
            f"The service may not read the private keys of {', '.join(unreadable)}.",
            "Run certificate_import with a backup of them: it gives the service that permission.",
        )
    if not used:
        return ok("There is no encryption certificate, as where passwords in Active Directory are not encrypted.")
    latest = max((moment for one in used if (moment := time_of(one["not_after"]))), default=facts.now)
    found = f"{len(used)} encryption certificates with exportable keys, the last of them until {latest:%Y-%m-%d}."
    if latest < facts.now + datetime.timedelta(days=facts.thresholds.certificate_days):
        return warning(found, "Make a new encryption certificate in the configuration tool, and back it up.")
    return ok(found)


def _exports(facts: Facts) -> Verdict:
    failed = [f"{one['thumbprint']}: {one['error']}" for one in facts.examination["exports"] if one["error"]]
    if failed:
        return warning(
            f"Keys that call themselves exportable do not leave their store: {'; '.join(failed)}.",
            "A backup would be incomplete by this: look at the key's provider, and keep its PFX by other means.",
        )
    return ok(f"{len(facts.examination['exports'])} keys were exported in memory, under a password that nobody kept.")


def _keys_elsewhere(facts: Facts) -> Verdict:
    """The keys outside the service's own store: Access Manager finds them there, and so does a backup."""
    error = facts.examination["user_store"]
    if error:
        return warning(
            f"CurrentUser\\My of the service's account cannot be read: {error}",
            "Access Manager looks there too, and no backup holds what is there: see with certmgr.msc, as that account, "
            "whether a key is there, and import its PFX into the service's store with the configuration tool.",
        )
    keyed = [one for one in facts.server["certificates"] if one["key"]["present"]]
    own = {one["thumbprint"] for one in keyed if one["store"] == SERVICE_STORE}
    elsewhere = [f"{one['thumbprint']} in {one['store']}" for one in keyed if one["thumbprint"] not in own]
    if elsewhere:
        return ok(f"A backup also takes {', '.join(elsewhere)}: these keys are not in the service's own store.")
    return ok("Every key that Access Manager made is in the service's own store.")


def _registry_permissions(facts: Facts) -> Verdict:
    """Whether the service may write where it writes by itself: its own keys, and the store of its certificates."""
    trustees = {SERVICE_SID, facts.server["service_sid"], *_LOGON_GROUPS}
    trustees |= {alias for alias, sid in _SERVICE_ACCOUNTS.items() if sid in trustees}
    permissions = facts.server["state"]["registry_permissions"]
    closed = [rf"HKLM\{one['key']}" for one in permissions if not _lets_write(one["sddl"], trustees)]
    if closed:
        return warning(
            f"No rule lets the service write to {', '.join(closed)}.",
            "Give NT SERVICE\\lithnetams full control of it, as Access Manager's installer does, unless its account is "
            "in a group that has it.",
        )
    return ok("The service may write to its keys in the registry, and to the store of its certificates.")


def _lets_write(text: str, trustees: set[str]) -> bool:
    rules = [rule for rule in sddl.rules(text) if rule.access == "allow" and rule.trustee in trustees]
    return any(rule.mask & _SET_VALUE for rule in rules)


def _tls_certificates(facts: Facts) -> Verdict:
    bindings = own_http_configuration(facts.server["state"]["http_sys"])["bindings"]
    if not bindings:
        return warning(
            "HTTP.sys has no TLS binding of Access Manager.", "Set the certificate in the configuration tool."
        )
    known = certificates_of(facts.server["state"]["tls_certificates"])
    verdicts = [_tls_certificate(binding, known.get(binding["thumbprint"]), facts) for binding in bindings]
    return max(verdicts, key=lambda verdict: STATES.index(verdict.state))


def _tls_certificate(binding: Binding, certificate: TlsCertificate | None, facts: Facts) -> Verdict:
    endpoint, thumbprint = binding["endpoint"], binding["thumbprint"]
    if not thumbprint:
        return ok(f"{endpoint} takes its certificate from the central store.")
    if certificate is None or not certificate.has_key:
        lack = "is not in its store" if certificate is None else "has no private key"
        return failure(
            f"The certificate {thumbprint} of {endpoint} {lack}: nobody can connect.",
            "Set another in the configuration tool.",
        )
    end = certificate.not_after
    found = f"The certificate of {endpoint}, {certificate.subject}, is valid until {end:%Y-%m-%d}."
    if end < facts.now:
        return failure(f"{found} It has expired.", "Renew it, and set the new one in the configuration tool.")
    return (
        warning(found, "Renew it in time, and set the new one in the configuration tool.")
        if end < facts.now + datetime.timedelta(days=facts.thresholds.tls_days)
        else ok(found)
    )


def _web_site_names(facts: Facts) -> Verdict:
    mismatches = list(health.name_mismatches(facts.server))
    if mismatches:
        return warning(
            " ".join(mismatches), "Set a certificate for that name in the configuration tool, or correct the setting."
        )
    names = ", ".join(sorted({*configured_names(facts.server["settings"]).values()}))
    if not names:
        return ok("The settings give the web site no name: those of its certificate count.")
    return ok(f"No certificate of the web site is for other names than {names}.")


def _http_sys(facts: Facts) -> Verdict:
    http_sys = facts.server["state"]["http_sys"]
    own = own_http_configuration(http_sys)
    ports = {_port(one["endpoint"]) for one in own["bindings"]}
    ports |= {_port(one["url"]) for one in own["reservations"]}
    foreign = [
        one["endpoint"]
        for one in http_sys["bindings"]
        if one["application_id"] != ACCESS_MANAGER_APPLICATION and _port(one["endpoint"]) in ports
    ]
    foreign += [
        one["url"] for one in http_sys["reservations"] if SERVICE_SID not in one["sddl"] and _port(one["url"]) in ports
    ]
    if foreign:
        return warning(
            f"Other programs have {', '.join(foreign)} in HTTP.sys, on a port of Access Manager.",
            "A restore does not touch what is not Access Manager's: see that they do not take its addresses.",
        )
    unknown = sorted(set(itertools.chain.from_iterable(one["other_values"] for one in own["bindings"])))
    if unknown:
        return warning(
            f"Access Manager's bindings have settings that no backup holds: {', '.join(unknown)}.",
            "Write down what 'netsh http show sslcert' says of them: after a restore an administrator sets them again.",
        )
    return ok(f"{len(own['bindings'])} bindings and {len(own['reservations'])} reservations are Access Manager's.")


def _port(address: str) -> str:
    """The port of an endpoint or a URL."""
    return address.removesuffix("/").rpartition(":")[2].partition("/")[0]


def data_protection(facts: Facts) -> Verdict:
    error = facts.examination["data_protection"]
    if error:
        return failure(
            f"DPAPI of the local machine does not decrypt what it has encrypted: {error}",
            "Look in the event log for DPAPI and the Cryptographic Services (CryptSvc), and run this again.",
        )
    return ok("DPAPI of the local machine decrypts what it has encrypted.")


def _secrets(facts: Facts) -> Verdict:
    secrets = [one for one in facts.examination["secrets"] if one["mode"] == SecretMode.MACHINE]
    closed = [one["path"] for one in secrets if not one["decrypts"]]
    if closed:
        return warning(
            f"This server does not decrypt {', '.join(closed)}: no backup has them.",
            "Enter them again in the configuration tool; such secrets come from another server.",
        )
    return ok(
        f"This server decrypts the {len(secrets)} secrets that it protected."
        if secrets
        else "No secret is protected there."
    )


def _domain_secrets(facts: Facts) -> Verdict:
    """Those of mode 3: the domain lets certain accounts decrypt them, and this may be none, or reach no controller."""
    secrets = [one for one in facts.examination["secrets"] if one["mode"] == SecretMode.DOMAIN]
    closed = [one["path"] for one in secrets if not one["decrypts"]]
    if closed:
        return warning(
            f"This account cannot decrypt the secrets of the domain {', '.join(closed)}: a backup keeps them as they "
            "are, and no server of another domain can decrypt them.",
            "To have them in clear, back up as an account that can decrypt them, over a connection that delegates "
            "(Kerberos, CredSSP) so that it reaches a domain controller.",
        )
    if not secrets:
        return ok("No secret is the domain's.")
    return ok(f"This account can decrypt {len(secrets)} secrets of the domain.")


CHECKS: tuple[Check[Facts], ...] = (
    Check("encryption certificates", _encryption_certificates),
    Check("exported keys", _exports),
    Check("keys elsewhere", _keys_elsewhere),
    Check("registry permissions", _registry_permissions),
    Check("TLS certificates", _tls_certificates),
    Check("web site names", _web_site_names),
    Check("HTTP.sys", _http_sys),
    Check("secrets", _secrets),
    Check("secrets of the domain", _domain_secrets),
)
