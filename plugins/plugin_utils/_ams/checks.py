# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a server from being backed up, and what makes its backup incomplete."""

from __future__ import annotations

import collections.abc as c
import re

from .._errors import AccessManagerError
from .constants import (
    CLUSTERED_STOP,
    JSON_FILES,
    LATER_VERSIONS,
    PASSWORD_ENCRYPTION_USAGE,
    RETURN_TO_VERSION_1,
    SUPPORTED_MAJOR_VERSION,
)
from .description import DATABASE_FOLDER, Described, inventory_name
from .shapes import Certificate, Server, SnapshotManifest

_DRIVE = re.compile(r"[A-Za-z]:")

FRAMEWORK_472 = 461808
"""The Release of .NET Framework 4.7.2, as Microsoft documents it."""


def require_supported_version(
    described: Described, *, without_configuration: bool = False, how_to_return: str = RETURN_TO_VERSION_1
) -> None:
    """Raises AccessManagerError when the server has no Access Manager v1, or no configuration folder where one is
    needed.

    C(how_to_return): what to do with a later version.
    """
    name, installation = described["computer_name"], described["installation"]
    if not installation["exists"]:
        raise AccessManagerError(
            f"Access Manager is not installed on {name}: its registry key or its service is missing. "
            "Take the host out of the group, or install Access Manager first."
        )
    version = installation["version"]
    major = version.split(".")[0]
    if not major.isdecimal() or int(major) != SUPPORTED_MAJOR_VERSION:
        raise AccessManagerError(
            f"Access Manager on {name} has version '{version}'; this collection knows version "
            f"{SUPPORTED_MAJOR_VERSION}. {LATER_VERSIONS} {how_to_return}"
        )
    refuse_unusable_places(described, without_configuration=without_configuration)


def refuse_unusable_places(described: Described, *, without_configuration: bool = True) -> None:
    """Raises AccessManagerError when the configuration lies where no file of it can be known, or .NET is too old."""
    name, installation = described["computer_name"], described["installation"]
    if not installation["config_exists"] and not without_configuration:
        raise AccessManagerError(
            f"The configuration folder of Access Manager on {name}, '{installation['config_path']}' as the registry "
            "says, does not exist. Correct ConfigPath in the registry, or bring the folder back."
        )
    if _DRIVE.fullmatch(installation["config_path"]):
        raise AccessManagerError(
            f"The configuration of Access Manager on {name} lies at the root of the drive "
            f"{installation['config_path']}, where nothing separates it from other files: move it into a folder, and "
            "name that in ConfigPath."
        )
    release = described.get("framework_release", 0)
    if 0 < release < FRAMEWORK_472:
        raise AccessManagerError(
            f"{name} has a .NET Framework older than 4.7.2 (its Release is {release}, and 4.7.2 has {FRAMEWORK_472}): "
            "install 4.7.2 or newer there. The Access Manager service does not need it, but this collection does."
        )


def refuse_without_rights(described: Described) -> None:
    """Raises AccessManagerError when the account may not read keys or stop the service, or the cluster runs it
    elsewhere.
    """
    name = described["computer_name"]
    if not described["administrator"]:
        raise AccessManagerError(
            f"The account is not an administrator of {name}: it can neither export keys nor stop the service. "
            "Use an administrator's account in ansible_user."
        )
    cluster = described.get("cluster")
    if cluster and not cluster["owned"]:
        raise AccessManagerError(
            f"{name} is a node of a failover cluster whose resource '{cluster['resource']}' runs on "
            f"{cluster['owner']} now: run this against {cluster['owner']}."
        )


def refuse_clustered_stop(described: Described) -> None:
    """Raises AccessManagerError when a failover cluster runs the service: it treats a stop from outside as a
    failure.
    """
    cluster = described.get("cluster")
    if not cluster or described["state"]["service"]["status"] == "Stopped":
        return
    owner = cluster["owner"] or "the node that runs it"
    raise AccessManagerError(CLUSTERED_STOP.format(described["computer_name"], cluster["resource"], owner))


def problems_of_configuration(described: Server | SnapshotManifest) -> list[str]:
    """One sentence for each thing that makes a backup of this configuration less than whole."""
    problems = []
    if not any(document["file"] == JSON_FILES[0] for document in described["documents"]):
        problems.append(
            f"There is no {JSON_FILES[0]} in the configuration folder: what it names, and its secrets, are unknown."
        )
    for document in described["documents"]:
        if not document["valid"]:
            problems.append(
                f"{document['file']} is not valid JSON: it was backed up as it is, but the files and secrets it names "
                "are unknown. Correct it on the server, and back up again."
            )
    for reference in described["references"]:
        if reference["place"] == "share":
            problems.append(
                f"{reference['key']} names '{reference['value']}', on a network share, which is not backed up."
            )
        elif not reference["exists"]:
            problems.append(
                f"{reference['key']} names '{reference['value']}', but there is no file '{reference['path']}'."
            )
    for record in described["records"]:
        if record["kind"] == "link":
            problems.append(f"'{record['path']}' is a link; what it leads to is not backed up.")
        elif "error" in record and not inventory_name(record).startswith(DATABASE_FOLDER):
            problems.append(f"'{record['path']}' cannot be read now: {record['error']}")
    return problems


def problems_of_documents(described: SnapshotManifest, unreadable: dict[str, str]) -> list[str]:
    """One sentence for each JSON file that the server reads and a restore would not.

    C(unreadable): the reasons, by file.
    """
    invalid = {document["file"] for document in described["documents"] if not document["valid"]}
    return [
        f"{file} was backed up as it is, but no restore takes it: {reason}. "
        "Save it on the server as JSON in UTF-8, and back up again."
        for file, reason in unreadable.items()
        if file not in invalid
    ]


def problems_of_certificates(certificates: c.Iterable[Certificate], named: c.Container[str] = ()) -> list[str]:
    """One sentence for each password encryption certificate whose key cannot be backed up.

    C(named): the thumbprints of those that are used for it whatever their usages are.
    """
    problems = []
    for certificate in certificates:
        key = certificate["key"]
        shown = f"Certificate {certificate['thumbprint']} ({certificate['subject']})"
        if not key["present"]:
            if PASSWORD_ENCRYPTION_USAGE in certificate["usages"] or certificate["thumbprint"] in named:
                problems.append(f"{shown} is not backed up: {key['reason']}.")
        elif not key["exportable"]:
            problems.append(
                f"{shown} is not backed up: its private key is not exportable (provider '{key['provider']}'). "
                "Keep its original PFX, or its HSM's own backup."
            )
    return problems
