# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows server of an inventory with the stand-in of Access Manager on it, reached by its Ansible connection alone.

On Windows the stand-in is compiled on the server (StandIn.cs) and serves HTTP and TLS by HTTP.sys. Where there is no
compiler of .NET Framework, as on a lab host, STANDIN names a program that is copied instead. It need not serve TLS: the
TLS binding is at a port that apphost.json does not name then, and no test of health asks for it. All else is the same.
"""

from __future__ import annotations

import base64
import io
import json
import os
import secrets
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from ansible_collections.lithnet.access_manager.plugins.plugin_utils._ams.constants import SERVICE_SID
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory import pfx_key_provider
from support.certificates import (
    CRYPTOAPI,
    CURRENT,
    EXPIRED,
    MACHINE_STORE,
    SERVICE_STORE,
    TLS,
    TestCertificate,
    make_certificate,
)
from support.configuration import (
    CONFIG_PATH,
    EXTERNAL_DATA,
    EXTERNAL_SCRIPTS,
    SECRET_PATHS,
    Configuration,
    ProtectedSecret,
    external_files,
    settings,
    to_json,
    write_configuration,
)
from support.playbook import PlaybookRun, run_playbook
from windows.verified import Windows

FOLDER = Path(__file__).resolve().parent
SERVICE = "lithnetams"
HOME = CONFIG_PATH.parent
EXECUTABLE = HOME / "Lithnet.AccessManager.Service.exe"
MARK = r"SOFTWARE\lithnet.access_manager.tests"
KEYS = (r"SOFTWARE\Lithnet\Access Manager Service", rf"SOFTWARE\Microsoft\Cryptography\Services\{SERVICE}")
STAGING = r"C:\ProgramData\lithnet.access_manager"
FOLDERS = (str(HOME), str(EXTERNAL_SCRIPTS), str(EXTERNAL_DATA), STAGING, f"{STAGING}.safety")
APPLICATION_ID = "{4C3E21BA-7BEF-46C8-BC85-A4407DB6F596}"
PASSED_ON = ("KRB5CCNAME", "KRB5_CONFIG", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "ANSIBLE_VAULT_PASSWORD_FILE")
"""Variables of the environment without which an inventory may not reach its servers."""


@dataclass(frozen=True)
class Look:
    """What a server has. mark: of an earlier run. image, executable: the service's program and its SHA-256."""

    windows: Windows
    found: tuple[str, ...]
    image: str
    mark: str
    executable: str
    keys: tuple[str, ...]


def refusal(name: str, look: Look) -> str:
    """Why the stand-in is not installed there; empty when nothing is against it."""
    if not look.mark:
        if not look.found:
            return ""
        return (
            f"{name} has Access Manager, or parts of it: {', '.join(look.found)}. Nothing was changed. "
            "Name a server without it in INVENTORY: these tests install a stand-in of it and remove that afterwards."
        )
    own = json.loads(look.mark).get("executable", "")
    if look.executable not in ("", own) or look.image.strip('"').lower() not in ("", str(EXECUTABLE).lower()):
        return (
            f"{name} has the mark of a stand-in that an earlier run left (HKLM\\{MARK}), but another program as its "
            "service: Access Manager may have been installed since. Nothing was changed. Delete that key if it was."
        )
    return ""


class Server:
    """A server of the inventory. Make it with `install`, and end it with `remove`."""

    def __init__(self, inventory: Path, name: str, program: Path | None = None) -> None:
        self.inventory, self.name, self.program = inventory.resolve(), name, program
        self.windows: Windows
        self.certificates = tuple(make_certificate(spec) for spec in (CURRENT, EXPIRED, CRYPTOAPI))
        self.tls_certificate = make_certificate(TLS)
        self.secrets = {path: secrets.token_urlsafe(24) + " ß€ 🔑" for path in SECRET_PATHS}
        http, https, bound = (20000 + number for number in secrets.SystemRandom().sample(range(12000), 3))
        self.endpoint = f"0.0.0.0:{bound if program else https}"
        self.urls = (f"http://+:{http}/", f"https://+:{https}/")
        self.files, self.configuration = _files(http, https)
        self._archive = zipfile.ZipFile(io.BytesIO(self.files))

    def original(self, name: str) -> bytes:
        """What a file of the configuration folder was installed with."""
        return self._archive.read(_member(CONFIG_PATH / name))

    def look(self) -> Look:
        answer = self.ask("look", **self._place())
        windows = Windows(answer["product"], answer["build"], answer["wine"])
        found, keys = tuple(answer["found"]), tuple(answer["keys"])
        return Look(windows, found, answer["image"], answer["mark"], answer["executable"], keys)

    def install(self) -> None:
        """Installs the stand-in and starts it. What an installation that fails has made is removed again."""
        try:
            self.ask("install", **self._installation())
        except BaseException:
            if self.look().mark:
                self.remove()
            raise

    def remove(self) -> None:
        """Removes the stand-in of this run or of an earlier one, and all that came with it."""
        parents = [str(HOME.parent), str(EXTERNAL_DATA.parent)]
        self.ask("remove", **self._place(), parents=parents)

    def state(self) -> dict[str, Any]:
        """What is on the server; see state.ps1."""
        own = [str(CONFIG_PATH), str(EXTERNAL_SCRIPTS), str(EXTERNAL_DATA)]
        answer: dict[str, Any] = self.ask(
            "state", **self._place(), own_folders=own, logs=str(HOME / "logs"), staging=[STAGING]
        )
        return answer

    def ask(self, script: str, **task: Any) -> Any:
        """Runs common.ps1 and a script of this folder on the server; its answer. AssertionError says why it failed."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "task").write_text(json.dumps({"service": SERVICE} | task))
            scripts = _file(FOLDER / "common.ps1") + _file(FOLDER / f"{script}.ps1")
            module = {"script": scripts, "task": _file(folder / "task")}
            play = {"hosts": self.name, "gather_facts": False, "tasks": [{"name": script, "host_script": module}]}
            (folder / "play.yml").write_text(json.dumps([play]))
            run = self.run(folder / "play.yml")
        assert run.rc == 0, f"{script}: {[one.result.get('msg') for one in run.results]} {run.output[-2000:]}"
        answer = run.results[-1].result["answer"]
        return json.loads(answer) if answer.startswith("{") else answer

    def run(self, playbook: Path | str, *, args: Sequence[str] = (), **variables: Any) -> PlaybookRun:
        """Runs a playbook against this server alone."""
        return run_playbook(
            playbook, self.inventory, args=args, extra_vars={"target": self.name} | variables, env=environment()
        )

    def _place(self) -> dict[str, Any]:
        return {
            "keys": KEYS,
            "folders": FOLDERS,
            "mark": MARK,
            "executable": str(EXECUTABLE),
            "endpoints": [self.endpoint],
            "urls": self.urls,
        }

    def _installation(self) -> dict[str, Any]:
        descriptor = f"D:(A;;GX;;;{SERVICE_SID})(A;;GX;;;SY)"  # the stand-in runs as SYSTEM
        stores = {
            SERVICE_STORE: [one.thumbprint for one in self.certificates],
            MACHINE_STORE: [self.tls_certificate.thumbprint],
        }
        return self._place() | {
            "program": base64.b64encode(self.program.read_bytes()).decode() if self.program else "",
            "source": (FOLDER / "StandIn.cs").read_text(encoding="utf-8"),
            "mark_content": {"executable": "", "endpoints": [self.endpoint], "urls": self.urls, "certificates": stores},
            "files": base64.b64encode(self.files).decode(),
            "empty_folders": [str(CONFIG_PATH.joinpath(*name.split("/"))) for name in self.configuration.empty_folders],
            "folders": {
                str(CONFIG_PATH): "Modify",
                str(CONFIG_PATH / "db"): "FullControl",
                str(HOME / "logs"): "Modify",
            },
            "registry": {"Path": f"{HOME}\\", "BasePath": f"{HOME}\\", "Version": "1.0.7945.0", "Configured": 1}
            | {"HttpAcl": descriptor, "HttpsAcl": descriptor, "CertBinding": self.endpoint},
            "parameters": {"ConfigPath": f"{CONFIG_PATH}\\", "LogPath": f"{HOME}\\logs\\", "LogRetentionDays": 7},
            "service_sid": SERVICE_SID,
            "descriptor": descriptor,
            "tls_thumbprint": self.tls_certificate.thumbprint,
            "application_id": APPLICATION_ID,
            "settings": str(CONFIG_PATH / "appsettings.json"),
            "certificates": [_certificate(one) for one in (*self.certificates, self.tls_certificate)],
            "secrets": self.secrets,
        }


def environment() -> dict[str, str]:
    """What a run gets of ours: what an inventory may need to reach its servers, and the module of these tests."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {
        "ANSIBLE_LIBRARY": str(FOLDER / "library")
    }


def _file(path: Path) -> str:
    return f"{{{{ lookup('ansible.builtin.file', '{path}', rstrip=false) }}}}"


def _certificate(one: TestCertificate) -> dict[str, str]:
    pfx = pfx_key_provider.name(one.pfx, one.pfx_password) if one.spec.cng else one.pfx
    return {"pfx": base64.b64encode(pfx).decode(), "password": one.pfx_password, "store": one.spec.store}


def _files(http: int, https: int) -> tuple[bytes, Configuration]:
    """A zip of what the installation has on drive C:, and what is in its configuration folder."""
    placeholders = {path: ProtectedSecret(f"{path}.data", f"{path}.salt") for path in SECRET_PATHS}
    content = io.BytesIO()
    with tempfile.TemporaryDirectory() as name, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        written = write_configuration(Path(name), http, https_port=https)
        (Path(name) / "appsettings.json").write_bytes(to_json(settings(placeholders)))
        for path in written.files + written.database:
            archive.write(Path(name) / path, _member(CONFIG_PATH / path))
        for external, data in external_files().items():
            archive.writestr(_member(external), data)
    return content.getvalue(), written


def _member(path: PureWindowsPath) -> str:
    return "/".join(path.parts[1:])
