# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of Access Manager's installation, its service, and the space for its backups."""

from __future__ import annotations

import base64
import binascii
import collections.abc as c
import struct
import typing as t

from .._ams import service_events
from .._ams.checks import problems_of_configuration, require_supported_version
from .._ams.constants import EXTERNAL_DATABASE
from .._ams.description import files_of, is_on
from .._ams.shapes import Item, Server
from .._target import earlier_restores, health, interrupted_stops
from .facts import Facts, ServiceFacts
from .verdict import Check, Verdict, failure, ok, warning, without_error

_MANUAL = 3
_STAGED_TWICE, _STAGING_RESERVE = 2, 8 * 1024**2
_RESTART_SERVER, _RUN_PROGRAM = 2, 3
"""Of SC_ACTION: what Windows may do when a service fails."""

_WITHOUT_RESTART = "Do so as an administrator of the server; no restart is needed."
_LOCAL_DB_2017 = 14
_DATA_FILE, _LOG_FILE = "ams.mdf", "ams_log.ldf"

_HEADER_OF_RECOVERY = 20
_NTFS_ALIKE = ("NTFS", "ReFS")
_ENCRYPTED, _COMPRESSED = 0x4000, 0x800
"""Attributes of files."""

_COMFORT = 2
"""With less than so many times what is needed, space is a warning."""


def installation(facts: Facts) -> Verdict:
    def verdict() -> Verdict:
        require_supported_version(facts.server)
        found = facts.server["installation"]
        if not found["configured"]:
            return warning(
                f"Access Manager {found['version']} is installed, and Configured in the registry is not 1: it was "
                "never configured, or its installer was run again with another name of the service's account.",
                "Finish its setup in the configuration tool, or restore a backup onto this server: both set it.",
            )
        return ok(f"Access Manager {found['version']}, configuration in '{found['config_path']}'.")

    return without_error(verdict, "Nothing can be backed up there until that is so.")


def _configuration(facts: Facts) -> Verdict:
    obstacles = health.start_obstacles(facts.server, "configuration")
    if obstacles:
        return failure(" ".join(obstacles), "After a stop the service would not start: correct this before any stop.")
    problems = problems_of_configuration(t.cast(Server, facts.server))
    if problems:
        return warning(" ".join(problems), "A backup would be incomplete by this: correct it on the server.")
    return ok(f"A backup would hold {len(files_of(facts.server['records']))} files of it.")


def _state(facts: Facts) -> Verdict:
    service = facts.server["state"]["service"]
    obstacles = health.start_obstacles(facts.server, "start_type")
    if obstacles:
        return failure(
            f"The service {service['name']} is {service['status']}, and could not be started. {' '.join(obstacles)}",
            "Do so before any stop.",
        )
    if service["status"] != "Running":
        return warning(f"The service {service['name']} is {service['status']}.", "Start it, or find out why it is so.")
    if service["start"] == _MANUAL:
        return warning(
            f"The service {service['name']} runs, and does not start with the server (manual).",
            f"Set its start type: sc.exe config {service['name']} start= delayed-auto.",
        )
    return ok(f"The service {service['name']} runs, and starts with the server.")


def _account(facts: Facts) -> Verdict:
    service = facts.server["state"]["service"]
    obstacles = health.start_obstacles(facts.server, "account")
    if obstacles:
        return failure(" ".join(obstacles), "After a stop the service would not start: correct this before any stop.")
    if health.is_unmanaged(service):
        return warning(health.unmanaged(service), _WITHOUT_RESTART)
    if health.starts_too_early(service):
        return warning(health.too_early(service), _WITHOUT_RESTART)
    return ok(f"The service's account, {service['account'] or 'LocalSystem'}, may log on as a service.")


def _service(facts: Facts) -> ServiceFacts:
    return facts.examination["service"]


def _control(facts: Facts) -> Verdict:
    error = _service(facts)["control"]
    if error:
        return failure(
            f"This account may not stop and start the service: {error}",
            "Give Administrators full control of it back: sc.exe sdshow lithnetams shows its permissions, sc.exe "
            "sdset sets them.",
        )
    return ok("This account may stop and start the service.")


def _process(facts: Facts) -> Verdict:
    error = _service(facts)["process"]
    if error:
        return warning(
            f"The service's process cannot be opened, so its end can only be seen in the list of processes: {error}",
            "Give 'Debug programs' (SeDebugPrivilege) back to Administrators in the group policy.",
        )
    if not facts.server["state"]["service"]["process_ids"]:
        return ok("The service has no process now.")
    return ok("The end of the service's process can be waited for.")


def _recovery(facts: Facts) -> Verdict:
    actions = _recovery_actions(_service(facts)["recovery"])
    if {_RESTART_SERVER, _RUN_PROGRAM}.intersection(actions):
        does = "restarts the server" if _RESTART_SERVER in actions else "runs a program"
        return warning(
            f"When the service fails, Windows {does}: also in the middle of a restore whose configuration does not "
            "start.",
            "Set its recovery to nothing or to a restart of the service: sc.exe failure lithnetams reset= 86400 "
            "actions= restart/60000.",
        )
    return ok("When the service fails, Windows neither restarts the server nor runs a program.")


def _recovery_actions(recovery: str) -> list[int]:
    """The kinds of actions that the registry value FailureActions lists; none when it is not one."""
    try:
        data = base64.b64decode(recovery)[_HEADER_OF_RECOVERY:]
    except (binascii.Error, ValueError):
        return []
    return [kind for kind, _delay in struct.iter_unpack("<II", data[: len(data) // 8 * 8])]


def _events(facts: Facts) -> Verdict:
    logged = facts.server["service_events"]
    found = service_events.sentences(logged["events"])
    if logged["error"]:
        return warning(
            " ".join([*found, f"Access Manager's event log cannot be read to its end: {logged['error']}"]),
            "See in the Event Viewer that the log 'Lithnet Access Manager', which the installer makes, is there, and "
            "not too large to be read in 15 seconds.",
        )
    if found:
        return warning(" ".join(found), f"What is older than {service_events.DAYS} days is not said any more.")
    return ok(f"Access Manager logged no error that is looked for in the last {service_events.DAYS} days.")


def _database(facts: Facts) -> Verdict:
    """The cache without which the service does not start."""
    if is_on(facts.server["settings"], EXTERNAL_DATABASE):
        return ok("The database is in an external SQL Server.")
    database = facts.examination["database"]
    if not any(_major(version) >= _LOCAL_DB_2017 for version in database["versions"]):
        return warning(
            f"SQL LocalDB 2017 is not installed (found: {', '.join(database['versions']) or 'none'}), and the service "
            "does not start without it.",
            "Install SQL Server 2017 LocalDB (14.0) or newer there.",
        )
    if database["files"] == [_LOG_FILE]:
        return warning(
            f"{_LOG_FILE} is in the folder db without {_DATA_FILE}: the service cannot make its database again.",
            f"Stop the service, move {_LOG_FILE} away, and start it: it makes a new database, which is a cache.",
        )
    return ok(f"SQL LocalDB {', '.join(database['versions'])} is there for the database, which is a cache.")


def _major(version: str) -> int:
    first = version.partition(".")[0]
    return int(first) if first.isascii() and first.isdecimal() else 0


def _web_site(facts: Facts) -> Verdict:
    site = facts.examination["site"]
    if site is None:
        return ok("The web site is not tested while the service does not run, or was never configured.")
    addresses = [name for name in ("http", "https") if name in site]
    reasons = [reason for name in addresses if (reason := str(site[name]))]
    if reasons:
        return warning(
            " ".join(f"{reason.rstrip('.')}." for reason in reasons),
            "A restore does not wait for what does not serve now: correct it, or know that users cannot reach it.",
        )
    return ok(f"The web site serves over {' and '.join(name.upper() for name in addresses) or 'no address'}.")


def _paths_with(attribute: int, files: c.Iterable[Item]) -> list[str]:
    return [file["path"] for file in files if file["attributes"] & attribute]


def _file_system(facts: Facts) -> Verdict:
    volume = facts.examination["volume"]
    if volume["format"] not in _NTFS_ALIKE:
        return warning(
            f"The configuration is on a volume of {volume['format'] or 'an unknown file system'}.",
            "Permissions and times are kept on NTFS and ReFS alone: move the configuration folder there.",
        )
    files = files_of(facts.server["records"])
    kinds = {
        "encrypted (EFS)": _paths_with(_ENCRYPTED, files),
        "compressed": _paths_with(_COMPRESSED, files),
        "under further names (hard links)": volume["linked"],
        "with further streams": volume["streamed"],
    }
    special = [f"{', '.join(paths)}: {kind}" for kind, paths in kinds.items() if paths]
    if special:
        return warning(
            f"A file that a restore replaces is a plain one: {'; '.join(special)}.",
            "Know that a restore loses this, or make them plain files now. docs/restore.md names what is lost.",
        )
    return ok(f"{volume['format']}, and no file there is encrypted, compressed, linked, or has further streams.")


def _cluster(facts: Facts) -> Verdict:
    cluster = facts.server["cluster"]
    if not cluster:
        return ok("No failover cluster runs the service.")
    resource = cluster["resource"]
    if not cluster["owned"]:
        return failure(
            f"The cluster resource '{resource}' runs on {cluster['owner']} now.",
            f"Run backups against {cluster['owner']}.",
        )
    return warning(
        f"The service is the resource '{resource}' of a failover cluster: this collection does not stop it.",
        f'Before a restore, or a backup with a stop, take it offline: Stop-ClusterResource -Name "{resource}".',
    )


def _unfinished(facts: Facts) -> Verdict:
    stops = interrupted_stops.stopped(facts.server["interrupted_stops"])
    sentences = [interrupted_stops.sentence(run) for run in stops]
    sentences += earlier_restores.problems(facts.server["unended_restores"])
    if sentences:
        return failure(" ".join(sentences), "Look at the service, then run a backup or the restore again.")
    return ok("No run was interrupted there.")


def _staging(facts: Facts) -> Verdict:
    staging = facts.server["staging"]
    return _space(f"in '{staging['root']}' for a backup with a stop", staging["free_bytes"], facts)


def _safety(facts: Facts) -> Verdict:
    drive = facts.examination["drives"]["safety"]
    return _space(f"on {drive['name']} for what a restore keeps", drive["free_bytes"], facts)


def _space(where: str, free: int, facts: Facts) -> Verdict:
    size = sum(file["size"] for file in files_of(facts.server["records"]))
    needed = _STAGED_TWICE * size + _STAGING_RESERVE
    found = f"{_mebibytes(free)} MiB are free {where}, and {_mebibytes(needed)} MiB are needed."
    if free < needed:
        return failure(found, "Free some space there, or name a folder on another drive with doctor_staging_root.")
    if free < _COMFORT * needed:
        return warning(found, "Free some space there before the configuration grows.")
    return ok(found)


def _mebibytes(count: int) -> int:
    return -(-count // 1024**2)


CHECKS: tuple[Check[Facts], ...] = (
    Check("configuration", _configuration),
    Check("service", _state),
    Check("service account", _account),
    Check("service control", _control),
    Check("service process", _process),
    Check("service recovery", _recovery),
    Check("service events", _events),
    Check("database", _database),
    Check("web site", _web_site),
    Check("failover cluster", _cluster),
    Check("interrupted runs", _unfinished),
    Check("file system", _file_system),
    Check("staging space", _staging),
    Check("space for restores", _safety),
)
