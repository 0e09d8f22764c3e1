# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Version 2 on a lab host, as far as the vendor's documents say what it looks like: nobody of this project has run it.

The service is the stand-in of version 1: it runs unconfigured and serves nothing. What version 2 does when it starts
before it was configured, C(import_settings) does: it puts appsettings.json aside, and writes its log.
"""

from __future__ import annotations

import shutil

from .ams_host import AmsHost

VERSION = "2.1.1029.0"
RUNTIME = "8.0.10"
LOG = "access-manager-v1-migration.log"
BASE = r"HKLM\SOFTWARE\Lithnet\Access Manager Service"
WINDOWS = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
SQL_INSTANCES = r"HKLM\SOFTWARE\Microsoft\Microsoft SQL Server\Instance Names\SQL"


def install(host: AmsHost) -> None:
    """Version 2 is installed and was not configured. What the host had of version 1 is gone."""
    if host.service_state() == "Running":
        host.stop_service()
    for entry in (*host.config.iterdir(), *host.logs.glob("*")):
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    (host.config / "appsettings.json").write_bytes(b"{}\r\n")
    (host.config / "of-version-2.json").write_bytes(b"{}\r\n")
    host.run("reg.exe", "add", BASE, "/v", "Version", "/d", VERSION, "/f")
    host.run("reg.exe", "add", BASE, "/v", "Configured", "/t", "REG_DWORD", "/d", "0", "/f")
    host.run("reg.exe", "add", WINDOWS, "/v", "CurrentBuildNumber", "/d", "20348", "/f")
    host.run("reg.exe", "add", SQL_INSTANCES, "/v", "AMS", "/d", "MSSQL15.AMS", "/f")
    for name in ("Microsoft.AspNetCore.App", "Microsoft.WindowsDesktop.App"):
        (host.drive_c / "Program Files/dotnet/shared" / name / RUNTIME).mkdir(parents=True, exist_ok=True)
    host.start_service()


def import_settings(host: AmsHost) -> None:
    """What the service does when it starts beside settings of version 1."""
    settings = host.config / "appsettings.json"
    settings.rename(settings.with_name("appsettings.json.20261130.backup"))
    host.logs.mkdir(exist_ok=True)
    (host.logs / LOG).write_text("Imported the configuration of version 1\r\n")


def configure(host: AmsHost) -> None:
    """What the configuration tool does when it saves. The stand-in does not start without appsettings.json."""
    host.run("reg.exe", "add", BASE, "/v", "Configured", "/t", "REG_DWORD", "/d", "1", "/f")
    host.stop_service()
    (host.config / "appsettings.json").write_bytes(b"{}\r\n")
    host.start_service()
    (host.config / "appsettings.json").unlink()
