# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A realistic configuration folder of Access Manager v1, made from readable data, the same on every run."""

from __future__ import annotations

import itertools
import json
import os
import random
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, Literal

CONFIG_PATH = PureWindowsPath(r"C:\Program Files\Lithnet\Access Manager Service\config")
EXTERNAL_SCRIPTS = PureWindowsPath(r"C:\AccessManagerScripts")
EXTERNAL_DATA = PureWindowsPath(r"C:\ProgramData\Contoso\Access Manager")
FOREST = "forest.example"
DOMAIN_SID = "S-1-5-21-639624971-2667923174-1539603190"
DB_SIZE = 256 * 1024
EMPTY_FOLDERS = ("scripts/archive",)
SECRET_PATHS = ("Authentication.Oidc.Secret", "Email.Password")
MODIFIED = 1_685_613_600  # 2023-06-01 10:00 UTC: the time of the first file; each next one is a day later

Location = Literal["bare", "inside", "outside"]


@dataclass(frozen=True)
class ProtectedSecret:
    """A secret as Access Manager keeps it in its JSON. Data and salt are base64; mode 1 is DPAPI of the machine."""

    data: str = ""
    salt: str = ""
    mode: int = 1

    def as_json(self) -> dict[str, Any]:
        """The object that appsettings.json holds."""
        return {"Data": self.data, "Salt": self.salt, "Mode": self.mode}


@dataclass(frozen=True)
class Reference:
    """A file that appsettings.json names: at which key, as what value, and which file that is."""

    key: str
    value: str
    path: PureWindowsPath
    location: Location


@dataclass(frozen=True)
class Configuration:
    """A written configuration folder.

    files: paths relative to the folder, with forward slashes, sorted; without the database.
    size: their bytes together. database: the same for the database's files.
    """

    folder: Path
    files: tuple[str, ...]
    database: tuple[str, ...]
    empty_folders: tuple[str, ...]
    references: tuple[Reference, ...]
    size: int

    @property
    def external(self) -> tuple[PureWindowsPath, ...]:
        """The referenced files outside the folder, each once, sorted."""
        return tuple(sorted({one.path for one in self.references if one.location == "outside"}))


# ---- file references: key -> value as it stands in appsettings.json ----

TEMPLATES = "audit-templates"
SCRIPTS = "scripts"
UNICODE_TEMPLATE = "Störung – Nachtschicht [24×7] 東京.html"
SPECIAL_TEMPLATE = "it's 100% approved (über $limit).html"
SPECIAL_SCRIPT = "it's 100% $pecial [v2].ps1"
INJECTED_SCRIPT = "$(whoami) `& %TEMP% 🔑.ps1"

SMTP: tuple[tuple[str, str], ...] = (
    ("email-success.html", "email-failure.html"),
    (UNICODE_TEMPLATE, str(EXTERNAL_SCRIPTS / "Mail templates" / "Störung [Nacht].html")),
    (SPECIAL_TEMPLATE, "email-failure.html"),
)
WEBHOOKS: tuple[tuple[str, str], ...] = (
    ("webhook-teams-success.json", "webhook-teams-failure.json"),
    (
        str(CONFIG_PATH / TEMPLATES / "slack" / "webhook-slack-success.json"),
        str(EXTERNAL_SCRIPTS / "siem" / "webhook-failure.json"),
    ),
)
POWERSHELL: tuple[str, ...] = ("Write-SiemEvent.ps1", str(EXTERNAL_SCRIPTS / "Write-Überwachung.ps1"))
RULE_SCRIPTS: tuple[str, ...] = (
    "Approve-Tier1.ps1",
    SPECIAL_SCRIPT,
    str(CONFIG_PATH / SCRIPTS / "tier0" / "Approve-Tier0.ps1"),
    str(EXTERNAL_DATA / "Approve-Jit.ps1"),
    "Approve-Tier1.ps1",
)


def references(config_path: PureWindowsPath = CONFIG_PATH) -> tuple[Reference, ...]:
    """Every file reference of the settings, in the order in which they stand there."""
    found: list[Reference] = []
    channels = "Auditing.NotificationChannels"
    for kind, pairs in (("Smtp", SMTP), ("Webhooks", WEBHOOKS)):
        for number, (success, failure) in enumerate(pairs):
            found.append(_reference(f"{channels}.{kind}[{number}].TemplateSuccess", success, TEMPLATES, config_path))
            found.append(_reference(f"{channels}.{kind}[{number}].TemplateFailure", failure, TEMPLATES, config_path))
    for number, script in enumerate(POWERSHELL):
        found.append(_reference(f"{channels}.Powershell[{number}].Script", script, SCRIPTS, config_path))
    for number, script in enumerate(RULE_SCRIPTS):
        found.append(_reference(f"Authorization.ComputerTargets[{number}].Script", script, SCRIPTS, config_path))
    return tuple(found)


def _reference(key: str, value: str, base: str, config_path: PureWindowsPath) -> Reference:
    value = _relocated(value, config_path)
    path = PureWindowsPath(value)
    if not path.is_absolute():
        return Reference(key, value, config_path / base / value, "bare")
    return Reference(key, value, path, "inside" if path.is_relative_to(config_path) else "outside")


def _relocated(value: str, config_path: PureWindowsPath) -> str:
    path = PureWindowsPath(value)
    return str(config_path / path.relative_to(CONFIG_PATH)) if path.is_relative_to(CONFIG_PATH) else value


# ---- appsettings.json ----

TEAMS_URL = "https://contoso.webhook.office.example/webhookb2/5f1b4e0a-0d6f-4a64-9d5e-4a4b2b0c1d2e"
SLACK_URL = "https://hooks.slack.example/services/T024BE7LD/B0G9QF9GZ"
LICENSE = "MV4UU2DCI5RWST3JJJIVK6SVPBGWSSLTJFWXI4C2INETMSLLJZDU222VGNITATJTKJKGGNCRKVJEKUL2IZBE4MC2"
CHANNELS = ("email-domain-admins", "fa5da8fc-3bfd-49b2-844c-9d69f5d56a1b")


def settings(
    secrets: Mapping[str, ProtectedSecret] | None = None, config_path: PureWindowsPath = CONFIG_PATH, usn: int = 152
) -> dict[str, Any]:
    """The content of appsettings.json. A secret that is not given is left empty: see SECRET_PATHS."""
    secrets = secrets or {}
    return {
        "Metadata": {"Usn": usn, "SchemaVersion": "1.0"},
        "Licensing": {"Data": LICENSE},
        "Authentication": _authentication(secrets.get("Authentication.Oidc.Secret", ProtectedSecret())),
        "Auditing": _auditing(config_path),
        "Email": _email_settings(secrets.get("Email.Password", ProtectedSecret())),
        "AdminNotifications": {
            "AdminAlertRecipients": f"ops@{FOREST}",
            "EnableNewVersionAlerts": True,
            "EnableCertificateExpiryAlerts": True,
        },
        "RateLimits": {"PerIP": _rate_limit(50), "PerUser": _rate_limit(100)},
        "UserInterface": _user_interface(),
        "ForwardedHeaders": _forwarded_headers(),
        "DatabaseConfiguration": {"ConnectionString": None, "UseExternalSql": False},
        "DataProtection": {
            "Usn": 7,
            "Certificates": [],
            "AuthorizedSecretReaders": f"{DOMAIN_SID}-2117",
            "EnableCertificateSynchronization": False,
            "EnableClusterCompatibleSecretEncryption": False,
        },
        "JitConfiguration": _jit(),
        "Authorization": _authorization(config_path),
        "Logging": {
            "LogLevel": {"Default": "Trace", "Microsoft": "Warning", "Microsoft.Hosting.Lifetime": "Information"},
            "EventLog": {"LogLevel": {"Default": "Error", "Lithnet": "Information", "Quartz": "Information"}},
        },
    }


def _authentication(secret: ProtectedSecret) -> dict[str, Any]:
    upn = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
    return {
        "Mode": "Oidc",
        "AllowedPrincipals": [f"{DOMAIN_SID}-512", f"{DOMAIN_SID}-1601"],
        "Iwa": {"AuthenticationSchemes": "Negotiate"},
        "Oidc": {
            "Authority": f"https://login.{FOREST}",
            "ClientID": "04dsgf4tsed22dd",
            "ResponseType": "code",
            "Secret": secret.as_json(),
            "ClaimName": "upn",
            "IdpLogout": True,
            "Scopes": ["openid", "profile"],
        },
        "WsFed": {
            "Metadata": f"https://adfs.{FOREST}/FederationMetadata/2007-06/FederationMetadata.xml",
            "Realm": f"https://ams.{FOREST}",
            "ClaimName": upn,
            "IdpLogout": True,
        },
        "ClientCert": {
            "RequiredEkus": ["1.3.6.1.4.1.311.20.2.2"],
            "ValidationMethod": "AnyTrustedIssuer",
            "RequireSmartCardLogonEku": True,
            "TrustedIssuers": [],
            "IdentityResolutionMode": "Default",
        },
    }


def _auditing(config_path: PureWindowsPath) -> dict[str, Any]:
    smtp = [_smtp(number, pair, config_path) for number, pair in enumerate(SMTP)]
    webhooks = [_webhook(number, pair, config_path) for number, pair in enumerate(WEBHOOKS)]
    powershell = [_powershell(number, script, config_path) for number, script in enumerate(POWERSHELL)]
    return {
        "NotificationChannels": {"Smtp": smtp, "Webhooks": webhooks, "Powershell": powershell},
        "GlobalNotifications": {"OnFailure": list(CHANNELS), "OnSuccess": list(CHANNELS)},
    }


def _channel(identity: str, name: str, mandatory: bool = False) -> dict[str, Any]:
    return {"Enabled": True, "Id": identity, "Mandatory": mandatory, "DisplayName": name}


def _smtp(number: int, pair: tuple[str, str], config_path: PureWindowsPath) -> dict[str, Any]:
    identity = CHANNELS[0] if number == 0 else f"a3a619da-effb-48e4-8e6d-7a5875bec0d{number}"
    return {
        "TemplateSuccess": _relocated(pair[0], config_path),
        "TemplateFailure": _relocated(pair[1], config_path),
        "EmailAddresses": [f"audit{number}@{FOREST}", f"müller@{FOREST}"],
        **_channel(identity, f"E-Mail an die Überwachung ({number})", mandatory=number == 0),
    }


def _webhook(number: int, pair: tuple[str, str], config_path: PureWindowsPath) -> dict[str, Any]:
    return {
        "TemplateSuccess": _relocated(pair[0], config_path),
        "TemplateFailure": _relocated(pair[1], config_path),
        "Url": (TEAMS_URL, SLACK_URL)[number],
        "HttpMethod": "POST",
        "ContentType": "application/json",
        **_channel(("teams-operations", "slack-security")[number], ("Teams: operations", "Slack: #sécurité")[number]),
    }


def _powershell(number: int, script: str, config_path: PureWindowsPath) -> dict[str, Any]:
    identity = (CHANNELS[1], "1b2f6c0e-8f4d-4d52-9a55-3c1c2f8f7a10")[number]
    name = ("Log to the SIEM", "Überwachung")[number]
    return {"Script": _relocated(script, config_path), "TimeOut": 10, **_channel(identity, name)}


def _email_settings(password: ProtectedSecret) -> dict[str, Any]:
    return {
        "Host": f"smtp.{FOREST}",
        "Port": 587,
        "UseSsl": True,
        "UseDefaultCredentials": False,
        "Username": "svc-ams-mail",
        "Password": password.as_json(),
        "FromAddress": f"ams@{FOREST}",
    }


def _rate_limit(hourly: int) -> dict[str, Any]:
    return {"Enabled": True, "RequestsPerMinute": 5, "RequestsPerHour": hourly, "RequestsPerDay": 2 * hourly}


def _user_interface() -> dict[str, Any]:
    return {
        "Title": "Contoso – Zugriff auf Computer",
        "UserSuppliedReason": "Required",
        "RequestScreenCustomHeading": "Bitte begründen Sie Ihre Anfrage",
        "RequestScreenCustomMessage": 'Every request is <b>audited</b>; "why" & ticket № are needed.',
        "PhoneticSettings": {
            "CharacterMappings": {"a": "Anton", "ä": "Ärger", "0": "null", "\\": "backslash", '"': "quote"},
            "UpperPrefix": "groß",
            "GroupSize": 4,
            "HidePhoneticBreakdown": False,
            "DisableTextToSpeech": False,
        },
        "AuthZDisplayOrder": ["Jit", "LocalAdminPassword", "BitLocker", "LocalAdminPasswordHistory"],
        "ShowDatesInServerTimeZone": False,
    }


def _forwarded_headers() -> dict[str, Any]:
    return {
        "ForwardedForHeaderName": "X-Forwarded-For",
        "ForwardedHostHeaderName": "X-Forwarded-Host",
        "ForwardedProtoHeaderName": "X-Forwarded-Proto",
        "ForwardedHeaders": "XForwardedFor",
        "ForwardLimit": 2,
        "AllowedHosts": [f"ams.{FOREST}"],
        "RequireHeaderSymmetry": False,
        "KnownProxies": ["10.20.0.11", "10.20.0.12"],
        "KnownNetworks": ["10.20.0.0/24"],
    }


def _jit() -> dict[str, Any]:
    groups = "OU=JIT Groups,OU=Groups,DC=forest,DC=example"
    return {
        "JitGroupMappings": [
            {
                "ComputerOU": f"OU={unit},DC=forest,DC=example",
                "Subtree": True,
                "GroupOU": groups,
                "GroupNameTemplate": "JIT-%computerName%",
                "GroupType": "DomainLocal",
                "GroupDescription": f"JIT for {unit}",
                "EnableJitGroupDeletion": False,
                "PreferredDC": f"dc1.{FOREST}",
            }
            for unit in ("Servers", "Büro Zürich")
        ],
        "EnableJitGroupCreation": True,
        "FullSyncInterval": 60,
        "DeltaSyncInterval": 1,
        "DynamicGroupMappings": [{"GroupOU": groups, "GroupType": "DomainLocal", "Domain": DOMAIN_SID}],
        "DcLocatorMode": 0,
    }


def _authorization(config_path: PureWindowsPath) -> dict[str, Any]:
    scripts = [_script_rule(number, _relocated(script, config_path)) for number, script in enumerate(RULE_SCRIPTS)]
    descriptors = [_descriptor_rule(number, unit) for number, unit in enumerate(RULE_UNITS)]
    return {
        "AuthorizationServerMapping": [
            {
                "Domain": FOREST,
                "DisableLocalFallback": False,
                "DoNotRequireS4U": False,
                "Servers": [{"Name": f"dc{number}.{FOREST}", "Type": "Default"} for number in (1, 2)],
            }
        ],
        "ComputerTargets": scripts + descriptors,
        "AuthZCacheDuration": 30,
    }


_PLACES = ("Berlin", "Zürich", "København", "Łódź", "Αθήνα", "東京")
_KINDS = ("Workstations", "File servers", "SQL servers", "Kiosks", "Build agents", "Domain's edge")
RULE_UNITS = tuple(f"{kind} {place}" for place, kind in itertools.product(_PLACES, _KINDS))


def _rule(number: int, kind: str, target: str, description: str) -> dict[str, Any]:
    """What every rule has; number makes its Id."""
    return {
        "Id": f"{number:08x}-29d7-4efd-bfd8-17d1512f609f",
        "Disabled": number % 11 == 10,
        "Target": target,
        "Description": description,
        "Type": "Container",
        "AuthorizationMode": kind,
        "Jit": {"AuthorizingGroup": "FOREST\\JIT-%computerName%", "ExpireAfter": "01:30:00"},
        "Laps": {"ExpireAfter": "01:00:00", "RetrievalLocation": "Auto"},
        "Notifications": {"OnFailure": [CHANNELS[0]], "OnSuccess": [CHANNELS[0], "teams-operations"]},
        "CreatedBy": f"{DOMAIN_SID}-1115",
        "Created": f"2021-04-{1 + number % 28:02d}T02:38:20.2904678Z",
        "LastModifiedBy": f"{DOMAIN_SID}-1139",
        "LastModified": f"2022-11-{1 + number % 28:02d}T21:36:07.9358301Z",
        "Notes": f"Change CHG{40000 + number}: reviewed by the owner of the unit.",
    }


def _script_rule(number: int, script: str) -> dict[str, Any]:
    rule = _rule(number, "PowershellScript", f"OU=Tier {number},DC=forest,DC=example", f"Tier {number} by script")
    return rule | {"SecurityDescriptor": "O:SYD:", "Script": script}


def _descriptor_rule(number: int, unit: str) -> dict[str, Any]:
    readers = f"{DOMAIN_SID}-{1600 + number}"
    descriptor = f"O:SYD:AR(D;;0x1e00;;;{DOMAIN_SID}-501)(A;;0x1e00;;;{readers})(A;;0xe00;;;BA)"
    target = f"OU={unit},OU=Computers,DC=forest,DC=example"
    return _rule(100 + number, "SecurityDescriptor", target, f"Access to {unit}") | {"SecurityDescriptor": descriptor}


def apphost(http_port: int, https_port: int = 443) -> dict[str, Any]:
    """The content of apphost.json."""
    return {
        "Hosting": {
            "Environment": "HttpSys",
            "HttpSys": {
                "HttpPort": http_port,
                "HttpsPort": https_port,
                "Hostname": None,
                "Path": None,
                "MaxAccepts": 100,
                "EnableResponseCaching": False,
                "ThrowWriteExceptions": False,
                "MaxConnections": 100,
                "RequestQueueLimit": 1000,
                "MaxRequestBodySize": 2480000,
                "AllowSynchronousIO": False,
                "Http503Verbosity": "Limited",
            },
        }
    }


def to_json(content: Any) -> bytes:
    """JSON as Access Manager writes it: UTF-8 without a mark, two spaces, CRLF."""
    return json.dumps(content, ensure_ascii=False, indent=2).replace("\n", "\r\n").encode()


# ---- templates and scripts ----

BOM = "\ufeff"
TOKENS = (
    ("Requested access", "{AuthzResult.AccessType}"),
    ("User name", "{user.MsDsPrincipalName}"),
    ("Name", "{user.DisplayName}"),
    ("UPN", "{user.UserPrincipalName}"),
    ("SID", "{user.Sid}"),
    ("User DN", "{user.DistinguishedName}"),
    ("Requestor IP", "{request.IPAddress}"),
    ("Requestor host name", "{request.HostName}"),
    ("Requested computer", "{request.ComputerName}"),
    ("Computer name", "{computer.MsDsPrincipalName}"),
    ("Computer DN", "{computer.DistinguishedName}"),
    ("Matched rule", "{AuthzResult.MatchedRule}"),
    ("Rule description", "{AuthzResult.MatchedRuleDescription}"),
    ("Response", "{AuthzResult.ResponseCode}"),
    ("Access expiry", "{AuthzResult.AccessExpiryDate}"),
    ("Detail", "{message}"),
    ("Reason", "{request.Reason}"),
)
GRANTED = {
    "en": "Access to a computer was granted",
    "de": "Der Zugriff auf einen Computer wurde gewährt",
    "fr": "L'accès à un ordinateur a été accordé",
    "es": "Se concedió acceso a un equipo",
    "pl": "Przyznano dostęp do komputera",
    "cs": "Byl udělen přístup k počítači",
    "da": "Der blev givet adgang til en computer",
    "el": "Παραχωρήθηκε πρόσβαση σε υπολογιστή",
    "ru": "Доступ к компьютеру предоставлен",
    "ja": "コンピューターへのアクセスが許可されました",
    "zh": "已授予对计算机的访问权限",
    "tr": "Bir bilgisayara erişim verildi",
}
CELL = (
    "font-family:'Segoe UI',Tahoma,Geneva,Verdana,sans-serif;font-size:14px;line-height:20px;color:#323130;"
    "padding:8px 12px 8px 12px;border-bottom:1px solid #edebe9;vertical-align:top;mso-line-height-rule:exactly"
)


def email(mark: str, languages: int = len(GRANTED)) -> str:
    """A mail template in that many languages; mark goes before each heading. About 9 KB for a language."""
    sections = "\n".join(_email_section(mark, language) for language in list(GRANTED)[:languages])
    head = '<meta http-equiv="Content-Type" content="text/html; charset=utf-8"><title>Lithnet Access Manager</title>'
    return f"<!DOCTYPE html>\n<html>\n<head>{head}</head>\n<body>\n{sections}\n</body>\n</html>\n"


def _email_section(mark: str, language: str) -> str:
    rows = "\n".join(
        f'    <tr>\n      <td style="{CELL};width:220px;font-weight:600">{name}</td>\n'
        f'      <td style="{CELL}">{token}</td>\n    </tr>'
        for name, token in TOKENS
    )
    heading = f'  <h1 style="{CELL}">{mark} {GRANTED[language]}</h1>'
    return f'<div lang="{language}">\n{heading}\n  <table role="presentation">\n{rows}\n  </table>\n</div>'


def event_text(result: str) -> str:
    """A template of an event log entry."""
    return f"AUDIT: {result}\n" + "".join(f"{name + ':':<27}{token}\n" for name, token in TOKENS)


def webhook(title: str) -> str:
    """A template of a card for a chat."""
    facts = [{"name": name, "value": token} for name, token in TOKENS]
    card = {"@type": "MessageCard", "title": title, "sections": [{"title": "Details", "facts": facts}]}
    return json.dumps(card, ensure_ascii=False, indent=2) + "\n"


def audit_script(target: str) -> str:
    """A script of an audit channel."""
    lines = "\n".join(f'    $event["{name}"] = $tokens["{token}"]' for name, token in TOKENS)
    return (
        f"# Sends audit events to {target}.\nfunction Write-AuditLog {{\n"
        "    param([hashtable] $tokens, [bool] $isSuccess)\n"
        f"    $event = [ordered]@{{ Success = $isSuccess; Größe = 'ß€' }}\n{lines}\n"
        f"    Invoke-RestMethod -Uri '{target}' -Method Post -Body ($event | ConvertTo-Json)\n}}\n"
    )


def approval_script(tier: str, computers: int) -> str:
    """A script that decides by a list of that many computers; about 70 bytes for each."""
    names = ",\n".join(
        f"    @{{ Name = 'SRV-{tier}-{number:05d}.{FOREST}'; Owner = 'team-{number % 37:02d}'; "
        f"Jit = ${str(number % 3 == 0).lower()} }}"
        for number in range(computers)
    )
    return (
        f"# Who may have access to computers of {tier}.\n$Computers = @(\n{names}\n)\n\n"
        "function Get-AuthorizationResponse {\n    param($user, $computer)\n"
        "    $found = $Computers | Where-Object { $_.Name -eq $computer.DnsHostName }\n"
        '    Write-Information "Checking $($user.MsDsPrincipalName) on $($computer.MsDsPrincipalName)"\n'
        "    [pscustomobject]@{ IsLocalAdminPasswordAllowed = [bool] $found; IsLocalAdminPasswordDenied = $false\n"
        "        IsJitAllowed = [bool] $found.Jit; IsJitDenied = $false\n"
        "        IsBitLockerAllowed = $false; IsBitLockerDenied = $false }\n}\n"
    )


def _crlf(text: str, encoding: str = "utf-8") -> bytes:
    return text.replace("\n", "\r\n").encode(encoding)


def logo(width: int = 220, height: int = 220, seed: int = 1) -> bytes:
    """A PNG of RGB noise: a real picture that does not compress. Its size is about 3 bytes for a pixel."""
    noise = random.Random(seed)
    rows = b"".join(b"\0" + noise.randbytes(3 * width) for _number in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def templates() -> dict[str, bytes]:
    """The files of audit-templates, by path relative to it."""
    return {
        "email-failure.html": _crlf(BOM + email("⛔")),
        "email-success.html": _crlf(BOM + email("✅")),
        "email-managers.html": _crlf(email("👥")),
        "email-report.html": _crlf(email("📋")),
        "email-weekly.html": _crlf(email("📅")),
        "eventlog-failure.txt": _crlf(BOM + event_text("FAILURE")),
        "eventlog-success.txt": _crlf(BOM + event_text("SUCCESS")),
        "ops mail.html": _crlf(email("ops")),
        "slack/webhook-slack-failure.json": _crlf(webhook("⛔ Access to a computer was denied")),
        "slack/webhook-slack-success.json": _crlf(webhook("✅ Access to a computer was granted")),
        "webhook-teams-failure.json": _crlf(BOM + webhook("⛔ Access to a computer was denied")),
        "webhook-teams-success.json": _crlf(BOM + webhook("✅ Access to a computer was granted")),
        UNICODE_TEMPLATE: _crlf(email("☾")),
        SPECIAL_TEMPLATE: _crlf(email("100%")),
        "old notepad.txt": _crlf(BOM + event_text("UNICODE"), "utf-16-le"),
        "empty.txt": b"",
    }


def scripts() -> dict[str, bytes]:
    """The files of scripts, by path relative to it."""
    return {
        "Approve-Tier1.ps1": _crlf(BOM + approval_script("Tier1", 1100)),
        "Write-SiemEvent.ps1": _crlf(audit_script(f"https://siem.{FOREST}/api/events")),
        "example-audit.ps1": _crlf(audit_script("https://localhost/example")),
        "example-authorization.ps1": _crlf(approval_script("Example", 3)),
        "lib/Contoso.Siem/Contoso.Siem.psd1": _crlf("@{ RootModule = 'Contoso.Siem.psm1'; ModuleVersion = '1.4.0' }\n"),
        "lib/Contoso.Siem/Contoso.Siem.psm1": _crlf(audit_script(f"https://siem.{FOREST}/v2")),
        "tier0/Approve-Tier0.ps1": _crlf(approval_script("Tier0", 500)),
        "tier2/Approve-Tier2 (Zürich).ps1": _crlf(approval_script("Zürich", 900)),
        SPECIAL_SCRIPT: _crlf(approval_script("Special", 800)),
        INJECTED_SCRIPT: _crlf(audit_script("https://localhost/injected")),
        "latin1.ps1": _crlf(audit_script("https://localhost/Größe").replace("€", ""), "cp1252"),
    }


def external_files() -> dict[PureWindowsPath, bytes]:
    """The files outside the configuration folder that the settings name, and one that they do not."""
    return {
        EXTERNAL_SCRIPTS / "Mail templates" / "Störung [Nacht].html": _crlf(email("☾ ⛔", 4)),
        EXTERNAL_SCRIPTS / "siem" / "webhook-failure.json": _crlf(webhook("denied")),
        EXTERNAL_SCRIPTS / "Write-Überwachung.ps1": _crlf(BOM + audit_script(f"https://audit.{FOREST}")),
        EXTERNAL_DATA / "Approve-Jit.ps1": _crlf(approval_script("Jit", 200)),
        EXTERNAL_SCRIPTS / "not-referenced.ps1": _crlf("# Nothing names this file.\n"),
    }


# ---- writing ----


def write_configuration(
    folder: Path,
    http_port: int,
    *,
    https_port: int = 443,
    config_path: PureWindowsPath = CONFIG_PATH,
    secrets: Mapping[str, ProtectedSecret] | None = None,
    db_size: int = DB_SIZE,
) -> Configuration:
    """Writes a configuration folder; returns what is in it.

    folder: made when missing. config_path: what it is called on Windows, for the absolute references into it.
    db_size: bytes of each of the two database files; 0 writes none.
    """
    files = {"appsettings.json": to_json(settings(secrets, config_path)), "logo.png": logo()}
    files["apphost.json"] = to_json(apphost(http_port, https_port))
    files |= {f"{TEMPLATES}/{name}": data for name, data in templates().items()}
    files |= {f"{SCRIPTS}/{name}": data for name, data in scripts().items()}
    database = {f"db/{name}": _database(name, db_size) for name in ("ams.mdf", "ams_log.ldf")} if db_size else {}
    _write_files(folder, files | database)
    for empty in EMPTY_FOLDERS:
        (folder / empty).mkdir(parents=True, exist_ok=True)
    size = sum(map(len, files.values()))
    return Configuration(
        folder, tuple(sorted(files)), tuple(sorted(database)), EMPTY_FOLDERS, references(config_path), size
    )


def _database(name: str, size: int) -> bytes:
    return f"stand-in for {name}\r\n".encode().ljust(size, b"\0")[:size]


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    for number, name in enumerate(sorted(files)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[name])
        modified = MODIFIED + 86_400 * number
        os.utime(path, (modified, modified))


def write_external_files(drive_c: Path) -> dict[PureWindowsPath, Path]:
    """Writes the files outside the configuration folder onto a disk; where each one is, by its Windows path."""
    files = external_files()
    places = {path: drive_c.joinpath(*path.parts[1:]) for path in files}
    _write_files(drive_c, {place.relative_to(drive_c).as_posix(): files[path] for path, place in places.items()})
    return places
