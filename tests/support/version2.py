# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in's mode of version 2: what the vendor's documents say of it. Nobody of this project has run version 2.

The service is that of version 1: unconfigured it runs and serves nothing, configured it answers at every address, so at
/health-check too. What version 2 does besides when it starts before it was configured, a thread of the host does: it
puts the settings aside that it finds, and writes its log. Only `configure` starts it without appsettings.json, which
the service of version 1 does not do.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .ams_host import AmsHost

VERSION = "2.1.1029.0"
RUNTIME = "8.0.10"
LOG = "access-manager-v1-migration.log"
BASE = r"HKLM\SOFTWARE\Lithnet\Access Manager Service"
WINDOWS = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
SQL_INSTANCES = r"HKLM\SOFTWARE\Microsoft\Microsoft SQL Server\Instance Names\SQL"
_INSTALLED = b"{}\r\n"
_POLL_SECONDS = 0.1


class Version2:
    """Version 2 on a host, from its installation until `close`.

    after_import: what happens to the service when it has imported settings.
    """

    def __init__(self, host: AmsHost) -> None:
        """Installs it, without configuring it. What the host had of version 1 is gone."""
        self.after_import: Callable[[], object] = lambda: None
        self._host, self._settings = host, host.config / "appsettings.json"
        self._end = threading.Event()
        self._install()
        self._starts = host.turns().count("started")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._end.set()
        self._thread.join()

    @property
    def put_aside(self) -> list[Path]:
        """The settings that were imported."""
        return list(self._host.config.glob("appsettings.json.*.backup"))

    def configure(self) -> None:
        """What the configuration tool does when it saves."""
        self._host.run("reg.exe", "add", BASE, "/v", "Configured", "/t", "REG_DWORD", "/d", "1", "/f")
        self._host.stop_service()
        self._settings.write_bytes(_INSTALLED)
        self._host.start_service()
        self._settings.unlink()

    def _install(self) -> None:
        host = self._host
        if host.service_state() == "Running":
            host.stop_service()
        for entry in (*host.config.iterdir(), *host.logs.glob("*")):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        self._settings.write_bytes(_INSTALLED)
        (host.config / "of-version-2.json").write_bytes(_INSTALLED)
        host.run("reg.exe", "add", BASE, "/v", "Version", "/d", VERSION, "/f")
        host.run("reg.exe", "add", BASE, "/v", "Configured", "/t", "REG_DWORD", "/d", "0", "/f")
        host.run("reg.exe", "add", WINDOWS, "/v", "CurrentBuildNumber", "/d", "20348", "/f")
        host.run("reg.exe", "add", SQL_INSTANCES, "/v", "AMS", "/d", "MSSQL15.AMS", "/f")
        for name in ("Microsoft.AspNetCore.App", "Microsoft.WindowsDesktop.App"):
            (host.drive_c / "Program Files/dotnet/shared" / name / RUNTIME).mkdir(parents=True, exist_ok=True)
        host.start_service()

    def _run(self) -> None:
        while not self._end.wait(_POLL_SECONDS):
            starts = self._host.turns().count("started")
            if starts > self._starts and self._imports():
                self.after_import()
            self._starts = starts

    def _imports(self) -> bool:
        """What the service does when it starts: whether it imported settings."""
        with suppress(FileNotFoundError):
            if self._settings.read_bytes() == _INSTALLED or self._is_configured():
                return False
            self._settings.rename(self._settings.with_name("appsettings.json.20261130.backup"))
            self._host.logs.mkdir(exist_ok=True)
            (self._host.logs / LOG).write_text("Imported the configuration of version 1\r\n")
            return True
        return False

    def _is_configured(self) -> bool:
        return "0x1" in self._host.run("reg.exe", "query", BASE, "/v", "Configured")
