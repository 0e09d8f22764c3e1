# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server with version 2 shows of its import: what was carried over, and what is left."""

from __future__ import annotations

import collections
import collections.abc as c
import re
import typing as t

from .._ams.shapes import AbsentServer
from .._errors import AccessManagerError
from .._target.answers import MigratedServer, Trouble
from .._target.health import service_may_read
from .._text import printable, shortened
from .migration import IMPORTED, VERSION

DONE, LEFT, PROBLEM, UNKNOWN = "done", "left", "problem", "unknown"
EVENTS = _EXPORTED, _NOT_BACKED_UP = 2300, 5051
"""What is looked for in the event log, as the vendor's documents number it: the recovery password of the master key was
exported, and a backup of the database failed."""

_NOT_CONFIGURED = 5016
"""Logged at each start before the configuration tool saved: no trouble, as Configured says the same."""

_ERROR = 2
_LEVELS = {1: "critical", _ERROR: "error", 3: "warning"}
_MOST_NAMED, _MOST_HOURS = 10, 10_000
_SHOW_EVENTS = (
    "Get-WinEvent -LogName 'Lithnet Access Manager' -MaxEvents 50 | Format-List -Property TimeCreated, Id, "
    "LevelDisplayName, Message"
)

_HEALTHY = 200
_TROUBLE = re.compile("error|fail|warn|exception|fatal|critical", re.IGNORECASE)
_NONE = re.compile(
    r"\b0\s+(error|fail|warn|exception)\w*|\b(error|fail|warn|exception)\w*\s*[:=]\s*0(?!\w|\.\d)", re.IGNORECASE
)
"""A count of trouble that says that there was none."""

_MOST_LINES, _LONGEST_LINE = 20, 300
_SETTINGS = "config/appsettings.json"
_FOLDERS = ("audit-templates", "scripts", "external")


def condition_of_trouble(hours: float) -> str:
    """Errors and warnings of the last hours, as a condition on System in the XPath of Windows' event log.

    Raises AccessManagerError when there are no such hours.
    """
    if not 0 < hours <= _MOST_HOURS:
        raise AccessManagerError(f"events_hours is {hours}: it must be more than 0, and at most {_MOST_HOURS}.")
    levels = " or ".join(f"Level={level}" for level in _LEVELS)
    return f"({levels}) and EventID!={_NOT_CONFIGURED} and TimeCreated[timediff(@SystemTime) <= {int(hours * 3.6e6)}]"


class Finding(t.TypedDict):
    """C(state): done, left to an administrator, a problem, or unknown."""

    thing: str
    state: str
    found: str
    advice: str


def findings_of(described: AbsentServer | MigratedServer) -> tuple[list[Finding], list[str]]:
    """What was found, and the lines of the log that tell of trouble.

    Raises AccessManagerError when the server has another version.
    """
    name = described["computer_name"]
    if "state" not in described:
        raise AccessManagerError(f"Access Manager is not installed on {name}: this looks at a server with version 2.")
    server = t.cast(MigratedServer, described)
    if (version := server["installation"]["version"]).partition(".")[0] != str(VERSION):
        raise AccessManagerError(
            f"Access Manager on {name} has version '{printable(version)}': this looks at a server with version 2, "
            "after the playbook migrate."
        )
    looks = (_import, _files, _log, _events, _certificates, _service, _configured, _health, _key, _backups, _rest)
    return [look(server) for look in looks], _lines_of(server)


def trouble_of(described: AbsentServer | MigratedServer) -> list[Trouble]:
    """The errors and warnings in the event log, the newest first."""
    return t.cast(MigratedServer, described)["trouble"]["events"] if "state" in described else []


def table_of(findings: c.Sequence[Finding]) -> list[str]:
    width = max(len(one["thing"]) for one in findings)
    rows = [f"{'THING':<{width}}  STATE    FOUND"]
    for one in findings:
        rows.append(f"{one['thing']:<{width}}  {one['state']:<7}  {one['found']}")
        rows += [f"{'':<{width}}           -> {one['advice']}"] if one["advice"] else []
    return rows


def _finding(thing: str, state: str, found: str, advice: str = "") -> Finding:
    return {"thing": thing, "state": state, "found": found, "advice": advice}


def _import(server: MigratedServer) -> Finding:
    names = [str(record["name"]) for record in server["records"]]
    aside = [name.rpartition("/")[2] for name in names if IMPORTED.fullmatch(name)]
    if aside:
        return _finding("settings", DONE, f"They were imported, and put aside as {', '.join(aside)}.")
    if _SETTINGS in (name.lower() for name in names):
        return _finding(
            "settings",
            LEFT,
            "appsettings.json is in place and was not imported.",
            "Restart the service, and read its log. A server that was configured before imports nothing.",
        )
    return _finding("settings", PROBLEM, "There is no appsettings.json, imported or not.", "Run the playbook migrate.")


def _files(server: MigratedServer) -> Finding:
    """Of scripts and templates: those that lay elsewhere are below external."""
    places = [str(record["name"]).lower().split("/") for record in server["records"] if record["kind"] == "file"]
    counts = collections.Counter(place[1] for place in places if place[0] == "config" and len(place) > 2)
    there = [f"{counts[folder]} in {folder}" for folder in _FOLDERS if counts[folder]]
    if there:
        return _finding("scripts and templates", DONE, f"There are {', '.join(there)}.", "Test each with version 2.")
    return _finding("scripts and templates", UNKNOWN, "There are none in the configuration folder.")


def _lines_of(server: MigratedServer) -> list[str]:
    log = server["migration_log"]
    lines = (log["text"] or "").splitlines() if log else []
    found = [line.strip() for line in lines if _TROUBLE.search(_NONE.sub("", line))]
    return [shortened(line, _LONGEST_LINE) for line in found[:_MOST_LINES]]


def _log(server: MigratedServer) -> Finding:
    log = server["migration_log"]
    if not log or log["text"] is None:
        place = f"'{log['path']}'" if log else "the folder of its logs"
        return _finding("log of the import", LEFT, f"There is no {place}.", "Start the service, and run this again.")
    lines = _lines_of(server)
    if lines:
        return _finding(
            "log of the import",
            PROBLEM,
            f"'{log['path']}' tells of {len(lines)} errors or warnings, the first of which is: {lines[0]}",
            "Read it, and set what was not imported in the configuration tool.",
        )
    return _finding("log of the import", DONE, f"'{log['path']}' tells of no error.")


def _events(server: MigratedServer) -> Finding:
    error, events = server["trouble"]["error"], server["trouble"]["events"]
    if error:
        return _finding("events", UNKNOWN, f"Events cannot be read: {error}", _SHOW_EVENTS)
    if not events:
        return _finding("events", DONE, "There is neither an error nor a warning.")
    counts = collections.Counter((one["level"], one["id"]) for one in events)
    named = [
        f"{_LEVELS.get(level, 'event')} {number} ({count} times)"
        for (level, number), count in sorted(counts.items())[:_MOST_NAMED]
    ]
    state = PROBLEM if min(counts)[0] <= _ERROR else LEFT
    return _finding("events", state, f"{', '.join(named)}, the newest at {events[0]['time']}.", _SHOW_EVENTS)


def _certificates(server: MigratedServer) -> Finding:
    keyed = [one for one in server["certificates"] if one["key"]["present"]]
    usable = sorted({one["thumbprint"] for one in keyed if service_may_read(one["key"])})
    unreadable = sorted({one["thumbprint"] for one in keyed} - {*usable})
    if unreadable:
        return _finding(
            "certificates",
            PROBLEM,
            f"The service may not read the keys of {', '.join(unreadable)}.",
            "Import them in the configuration tool, from the PFX files in certificates.zip of the backup. Or give the "
            "service the right: mmc.exe, Certificates of the service account lithnetams, Manage Private Keys.",
        )
    if not usable:
        return _finding("certificates", UNKNOWN, "The service can read no encryption certificate in its store.")
    return _finding(
        "certificates",
        DONE,
        f"The service can read the keys of {', '.join(usable)}.",
        "See in the configuration tool that version 2 has them: it keeps them in its database.",
    )


def _service(server: MigratedServer) -> Finding:
    status = server["state"]["service"]["status"]
    if status == "Running":
        return _finding("service", DONE, "It is running.")
    return _finding("service", PROBLEM, f"It is {status}.", "Start it, and look into the event log when it ends.")


def _configured(server: MigratedServer) -> Finding:
    if server["installation"]["configured"]:
        return _finding("configuration tool", DONE, "Its settings were saved: Configured is 1.")
    return _finding("configuration tool", LEFT, "Configured is not 1.", "Open it, look at the settings, and save.")


def _health(server: MigratedServer) -> Finding:
    if not server["health"]:
        return _finding(
            "/health-check",
            LEFT,
            "HTTP.sys has no certificate of Access Manager, so nobody was asked.",
            "Choose the TLS certificate in the configuration tool, and save.",
        )
    ill = [f"{one['url']}: {one['error'] or one['status']}" for one in server["health"] if one["status"] != _HEALTHY]
    if not ill:
        return _finding("/health-check", DONE, f"{', '.join(one['url'] for one in server['health'])} answers with 200.")
    state = PROBLEM if server["installation"]["configured"] else LEFT
    return _finding("/health-check", state, f"{'; '.join(ill)}.", "Look into the event log, and at SQL Server.")


def _key(server: MigratedServer) -> Finding:
    advice = "Export it under Security in the configuration tool, and keep it with the playbook attach."
    if server["logged"]["error"]:
        return _finding("recovery password", UNKNOWN, f"Events cannot be read: {server['logged']['error']}", advice)
    times = [one["time"] for one in server["logged"]["events"] if one["id"] == _EXPORTED]
    if times:
        return _finding("recovery password", DONE, f"It was exported, by event {_EXPORTED} of {times[0]}.")
    return _finding("recovery password", LEFT, f"No event {_EXPORTED} says that it was exported.", advice)


def _backups(server: MigratedServer) -> Finding:
    failed = [one["time"] for one in server["logged"]["events"] if one["id"] == _NOT_BACKED_UP]
    if failed:
        return _finding(
            "database backup",
            PROBLEM,
            f"A backup of the database failed, by event {_NOT_BACKED_UP} of {failed[0]}.",
            "See the Database page of the configuration tool.",
        )
    return _finding(
        "database backup", LEFT, "This collection does not back it up.", "Back it up as the vendor's page says."
    )


def _rest(_server: MigratedServer) -> Finding:
    return _finding(
        "tasks of the plan",
        LEFT,
        "Licence, group memberships, SPN, DNS, identity provider and agents are not seen from here.",
        "Do the tasks of the plan that migrate makes, in their order.",
    )
