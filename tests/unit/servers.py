# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers as a target's half describes them."""

from __future__ import annotations

import base64
import copy
import datetime
from typing import Any

from ansible_collections.lithnet.access_manager.plugins.plugin_utils._windows.pfx import thumbprint_of
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._windows.tls_binding import plain_binding
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from unit.target_side import file_record, folder_record

ACCESS_MANAGER = "{4C3E21BA-7BEF-46C8-BC85-A4407DB6F596}"
SERVICE = "S-1-5-80-125788923-1836679867-2653951330-153436886-93372159"
CERTIFICATE_STORE_KEY = r"SOFTWARE\Microsoft\Cryptography\Services\lithnetams\SystemCertificates\MY"
PASSWORD_ENCRYPTION = "1.3.6.1.4.1.55989.2.1.1"
CLUSTER_ENCRYPTION = "1.3.6.1.4.1.55989.2.1.2"

PRODUCT_CODE = "{E1F0DE7E-99EC-48BB-8832-3674435984E3}"
PACKED_PRODUCT_CODE = "E7ED0F1ECE99BB84882363473495483E"
"""The same as Windows Installer orders its digits."""

_SERVER = {
    "computer_name": "AMS1",
    "administrator": True,
    "cluster": None,
    "installation": {
        "exists": True,
        "version": "1.0.8152.0",
        "configured": True,
        "install_path": r"C:\Program Files\Lithnet\Access Manager Service",
        "config_path": r"C:\Program Files\Lithnet\Access Manager Service\config",
        "config_exists": True,
        "log_path": r"C:\Program Files\Lithnet\Access Manager Service\logs",
    },
    "state": {
        "computer_name": "AMS1",
        "registry": [
            {"key": "", "name": "Version", "kind": "String", "data": "1.0.8152.0"},
            {"key": "", "name": "Configured", "kind": "DWord", "data": 1},
            {"key": "Parameters", "name": "ConfigPath", "kind": "String", "data": r"C:\config"},
        ],
        "registry_permissions": [
            {
                "key": r"SOFTWARE\Lithnet\Access Manager Service",
                "sddl": f"O:BAG:SYD:AI(A;CI;KA;;;{SERVICE})(A;CIID;KA;;;BA)",
            },
            {"key": CERTIFICATE_STORE_KEY, "sddl": f"O:BAG:SYD:AI(A;CI;KA;;;{SERVICE})(A;CIID;KA;;;BA)"},
        ],
        "service": {
            "name": "lithnetams",
            "status": "Running",
            "process_ids": [4711],
            "account": r"EXAMPLE\svc-ams$",
            "image_path": r'"C:\Program Files\Lithnet\Access Manager Service\Lithnet.AccessManager.Service.exe"',
            "start": 2,
            "delayed_start": True,
            "depends_on": [],
            "sid_type": 1,
            "managed": True,
            "environment_variables": [],
        },
        "http_sys": {
            "bindings": [
                plain_binding("address", "0.0.0.0:443", "AA" * 20, ACCESS_MANAGER, "My"),
                plain_binding("address", "[::]:443", "AA" * 20, ACCESS_MANAGER, "My"),
                plain_binding("address", "0.0.0.0:8443", "BB" * 20, "{OTHER}", "My"),
            ],
            "reservations": [
                {"url": "https://+:443/", "sddl": f"D:(A;;GX;;;{SERVICE})"},
                {"url": "http://+:80/", "sddl": f"D:(A;;GX;;;{SERVICE})"},
                {"url": "http://+:5985/wsman/", "sddl": "D:(A;;GX;;;NS)"},
            ],
        },
        "tls_certificates": [],
        "firewall": [
            {"name": "{1}", "rule": "v2.10|Action=Allow|"},
            {"name": "{2}", "rule": "v2.10|Action=Allow|LPort=80|"},
        ],
    },
    "installer": {"product_code": PACKED_PRODUCT_CODE, "version": "1.0.8152.0", "name": "ams.msi", "sha256": "cd" * 32},
    "environment": [],
    "documents": [{"file": "appsettings.json", "valid": True, "usn": "1", "schema_version": "1"}],
    "settings": {},
    "references": [],
    "records": [
        folder_record("config"),
        folder_record("config/db"),
        folder_record("config/scripts"),
        file_record("config/appsettings.json", b"{}"),
        file_record("config/db/ams.mdf", b"cache"),
        file_record("external/C/Scripts/über.ps1", b"exit"),
    ],
    "synchronised_certificates": [],
    "certificates": [],
    "service_sid": "S-1-5-21-1-2-3-1104",
    "service_events": {"events": [], "error": ""},
    "start_obstacles": [],
    "taken": {
        "attempts": 1,
        "consistent": True,
        "stopped": False,
        "downtime_ms": 0,
        "start_error": "",
        "unended_restores": [],
    },
}


_BESIDE_A_BACKUP = {
    "framework_release": 528040,
    "secrets": [],
    "machine_certificates": {},
    "staging": {"root": r"C:\ProgramData\staging", "free_bytes": 2**40},
    "missing_drives": [],
    "clock_skew_seconds": 0,
    "decrypted_secrets": {},
    "same_documents": {},
    "given_secrets": [],
    "earlier": [],
    "ended_runs": [],
    "interrupted_runs": [],
    "left_stopped": False,
}
"""What is known of a server to which a backup is to be restored, beside what it says of itself."""

NOW = datetime.datetime(2026, 11, 30, tzinfo=datetime.UTC)


def tls_certificate(*names: str, days: int = 365, has_key: bool = True) -> dict[str, Any]:
    """A certificate of a web site as a server describes it, ending so many days after NOW. names: its SAN."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0] if names else "ams")])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(NOW - datetime.timedelta(days=400))
    builder = builder.not_valid_after(NOW + datetime.timedelta(days=days))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(x509.DNSName, names))), critical=False)
    made = builder.sign(key, hashes.SHA256())
    der = base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()
    return {"thumbprint": thumbprint_of(made), "certificate": der, "has_key": has_key}


_KEY_FILE = {"file": "", "sddl": "O:SYD:(A;;FA;;;SY)"}


def server() -> dict[str, Any]:
    """A server with Access Manager 1 on it that nothing is wrong with."""
    return copy.deepcopy(_SERVER)


def target_server() -> dict[str, Any]:
    """The same server as a restore finds it."""
    return server() | copy.deepcopy(_BESIDE_A_BACKUP)


def certificate(thumbprint: str = "AB" * 20, **key: Any) -> dict[str, Any]:
    """A password encryption certificate of the service; key: what differs of its private key."""
    return {
        "store": r"lithnetams\MY",
        "thumbprint": thumbprint,
        "subject": "CN=forest.example",
        "not_before": "2021-01-01T00:00:00.0000000Z",
        "not_after": "2041-01-01T00:00:00.0000000Z",
        "usages": [PASSWORD_ENCRYPTION],
        "key": {"present": True, "provider": "KSP", "exportable": True, "bits": 4096} | _KEY_FILE | key,
    }
