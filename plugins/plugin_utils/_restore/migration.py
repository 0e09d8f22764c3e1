# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From version 1 to a new server with version 2: which servers and backups are refused.

What is known of version 2 is from its vendor's documents alone (Upgrading from Access Manager v1; Installing the Access
Manager Service): nobody of this project has run it. It imports the configuration of version 1 when its service starts
and was not configured before. So the files are put into place as on any other server, and all that its own
configuration tool sets is left to that.
"""

from __future__ import annotations

import collections.abc as c
import re
import typing as t

from .._ams.checks import refuse_unusable_places
from .._ams.constants import is_secret_name, is_secret_value
from .._ams.description import Described
from .._ams.shapes import RegistryValue
from .._contents.contents import Contents
from .._contents.web_address import texts
from .._errors import AccessManagerError
from .._target.answers import Platform
from .._text import printable

VERSION: t.Final = 2
IMPORTED = re.compile(r"config/appsettings\.json\.[^/]+\.backup", re.IGNORECASE)
"""What version 2 renames the settings of version 1 to after it imported them."""

_SERVER_2016 = 14393
"""The build of Windows Server 2016."""

_RUNTIMES = ("Microsoft.AspNetCore.App", "Microsoft.WindowsDesktop.App")
_RUNTIME_OF_2_0, _RUNTIME_OF_2_1 = (6, 0, 10), (8, 0)
"""The oldest versions of .NET with which they start. Neither starts with another major version."""

_VERSION_1, _1_1, _2_1 = "1", (1, 1), (2, 1)
_TAKES_1_1 = (2, 0, 9410)
"""The first version 2 to which upgrades from 1.1 succeed."""

_CONNECTION = ("Parameters", "ConnectionString")
_LICENCE = "licensedata"
_HIDDEN = "(not shown)"
_VERSION_TEXT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){1,3}")
_ASKS_FOR = "To go on all the same, give migrate_allow the word '{}'."


class Stumbled(AccessManagerError):
    """A stumbling block that an administrator may allow by its name."""

    def __init__(self, sentence: str, name: str) -> None:
        super().__init__(f"{sentence} {_ASKS_FOR.format(name)}")


def refuse_target(described: Described, allowed: c.Container[str]) -> None:
    """Raises AccessManagerError unless version 2 is installed on the server, is not configured, and can run there."""
    name, installation = described["computer_name"], described["installation"]
    if not installation["exists"]:
        raise AccessManagerError(
            f"Access Manager is not installed on {name}: install version 2 there, and do not open its configuration "
            "tool."
        )
    _refuse_version(name, installation["version"])
    if installation["configured"]:
        raise AccessManagerError(
            f"Access Manager on {name} is configured already, and version 2 imports the configuration of version 1 "
            "only before that. Migrate to a server on which it was just installed; or import the authorization rules "
            "alone, in its configuration tool."
        )
    imported = [str(record["path"]) for record in described["records"] if IMPORTED.fullmatch(str(record["name"]))]
    if imported:
        raise AccessManagerError(
            f"Version 2 on {name} has imported a configuration of version 1 already: there is '{imported[0]}'. Run "
            "the playbook migrate_check."
        )
    refuse_unusable_places(described)
    _refuse_platform(name, described, allowed)


def hide_secrets(described: Described) -> None:
    """Takes the secrets out of the registry values of version 2, which are left alone: results hold what was described,
    and its connection string may have the password of an account of SQL Server."""
    described["state"]["registry"] = list(map(_shown, described["state"]["registry"]))


def _shown(value: RegistryValue) -> RegistryValue:
    name, data = value["name"], value["data"]
    texts_of = [str(one) for one in data] if isinstance(data, list) else [str(data)]
    is_secret = is_secret_name(name) or name.lower() == _LICENCE or any(map(is_secret_value, texts_of))
    return {**value, "data": _HIDDEN} if data and is_secret else value


def _refuse_version(name: str, version: str) -> None:
    major = version.partition(".")[0]
    if major == str(VERSION):
        return
    shown = f"Access Manager on {name} has version '{printable(version)}'"
    if major == _VERSION_1:
        raise AccessManagerError(
            f"{shown}: this takes a backup of version 1 to version 2. To restore to version 1, run the playbook "
            "disaster_recovery."
        )
    raise AccessManagerError(
        f"{shown}: this takes a backup of version 1 to version 2 alone. The way to version 3 leads through version 2: "
        f"install version 2 on {name} instead, run this again, finish its configuration, export the recovery password "
        "of its master key, back up its database, and then install version 3 over it, as the vendor's page "
        "'Upgrading from Access Manager v2' says."
    )


def _refuse_platform(name: str, described: Described, allowed: c.Container[str]) -> None:
    platform: Platform = described["platform"]
    if platform["build"] < _SERVER_2016:
        raise AccessManagerError(
            f"{name} has build {platform['build']} of Windows: version 2 needs Windows Server 2016 (build "
            f"{_SERVER_2016}) or newer."
        )
    _refuse_runtimes(name, described["installation"]["version"], platform["runtimes"], allowed)
    values = described["state"]["registry"]
    external = any((value["key"], value["name"]) == _CONNECTION and value["data"] for value in values)
    if not external and not platform["sql_instances"] and "sql" not in allowed:
        raise Stumbled(
            f"{name} has neither an instance of SQL Server nor the connection string of one, which version 2 needs: "
            "its installer installs SQL Express as '.\\AMS', or takes the name of another SQL Server.",
            "sql",
        )


def _refuse_runtimes(name: str, version: str, runtimes: c.Mapping[str, list[str]], allowed: c.Container[str]) -> None:
    needed = _RUNTIME_OF_2_0 if _numbers(version) < _2_1 else _RUNTIME_OF_2_1

    def starts_it(runtime: str) -> bool:
        return _numbers(runtime)[:1] == needed[:1] and _numbers(runtime) >= needed

    lacking = [runtime for runtime in _RUNTIMES if not any(map(starts_it, runtimes.get(runtime, [])))]
    if lacking and "dotnet" not in allowed:
        raise Stumbled(
            f"{name} has no {' and no '.join(lacking)} of .NET {needed[0]} ({_dotted(needed)} or newer), without which "
            f"version {printable(version)} does not start: install the .NET Desktop Runtime and the .NET Hosting "
            f"Bundle of .NET {needed[0]}. Another major version does not do.",
            "dotnet",
        )


def _numbers(version: str) -> tuple[int, ...]:
    """A version to compare; empty when it is none."""
    return tuple(map(int, version.split("."))) if _VERSION_TEXT.fullmatch(version) else ()


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def refuse_backup(contents: Contents, version: str, allowed: c.Container[str]) -> None:
    """Raises AccessManagerError when the backup has what the target's version 2 could not use, unless it is allowed."""
    there = contents.configuration.described["installation"]["version"]
    if _numbers(there) >= _1_1 and _numbers(version) < _TAKES_1_1:
        raise AccessManagerError(
            f"The backup {contents.source.label} is of Access Manager '{printable(there)}', and upgrades from version "
            f"1.1 failed before {_dotted(_TAKES_1_1)}: the target has '{printable(version)}'. Install a newer version "
            "2 there."
        )
    if has_unreadable_passwords(contents) and "community" not in allowed:
        raise Stumbled(
            f"The backup {contents.source.label} has encryption certificates and no licence: passwords in Active "
            "Directory are encrypted, and the community edition of version 2 cannot read those (the vendor's issue "
            "197). Get a licence of the enterprise edition for version 2 first.",
            "community",
        )


def has_unreadable_passwords(contents: Contents) -> bool:
    """Whether encrypted passwords may depend on a backup without a licence. A census that counted none says no."""
    if texts(contents.configuration, "Licensing.Data"):
        return False
    census = contents.source.manifest.get("directory") if contents.source.manifest else None
    if census is not None:
        return any(key["current"] or key["history"] for key in census["keys"])
    return bool(contents.source.certificates or contents.certificates)
