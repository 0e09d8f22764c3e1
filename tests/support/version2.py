# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Version 2 on a lab host, as far as the vendor's documents say what it looks like: nobody of this project has run it.

The service is the stand-in of version 1: it runs unconfigured and serves nothing. What version 2 does when it starts
before it was configured, C(importing) does at the moment of that start: it puts appsettings.json aside, and writes its
log.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from .ams_host import AmsHost

VERSION = "2.1.1029.0"
RUNTIME = "8.0.10"
LOG = "access-manager-v1-migration.log"
BASE = r"HKLM\SOFTWARE\Lithnet\Access Manager Service"
MOST_SECONDS = 500
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


@contextmanager
def importing(host: AmsHost, then: Callable[[], object] = lambda: None) -> Iterator[None]:
    """The service imports the settings that it finds when it is started in the block. C(then): what happens next."""
    before, ended = host.turns().count("started"), threading.Event()

    def is_started() -> bool:
        return host.turns().count("started") > before

    def import_at_start() -> None:
        host.wait_for(lambda: is_started() or ended.is_set(), MOST_SECONDS)
        if is_started():
            _import_settings(host)
            then()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(import_at_start)
        try:
            yield
        finally:
            ended.set()
        done.result()


def put_aside(host: AmsHost) -> list[Path]:
    """The settings that were imported."""
    return list(host.config.glob("appsettings.json.*.backup"))


def _import_settings(host: AmsHost) -> None:
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
