# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of Access Manager v1: what to capture, how it is named, what is refused.

Source: lithnet/access-manager, option classes in Lithnet.AccessManager.Server/Configuration, and the MSI.
"""

from __future__ import annotations

import collections.abc as c
import enum
import re
import typing as t

from . import service_events
from .web_site_name import SETTINGS

SERVICE_SID = "S-1-5-80-125788923-1836679867-2653951330-153436886-93372159"
"""The security identifier of the service lithnetams: the same on every server."""

SUPPORTED_MAJOR_VERSION = 1

LATER_VERSIONS = (
    "Versions 2 and 3 keep their data in SQL Server: follow the vendor's backup page for them, back up their "
    "database, and export the recovery password of the master key in their configuration tool."
)
"""What the vendor's documents say to do with versions that this collection does not know."""

RETURN_TO_VERSION_1 = (
    "To return to version 1, uninstall them, install the MSI of version 1, and run the playbook rollback."
)

CLUSTERED_STOP = (
    "The service on {0} is the resource '{1}' of a failover cluster, which treats a stop from outside as a failure and "
    "restarts or moves the service. Stop it with 'Stop-ClusterResource -Name \"{1}\"' on {2}, run this again, and then "
    "start it with 'Start-ClusterResource -Name \"{1}\"'."
)
"""Why the service is not stopped: its server, the resource and the resource's owner. A target formats it too."""

SERVICE_STORE = r"lithnetams\MY"
"""The certificate store of the service."""

SERVICE_SETTINGS = (
    "account",
    "image_path",
    "start",
    "delayed_start",
    "depends_on",
    "sid_type",
    "managed",
    "environment_variables",
)
"""What is configured of the service, as a target names it."""

PASSWORD_ENCRYPTION_USAGE = "1.3.6.1.4.1.55989.2.1.1"
CLUSTER_ENCRYPTION_USAGE = "1.3.6.1.4.1.55989.2.1.2"
CERTIFICATE_USAGES = (PASSWORD_ENCRYPTION_USAGE, CLUSTER_ENCRYPTION_USAGE)

PASSWORD, HISTORY, EXPIRY = "lithnetAdminPassword", "lithnetAdminPasswordHistory", "lithnetAdminPasswordExpiry"
"""The attributes of computers in the directory: the current password, earlier ones, and when the agent makes a new one.
"""

CONFIGURATION_ENTRY = "CN=AccessManagerConfig,CN=Lithnet,CN=Services"
"""Where, under the forest's configuration, the certificate is published to which agents encrypt."""

PUBLISHED_CERTIFICATE = "cACertificate"

JSON_FILES = ("appsettings.json", "appsecrets.json", "apphost.json")
"""The JSON files of the configuration folder; a later one overrides an earlier one."""

CONFIG, EXTERNAL = "config/", "external/"
"""How the names of a backup's files begin: those of the configuration folder, and those from elsewhere."""

TEMPLATE_FOLDER, SCRIPT_FOLDER = "audit-templates", "scripts"

FILE_REFERENCES = {
    "Auditing.NotificationChannels.Smtp[].TemplateSuccess": TEMPLATE_FOLDER,
    "Auditing.NotificationChannels.Smtp[].TemplateFailure": TEMPLATE_FOLDER,
    "Auditing.NotificationChannels.Webhooks[].TemplateSuccess": TEMPLATE_FOLDER,
    "Auditing.NotificationChannels.Webhooks[].TemplateFailure": TEMPLATE_FOLDER,
    "Auditing.NotificationChannels.Powershell[].Script": SCRIPT_FOLDER,
    "Authorization.ComputerTargets[].Script": SCRIPT_FOLDER,
}
"""The JSON keys that name files, and the folder in which a bare name lies."""


EXTERNAL_DATABASE = "DatabaseConfiguration.UseExternalSql"
"""The JSON key that says that the database is not in LocalDB."""


class SecretMode(enum.IntEnum):
    """How a secret is protected: not at all, by its server alone, by a certificate of a cluster, for accounts of the
    domain.
    """

    CLEAR = 0
    MACHINE = 1
    CLUSTER = 2
    DOMAIN = 3


PROTECTED_SECRETS = ("Authentication.Oidc.Secret", "Email.Password", "DataProtection.Certificates[].Secret")
"""The JSON keys that hold an object with Data, Salt and Mode."""

CLEAR_SECRETS = (
    "DatabaseConfiguration.ConnectionString",
    "Auditing.NotificationChannels.Webhooks[].Url",
    "Licensing.Data",
    "DataProtection.Certificates[].Data",
)
"""The JSON keys whose values are secret though nothing protects them."""

_SECRET_NAME = re.compile(
    r"passw|pwd|passphrase|secret|token|credential|connectionstring|cookie|bearer|(api|access|private|shared|sas|account)[-_]?key"
    r"|^(key|pin|pin[-_]?code)$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"://[^/\s@]*:[^/\s@]*@|^\s*(basic|bearer)\s+\S|(^|;)\s*(password|pwd)\s*=\s*[^;\s]", re.IGNORECASE
)
"""A URL or a connection string with a password, and what a program sends to log on."""
_NOT_SECRET = frozenset({"authorizedsecretreaders", "enableclustercompatiblesecretencryption"})

RULES = "Authorization.ComputerTargets[]"
CHANNELS = {
    "Auditing.NotificationChannels.Smtp[]": "Mail",
    "Auditing.NotificationChannels.Webhooks[]": "Webhook",
    "Auditing.NotificationChannels.Powershell[]": "PowerShell",
}
"""The JSON lists of notification channels, and what each kind is called."""

LIST_KEYS = {
    RULES: "Id",
    **dict.fromkeys(CHANNELS, "Id"),
    "Authorization.AuthorizationServerMapping[]": "Domain",
    "Authorization.AuthorizationServerMapping[].Servers[]": "Name",
    "DataProtection.Certificates[]": "Thumbprint",
    "JitConfiguration.JitGroupMappings[]": "ComputerOU",
    "JitConfiguration.DynamicGroupMappings[]": "Domain",
}
"""The JSON lists whose elements are known by the value of one of their keys, whatever their order."""

RIGHTS = {
    0x200: "local admin password",
    0x400: "local admin password history",
    0x800: "just-in-time access",
    0x1000: "BitLocker recovery passwords",
}
"""The rights that a rule's security descriptor gives, by their bits."""

UPGRADE_CODE = "C86CA71D19F244343AFB1B434065A604"
"""Of Access Manager's MSI, {D17AC68C-2F91-4344-A3BF-B13404566A40}, as Windows Installer orders its digits."""

ACCESS_MANAGER_APPLICATION = "{4C3E21BA-7BEF-46C8-BC85-A4407DB6F596}"
"""The application id that Access Manager gives its TLS bindings."""

FIREWALL_RULE = "Lithnet Access Manager Web Service (HTTP/HTTPS-In)"


def is_secret_name(name: str) -> bool:
    """Whether a JSON key or registry value of that name may hold a secret, known or not."""
    return name.lower() not in _NOT_SECRET and _SECRET_NAME.search(name) is not None


def is_secret_value(value: t.Any) -> bool:
    """Whether a setting's value is, by its form, one that nobody else may see, whatever the setting is called."""
    return isinstance(value, str) and _SECRET_VALUE.search(value) is not None


def knowledge(thumbprints: c.Iterable[str] = ()) -> dict[str, t.Any]:
    """What a target's half has to know, as its option C(knowledge).

    C(thumbprints): of certificates that are Access Manager's whatever their usages are, because the directory names
    them.
    """
    return {
        "json_files": list(JSON_FILES),
        "references": [{"path": path, "folder": folder} for path, folder in FILE_REFERENCES.items()],
        "settings": [*SETTINGS, EXTERNAL_DATABASE],
        "secrets": list(PROTECTED_SECRETS),
        "usages": list(CERTIFICATE_USAGES),
        "thumbprints": list(thumbprints),
        "firewall_rule": FIREWALL_RULE,
        "service_sid": SERVICE_SID,
        "service_store": SERVICE_STORE,
        "clustered_stop": CLUSTERED_STOP,
        "upgrade_code": UPGRADE_CODE,
        "events": list(service_events.MEANINGS),
        "event_days": service_events.DAYS,
        "application_id": ACCESS_MANAGER_APPLICATION,
    }
