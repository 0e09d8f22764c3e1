# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The things of Access Manager that the plan of a restore names, and what happens to each: on the same server, on
another.
"""

from __future__ import annotations

import enum


class Outcome(enum.StrEnum):
    """What happens to a thing."""

    RESTORED = "restored as it is"
    REPROTECTED = "re-protected"
    REWRITTEN = "rewritten"
    KEPT = "kept from the target"
    MANUAL = "manual"
    NOT_RESTORED = "not restored"
    NOTHING = "nothing to do"
    SAME = "as in the backup already"
    NONE = "none in the backup"
    LEFT_OUT = "left out of this run"
    RELOCATED = "moved into the configuration folder"
    NOT_MADE = "not made: there is no certificate"


class Item(enum.StrEnum):
    """A thing, as the plan names it."""

    JSON_FILES = "appsettings.json, appsecrets.json, apphost.json"
    REFERENCES_INSIDE = "references to files in the configuration folder"
    REFERENCES_ELSEWHERE = "references to files elsewhere"
    FILES_ELSEWHERE = "files elsewhere"
    FILES_ON_SHARES = "files on shares"
    OTHER_FILES = "logo, templates, scripts, other files"
    FILE_METADATA = "times, attributes, permissions"
    DATABASE = "database"
    LOGS = "logs"
    REGISTRY_PATH_VERSION = "registry: Path, Version"
    REGISTRY_BASE_PATH = "registry: BasePath"
    REGISTRY_CONFIG_LOG_PATH = "registry: ConfigPath, LogPath"
    REGISTRY_ONE_TIME_ORDERS = "registry: orders that are carried out once"
    REGISTRY_OTHER_VALUES = "registry: other values"
    REGISTRY_CONFIGURED = "registry: Configured"
    REGISTRY_DATA_PROTECTION_KEYS = "registry: ring of data protection keys"
    SERVICE_ACCOUNT = "service account"
    GMSA = "gMSA"
    KDS_ROOT_KEY = "KDS root key"
    SERVICE_START_TYPE = "service: start type"
    SERVICE_SETTINGS = "service: program, dependencies"
    EVENT_LOG = "event log"
    PREREQUISITES = "prerequisites: .NET, SQL LocalDB, PowerShell"
    SCRIPT_MODULES = "modules that scripts load"
    ENVIRONMENT_VARIABLES = "environment variables"
    CERTIFICATES = "certificates"
    PRIVATE_KEY_PERMISSIONS = "permissions of private keys"
    SECRETS_OF_MODE_0 = "secrets of mode 0"
    SECRETS_OF_MODE_1 = "secrets of mode 1"
    SECRETS_OF_MODE_2 = "secrets of mode 2"
    SECRETS_OF_MODE_3 = "secrets of mode 3"
    CERTIFICATE_SYNCHRONISATION = "certificate synchronisation"
    TRUSTED_ISSUERS = "client certificates: trusted issuers"
    WEB_SITE = "web site: ports, host name, path, proxies"
    DIRECTORY_NAMES = "names of domains, directory servers and organizational units"
    SECURITY_DESCRIPTORS = "security identifiers and descriptors of rules"
    TLS_CERTIFICATE = "TLS certificate"
    TLS_BINDING = "TLS binding"
    URL_RESERVATIONS = "URL reservations"
    FIREWALL = "firewall"
    EXTERNAL_SQL_SERVER = "external SQL Server"
    LICENCE = "licence"
    DIRECTORY_CONTENT = "published certificates and passwords in Active Directory"
    SPN = "SPN"
    DNS = "DNS and load balancer"
    IDENTITY_PROVIDER = "identity provider"
    MAIL_AND_WEBHOOKS = "mail and webhooks"
    FAILOVER_CLUSTER = "failover cluster"


OUTCOMES: dict[Item, tuple[Outcome, Outcome]] = {
    Item.JSON_FILES: (Outcome.RESTORED, Outcome.REWRITTEN),
    Item.REFERENCES_INSIDE: (Outcome.RESTORED, Outcome.REWRITTEN),
    Item.REFERENCES_ELSEWHERE: (Outcome.RESTORED, Outcome.REWRITTEN),
    Item.FILES_ELSEWHERE: (Outcome.RESTORED, Outcome.RESTORED),
    Item.FILES_ON_SHARES: (Outcome.MANUAL, Outcome.MANUAL),
    Item.OTHER_FILES: (Outcome.RESTORED, Outcome.RESTORED),
    Item.FILE_METADATA: (Outcome.RESTORED, Outcome.RESTORED),
    Item.DATABASE: (Outcome.NOT_RESTORED, Outcome.NOT_RESTORED),
    Item.LOGS: (Outcome.NOT_RESTORED, Outcome.NOT_RESTORED),
    Item.REGISTRY_PATH_VERSION: (Outcome.KEPT, Outcome.KEPT),
    Item.REGISTRY_BASE_PATH: (Outcome.RESTORED, Outcome.KEPT),
    Item.REGISTRY_CONFIG_LOG_PATH: (Outcome.RESTORED, Outcome.KEPT),
    Item.REGISTRY_ONE_TIME_ORDERS: (Outcome.KEPT, Outcome.KEPT),
    Item.REGISTRY_OTHER_VALUES: (Outcome.RESTORED, Outcome.RESTORED),
    Item.REGISTRY_CONFIGURED: (Outcome.RESTORED, Outcome.RESTORED),
    Item.REGISTRY_DATA_PROTECTION_KEYS: (Outcome.NOT_RESTORED, Outcome.NOT_RESTORED),
    Item.SERVICE_ACCOUNT: (Outcome.MANUAL, Outcome.MANUAL),
    Item.GMSA: (Outcome.KEPT, Outcome.MANUAL),
    Item.KDS_ROOT_KEY: (Outcome.KEPT, Outcome.MANUAL),
    Item.SERVICE_START_TYPE: (Outcome.MANUAL, Outcome.MANUAL),
    Item.SERVICE_SETTINGS: (Outcome.KEPT, Outcome.KEPT),
    Item.EVENT_LOG: (Outcome.KEPT, Outcome.KEPT),
    Item.PREREQUISITES: (Outcome.KEPT, Outcome.KEPT),
    Item.SCRIPT_MODULES: (Outcome.KEPT, Outcome.MANUAL),
    Item.ENVIRONMENT_VARIABLES: (Outcome.MANUAL, Outcome.MANUAL),
    Item.CERTIFICATES: (Outcome.RESTORED, Outcome.RESTORED),
    Item.PRIVATE_KEY_PERMISSIONS: (Outcome.RESTORED, Outcome.RESTORED),
    Item.SECRETS_OF_MODE_0: (Outcome.RESTORED, Outcome.MANUAL),
    Item.SECRETS_OF_MODE_1: (Outcome.RESTORED, Outcome.REPROTECTED),
    Item.SECRETS_OF_MODE_2: (Outcome.RESTORED, Outcome.MANUAL),
    Item.SECRETS_OF_MODE_3: (Outcome.RESTORED, Outcome.RESTORED),
    Item.CERTIFICATE_SYNCHRONISATION: (Outcome.RESTORED, Outcome.RESTORED),
    Item.TRUSTED_ISSUERS: (Outcome.RESTORED, Outcome.RESTORED),
    Item.WEB_SITE: (Outcome.RESTORED, Outcome.RESTORED),
    Item.DIRECTORY_NAMES: (Outcome.RESTORED, Outcome.RESTORED),
    Item.SECURITY_DESCRIPTORS: (Outcome.RESTORED, Outcome.RESTORED),
    Item.TLS_CERTIFICATE: (Outcome.MANUAL, Outcome.MANUAL),
    Item.TLS_BINDING: (Outcome.RESTORED, Outcome.REWRITTEN),
    Item.URL_RESERVATIONS: (Outcome.RESTORED, Outcome.RESTORED),
    Item.FIREWALL: (Outcome.MANUAL, Outcome.MANUAL),
    Item.EXTERNAL_SQL_SERVER: (Outcome.KEPT, Outcome.MANUAL),
    Item.LICENCE: (Outcome.RESTORED, Outcome.RESTORED),
    Item.DIRECTORY_CONTENT: (Outcome.KEPT, Outcome.KEPT),
    Item.SPN: (Outcome.KEPT, Outcome.MANUAL),
    Item.DNS: (Outcome.KEPT, Outcome.MANUAL),
    Item.IDENTITY_PROVIDER: (Outcome.KEPT, Outcome.MANUAL),
    Item.MAIL_AND_WEBHOOKS: (Outcome.KEPT, Outcome.MANUAL),
    Item.FAILOVER_CLUSTER: (Outcome.KEPT, Outcome.MANUAL),
}
"""What happens to each thing in general: on the same server, and on another one."""
