# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows host with Access Manager on it, reachable over WinRM, for tests."""

from __future__ import annotations

import atexit
import base64
import json
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PureWindowsPath
from types import TracebackType
from typing import Any, Literal

from .certificates import (
    CURRENT,
    EXPIRED,
    SERVICE_STORE,
    TLS,
    CertificateSpec,
    ServerFiles,
    TestCertificate,
    make_certificate,
    write_server_files,
)
from .configuration import (
    CONFIG_PATH,
    DB_SIZE,
    SECRET_PATHS,
    Configuration,
    ProtectedSecret,
    settings,
    to_json,
    write_configuration,
    write_external_files,
)
from .leaks import key_needles, text_needles
from .playbook import hash_tree
from .tls_front import TlsSite
from .version2 import Version2

LAB = Path(__file__).resolve().parent.parent / "windows_lab"
sys.path.insert(0, str(LAB))

import windows_lab  # noqa: E402  found by the line above

SERVICE_SID = "S-1-5-80-125788923-1836679867-2653951330-153436886-93372159"
APPLICATION_ID = "{4C3E21BA-7BEF-46C8-BC85-A4407DB6F596}"
KNOBS = r"HKLM\Software\WindowsLab\Service"
POWERSHELL = "powershell.exe"
USER = "backup"
PATIENCE = 300.0
"""Seconds to wait for what a host or a run does, on a busy machine."""
Connection = Literal["winrm", "psrp"]
Transport = Literal["ntlm", "basic"]


@dataclass(frozen=True)
class Secret:
    """A planted secret. core: the part that is ASCII and no format escapes; text: all of it."""

    core: str
    text: str

    @classmethod
    def make(cls) -> Secret:
        """A new one, with characters outside ASCII behind its core."""
        core = secrets.token_urlsafe(24)
        return cls(core, f"{core} ß€ 'ключ\" 🔑")


@dataclass
class Count:
    """What WinRM cost. requests: HTTP requests; bytes: both ways; commands: processes started on the host."""

    requests: int = 0
    bytes: int = 0
    commands: int = 0


def available() -> str | None:
    """None when a host can be made here, else what is missing, in words."""
    missing: str | None = windows_lab.available()
    return missing


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on now, below those that outgoing connections take."""
    for _number in range(100):
        port = 20000 + secrets.randbelow(12000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port was found between 20000 and 32000")


class AmsHost:
    """A lab host with Access Manager installed and WinRM listening. Make it with `create`; end it with `close`.

    prefix: the host's folder. drive_c: its disk. config: the configuration folder on it. logs: the service's.
    http_port, https_port: of the web site. winrm_port, tls_port: of WinRM (tls_port is 0 without TLS). user, password:
    for it. certificates: those in the service's store. tls_certificate: the web site's, in LocalMachine\\My. site: what
    serves it over TLS. version_2: when that is installed. secrets: the protected secrets in clear, by their path in
    appsettings.json.
    """

    def __init__(self, prefix: Path, name: str, http_port: int, https_port: int) -> None:
        self.prefix = prefix.resolve()
        self.name = name
        self.http_port, self.https_port = http_port, https_port
        self.drive_c = self.prefix / "drive_c"
        self.home = self.prefix / windows_lab.AMS_HOME
        self.config = self.home / "config"
        self.logs = self.home / "logs"
        self.user, self.password = USER, secrets.token_urlsafe(12)
        self.winrm_port = self.tls_port = 0
        self.tls: ServerFiles | None = None
        self.configuration: Configuration
        self.external: dict[PureWindowsPath, Path] = {}
        self.certificates: tuple[TestCertificate, ...] = ()
        self.tls_certificate: TestCertificate
        self.site: TlsSite | None = None
        self.version_2: Version2 | None = None
        self.planted: dict[str, Secret] = {}
        self._server: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    # ---- making and ending ----

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        name: str = "ams1",
        certificates: Sequence[CertificateSpec] = (CURRENT, EXPIRED),
        running: bool = True,
        configured: bool = True,
        db_size: int = DB_SIZE,
        tls: bool = False,
        installed: bool = True,
        drives: Mapping[str, Path] | None = None,
    ) -> AmsHost:
        """Makes a host in folder/name, which must not exist.

        running: start the service. configured: the registry's Configured is 1, else the service serves nothing.
        db_size: bytes of each of the two database files. tls: WinRM over TLS too. installed: with Access Manager;
        else none of the above but tls counts. drives: more disks, a folder here by its letter there.
        """
        host = cls(Path(folder) / name, name, free_port(), free_port())
        try:
            windows_lab.new(host.prefix)
            for letter, place in (drives or {}).items():
                (host.prefix / "dosdevices" / f"{letter.lower()}:").symlink_to(place)
            if installed:
                host._install(configured, db_size)
                host._prepare(certificates)
            if installed and running:
                host.start_service()
            host._listen(tls)
        except BaseException:
            host.close()
            raise
        return host

    def _install(self, configured: bool, db_size: int) -> None:
        source = self.prefix / "configuration"
        written = write_configuration(source, self.http_port, https_port=self.https_port, db_size=db_size)
        windows_lab.install_ams(self.prefix, self.http_port if configured else 0, source, running=False)
        shutil.rmtree(source)
        self.configuration = replace(written, folder=self.config)
        self.external = write_external_files(self.drive_c)

    def _prepare(self, specs: Sequence[CertificateSpec]) -> None:
        """Certificates, secrets, permissions, HTTP.sys and registry, all by one PowerShell."""
        self.certificates = tuple(make_certificate(spec) for spec in specs)
        self.tls_certificate = make_certificate(TLS)
        self.planted = {path: Secret.make() for path in SECRET_PATHS}
        script = (Path(__file__).parent / "host_setup.ps1").read_text(encoding="utf-8")
        answer = json.loads(self.powershell(script, json.dumps(self._setup_task()).encode()))
        assert answer["thumbprints"] == [one.thumbprint for one in (*self.certificates, self.tls_certificate)]
        protected = {path: ProtectedSecret(one["data"], one["salt"]) for path, one in answer["secrets"].items()}
        self._save(to_json(settings(protected)))
        self.site = TlsSite(self.https_port, self.http_port, self.tls_certificate, self.prefix)

    def install_version_2(self) -> Version2:
        """From now on the stand-in is that of version 2, just installed: it runs and is not configured."""
        self.version_2 = Version2(self)
        return self.version_2

    def serve_at(self, http_port: int, https_port: int) -> None:
        """The configuration to come has its web site at these ports."""
        if self.site is not None:
            self.site.close()
        self.http_port, self.https_port = http_port, https_port
        self.site = TlsSite(https_port, http_port, self.tls_certificate, self.prefix)

    def _setup_task(self) -> dict[str, Any]:
        certificates = (*self.certificates, self.tls_certificate)
        endpoint = f"0.0.0.0:{self.https_port}"
        thumbprint = self.tls_certificate.thumbprint
        descriptor = f"D:(A;;GX;;;{SERVICE_SID})"
        secrets = {path: secret.text for path, secret in self.planted.items()}
        return {
            "service_sid": SERVICE_SID,
            "certificates": [_certificate_task(one) for one in certificates],
            "secrets": secrets,
            "folders": {
                str(CONFIG_PATH): "Modify",
                str(CONFIG_PATH / "db"): "FullControl",
                str(CONFIG_PATH.parent / "logs"): "Modify",
            },
            "urls": [f"http://+:{self.http_port}/", f"https://+:{self.https_port}/"],
            "bindings": [{"endpoint": endpoint, "thumbprint": thumbprint, "application": APPLICATION_ID}],
            "registry": {"HttpAcl": descriptor, "HttpsAcl": descriptor, "CertBinding": endpoint},
        }

    def _listen(self, tls: bool) -> None:
        command = [sys.executable, str(LAB / "winrm_server.py"), str(self.prefix), "--port", "0"]
        command += ["--user", f"{self.user}:{self.password}"]
        if tls:
            self.tls = write_server_files(self.prefix / "tls")
            command += ["--tls-port", str(free_port()), "--cert", str(self.tls.certificate), "--key", str(self.tls.key)]
        log = self.prefix / "winrm-server.log"
        with log.open("wb") as errors:
            self._server = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
            )
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        if not line:
            raise RuntimeError(f"the WinRM listener did not start: {log.read_text(errors='replace')}")
        self.winrm_port, self.tls_port = (json.loads(line)["ports"] + [0])[:2]

    def close(self) -> None:
        """Ends every process of the host and its listener. Its folder stays. May be called again."""
        atexit.unregister(self.close)
        self.stop_listener()
        if self.version_2 is not None:
            self.version_2.close()
            self.version_2 = None
        if self.site is not None:
            self.site.close()
            self.site = None
        if (self.prefix / "system.reg").exists():
            windows_lab.stop(self.prefix)

    def stop_listener(self) -> None:
        """Ends the WinRM listener only, as when the host went away."""
        if self._server is None:
            return
        self._server.terminate()
        try:
            self._server.wait(10)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        if self._server.stdout is not None:
            self._server.stdout.close()
        self._server = None

    def remove(self) -> None:
        """Ends the host and deletes its folder."""
        self.close()
        shutil.rmtree(self.prefix, ignore_errors=True)

    def __enter__(self) -> AmsHost:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- using it ----

    def run(self, *argv: str, stdin: bytes = b"", timeout: float = 300) -> str:
        """Runs a program on the host to its end; its output. RuntimeError when it fails. timeout in seconds."""
        for _attempt in range(3 if argv[0] == "reg.exe" else 1):
            done = windows_lab.run(self.prefix, list(argv), stdin, timeout)
            output: str = done.stdout.decode("utf-8", "replace")
            errors: str = done.stderr.decode("utf-8", "replace")
            if done.returncode == 0:
                return output
            if output + errors:  # else it did not begin, as Wine's reg.exe at times on a busy machine
                break
        raise RuntimeError(f"{argv[0]} on {self.name} ended with {done.returncode}: {output}{errors}")

    def powershell(self, script: str, stdin: bytes = b"", timeout: float = 300) -> str:
        """Runs a PowerShell script on the host, beside WinRM; its output. Any error is a RuntimeError."""
        folder = self.drive_c / "windows/temp"
        file = folder / f"test-{secrets.token_hex(8)}.ps1"
        text = "$ErrorActionPreference = 'Stop'\n[Console]::OutputEncoding = New-Object Text.UTF8Encoding $false\n"
        file.write_text("\ufeff" + text + script, encoding="utf-8")
        try:
            path = rf"C:\windows\temp\{file.name}"
            return self.run(POWERSHELL, "-NoProfile", "-File", path, stdin=stdin, timeout=timeout)
        finally:
            file.unlink()

    def path(self, windows_path: str | PureWindowsPath) -> Path:
        r"""Where a file of drive C: is here, as C:\Folder\File names it. Capitals count, unlike on Windows."""
        return self.drive_c.joinpath(*PureWindowsPath(windows_path).parts[1:])

    def disk(self) -> dict[str, str]:
        """What is on drive C:, to compare before and after, as `hash_tree` says it. Without the system's own files.

        The folder that Ansible's async keeps its results in stays when they are gone: it counts only when it holds any.
        """
        own = [path for path in self.drive_c.iterdir() if path.name != "windows"]
        tree: dict[str, str] = {}
        for folder in (*own, self.drive_c / "windows/temp"):
            tree |= {f"{folder.name}/{name}": what for name, what in hash_tree(folder, ignore=["*.log"]).items()}
        return {name: what for name, what in tree.items() if not name.endswith("/.ansible_async")}

    def registry(self, key: str = r"HKLM\Software\Lithnet\Access Manager Service") -> str:
        """The values of a key of the registry and of all below it, as reg.exe prints them."""
        return self.run("reg.exe", "query", key, "/s")

    def domain_secrets(self, *wanted: tuple[str, str]) -> list[str]:
        """Texts as secrets of mode 3, in Base64, each for the accounts of its SDDL. The host must be in a domain."""
        script = (Path(__file__).parent / "domain_secret.ps1").read_text(encoding="utf-8")
        task = [{"descriptor": descriptor, "text": text} for descriptor, text in wanted]
        made: list[str] = json.loads(self.powershell(script, json.dumps(task).encode()))
        return made

    def reset_settings(self) -> None:
        """Makes appsettings.json as the MSI installs it."""
        self._save(to_json({"Logging": settings()["Logging"]}))

    def edit_settings(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Changes appsettings.json as the configuration editor saves it: Metadata.Usn grows by one."""
        content = json.loads((self.config / "appsettings.json").read_text(encoding="utf-8-sig"))
        change(content)
        content["Metadata"]["Usn"] += 1
        self._save(to_json(content))

    def _save(self, appsettings: bytes) -> None:
        (self.config / "appsettings.json").write_bytes(appsettings)

    def add_certificate(self, spec: CertificateSpec) -> TestCertificate:
        """Makes one more certificate and puts it, with its key, into the store that spec names."""
        made = make_certificate(spec)
        file = self.prefix / "import.pfx"
        file.touch(0o600)
        file.write_bytes(made.pfx)
        try:
            windows_lab.import_certificate(
                self.prefix, file, made.pfx_password, spec.store, cng=spec.cng, exportable=spec.exportable
            )
        finally:
            file.unlink()
        if spec.store == SERVICE_STORE:
            self.certificates += (made,)
        return made

    # ---- the service ----

    def service_state(self) -> str:
        """Running, Stopped, StartPending or StopPending."""
        for line in self.run("sc.exe", "query", "lithnetams").splitlines():
            if line.strip().startswith("STATE"):
                return line.split()[-1].title().replace("_", "")
        raise RuntimeError(f"the service's state on {self.name} is unknown")

    def start_service(self, timeout: float = PATIENCE) -> None:
        """Starts the service and waits until it runs. TimeoutError after that many seconds."""
        self.run("sc.exe", "start", "lithnetams")
        self.wait_for(lambda: self.service_state() == "Running", timeout)

    def stop_service(self, timeout: float = PATIENCE) -> None:
        """Stops the service and waits until it has. TimeoutError after that many seconds."""
        self.run("sc.exe", "stop", "lithnetams")
        self.wait_for(lambda: self.service_state() == "Stopped", timeout)

    def revive_service(self) -> None:
        """Kills the service's processes and starts it again.

        Needed after RefuseStop: on the lab a service that has once refused to stop refuses ever after, whatever the
        knob says. (A killed service's state stays Running until it is started again, so its log tells.)
        """
        before = len(self.service_log())
        self.run("taskkill.exe", "/f", "/im", "Lithnet.AccessManager.Service.exe")
        self.run("sc.exe", "start", "lithnetams")
        self.wait_for(lambda: "started" in [text for _time, text in self.service_log()[before:]])

    def wait_for(self, true: Callable[[], bool], timeout: float = PATIENCE) -> None:
        """Waits until a condition is true. TimeoutError after that many seconds."""
        end = time.monotonic() + timeout
        while not true():
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name}: not so within {timeout} s")
            time.sleep(0.05)

    def service_log(self) -> list[tuple[datetime, str]]:
        """What the service has logged: starts and stops, with their times in UTC."""
        file = self.logs / "access-manager-service.log"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        entries = (line.partition(" ") for line in lines if line)
        return [(datetime.fromisoformat(when), text) for when, _separator, text in entries]

    def turns(self) -> list[str]:
        """Each `stopped` and `started` of the service, in order."""
        return [text for _time, text in self.service_log() if text in ("stopped", "started")]

    def http_answers(self) -> bool:
        """Whether the web site answers with 200 within two seconds."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/", timeout=2) as answer:
                status: int = answer.status
                return status == 200
        except (OSError, urllib.error.URLError):
            return False

    def knob(self, name: str, value: int) -> None:
        """Makes the service misbehave: StartDelayMs, StopDelayMs, UnlockDelayMs, FailStart or RefuseStop."""
        self.run("reg.exe", "add", KNOBS, "/v", name, "/t", "REG_DWORD", "/d", str(value), "/f")

    def clear_knobs(self) -> None:
        """Makes the service behave again."""
        self.run("reg.exe", "add", KNOBS, "/f")
        self.run("reg.exe", "delete", KNOBS, "/f")

    # ---- the wire ----

    def trouble(self, **what: Any) -> None:
        """Makes the network worse until `calm`: latency_ms, drop_every, drop_next, reject; or has the host lie: merge.

        Replaces what was set.
        """
        new = self.prefix / "winrm.json.test"
        new.write_text(json.dumps(what))
        new.replace(self.prefix / "winrm.json")

    def calm(self) -> None:
        """Ends all trouble of the network."""
        (self.prefix / "winrm.json").unlink(missing_ok=True)

    def stats(self) -> dict[str, int]:
        """The listener's counts since it started: requests, bytes_in, bytes_out, commands."""
        file = self.prefix / "winrm-stats.json"
        none = {"requests": 0, "bytes_in": 0, "bytes_out": 0, "commands": 0}
        return none | json.loads(file.read_text()) if file.exists() else none

    @contextmanager
    def counting(self) -> Iterator[Count]:
        """Counts what WinRM costs within the block; the figures are there when it ends."""
        count, before = Count(), self.stats()
        try:
            yield count
        finally:
            more = {name: value - before[name] for name, value in self.stats().items()}
            count.requests, count.commands = more["requests"], more["commands"]
            count.bytes = more["bytes_in"] + more["bytes_out"]

    # ---- Ansible ----

    def inventory_vars(
        self, connection: Connection = "winrm", transport: Transport = "ntlm", tls: bool = False
    ) -> dict[str, Any]:
        """The variables that reach the host. tls needs a host made with tls=True (ValueError otherwise)."""
        if tls and self.tls is None:
            raise ValueError(f"{self.name} was made without TLS")
        common = {
            "ansible_connection": connection,
            "ansible_host": "127.0.0.1",
            "ansible_port": self.tls_port if tls else self.winrm_port,
            "ansible_user": self.user,
            "ansible_password": self.password,
        }
        own = _winrm_vars if connection == "winrm" else _psrp_vars
        return common | own(transport, self.tls if tls else None)

    def write_inventory(
        self,
        path: Path,
        connection: Connection = "winrm",
        transport: Transport = "ntlm",
        *,
        tls: bool = False,
        variables: Mapping[str, Any] | None = None,
    ) -> Path:
        """Writes an inventory (0600) with this host in the group access_manager; variables are added to its own."""
        return write_inventory(
            path, {self.name: self.inventory_vars(connection, transport, tls) | dict(variables or {})}
        )

    # ---- secrets ----

    @property
    def secrets(self) -> dict[str, str]:
        """The protected secrets in clear, by their path in appsettings.json."""
        return {path: secret.text for path, secret in self.planted.items()}

    def planted_secrets(self) -> dict[str, bytes]:
        """Every byte string that gives a secret of this host away, by what it is: see find_leaks."""
        needles: dict[str, bytes] = {}
        for path, secret in self.planted.items():
            needles |= text_needles(path, secret.core)
        for one in (*self.certificates, self.tls_certificate):
            needles |= text_needles(f"password of the PFX {one.spec.name}", one.pfx_password)
            needles |= key_needles(f"private key {one.spec.name}", one.private_key)
        return needles


def _certificate_task(one: TestCertificate) -> dict[str, Any]:
    return {
        "pfx": base64.b64encode(one.pfx).decode(),
        "password": one.pfx_password,
        "store": one.spec.store,
        "cng": one.spec.cng,
        "exportable": one.spec.exportable,
    }


def _winrm_vars(transport: Transport, tls: ServerFiles | None) -> dict[str, Any]:
    variables = {"ansible_winrm_scheme": "https" if tls else "http", "ansible_winrm_transport": transport}
    return variables | ({"ansible_winrm_ca_trust_path": str(tls.authority)} if tls else {})


def _psrp_vars(transport: Transport, tls: ServerFiles | None) -> dict[str, Any]:
    variables = {"ansible_psrp_protocol": "https" if tls else "http", "ansible_psrp_auth": transport}
    if transport == "basic":
        variables["ansible_psrp_message_encryption"] = "never"
    return variables | ({"ansible_psrp_ca_cert": str(tls.authority)} if tls else {})


def write_inventory(path: Path, hosts: Mapping[str, Mapping[str, Any]], group: str = "access_manager") -> Path:
    """Writes an inventory (0600) of hosts with their variables, all in one group. The name must end with .yml."""
    path.unlink(missing_ok=True)
    path.touch(0o600)
    content = {group: {"hosts": {name: dict(variables) for name, variables in hosts.items()}}}
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
    return path


MakeHost = Callable[..., AmsHost]
"""A fixture that makes hosts: name and the options of `AmsHost.create`."""
