# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in memory, as a restore opens them, and the documents in them."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import ntpath
import zipfile
from collections.abc import Mapping
from typing import Any

from ansible_collections.lithnet.access_manager.plugins.plugin_utils._ams.constants import FILE_REFERENCES, JSON_FILES
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._ams.json_document import find, parse
from unit.servers import server

SECRET_PATHS = ("Authentication.Oidc.Secret", "Email.Password")
COMMON = {
    "created": "2021-03-04T05:06:07.1234567Z",
    "modified": "2022-03-04T05:06:08.7654321Z",
    "attributes": 0x20,
    "sddl": "O:BAG:SYD:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)",
}


def protected(data: str, salt: str = "c2FsdA==", mode: int = 1) -> dict[str, Any]:
    return {"Data": data, "Salt": salt, "Mode": mode}


def domain_secret(descriptor: str) -> dict[str, Any]:
    """A secret of mode 3 for the accounts of a descriptor, which stands in its envelope as Windows writes it."""
    text = descriptor.encode()
    length = bytes([len(text)]) if len(text) < 0x80 else b"\x81" + bytes([len(text)])
    blob = b"0\x82\x01\x00\x06\x0a+\x06\x01\x04\x01\x827J\x01\x05" + b"0\x0b\x0c\x04SDDL\x0c" + length + text
    return protected(base64.b64encode(blob + bytes(40)).decode(), salt="", mode=3)


def settings(**secrets: Any) -> dict[str, Any]:
    """appsettings.json with the secrets oidc and password."""
    return {
        "Metadata": {"Usn": 3, "SchemaVersion": "1.0"},
        "Authentication": {"Mode": "Oidc", "Oidc": {"Secret": secrets.get("oidc", protected("b2lkYw=="))}},
        "Email": {"Host": "smtp.example", "Password": secrets.get("password", protected("cGFzc3dvcmQ="))},
        "Authorization": {"ComputerTargets": [{"Id": "1", "Script": "c:\\Scripts\\.\\\xdcber.ps1"}]},
    }


def files(**changes: bytes | None) -> dict[str, bytes]:
    """The files of a small backup; changes: by name with __ for a slash and _dot_ for a dot."""
    content = {
        "config/appsettings.json": json.dumps(settings(), indent=2).encode(),
        "config/apphost.json": b'{"Hosting": {"HttpSys": {"HttpPort": 80}}}',
        "config/scripts/rule.ps1": b"exit",
        "external/C/Scripts/\xfcber.ps1": b"exit 1",
    }
    for name, data in changes.items():
        path = name.replace("__", "/").replace("_dot_", ".")
        if data is None:
            del content[path]
        else:
            content[path] = data
    return content


FOLDERS = ("config/", "config/scripts/", "config/db/")


def lists(content: Mapping[str, bytes], folders: tuple[str, ...] = FOLDERS) -> dict[str, Any]:
    """What files.json says of these files."""
    return {
        "files": [
            {"path": name, "source": name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} | COMMON
            for name, data in content.items()
        ],
        "folders": [{"path": name, "source": name} | COMMON | {"attributes": 0x10} for name in folders],
    }


def state(**changes: Any) -> dict[str, Any]:
    """What state/installation.json says."""
    described = server()
    kept = ("installation", "installer", "state", "environment", "documents", "references", "cluster")
    return {key: described[key] for key in kept} | changes


def references(content: Mapping[str, bytes], described: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a server without short names records of the files that its JSON names, of those that are there."""
    root, names = str(described["installation"].get("config_path", "")), {name.lower(): name for name in content}
    found = []
    for file in JSON_FILES:
        with contextlib.suppress(ValueError):
            document = parse(content.get(f"config/{file}", b"{}"))
            for steps, folder in FILE_REFERENCES.items():
                for key, value in find(document, steps):
                    path = ntpath.normpath(ntpath.join(root, folder, str(value.value)))
                    inside = path.lower().startswith(f"{root.lower()}\\")
                    wanted = f"config{path[len(root) :]}" if inside else f"external/{path.replace(':', '', 1)}"
                    place, name = "config" if inside else "external", names.get(wanted.replace("\\", "/").lower())
                    if name and isinstance(value.value, str):
                        one = {
                            "key": key,
                            "value": value.value,
                            "path": path,
                            "place": place,
                            "exists": True,
                            "name": name,
                        }
                        found.append(one)
    return found


def config_zip(
    content: Mapping[str, bytes] | None = None,
    *,
    listed: dict[str, Any] | None = None,
    described: dict[str, Any] | None = None,
    folders: tuple[str, ...] = FOLDERS,
    more: Mapping[str, bytes] | None = None,
) -> bytes:
    """A config.zip; listed, described: other contents of files.json and the state; more: entries beside those."""
    content = files() if content is None else content
    described = described or state()
    if isinstance(described.get("references"), list) and isinstance(described.get("installation"), dict):
        described = described | {"references": [*references(content, described), *described["references"]]}
    entries = {
        "state/installation.json": json.dumps(described).encode(),
        "files.json": json.dumps(listed or lists(content, folders)).encode(),
    }
    return zipped(entries | dict.fromkeys(folders, b"") | dict(content) | dict(more or {}))


def zipped(entries: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return target.getvalue()


def bound(data: bytes, says: Mapping[str, str]) -> bytes:
    """A part that says to which backup it belongs; what is no part at all stays as it is."""
    if data.startswith(b"{"):
        return json.dumps({"backup": says} | json.loads(data)).encode()
    if not zipfile.is_zipfile(target := io.BytesIO(data)):
        return data
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("backup.json", json.dumps(says))
    return target.getvalue()


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()
