# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an administrator has to do when a server takes another's place, each with the commands for it.

What comes from a backup goes into a command only when it looks like what it must be: an administrator will run it.
"""

from __future__ import annotations

import collections.abc as c
import itertools
import re

from .._ams.constants import CHANNELS, EXTERNAL_DATABASE, FIREWALL_RULE
from .._ams.web_site_name import HOST_NAME, MODES
from .._contents.web_address import values_at
from .._text import printable
from .._windows.firewall_rule import is_let_in
from .items import Item
from .manual_task_facts import UNNAMED, Recovery, matching
from .plan import Task
from .secret_tasks import secrets, synchronised
from .service_tasks import account, configured, kds, start_type

_RESOURCE = re.compile(r"[A-Za-z0-9_(][A-Za-z0-9_ ().-]{0,79}")

_LOADED = re.compile(
    r"^[ \t]*(?:Import-Module[ \t]+(?:-Name[ \t]+)?|#Requires[ \t]+-Modules?[ \t]+|using[ \t]+module[ \t]+|\.[ \t]+)"
    r"[\"']?([^\s;,\"'#|)}@-][^\s;,\"'#|)}@]{0,119})",
    re.IGNORECASE | re.MULTILINE,
)
"""What a script loads: a module by its name, or a file by its path."""

_MODULE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_PORT = re.compile(r"[0-9]{1,5}")
_FEDERATED = {
    "oidc": ("Authentication.Oidc.Authority", "OpenID Connect"),
    "wsfed": ("Authentication.WsFed.Metadata", "WS-Federation"),
}

_CHECKPOINT = r"SOFTWARE\Lithnet\Access Manager Service\Parameters"
"""What a failover cluster replicates of Access Manager's registry."""


def tasks_of(recovery: Recovery) -> list[Task]:
    """The tasks, in the order in which they are to be done."""
    return list(itertools.chain.from_iterable(find_tasks(recovery) for find_tasks in _TASKS))


def spn(recovery: Recovery) -> c.Iterator[Task]:
    if recovery.authentication in MODES[1:]:
        return
    if recovery.web_address.name is None:
        text = f"Integrated Windows authentication needs the SPN HTTP/{UNNAMED} on the computer account {recovery.new}:"
        yield Task(Item.SPN, f"{text} put the name of the web site, which nothing names, and have it added.")
        return
    spn = f"HTTP/{recovery.web_name}"
    needed = f"Integrated Windows authentication needs the SPN {spn} on the computer account {recovery.new}:"
    if recovery.web_address.is_guessed:
        text = (
            f"{needed} That this is its name is a guess: where users reach it by that name, a domain administrator "
            "sees to it that no other account has the SPN."
        )
        yield Task(Item.SPN, text, (f"setspn -Q {spn}",))
    elif recovery.is_renamed:
        commands = (f"setspn -Q {spn}", f"setspn -D {spn} {recovery.old}", f"setspn -S {spn} {recovery.new}")
        yield Task(Item.SPN, f"{needed} a domain administrator moves it.", commands)
    else:
        yield Task(
            Item.SPN,
            f"{needed} see that it is there, or add it.",
            (f"setspn -Q {spn}", f"setspn -S {spn} {recovery.new}"),
        )


def dns(recovery: Recovery) -> c.Iterator[Task]:
    if not recovery.is_renamed:
        return
    address = recovery.web_address
    lead = f"Let the DNS name of the web site, and a load balancer, lead to {recovery.new}."
    if address.name is None:
        yield Task(Item.DNS, f"{lead} Neither the configuration nor the certificate names the web site.")
        return
    shows = f"Resolve-DnsName -Name {address.name}"
    if address.is_guessed:
        text = f"{lead} That {address.name} is its name is a guess: see where that leads, and change what users use."
        yield Task(Item.DNS, text, (shows,))
        return
    name, _dot, zone = address.name.partition(".")
    record = f"-ComputerName DNS-SERVER -ZoneName {zone or 'ZONE'} -Name {name}"
    yield Task(
        Item.DNS,
        f"{lead} The first command shows where it leads now, the others change it; put the address of {recovery.new} "
        "for NEW-ADDRESS.",
        (
            shows,
            f"Remove-DnsServerResourceRecord {record} -RRType A -Force",
            f"Add-DnsServerResourceRecordA {record} -IPv4Address NEW-ADDRESS",
        ),
    )


def _tls(recovery: Recovery) -> c.Iterator[Task]:
    missing = [endpoint for endpoint, binding in recovery.bindings.items() if binding is None]
    if not missing:
        return
    text = (
        f"There is no certificate for {', '.join(missing)}: Configured stays as it is, so that nothing is served yet. "
        f"Import one for {recovery.web_name} with its private key, and run the recovery again with its thumbprint."
    )
    location = r"Cert:\LocalMachine\My"
    yield Task(
        Item.TLS_CERTIFICATE,
        text,
        (
            f"Import-PfxCertificate -FilePath .\\web.pfx -CertStoreLocation {location} -Password (Read-Host "
            "-AsSecureString)",
            f"Get-ChildItem {location} | Format-List Subject, Thumbprint, HasPrivateKey",
            recovery.again(restore_tls_thumbprint="THUMBPRINT"),
        ),
    )


def identity_provider(recovery: Recovery) -> c.Iterator[Task]:
    if recovery.authentication in _FEDERATED and recovery.is_renamed:
        path, kind = _FEDERATED[recovery.authentication]
        provider = printable((recovery.texts(path) or ["the identity provider"])[-1])
        address = recovery.web_address.address(recovery.web_name)
        uris = f"{address}/auth and {address}/auth/logout"
        yield Task(
            Item.IDENTITY_PROVIDER,
            f"{kind}: if users reach this server by another name, register {uris} at {provider}.",
        )


def _firewall(recovery: Recovery) -> c.Iterator[Task]:
    here = [str(rule["rule"]) for rule in recovery.server["state"]["firewall"]]
    ports = (recovery.web_address.http_port, recovery.web_address.https_port)
    listed = f"{ports[0]},{ports[1]}"
    if here:
        closed = [str(port) for port in ports if not is_let_in(port, here)]
        if closed:
            text = (
                f"Access Manager's firewall rule does not let in TCP {' and '.join(closed)}: give it the ports of the "
                "web site."
            )
            command = f"Set-NetFirewallRule -DisplayName '{FIREWALL_RULE}' -Enabled True -Action Allow -Protocol TCP"
            yield Task(Item.FIREWALL, text, (f"{command} -LocalPort {listed}",))
    elif recovery.contents.configuration.described["state"]["firewall"]:
        text = (
            "The firewall rule of Access Manager is missing here: add it, or save the web settings in the "
            "configuration tool."
        )
        rule = f"New-NetFirewallRule -DisplayName '{FIREWALL_RULE}' -Direction Inbound -Action Allow -Protocol TCP"
        yield Task(Item.FIREWALL, text, (f"{rule} -LocalPort {listed}",))


def _cluster(recovery: Recovery) -> c.Iterator[Task]:
    here, there = recovery.server["cluster"], recovery.contents.configuration.described["cluster"]
    if here:
        resource = matching(here.get("resource"), _RESOURCE, "RESOURCE")
        yield Task(
            Item.FAILOVER_CLUSTER,
            f"{recovery.new} is a node of a failover cluster. TLS certificate, HTTP.sys, firewall, service account and "
            "Configured are of "
            "each node: see that the cluster replicates the registry key, move the role to each other node, and "
            "recover that too.",
            (
                f"Get-ClusterCheckpoint -ResourceName '{resource}' -RegistryCheckpoint",
                f"Add-ClusterCheckpoint -ResourceName '{resource}' -RegistryCheckpoint '{_CHECKPOINT}'",
                f"Move-ClusterGroup -Name (Get-ClusterResource -Name '{resource}').OwnerGroup.Name -Node OTHER-NODE",
                recovery.again(target="OTHER-NODE"),
            ),
        )
    elif there:
        text = (
            f"The old server was a node of a failover cluster, and {recovery.new} is none: it serves alone, until its "
            "role is made in a cluster and the recovery was run on the node that owns it."
        )
        yield Task(
            Item.FAILOVER_CLUSTER, text, ("Get-ClusterResource | Where-Object ResourceType -eq 'Generic Service'",)
        )


def mail_and_webhooks(recovery: Recovery) -> c.Iterator[Task]:
    mail = recovery.texts("Email.Host")
    if mail:
        text = f"The mail server '{printable(mail[-1])}' must take mail from {recovery.new}."
        host = mail[-1] if HOST_NAME.fullmatch(mail[-1]) else "MAIL-SERVER"
        port = (recovery.texts("Email.Port") or ["25"])[-1]
        command = f"Test-NetConnection -ComputerName {host} -Port {port if _PORT.fullmatch(port) else 25}"
        yield Task(Item.MAIL_AND_WEBHOOKS, text, (command,))
    (webhooks,) = (place for place, kind in CHANNELS.items() if kind == "Webhook")
    if recovery.texts(f"{webhooks}.Url"):
        text = f"The receivers of webhooks must accept them from the address of {recovery.new}."
        yield Task(Item.MAIL_AND_WEBHOOKS, text)


def shares(recovery: Recovery) -> c.Iterator[Task]:
    for reference in recovery.contents.configuration.described["references"]:
        if reference["place"] == "share":
            text = (
                f"{printable(reference['key'])} names '{printable(reference['value'])}' on a share: let {recovery.new} "
                "read it."
            )
            yield Task(Item.FILES_ON_SHARES, text)


def modules(recovery: Recovery) -> c.Iterator[Task]:
    configuration = recovery.contents.configuration
    scripts = [name for name in configuration.files if name.lower().endswith(".ps1")]
    loaded: set[str] = set()
    for name in scripts:
        loaded.update(_LOADED.findall(configuration.read(name).decode("utf-8", "replace")))
    if loaded:
        text = (
            f"Scripts load {', '.join(sorted(map(printable, loaded)))}, which no backup holds: see that {recovery.new} "
            "has them, for the PowerShell 7 in which Access Manager runs them."
        )
        names = sorted(name for name in loaded if _MODULE.fullmatch(name))
        yield Task(Item.SCRIPT_MODULES, text, (f"Get-Module -ListAvailable -Name {','.join(names)}",) if names else ())


def _variables(recovery: Recovery) -> c.Iterator[Task]:
    names = sorted(
        {one["variable"].partition("=")[0] for one in recovery.contents.configuration.described["environment"]}
    )
    here = {str(name).lower() for name in recovery.server["state"]["service"].get("environment_variables", [])}
    missing = [printable(name) for name in names if name.lower() not in here]
    if missing:
        text = f"Environment variables overrode the configuration: {', '.join(missing)}."
        yield Task(Item.ENVIRONMENT_VARIABLES, f"{text} Their values are in state/installation.json of config.zip.")


def _database(recovery: Recovery) -> c.Iterator[Task]:
    external = list(values_at(recovery.contents.configuration, EXTERNAL_DATABASE))
    if external and external[-1] is True:
        text = f"The database lies in an external SQL Server: let the service of {recovery.new} log on there."
        yield Task(Item.EXTERNAL_SQL_SERVER, text)


def _certificates(recovery: Recovery) -> c.Iterator[Task]:
    there = set(recovery.plan.usable_certificates)
    for certificate in recovery.contents.source.certificates:
        thumbprint = certificate["thumbprint"]
        if thumbprint not in there and thumbprint not in (recovery.contents.certificates or {}):
            shown = printable(thumbprint)
            yield Task(
                Item.CERTIFICATES,
                f"The private key of certificate {shown} is neither here nor in the backup: import its original PFX.",
            )


_TASKS: tuple[c.Callable[[Recovery], c.Iterator[Task]], ...] = (
    kds,
    account,
    start_type,
    _certificates,
    secrets,
    synchronised,
    _tls,
    _firewall,
    _cluster,
    shares,
    modules,
    configured,
    _variables,
    _database,
    spn,
    dns,
    identity_provider,
    mail_and_webhooks,
)
