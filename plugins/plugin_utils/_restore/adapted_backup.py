# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup of one server as another would have made it: what is bound to the old one is rewritten, or left as the new
one has it.

The restore then does with it what it does on the same server. Nothing here speaks to a server.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import datetime
import hashlib
import json
import ntpath
import re

from .._ams.constants import ACCESS_MANAGER_APPLICATION, CONFIG, EXTERNAL, LATER_VERSIONS, SUPPORTED_MAJOR_VERSION
from .._ams.description import DATABASE_FOLDER, own_http_configuration
from .._ams.json_document import with_changes
from .._ams.shapes import BackedUpServer, Binding, HttpSys, Installation, RegistryValue, State
from .._ams.shapes import Reference as RecordedReference
from .._contents import zip_writer
from .._contents.configuration import Configuration, Reference
from .._contents.contents import Contents, Rewrite
from .._contents.file_list import FileList, FileRecord
from .._contents.names import FILES, STATE, path_of
from .._contents.web_address import web_address_of
from .._errors import AccessManagerError
from .._text import printable
from .._windows import sddl, thumbprints
from .._windows.tls_binding import ADDRESS, CENTRAL_STORE, place_of_binding, plain_binding
from . import outgoing_channels
from .plan import Plan
from .plan_settings import CONFIGURED, is_configured, place_of
from .plan_text import lines_of
from .target_server import TargetServer

KEPT_VALUES = {
    ("", "path"),
    ("", "version"),
    ("", "basepath"),
    ("", "configpath"),
    ("", "logpath"),
    ("", "deletelocaldbinstance"),
    ("parameters", "configpath"),
    ("parameters", "logpath"),
    ("parameters", "resetscheduler"),
    ("parameters", "resetmaintenancetaskschedules"),
}
"""Registry values that stay as the new server has them: its installer's, its places, and orders that are carried out
once.
"""

_CERT_BINDING = ("", "certbinding")
_OF_THE_BINDING = {CONFIGURED, _CERT_BINDING}
"""Those that stay too while a TLS certificate is missing: the service is not configured before it can serve."""

_VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})*")
_CHANGES, _SHOWN_CHANGES = ("+", "~", "-"), 3


@dataclasses.dataclass(frozen=True)
class RecoveryOptions:
    """How the new server is to get the backup.

    C(tls_thumbprint): of the certificate for the web site; None for that of the backup, or what the server has bound
    already. C(relocate): whether files from elsewhere move into the configuration folder.
    C(silence): whether mail, webhooks and other outgoing channels are switched off, as for a drill.
    C(migrate): whether it has version 2, which makes its bindings itself.
    """

    tls_thumbprint: str | None = None
    relocate: bool = True
    allow_version_mismatch: bool = False
    silence: bool = False
    migrate: bool = False


def adapt(contents: Contents, server: TargetServer, target: RecoveryOptions) -> Contents:
    """The backup as this server would have made it. Raises AccessManagerError when it must not come here."""
    _refuse_versions(contents, server, target)
    configuration = contents.configuration
    moves = _PathMapping(configuration, server["installation"]["config_path"], relocate=target.relocate)
    rewrites = _rewrites(configuration, moves)
    described = _described(configuration, server, tls_bindings(contents, server, target))
    values = {(one.place, one.before): one.after for one in rewrites.values()}
    described["references"] = [_reference(one, moves, values) for one in described["references"]]
    rewritten = _rewritten(configuration, rewrites)
    silenced = _silence(configuration, rewritten) if target.silence else []
    translated = _config_zip(configuration, moves, rewritten, described)
    return dataclasses.replace(
        contents, held=Configuration(translated), rewrites=tuple(rewrites.values()), silenced=tuple(silenced)
    )


def refuse_configured(contents: Contents, server: TargetServer, plan: Plan) -> None:
    """Raises AccessManagerError when the plan would write over an Access Manager that was configured already."""
    if server["installation"]["configured"] and plan.changes_server:
        changes = [printable(line) for line in lines_of(plan) if line.startswith(_CHANGES)]
        more = f", and {len(changes) - _SHOWN_CHANGES} more" if len(changes) > _SHOWN_CHANGES else ""
        raise AccessManagerError(
            f"Access Manager on {server['computer_name']} is configured already, and {contents.source.label} would "
            "take the place "
            "of its configuration. If that is meant, set overwrite_configured. A safety copy of it stays on the "
            f"server. What would change: {'; '.join(changes[:_SHOWN_CHANGES])}{more}."
        )


def _refuse_versions(contents: Contents, server: TargetServer, target: RecoveryOptions) -> None:
    label, name = contents.source.label, server["computer_name"]
    there = contents.configuration.described["installation"]["version"]
    here = server["installation"]["version"]
    if _version(there)[:1] != (SUPPORTED_MAJOR_VERSION,):
        raise AccessManagerError(
            f"The backup {label} is of Access Manager '{there}', which cannot be restored. {LATER_VERSIONS}"
        )
    if there == here or target.migrate or (target.allow_version_mismatch and _version(here) > _version(there)):
        return
    newer = (
        "It is newer: to restore to it nevertheless, set allow_version_mismatch."
        if _version(here) > _version(there)
        else ""
    )
    raise AccessManagerError(
        f"The backup {label} is of Access Manager {there}, and {name} has {here}: install the MSI of Access Manager "
        "Service "
        f"{there} on {name}. {' '.join(filter(None, (contents.installer, newer)))}".rstrip()
    )


def _version(text: str) -> tuple[int, ...]:
    """A version to compare; empty when it is none."""
    return tuple(map(int, text.split("."))) if _VERSION.fullmatch(text) else ()


# ---- files ----


class _PathMapping:
    """Where files and folders of the backup go: another configuration folder, and files from elsewhere into it."""

    def __init__(self, configuration: Configuration, new_root: str, *, relocate: bool) -> None:
        self._configuration = configuration
        self._old_root = configuration.described["installation"]["config_path"].rstrip("\\")
        if not ntpath.isabs(self._old_root):
            raise AccessManagerError(
                f"The backup says that its configuration lay in '{self._old_root}', which is no folder."
            )
        self._new_root = new_root
        self._folder = self._free_folder(configuration) if relocate else None

    @staticmethod
    def _free_folder(configuration: Configuration) -> str:
        """A folder below config/ that the backup does not have."""
        taken = {
            name.split("/")[1].lower()
            for name in configuration.files.keys() | configuration.folders.keys()
            if "/" in name
        }
        number, folder = 1, "external"
        while folder in taken:
            number += 1
            folder = f"external-{number}"
        return folder

    def name(self, name: str) -> str:
        """The name of a file of the backup as the new server's backup would have it."""
        if self._folder is None or not name.startswith(EXTERNAL) or not self._configuration.names_external(name):
            return name
        return f"{CONFIG}{self._folder}/{name.removeprefix(EXTERNAL)}"

    def is_inside(self, path: str) -> bool:
        """Whether a file of the old server lay in its configuration folder."""
        return path.lower().startswith(f"{self._old_root.lower()}\\")

    def path(self, path: str, name: str | None) -> str:
        """Where a file of the old server is on the new one; the path itself when it does not move.

        C(name): in the backup.
        """
        if self.is_inside(path):
            return self._new_root + path[len(self._old_root) :]
        moved = self.name(name) if name else None
        return path_of(moved, self._new_root) if moved and moved != name else path

    def value(self, reference: Reference) -> str | None:
        """What a reference must say on the new server; None when it already leads there."""
        wanted = self.path(reference.path, reference.name)
        there = ntpath.normpath(ntpath.join(self._new_root, reference.folder, reference.value.value))
        return None if there.lower() == wanted.lower() else wanted


def _rewrites(configuration: Configuration, moves: _PathMapping) -> dict[tuple[str, int, int], Rewrite]:
    """The references that have to say something else, by their files and places in bytes."""
    return {
        (one.file, one.value.start, one.value.end): Rewrite(
            one.file, one.place, one.value.value, new, moves.is_inside(one.path)
        )
        for one in configuration.references
        if (new := moves.value(one)) is not None
    }


def _rewritten(configuration: Configuration, rewrites: dict[tuple[str, int, int], Rewrite]) -> dict[str, bytes]:
    """The JSON files in which something has to be rewritten, by their names in a backup."""
    rewritten = {}
    for file in {rewrite.file for rewrite in rewrites.values()}:
        changes = {(start, end): _written(rewrite) for (of, start, end), rewrite in rewrites.items() if of == file}
        rewritten[f"{CONFIG}{file}"] = with_changes(configuration.read(f"{CONFIG}{file}"), changes)
    return rewritten


def _silence(configuration: Configuration, rewritten: dict[str, bytes]) -> list[str]:
    """Switches the outgoing channels off in the JSON files as they were rewritten; returns the places of these."""
    places = []
    for name in (f"{CONFIG}{file}" for file in configuration.documents):
        data = rewritten.get(name) or configuration.read(name)
        silent, found = outgoing_channels.silenced(data)
        if found:
            rewritten[name] = silent
            places += found
    return places


def _written(rewrite: Rewrite) -> bytes:
    return json.dumps(rewrite.after, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _config_zip(
    configuration: Configuration, moves: _PathMapping, rewritten: dict[str, bytes], described: BackedUpServer
) -> bytes:
    """A config.zip of all this, without the database: that belongs to its server."""
    files = {moves.name(name): name for name in configuration.files if not name.startswith(DATABASE_FOLDER)}
    records = [_record(configuration.files[old], new, rewritten.get(old)) for new, old in files.items()]
    folders = [record for name, record in configuration.folders.items() if not _is_below_database(name)]
    listed: FileList = {"files": records, "folders": folders}
    content = {STATE: [json.dumps(described).encode()], FILES: [json.dumps(listed).encode()]}
    content |= {record["path"]: [] for record in listed["folders"]}
    entries: dict[str, c.Iterable[bytes]] = content | {
        new: [rewritten[old]] if old in rewritten else configuration.chunks(old) for new, old in files.items()
    }
    now = datetime.datetime.now(datetime.UTC)
    return b"".join(zip_writer.zip_chunks(zip_writer.Entry(name, now, chunks) for name, chunks in entries.items()))


def _is_below_database(name: str) -> bool:
    return name.startswith(DATABASE_FOLDER) and name != DATABASE_FOLDER


def _record(record: FileRecord, name: str, data: bytes | None) -> FileRecord:
    """The record of a file under a new name.

    In another folder it is open to those alone who could open it where it was.
    """
    moved = record.copy()
    if name != record["path"]:
        moved |= {"path": name, "sddl": sddl.with_own_rules(record["sddl"])}
    if data is not None:
        moved |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return moved


# ---- the state beside the files ----


def tls_bindings(contents: Contents, server: TargetServer, target: RecoveryOptions) -> dict[str, Binding | None]:
    """Access Manager's TLS bindings of the backup by endpoint, as this server can have them: None where a certificate
    is missing.

    A backup without one gets that which its settings ask for: Access Manager sends everybody from HTTP to HTTPS.
    Raises AccessManagerError when the certificate that was asked for is not there.
    """
    if target.migrate:
        return {}
    there = {thumbprint.upper() for thumbprint in server["machine_certificates"]}
    asked = _asked_certificate(server, target, there)
    usable = [one for one in server["state"]["http_sys"]["bindings"] if one["thumbprint"].upper() in there]
    wanted = _own_bindings(contents.configuration)
    if wanted:
        usable = [one for one in usable if one["application_id"] == ACCESS_MANAGER_APPLICATION]
    elif asked or is_configured(contents.configuration.described["state"]):
        wanted = [_default_binding(contents.configuration)]
    here = {place_of_binding(one): one for one in usable}
    return {
        binding["endpoint"]: _usable_binding(binding, asked, there, here.get(place_of_binding(binding)))
        for binding in wanted
    }


def _usable_binding(binding: Binding, asked: str | None, there: set[str], bound: Binding | None) -> Binding | None:
    """A binding of the backup with a certificate that this server has: the one asked for, its own, or the one bound
    here.
    """
    thumbprint = asked or binding["thumbprint"].upper()
    if binding["kind"] == CENTRAL_STORE:
        return binding
    if thumbprint in there:
        return binding | {"thumbprint": thumbprint}
    if bound and binding["thumbprint"]:
        return binding | {"thumbprint": bound["thumbprint"], "store": bound["store"]}
    return bound


def _own_bindings(configuration: Configuration) -> list[Binding]:
    return own_http_configuration(configuration.described["state"]["http_sys"])["bindings"]


def _default_binding(configuration: Configuration) -> Binding:
    """The binding that Access Manager makes where the backup's settings say that its web site is, without a
    certificate.
    """
    endpoint, application = web_address_of(configuration).tls_endpoint, ACCESS_MANAGER_APPLICATION
    return plain_binding(ADDRESS, endpoint, "", application, "My")


def _asked_certificate(server: TargetServer, target: RecoveryOptions, there: set[str]) -> str | None:
    if target.tls_thumbprint is None:
        return None
    (asked,) = thumbprints.parse([target.tls_thumbprint])
    if asked not in there:
        raise AccessManagerError(
            f"{server['computer_name']} has no certificate {asked} with its private key in LocalMachine\\My, which "
            "tls_thumbprint asks for: import it there first."
        )
    return asked


def _described(
    configuration: Configuration, server: TargetServer, bindings: dict[str, Binding | None]
) -> BackedUpServer:
    """The state of the backup as the new server would have reported it."""
    described, state, here = configuration.described, configuration.described["state"], server["state"]
    http_sys: HttpSys = {
        "bindings": [binding for binding in bindings.values() if binding],
        "reservations": state["http_sys"]["reservations"],
    }
    kept = KEPT_VALUES if None not in bindings.values() else KEPT_VALUES | _OF_THE_BINDING
    registry = [*state["registry"], *_made_binding(configuration, http_sys["bindings"])]
    of_the_backup = [value for value in registry if place_of(value) not in kept]
    of_the_server = [value for value in here["registry"] if place_of(value) in kept]
    moved: State = {
        "computer_name": server["computer_name"],
        "registry": of_the_backup + of_the_server,
        "registry_permissions": state["registry_permissions"],
        "service": here["service"],
        "firewall": here["firewall"],
        "http_sys": http_sys,
        "tls_certificates": state["tls_certificates"],
    }
    installation: Installation = {**server["installation"], "version": described["installation"]["version"]}
    return {**described, "installation": installation, "state": moved}


def _made_binding(configuration: Configuration, bindings: list[Binding]) -> c.Iterator[RegistryValue]:
    """What Access Manager remembers of a binding that the backup had not: which one is its own."""
    is_set = any(place_of(value) == _CERT_BINDING for value in configuration.described["state"]["registry"])
    for binding in bindings if not _own_bindings(configuration) and not is_set else ():
        if binding["application_id"] == ACCESS_MANAGER_APPLICATION:
            yield {"key": "", "name": "CertBinding", "kind": "String", "data": binding["endpoint"]}


def _reference(
    reference: RecordedReference, moves: _PathMapping, rewritten: dict[tuple[str, str], str]
) -> RecordedReference:
    name = moves.name(reference["name"]) if reference["name"] else None
    path = moves.path(reference["path"], reference["name"])
    value = rewritten.get((reference["key"], reference["value"]), reference["value"])
    place = reference["place"] if path == reference["path"] else "config"
    return {**reference, "name": name, "value": value, "path": path, "place": place}
